//! An attempt at a host: a program that outlives the session which started it, and a folder that tells what became of it.
//!
//! When a session's server process dies, the remote program runs on and nobody sees its end. So the program runs in a Unix
//! session of its own under a small shell that writes down who it is, and its exit code once it has one; what it prints goes to
//! files, because a pipe would break with the connection. The folder is named by run, step and attempt:
//!
//! `leader` pid, start time and boot id · `code` the exit code · `out`, `err` what was printed

use std::time::Duration;

use super::exec::{End, NoEnd};
use super::host::{Host, Ran};
use super::order::Order;
use super::shell::quoted;
use crate::connectors::command::{Capture, Printed};
use crate::connectors::patience::Patience;
use crate::connectors::{ActionError, Recorder};

/// What is known of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// The host has no trace of it: it never began.
    Never,
    /// Its folder is there, and its program is not (yet).
    Starting,
    /// These processes of it are alive.
    Running(String),
    /// It ended by itself.
    Ended { end: End, out: Printed, err: Printed },
    /// Nothing of it is alive, and it left no code: it was killed together with its shell, or the host went down.
    Gone,
}

/// What is read of each stream: what is kept, and what a secret across the cut needs.
const READ: usize = 68 * 1024;

/// Shell functions: the live processes of a folder's Unix session, without those of a leader's pid that was given to another.
const ALIVE: &str = r#"
alive() {
  p=; read -r p s b 2>/dev/null < "$1/leader"; [ "$p" ] || return 0
  [ "$b" = "$(cat /proc/sys/kernel/random/boot_id)" ] || return 0
  l=; read -r l 2>/dev/null < "/proc/$p/stat"
  if [ "$l" ]; then l=${l##*) }; set -f; set -- $l; set +f; [ "${20}" = "$s" ] || return 0; fi
  cat /proc/[0-9]*/stat 2>/dev/null | grep -F " $p " | while read -r l; do
    q=${l%% *}; l=${l##*) }
    set -f; set -- $l; set +f
    [ "$4" = "$p" ] || continue
    case $1 in Z|X|x) continue;; esac
    printf ' %s' "$q"
  done
}
"#;

/// The attempts of one step at a host.
pub(super) struct Attempts<'a> {
    host: &'a Host,
    /// The step's folder, as a word for a shell.
    base: String,
}

impl<'a> Attempts<'a> {
    pub(super) fn of(host: &'a Host) -> Self {
        let (run, step, _) = &host.owner;
        let folder = match &host.address().run_dir {
            Some(folder) => quoted(folder),
            None => "\"$HOME\"/.pointsman".to_owned(),
        };
        Self { host, base: format!("{folder}/{}/{}", quoted(run), quoted(step)) }
    }

    fn own(&self) -> String {
        format!("{}/{}", self.base, self.host.owner.2)
    }

    /// For people.
    pub(super) fn folder(&self) -> String {
        self.own().replace(['\'', '"'], "")
    }

    /// Starts the program and waits for its end. When the time is up, everything of it is ended.
    pub(super) fn run(&self, order: &Order) -> Result<Fate, ActionError> {
        let shown = order.shown(self.host);
        let left = self.host.patience().left();
        let reserve = (left / 3).min(Duration::from_secs(6));
        let patience = self.host.patience().at_most(left.saturating_sub(reserve));
        match self.host.kept(&shown, &self.starting(order), order.stdin.as_bytes(), &patience, Recorder::statement) {
            Ok(ran) => self.read(&ran).map_err(|why| match why {
                Unread::NotBegun(why) => ActionError::untouched(format!("`{shown}` at {}: {why}", self.host.shown())),
                Unread::Unclear(why) => ActionError::in_doubt(format!("`{shown}` at {}: {why}", self.host.shown())),
            }),
            Err(NoEnd::Lost(super::session::WireError::Stopped(stopped))) => {
                let ended = self.end(&self.own(), &Patience::for_ending(reserve));
                Err(match ended {
                    Ok(_) => ActionError::touched(format!("`{shown}` was ended with everything it had started: {stopped}")),
                    Err(why) => ActionError::in_doubt(format!("`{shown}` could not be ended: {why}")),
                })
            }
            Err(error) => Err(self.host.lost(&shown, &error)),
        }
    }

