//! One frame: what stands where on a screen of a given size.
//!
//! The head and the bottom line always stand; between them the questions come first, then the steps, then the log. Every line
//! says the same without colour.

use std::collections::BTreeSet;

use super::screen::{Page, Role, Screen};
use super::will::will;
use super::{Chronicle, panels, rows};
use crate::model::{Actor, Timestamp};
use crate::plan::StepIndex;
use crate::run::{Phase, State};
use crate::views::live::Mood;
use crate::views::status::{self, Life};
use crate::views::{Invocation, Line, Tone, card, clock};

/// The size of a screen, in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// How wide.
    pub columns: usize,
    /// How high.
    pub rows: usize,
}

/// What there is to show.
#[derive(Clone, Copy, Debug)]
pub struct Night<'a> {
    /// Where the run stands.
    pub state: &'a State,
    /// What was told.
    pub chronicle: &'a Chronicle,
    /// The moment: of the wall clock, or of the replay.
    pub now: Timestamp,
    /// Whether somebody drives the run.
    pub life: Life,
    /// What the executor of this view is about.
    pub mood: Mood,
    /// When it is expected to be done, where that is known.
    pub expected: Option<&'a Line>,
    /// The steps that decide how long it takes.
    pub path: &'a BTreeSet<StepIndex>,
    /// Who gives orders here, where that is known.
    pub by: Option<&'a Actor>,
    /// How commands are typed into a shell here.
    pub how: &'a Invocation,
    /// The pace of a replay.
    pub pace: Option<&'a str>,
}

/// A whole screen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// As many lines as the screen is high, none wider than it.
    pub lines: Vec<Line>,
    /// Where the cursor stands, by column and row; nowhere while nothing is typed.
    pub cursor: Option<(usize, usize)>,
    /// How far the page is scrolled, as far as it goes.
    pub at: usize,
}

/// From this width on, steps and questions stand side by side.
const WIDE: usize = 116;
/// Between two columns.
const GAP: usize = 2;
/// On less than this, only the head is shown.
const LEAST: Size = Size { columns: 24, rows: 7 };

/// The frame of a night.
pub fn frame(night: &Night<'_>, screen: &Screen, size: Size) -> Frame {
    let mut lines = head(night, size.columns);
    if size.columns < LEAST.columns || size.rows < LEAST.rows {
        lines.truncate(size.rows);
        return finished(lines, Vec::new(), size, None, 0);
    }
    let (bottom, cursor) = bottom(night, screen, size.columns);
    let room = size.rows.saturating_sub(lines.len() + bottom.len());
    let (body, at) = body(night, screen, Size { columns: size.columns, rows: room });
    lines.extend(body);
    finished(lines, bottom, size, cursor, at)
}

/// The lines at their places: the bottom stands at the bottom.
fn finished(mut lines: Vec<Line>, bottom: Vec<Line>, size: Size, cursor: Option<usize>, at: usize) -> Frame {
    let room = size.rows.saturating_sub(bottom.len());
    lines.resize(room, Line::new());
    lines.extend(bottom);
    lines.truncate(size.rows);
    let lines: Vec<Line> = lines.iter().map(|line| line.cut(size.columns)).collect();
    let last = (size.columns.saturating_sub(1), size.rows.saturating_sub(1));
    Frame { cursor: cursor.map(|column| (column.min(last.0), last.1)), lines, at }
}

/// Two lines: the run and what it does; the clocks.
fn head(night: &Night<'_>, columns: usize) -> Vec<Line> {
    let (state, now) = (night.state, night.now);
    let run = state.run().map_or("(no run)", |run| run.as_str());
    let (tone, doing) = status::doing(state);
    let mut line = Line::toned(Tone::Strong, run).and(Tone::Plain, "  ").and(tone, doing);
    if let Some(started) = state.started() {
        line = line.and(Tone::Faint, format!("  {}", clock::coarse(state.ended().unwrap_or(now).since(started))));
    }
    if night.life == Life::Left && !status::is_over(state) {
        line = line.and(Tone::Bad, "  no executor");
    }
    let wall = night.chronicle.clock();
    let mut right = Line::new();
    if let Some(pace) = night.pace {
        right = right.and(Tone::Wait, format!("replay {pace}  "));
    }
    right = match columns {
        60.. => right.and(Tone::Faint, format!("{} {}", wall.time(now), wall.zone())),
        36.. => right.and(Tone::Faint, wall.time(now)),
        _ => right,
    };
    let gap = columns.saturating_sub(right.width());
    let line = line.cut(gap.saturating_sub(1));
    let blank = " ".repeat(gap.saturating_sub(line.width()));
    let first = line.and(Tone::Plain, blank).then(&right);
    let clocks = [status::window(state, now).filter(|_| !status::is_over(state)), status::turning_back(state, now)];
    let mut second = Line::new();
    for (tone, text) in clocks.into_iter().flatten() {
        let between = if second.width() > 0 { " · " } else { "" };
        second = second.and(Tone::Faint, between).and(tone, text);
    }
    if let Some(expected) = night.expected {
        let between = if second.width() > 0 { " · " } else { "" };
        second = second.and(Tone::Faint, between).then(expected);
    }
    if second.width() == 0 { vec![first] } else { vec![first, second] }
}

