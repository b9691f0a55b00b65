//! The top of a report: what it comes to, the facts that identify the run, and what has to be known before one reads on.

use super::{Origin, Sources, Told};
use crate::audit::Standing;
use crate::model::{RunId, Timestamp};
use crate::run::{Phase, State};
use crate::views::status::Life;
use crate::views::story::{Doing, end};
use crate::views::{Clock, Invocation, Tone, clock, rehearsed};

/// The top of a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// The run.
    pub run: RunId,
    /// How it ended, or where it is.
    pub word: &'static str,
    /// The tone of that.
    pub tone: Tone,
    /// The one sentence.
    pub headline: String,
    /// Name and value of what identifies the run.
    pub facts: Vec<(&'static str, String)>,
    /// The moment of the report.
    pub made: Timestamp,
}

/// Something that has to be known before anything else is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// How grave it is.
    pub tone: Tone,
    /// What it is.
    pub text: String,
}

impl Head {
    pub(super) fn of(sources: &Sources<'_>, told: Option<&Told>) -> Self {
        let (run, made) = (sources.run.clone(), sources.now);
        match told {
            Some(told) => Self {
                run,
                word: end::word(&told.state),
                tone: end::tone(&told.state),
                headline: end::headline(&told.state, &told.story),
                facts: facts(told),
                made,
            },
            None => Self {
                run,
                word: "cannot be read",
                tone: Tone::Bad,
                headline: "The record of this run cannot be read, so this report cannot tell what happened.".to_owned(),
                facts: Vec::new(),
                made,
            },
        }
    }
}

fn facts(told: &Told) -> Vec<(&'static str, String)> {
    let (state, story, wall) = (&told.state, &told.story, &told.clock);
    let content = state.plan().content();
    let moment = |at: Timestamp| format!("{} {}", wall.moment(at), wall.zone());
    let mut facts = vec![
        ("runbook", content.runbook.clone()),
        ("plan", state.plan().digest().to_string()),
        ("started", format!("{} by {}", moment(story.from), state.starter().map_or_else(String::new, ToString::to_string))),
    ];
    facts.extend(rehearsed::mark(state.plan()).map(|mark| ("kind", mark)));
    facts.extend(state.rehearsed().map(|found| ("rehearsed", rehearsed::told(found, Some(story.from)))));
    facts.extend(content.environment.iter().map(|name| ("environment", name.clone())));
    facts.extend(content.movement.iter().map(|m| ("moved", format!("from {} to {}", m.from, m.to))));
    facts.push(match state.ended() {
        Some(ended) => ("ended", moment(ended)),
        None => ("told up to", moment(story.until)),
    });
    facts.push(("took", clock::length(story.took())));
    facts.extend(content.window.as_ref().map(|window| {
        let against = match state.ended() {
            Some(ended) if ended > window.closes => {
                format!("; over {} after it closed", clock::coarse(ended.since(window.closes)))
            }
            Some(ended) => format!("; over {} before it closed", clock::coarse(window.closes.since(ended))),
            None => String::new(),
        };
        let (opens, closes) = (wall.moment(window.opens), wall.moment(window.closes));
        ("window", format!("{opens} to {closes} {}{against}", wall.zone()))
    }));
    facts.push(("point of no return", no_return(state, told)));
    facts.push(("records", state.last_seq().to_string()));
    facts
}

fn no_return(state: &State, told: &Told) -> String {
    let has = |step: &crate::plan::PlannedStep| step.point_of_no_return.is_some();
    if !state.plan().steps().iter().any(has) {
        return "the runbook has none".to_owned();
    }
    let passed = told.story.pieces.iter().find(|piece| piece.doing == Doing::Work && has(state.planned(piece.instance)));
    match passed {
        Some(piece) => {
            let why = state.planned(piece.instance).point_of_no_return.as_deref().unwrap_or_default();
            format!("{} began at {}: {why}", piece.step, told.clock.time(piece.from))
        }
        None => "not reached".to_owned(),
    }
}

