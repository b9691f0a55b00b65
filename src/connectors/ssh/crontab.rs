//! A cron table at a host: its lines, which of them a run has switched off, and the jobs of it that run now.

use super::host::{Host, Image};
use super::shell::quoted;
use crate::connectors::{ActionError, Call};
use crate::model::Digest;

/// Which table.
#[derive(Clone)]
pub(super) enum Table {
    /// The table of a user; of the account that logs in (or of root behind sudo) when none is named.
    User(Option<String>),
    /// A file such as those in `/etc/cron.d`, whose lines name their user.
    File(String),
}

/// What stands before a line that a run has switched off.
pub(super) fn tag(run: &str, step: &str) -> String {
    format!("# pointsman {run}/{step}: ")
}

/// The tag of a line, and what it hides.
pub(super) fn tagged(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("# pointsman ")?;
    let at = rest.find(": ")? + 2;
    let owner = &rest[..at - 2];
    (owner.contains('/') && !owner.contains(' ')).then(|| line.split_at("# pointsman ".len() + at))
}

/// Whether a line starts jobs: no comment, no empty line, no setting of a variable.
pub(super) fn is_job(line: &str) -> bool {
    let line = line.trim_start();
    let first = line.chars().next();
    first.is_some_and(|c| c.is_ascii_digit() || c == '*' || c == '@')
}

/// The lines with their line breaks: putting them together again gives the same bytes.
pub(super) fn changed(text: &str, change: impl Fn(&str) -> Option<String>) -> String {
    text.split_inclusive('\n').map(|line| change(line).unwrap_or_else(|| line.to_owned())).collect()
}

