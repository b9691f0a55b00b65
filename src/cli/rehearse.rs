//! `pointsman rehearse`: the night before the night, in virtual time and without touching anything.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use super::console;
use super::desk::Desk;
use super::exit::Exit;
use super::preparation::{ParamArgs, prepare};
use crate::diagnostic::nearest;
use crate::model::{RoleName, Span, StepId};
use crate::plan::Plan;
use crate::rehearsal::{Steps, Wishes, rehearsal};
use crate::views::readiness;

const EXAMPLES: &str = "\
Examples:
  pointsman rehearse night.yaml                     the quiet night: how long, who is needed, when
  pointsman rehearse night.yaml --fail each         every step fails, in every way it can: where
                                                    does the run end?
  pointsman rehearse night.yaml --fail each --crash each
                                                    and the executor dies after every turn of each
                                                    of these nights
  pointsman rehearse night.yaml --fail-undo each    every undo fails: who mends it, and what if
                                                    nobody can?
  pointsman rehearse night.yaml --absent commander  nobody of this role answers
  pointsman rehearse night.yaml --slow catch-up=3x --lag plateau
  pointsman rehearse night.yaml --seeds 1000        a thousand nights with troubles drawn from seeds
  pointsman rehearse night.yaml --fail each --json | jq '.findings'

Nothing is touched and no time passes: targets and people are simulated, the plan, the engine and the journal are the real \
ones. The report says where it lies. Exit codes: 0 every night ended with one side whole, 5 a finding, 3 invalid runbook.";

/// Rehearses a runbook in a simulated world
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct RehearseArgs {
    /// The runbook; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    params: ParamArgs,
    /// This step fails, in every way that it can; `each` for every step
    #[arg(long, value_name = "STEP")]
    fail: Vec<String>,
    /// The undo of this step fails, in every way that it can, and people mend it, undo it by hand, or give it up
    #[arg(long, value_name = "STEP")]
    fail_undo: Vec<String>,
    /// `each`: the executor dies after every turn, and the power goes at every write of the journal
    #[arg(long, value_name = "WHEN", value_parser = ["each"])]
    crash: Option<String>,
    /// Nobody of this role answers
    #[arg(long, value_name = "ROLE")]
    absent: Vec<String>,
    /// The step takes so many times as long: `catch-up=3x`
    #[arg(long, value_name = "STEP=FACTOR", value_parser = step_and_factor)]
    slow: Vec<(String, u64)>,
    /// `plateau`: whatever waits for progress waits in vain
    #[arg(long, value_name = "HOW", value_parser = ["plateau"])]
    lag: Option<String>,
    /// So many nights with troubles drawn from seeds
    #[arg(long, value_name = "N", default_value_t = 0)]
    seeds: u64,
    /// How long people take to answer
    #[arg(long, value_name = "SPAN", default_value = "2m", value_parser = Span::parse)]
    answer: Span,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Rehearses.
///
/// # Errors
/// When a file cannot be read, or a step or role is not in the plan.
pub fn run(desk: &Desk, args: &RehearseArgs) -> Result<Exit> {
    let prepared = prepare(desk, &args.file, &args.params)?;
    prepared.say();
    let Some(plan) = &prepared.plan else { return Ok(Exit::InvalidRunbook) };
    let found = rehearsal(plan, &desk.history(&plan.content().runbook, None), &wishes(args, plan)?);
    if args.json {
        console::print_json(&readiness::json(&found))?;
    } else {
        console::print_lines(&readiness::text(plan, &found))?;
    }
    Ok(if found.findings().is_empty() { Exit::Done } else { Exit::NeedsAttention })
}

fn wishes(args: &RehearseArgs, plan: &Plan) -> Result<Wishes> {
    let slow = args.slow.iter().map(|(step, hundredths)| Ok((known(plan, step)?, *hundredths)));
    Ok(Wishes {
        fail: steps(plan, &args.fail)?,
        fail_undo: steps(plan, &args.fail_undo)?,
        crash: args.crash.is_some(),
        absent: args.absent.iter().map(|role| asked(plan, role)).collect::<Result<_>>()?,
        slow: slow.collect::<Result<_>>()?,
        plateau: args.lag.is_some(),
        seeds: args.seeds,
        answer: args.answer,
    })
}

/// The steps that are named, or each.
fn steps(plan: &Plan, named: &[String]) -> Result<Steps> {
    if named.iter().any(|step| step == "each") {
        return Ok(Steps::Each);
    }
    Ok(Steps::These(named.iter().map(|step| known(plan, step)).collect::<Result<_>>()?))
}

/// A step of the plan; a wrong name must not pass for a night in which nothing fails.
fn known(plan: &Plan, step: &str) -> Result<StepId> {
    let id = StepId::new(step);
    if plan.find(&id).is_some() {
        return Ok(id);
    }
    match nearest(step, plan.steps().iter().map(|step| step.id.as_str())) {
        Some(near) => bail!("the plan has no step `{step}`: did you mean `{near}`?"),
        None => bail!("the plan has no step `{step}`"),
    }
}

fn asked(plan: &Plan, role: &str) -> Result<RoleName> {
    let name = RoleName::new(role);
    match &plan.content().roster {
        Some(roster) if !roster.has_role(&name) => bail!("nobody of the roster has the role `{role}`"),
        Some(_) | None => Ok(name),
    }
}

/// `catch-up=3x`, `catch-up=1.5x` → the step and hundredths.
fn step_and_factor(text: &str) -> Result<(String, u64), String> {
    let wrong = || format!("write STEP=3x instead of `{text}`");
    let (step, factor) = text.rsplit_once('=').ok_or_else(wrong)?;
    let factor = factor.strip_suffix('x').ok_or_else(wrong)?;
    let (whole, part) = factor.split_once('.').unwrap_or((factor, ""));
    let part: String = part.chars().chain("00".chars()).take(2).collect();
    let hundredths = whole.parse::<u64>().ok().and_then(|whole| Some(whole.checked_mul(100)? + part.parse::<u64>().ok()?));
    hundredths.filter(|_| !step.is_empty()).map(|hundredths| (step.to_owned(), hundredths)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::step_and_factor;

    #[test]
    fn factors_are_read() {
        assert_eq!(step_and_factor("catch-up=3x"), Ok(("catch-up".to_owned(), 300)));
        assert_eq!(step_and_factor("a[b=c]=1.5x"), Ok(("a[b=c]".to_owned(), 150)));
        for wrong in ["catch-up", "catch-up=3", "=3x", "a=x", "a=99999999999999999999x"] {
            assert!(step_and_factor(wrong).is_err(), "{wrong}");
        }
    }
}
