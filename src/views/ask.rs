//! What a run asks of people now, or leaves to them: who, until when, and the exact commands that answer.

use super::Invocation;
use super::clock::coarse;
use super::rehearsed;
use crate::model::{Actor, StepId, Timestamp};
use crate::plan::{Approvers, Exclusion, InDoubt, Section, StepKind, Wait};
use crate::run::{Instance, Phase, State, StepStatus};

/// One thing that a person has to decide or do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// The step.
    pub step: StepId,
    /// Its status.
    pub status: StepStatus,
    /// Who is asked: `commander: 0 of 1`.
    pub of: String,
    /// The question, the task or the last error.
    pub question: String,
    /// The same, and below it what a person has to know with it.
    pub text: String,
    /// Until when; what happens then is the plan's business.
    pub until: Option<Timestamp>,
    /// Whether the deadline passed while the plan said to keep waiting.
    pub overdue: bool,
    /// What can be sent by hand, where an undo failed.
    pub manual: Vec<String>,
    /// The commands that answer.
    pub answers: Vec<Answer>,
}

/// A command that answers, and what it means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The word of the command line: `approve`.
    pub word: &'static str,
    /// What an attempt is said to have left, where the answer says that.
    pub finding: Option<&'static str>,
    /// The command line.
    pub command: String,
    /// What it does, in a few words.
    pub meaning: &'static str,
}

/// Everything that the run waits for people with, in plan order.
pub fn asks(state: &State, how: &Invocation) -> Vec<Ask> {
    let steps = state.awaited().filter(|i| is_open(state, *i)).map(|i| ask(state, i, how));
    clock_ask(state, how).into_iter().chain(steps).collect()
}

/// An answer that is about the whole run.
const fn on_run(word: &'static str, command: String, meaning: &'static str) -> Answer {
    Answer { word, finding: None, command, meaning }
}

/// What is asked when the rollback clock ran out: the run is held, and a person says whether it turns back.
fn clock_ask(state: &State, how: &Invocation) -> Option<Ask> {
    let (run, clock) = (state.run()?, state.rollback_clock().filter(|_| state.is_held_by_the_clock())?);
    let back = on_run("rollback", format!("{} --reason WHY", how.on_run("rollback", run)), "turn back now");
    let on = on_run("continue", how.on_run("continue", run), "go on: a later way back outlasts the window");
    let text = format!(
        "The rollback clock ran out: the way back takes up to {}, longer than the window is open. Nothing new starts.",
        coarse(clock.path_back.as_duration())
    );
    Some(Ask {
        step: StepId::new("run"),
        status: StepStatus::Held,
        of: state.plan().content().rollback_role.as_ref().map_or_else(|| "the operator".to_owned(), |role| role.to_string()),
        question: text.clone(),
        text,
        until: None,
        overdue: false,
        manual: Vec::new(),
        answers: vec![back, on],
    })
}

/// What the run asks at one step, if it asks anything there.
pub fn ask_at(state: &State, step: &StepId, how: &Invocation) -> Option<Ask> {
    let i = state.find(step)?;
    is_open(state, i).then(|| ask(state, i, how))
}

/// Whether a person is needed now: an attempt in doubt is looked at first, and a step that the run has left needs nobody.
fn is_open(state: &State, i: Instance) -> bool {
    let (step, planned) = (state.step(i), state.planned(i));
    let going = matches!(
        (planned.section, state.phase()),
        (Section::Forward, Phase::Forward) | (Section::Rollback, Phase::RollingBack) | (Section::Finally, Phase::Finally(_))
    );
    match step.status {
        StepStatus::InDoubt => going && !is_settled_alone(state, i),
        StepStatus::UndoFailed | StepStatus::UndoInDoubt => true,
        StepStatus::AwaitingPeople | StepStatus::AwaitingConfirm | StepStatus::Held => going,
        StepStatus::Pending
        | StepStatus::AwaitingTime
        | StepStatus::Ready
        | StepStatus::Running
        | StepStatus::BackingOff
        | StepStatus::Succeeded
        | StepStatus::Failed
        | StepStatus::Rejected
        | StepStatus::Skipped
        | StepStatus::NotReached
        | StepStatus::AwaitingUndo
        | StepStatus::Undoing
        | StepStatus::Undone => false,
    }
}

/// Whether a look or the plan's word settles this doubt without a person.
fn is_settled_alone(state: &State, i: Instance) -> bool {
    let planned = state.planned(i);
    match &planned.in_doubt {
        _ if !planned.mutating => true,
        InDoubt::Rerun { .. } => true,
        InDoubt::Probe => planned.has_probe && !state.step(i).probed,
        InDoubt::Ask => false,
    }
}

