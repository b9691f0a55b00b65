//! The facts of a plan as variables that are true or false, and what each unit of work does to them.
//!
//! One vocabulary for the proof before the run and for the guard during it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::names::{Lead, Names};
use super::unit::{Unit, units};
use crate::plan::{Fact, Movement, Plan, Section};

/// A variable of the world.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Var {
    /// Writes of one kind to a target are refused. A target is open while any kind of its writes is.
    Denied {
        /// The target.
        target: String,
        /// Which writes: the same text where the same writes are meant.
        part: String,
    },
    /// The entry of the move leads to the new side.
    Routed,
    /// The entry of the move leads to neither side: to a page that says so.
    Away,
    /// Another entry leads somewhere.
    Route {
        /// The entry.
        entry: String,
        /// Where.
        to: String,
    },
    /// An entry keeps its clients out, or waiting.
    Held(String),
    /// Something was proven: it holds until what it is about can change.
    Proven(String),
    /// One target follows another.
    Follows(String),
    /// The new side has taken writes of users.
    Written,
}

/// The place of a variable in its list.
pub type VarId = usize;

/// A variable and the value that it gets.
pub type Change = (VarId, bool);

/// What keeps a proof true: when one of `set` is false or one of `unset` true, the proof is gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keep {
    /// The proof.
    pub proof: VarId,
    /// What must stay true.
    pub set: Vec<VarId>,
    /// What must stay false.
    pub unset: Vec<VarId>,
    /// Whether the step that proves it looks at `set` itself, and cannot succeed without.
    pub is_asked: bool,
}

/// The two sides of a move, as variables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sides {
    /// The side that is left.
    pub from: String,
    /// The side that is entered.
    pub to: String,
    /// The kinds of writes to the old side that the plan freezes, in the order of the plan; at least one.
    pub old: Vec<VarId>,
    /// Writes to the new side are refused.
    pub new: VarId,
    /// Whether some step opens the new side; without one, the entry alone decides.
    pub has_opener: bool,
    /// The entry leads to the new side.
    pub routed: VarId,
    /// Whether some step sends users to the new side.
    pub has_switch: bool,
    /// The entry is held.
    pub held: VarId,
    /// The entry leads to neither side.
    pub away: VarId,
    /// The new side has taken writes.
    pub written: VarId,
}

/// Everything about facts in a plan.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The variables.
    pub vars: Vec<Var>,
    /// Their values before the first step.
    pub initial: Vec<bool>,
    /// The units of work, each after those that it needs.
    pub units: Vec<Unit>,
    /// For each step of the plan, its unit.
    pub unit_of: Vec<usize>,
    /// What keeps each proof true.
    pub keeps: Vec<Keep>,
    /// The two sides, where the plan has a `move`.
    pub sides: Option<Sides>,
    /// The kinds of writes of each target that the plan freezes.
    pub parts: BTreeMap<String, BTreeSet<String>>,
    /// What its targets and entries are called.
    pub(super) names: Names,
}

impl Facts {
    /// The facts of a plan.
    pub fn new(plan: &Plan) -> Self {
        let (units, unit_of) = units(plan);
        let names = Names::new(plan);
        let mut facts = Self {
            vars: Vec::new(),
            initial: Vec::new(),
            units,
            unit_of,
            keeps: Vec::new(),
            sides: None,
            parts: BTreeMap::new(),
            names: names.clone(),
        };
        facts.find_parts(plan, &names);
        for at in 0..facts.units.len() {
            let (does, undoes) = facts.facts_of(plan, at);
            if does.is_empty() && undoes.is_empty() {
                continue;
            }
            let scope = facts.scope(plan, at);
            let sets = does.iter().flat_map(|fact| facts.changes(&names, fact, &scope)).collect();
            let undo = undoes.iter().flat_map(|fact| facts.changes(&names, fact, &scope)).collect();
            facts.units[at].sets = merged(sets);
            facts.units[at].undo_sets = merged(undo);
        }
        facts.sides = plan.content().movement.as_ref().map(|movement| facts.sides_of(plan, movement, &names));
        facts.keep_proofs(plan, &names);
        facts
    }

