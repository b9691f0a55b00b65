//! The status of a run for a person: what is going on, every step, who is awaited and what to type.

use std::time::Duration;

use super::{Life, is_over};
use crate::model::{RunOutcome, Timestamp};
use crate::run::{Phase, State};
use crate::views::event::{self, outcome_tone};
use crate::views::steps::{self, Widths};
use crate::views::{Clock, Invocation, Line, Tone, asks, clock, rehearsed};

/// The whole status.
pub fn text(state: &State, now: Timestamp, life: Life, how: &Invocation) -> Vec<Line> {
    let wall = Clock::of(state.plan());
    let mut lines = about(state, now, life, &wall);
    let sections = steps::sections(state);
    let shown: Vec<_> = sections.iter().flat_map(|(section, _)| steps::of_section(state, *section)).collect();
    let widths = Widths::of(state, &shown);
    for (section, title) in sections {
        lines.push(Line::new());
        lines.push(Line::toned(Tone::Strong, title));
        lines.extend(steps::of_section(state, section).into_iter().map(|i| widths.row(state, i, now)));
    }
    lines.extend(awaited(state, now, how));
    lines.extend(next(state, life, how));
    lines
}

/// One line: run, what it does, since when, how long the window is still open.
pub fn heading(state: &State, now: Timestamp) -> Line {
    let run = state.run().map_or("(no run)", |run| run.as_str());
    let (tone, doing) = doing(state);
    let mut line = Line::toned(Tone::Strong, run).and(Tone::Plain, "  ");
    if let Some(mark) = rehearsed::mark(state.plan()) {
        line = line.and(Tone::Wait, mark).and(Tone::Plain, "  ");
    }
    line = line.and(tone, doing);
    if let Some(started) = state.started() {
        line = line.and(Tone::Faint, format!("  {}", clock::coarse(state.ended().unwrap_or(now).since(started))));
    }
    // The heading has no room for how long the way back takes; the status says it.
    let short = |(tone, text): (Tone, String)| (tone, text.split(" (").next().unwrap_or_default().to_owned());
    let clocks = [window(state, now).filter(|_| !is_over(state)), turning_back(state, now).map(short)];
    clocks.into_iter().flatten().fold(line, |line, (tone, text)| line.and(Tone::Faint, "  ").and(tone, text))
}

/// How long the run can still turn back and be done with it before the window closes.
pub fn turning_back(state: &State, now: Timestamp) -> Option<(Tone, String)> {
    let clock = state.rollback_clock().filter(|clock| clock.path_back.as_millis() > 0)?;
    let left = clock.left_ms(now);
    let span = clock::coarse(Duration::from_millis(left.unsigned_abs()));
    let path = clock::coarse(clock.path_back.as_duration());
    Some(match left {
        ..=0 => (Tone::Bad, format!("turning back takes up to {path}: too late by {span}")),
        _ if left.unsigned_abs() < clock.path_back.as_millis() => {
            (Tone::Wait, format!("turn back within {span} (it takes up to {path})"))
        }
        _ => (Tone::Plain, format!("turn back within {span} (it takes up to {path})")),
    })
}

fn about(state: &State, now: Timestamp, life: Life, wall: &Clock) -> Vec<Line> {
    let content = state.plan().content();
    let fact = |name: &str, tone, text: String| Line::new().cell(Tone::Faint, 8, name).and(tone, text);
    let mut lines = vec![fact("run", Tone::Strong, state.run().map_or_else(String::new, |run| run.to_string()))];
    let title = if content.title.is_empty() || content.title == content.runbook {
        content.runbook.clone()
    } else {
        format!("{}: {}", content.runbook, content.title)
    };
    lines.push(fact("runbook", Tone::Plain, title));
    if let Some(mark) = rehearsed::mark(state.plan()) {
        lines.push(fact("", Tone::Wait, format!("{mark}: not the live targets")));
    }
    lines.push(fact("plan", Tone::Plain, state.plan().digest().to_string()));
    if let (Some(started), Some(starter)) = (state.started(), state.starter()) {
        lines.push(fact("started", Tone::Plain, format!("{} {} by {starter}", wall.moment(started), wall.zone())));
    }
    let (tone, doing) = doing(state);
    let since =
        state.started().map_or_else(String::new, |at| format!(", {}", clock::coarse(state.ended().unwrap_or(now).since(at))));
    let left = match life {
        Life::Driven => "",
        Life::Left if is_over(state) => "",
        Life::Left => ", no executor",
        Life::Past => ", as it was",
    };
    lines.push(fact("state", tone, format!("{doing}{since}{left}, record {}", state.last_seq())));
    if let Some((tone, text)) = window(state, now).filter(|_| !is_over(state)) {
        lines.push(fact("window", tone, text));
    }
    if let Some((tone, text)) = turning_back(state, now) {
        lines.push(fact("way back", tone, text));
    }
    if state.is_past_no_return() && !is_over(state) {
        lines.push(fact("", Tone::Wait, "past the point of no return: only forward from here".to_owned()));
    }
    lines
}