/// The last lines: what was said or will happen, and what is typed or can be.
fn bottom(night: &Night<'_>, screen: &Screen, columns: usize) -> (Vec<Line>, Option<usize>) {
    const SAID: usize = 4;
    let folded = |lines: Vec<Line>| {
        let mut lines: Vec<Line> = lines.iter().flat_map(|line| line.wrapped(columns)).collect();
        lines.truncate(SAID);
        lines
    };
    if let Some(confirm) = screen.confirm() {
        let question = format!("Type `{}` and Enter to {}; Esc decides nothing: ", confirm.word, confirm.wish.line());
        // A question that is wider than the screen stands above its answer.
        let (mut lines, mark) = if crate::views::width::of(&question) + confirm.word.len() + 1 < columns {
            (Vec::new(), question)
        } else {
            (folded(vec![Line::toned(Tone::Wait, question)]), "> ".to_owned())
        };
        let asked = crate::views::width::of(&mark);
        let (text, column) = confirm.typed.window(columns.saturating_sub(asked));
        lines.push(Line::toned(Tone::Wait, mark).and(Tone::Strong, text));
        return (lines, Some(asked + column));
    }
    if let Some(prompt) = screen.prompt() {
        let reading = prompt.reading(night.state);
        let mut said = will(night.state, &reading, night.by, night.now);
        let fitting = prompt.candidates(night.state);
        if !fitting.is_empty() && !matches!(reading, super::Reading::Order(_)) {
            said.push(Line::toned(Tone::Faint, "Tab: ").and(Tone::Plain, fitting.join("  ")).cut(columns));
        }
        let mut lines = folded(said);
        let (text, column) = prompt.window(columns.saturating_sub(1));
        lines.push(Line::toned(Tone::Wait, ":").and(Tone::Strong, text));
        return (lines, Some(1 + column));
    }
    let mut lines = screen.message().map_or_else(Vec::new, |line| folded(vec![line.clone()]));
    lines.push(hints(night, screen, columns));
    (lines, None)
}

/// The keys that matter most here, and what Ctrl-C does.
fn hints(night: &Night<'_>, screen: &Screen, columns: usize) -> Line {
    let end = match screen.role() {
        Role::Driving => night.mood.line(),
        Role::Watching => Line::toned(Tone::Faint, "q leaves the view; the run goes on."),
        Role::Replaying => Line::toned(Tone::Faint, "space stands, arrows step, + - pace, q leaves"),
    };
    if night.mood == Mood::Suspending {
        return end;
    }
    let orders = if screen.role() == Role::Replaying { "" } else { ": order  " };
    let keys = [
        format!("{orders}s steps  l log  c way back  a asked  k known  ? help"),
        format!("{orders}s steps  l log  c way back  ? help"),
        format!("{orders}? help"),
        orders.to_owned(),
        String::new(),
    ];
    let short = match screen.role() {
        Role::Driving => Line::toned(Tone::Faint, "Ctrl-C suspends, resumable"),
        Role::Watching => Line::toned(Tone::Faint, "q leaves"),
        Role::Replaying => Line::toned(Tone::Faint, "space arrows + - q"),
    };
    let tries = keys.iter().flat_map(|keys| [&end, &short].map(|end| (keys, end)));
    let fits = tries.into_iter().find(|(keys, end)| crate::views::width::of(keys) + 2 + end.width() <= columns);
    match fits {
        Some((keys, end)) if keys.is_empty() => end.clone(),
        Some((keys, end)) => {
            let gap = columns.saturating_sub(crate::views::width::of(keys) + end.width());
            Line::toned(Tone::Plain, keys).and(Tone::Plain, " ".repeat(gap)).then(end)
        }
        None => short,
    }
}