fn ask(state: &State, i: Instance, how: &Invocation) -> Ask {
    let (step, planned) = (state.step(i), state.planned(i));
    let detail = step.detail.as_deref();
    let prompt = detail.map_or("", |d| d.prompt.as_str());
    let error = step.error().unwrap_or_default();
    let (of, text) = match (step.status, &planned.wait) {
        (StepStatus::AwaitingPeople, Some(Wait::Approval { approvers, not, .. })) => {
            (places(approvers, not, detail.map_or(&[], |d| &d.grants), has_roster(state)), prompt)
        }
        (StepStatus::AwaitingPeople, Some(Wait::Manual { role, .. })) => {
            (role.as_ref().map_or_else(|| "anybody".to_owned(), |role| role.to_string()), prompt)
        }
        (StepStatus::AwaitingConfirm, _) => {
            (planned.confirm.as_ref().map_or_else(String::new, |role| role.to_string()), "Did it do what it should?")
        }
        _ => (planned.owner.as_ref().map_or_else(|| "the operator".to_owned(), |owner| owner.to_string()), error),
    };
    let rehearsal = rehearsed::at_gate(state, i, None).filter(|_| step.status == StepStatus::AwaitingPeople);
    Ask {
        step: state.id(i).clone(),
        status: step.status,
        of,
        question: text.to_owned(),
        text: rehearsal.map_or_else(|| text.to_owned(), |rehearsal| format!("{text}\n{rehearsal}")),
        until: step.until.filter(|_| step.status == StepStatus::AwaitingPeople),
        overdue: detail.is_some_and(|d| d.overdue),
        manual: detail.map_or_else(Vec::new, |d| d.manual.clone()),
        answers: answers(state, i, how),
    }
}

fn has_roster(state: &State) -> bool {
    state.plan().content().roster.is_some()
}

/// `commander: 0 of 1, dba: 1 of 2, so far bob (not who started the run)`. A person is counted at every role they could fill.
fn places(approvers: &[Approvers], not: &[Exclusion], grants: &[Actor], has_roster: bool) -> String {
    let mut text = if has_roster {
        let counted = |a: &Approvers| grants.iter().filter(|g| g.roles.contains(&a.role)).count().min(a.count as usize);
        approvers.iter().map(|a| format!("{}: {} of {}", a.role, counted(a), a.count)).collect::<Vec<_>>().join(", ")
    } else {
        // Without a roster nobody has roles: persons are counted.
        let roles: Vec<&str> = approvers.iter().map(|a| a.role.as_str()).collect();
        let all: u32 = approvers.iter().map(|a| a.count).sum();
        format!("{}: {} of {all}", roles.join(", "), grants.len())
    };
    if !grants.is_empty() {
        let names: Vec<&str> = grants.iter().map(Actor::name).collect();
        text.push_str(&format!(", so far {}", names.join(", ")));
    }
    let but: Vec<&str> = not
        .iter()
        .map(|exclusion| match exclusion {
            Exclusion::Starter => "who started the run",
            Exclusion::Author => "who owns the runbook",
            Exclusion::Editor => "who edited it last",
        })
        .collect();
    if but.is_empty() { text } else { format!("{text} (not {})", but.join(", not ")) }
}

fn answers(state: &State, i: Instance, how: &Invocation) -> Vec<Answer> {
    let Some(run) = state.run() else { return Vec::new() };
    let (step, planned, id) = (state.step(i), state.planned(i), state.id(i));
    let say = |word, rest: &str, meaning| Answer { word, finding: None, command: how.on_step(word, run, id, rest), meaning };
    let retry = || say("retry", "", "try it again");
    let reject = |meaning| say("reject", "--reason WHY", meaning);
    let resolve = |finding, meaning| {
        let said = say("resolve", &format!("--as {finding} --evidence TEXT"), meaning);
        Answer { finding: Some(finding), ..said }
    };
    let back = || on_run("rollback", format!("{} --reason WHY", how.on_run("rollback", run)), "turn back");
    match (step.status, &planned.wait) {
        (StepStatus::AwaitingPeople, Some(Wait::Manual { form, .. })) => {
            let fields: Vec<String> =
                form.iter().map(|(field, kind)| format!("--answer {field}={}", kind.to_uppercase())).collect();
            vec![say("answer", &fields.join(" "), "it is done"), reject("it cannot be done")]
        }
        (StepStatus::AwaitingPeople, _) => vec![say("approve", "", "go on"), reject("do not go on")],
        (StepStatus::AwaitingConfirm, _) => vec![say("approve", "", "it did"), reject("it did not")],
        (StepStatus::InDoubt, _) => {
            vec![
                resolve("applied", "its effect is there"),
                resolve("not-applied", "its effect is not there"),
                resolve("partial", "some of it is there"),
            ]
        }
        (StepStatus::Held, _) if matches!(planned.kind, StepKind::Undo(_)) => vec![
            say("retry", "", "undo what is left, once it is clear what failed"),
            say("skip", "--reason WHY", "end the way back as it is"),
        ],
        (StepStatus::Held, _) if state.is_past_no_return() || planned.section == Section::Rollback => {
            vec![retry(), say("skip", "--reason WHY", "go on without it")]
        }
        (StepStatus::Held, _) => vec![retry(), say("skip", "--reason WHY", "go on without it"), back()],
        (StepStatus::UndoFailed, _) => vec![retry(), resolve("applied", "it was undone by hand")],
        (StepStatus::UndoInDoubt, _) => {
            vec![resolve("applied", "it is undone"), resolve("not-applied", "it is not: undo it again")]
        }
        _ => Vec::new(),
    }
}