    /// The variable, if the plan has it.
    pub fn find(&self, var: &Var) -> Option<VarId> {
        self.vars.iter().position(|known| known == var)
    }

    /// Every kind of writes to a target.
    pub fn denials(&self, target: &str) -> Vec<VarId> {
        (0..self.vars.len()).filter(|at| matches!(&self.vars[*at], Var::Denied { target: of, .. } if of == target)).collect()
    }

    /// Whether a proof is made going forward, and not only behind the opening, where nothing waits for it.
    pub fn is_waited_for(&self, plan: &Plan, proof: VarId) -> bool {
        let openers = self.openers();
        let makes = |unit: &&Unit| unit.section == Section::Forward && unit.sets.contains(&(proof, true));
        self.units.iter().filter(makes).any(|unit| {
            let before = plan.before(unit.lead);
            !openers.iter().any(|open| before[self.units[*open].lead.get()])
        })
    }

    /// The units that open the new side: to writes, or to users.
    pub fn openers(&self) -> Vec<usize> {
        let Some(sides) = &self.sides else { return Vec::new() };
        let opens = |at: &usize| {
            let unit = &self.units[*at];
            let opens = unit.sets.contains(&(sides.new, false)) || unit.sets.contains(&(sides.routed, true));
            unit.section == Section::Forward && opens
        };
        (0..self.units.len()).filter(opens).collect()
    }

    fn var(&mut self, var: Var) -> VarId {
        self.find(&var).unwrap_or_else(|| {
            self.vars.push(var);
            self.initial.push(false);
            self.vars.len() - 1
        })
    }

    /// What the steps of a unit make true, and what their written undos make true.
    fn facts_of(&self, plan: &Plan, at: usize) -> (Vec<Fact>, Vec<Fact>) {
        let steps = || self.units[at].steps.iter().map(|step| plan.step(*step));
        (steps().flat_map(|step| step.facts()).collect(), steps().flat_map(|step| step.facts_of_undo()).collect())
    }

    /// Which writes a unit means: those of all its steps together.
    fn scope(&self, plan: &Plan, at: usize) -> String {
        let scopes: BTreeSet<String> = self.units[at].steps.iter().map(|step| plan.step(*step).scope_of_writes()).collect();
        scopes.into_iter().collect::<Vec<_>>().join("; ")
    }

    /// The kinds of writes that are frozen anywhere.
    fn find_parts(&mut self, plan: &Plan, names: &Names) {
        for at in 0..self.units.len() {
            for fact in self.facts_of(plan, at).0 {
                if let Fact::WritesDenied(target) = fact {
                    let scope = self.scope(plan, at);
                    self.parts.entry(names.place(&target)).or_default().insert(scope);
                }
            }
        }
    }