/// What the run does, in a few words.
pub(in crate::views) fn doing(state: &State) -> (Tone, String) {
    let why = || state.cause().map_or_else(String::new, |cause| format!(": {}", event::cause(cause)));
    let (tone, text) = match state.phase() {
        Phase::New => (Tone::Faint, "not started".to_owned()),
        Phase::Forward => (Tone::Active, "going forward".to_owned()),
        Phase::RollingBack => (Tone::Bad, format!("rolling back{}", why())),
        Phase::Aborting => (Tone::Bad, "aborting: work under way finishes".to_owned()),
        Phase::Finally(outcome) => (outcome_tone(outcome), format!("finally, then {outcome}")),
        Phase::Ended(outcome @ RunOutcome::Succeeded) => (outcome_tone(outcome), outcome.to_string()),
        Phase::Ended(outcome) => (outcome_tone(outcome), format!("{outcome}{}", why())),
    };
    match state.paused() {
        Some(by) => (Tone::Wait, format!("paused by {} ({text})", by.name())),
        None => (tone, text),
    }
}

/// How long the window is still closed, open, or over.
pub(in crate::views) fn window(state: &State, now: Timestamp) -> Option<(Tone, String)> {
    let window = state.plan().content().window.as_ref()?;
    let span = |moment: Timestamp| clock::coarse(if moment > now { moment.since(now) } else { now.since(moment) });
    Some(if now < window.opens {
        (Tone::Wait, format!("window opens in {}", span(window.opens)))
    } else if now < window.closes {
        (Tone::Plain, format!("window closes in {}", span(window.closes)))
    } else {
        (Tone::Bad, format!("window closed {} ago", span(window.closes)))
    })
}

/// Who is awaited, and the exact commands that answer.
pub fn awaited(state: &State, now: Timestamp, how: &Invocation) -> Vec<Line> {
    let asks = asks(state, how);
    if asks.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::new(), Line::toned(Tone::Strong, if is_over(state) { "left to do" } else { "awaited" })];
    for ask in asks {
        let mut head = Line::plain("  ").and(Tone::Wait, ask.step.as_str());
        if !ask.of.is_empty() {
            head = head.and(Tone::Plain, format!("  {}", ask.of));
        }
        match ask.until {
            _ if ask.overdue => head = head.and(Tone::Bad, "  the deadline passed"),
            Some(until) => head = head.and(Tone::Wait, format!("  {}", clock::until(until, now))),
            None => {}
        }
        lines.push(head);
        if !ask.text.is_empty() {
            lines.extend(ask.text.lines().map(|text| Line::plain(format!("    {text}"))));
        }
        if !ask.manual.is_empty() {
            lines.push(Line::toned(Tone::Faint, "    by hand:"));
            lines.extend(ask.manual.iter().map(|statement| Line::plain(format!("      {statement}"))));
        }
        let width = ask.answers.iter().map(|a| crate::views::width::of(&a.command)).max().unwrap_or(0);
        for answer in &ask.answers {
            lines.push(Line::plain("    ").cell(Tone::Strong, width, &answer.command).and(Tone::Faint, answer.meaning));
        }
    }
    lines
}

/// What to type when nobody drives the run.
pub(in crate::views) fn next(state: &State, life: Life, how: &Invocation) -> Vec<Line> {
    let (Life::Left, Some(run), false) = (life, state.run(), is_over(state)) else { return Vec::new() };
    vec![
        Line::new(),
        Line::plain("No executor drives this run. It goes on with:"),
        Line::plain("    ").and(Tone::Strong, how.on_run("resume", run)),
    ]
}