    /// A second start of the same attempt is refused by the folder. Standard input is counted before anything runs: a
    /// connection that was cut looks like an end of input.
    fn starting(&self, order: &Order) -> String {
        let supervisor = r#"trap : HUP INT TERM
read -r l < /proc/$$/stat; l=${l##*) }; set -f; set_start() { shift 19; s=$1; }; set_start $l; set +f
echo "$$ $s $(cat /proc/sys/kernel/random/boot_id)" > "$POINTSMAN_DIR/l" && mv "$POINTSMAN_DIR/l" "$POINTSMAN_DIR/leader" || exit 1
d=$POINTSMAN_DIR; unset POINTSMAN_DIR
exec < "$d/in" > "$d/out" 2> "$d/err" || exit 1
rm -f "$d/in"
"$@"
echo $? > "$d/c"; mv "$d/c" "$d/code""#;
        format!(
            "umask 077; B={base}; D={own}\n\
             command -v setsid >/dev/null || {{ echo 'refused there is no setsid'; exit 0; }}\n\
             mkdir -p -- \"$B\" || {{ echo 'refused the folder cannot be made'; exit 0; }}\n\
             [ -O \"$B\" ] || {{ echo 'refused the folder is somebody else'\\''s'; exit 0; }}\n\
             mkdir -- \"$D\" 2>/dev/null || {{ echo 'refused this attempt was started before'; exit 0; }}\n\
             cat > \"$D/in\"; [ \"$(wc -c < \"$D/in\")\" -eq {length} ] || {{ rm -rf -- \"$D\"; echo 'refused standard input was cut'; exit 0; }}\n\
             (umask {umask}\n{setting}POINTSMAN_DIR=$D; export POINTSMAN_DIR\n\
             exec setsid sh -c {supervisor} sh {argv}) >/dev/null 2>&1 </dev/null &\n\
             wait $!\n{look}",
            base = self.base,
            own = self.own(),
            length = order.stdin.len(),
            umask = "022",
            setting = order.setting(self.host),
            supervisor = quoted(supervisor),
            argv = order.starting(self.host),
            look = self.looking(),
        )
    }

    fn looking(&self) -> String {
        format!(
            "{ALIVE}\nD={own}\n\
             if [ ! -d \"$D\" ]; then echo never\n\
             elif [ -f \"$D/code\" ]; then echo \"ended $(cat \"$D/code\") $(wc -c < \"$D/out\") $(wc -c < \"$D/err\")\"\n\
             head -c {READ} \"$D/out\"; head -c {READ} \"$D/err\" >&2\n\
             elif [ ! -f \"$D/leader\" ]; then echo starting\n\
             else a=$(alive \"$D\")\n\
             if [ -f \"$D/code\" ]; then echo again; elif [ \"$a\" ]; then echo \"running$a\"; else echo gone; fi; fi",
            own = self.own(),
        )
    }

    /// What became of the attempt; looks until it is over, or until `patience` is.
    pub(super) fn fate(&self, patience: &Patience) -> Result<Fate, ActionError> {
        loop {
            let ran = self.host.look_script(&format!("look into {}", self.folder()), &self.looking())?;
            let fate = self.read(&ran);
            let waiting = match &fate {
                Ok(Fate::Running(_) | Fate::Starting) => true,
                Ok(Fate::Never | Fate::Ended { .. } | Fate::Gone) => false,
                Err(Unread::Unclear(why)) if why == "again" => true,
                Err(Unread::Unclear(_) | Unread::NotBegun(_)) => false,
            };
            if !waiting || patience.sleep_blocking(Duration::from_millis(200)).is_err() {
                return fate.map_err(|why| match why {
                    Unread::NotBegun(why) | Unread::Unclear(why) => ActionError::untouched(why),
                });
            }
        }
    }

    fn read(&self, ran: &Ran) -> Result<Fate, Unread> {
        let end = ran.stdout.iter().position(|byte| *byte == b'\n').unwrap_or(ran.stdout.len());
        let head = String::from_utf8_lossy(&ran.stdout[..end]).into_owned();
        let body = ran.stdout.get(end + 1..).unwrap_or_default();
        let (word, rest) = head.split_once(' ').unwrap_or((head.as_str(), ""));
        match word {
            "never" => Ok(Fate::Never),
            "starting" => Ok(Fate::Starting),
            "running" => Ok(Fate::Running(rest.to_owned())),
            "gone" => Ok(Fate::Gone),
            "refused" => Err(Unread::NotBegun(rest.to_owned())),
            "again" => Err(Unread::Unclear("again".to_owned())),
            "ended" => {
                let mut numbers = rest.split_whitespace().map(str::parse::<usize>);
                let (Some(Ok(code)), Some(Ok(out)), Some(Ok(err))) = (numbers.next(), numbers.next(), numbers.next()) else {
                    return Err(Unread::Unclear(format!("its folder holds `{rest}`")));
                };
                let code = i32::try_from(code).unwrap_or(i32::MAX);
                let printed = |name, bytes: &[u8], total: usize| {
                    let mut capture = Capture::new(name, self.host.recorder().clone());
                    capture.take(bytes);
                    let mut printed = capture.finish();
                    printed.dropped += total.saturating_sub(bytes.len()) as u64;
                    printed
                };
                let (out, err) = (printed("stdout", body, out), printed("stderr", ran.stderr.as_bytes(), err));
                Ok(Fate::Ended { end: End::Code(code), out, err })
            }
            // The bootstrap's own code: the script did not come over whole.
            _ if ran.end == End::Code(125) => Err(Unread::NotBegun("it did not come over whole".to_owned())),
            _ => Err(Unread::Unclear(format!("its shell {}", ran.complaint()))),
        }
    }

    /// Ends whatever is alive of any attempt of the step; the answer is how many processes that were.
    pub(super) fn end_all(&self) -> Result<usize, String> {
        let limit = (self.host.patience().left() / 4).min(Duration::from_secs(5));
        self.end(&format!("{}/*", self.base), &Patience::for_ending(limit))
    }

    /// Asks the processes of these folders to end, then kills them, and returns once none is alive.
    fn end(&self, folders: &str, patience: &Patience) -> Result<usize, String> {
        let tenths = |part: u32| (patience.left() / part).as_millis() / 100;
        let script = format!(
            "{ALIVE}\nt=0; first=\n\
             while :; do a=; k=\n\
             for D in {folders}; do [ -d \"$D\" ] || continue; for q in $(alive \"$D\"); do a=\"$a $q\"\n\
             read -r p s b < \"$D/leader\"; [ \"$q\" = \"$p\" ] || k=\"$k $q\"; done; done\n\
             [ \"$first\" ] || first=\"x$a\"\n\
             [ \"$a\" ] || {{ set -- ${{first#x}}; echo \"ended $#\"; exit 0; }}\n\
             [ $t -lt {limit} ] || {{ echo \"alive$a\"; exit 0; }}\n\
             if [ $t -eq 0 ]; then [ ! \"$k\" ] || {kill} -TERM $k; elif [ $t -ge {grace} ]; then [ ! \"$k\" ] || {kill} -KILL $k; fi 2>/dev/null\n\
             t=$((t+1)); sleep 0.1; done",
            kill = self.host.line(&["kill"]),
            limit = tenths(1).saturating_sub(3).max(3),
            grace = tenths(3).max(1),
        );
        let ran = self
            .host
            .kept(&format!("end what is alive under {}", self.folder()), &script, b"", patience, Recorder::statement)
            .map_err(|error| error.to_string())?;
        let text = ran.text();
        match text.split_once(' ') {
            Some(("ended", count)) => count.trim().parse().map_err(|_| text.clone()),
            Some(("alive", pids)) => Err(format!("pid {} live on", pids.trim())),
            _ => Err(ran.complaint()),
        }
    }
}

/// Why an answer tells nothing of an end.
enum Unread {
    NotBegun(String),
    Unclear(String),
}
