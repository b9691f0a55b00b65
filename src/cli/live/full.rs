//! The full-screen view: a thread of its own that follows the journal, takes keys and paints.
//!
//! It shares nothing with whoever drives the run: a terminal that hangs, or a view that panics, holds no step.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::aside;
use super::errands::{Back, Errands};
use super::keys::key;
use super::source::{News, Source};
use super::stage::{self, Stage};
use crate::authority::Claim;
use crate::cli::desk::Desk;
use crate::engine::{Home, whoami};
use crate::model::{Actor, RunId};
use crate::plan::{History, StepIndex};
use crate::run::{Record, State};
use crate::views::line::Detail;
use crate::views::live::Mood;
use crate::views::screen::{Act, Chronicle, Key, Night, Role, Screen, Size, Way, critical, frame};
use crate::views::status::Life;
use crate::views::{Invocation, Line, Tone, expectation};

/// Frames are painted no oftener than this, however fast records come.
const BETWEEN_FRAMES: Duration = Duration::from_millis(80);
/// How often the journal is looked at while no key is pressed.
const LOOK: Duration = Duration::from_millis(100);
/// How often a frame is painted where nothing but time passed.
const TICK: Duration = Duration::from_millis(500);
/// How often is looked who drives the run, and what is expected.
const SLOW: Duration = Duration::from_secs(1);

/// What a view needs to know.
pub struct Setting {
    /// How commands work here.
    pub desk: Desk,
    /// Where runs live.
    pub home: Home,
    /// The run.
    pub run: RunId,
    /// Where its records come from.
    pub source: Source,
    /// What the view is for.
    pub role: Role,
    /// How much is shown.
    pub detail: Detail,
    /// In whose name orders are given.
    pub claim: Claim,
    /// Set when the executor of this view was asked to stop.
    pub stop: CancellationToken,
}

/// A view that is open, as whoever opened it sees it.
#[derive(Debug)]
pub struct Full {
    thread: Option<JoinHandle<Told>>,
    shared: Arc<Shared>,
}

/// What a view saw until it was closed.
#[derive(Debug, Default)]
pub struct Told {
    /// The state at the end.
    pub state: Option<Box<State>>,
    /// Every record that was shown.
    pub records: Vec<Record>,
}

/// What both sides know.
#[derive(Debug, Default)]
struct Shared {
    closing: AtomicBool,
    left: AtomicBool,
    woken: Notify,
}

impl Full {
    /// Takes the terminal and begins to show.
    ///
    /// # Errors
    /// When this is no terminal that can be drawn on.
    pub fn open(setting: Setting) -> io::Result<Self> {
        let stage = Stage::take()?;
        let shared = Arc::new(Shared::default());
        let booth = Booth::new(setting, stage, shared.clone());
        let thread = thread::Builder::new().name("view".to_owned()).spawn(move || booth.work())?;
        Ok(Self { thread: Some(thread), shared })
    }

    /// Whether nobody looks any more: the view was left, or broke.
    pub fn is_left(&self) -> bool {
        self.shared.left.load(Ordering::Acquire)
    }

    /// Waits until nobody looks any more.
    pub async fn left(&self) {
        while !self.is_left() {
            self.shared.woken.notified().await;
        }
    }

    /// Gives the terminal back, and tells what was seen.
    pub fn close(&mut self) -> Told {
        self.shared.closing.store(true, Ordering::Release);
        let told = self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        stage::give_back();
        told
    }
}

/// Says that nobody looks any more, also when the view panics.
struct Leaving(Arc<Shared>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.left.store(true, Ordering::Release);
        self.0.woken.notify_one();
    }
}

