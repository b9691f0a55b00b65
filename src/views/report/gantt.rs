//! The timeline as a picture: one row per step, what it did above what was planned, with the run beside as a third bar.
//!
//! Everything that the picture shows stands in the table of steps too, in words.

use std::time::Duration;

use super::{StepRow, Told, for_html, sign};
use crate::model::Timestamp;
use crate::run::StepStatus;
use crate::views::story::{Doing, Piece};
use crate::views::{Tone, clock, steps};

/// The geometry, in the units of the picture.
const WIDTH: f64 = 1160.0;
const NAMES: f64 = 210.0;
const ENDS: f64 = 150.0;
const TOP: f64 = 46.0;
const ROW: f64 = 24.0;
/// The height of a line of the legend.
const LEGEND: f64 = 18.0;
/// The most rows; of a larger plan the items of groups are left to the table.
const MOST_ROWS: usize = 80;
/// How many times longer than the night the picture may be, to show the whole plan.
const LONGEST_PLAN: f64 = 2.0;
/// A name longer than this is cut in the picture.
const LONGEST_NAME: usize = 30;

/// The scale of the picture.
struct Scale {
    from: Timestamp,
    whole_ms: f64,
}

impl Scale {
    fn x(&self, at: Timestamp) -> f64 {
        self.at_ms(millis(at.since(self.from)))
    }

    fn at_ms(&self, ms: f64) -> f64 {
        NAMES + (WIDTH - NAMES - ENDS) * (ms / self.whole_ms).clamp(0.0, 1.0)
    }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}

/// Draws the timeline.
pub(super) fn draw(told: &Told, out: &mut String) {
    let rows = shown(told);
    let planned = rows.iter().filter_map(|row| row.scheduled).map(|(_, until)| until.as_millis()).max().unwrap_or(0);
    // A plan that is much longer than the night would squeeze the night: it is cut at the edge then, and the table has it whole.
    let actual = millis(told.story.took()).max(1.0);
    let whole_ms = actual.max((planned as f64).min(LONGEST_PLAN * actual));
    let scale = Scale { from: told.story.from, whole_ms };
    let entries = legend(told);
    let bottom = TOP + ROW * rows.len() as f64 + 24.0;
    let lines = entries.last().map_or(0, |entry| entry.line) as f64;
    let height = bottom + LEGEND * lines + 10.0;
    out.push_str(&format!(
        "<div class=\"wide\" tabindex=\"0\"><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"picture\">\
         <title id=\"picture\">Each step on a line of time: actual, planned and beside; the table below says the same in words</title>\n"
    ));
    grid(told, &scale, rows.len(), out);
    for (at, row) in rows.iter().enumerate() {
        line(told, &scale, row, TOP + ROW * at as f64, out);
    }
    marks(told, &scale, rows.len(), out);
    entries.iter().for_each(|entry| entry.draw(bottom, out));
    out.push_str("</svg></div>\n");
    if rows.len() < told.steps.len() {
        out.push_str("<p>The picture leaves out steps that never began, and items of groups where there are too many; the table has all of them.</p>\n");
    }
}

fn shown(told: &Told) -> Vec<&StepRow> {
    let began = |row: &&StepRow| row.took.is_some() || row.scheduled.is_some_and(|(from, until)| from < until);
    let rows: Vec<&StepRow> = told.steps.iter().filter(began).collect();
    if rows.len() <= MOST_ROWS {
        return rows;
    }
    rows.into_iter().filter(|row| !row.is_item).take(MOST_ROWS).collect()
}