pub(super) fn notices(sources: &Sources<'_>, told: Option<&Told>, how: &Invocation) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut say = |tone, text: String| notices.push(Notice { tone, text });
    if let Origin::Bundle(withheld) = sources.origin {
        say(Tone::Wait, bundled(sources, withheld));
    }
    if let Err(why) = sources.read {
        say(
            Tone::Bad,
            format!("What can still be said of it stands under “What the record proves”. Why it cannot be read: {why}"),
        );
    }
    if let (Some(told), Some(cut)) = (told, sources.cut) {
        let (last, at) = (told.state.last_seq(), Clock::of(told.state.plan()).moment(told.story.until));
        let (tone, why) = match sources.origin {
            Origin::Bundle(withheld) if withheld.contains(&(last + 1)) => (Tone::Wait, "Not the whole record is told"),
            Origin::Bundle(_) | Origin::Folder => (Tone::Bad, "The record is damaged"),
        };
        let text =
            format!("{why}: only records 1 to {last}, up to {at}, can be read ({cut}). What came after is not in this report.");
        say(tone, text);
    }
    if let Some(told) = told.filter(|told| sources.cut.is_none() && !matches!(told.state.phase(), Phase::Ended(_))) {
        let at = format!("{} {}", told.clock.moment(told.story.until), told.clock.zone());
        let record = told.state.last_seq();
        let (tone, who) = match sources.life {
            Life::Driven => (Tone::Active, "An executor drives it; make the report again when it is over.".to_owned()),
            Life::Left => (Tone::Wait, format!("No executor drives it; `{}` takes it up.", how.on_run("resume", sources.run))),
            Life::Past => (Tone::Active, "It is shown as it was then.".to_owned()),
        };
        say(tone, format!("The run is not over: this is how it stood at record {record}, {at}. {who}"));
    }
    match sources.verification {
        Ok(found) => match found.standing {
            Standing::Tampered => {
                say(Tone::Bad, "The record was changed after it was written: see “What the record proves”.".to_owned())
            }
            Standing::Malformed => say(Tone::Bad, "The record is damaged: see “What the record proves”.".to_owned()),
            Standing::Weaker => say(Tone::Wait, "Less is proven than was asked for: see “What the record proves”.".to_owned()),
            Standing::Holds => {}
        },
        Err(why) => say(Tone::Wait, format!("The record could not be verified: {why}")),
    }
    if let Some(told) = told {
        let opened = told.state.instances().filter(|i| told.state.outputs(*i)["break_glass"] == true);
        for i in opened {
            say(Tone::Glass, format!("The glass of {} was broken: it was opened without its quorum.", told.state.id(i)));
        }
        if !told.still_in_place.is_empty() {
            let steps: Vec<&str> = told.still_in_place.iter().map(|(step, _)| step.as_str()).collect();
            say(Tone::Bad, format!("Still in place: {}.", steps.join(", ")));
        }
        for ask in &told.asks {
            say(Tone::Wait, format!("{} ({}) waits for {}: {}", ask.step, ask.status, ask.of, ask.text));
        }
    }
    notices
}

/// What a reader has to know about a report that was made from a bundle.
fn bundled(sources: &Sources<'_>, withheld: &[u64]) -> String {
    let proof = match sources.verification {
        Ok(found) => match found.standing {
            Standing::Holds => format!("its proof holds, as far as {}", found.witness),
            Standing::Weaker => "not everything about it is proven".to_owned(),
            Standing::Tampered => "it was changed after it was made".to_owned(),
            Standing::Malformed => "it is damaged".to_owned(),
        },
        Err(_) => "it could not be verified".to_owned(),
    };
    let hidden = match withheld.len() {
        0 => String::new(),
        1 => "; 1 record is withheld".to_owned(),
        count => format!("; {count} records are withheld"),
    };
    format!(
        "Made from a bundle, without the installation that drove the run: {proof}{hidden}. What happened after the last record of the bundle, and how long the steps take as a rule, cannot be known from it."
    )
}
