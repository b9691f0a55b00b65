//! Driving a run in this process: signals, what is shown meanwhile, and the exit code at the end.

use std::io;

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::console;
use super::desk::{Desk, now};
use super::exit::Exit;
use super::lines::{Detail, JsonLines, LastState, Lines};
use super::live::{Backlog, Full, Live, Setting, Source, ViewKind, give_back};
use super::sending::Sending;
use crate::authority::Claim;
use crate::connectors::Registry;
use crate::engine::{Ending, Executor, Observer};
use crate::model::{RunId, Timestamp};
use crate::run::{Record, State};
use crate::views::screen::Role;
use crate::views::{Invocation, Line, Tone, run_summary};

/// What is shown while a run is driven.
#[derive(Args, Debug)]
pub struct Show {
    /// Print the records as JSON lines instead
    #[arg(long, conflicts_with = "plain")]
    json: bool,
    /// Print one line per event, also on a terminal: the same as `--view plain`
    #[arg(long)]
    plain: bool,
    /// What is shown on a terminal: full, inline or plain [default: full]; elsewhere it is always plain
    #[arg(long, value_name = "VIEW", value_enum, hide_possible_values = true, conflicts_with_all = ["json", "plain"])]
    view: Option<ViewKind>,
    /// Show every question that is asked of a target too, and not only what is sent to change it
    #[arg(long, short)]
    verbose: bool,
}

impl Show {
    /// Whether JSON is wanted.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// The view that is wanted and possible here.
    pub fn kind(&self) -> ViewKind {
        if self.plain { ViewKind::Plain } else { self.view.unwrap_or_else(ViewKind::usual).here() }
    }

    /// How much is shown.
    pub const fn detail(&self) -> Detail {
        if self.verbose { Detail::All } else { Detail::Changes }
    }
}

/// Drives the run until it ends or is suspended.
pub fn drive(desk: &Desk, executor: Executor, show: &Show, claim: &Claim, sending: Sending) -> Result<Exit> {
    let how = desk.how();
    let run = executor.run_id().clone();
    // The executor itself runs on this thread and waits for the disk there; what it began goes on meanwhile, on these.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("no runtime can be made")?;
    let stop = CancellationToken::new();
    let backlog = Backlog::default();
    let mut view = View::new(desk, show, &executor, claim, &stop, &backlog)?;
    let ending = runtime.block_on(async {
        watch_signals(&stop, &run, &how, backlog)?;
        let mut watching = Watching { view: &mut view, sending: &sending };
        Ok::<_, anyhow::Error>(executor.drive(Registry::standard(), &mut watching, stop).await?)
    });
    view.close();
    sending.finish(&how.on_run("trace", &run));
    match ending? {
        Ending::Ended(outcome) => {
            // Whoever stopped reading does not change how the run ended.
            let _ = view.summarise(&how);
            Ok(Exit::of_outcome(outcome))
        }
        Ending::Suspended => {
            console::say_lines(&[
                Line::toned(Tone::Wait, "suspended").and(Tone::Plain, ": the run is not over. It goes on with"),
                Line::plain("    ").and(Tone::Strong, how.on_run("resume", &run)),
            ]);
            Ok(Exit::Suspended)
        }
    }
}

/// The first signal suspends in good order; the second leaves at once, as a crash would.
fn watch_signals(stop: &CancellationToken, run: &RunId, how: &Invocation, backlog: Backlog) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be watched")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?;
    let (stop, resume) = (stop.clone(), how.on_run("resume", run));
    tokio::spawn(async move {
        for count in 1.. {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            stop.cancel();
            if count == 1 {
                continue;
            }
            give_back();
            backlog.print();
            console::say(format!("left at once: what was under way is in doubt. `{resume}` looks at it first."));
            std::process::exit(i32::from(Exit::Suspended.code()));
        }
    });
    Ok(())
}

/// Whoever is told of records: who looks on, and who sends the trace.
struct Watching<'v> {
    view: &'v mut View,
    sending: &'v Sending,
}

impl Observer for Watching<'_> {
    fn recorded(&mut self, state: &State, records: &[Record]) {
        self.sending.recorded(records);
        self.view.recorded(state, records);
    }

    fn tick(&mut self, state: &State, now: Timestamp) {
        self.view.tick(state, now);
    }
}

/// What is shown: one of four, and the last state for the summary.
enum View {
    Full(Full, Backlog, Lines, LastState),
    Live(Box<Live>, LastState),
    Lines(Lines, LastState),
    Json(JsonLines),
}

impl View {
    fn new(
        desk: &Desk,
        show: &Show,
        executor: &Executor,
        claim: &Claim,
        stop: &CancellationToken,
        backlog: &Backlog,
    ) -> Result<Self> {
        let (state, how, detail) = (executor.state(), desk.how(), show.detail());
        if show.json {
            return Ok(Self::Json(JsonLines));
        }
        let _ = console::print(format!("{}\n", executor.run_id()));
        let lines = Lines::new(state, &how, detail);
        let opened = match show.kind() {
            ViewKind::Plain => return Ok(Self::Lines(lines, LastState::default())),
            ViewKind::Full => {
                let (home, run) = (desk.home()?, executor.run_id().clone());
                let source = Source::live(&home, &run, State::new(state.plan().clone()));
                let (desk, claim, stop) = (desk.clone(), claim.clone(), stop.clone());
                let setting = Setting { desk, home, run, source, role: Role::Driving, detail, claim, stop };
                Full::open(setting).map(|full| Self::Full(full, backlog.clone(), lines.clone(), LastState::default()))
            }
            ViewKind::Inline => {
                Live::open(state, &how, detail, stop).map(|live| Self::Live(Box::new(live), LastState::default()))
            }
        };
        Ok(opened.unwrap_or_else(|error| {
            console::say(format!("no live view on this terminal ({error}); one line per event instead"));
            Self::Lines(lines, LastState::default())
        }))
    }

    fn close(&mut self) {
        match self {
            Self::Full(full, backlog, ..) => {
                full.close();
                backlog.print();
            }
            Self::Live(live, _) => live.close(),
            Self::Lines(..) | Self::Json(_) => {}
        }
    }

    fn summarise(&self, how: &Invocation) -> io::Result<()> {
        match self {
            Self::Full(_, _, _, last) | Self::Live(_, last) | Self::Lines(_, last) => match last.state() {
                Some(state) => console::print_lines(&run_summary::text(state, now(), how)),
                None => Ok(()),
            },
            Self::Json(_) => Ok(()),
        }
    }
}

impl Observer for View {
    fn recorded(&mut self, state: &State, records: &[Record]) {
        match self {
            Self::Full(full, backlog, lines, last) => {
                backlog.keep(lines.with_commands(state, records));
                // A view that broke leaves the lines.
                if full.is_left() {
                    give_back();
                    backlog.print();
                }
                last.keep(state);
            }
            Self::Live(live, last) => {
                live.recorded(state, records);
                last.keep(state);
            }
            Self::Lines(lines, last) => {
                lines.recorded(state, records);
                last.keep(state);
            }
            Self::Json(lines) => lines.recorded(state, records),
        }
    }

    fn tick(&mut self, state: &State, now: Timestamp) {
        match self {
            Self::Live(live, _) => live.tick(state, now),
            // What was kept for its end is said when it broke, also while the run waits for somebody.
            Self::Full(full, backlog, ..) if full.is_left() => {
                give_back();
                backlog.print();
            }
            Self::Full(..) | Self::Lines(..) | Self::Json(_) => {}
        }
    }
}