/// The page between head and bottom, and how far it is scrolled.
fn body(night: &Night<'_>, screen: &Screen, size: Size) -> (Vec<Line>, usize) {
    let Size { columns, rows: room } = size;
    let page = |title: &str, lines: Vec<Line>, from: usize| paged(title, &lines, screen.scroll().unwrap_or(from), size);
    let above = screen.scroll().unwrap_or(0).min(night.chronicle.log().len().saturating_sub(1));
    match screen.page() {
        Page::Night => (overview(night, screen.role(), above, size), above),
        Page::Log => {
            let title = titled("log", "newest last; arrows and pages scroll, Esc goes back");
            let lines = panels::log(night, columns, room.saturating_sub(1), above);
            (std::iter::once(title).chain(lines).collect(), above)
        }
        Page::Steps => {
            let (lines, front) = rows::all(night.state, night.path, night.now, columns);
            // While nobody scrolls, the front line is in sight; scrolling begins there.
            page("every step: `*` decides how long the night takes", lines, front.saturating_sub(room / 3))
        }
        Page::Card => page("the way back", folded(card::text(night.state), columns), 0),
        Page::Asked => page("asked", panels::asked(night, screen.role(), columns), 0),
        Page::Known => {
            let mut lines = vec![Line::toned(Tone::Strong, "known from the journal")];
            lines.extend(or_nothing(panels::facts(night), "this plan has no rules about facts"));
            lines.push(Line::toned(Tone::Strong, "proven, the newest first"));
            lines.extend(or_nothing(night.chronicle.proofs(night.now), "nothing yet"));
            page("known", folded(lines, columns), 0)
        }
        Page::Decision => page("what is decided", folded(screen.decision().to_vec(), columns), 0),
        Page::Help => page("keys", folded(help(screen.role()), columns), 0),
    }
}

fn titled(title: &str, rest: &str) -> Line {
    Line::toned(Tone::Strong, title).and(Tone::Faint, format!("  {rest}"))
}

fn folded(lines: Vec<Line>, columns: usize) -> Vec<Line> {
    lines.iter().flat_map(|line| line.wrapped(columns)).collect()
}

fn or_nothing(lines: Vec<Line>, nothing: &str) -> Vec<Line> {
    if lines.is_empty() { vec![Line::toned(Tone::Faint, format!("  {nothing}"))] } else { lines }
}

/// A page of its own: its title, and as much of it as there is room for.
fn paged(title: &str, lines: &[Line], scroll: usize, size: Size) -> (Vec<Line>, usize) {
    let room = size.rows.saturating_sub(1);
    let most = lines.len().saturating_sub(room);
    let from = scroll.min(most);
    let upto = (from + room).min(lines.len());
    let rest = if most == 0 {
        "Esc goes back".to_owned()
    } else {
        format!("{}-{upto} of {}; arrows and pages scroll, Esc goes back", from + 1, lines.len())
    };
    let mut page = vec![titled(title, &rest)];
    page.extend(lines[from..upto].iter().cloned());
    (page, from)
}

/// A little of everything: questions, steps, what is known, the log.
fn overview(night: &Night<'_>, role: Role, above: usize, size: Size) -> Vec<Line> {
    if size.columns >= WIDE {
        return side_by_side(night, role, above, size);
    }
    let Size { columns, rows: room } = size;
    let log_room = if room >= 14 { (room / 4).max(3) } else { 0 };
    let known = if room >= 18 { about_the_world(night, columns, 2) } else { Vec::new() };
    let fixed = log_room + usize::from(log_room > 0) + known.len();
    let asked = fitted(panels::asked(night, role, columns), room.saturating_sub(fixed).saturating_sub(3), &a_key());
    let for_steps = room.saturating_sub(fixed + asked.len() + usize::from(!asked.is_empty()));
    let mut steps = rows::front(night.state, night.path, night.now, columns, for_steps);
    let spare = for_steps.saturating_sub(steps.len());
    // Where there is room, the parts stand apart; the rest of it is the log's.
    let apart = usize::from(spare >= 2);
    let log_room = if log_room > 0 { log_room + spare - apart * (1 + usize::from(!known.is_empty())) } else { 0 };
    let gap = || std::iter::repeat_n(Line::new(), apart);
    let mut lines = std::mem::take(&mut steps);
    if !asked.is_empty() {
        lines.push(Line::new());
        lines.extend(asked);
    }
    if !known.is_empty() {
        lines.extend(gap());
        lines.extend(known);
    }
    if log_room > 0 {
        lines.extend(gap());
        lines.push(log_title(above));
        lines.extend(panels::log(night, columns, log_room, above));
    }
    lines
}

