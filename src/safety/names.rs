//! What targets and entries are called: one place has one name, whatever account is used there.

use std::collections::BTreeMap;

use crate::model::TargetName;
use crate::plan::{Plan, PlannedTarget};

/// The names of targets. Two targets with one address are one place: another account there does not make another system.
#[derive(Clone, Debug)]
pub(super) struct Names {
    places: BTreeMap<String, String>,
    from: Option<String>,
    to: Option<String>,
    pub entry_of_move: Option<String>,
}

/// Where the entry of the move leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lead {
    /// To the side that is left.
    Old,
    /// To the side that is entered.
    New,
    /// To neither: to a page that says so.
    Elsewhere,
}

impl Names {
    pub fn new(plan: &Plan) -> Self {
        let content = plan.content();
        let movement = content.movement.as_ref();
        let first = movement.into_iter().flat_map(|movement| [&movement.from, &movement.to]);
        let mut known: Vec<(&TargetName, String)> = Vec::new();
        let mut places = BTreeMap::new();
        for name in first.chain(content.targets.keys()) {
            let Some(address) = content.targets.get(name).and_then(PlannedTarget::address) else { continue };
            let same = known.iter().find(|(_, other)| *other == address).map_or(name, |(place, _)| place);
            places.entry(name.to_string()).or_insert_with(|| same.to_string());
            known.push((name, address));
        }
        Self {
            places,
            from: movement.map(|movement| movement.from.to_string()),
            to: movement.map(|movement| movement.to.to_string()),
            entry_of_move: movement.and_then(|movement| movement.entry.clone()),
        }
    }

    pub fn place(&self, name: &str) -> String {
        self.places.get(name).map_or(name, String::as_str).to_owned()
    }

    pub fn is_new(&self, place: &str) -> bool {
        self.to.as_deref() == Some(place)
    }

    pub fn pair(&self, word: &str, a: &str, b: &str) -> String {
        let (a, b) = (self.place(a), self.place(b));
        // Agreement has no direction; it is named in that of the move.
        if self.to.as_ref() == Some(&a) && self.from.as_ref() == Some(&b) {
            format!("{word}({b}, {a})")
        } else {
            format!("{word}({a}, {b})")
        }
    }

    /// Where a route of `entry` to `to` takes users; none where the entry is not that of the move.
    pub fn leads(&self, entry: &str, to: &str) -> Option<Lead> {
        let (from, new) = (self.from.as_deref()?, self.to.as_deref()?);
        let lead = if to == new {
            Lead::New
        } else if to == from {
            Lead::Old
        } else {
            Lead::Elsewhere
        };
        match &self.entry_of_move {
            Some(written) => covers(written, entry).then_some(lead),
            None => (lead != Lead::Elsewhere).then_some(lead),
        }
    }

    /// The name of an entry: that of the move for everything that it covers.
    pub fn entry(&self, entry: &str) -> String {
        match &self.entry_of_move {
            Some(written) if covers(written, entry) => written.clone(),
            Some(_) | None => entry.to_owned(),
        }
    }
}

/// Whether the entry that `move` names is the one that is meant: the target, or a part of it.
fn covers(written: &str, entry: &str) -> bool {
    written == entry || written.split('/').next() == Some(entry) || entry.split('/').next() == Some(written)
}