    fn changes(&mut self, names: &Names, fact: &Fact, scope: &str) -> Vec<Change> {
        match fact {
            Fact::WritesDenied(target) => {
                let target = names.place(target);
                let part = if names.is_new(&target) { String::new() } else { scope.to_owned() };
                vec![(self.var(Var::Denied { target, part }), true)]
            }
            Fact::WritesAllowed(target) => {
                let target = names.place(target);
                let parts = self.parts.get(&target).cloned().unwrap_or_default();
                // Who allows what was frozen word by word opens that, and whoever says it in other words opens everything.
                let opened: Vec<String> = match parts.contains(scope) {
                    _ if names.is_new(&target) || parts.is_empty() => vec![String::new()],
                    true => vec![scope.to_owned()],
                    false => parts.into_iter().collect(),
                };
                opened.into_iter().map(|part| (self.var(Var::Denied { target: target.clone(), part }), false)).collect()
            }
            Fact::Route(entry, to) => {
                let to = names.place(to);
                match names.leads(entry, &to) {
                    Some(lead) => {
                        vec![(self.var(Var::Routed), lead == Lead::New), (self.var(Var::Away), lead == Lead::Elsewhere)]
                    }
                    None => {
                        let mine = self.var(Var::Route { entry: entry.clone(), to });
                        let others = (0..self.vars.len())
                            .filter(|at| *at != mine && matches!(&self.vars[*at], Var::Route { entry: of, .. } if of == entry));
                        others.map(|at| (at, false)).chain([(mine, true)]).collect()
                    }
                }
            }
            Fact::Held(entry) => vec![(self.var(Var::Held(names.entry(entry))), true)],
            Fact::Released(entry) => vec![(self.var(Var::Held(names.entry(entry))), false)],
            Fact::Drained(queue) => vec![(self.var(Var::Proven(format!("drained({queue})"))), true)],
            Fact::CaughtUp(target) => vec![(self.var(Var::Proven(format!("caught_up({})", names.place(target)))), true)],
            Fact::Agree(a, b) => vec![(self.var(Var::Proven(names.pair("agree", a, b))), true)],
            Fact::Sequences(a, b) => vec![(self.var(Var::Proven(names.pair("sequences", a, b))), true)],
            Fact::Follows(source, follower) => {
                let text = format!("follows({}, {})", names.place(source), names.place(follower));
                vec![(self.var(Var::Follows(text)), true)]
            }
        }
    }

    fn sides_of(&mut self, plan: &Plan, movement: &Movement, names: &Names) -> Sides {
        let (from, to) = (movement.from.to_string(), movement.to.to_string());
        let (routed, away, written) = (self.var(Var::Routed), self.var(Var::Away), self.var(Var::Written));
        let new = self.var(Var::Denied { target: to.clone(), part: String::new() });
        let held = self.var(Var::Held(names.entry_of_move.clone().unwrap_or_else(|| to.clone())));
        let forward = |units: &[Unit], change: Change| -> Vec<usize> {
            (0..units.len()).filter(|at| units[*at].section == Section::Forward && units[*at].sets.contains(&change)).collect()
        };
        let openers = forward(&self.units, (new, false));
        let switches = forward(&self.units, (routed, true));
        self.initial[new] = !openers.is_empty();
        // What is frozen behind the opening alone is tidied away, and was never meant to be still before it.
        let is_behind = |at: usize| {
            let before = plan.before(self.units[at].lead);
            openers.iter().chain(&switches).any(|open| before[self.units[*open].lead.get()])
        };
        let mut old: Vec<VarId> = self
            .denials(&from)
            .into_iter()
            .filter(|var| forward(&self.units, (*var, true)).into_iter().any(|at| !is_behind(at)))
            .collect();
        if old.is_empty() {
            old.push(self.var(Var::Denied { target: from.clone(), part: String::new() }));
        }
        Sides {
            from,
            to,
            old,
            new,
            has_opener: !openers.is_empty(),
            routed,
            has_switch: !switches.is_empty(),
            held,
            away,
            written,
        }
    }

    /// A proof holds while what it is about cannot change.
    fn keep_proofs(&mut self, plan: &Plan, names: &Names) {
        for proof in 0..self.vars.len() {
            let Var::Proven(text) = &self.vars[proof] else { continue };
            let about = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or_default();
            let targets: Vec<&str> = about.split([',', '/']).map(str::trim).collect();
            let (mut set, mut unset) = (Vec::new(), Vec::new());
            match &self.sides {
                // Whether the old side has caught up is asked when the new one is silent.
                Some(sides) if *text == format!("caught_up({})", sides.from) => set.push(sides.new),
                Some(sides) => {
                    let of_move = targets.iter().any(|target| *target == sides.from || *target == sides.to);
                    if of_move {
                        set.extend(&sides.old);
                    }
                    if targets.contains(&sides.to.as_str()) {
                        unset.push(sides.written);
                    }
                    let others = targets.iter().filter(|target| **target != sides.from && **target != sides.to);
                    set.extend(others.flat_map(|target| self.denials(&names.place(target))));
                }
                None => set.extend(targets.iter().flat_map(|target| self.denials(target))),
            }
            let is_asked = text.starts_with("drained(");
            self.keeps.push(Keep { proof, set, unset, is_asked });
        }
        self.compare_last(plan);
    }

