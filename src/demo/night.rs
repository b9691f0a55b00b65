//! The demo's night from its first order to its verdict: who is started when, what goes wrong, and how it ended.

use std::fs;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::crew::{Crew, CrewError};
use super::executor::{Executor, ProcessError, Program};
use super::mischief::Mischief;
use super::shop::{self, Folder, ShopError};
use super::story::{GATE, Moment, Story};
use super::watch::{Look, Watch, WatchError};
use super::{Side, Verdict};
use crate::engine::identity::login;
use crate::model::RunOutcome;
use crate::run::StepStatus;

const RUNBOOK: &str = include_str!("../../runbooks/quickstart/runbook.yaml");
const PEOPLE: &str = include_str!("../../runbooks/quickstart/people.yaml");

/// The name of the run.
const RUN: &str = "the-move";

/// How many orders come in before the night begins, and after it.
const SOME_ORDERS: usize = 100;

/// Who answers at the gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// The person at this terminal.
    AtTerminal,
    /// The demo, in the name of the local user; the record says so.
    Unattended,
}

/// What a demo is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// This program.
    pub program: PathBuf,
    /// The folder of the demo; it must not exist, or be empty.
    pub folder: PathBuf,
    /// What is shown.
    pub story: Story,
    /// Who answers at the gate.
    pub manner: Manner,
}

/// How a night ended, checked and not told.
#[derive(Clone, PartialEq, Debug)]
pub struct Ending {
    /// How the run says it ended.
    pub outcome: RunOutcome,
    /// What the ledger and the databases say.
    pub verdict: Verdict,
    /// Whether the audit of the run's journal holds.
    pub audit_holds: bool,
    /// Where the story wanted the shop to be.
    pub side: Side,
    /// How the story wanted the run to end.
    pub expected: RunOutcome,
}

impl Ending {
    /// Whether everything is as it has to be.
    pub fn is_well(&self) -> bool {
        self.complaints().is_empty()
    }

    /// What is not as it has to be.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.outcome != self.expected {
            complaints.push(format!("the run ended as \"{}\" and should have ended as \"{}\"", self.outcome, self.expected));
        }
        if self.verdict.live != self.side {
            complaints.push(format!("the shop sells from the {} database and should from the {}", self.verdict.live, self.side));
        }
        if !self.verdict.is_whole() {
            complaints.push("the shop is not whole".to_owned());
        }
        if !self.audit_holds {
            complaints.push("the audit does not hold".to_owned());
        }
        complaints
    }
}

