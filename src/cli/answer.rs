//! `pointsman answer`: a person did a manual task and says what came of it.

use anyhow::Result;
use clap::Args;

use super::desk::Desk;
use super::exit::Exit;
use super::ordering::OnStep;
use super::preparation::name_and_value;
use crate::engine::load;
use crate::model::StepId;
use crate::run::{Command, typed_answers};

const EXAMPLES: &str = "\
Examples:
  pointsman answer latest unplug --answer rack=7 --answer quiet=true
  pointsman reject latest unplug --reason 'the rack is locked'      when it cannot be done

The form of the task says which answers it wants and of which type; `pointsman status RUN` prints the command to fill in.";

/// Answers a manual task: it is done, and this is what its form asks for
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct AnswerArgs {
    #[command(flatten)]
    on: OnStep,
    /// One field of the task's form
    #[arg(long = "answer", short = 'a', value_name = "FIELD=VALUE", value_parser = name_and_value)]
    answers: Vec<(String, String)>,
}

/// Answers.
///
/// # Errors
/// When the run cannot be found or asked.
pub fn run(desk: &Desk, args: &AnswerArgs) -> Result<Exit> {
    let (home, run) = desk.run(&args.on.run)?;
    let (state, _) = load(&home, &run, None)?;
    let answers = typed_answers(&state, &StepId::new(&args.on.step), &args.answers);
    args.on.send(desk, |step| Command::Report { step, answers })
}
