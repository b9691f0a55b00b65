//! An order as it is typed into a screen: the same words as on the command line, without the run that the screen knows.
//!
//! Reading it decides nothing. What the run does with it is decided where every order is, with the same checks.

use crate::model::{Finding, StepId};
use crate::run::{Command, State, StepStatus, typed_answers};
use crate::views::invocation::quoted;

/// An order that can be given.
#[derive(Clone, PartialEq, Debug)]
pub struct Wish {
    /// The order.
    pub command: Command,
    /// As which person of the roster, where that was said.
    pub person: Option<String>,
}

/// What was made of the text.
#[derive(Clone, PartialEq, Debug)]
pub enum Reading {
    /// Nothing was typed.
    Empty,
    /// Something is still missing: what.
    Unfinished(String),
    /// It is no order: why.
    Wrong(String),
    /// It is an order.
    Order(Wish),
}

/// How an order is given from a screen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Way {
    /// At once.
    Here,
    /// After what is decided was shown, and this word was typed.
    Shown(String),
    /// With the command line of this program: it has to be signed, or asks more than a screen does.
    Outside,
}

/// The words of orders.
pub const VERBS: [&str; 12] = [
    "approve",
    "reject",
    "answer",
    "pause",
    "continue",
    "retry",
    "skip",
    "resolve",
    "rollback",
    "abort",
    "withdraw",
    "break-glass",
];

const FINDINGS: [&str; 3] = ["applied", "not-applied", "partial"];

impl Wish {
    /// How the order is given.
    pub fn way(&self, state: &State) -> Way {
        let protected = |step: &StepId| state.find(step).is_some_and(|i| state.planned(i).protected);
        match &self.command {
            command if command.must_be_signed(state) => Way::Outside,
            Command::BreakGlass { .. } | Command::Submit(_) => Way::Outside,
            // Whoever approves a protected gate types where it acts, here as there.
            Command::Approve { step, .. } if protected(step) => Way::Shown(state.plan().environment().to_owned()),
            Command::Approve { .. } => Way::Shown("yes".to_owned()),
            Command::Withdraw { .. }
            | Command::Reject { .. }
            | Command::Report { .. }
            | Command::Pause { .. }
            | Command::Continue
            | Command::Retry { .. }
            | Command::Skip { .. }
            | Command::Resolve { .. }
            | Command::Rollback { .. }
            | Command::Abort { .. } => Way::Here,
        }
    }

