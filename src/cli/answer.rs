//! `pointsman answer`: a person did a manual task and says what came of it.

use anyhow::Result;
use clap::Args;

use super::desk::Desk;
use super::exit::Exit;
use super::ordering::OnStep;
use super::preparation::name_and_value;
use crate::engine::load;
use crate::model::{Object, StepId, Value};
use crate::plan::Wait;
use crate::run::{Command, State};

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
    let form = form(&state, &args.on.step);
    let answers: Object = args.answers.iter().map(|(field, text)| (field.clone(), typed(form, field, text))).collect();
    args.on.send(desk, |step| Command::Report { step, answers })
}

fn form<'a>(state: &'a State, step: &str) -> &'a [(String, String)] {
    match state.find(&StepId::new(step)).and_then(|i| state.planned(i).wait.as_ref()) {
        Some(Wait::Manual { form, .. }) => form,
        Some(Wait::Approval { .. } | Wait::Hold { .. } | Wait::Window) | None => &[],
    }
}

/// Text stays text where the form wants text; what does not fit its type is left for the run to refuse.
fn typed(form: &[(String, String)], field: &str, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match form.iter().find(|(name, _)| name == field).map(|(_, kind)| kind.as_str()) {
        Some("integer") => text.parse::<i64>().map_or_else(|_| as_text(), Value::from),
        Some("boolean") => match text {
            "true" | "yes" => Value::Bool(true),
            "false" | "no" => Value::Bool(false),
            _ => as_text(),
        },
        Some(_) | None => as_text(),
    }
}
