//! `pointsman approve`: opens a gate, or confirms a step; shows first what is being decided.

use anyhow::Result;
use clap::Args;

use super::console;
use super::desk::{Desk, now};
use super::exit::Exit;
use super::ordering::OnStep;
use super::signing::SignArgs;
use crate::authority::Decision;
use crate::engine::load;
use crate::model::StepId;
use crate::run::{Command, State, StepStatus};
use crate::views::decision;

const EXAMPLES: &str = "\
Examples:
  pointsman approve latest go-live                       shows what is decided, then asks
  pointsman approve latest go-live --note 'counts seen'  the note goes into the record
  pointsman approve latest go-live --yes                 without asking
  pointsman approve latest close-entry                   a step with `confirm` is confirmed in the same way

Where the roster names `allowed_signers`, the approval is signed with your SSH key: from its file, the agent or a hardware
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
    if !args.on.giver.json && !args.signing.only_prints() {
        let (home, run) = desk.run(&args.on.run)?;
        let (state, records) = load(&home, &run, None)?;
        let shown = decision::text(&state, &records, &StepId::new(&args.on.step), now());
        console::say_lines(&shown);
        let asks = !shown.is_empty() && !args.yes && console::is_interactive();
        if asks && !console::confirm("Approve?")? {
            console::say("nothing was decided");
            return Ok(Exit::Refused);
        }
    }
    let step = StepId::new(&args.on.step);
    args.on.decide(
        desk,
        &args.signing,
        |state| decision_at(state, &step),
        &args.note,
        |step| Command::Approve { step, note: args.note.clone() },
    )
}
