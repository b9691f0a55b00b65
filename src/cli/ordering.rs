//! Giving an order to a run: through its executor while it lives, else onto its record, and what to say afterwards.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::console;
use super::desk::Desk;
use super::exit::Exit;
use super::signing::{Matter, Outcome, SignArgs};
use crate::authority::{Claim, Decision, SignedIn, Statement};
use crate::diagnostic::nearest;
use crate::engine::{Home, Ordered, load, order};
use crate::model::{PersonId, RunId, StepId};
use crate::run::{Answer, Command, State};
use crate::views::{Line, Tone};

/// Which run an order is for.
#[derive(Args, Debug)]
pub struct OnRun {
    /// The run: its id, a beginning of it, or `latest`
    #[arg(value_name = "RUN")]
    pub run: String,
    #[command(flatten)]
    pub giver: Giver,
}

/// Which step an order is for.
#[derive(Args, Debug)]
pub struct OnStep {
    /// The run: its id, a beginning of it, or `latest`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The step
    #[arg(value_name = "STEP")]
    pub step: String,
    #[command(flatten)]
    pub giver: Giver,
}

/// Who gives an order, and how the answer is printed.
#[derive(Args, Debug)]
pub struct Giver {
    #[command(flatten)]
    pub by: ByArgs,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// Which person of the roster acts, where one login stands for several.
#[derive(Args, Debug)]
pub struct ByArgs {
    /// Which person of the roster you are, where your login stands for several
    #[arg(long, value_name = "PERSON")]
    by: Option<String>,
    /// Who signed in at the console that runs this, and how; the roster has to name the console's login
    #[arg(long, value_name = "PERSON:HOW", hide = true, conflicts_with = "by", value_parser = signed_in)]
    signed_in: Option<SignedIn>,
}

impl ByArgs {
    /// What the giver says to be; the roster has to agree.
    pub fn claim(&self) -> Claim {
        if let Some(signed_in) = &self.signed_in {
            return Claim::SignedIn(signed_in.clone());
        }
        self.by.as_ref().map_or(Claim::Whoever, |person| Claim::Person(PersonId::new(person)))
    }
}

fn signed_in(text: &str) -> Result<SignedIn, String> {
    let (person, how) = text.split_once(':').ok_or("write PERSON:HOW")?;
    Ok(SignedIn { person: PersonId::new(person), how: how.to_owned() })
}

impl OnStep {
    /// Sends an order about the step.
    pub fn send(&self, desk: &Desk, command: impl FnOnce(StepId) -> Command) -> Result<Exit> {
        send(desk, &self.run, &self.giver, command(StepId::new(&self.step)))
    }

    /// Sends an order about the step, signed where that is wanted; `words` go with it.
    pub fn decide(
        &self,
        desk: &Desk,
        signing: &SignArgs,
        decision: impl FnOnce(&State) -> Decision,
        words: &str,
        command: impl FnOnce(StepId) -> Command,
    ) -> Result<Exit> {
        let (home, run) = desk.run(&self.run)?;
        let (state, _) = load(&home, &run, None)?;
        let step = StepId::new(&self.step);
        let matter = Matter { home: &home, run: &run, state: &state, step: &step, decision: decision(&state) };
        let command = match signing.outcome(&self.giver, matter)? {
            Outcome::Unsigned => command(step),
            Outcome::Signed(signed) => Command::submit(signed, words.to_owned()),
            Outcome::Printed(statement) => {
                console::print(statement)?;
                return Ok(Exit::Done);
            }
        };
        send_about(desk, &self.run, &self.giver, command, Some(StepId::new(&self.step)))
    }
}

impl OnRun {
    /// Sends an order about the run.
    pub fn send(&self, desk: &Desk, command: Command) -> Result<Exit> {
        send(desk, &self.run, &self.giver, command)
    }
}

/// Sends an order and says what became of it.
pub fn send(desk: &Desk, run: &str, giver: &Giver, command: Command) -> Result<Exit> {
    let step = command.step().cloned();
    send_about(desk, run, giver, command, step)
}

fn send_about(desk: &Desk, run: &str, giver: &Giver, command: Command, step: Option<StepId>) -> Result<Exit> {
    let (home, run) = desk.run(run)?;
    let word = match &command {
        Command::Submit(submission) => word_of(&submission.signed.statement),
        other => other.word(),
    };
    let ordered = order(&home, &run, command, &giver.by.claim())?;
    if giver.json {
        let (answer, reason) = ordered.answer.told();
        console::print_json(&json!({
            "run": run.as_str(),
            "command": word,
            "step": step.as_ref().map(StepId::as_str),
            "answer": answer,
            "reason": reason,
            "executor": ordered.live,
        }))?;
    } else {
        tell(desk, &home, &run, word, step.as_ref(), &ordered)?;
    }
    Ok(match ordered.answer {
        Answer::Accepted | Answer::AlreadyDone => Exit::Done,
        Answer::NotApplicable(_) | Answer::Forbidden(_) => Exit::Refused,
    })
}

fn tell(desk: &Desk, home: &Home, run: &RunId, word: &str, step: Option<&StepId>, ordered: &Ordered) -> Result<()> {
    let what = step.map_or_else(|| word.to_owned(), |step| format!("{word} {step}"));
    match &ordered.answer {
        Answer::Accepted => {
            console::print_lines(&[told(&ordered.answer, &what)])?;
            if !ordered.live && load(home, run, None).is_ok_and(|(state, _)| !crate::views::status::is_over(&state)) {
                console::say_lines(&[
                    Line::plain("It is on record and takes effect when the run is resumed:"),
                    Line::plain("    ").and(Tone::Strong, desk.how().on_run("resume", run)),
                ]);
            }
        }
        Answer::AlreadyDone => console::print_lines(&[told(&ordered.answer, &what)])?,
        Answer::NotApplicable(why) => {
            let state = load(home, run, None).ok().map(|(state, _)| state);
            let hint = state.and_then(|state| near(&state, step)).map(|near| format!("did you mean {near}?"));
            let hint = hint.unwrap_or_else(|| format!("`{}` shows where the run stands", desk.how().on_run("status", run)));
            console::say_error(&format!("not applicable: {why}"), Some(&hint));
        }
        Answer::Forbidden(why) => console::say_error(&format!("forbidden: {why}"), None),
    }
    Ok(())
}

/// What became of an order, in one line.
pub fn told(answer: &Answer, what: &str) -> Line {
    match answer {
        Answer::Accepted => Line::toned(Tone::Good, "accepted").and(Tone::Plain, format!(": {what}")),
        Answer::AlreadyDone => Line::toned(Tone::Good, "already done").and(Tone::Plain, format!(": {what}")),
        Answer::NotApplicable(why) => Line::toned(Tone::Bad, "not applicable").and(Tone::Plain, format!(": {why}")),
        Answer::Forbidden(why) => Line::toned(Tone::Bad, "forbidden").and(Tone::Plain, format!(": {why}")),
    }
}

/// What a statement decides, in the word of the command line.
fn word_of(statement: &str) -> &'static str {
    Statement::parse(statement).map_or("submit", |statement| statement.decision.word())
}

/// The step that a wrong name may have meant.
fn near(state: &State, step: Option<&StepId>) -> Option<String> {
    let step = step.filter(|step| state.find(step).is_none())?;
    let known: Vec<&str> = state.instances().map(|i| state.id(i).as_str()).collect();
    nearest(step.as_str(), known).map(str::to_owned)
}