/// The thread of a view.
struct Booth {
    desk: Desk,
    run: RunId,
    source: Source,
    stage: Option<Stage>,
    screen: Screen,
    chronicle: Chronicle,
    records: Vec<Record>,
    detail: Detail,
    how: Invocation,
    errands: Errands,
    by: Option<Actor>,
    path: BTreeSet<StepIndex>,
    history: History,
    expected: Option<Line>,
    life: Life,
    slow: Option<Instant>,
    drawn: Option<Instant>,
    is_dirty: bool,
    is_broken: bool,
    stop: CancellationToken,
    shared: Arc<Shared>,
}

impl Booth {
    fn new(setting: Setting, stage: Stage, shared: Arc<Shared>) -> Self {
        let Setting { desk, home, run, source, role, detail, claim, stop } = setting;
        let state = source.state();
        let content = state.plan().content();
        let errands = Errands::new(&desk, &home, &run, claim.clone());
        errands.usual(content.runbook.to_string());
        Self {
            how: desk.how(),
            by: whoami(content.roster.as_ref(), &claim).ok(),
            path: critical(state.plan()),
            chronicle: Chronicle::of(state, detail),
            life: source.life(),
            screen: Screen::new(role),
            stage: Some(stage),
            records: Vec::new(),
            history: History::default(),
            expected: None,
            slow: None,
            drawn: None,
            is_dirty: true,
            is_broken: false,
            desk,
            run,
            source,
            detail,
            errands,
            stop,
            shared,
        }
    }

    fn work(mut self) -> Told {
        let leaving = Leaving(self.shared.clone());
        if let Err(error) = self.turns() {
            tracing::debug!(%error, "the view ended");
        }
        drop(self.stage.take());
        drop(leaving);
        // What came since the last look belongs to the log that stays.
        self.look();
        Told { state: Some(Box::new(self.source.state().clone())), records: self.records }
    }

    /// Turn for turn, until the view is left. A terminal that went away is an error and ends it.
    fn turns(&mut self) -> io::Result<()> {
        while !self.shared.closing.load(Ordering::Acquire) {
            if event::poll(self.patience())? {
                while event::poll(Duration::ZERO)? {
                    if self.take(event::read()?)? == Going::Away {
                        return Ok(());
                    }
                }
            }
            self.look();
            self.fetch();
            if self.is_due() {
                self.draw()?;
            }
        }
        Ok(())
    }

    /// How long to wait for a key.
    fn patience(&self) -> Duration {
        let since = self.drawn.map_or(BETWEEN_FRAMES, |at| at.elapsed());
        if self.is_dirty { BETWEEN_FRAMES.saturating_sub(since) } else { LOOK }
    }

    fn is_due(&self) -> bool {
        self.drawn.is_none_or(|at| at.elapsed() >= if self.is_dirty { BETWEEN_FRAMES } else { TICK })
    }

    /// Takes in what the run did since the last look.
    fn look(&mut self) {
        if self.is_broken {
            return;
        }
        match self.source.look() {
            Ok(News::More(records)) if records.is_empty() => {}
            Ok(News::More(records)) => self.learn(records),
            Ok(News::Anew(records)) => {
                self.chronicle = Chronicle::of(self.source.state(), self.detail);
                self.records.clear();
                self.learn(records);
            }
            Err(error) => {
                self.is_broken = true;
                let text = format!(": the journal cannot be followed any further: {:#}", anyhow::Error::from(error));
                self.say(Line::toned(Tone::Bad, "error").and(Tone::Plain, text));
            }
        }
        if self.slow.is_none_or(|at| at.elapsed() >= SLOW) {
            self.slow = Some(Instant::now());
            self.life = self.source.life();
            self.expected = expectation::of_run(self.source.state(), &self.history, self.source.now());
        }
    }

    fn learn(&mut self, records: Vec<Record>) {
        self.chronicle.take(self.source.state(), &records);
        self.records.extend(records);
        self.is_dirty = true;
    }

    /// Takes in what errands brought.
    fn fetch(&mut self) {
        let done: Vec<Back> = self.errands.done().collect();
        for back in done {
            match back {
                Back::Said(line) => self.say(line),
                Back::Decision(shown) => {
                    let (wish, word, lines) = *shown;
                    self.screen.ask(wish, word, lines);
                    self.is_dirty = true;
                }
                Back::Usual(history) => {
                    self.history = history;
                    self.slow = None;
                }
            }
        }
    }