/// Steps at the left, questions and what is known at the right, the log below both.
fn side_by_side(night: &Night<'_>, role: Role, above: usize, size: Size) -> Vec<Line> {
    let left = (size.columns - GAP) / 2;
    let right = size.columns - GAP - left;
    let log_least = (size.rows / 4).max(3);
    let upper = size.rows.saturating_sub(log_least + 2);
    let known = about_the_world(night, right, 6);
    let asked = fitted(panels::asked(night, role, right), upper.saturating_sub(known.len()), &a_key());
    let steps = rows::front(night.state, night.path, night.now, left, upper);
    let mut at_right = asked;
    at_right.extend(known);
    let height = steps.len().max(at_right.len()).min(upper);
    let mut lines: Vec<Line> = (0..height)
        .map(|at| {
            let step = steps.get(at).map_or_else(Line::new, |line| line.cut(left));
            let gap = " ".repeat(left + GAP - step.width());
            let other = at_right.get(at).map_or_else(Line::new, |line| line.cut(right));
            step.and(Tone::Plain, gap).then(&other)
        })
        .collect();
    lines.push(Line::new());
    lines.push(log_title(above));
    let room = size.rows.saturating_sub(lines.len());
    lines.extend(panels::log(night, size.columns, room, above));
    lines
}

fn log_title(above: usize) -> Line {
    match above {
        0 => Line::toned(Tone::Strong, "log"),
        lines => titled("log", &format!("{lines} newer below; End goes there")),
    }
}

/// What is known and what was proven last, in at most `proofs` proofs.
fn about_the_world(night: &Night<'_>, columns: usize, proofs: usize) -> Vec<Line> {
    let (known, proven) = (panels::known(night, columns), night.chronicle.proofs(night.now));
    let mut lines = Vec::new();
    if !known.is_empty() {
        lines.push(Line::toned(Tone::Strong, "known"));
        lines.extend(known.into_iter().take(3));
    }
    if !proven.is_empty() && !matches!(night.state.phase(), Phase::Ended(_)) {
        lines.push(Line::toned(Tone::Strong, "proven last"));
        lines.extend(proven.into_iter().take(proofs).map(|line| line.cut(columns)));
    }
    lines
}

fn a_key() -> Line {
    Line::toned(Tone::Wait, "  … more is asked: key `a` shows all of it")
}

/// At most `room` lines; the last of them says that there are more.
fn fitted(mut lines: Vec<Line>, room: usize, more: &Line) -> Vec<Line> {
    if lines.len() > room {
        lines.truncate(room.saturating_sub(1));
        lines.push(more.clone());
    }
    lines
}

fn help(role: Role) -> Vec<Line> {
    let key = |key: &str, what: &str| Line::plain("  ").cell(Tone::Strong, 12, key).and(Tone::Plain, what);
    let mut lines = vec![
        key("s", "every step; `*` marks those that decide how long the night takes"),
        key("l", "the whole log"),
        key("c", "the way back: what would have to be undone by hand now"),
        key("a", "what is asked of whom, in full"),
        key("k", "what is known of the world, and what was proven when"),
        key("arrows", "scroll, also PgUp, PgDn, Home and End"),
        key("Esc", "back to the night"),
        key("Ctrl-L", "paint everything again"),
    ];
    lines.extend(match role {
        Role::Driving | Role::Watching => vec![
            key(":", "type an order: approve, reject, answer, pause, continue, retry, skip, resolve, rollback, abort …"),
            key("", "Tab completes; what the order will do is said before Enter gives it"),
        ],
        Role::Replaying => {
            vec![key("space", "stand, or go on"), key("left right", "one record back or on"), key("+ -", "twice or half as fast")]
        }
    });
    lines.push(match role {
        Role::Driving => {
            key("Ctrl-C", "suspends the run in good order: work under way finishes, `resume` goes on. Twice leaves it in doubt")
        }
        Role::Watching => key("q, Ctrl-C", "leave the view; the run is not touched"),
        Role::Replaying => key("q, Ctrl-C", "leave the replay"),
    });
    lines
}
