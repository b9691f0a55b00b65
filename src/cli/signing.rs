//! Signing a decision: the statement is made here, and the user's own `ssh-keygen` signs it, so that agent, file and hardware
//! key all work.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::desk::now;
use super::ordering::Giver;
use crate::authority::signers::Signers;
use crate::authority::{Decision, NAMESPACE, Signed, Statement};
use crate::engine::{Draft, Home, whoami};
use crate::model::{PersonId, RoleName, Roster, RunId, Span, StepId};
use crate::run::{Instance, State};

/// How a decision is signed.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Signing")]
pub struct SignArgs {
    /// Sign also where no signature is asked for
    #[arg(long)]
    sign: bool,
    /// The SSH key: a private key file, or a public one whose private half the agent has
    #[arg(long, value_name = "FILE", env = "POINTSMAN_KEY", hide_env_values = true)]
    key: Option<PathBuf>,
    /// The role in which you decide, where you have several
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// The person whose deputy you are in this
    #[arg(long = "for", value_name = "PERSON")]
    absent: Option<String>,
    /// How long the signature counts
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = Span::parse)]
    valid_for: Span,
    /// Print the statement for `ssh-keygen -Y sign`, and decide nothing
    #[arg(long, conflicts_with_all = ["statement", "signature"])]
    print_statement: bool,
    /// A statement that was signed already
    #[arg(long, value_name = "FILE", requires = "signature")]
    statement: Option<PathBuf>,
    /// Its signature: what `ssh-keygen -Y sign` wrote
    #[arg(long, value_name = "FILE", requires = "statement")]
    signature: Option<PathBuf>,
}

/// What is being signed.
#[derive(Clone, Copy, Debug)]
pub struct Matter<'a> {
    /// Where runs live.
    pub home: &'a Home,
    /// The run.
    pub run: &'a RunId,
    /// Where it stands.
    pub state: &'a State,
    /// The step.
    pub step: &'a StepId,
    /// What is decided about it.
    pub decision: Decision,
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// No signature is wanted.
    Unsigned,
    /// The statement was printed, and that was all.
    Printed(String),
    /// The statement and its signature.
    Signed(Signed),
}

impl SignArgs {
    /// Whether a statement is only to be printed.
    pub const fn only_prints(&self) -> bool {
        self.print_statement
    }

    /// Signs, where that is wanted.
    ///
    /// # Errors
    /// When nobody can be found who could sign, or `ssh-keygen` fails.
    pub fn outcome(&self, giver: &Giver, matter: Matter<'_>) -> Result<Outcome> {
        if let (Some(statement), Some(signature)) = (&self.statement, &self.signature) {
            return Ok(Outcome::Signed(Signed { statement: read(statement)?, signature: read(signature)? }));
        }
        let Some(i) = matter.state.find(matter.step) else { return Ok(Outcome::Unsigned) };
        let wanted = self.sign || self.print_statement || self.absent.is_some() || must_sign(matter, i);
        let Some(roster) = matter.state.plan().content().roster.as_ref().filter(|roster| wanted && roster.has_signers()) else {
            return Ok(Outcome::Unsigned);
        };
        let person = self.person(giver, roster)?;
        let statement = self.statement(matter, i, person)?.to_string();
        if self.print_statement {
            return Ok(Outcome::Printed(statement));
        }
        let person = person_of(&statement);
        let key = self.key_of(roster, &person)?;
        let signature = keygen(key.path(), &statement)?;
        Ok(Outcome::Signed(Signed { statement, signature }))
    }

    fn person(&self, giver: &Giver, roster: &Roster) -> Result<PersonId> {
        if let crate::authority::Claim::Person(person) = giver.by.claim() {
            return Ok(person);
        }
        if let Ok(actor) = whoami(Some(roster), &giver.by.claim())
            && let Some(person) = actor.person
        {
            return Ok(person);
        }
        bail!("your login is no person of the roster: say with --by which one you are")
    }

