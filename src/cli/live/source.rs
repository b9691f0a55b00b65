//! Where a view gets its night from: the journal of a run that goes on, or a whole one that is told again.

use std::time::Instant;

use crate::cli::desk::now;
use crate::engine::{EngineError, Follow, Home};
use crate::model::{RunId, Timestamp};
use crate::run::{FoldError, Record, State};
use crate::views::screen::{Play, Player};
use crate::views::status::Life;

/// Where records come from.
#[derive(Debug)]
pub enum Source {
    /// The journal of a run.
    Live(Box<Tail>),
    /// The records of a run that is told again.
    Again(Box<Told>),
}

/// A run that is followed. Its first record may not be durable yet.
#[derive(Debug)]
pub struct Tail {
    home: Home,
    run: RunId,
    follow: Option<Follow>,
    /// Before the first record is there.
    empty: State,
}

/// A run that is told again.
#[derive(Debug)]
pub struct Told {
    records: Vec<Record>,
    state: State,
    player: Player,
    looked: Instant,
}

/// What a look brought.
#[derive(Debug)]
pub enum News {
    /// These records came; often none.
    More(Vec<Record>),
    /// Everything begins anew with these.
    Anew(Vec<Record>),
}

impl Source {
    /// Follows a run; `plan` is a state of it, before any record.
    pub fn live(home: &Home, run: &RunId, empty: State) -> Self {
        Self::Live(Box::new(Tail { home: home.clone(), run: run.clone(), follow: None, empty }))
    }

    /// Tells these records again; the player says how many of them are shown.
    pub fn again(records: Vec<Record>, empty: State, player: Player) -> Self {
        Self::Again(Box::new(Told { records, state: empty, player, looked: Instant::now() }))
    }

    /// Where the run stands.
    pub fn state(&self) -> &State {
        match self {
            Self::Live(tail) => tail.follow.as_ref().map_or(&tail.empty, Follow::state),
            Self::Again(told) => &told.state,
        }
    }

    /// The moment that is shown.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Live(_) => now(),
            Self::Again(told) => told.player.now(),
        }
    }

    /// Whether somebody drives the run.
    pub fn life(&self) -> Life {
        match self {
            Self::Live(tail) if tail.follow.as_ref().is_none_or(Follow::is_driven) => Life::Driven,
            Self::Live(_) => Life::Left,
            Self::Again(_) => Life::Past,
        }
    }

    /// The pace of a replay.
    pub fn pace(&self) -> Option<String> {
        match self {
            Self::Live(_) => None,
            Self::Again(told) if told.player.is_over() => Some("over".to_owned()),
            Self::Again(told) if told.player.is_held() => Some(format!("{}, stands", told.player.speed())),
            Self::Again(told) => Some(told.player.speed().to_string()),
        }
    }

    /// What came since the last look.
    ///
    /// # Errors
    /// When the journal cannot be followed any further.
    pub fn look(&mut self) -> Result<News, EngineError> {
        match self {
            Self::Live(tail) => tail.look(),
            Self::Again(told) => told.look().map_err(EngineError::Fold),
        }
    }

    /// Steers a replay.
    pub fn steer(&mut self, play: Play) {
        let Self::Again(told) = self else { return };
        match play {
            Play::Toggle => told.player.toggle(),
            Play::Forward => told.player.forward(),
            Play::Back => told.player.back(),
            Play::Faster => told.player.faster(),
            Play::Slower => told.player.slower(),
        }
    }
}

impl Tail {
    fn look(&mut self) -> Result<News, EngineError> {
        let follow = match &mut self.follow {
            Some(follow) => follow,
            empty => match Follow::open(&self.home, &self.run) {
                Ok(follow) => empty.insert(follow),
                Err(EngineError::Unbegun | EngineError::NoAnswer(_)) => return Ok(News::More(Vec::new())),
                Err(error) => return Err(error),
            },
        };
        let before = follow.state().last_seq();
        let records = follow.poll()?;
        match records.first() {
            Some(first) if first.seq <= before => Ok(News::Anew(records)),
            Some(_) | None => Ok(News::More(records)),
        }
    }
}

impl Told {
    fn look(&mut self) -> Result<News, FoldError> {
        let elapsed = self.looked.elapsed();
        self.looked = Instant::now();
        self.player.advance(elapsed);
        let shown = self.player.shown();
        let had = usize::try_from(self.state.last_seq()).unwrap_or(usize::MAX);
        if shown < had {
            self.state = State::new(self.state.plan().clone());
            return self.fold(0, shown).map(News::Anew);
        }
        self.fold(had, shown).map(News::More)
    }

    fn fold(&mut self, from: usize, upto: usize) -> Result<Vec<Record>, FoldError> {
        let records = self.records[from..upto].to_vec();
        records.iter().try_for_each(|record| self.state.apply(record))?;
        Ok(records)
    }
}
