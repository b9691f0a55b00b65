//! `pointsman approve`: opens a gate, or confirms a step; shows first what is being decided.

use anyhow::{Result, bail};
use clap::Args;

use super::console;
use super::desk::{Desk, now};
use super::dry_run;
use super::exit::Exit;
use super::ordering::OnStep;
use super::signing::SignArgs;
use crate::authority::Decision;
use crate::engine::{Home, last_approved, load};
use crate::model::{RunId, StepId};
use crate::run::{Command, Record, State, StepStatus};
use crate::views::{Line, decision, dry_run as view};

const EXAMPLES: &str = "\
Examples:
  pointsman approve latest go-live        shows what is decided, then asks
  pointsman approve latest go-live --note 'counts seen'
                                          the note goes into the record
  pointsman approve latest go-live --yes  without asking
  pointsman approve latest close-entry    a step with `confirm` is confirmed in the same way

Where the roster names `allowed_signers`, the approval is signed with your SSH key: from its file, the agent or a hardware \
key. By hand, the same is:
  pointsman approve latest go-live --print-statement > statement
  ssh-keygen -Y sign -n pointsman-approval@v1 -f ~/.ssh/id_ed25519 statement
  pointsman approve latest go-live --statement statement --signature statement.sig

A quorum counts persons: a second approval by the same person changes nothing. docs/approvals.md has the rest.";

/// Approves a gate, or confirms a step
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ApproveArgs {
    #[command(flatten)]
    on: OnStep,
    /// What you want to say with it; it goes into the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// The name of the environment, which a protected gate asks for; without it, it is asked for at the terminal
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Do not ask at the terminal
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    signing: SignArgs,
}

/// A gate is approved, and a step that succeeded is confirmed.
fn decision_at(state: &State, step: &StepId) -> Decision {
    match state.find(step).map(|i| state.step(i).status) {
        Some(StepStatus::AwaitingConfirm) => Decision::Confirm,
        _ => Decision::Approve,
    }
}

/// Approves.
///
/// # Errors
/// When the run cannot be found or asked.
pub fn run(desk: &Desk, args: &ApproveArgs) -> Result<Exit> {
    let step = StepId::new(&args.on.step);
    if !args.signing.only_prints() {
        let (home, run) = desk.run(&args.on.run)?;
        let (state, records) = load(&home, &run, None)?;
        let shown = if args.on.giver.json { Vec::new() } else { before_a_yes(&home, &run, &state, &records, &step)? };
        console::say_lines(&shown);
        if is_protected(&state, &step) {
            named(&state, args.confirm.as_deref())?;
        }
        let asks = !shown.is_empty() && !args.yes && console::is_interactive();
        if asks && !console::confirm("Approve?")? {
            console::say("nothing was decided");
            return Ok(Exit::Refused);
        }
    }
    args.on.decide(
        desk,
        &args.signing,
        |state| decision_at(state, &step),
        &args.note,
        |step| Command::Approve { step, note: args.note.clone() },
    )
}

/// What a person is shown before a yes at this step: the question, the evidence, what the plan does otherwise than the last
/// one, and the last dry run; nothing where nothing is asked.
pub fn before_a_yes(home: &Home, run: &RunId, state: &State, records: &[Record], step: &StepId) -> Result<Vec<Line>> {
    let mut shown = decision::text(state, records, step, now());
    if !shown.is_empty() {
        let before = last_approved(home, run, state);
        shown.extend(decision::compared(state, before.as_ref().map(|(run, before)| (run, before))));
        if let Some(last) = dry_run::last(home, &state.plan().content().runbook)? {
            shown.extend([view::at_a_gate(state.plan(), &last), Line::new()]);
        }
    }
    Ok(shown)
}

/// Whether the gate is one at which the environment has to be named.
fn is_protected(state: &State, step: &StepId) -> bool {
    state.find(step).is_some_and(|i| state.planned(i).protected && state.step(i).status == StepStatus::AwaitingPeople)
}

/// Whoever approves a protected gate types where it acts, so that nobody opens it in the wrong window.
fn named(state: &State, given: Option<&str>) -> Result<()> {
    let name = state.plan().environment();
    let typed = match given {
        Some(given) => given.to_owned(),
        None if console::is_interactive() => console::ask(&format!("The gate is protected. Type `{name}` to go on:"))?,
        None => bail!("the gate is protected: name its environment with --confirm NAME"),
    };
    if typed.trim() != name {
        bail!("the gate acts on `{name}`, and `{}` was typed: nothing was decided", typed.trim());
    }
    Ok(())
}