    /// A comparison of the two sides is worth something once what was under way has arrived: it stands on the other proofs.
    fn compare_last(&mut self, plan: &Plan) {
        let Some(sides) = &self.sides else { return };
        let agree = Var::Proven(format!("agree({}, {})", sides.from, sides.to));
        let caught_up = format!("caught_up({})", sides.to);
        let is_before = |var: &VarId| match &self.vars[*var] {
            Var::Proven(text) => *text == caught_up || text.starts_with("drained("),
            Var::Denied { .. } | Var::Routed | Var::Away | Var::Route { .. } | Var::Held(_) | Var::Follows(_) | Var::Written => {
                false
            }
        };
        let before: Vec<VarId> = (0..self.vars.len()).filter(|var| is_before(var) && self.is_waited_for(plan, *var)).collect();
        let Some(at) = self.keeps.iter().position(|keep| self.vars[keep.proof] == agree) else { return };
        let mut keep = self.keeps.remove(at);
        keep.set.extend(before);
        self.keeps.push(keep);
    }

    /// A change, as the language of interlocks writes it.
    pub fn says(&self, change: Change) -> String {
        let (var, value) = change;
        match &self.vars[var] {
            Var::Denied { target, .. } => format!("writes({target})={}", if value { "denied" } else { "open" }),
            Var::Routed => match (&self.sides, value) {
                (Some(sides), true) => format!("users are at `{}`", sides.to),
                (Some(sides), false) => format!("users are at `{}`", sides.from),
                (None, _) => String::new(),
            },
            Var::Away if value => "users see neither side".to_owned(),
            Var::Away => "users see a side again".to_owned(),
            Var::Route { entry, to } if value => format!("route({entry})={to}"),
            Var::Route { entry, .. } => format!("route({entry}) is as it was"),
            Var::Held(entry) => format!("held({entry})={}", if value { "yes" } else { "no" }),
            Var::Proven(text) | Var::Follows(text) if value => text.clone(),
            Var::Proven(text) | Var::Follows(text) => format!("{text} no more"),
            Var::Written => "the new side has taken writes".to_owned(),
        }
    }

    /// How a variable stands, for whoever did not see it change; none where there is nothing to say.
    pub fn stands(&self, change: Change) -> Option<String> {
        let (var, value) = change;
        match (&self.vars[var], value) {
            (Var::Away, false) => None,
            (Var::Route { entry, to }, false) => Some(format!("route({entry}) is not {to}")),
            (Var::Proven(text) | Var::Follows(text), false) => Some(format!("not known to hold: {text}")),
            (Var::Written, false) => Some("the new side has taken no writes".to_owned()),
            (Var::Denied { .. } | Var::Routed | Var::Held(_), false) | (_, true) => Some(self.says(change)),
        }
    }
}

impl fmt::Display for Var {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied { target, .. } => write!(f, "writes({target})"),
            Self::Routed | Self::Away => f.write_str("route"),
            Self::Route { entry, .. } => write!(f, "route({entry})"),
            Self::Held(entry) => write!(f, "held({entry})"),
            Self::Proven(text) | Self::Follows(text) => f.write_str(text),
            Self::Written => f.write_str("written"),
        }
    }
}

/// The last word about each variable counts.
fn merged(changes: Vec<Change>) -> Vec<Change> {
    changes.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect()
}