    fn say(&mut self, line: Line) {
        self.screen.say(line);
        self.is_dirty = true;
    }

    fn take(&mut self, event: Event) -> io::Result<Going> {
        self.is_dirty = true;
        match event {
            Event::Key(pressed) => match key(pressed) {
                Some(key) => self.press(key),
                None => Ok(Going::On),
            },
            // What is pasted is typed, and never ends the line by itself.
            Event::Paste(text) => {
                let is_typing = self.screen.prompt().is_some() || self.screen.confirm().is_some();
                for c in text.chars().filter(|c| is_typing && !c.is_control()) {
                    self.screen.press(Key::Char(c), self.source.state());
                }
                Ok(Going::On)
            }
            Event::Resize(..) => self.repaint().map(|()| Going::On),
            Event::FocusGained | Event::FocusLost | Event::Mouse(_) => Ok(Going::On),
        }
    }

    fn press(&mut self, key: Key) -> io::Result<Going> {
        match self.screen.press(key, self.source.state()) {
            Act::Draw => {}
            Act::Repaint => {
                #[cfg(debug_assertions)]
                break_if_asked();
                self.repaint()?;
            }
            Act::Leave => return Ok(Going::Away),
            Act::Stop => {
                self.step_aside(|_| nix::sys::signal::raise(nix::sys::signal::Signal::SIGTSTP).map_err(io::Error::from))?
            }
            Act::Order(wish) => {
                self.screen.say(Line::toned(Tone::Faint, format!("ordered: {}", wish.line())));
                self.errands.order(wish);
            }
            Act::Show(wish) => {
                if let (Some(step), Way::Shown(word)) = (wish.command.step().cloned(), wish.way(self.source.state())) {
                    self.errands.show(wish, step, word);
                }
            }
            Act::Outside(words) => self.step_aside(|booth| aside::run(&booth.desk, &booth.run, &words))?,
            Act::Play(play) => self.source.steer(play),
        }
        Ok(Going::On)
    }

    fn repaint(&mut self) -> io::Result<()> {
        self.stage.as_mut().map_or(Ok(()), Stage::repaint)
    }

    /// Gives the terminal to somebody else for a while. What they fail with is said, and the view goes on.
    fn step_aside(&mut self, what: impl FnOnce(&Self) -> io::Result<()>) -> io::Result<()> {
        drop(self.stage.take());
        let done = what(self);
        self.stage = Some(Stage::take()?);
        if let Err(error) = done {
            self.say(Line::toned(Tone::Bad, "error").and(Tone::Plain, format!(": {error}")));
        }
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        let Some(stage) = &mut self.stage else { return Ok(()) };
        let (columns, rows) = stage.size()?;
        let mood = if self.stop.is_cancelled() { Mood::Suspending } else { Mood::Driving };
        let pace = self.source.pace();
        let night = Night {
            state: self.source.state(),
            chronicle: &self.chronicle,
            now: self.source.now(),
            life: self.life,
            mood,
            expected: self.expected.as_ref(),
            path: &self.path,
            by: self.by.as_ref(),
            how: &self.how,
            pace: pace.as_deref(),
        };
        let frame = frame(&night, &self.screen, Size { columns: columns.into(), rows: rows.into() });
        stage.draw(&frame)?;
        self.screen.settle(&frame);
        self.drawn = Some(Instant::now());
        self.is_dirty = false;
        Ok(())
    }
}

/// Breaks the view for the tests of what is left then; a release has no such door.
#[cfg(debug_assertions)]
fn break_if_asked() {
    assert!(std::env::var_os("POINTSMAN_TEST_BREAK_VIEW").is_none(), "the view was asked to break");
}

/// Whether the view goes on after a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Going {
    On,
    Away,
}
