//! One record → one line: what a run prints where no terminal redraws it, and what stays in the scrollback where one does.

use std::sync::Arc;

use super::event::{self, Told};
use super::{Ask, Clock, Line, Tone};
use crate::plan::Plan;
use crate::run::{Event, Record};

/// How much of what goes to the targets is shown. The journal keeps all of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    /// What changes something.
    Changes,
    /// Questions too.
    All,
}

impl Detail {
    /// Whether an event is shown.
    pub fn shows(self, event: &Event) -> bool {
        self == Self::All || !matches!(event, Event::QuestionAsked { .. })
    }
}

/// The columns of the lines of one run.
#[derive(Clone, Debug)]
pub struct Columns {
    plan: Arc<Plan>,
    clock: Clock,
    step: usize,
}

/// Wider ids push their own line only.
const WIDEST_STEP: usize = 28;

impl Columns {
    /// Columns as wide as this plan's steps.
    pub fn of(plan: &Arc<Plan>) -> Self {
        let step = plan.steps().iter().map(|s| super::width::of(s.id.as_str())).max().unwrap_or(0).clamp(3, WIDEST_STEP);
        Self { plan: plan.clone(), clock: Clock::of(plan), step }
    }

    /// The clock of these lines.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// `03:12:45  freeze-old  started`.
    pub fn line(&self, record: &Record) -> Line {
        let Told { step, text, tone } = event::tell(&record.event, &self.plan, &self.clock);
        let name_tone = if step.is_some() { Tone::Plain } else { Tone::Faint };
        Line::new()
            .cell(Tone::Faint, 8, self.clock.time(record.at))
            .cell(name_tone, self.step, step.map_or("run", |step| step.as_str()))
            .and(tone, text)
    }

    /// As [`Self::line`], with the number of the record in front.
    pub fn numbered(&self, record: &Record) -> Line {
        let line = self.line(record);
        let mut numbered = Line::new().cell(Tone::Faint, 5, format!("{:>5}", record.seq));
        for span in line.spans() {
            numbered = numbered.and(span.tone, &span.text);
        }
        numbered
    }

    /// The commands that answer, under the line that asks.
    pub fn answers(&self, ask: &Ask) -> Vec<Line> {
        let margin = " ".repeat(8 + 2 + self.step + 2);
        let width = ask.answers.iter().map(|answer| crate::views::width::of(&answer.command)).max().unwrap_or(0);
        let line = |answer: &super::ask::Answer| {
            Line::plain(&margin).cell(Tone::Strong, width, &answer.command).and(Tone::Faint, answer.meaning)
        };
        ask.answers.iter().map(line).collect()
    }
}