/// Lines at round lengths of time, with the clock beneath.
fn grid(told: &Told, scale: &Scale, rows: usize, out: &mut String) {
    const STEPS_MS: [f64; 16] =
        [50.0, 100.0, 250.0, 500.0, 1e3, 2e3, 5e3, 10e3, 30e3, 60e3, 300e3, 600e3, 1_800e3, 3_600e3, 7_200e3, 21_600e3];
    let step = STEPS_MS.into_iter().find(|step| scale.whole_ms / step <= 9.0).unwrap_or(86_400e3);
    let bottom = TOP + ROW * rows as f64;
    for at in 0..rows {
        if at % 2 == 1 {
            let y = TOP + ROW * at as f64;
            out.push_str(&format!("<rect class=\"stripe\" x=\"0\" y=\"{y}\" width=\"{WIDTH}\" height=\"{ROW}\"/>"));
        }
    }
    for freeze in &told.story.freezes {
        if let (Some((from, _)), Some(took)) = (&freeze.began, freeze.took) {
            let (x, until) = (scale.x(*from), scale.x(from.plus(took)));
            let (width, height) = ((until - x).max(2.0), bottom - 30.0);
            let title = format!("writes to {} refused for {}", freeze.frozen, clock::length(took));
            out.push_str(&format!(
                "<rect class=\"frozen\" x=\"{x:.1}\" y=\"30\" width=\"{width:.1}\" height=\"{height}\"><title>{}</title></rect>",
                for_html(&title)
            ));
        }
    }
    for (from, until) in &told.story.undriven {
        let (x, end) = (scale.x(*from), scale.x(*until));
        out.push_str(&format!(
            "<rect class=\"nobody\" x=\"{x:.1}\" y=\"30\" width=\"{:.1}\" height=\"{:.1}\"><title>no executor drove the run</title></rect>",
            (end - x).max(2.0),
            bottom - 30.0
        ));
    }
    let mut ms = 0.0;
    while ms <= scale.whole_ms {
        let x = scale.at_ms(ms);
        let moment = scale.from.plus(Duration::from_secs_f64(ms / 1_000.0));
        out.push_str(&format!(
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"30\" y2=\"{bottom}\"/>\
             <text class=\"quiet\" x=\"{x:.1}\" y=\"12\" text-anchor=\"middle\">{}</text>\
             <text class=\"quiet\" x=\"{x:.1}\" y=\"25\" text-anchor=\"middle\">+{}</text>\n",
            for_html(&told.clock.time(moment)),
            clock::length(Duration::from_secs_f64(ms / 1_000.0))
        ));
        ms += step;
    }
}

fn line(told: &Told, scale: &Scale, row: &StepRow, y: f64, out: &mut String) {
    let name: String = row.step.as_str().chars().take(LONGEST_NAME).collect();
    let cut = if name.len() < row.step.as_str().len() { "…" } else { "" };
    let indent = if row.is_item { 12.0 } else { 0.0 };
    out.push_str(&format!("<text x=\"{indent}\" y=\"{:.1}\">{}{cut}</text>", y + 15.0, for_html(&name)));
    if let Some((from, until)) = row.scheduled.filter(|(from, until)| from < until && (from.as_millis() as f64) < scale.whole_ms)
    {
        let (x, end) = (scale.at_ms(from.as_millis() as f64), scale.at_ms(until.as_millis() as f64));
        out.push_str(&format!(
            "<rect class=\"planned\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"4\"><title>planned: {}</title></rect>",
            y + 15.0,
            (end - x).max(2.0),
            clock::length(Duration::from_millis(until.as_millis() - from.as_millis()))
        ));
    }
    let mut began = None;
    for piece in told.story.pieces.iter().filter(|piece| piece.instance == row.instance) {
        began = began.or(Some(piece.from));
        bar(scale, piece, y, out);
    }
    if let (Some(beside), Some(from)) = (row.beside, began) {
        let (x, end) = (scale.x(from), scale.x(from.plus(beside)));
        out.push_str(&format!(
            "<rect class=\"beside\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"2\"><title>beside: {}</title></rect>",
            y + 20.5,
            (end - x).max(2.0),
            clock::length(beside)
        ));
    }
    let tone = steps::tone(row.status);
    let took = row.took.map_or_else(String::new, |took| format!(" {}", clock::length(took)));
    out.push_str(&format!(
        "<text class=\"{}\" x=\"{:.1}\" y=\"{:.1}\">{} {}{took}</text>\n",
        end_class(tone),
        WIDTH - ENDS + 12.0,
        y + 15.0,
        sign(tone),
        row.status
    ));
}

fn bar(scale: &Scale, piece: &Piece, y: f64, out: &mut String) {
    let (x, until) = (scale.x(piece.from), scale.x(piece.until));
    let width = (until - x).max(2.0);
    let (top, height) = if piece.doing == Doing::Items { (y + 8.0, 3.0) } else { (y + 4.0, 9.0) };
    let end = piece.end.map_or("goes on", StepStatus::word);
    let title = format!("{} {}: {}, then {end}", piece.step, piece.doing.word(), clock::length(piece.took));
    out.push_str(&format!(
        "<rect class=\"{}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height}\"><title>{}</title></rect>",
        doing_class(piece.doing),
        for_html(&title)
    ));
    if is_bad(piece.end) {
        out.push_str(&format!(
            "<path class=\"failed\" d=\"M{:.1} {:.1}l6 6m0 -6l-6 6\"><title>{}</title></path>",
            until + 2.0,
            y + 5.5,
            for_html(end)
        ));
    }
}