    fn statement(&self, matter: Matter<'_>, step: Instance, person: PersonId) -> Result<Statement> {
        let draft = Draft {
            home: matter.home,
            run: matter.run,
            state: matter.state,
            step,
            decision: matter.decision,
            person,
            role: self.role.as_ref().map(RoleName::new),
            deputy_for: self.absent.as_ref().map(PersonId::new),
            valid_for: self.valid_for,
        };
        Ok(draft.statement(now())?)
    }

    /// The key: as given, else the first of the user's own that the roster gives to the person.
    fn key_of(&self, roster: &Roster, person: &PersonId) -> Result<Key> {
        if let Some(key) = &self.key {
            return Ok(Key::File(key.clone()));
        }
        let text = roster.allowed_signers.as_ref().map_or("", |file| file.text.as_str());
        let signers = Signers::parse(text).unwrap_or_default();
        let is_theirs = |line: &str| ssh_key::PublicKey::from_openssh(line).is_ok_and(|key| signers.gives(person.as_str(), &key));
        for file in public_keys() {
            if fs::read_to_string(&file).is_ok_and(|text| is_theirs(text.trim())) {
                return Ok(Key::File(file));
            }
        }
        if let Some(line) = agent_keys().into_iter().find(|line| is_theirs(line)) {
            let mut file = tempfile::Builder::new().suffix(".pub").tempfile().context("no temporary file can be made")?;
            writeln!(file, "{line}").context("the temporary file cannot be written")?;
            return Ok(Key::Agent(file));
        }
        bail!("none of your SSH keys is one that the roster's `allowed_signers` give to {person}: name it with --key")
    }
}

/// Whether the run takes this decision only signed.
fn must_sign(matter: Matter<'_>, i: Instance) -> bool {
    let asks = matter.state.asks_for_signature(i);
    match matter.decision {
        Decision::Approve | Decision::Confirm | Decision::BreakGlass => asks,
        Decision::Retry | Decision::Skip | Decision::ResolveApplied | Decision::ResolveNotApplied | Decision::ResolvePartial => {
            asks && matter.state.planned(i).protected
        }
        Decision::Reject | Decision::Withdraw => false,
    }
}

/// Where a key is; a file that was made for it goes with it.
enum Key {
    File(PathBuf),
    Agent(tempfile::NamedTempFile),
}

impl Key {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Agent(file) => file.path(),
        }
    }
}

fn person_of(statement: &str) -> PersonId {
    PersonId::new(statement.lines().find_map(|line| line.strip_prefix("approver: ")).unwrap_or_default())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// The user's public keys, hardware keys first.
fn public_keys() -> Vec<PathBuf> {
    let Some(home) = std::env::var_os("HOME") else { return Vec::new() };
    let entries = fs::read_dir(Path::new(&home).join(".ssh")).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| path.extension() == Some("pub".as_ref())).collect();
    found.sort_by_key(|path| (!path.to_string_lossy().contains("_sk"), path.clone()));
    found
}

fn agent_keys() -> Vec<String> {
    if std::env::var_os("SSH_AUTH_SOCK").is_none() {
        return Vec::new();
    }
    let listed = Program::new("ssh-add").arg("-L").stderr(Stdio::null()).output();
    let text = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// `ssh-keygen -Y sign` over the statement, which is handed to it and never lies in a file.
fn keygen(key: &Path, statement: &str) -> Result<String> {
    let mut child = Program::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("ssh-keygen cannot be started: it comes with OpenSSH (Debian: openssh-client)")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(statement.as_bytes()).context("ssh-keygen does not take the statement")?;
    }
    let output = child.wait_with_output().context("ssh-keygen did not end")?;
    if !output.status.success() {
        bail!("ssh-keygen did not sign with {}", key.display());
    }
    String::from_utf8(output.stdout).context("ssh-keygen wrote no text")
}