impl Table {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        match (call.params.opt_text("user")?, call.params.opt_text("file")?) {
            (Some(_), Some(_)) => Err(ActionError::untouched("give either `user` or `file`")),
            (user, None) => Ok(Self::User(user.map(str::to_owned))),
            (None, Some(file)) => Ok(Self::File(file.to_owned())),
        }
    }

    pub(super) fn shown(&self) -> String {
        match self {
            Self::User(Some(user)) => format!("the crontab of {user}"),
            Self::User(None) => "the account's crontab".to_owned(),
            Self::File(file) => file.clone(),
        }
    }

    fn argv<'a>(&'a self, verb: &'a str) -> Vec<&'a str> {
        match self {
            Self::User(Some(user)) => vec!["crontab", "-u", user, verb],
            Self::User(None) | Self::File(_) => vec!["crontab", verb],
        }
    }

    /// The whole table.
    pub(super) fn read(&self, host: &Host) -> Result<Image, ActionError> {
        let missing = || ActionError::untouched(format!("there is no {} at {}", self.shown(), host.shown()));
        let image = match self {
            Self::File(file) => host.read(&host.real_path(file)?)?.ok_or_else(missing)?,
            Self::User(_) => {
                let ran = host.look(&self.argv("-l"))?;
                if !ran.is_ok() {
                    return Err(if ran.stderr.contains("no crontab for") {
                        missing()
                    } else {
                        ActionError::untouched(format!("{} cannot be read: crontab {}", self.shown(), ran.complaint()))
                    });
                }
                Image { bytes: ran.stdout, mode: 0, owner: String::new() }
            }
        };
        if std::str::from_utf8(&image.bytes).is_err() {
            return Err(ActionError::untouched(format!("{} is no UTF-8 text", self.shown())));
        }
        Ok(image)
    }

    /// Replaces the table, if it is still what `old` says.
    pub(super) fn replace(&self, host: &Host, old: &Image, text: &str) -> Result<(), ActionError> {
        let new = Image { bytes: text.as_bytes().to_vec(), ..old.clone() };
        match self {
            Self::File(file) => host.replace(&host.real_path(file)?, &new)?,
            Self::User(_) => {
                // Counted at the host first: a cut connection looks like an end of input, and would shorten the table.
                let script = format!(
                    "LC_ALL=C; export LC_ALL; umask 077; t=$(mktemp) || exit 74; trap 'rm -f \"$t\"' EXIT; cat > \"$t\"\n\
                     [ \"$(wc -c < \"$t\")\" -eq {length} ] || {{ echo 'not all bytes came over' >&2; exit 74; }}\n\
                     {crontab} < \"$t\"",
                    length = new.bytes.len(),
                    crontab = host.line(&self.argv("-")),
                );
                let shown = format!("{} < {} bytes {}", host.shown_line(&self.argv("-")), new.bytes.len(), new.digest());
                host.act_script(&shown, &script, &new.bytes)?;
            }
        }
        let back = self.read(host).map_err(|error| ActionError::in_doubt(error.message))?;
        if back.bytes != new.bytes {
            return Err(ActionError::touched(format!("{} is not what was written: somebody else writes to it", self.shown())));
        }
        Ok(())
    }

    /// What a line runs, and as whom where the table says so.
    fn command<'a>(&self, line: &'a str) -> (Option<&'a str>, String) {
        let line = line.trim();
        let mut rest = line;
        let mut field = || {
            let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            rest = after.trim_start();
            word
        };
        let times = if line.starts_with('@') { 1 } else { 5 };
        for _ in 0..times {
            field();
        }
        let user = match self {
            Self::File(_) => Some(field()),
            Self::User(_) => None,
        };
        // An unescaped percent sign ends the command.
        let mut command = String::new();
        let mut characters = rest.chars().peekable();
        while let Some(c) = characters.next() {
            match c {
                '\\' if characters.peek() == Some(&'%') => {}
                '%' if !command.ends_with('\\') => break,
                c => command.push(c),
            }
        }
        (user, command.trim().to_owned())
    }

    /// The jobs that cron runs now and that may be of a switched-off line, as `pid since`. A job counts unless it is
    /// certainly one of a line that is still on, because a shell may have replaced itself by what it runs.
    pub(super) fn running(&self, host: &Host, off: &[String], on: &[String]) -> Result<Vec<String>, ActionError> {
        let all = host.ask(&["ps", "-e", "-ww", "-o", "pid=,ppid=,stat=,user:64=,comm:32=,lstart=,args="])?;
        let rows: Vec<Vec<&str>> =
            all.lines().map(|line| line.split_whitespace().collect()).filter(|row: &Vec<_>| row.len() > 10).collect();
        let is_cron = |comm: &str| matches!(comm, "cron" | "CRON" | "crond");
        let crons: Vec<&str> = rows.iter().filter(|row| is_cron(row[4])).map(|row| row[0]).collect();
        let own = match self {
            Self::User(Some(user)) => Some(user.clone()),
            Self::User(None) => Some(host.ask(&["id", "-un"])?),
            Self::File(_) => None,
        };
        let users: Vec<String> = off.iter().filter_map(|line| self.command(line).0.map(str::to_owned)).chain(own).collect();
        let surely_on: Vec<String> =
            on.iter().map(|line| self.command(line).1).filter(|c| !off.iter().any(|o| self.command(o).1 == *c)).collect();
        let found = rows.iter().filter(|row| crons.contains(&row[1]) && !is_cron(row[4]) && !row[2].starts_with('Z'));
        let found = found.filter(|row| users.iter().any(|user| user == row[3])).filter(|row| {
            let args = row[10..].join(" ");
            let bare = args.strip_prefix("/bin/sh -c ").or_else(|| args.strip_prefix("sh -c ")).unwrap_or(&args);
            !surely_on.iter().any(|command| command.split_whitespace().collect::<Vec<_>>().join(" ") == bare)
        });
        Ok(found.map(|row| format!("pid {} since {}", row[0], row[8])).collect())
    }
}

/// The digest of a table or a line.
pub(super) fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

/// What a person sends to take the tag off.
pub(super) fn by_hand(table: &Table, run: &str, step: &str) -> String {
    let sed = format!("s|^{}||", tag(run, step));
    match table {
        Table::File(file) => format!("sed -i {} {}", quoted(&sed), quoted(file)),
        Table::User(user) => {
            let user = user.as_ref().map_or_else(String::new, |user| format!("-u {} ", quoted(user)));
            format!("crontab {user}-l | sed {} | crontab {user}-", quoted(&sed))
        }
    }
}