    /// The words behind the program's name, without the run.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![self.command.word().to_owned()];
        words.extend(self.command.step().map(ToString::to_string));
        let mut option = |name: &str, value: &str| {
            if !value.is_empty() {
                words.extend([name.to_owned(), value.to_owned()]);
            }
        };
        match &self.command {
            Command::Approve { note, .. } => option("--note", note),
            Command::Reject { reason, .. }
            | Command::Skip { reason, .. }
            | Command::BreakGlass { reason, .. }
            | Command::Pause { reason }
            | Command::Rollback { reason }
            | Command::Abort { reason } => option("--reason", reason),
            Command::Resolve { finding, seen, .. } => {
                option("--as", word_of(finding));
                option("--evidence", seen);
            }
            Command::Report { answers, .. } => {
                for (field, value) in answers {
                    option("--answer", &format!("{field}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
                }
            }
            Command::Withdraw { .. } | Command::Continue | Command::Retry { .. } | Command::Submit(_) => {}
        }
        if let Some(person) = &self.person {
            option("--by", person);
        }
        words
    }

    /// The words as a person types them.
    pub fn line(&self) -> String {
        self.words().iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// Reads what was typed.
pub fn read(text: &str, state: &State) -> Reading {
    let words = split(text);
    let Some((verb, rest)) = words.split_first() else { return Reading::Empty };
    match verb.as_str() {
        "approve" | "reject" | "skip" | "retry" | "withdraw" | "break-glass" | "resolve" | "answer" => on_step(verb, rest, state),
        "pause" | "continue" | "rollback" | "abort" => on_run(verb, Parts::of(rest)),
        _ => match VERBS.iter().find(|known| known.starts_with(verb.as_str())) {
            Some(known) => Reading::Unfinished(format!("{known}?")),
            None => Reading::Wrong(format!("`{verb}` is no order: {}", VERBS.join(", "))),
        },
    }
}

/// What can stand where the last word of the text is being typed.
pub fn candidates(text: &str, state: &State) -> Vec<String> {
    let words = split(text);
    let at = if text.ends_with(' ') || words.is_empty() { words.len() } else { words.len() - 1 };
    let begun = words.get(at).map_or("", String::as_str);
    let all: Vec<String> = match (at, words.first().map(String::as_str)) {
        (0, _) => VERBS.iter().map(|verb| (*verb).to_owned()).collect(),
        (1, Some(verb)) => fitting(verb, state),
        (2, Some("resolve")) => FINDINGS.iter().map(|word| (*word).to_owned()).collect(),
        _ => Vec::new(),
    };
    all.into_iter().filter(|word| word.starts_with(begun) && word != begun).collect()
}

/// The steps that an order fits now, in plan order.
fn fitting(verb: &str, state: &State) -> Vec<String> {
    let fits = |status: StepStatus| match verb {
        "approve" | "reject" => matches!(status, StepStatus::AwaitingPeople | StepStatus::AwaitingConfirm),
        "withdraw" | "break-glass" | "answer" => status == StepStatus::AwaitingPeople,
        "retry" => matches!(status, StepStatus::Held | StepStatus::UndoFailed),
        "skip" => matches!(status, StepStatus::Held | StepStatus::Pending | StepStatus::AwaitingTime | StepStatus::BackingOff),
        "resolve" => matches!(status, StepStatus::InDoubt | StepStatus::UndoFailed | StepStatus::UndoInDoubt),
        _ => false,
    };
    state.instances().filter(|i| fits(state.step(*i).status)).map(|i| state.id(i).to_string()).collect()
}

/// The words behind an order, sorted into free text and what options say.
#[derive(Default)]
struct Parts {
    plain: Vec<String>,
    /// The text of `--reason`, `--note` or `--evidence`.
    text: Option<String>,
    finding: Option<String>,
    answers: Vec<(String, String)>,
    person: Option<String>,
    wrong: Option<String>,
}

impl Parts {
    fn of(words: &[String]) -> Self {
        let mut parts = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().unwrap_or_default();
            match word.as_str() {
                "--reason" | "--note" | "--evidence" => parts.text = Some(value()),
                "--as" => parts.finding = Some(value()),
                "--by" => parts.person = Some(value()),
                "--answer" | "-a" => parts.answer(&value()),
                option if option.starts_with("--") => {
                    parts.wrong = Some(format!("`{option}` cannot be said here: leave the view for the command line"));
                }
                plain => parts.plain.push(plain.to_owned()),
            }
        }
        parts
    }

    fn answer(&mut self, pair: &str) {
        match pair.split_once('=') {
            Some((field, text)) => self.answers.push((field.to_owned(), text.to_owned())),
            None => self.wrong = Some(format!("`{pair}` is no answer: FIELD=VALUE")),
        }
    }

    /// What the person says; `WHY` and `TEXT` stand in a shown command for words of one's own.
    fn said(&self) -> String {
        let said = self.text.clone().unwrap_or_else(|| self.plain.join(" "));
        if matches!(said.as_str(), "WHY" | "TEXT") { String::new() } else { said }
    }
}

fn on_run(verb: &str, parts: Parts) -> Reading {
    if let Some(wrong) = parts.wrong {
        return Reading::Wrong(wrong);
    }
    let reason = parts.said();
    let command = match verb {
        "pause" => Command::Pause { reason },
        "continue" => Command::Continue,
        _ if reason.is_empty() => return Reading::Unfinished(format!("why? {verb} WHY")),
        "rollback" => Command::Rollback { reason },
        _ => Command::Abort { reason },
    };
    Reading::Order(Wish { command, person: parts.person })
}

fn on_step(verb: &str, words: &[String], state: &State) -> Reading {
    let Some((step, rest)) = words.split_first() else { return Reading::Unfinished(format!("which step? {verb} STEP")) };
    let step = StepId::new(step);
    if state.find(&step).is_none() {
        return Reading::Unfinished(format!("the plan has no step `{step}`"));
    }
    let mut parts = Parts::of(rest);
    if let Some(wrong) = parts.wrong {
        return Reading::Wrong(wrong);
    }
    let command = match verb {
        "approve" => Command::Approve { step, note: parts.said() },
        "retry" => Command::Retry { step },
        "withdraw" => Command::Withdraw { step },
        "answer" => {
            parts.plain.clone().iter().for_each(|pair| parts.answer(pair));
            match parts.wrong {
                Some(wrong) => return Reading::Wrong(wrong),
                None => Command::Report { answers: typed_answers(state, &step, &parts.answers), step },
            }
        }
        "resolve" => {
            if parts.finding.is_none() && !parts.plain.is_empty() {
                parts.finding = Some(parts.plain.remove(0));
            }
            let seen = parts.said();
            match (parts.finding.as_deref(), seen) {
                (Some("applied" | "not-applied" | "partial"), seen) if seen.is_empty() => {
                    return Reading::Unfinished("what did you see, and where? it goes into the record".to_owned());
                }
                (Some("applied"), seen) => Command::Resolve { step, finding: Finding::Applied, seen },
                (Some("not-applied"), seen) => Command::Resolve { step, finding: Finding::NotApplied, seen },
                (Some("partial"), seen) => Command::Resolve { step, finding: Finding::Partial(seen.clone()), seen },
                (Some(_) | None, _) => {
                    return Reading::Unfinished(format!("what did it leave? {verb} {step} {}", FINDINGS.join("|")));
                }
            }
        }
        _ => {
            let reason = parts.said();
            if reason.is_empty() {
                return Reading::Unfinished(format!("why? {verb} {step} WHY"));
            }
            match verb {
                "reject" => Command::Reject { step, reason },
                "skip" => Command::Skip { step, reason },
                _ => Command::BreakGlass { step, reason },
            }
        }
    };
    Reading::Order(Wish { command, person: parts.person })
}

const fn word_of(finding: &Finding) -> &'static str {
    match finding {
        Finding::Applied => "applied",
        Finding::NotApplied => "not-applied",
        Finding::Partial(_) | Finding::Unknown(_) => "partial",
    }
}

/// The words of a line; quotes hold words together, as in a shell.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            // Within a word, an apostrophe is one: `it doesn't answer` is no open quote.
            (None, '\'' | '"') if word.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
