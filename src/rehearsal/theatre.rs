//! The rehearsal of one plan: which nights are performed, one by one, and what they add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Chance;
use super::crew::Crew;
use super::end::End;
use super::model::{Known, Model, Pace};
use super::night::Night;
use super::readiness::{Crashes, Drawn, Performed, Point, Readiness};
use super::simulation::Script;
use super::stage::{Scene, Stage};
use super::trouble::{Rest, Trouble};
use super::unproven;
use super::wishes::{Steps, Wishes};
use crate::journal::memory::{Fault, Memory};
use crate::model::{RunOutcome, StepId, Timestamp};
use crate::plan::{FreezeTime, History, Plan, PlannedUndo, Section, Took, Wait};
use crate::run::{Instance, State};

/// How many nights the forecast of the finish is made of.
const FORECAST_NIGHTS: u64 = 201;
/// How long before its window a night starts that waits for it.
const BEFORE_WINDOW_MS: i64 = 600_000;

/// Where a plan is rehearsed.
struct Theatre {
    /// The plan, with gates that take any approval: nobody signs in a rehearsal.
    plan: Arc<Plan>,
    history: History,
    known: Arc<Known>,
    always: Vec<Trouble>,
    answer_ms: u64,
    freezes: Vec<FreezeTime>,
}

/// One night to perform.
#[derive(Clone, Debug)]
struct Story {
    troubles: Vec<Trouble>,
    pace: Pace,
    seed: u64,
}

impl Story {
    const fn of(troubles: Vec<Trouble>) -> Self {
        Self { troubles, pace: Pace::Usual, seed: 1 }
    }
}

/// Rehearses `plan`.
pub fn rehearsal(plan: &Plan, history: &History, wishes: &Wishes) -> Readiness {
    let always: Vec<Trouble> = (wishes.absent.iter().cloned().map(Trouble::Absent))
        .chain(wishes.slow.iter().map(|(step, hundredths)| Trouble::Slow(step.clone(), *hundredths)))
        .chain(wishes.plateau.then_some(Trouble::Plateau))
        .collect();
    let theatre = Theatre {
        plan: Arc::new(plan.without_signatures()),
        known: Arc::new(Known::of(plan, history)),
        history: history.clone(),
        always,
        answer_ms: wishes.answer.as_millis(),
        freezes: plan.freeze_times(),
    };
    let quiet = theatre.perform(&Story::of(Vec::new()));
    let mut nights = Tally::default();
    nights.count(&quiet);
    let points = theatre.points(&wishes.fail, &mut nights);
    let undo_points = theatre.undo_points(&wishes.fail_undo, &mut nights);
    let all = points.iter().chain(undo_points.iter().filter(|point| !point.is_given_up()));
    let crashes = if wishes.crash { theatre.crashes(&quiet, all, &mut nights) } else { Vec::new() };
    let drawn = (wishes.seeds > 0).then(|| theatre.drawn(&quiet, wishes.seeds, &mut nights));
    let forecast = (0..FORECAST_NIGHTS).map(|seed| Story { troubles: Vec::new(), pace: Pace::Drawn, seed: seed + 1 });
    let forecast = theatre.perform_all(&forecast.collect::<Vec<_>>());
    forecast.iter().for_each(|night| nights.count(night));
    let done: Vec<&Performed> = forecast.iter().filter(|night| night.end.outcome == Some(RunOutcome::Succeeded)).collect();
    let mut finishes: Vec<u64> = done.iter().map(|night| night.took_ms).collect();
    let mut frozen: Vec<u64> = done.iter().filter_map(|night| night.frozen_ms).collect();
    finishes.sort_unstable();
    frozen.sort_unstable();
    Readiness {
        runbook: plan.content().runbook.clone(),
        plan: plan.digest(),
        rehearsed: plan.shape(),
        unproven: unproven::list(plan, wishes),
        modelled: modelled(plan),
        unmeasured: theatre.unmeasured(),
        measured_runs: history.runs,
        undos: theatre.undos(&nights),
        ways_back: nights.ways_back.len(),
        nights: nights.nights,
        virtual_ms: nights.virtual_ms,
        always: theatre.always,
        quiet,
        points,
        undo_points,
        crashes,
        drawn,
        finishes,
        frozen,
    }
}