const fn is_bad(end: Option<StepStatus>) -> bool {
    match end {
        Some(
            StepStatus::Failed
            | StepStatus::Rejected
            | StepStatus::BackingOff
            | StepStatus::Held
            | StepStatus::InDoubt
            | StepStatus::UndoInDoubt
            | StepStatus::UndoFailed,
        ) => true,
        Some(
            StepStatus::Pending
            | StepStatus::AwaitingPeople
            | StepStatus::AwaitingTime
            | StepStatus::Ready
            | StepStatus::Running
            | StepStatus::AwaitingConfirm
            | StepStatus::Succeeded
            | StepStatus::Skipped
            | StepStatus::NotReached
            | StepStatus::AwaitingUndo
            | StepStatus::Undoing
            | StepStatus::Undone,
        )
        | None => false,
    }
}

/// The moments that concern the whole run: where it turned back, and where the window closes.
fn marks(told: &Told, scale: &Scale, rows: usize, out: &mut String) {
    let bottom = TOP + ROW * rows as f64;
    let mut mark = |at: Timestamp, class: &str, text: &str| {
        let x = scale.x(at);
        out.push_str(&format!(
            "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"30\" y2=\"{bottom}\"/>\
             <text class=\"quiet\" x=\"{:.1}\" y=\"40\">{text}</text>\n",
            x + 4.0
        ));
    };
    for at in &told.story.turned_back {
        mark(*at, "back", "turned back");
    }
    if let Some(window) = &told.state.plan().content().window
        && window.closes > scale.from
        && millis(window.closes.since(scale.from)) <= scale.whole_ms
    {
        mark(window.closes, "closes", "window closes");
    }
}

/// One entry of the legend, and where it stands.
struct Entry {
    class: &'static str,
    height: f64,
    text: &'static str,
    x: f64,
    line: usize,
}

impl Entry {
    fn draw(&self, top: f64, out: &mut String) {
        let Self { class, height, text, x, line } = self;
        let y = top + LEGEND * *line as f64;
        out.push_str(&format!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"16\" height=\"{height}\"/><text class=\"quiet\" x=\"{:.1}\" y=\"{y}\">{text}</text>\n",
            y - height / 2.0 - 4.0,
            x + 21.0
        ));
    }
}

/// What is in the picture, as many on a line as fit.
fn legend(told: &Told) -> Vec<Entry> {
    let has = |doing: Doing| told.story.pieces.iter().any(|piece| piece.doing == doing);
    let mut shown: Vec<(&'static str, f64, &'static str)> = vec![("planned", 4.0, "planned")];
    shown.extend(Doing::ALL.into_iter().filter(|doing| has(*doing)).map(|doing| (doing_class(doing), 9.0, doing.word())));
    shown.extend(told.beside.as_ref().map(|_| ("beside", 2.0, "beside")));
    shown.extend(
        told.story.freezes.iter().find(|freeze| freeze.began.is_some()).map(|_| ("frozen swatch", 9.0, "writes refused")),
    );
    shown.extend(told.story.undriven.first().map(|_| ("nobody swatch", 9.0, "no executor")));
    let (mut x, mut line) = (NAMES, 0);
    shown
        .into_iter()
        .map(|(class, height, text)| {
            let width = 36.0 + 6.2 * text.len() as f64;
            if x + width > WIDTH {
                (x, line) = (NAMES, line + 1);
            }
            let entry = Entry { class, height, text, x, line };
            x += width;
            entry
        })
        .collect()
}

const fn doing_class(doing: Doing) -> &'static str {
    match doing {
        Doing::Work => "work",
        Doing::Undo => "undo",
        Doing::People => "people",
        Doing::Clock => "clock",
        Doing::Pause => "pause",
        Doing::Doubt => "doubt",
        Doing::Items => "items",
    }
}

const fn end_class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "end-good",
        Tone::Bad | Tone::Glass => "end-bad",
        Tone::Wait => "end-wait",
        Tone::Active => "end-active",
        Tone::Faint | Tone::Plain | Tone::Strong => "end-faint",
    }
}