/// Why a night could not be carried to its end.
#[derive(Debug, thiserror::Error)]
pub enum NightError {
    /// The folder is in use.
    #[error("the folder {0} is not empty; a demo makes its own")]
    FolderInUse(PathBuf),
    /// There is nobody to ask.
    #[error("there is no terminal to ask at; `--unattended` lets the demo answer in your name")]
    NobodyToAsk,
    /// A file cannot be written.
    #[error("{path} cannot be written")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The executor ended although the run had not.
    #[error("the executor ended with {how} before the run was over; its last words:\n{last_words}")]
    ExecutorGone {
        /// How.
        how: String,
        /// What it printed last.
        last_words: String,
    },
    /// A command was refused.
    #[error("`pointsman {command}` ended with {how}")]
    Refused {
        /// The command.
        command: String,
        /// How.
        how: String,
    },
    /// The run takes too long.
    #[error("the run did not end within {0:?}")]
    TooLong(Duration),
    /// The step was never seen at work, so nothing could be killed in it.
    #[error("the executor could not be killed in {0}: the step was never seen at work")]
    NeverKilled(&'static str),
    /// The shop failed.
    #[error(transparent)]
    Crew(#[from] CrewError),
    /// The shop's files cannot be read.
    #[error(transparent)]
    Shop(#[from] ShopError),
    /// The run cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// A process cannot be started.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// Lives through a night and answers how it ended.
///
/// # Errors
/// When the night could not be carried to its end; a bad end is no error but an [`Ending`] with complaints.
pub fn live(wish: Wish) -> Result<Ending, NightError> {
    if wish.manner == Manner::AtTerminal && !std::io::stdin().is_terminal() {
        return Err(NightError::NobodyToAsk);
    }
    let folder = prepare(&wish.folder)?;
    println!("A little shop in {}: a writer, a worker, a sync, two databases.", folder.path().display());
    let mut crew = Crew::start(wish.program.clone(), folder.clone())?;
    crew.more_orders(Side::Old, SOME_ORDERS)?;
    println!("It sells into old.db; {SOME_ORDERS} orders are in. It keeps selling while it moves.\n");
    let home = folder.path().join("home");
    let program = Program::new(&wish.program, &home, folder.path());
    Night { wish, folder, crew, program, mischief: None, step_seen: false, answered: false }.pass()
}

struct Night {
    wish: Wish,
    folder: Folder,
    crew: Crew,
    program: Program,
    mischief: Option<Mischief>,
    /// Whether the step of the story has been dealt with: killed in, or seen to fail.
    step_seen: bool,
    answered: bool,
}

impl Night {
    fn pass(mut self) -> Result<Ending, NightError> {
        self.begin_mischief(Moment::Before)?;
        let front = self.folder.front_url()?.unwrap_or_default();
        let mut params = vec![format!("front={front}")];
        params.extend(self.wish.story.params().into_iter().map(|(name, value)| format!("{name}={value}")));
        let mut args = vec!["run", "runbook.yaml", "--id", RUN];
        params.iter().for_each(|param| args.extend(["--param", param]));
        let executor = self.program.start(&args)?;
        let (outcome, run) = self.watch(executor)?;
        self.end_mischief()?;

        let live = self.folder.live_side()?;
        self.crew.more_orders(live, SOME_ORDERS)?;
        println!(
            "\nThe run is over and {SOME_ORDERS} more orders went into {live}.db. The shop closes, and this is what its own ledger"
        );
        println!("and the databases say:\n");
        self.crew.close()?;
        let verdict = Verdict::of(&self.folder)?;
        println!("{verdict}\n");
        let audit_holds = self.program.order(&["audit", "verify", &run])?.success();
        let story = self.wish.story;
        Ok(Ending { outcome, verdict, audit_holds, side: story.side(), expected: story.outcome() })
    }

    /// Watches until the run has ended and its executor too.
    fn watch(&mut self, mut executor: Executor) -> Result<(RunOutcome, String), NightError> {
        const GLANCE: Duration = Duration::from_millis(20);
        const LONGEST: Duration = Duration::from_secs(120);
        let mut watch = Watch::new(self.program.home());
        let mut until = Instant::now() + LONGEST;
        loop {
            self.crew.check()?;
            let ended = executor.ended()?;
            let look = watch.look()?;
            look.iter().flat_map(|look| &look.news).for_each(|line| anstream::println!("    {}", line.ansi()));
            if let (Some(look), Some(_)) = (&look, &ended)
                && let Some(outcome) = look.outcome
            {
                if let (Story::Kill(step), false) = (self.wish.story, self.step_seen) {
                    return Err(NightError::NeverKilled(step));
                }
                return Ok((outcome, look.run.clone()));
            }
            if let Some(status) = ended {
                return Err(NightError::ExecutorGone { how: status.to_string(), last_words: executor.last_words() });
            }
            if let Some(look) = look {
                executor = self.kill(executor, &look)?;
                if self.answer(&look)? {
                    // A person may think as long as they like.
                    until = Instant::now() + LONGEST;
                }
                self.repair(&look)?;
            }
            if Instant::now() >= until {
                return Err(NightError::TooLong(LONGEST));
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// Kills the executor when the story says so, and starts another.
    fn kill(&mut self, executor: Executor, look: &Look) -> Result<Executor, NightError> {
        let Story::Kill(step) = self.wish.story else { return Ok(executor) };
        let status = look.status(step);
        let at_work = match step {
            GATE => status == Some(StepStatus::AwaitingPeople),
            // Here the kill has to fall after the effect and before its record.
            "switch" => status == Some(StepStatus::Running) && self.folder.live_side()? == Side::New,
            _ => status == Some(StepStatus::Running),
        };
        if self.step_seen || !at_work {
            return Ok(executor);
        }
        self.step_seen = true;
        let id = executor.id();
        executor.kill()?;
        println!(
            "\n>>> The executor (process {id}) was killed with SIGKILL in the middle of {step}. The shop knows nothing of it."
        );
        self.end_mischief()?;
        println!();
        Ok(self.program.start(&["resume", &look.run])?)
    }

    /// Answers at the gate once it asks; whether it did.
    fn answer(&mut self, look: &Look) -> Result<bool, NightError> {
        // An order to a run that nobody drives takes its lock for a moment, and a new executor would find it taken.
        let nobody_drives = match self.wish.story {
            Story::Kill(step) => (step == GATE && !self.step_seen) || (self.step_seen && look.executors < 2),
            Story::Plain | Story::Reject | Story::Fail(_) => false,
        };
        if self.answered || nobody_drives || look.status(GATE) != Some(StepStatus::AwaitingPeople) {
            return Ok(false);
        }
        self.answered = true;
        self.begin_mischief(Moment::AtGate)?;
        let verb = match self.wish.story {
            Story::Fail(GATE) => return Ok(false),
            Story::Reject => "reject",
            Story::Plain | Story::Fail(_) | Story::Kill(_) if self.wish.manner == Manner::Unattended || ask(look)? => "approve",
            Story::Plain | Story::Fail(_) | Story::Kill(_) => {
                self.wish.story = Story::Reject;
                "reject"
            }
        };
        let mut args = vec![verb, &look.run, GATE];
        match (verb, self.wish.manner) {
            ("reject", _) => args.extend(["--reason", "not tonight"]),
            (_, Manner::Unattended) => args.extend(["--yes", "--note", "approved by an unattended demo"]),
            (_, Manner::AtTerminal) => args.push("--yes"),
        }
        self.must(&args)?;
        Ok(true)
    }

    /// Takes the trouble back once its step has failed, and orders another attempt where nothing can turn back any more.
    fn repair(&mut self, look: &Look) -> Result<(), NightError> {
        let Story::Fail(step) = self.wish.story else { return Ok(()) };
        let Some(status) = look.status(step).filter(|_| !self.step_seen) else { return Ok(()) };
        if status == StepStatus::Held {
            self.step_seen = true;
            println!("\n>>> {step} failed after the point of no return: the run waits for a person, who repairs the shop.");
            self.end_mischief()?;
            return self.must(&["retry", &look.run, step]);
        }
        if matches!(status, StepStatus::Failed | StepStatus::Rejected) {
            self.step_seen = true;
            self.end_mischief()?;
        }
        Ok(())
    }

    fn must(&self, args: &[&str]) -> Result<(), NightError> {
        let status = self.program.order(args)?;
        if status.success() {
            return Ok(());
        }
        Err(NightError::Refused { command: args.join(" "), how: status.to_string() })
    }

    fn begin_mischief(&mut self, now: Moment) -> Result<(), NightError> {
        if let Some((moment, trouble)) = self.wish.story.trouble().filter(|(moment, _)| *moment == now) {
            let aim = match (self.wish.story, moment) {
                (Story::Kill(step), _) => format!("so that {step} takes a while"),
                (Story::Plain | Story::Reject | Story::Fail(_), _) => "and this is what the night meets".to_owned(),
            };
            println!(">>> Trouble, {aim}: {trouble}.\n");
            self.mischief = Some(Mischief::begin(trouble, &mut self.crew, &self.folder)?);
        }
        Ok(())
    }

    fn end_mischief(&mut self) -> Result<(), NightError> {
        if let Some(mischief) = self.mischief.take()
            && let Some(done) = mischief.end(&mut self.crew, &self.folder)?
        {
            println!(">>> {}.", capital(&done));
        }
        Ok(())
    }
}

/// Asks the person at the terminal whether to go live.
fn ask(look: &Look) -> Result<bool, NightError> {
    let failed = |source| NightError::File { path: "the terminal".into(), source };
    println!("\n{GATE} waits for you: {}", look.prompt(GATE).unwrap_or("shall we?"));
    print!("Approve? [y/n] ");
    std::io::stdout().flush().map_err(failed)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Makes the shop and puts the runbook and its people beside it.
fn prepare(path: &Path) -> Result<Folder, NightError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| NightError::File { path, source }
    };
    fs::create_dir_all(path).map_err(failed(path))?;
    if fs::read_dir(path).map_err(failed(path))?.next().is_some() {
        return Err(NightError::FolderInUse(path.to_owned()));
    }
    let folder = Folder::new(path);
    shop::create(&folder)?;
    let people = PEOPLE
        .replace("local_users: [root]", &format!("local_users: [{}]", serde_json::json!(login(nix::unistd::getuid().as_raw()))));
    for (name, text) in [("runbook.yaml", RUNBOOK), ("people.yaml", &people)] {
        let file = path.join(name);
        fs::write(&file, text).map_err(failed(&file))?;
    }
    Ok(folder)
}
