//! What is looked at again while a run relies on it: the people, and the rehearsal that its gates ask for.

use super::Home;
use super::people::Watch;
use super::rehearsed::RehearsalWatch;
use crate::model::Timestamp;
use crate::run::{Input, State};

/// The watches of one executor.
#[derive(Debug)]
pub(super) struct Watches {
    people: Option<Watch>,
    rehearsal: Option<RehearsalWatch>,
    looked: bool,
}

impl Watches {
    /// The watches that this run needs.
    pub fn of(home: &Home, state: &State) -> Self {
        Self { people: Watch::of(state), rehearsal: RehearsalWatch::of(home, state), looked: false }
    }

    /// What is no longer as the record says; `is_asked` where orders wait to be judged.
    pub fn look(&mut self, state: &State, is_asked: bool, now: Timestamp) -> Vec<Input> {
        let matters = state.relies_on_people() || is_asked;
        let people = self.people.as_mut().filter(|_| matters).and_then(Watch::look).map(Input::PeopleChanged);
        // A gate shows the rehearsal when it begins to ask, so the first look comes before anything asks.
        let first = !std::mem::replace(&mut self.looked, true);
        let rehearsal = self.rehearsal.as_mut().filter(|_| matters || first);
        people.into_iter().chain(rehearsal.and_then(|watch| watch.look(state, is_asked, now))).collect()
    }
}