/// What all nights add up to.
#[derive(Default)]
struct Tally {
    nights: u64,
    virtual_ms: u64,
    undone: BTreeMap<StepId, u64>,
    ways_back: BTreeSet<Vec<StepId>>,
}

impl Tally {
    fn count(&mut self, night: &Performed) {
        self.nights += 1;
        self.virtual_ms += night.took_ms;
        for step in &night.undone {
            *self.undone.entry(step.clone()).or_default() += 1;
        }
        if !night.undone.is_empty() {
            self.ways_back.insert(night.undone.clone());
        }
    }
}

impl Theatre {
    /// A night for every trouble of these steps.
    fn points(&self, steps: &Steps, nights: &mut Tally) -> Vec<Point> {
        let meant = self.plan.steps().iter().filter(|step| steps.has(&step.id));
        let troubles: Vec<(Trouble, Option<Trouble>)> =
            meant.flat_map(|step| Trouble::of(step).into_iter().map(|trouble| (trouble, self.way_to(step.section)))).collect();
        self.points_of(troubles, nights)
    }

    /// A night for every trouble of the undos of these steps, behind a failure as late as one can turn back.
    fn undo_points(&self, steps: &Steps, nights: &mut Tally) -> Vec<Point> {
        let late = self.plan.from_return_on();
        let meant = self.plan.section(Section::Forward).filter(|at| !late[at.get()]).map(|at| self.plan.step(at));
        let meant = meant.filter(|step| steps.has(&step.id));
        let troubles = meant.flat_map(|step| {
            let way = self.way_behind(&step.id);
            Trouble::of_undo(step).into_iter().map(move |trouble| (trouble, way.clone()))
        });
        self.points_of(troubles.collect(), nights)
    }

    fn points_of(&self, troubles: Vec<(Trouble, Option<Trouble>)>, nights: &mut Tally) -> Vec<Point> {
        let stories: Vec<Story> =
            troubles.iter().map(|(trouble, way)| Story::of([trouble.clone()].into_iter().chain(way.clone()).collect())).collect();
        let performed = self.perform_all(&stories);
        performed.iter().for_each(|night| nights.count(night));
        let points = troubles.into_iter().zip(performed);
        points.map(|((trouble, behind), night)| Point { trouble, behind, night }).collect()
    }

    /// The trouble that turns a night back as late as that is possible, so that the way back is reached.
    fn way_to(&self, section: Section) -> Option<Trouble> {
        if section != Section::Rollback {
            return None;
        }
        self.turning().filter(|trouble| matches!(trouble, Trouble::Fails(_) | Trouble::Rejected(_))).last()
    }

    /// The same for the undo of `step`: where it fails itself, it has changed something.
    fn way_behind(&self, step: &StepId) -> Option<Trouble> {
        let turns = |trouble: &Trouble| match trouble {
            Trouble::FailsChanged(failing) => failing == step,
            Trouble::Fails(failing) | Trouble::Rejected(failing) => failing != step,
            _ => false,
        };
        self.turning().filter(turns).last()
    }

