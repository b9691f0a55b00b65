//! What a view has others do, so that it never waits: orders given, decisions looked up, earlier runs read.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::Result;

use crate::authority::Claim;
use crate::cli::approve;
use crate::cli::desk::Desk;
use crate::cli::ordering::told;
use crate::engine::{Home, load, order};
use crate::model::{PersonId, RunId, StepId};
use crate::plan::History;
use crate::run::Answer;
use crate::views::screen::Wish;
use crate::views::status::is_over;
use crate::views::{Line, Tone};

/// What came of an errand.
#[derive(Debug)]
pub enum Back {
    /// Something to say.
    Said(Line),
    /// What is decided, and the word that says yes.
    Decision(Box<(Wish, String, Vec<Line>)>),
    /// How long earlier runs took.
    Usual(History),
}

/// Runs errands for one view.
#[derive(Debug)]
pub struct Errands {
    desk: Desk,
    home: Home,
    run: RunId,
    claim: Claim,
    send: Sender<Back>,
    back: Receiver<Back>,
}

impl Errands {
    /// Errands about a run, in the name of `claim`.
    pub fn new(desk: &Desk, home: &Home, run: &RunId, claim: Claim) -> Self {
        let (send, back) = channel();
        Self { desk: desk.clone(), home: home.clone(), run: run.clone(), claim, send, back }
    }

    /// What is done by now.
    pub fn done(&self) -> impl Iterator<Item = Back> + '_ {
        self.back.try_iter()
    }

    /// Gives an order, the way that the command line does.
    pub fn order(&self, wish: Wish) {
        let (home, run) = (self.home.clone(), self.run.clone());
        let claim = wish.person.as_ref().map_or_else(|| self.claim.clone(), |person| Claim::Person(PersonId::new(person)));
        self.begin(move || {
            let what = match wish.command.step() {
                Some(step) => format!("{} {step}", wish.command.word()),
                None => wish.command.word().to_owned(),
            };
            let ordered = order(&home, &run, wish.command, &claim)?;
            let line = told(&ordered.answer, &what);
            let waits =
                ordered.answer == Answer::Accepted && !ordered.live && load(&home, &run, None).is_ok_and(|(s, _)| !is_over(&s));
            Ok(Back::Said(if waits { line.and(Tone::Wait, "; it takes effect when the run is resumed") } else { line }))
        });
    }

    /// Looks up what is decided at a step.
    pub fn show(&self, wish: Wish, step: StepId, word: String) {
        let (home, run) = (self.home.clone(), self.run.clone());
        self.begin(move || {
            let (state, records) = load(&home, &run, None)?;
            let lines = approve::before_a_yes(&home, &run, &state, &records, &step)?;
            if lines.is_empty() {
                let line = Line::toned(Tone::Bad, "not applicable").and(Tone::Plain, format!(": {step} asks nothing now"));
                return Ok(Back::Said(line));
            }
            Ok(Back::Decision(Box::new((wish, word, lines))))
        });
    }

    /// Reads how long the steps of this runbook took before.
    pub fn usual(&self, runbook: String) {
        let (desk, run) = (self.desk.clone(), self.run.clone());
        self.begin(move || Ok(Back::Usual(desk.history(&runbook, Some(&run)))));
    }

    fn begin(&self, errand: impl FnOnce() -> Result<Back> + Send + 'static) {
        let send = self.send.clone();
        thread::spawn(move || {
            let back = errand()
                .unwrap_or_else(|error| Back::Said(Line::toned(Tone::Bad, "error").and(Tone::Plain, format!(": {error:#}"))));
            // A view that was left needs no answer.
            let _ = send.send(back);
        });
    }
}
