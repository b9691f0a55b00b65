//! What an order that is being typed will do, said before it is given.

use super::order::{Reading, Way, Wish};
use crate::model::{Actor, Finding, StepId, Timestamp};
use crate::run::{Answer, Command, State, StepStatus};
use crate::views::{Line, Tone};

/// What follows when this is given now; `by` is who would give it, where that is known.
pub fn will(state: &State, reading: &Reading, by: Option<&Actor>, now: Timestamp) -> Vec<Line> {
    match reading {
        Reading::Empty => vec![Line::toned(Tone::Faint, "Tab shows what can be ordered; Esc leaves this line.")],
        Reading::Unfinished(what) => vec![Line::toned(Tone::Wait, what)],
        Reading::Wrong(why) => vec![Line::toned(Tone::Bad, why)],
        Reading::Order(wish) => of_wish(state, wish, by, now),
    }
}

fn of_wish(state: &State, wish: &Wish, by: Option<&Actor>, now: Timestamp) -> Vec<Line> {
    let by = by.filter(|_| wish.person.is_none());
    let name = wish.person.as_deref().or(by.map(Actor::name)).map_or_else(String::new, |name| format!(" as {name}"));
    let line = Line::toned(Tone::Strong, format!("Enter{name}")).and(Tone::Plain, format!(": {}", effect(state, &wish.command)));
    let way = match wish.way(state) {
        Way::Here => None,
        Way::Shown(_) => Some("What is decided is shown first, and you are asked once more."),
        Way::Outside => Some("The view steps aside for the command line, which asks for what it needs; then it comes back."),
    };
    let mut lines = vec![line];
    lines.extend(way.map(|text| Line::toned(Tone::Wait, text)));
    lines.extend(by.filter(|_| wish.way(state) != Way::Outside).and_then(|by| objection(state, &wish.command, by, now)));
    lines
}

/// What the state machine itself would answer, where it would say no.
fn objection(state: &State, command: &Command, by: &Actor, now: Timestamp) -> Option<Line> {
    match command.decide(state, by, now).1 {
        Answer::Accepted => None,
        Answer::AlreadyDone => Some(Line::toned(Tone::Wait, "It is so already.")),
        Answer::NotApplicable(why) | Answer::Forbidden(why) => {
            Some(Line::toned(Tone::Bad, "The run will refuse it: ").and(Tone::Bad, why))
        }
    }
}

fn effect(state: &State, command: &Command) -> String {
    let status = |step: &StepId| state.find(step).map(|i| state.step(i).status);
    match command {
        Command::Approve { step, .. } if status(step) == Some(StepStatus::AwaitingConfirm) => {
            format!("confirms that {step} did what it should; the run goes on behind it")
        }
        Command::Approve { step, .. } => format!("approves {step}; with its quorum, what waits behind it starts"),
        Command::BreakGlass { step, .. } => format!("opens {step} WITHOUT its quorum; it stands in the report for ever"),
        Command::Withdraw { step } => format!("takes your approval of {step} back"),
        Command::Reject { step, .. } => format!("says no at {step}: {}", after_a_no(state, step)),
        Command::Report { step, answers } if answers.is_empty() => format!("says that {step} is done"),
        Command::Report { step, answers } => {
            let said: Vec<String> = answers.iter().map(|(field, value)| format!("{field} is {value}")).collect();
            format!("says that {step} is done: {}", said.join(", "))
        }
        Command::Pause { .. } => "nothing new starts; what is under way finishes; deadlines go on".to_owned(),
        Command::Continue => "ends the pause: what can start, starts".to_owned(),
        Command::Retry { step } => match state.find(step).map(|i| state.step(i)) {
            Some(at) if matches!(at.status, StepStatus::UndoFailed | StepStatus::UndoInDoubt) => {
                format!("undoes {step} again, undo attempt {}", at.undo_attempt + 1)
            }
            Some(at) => format!("runs {step} again, attempt {}", at.attempt + 1),
            None => format!("runs {step} again"),
        },
        Command::Skip { step, .. } => format!("passes {step} over: what needs it goes on as if it had succeeded"),
        Command::Resolve { step, finding, .. } => format!("puts on record what {step} left: {}", left(finding)),
        Command::Rollback { .. } => format!("TURNS BACK: undoes {}, last first; nothing else starts", steps(state)),
        Command::Abort { .. } => format!("stops the run and undoes NOTHING: what {} did stays", steps(state)),
        Command::Submit(_) => "brings a signed decision".to_owned(),
    }
}

fn after_a_no(state: &State, step: &StepId) -> &'static str {
    match state.find(step) {
        Some(_) if state.is_past_no_return() => "past the point of no return a person then says how it goes on",
        Some(_) | None => "the run turns back",
    }
}

const fn left(finding: &Finding) -> &'static str {
    match finding {
        Finding::Applied => "its effect is there",
        Finding::NotApplied => "its effect is not there",
        Finding::Partial(_) => "some of it is there",
        Finding::Unknown(_) => "nobody knows",
    }
}

fn steps(state: &State) -> String {
    match state.rollback_card().len() {
        0 => "no step".to_owned(),
        1 => "1 step".to_owned(),
        count => format!("{count} steps"),
    }
}