    /// Everything before the point of no return that can turn a night back, in plan order.
    fn turning(&self) -> impl Iterator<Item = Trouble> + '_ {
        let late = self.plan.from_return_on();
        let forward = self.plan.section(Section::Forward).filter(move |at| !late[at.get()]);
        forward.flat_map(|at| Trouble::of(self.plan.step(at)))
    }

    /// The executor dies after every turn of the quiet night and of every night with a trouble.
    fn crashes<'p>(&self, quiet: &'p Performed, points: impl Iterator<Item = &'p Point>, nights: &mut Tally) -> Vec<Crashes> {
        let along = points.map(|point| (Some(&point.trouble), point.behind.as_ref(), &point.night));
        let mut all = Vec::new();
        for (trouble, behind, night) in std::iter::once((None, None, quiet)).chain(along) {
            let others: Vec<Trouble> = trouble.into_iter().chain(behind).cloned().collect();
            let kills = (1..=night.turns)
                .flat_map(|turn| [Rest::Happens, Rest::IsLost].into_iter().map(move |rest| Trouble::Killed(turn, rest)));
            let cuts = (0..if trouble.is_none() { night.operations } else { 0 }).map(Trouble::PowerCut);
            let dying: Vec<Trouble> = kills.chain(cuts).collect();
            let stories: Vec<Story> =
                dying.iter().map(|crash| Story::of(others.iter().cloned().chain([crash.clone()]).collect())).collect();
            let mut crashes = Crashes::new(trouble.cloned());
            for (crash, night) in dying.into_iter().zip(self.perform_all(&stories)) {
                nights.count(&night);
                crashes.add(crash, night.end);
            }
            all.push(crashes);
        }
        all
    }

    /// Nights with up to three troubles and up to two deaths of the executor, drawn from seeds.
    fn drawn(&self, quiet: &Performed, seeds: u64, nights: &mut Tally) -> Drawn {
        let pool: Vec<Trouble> = self.plan.steps().iter().flat_map(Trouble::of).collect();
        let story = |seed: u64| {
            let mut chance = Chance::new(seed);
            let mut troubles: Vec<Trouble> = (0..chance.below(4)).filter_map(|_| chance.pick(&pool).cloned()).collect();
            for _ in 0..chance.below(3) {
                let turn = u32::try_from(chance.between(1, u64::from(quiet.turns) * 2)).unwrap_or(1);
                troubles.push(Trouble::Killed(turn, if chance.in_hundred(50) { Rest::Happens } else { Rest::IsLost }));
            }
            Story { troubles, pace: Pace::Drawn, seed }
        };
        let stories: Vec<Story> = (1..=seeds).map(story).collect();
        let mut drawn = Drawn::default();
        for (story, night) in stories.iter().zip(self.perform_all(&stories)) {
            nights.count(&night);
            drawn.add(story.seed, story.troubles.clone(), night.end);
        }
        drawn
    }

    /// Performs nights side by side; the results are in the order of the stories.
    fn perform_all(&self, stories: &[Story]) -> Vec<Performed> {
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, Performed)>> = Mutex::new(Vec::with_capacity(stories.len()));
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(stories.len());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let at = next.fetch_add(1, Ordering::Relaxed)
                        && let Some(story) = stories.get(at)
                    {
                        let night = self.perform(story);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((at, night));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, night)| night).collect()
    }

    /// Performs one night.
    fn perform(&self, story: &Story) -> Performed {
        let troubles: Vec<Trouble> = self.always.iter().chain(&story.troubles).cloned().collect();
        let (mut script, mut rest) = (Script::default(), Rest::Happens);
        let disk = Memory::new(story.seed);
        for trouble in &troubles {
            match trouble {
                Trouble::Killed(turn, what) => {
                    script.kill_after.push(*turn);
                    rest = *what;
                }
                Trouble::PowerCut(operation) => {
                    script.disk.push((*operation, Fault::Crash));
                    disk.fail_at(*operation, Fault::Crash);
                }
                _ => {}
            }
        }
        let mut night = Night::new(self.plan.clone(), disk, Chance::new(story.seed));
        let start = self.start();
        night.now = start;
        night.script = Some(script);
        night.stage = Some(Stage {
            model: Model::new(&self.known, story.pace, &troubles),
            crew: Crew::new(&self.plan, self.answer_ms, &troubles),
            troubles,
            rest,
            scene: Scene::default(),
            struck: 0,
        });
        let lived = night.live();
        self.look_back(night, start, lived)
    }

    fn look_back(&self, mut night: Night, start: i64, lived: Result<State, String>) -> Performed {
        let (state, mut broken) = match lived {
            Ok(state) => (state, Vec::new()),
            Err(problem) => (State::new(self.plan.clone()), vec![problem]),
        };
        if broken.is_empty() && state.ended().is_some() {
            broken = night.close(&state);
        }
        let since = |at: Timestamp| u64::try_from(at.as_millis().saturating_sub(start)).unwrap_or(0);
        let fired = night.fired + night.disk.fired().len() as u64;
        let stage = night.stage.take();
        let (scene, crew, struck) = match &stage {
            Some(stage) => (stage.scene.clone(), stage.crew.needs.clone(), stage.struck + stage.crew.struck),
            None => (Scene::default(), Vec::new(), 0),
        };
        let began = state.instances().filter_map(|i| state.step(i).started.map(|at| (i, at)));
        let steps = began.map(|(i, at)| (state.id(i).clone(), since(at), state.step(i).ended.map(since))).collect();
        Performed {
            end: End::of(&state, &night.world.applied, &scene.facts, broken),
            took_ms: u64::try_from(night.now.saturating_sub(start)).unwrap_or(0),
            frozen_ms: self.frozen(&state),
            turns: night.turns,
            operations: night.disk.operations(),
            struck: struck + fired,
            needs: crew.iter().map(|(now, order)| order.need(start, *now)).collect(),
            undone: scene.undone,
            steps,
        }
    }

    /// How long nobody could write, over the longest freeze of the night.
    fn frozen(&self, state: &State) -> Option<u64> {
        let span = |freeze: &FreezeTime| {
            let from = state.step(Instance::of(freeze.from)).started?;
            let until = state.step(Instance::of(freeze.until?)).ended?;
            u64::try_from(until.since(from).as_millis()).ok()
        };
        self.freezes.iter().filter_map(span).max()
    }

    /// When the virtual clock starts: with the window, or a little before it where the run waits for it.
    fn start(&self) -> i64 {
        let waits = self.plan.steps().iter().any(|step| matches!(step.wait, Some(Wait::Window)));
        let opens = self.plan.content().window.as_ref().map_or(0, |window| window.opens.as_millis());
        if waits { opens - BEFORE_WINDOW_MS } else { opens }
    }

    fn unmeasured(&self) -> Vec<StepId> {
        let acts = self.plan.steps().iter().filter(|step| step.wait.is_none() && !step.action.is_empty());
        acts.filter(|step| self.history.samples(Took::Work, &step.id).is_empty()).map(|step| step.id.clone()).collect()
    }

    /// How often each undo was exercised.
    fn undos(&self, nights: &Tally) -> BTreeMap<StepId, u64> {
        let late = self.plan.from_return_on();
        let owing = self
            .plan
            .section(Section::Forward)
            .filter(|at| !late[at.get()] && matches!(self.plan.step(*at).undo, PlannedUndo::Auto | PlannedUndo::Action { .. }));
        let count = |id: &StepId| {
            let is_item =
                |step: &StepId| step == id || step.as_str().strip_prefix(id.as_str()).is_some_and(|r| r.starts_with('['));
            nights.undone.iter().filter(|(step, _)| is_item(step)).map(|(_, count)| count).sum()
        };
        owing.map(|at| self.plan.step(at)).filter(|step| step.mutating).map(|step| (step.id.clone(), count(&step.id))).collect()
    }
}

fn modelled(plan: &Plan) -> BTreeMap<String, Vec<StepId>> {
    let mut found: BTreeMap<String, Vec<StepId>> = BTreeMap::new();
    for step in plan.steps().iter().filter(|step| !step.action.is_empty() && step.wait.is_none()) {
        found.entry(step.action.clone()).or_default().push(step.id.clone());
    }
    found
}
