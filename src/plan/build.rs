//! Runbook + parameters + catalog + roster → plan. Every problem is reported at once, each at its place.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::links::Links;
use super::plan::{Movement, PlannedTarget, Window, WitnessPolicy};
use super::scope::Reader;
use super::waits::excludes_editor;
use super::{Plan, PlanContent, PlannedStep, Section, StepIndex};
use crate::catalog;
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, Report, Source, SourceSpan, nearest};
use crate::model::{Digest, Object, PersonId, Roster, StepId, TargetName, Value};
use crate::runbook::{self, Runbook, Spanned};

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct BuildInput<'a> {
    /// The runbook.
    pub runbook: &'a Runbook,
    /// Its text.
    pub source: &'a Source,
    /// The people, if there is a roster file.
    pub roster: Option<Roster>,
    /// Who edited the runbook last, or why nobody can tell. Asked for only where [`super::excludes_editor`] says so.
    pub edited_by: Result<Vec<PersonId>, String>,
    /// The parameters that were given, by name.
    pub params: Object,
    /// The folder of the runbook file; relative paths start there.
    pub base_dir: String,
}

impl<'a> BuildInput<'a> {
    /// The text and nothing else: no roster, no parameters, no history, and relative paths start in the working folder.
    pub fn of(runbook: &'a Runbook, source: &'a Source) -> Self {
        let edited_by = Err("it is not in git".to_owned());
        Self { runbook, source, roster: None, edited_by, params: Object::new(), base_dir: ".".to_owned() }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Built {
    /// The plan, if there was no error.
    pub plan: Option<Plan>,
    /// Every problem.
    pub report: Report,
    /// Where the steps of the plan stand in the text.
    pub places: Places,
}

/// The place in the runbook's text of each step of a plan.
#[derive(Clone, Debug, Default)]
pub struct Places {
    steps: Vec<SourceSpan>,
    interlocks: Vec<SourceSpan>,
}

impl Places {
    /// Where the step's id stands.
    pub fn of(&self, step: StepIndex) -> SourceSpan {
        self.steps.get(step.get()).copied().unwrap_or_default()
    }

    /// Where the name of the runbook's own rule with this number stands.
    pub fn of_interlock(&self, number: usize) -> SourceSpan {
        self.interlocks.get(number).copied().unwrap_or_default()
    }

    pub(super) fn push_interlock(&mut self, place: SourceSpan) {
        self.interlocks.push(place);
    }
}

/// Makes the plan of a runbook. Pure: reads nothing but its input.
pub fn build(input: BuildInput<'_>) -> Built {
    made(&input, MissingParams::Refused)
}

/// Checks a runbook as [`build`] does, but without complaint about parameters that were not given: a runbook can be right
/// before anybody decided on them. What depends on them is not checked, and there is no plan then.
pub fn check(input: BuildInput<'_>) -> Built {
    made(&input, MissingParams::Allowed)
}

/// Whether a parameter without default may be left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MissingParams {
    Refused,
    Allowed,
}

fn made(input: &BuildInput<'_>, missing: MissingParams) -> Built {
    let mut builder = Builder::new(input, missing);
    let movement = builder.movement();
    let targets = builder.targets();
    builder.roster_is_there();
    let rollback_role = input.runbook.rollback.as_ref().and_then(|rollback| rollback.decide.as_ref());
    builder.known_role(rollback_role);
    builder.known_person(input.runbook.owner.as_ref());
    builder.assemble_section(Section::Forward);
    builder.assemble_section(Section::Rollback);
    builder.rollback_branch();
    builder.assemble_section(Section::Finally);
    let interlocks = builder.interlocks();
    let Builder { report, scope, steps, places, missing, .. } = builder;
    let plan = (!report.has_errors() && missing.is_empty()).then(|| {
        let content = PlanContent {
            version: 1,
            runbook: input.runbook.name.value.clone(),
            title: input.runbook.title.as_ref().map_or_else(|| input.runbook.name.value.clone(), |title| title.value.clone()),
            author: input.runbook.owner.as_ref().map(|owner| owner.value.clone()),
            edited_by: input.edited_by.clone().ok().filter(|_| excludes_editor(input.runbook)).unwrap_or_default(),
            environment: input.runbook.environment.as_ref().map(|name| name.value.clone()),
            source: Digest::of(input.source.text.as_bytes()),
            written: Some(input.runbook.written),
            profile: None,
            base_dir: input.base_dir.clone(),
            params: scope.get("params").and_then(Value::as_object).cloned().unwrap_or_default(),
            window: window(input.runbook),
            roster: input.roster.clone(),
            witness: witness(input.runbook),
            targets,
            movement,
            interlocks,
            rollback_role: rollback_role.map(|role| role.value.clone()),
            max_concurrent: max_concurrent(input.runbook),
            steps,
        };
        Plan::freeze(content).expect("invariant: checked content forms a plan")
    });
    Built { plan, report, places }
}

/// The work in progress.
pub(super) struct Builder<'a> {
    pub runbook: &'a Runbook,
    pub source: &'a Source,
    pub roster: Option<&'a Roster>,
    pub edited_by: &'a Result<Vec<PersonId>, String>,
    pub report: Report,
    /// What templates can read already now: `params` and `window`.
    pub scope: Value,
    pub links: Links<'a>,
    /// The finished steps.
    pub steps: Vec<PlannedStep>,
    pub places: Places,
    /// For each written step, the planned step that stands for it.
    pub planned: Vec<Option<StepIndex>>,
    /// For each written step with `foreach` over a known list, the ids of its items.
    pub items: HashMap<usize, BTreeSet<StepId>>,
    /// The parameters that were not given, or refused: what reads them cannot be checked.
    pub missing: BTreeSet<String>,
}

impl<'a> Builder<'a> {
    pub fn new(input: &'a BuildInput<'a>, missing: MissingParams) -> Self {
        let mut report = Report::default();
        let links = Links::new(input.runbook, &mut report);
        let planned = vec![None; links.steps.len()];
        let mut builder = Self {
            runbook: input.runbook,
            source: input.source,
            roster: input.roster.as_ref(),
            edited_by: &input.edited_by,
            report,
            scope: Value::Object(Object::new()),
            links,
            steps: Vec::new(),
            places: Places::default(),
            planned,
            items: HashMap::new(),
            missing: BTreeSet::new(),
        };
        let mut scope = Object::new();
        scope.insert("params".to_owned(), Value::Object(builder.params(&input.params, missing)));
        if let Some(window) = window(input.runbook) {
            let times = [("opens", window.opens), ("closes", window.closes)];
            let times = times.map(|(name, moment)| (name.to_owned(), Value::String(moment.to_string())));
            scope.insert("window".to_owned(), Value::Object(times.into_iter().collect()));
        }
        builder.scope = Value::Object(scope);
        builder
    }

    /// Adds a step and its place.
    pub fn push(&mut self, step: PlannedStep, place: SourceSpan) -> StepIndex {
        let index = StepIndex::new(self.steps.len());
        self.steps.push(step);
        self.places.steps.push(place);
        index
    }

    /// The given parameters with the defaults of the rest.
    fn params(&mut self, given: &Object, missing: MissingParams) -> Object {
        let declared = &self.runbook.params;
        let mut params = Object::new();
        for declaration in declared {
            let name = &declaration.name;
            match (given.get(&name.value), &declaration.default) {
                (Some(value), _) => match declaration.rule.check(value) {
                    Ok(()) => drop(params.insert(name.value.clone(), value.clone())),
                    Err(problem) => {
                        self.missing.insert(name.value.clone());
                        let message = format!("the parameter `{}` {problem}", name.value);
                        self.report.push(Diagnostic::error(codes::GIVEN_REFUSED, name.span, message).label("declared here"));
                    }
                },
                (None, Some(default)) => drop(params.insert(name.value.clone(), default.value.clone())),
                (None, None) => {
                    self.missing.insert(name.value.clone());
                    if missing == MissingParams::Allowed {
                        continue;
                    }
                    let message = format!("the parameter `{}` has no default and was not given", name.value);
                    self.report.push(
                        Diagnostic::error(codes::GIVEN_MISSING, name.span, message)
                            .help(format!("give it with `--param {}=VALUE`, or write a `default`", name.value)),
                    );
                }
            }
        }
        for name in given.keys().filter(|name| !declared.iter().any(|declaration| declaration.name.value == **name)) {
            let message = format!("the parameter `{name}` was given, and the runbook does not have it");
            let known = declared.iter().map(|declaration| declaration.name.value.as_str());
            let help = match nearest(name, known.clone()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if declared.is_empty() => "the runbook has no `params`".to_owned(),
                None => format!("it has {}", quoted(known)),
            };
            self.report.push(Diagnostic::error(codes::GIVEN_UNKNOWN, self.runbook.name.span, message).help(help));
        }
        params
    }

    pub fn targets(&mut self) -> BTreeMap<TargetName, PlannedTarget> {
        let mut planned = BTreeMap::new();
        for target in &self.runbook.targets {
            let Some(spec) = catalog::connector(&target.connector.value) else {
                let known: Vec<&str> = catalog::connectors().map(|spec| spec.name).collect();
                let message = format!("there is no connector `{}`", target.connector.value);
                let help = match nearest(&target.connector.value, known.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("the connectors are {}", quoted(known)),
                };
                self.report.push(Diagnostic::error(codes::UNKNOWN_CONNECTOR, target.connector.span, message).help(help));
                continue;
            };
            let whose = format!("the connector `{}`", spec.name);
            let settings = self.typed_entries(&target.settings, target.name.span, spec.settings, &Reader::settings(), &whose);
            planned.insert(target.name.value.clone(), PlannedTarget { connector: spec.name.to_owned(), settings });
        }
        planned
    }

    fn movement(&mut self) -> Option<Movement> {
        let movement = self.runbook.movement.as_ref()?;
        for side in [&movement.from, &movement.to] {
            self.known_target(side);
        }
        if let Some(entry) = &movement.entry {
            let target = entry.value.split('/').next().unwrap_or_default();
            self.known_target(&Spanned::new(TargetName::new(target), entry.span));
        }
        Some(Movement {
            from: movement.from.value.clone(),
            to: movement.to.value.clone(),
            entry: movement.entry.as_ref().map(|entry| entry.value.clone()),
            clients_bear: movement.clients_bear.as_ref().map(|bear| bear.value),
        })
    }

    /// The planned step that stands for the written step with this id.
    pub fn planned_step(&self, id: &StepId) -> Option<StepIndex> {
        self.links.find(id.as_str()).and_then(|at| self.planned[at])
    }

    /// Whether the runbook has this target; reports when not.
    pub fn known_target(&mut self, name: &Spanned<TargetName>) -> bool {
        let mut known = self.runbook.targets.iter().map(|target| target.name.value.as_str());
        if known.clone().any(|target| target == name.value.as_str()) {
            return true;
        }
        let help = match nearest(name.value.as_str(), known.clone()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.next().is_none() => "the runbook has no `targets`".to_owned(),
            None => format!("the targets are {}", quoted(self.runbook.targets.iter().map(|t| t.name.value.as_str()))),
        };
        let message = format!("there is no target `{}`", name.value);
        self.report.push(Diagnostic::error(codes::UNKNOWN_TARGET, name.span, message).help(help));
        false
    }

    /// Assembles every step of a section after those it needs. Steps of a cycle, which have no place in the order, come
    /// last, so that their own problems are told too.
    fn assemble_section(&mut self, section: Section) {
        let graph = &self.links.graph;
        let lost = (0..self.links.steps.len()).filter(|&at| !graph.is_placed(at));
        let all: Vec<usize> = graph.order().iter().copied().chain(lost).collect();
        for at in all.into_iter().filter(|&at| self.links.steps[at].section == section).collect::<Vec<_>>() {
            self.assemble(at);
        }
    }
}

/// How many attempts run at the same time when the runbook does not say.
const MAX_CONCURRENT: u32 = 16;

pub(super) fn max_concurrent(runbook: &Runbook) -> u32 {
    runbook.defaults.max_concurrent.as_ref().map_or(MAX_CONCURRENT, |limit| limit.value)
}

fn window(runbook: &Runbook) -> Option<Window> {
    runbook.window.as_ref().map(moments)
}

/// The moments of a window.
pub(super) fn moments(window: &runbook::Window) -> Window {
    Window { opens: window.opens.value, closes: window.closes.value, time_zone: window.time_zone.value.clone() }
}

fn witness(runbook: &Runbook) -> Option<WitnessPolicy> {
    let policy = runbook.witness.as_ref()?;
    Some(WitnessPolicy { level: policy.level.value, heartbeat: policy.heartbeat.as_ref().map(|heartbeat| heartbeat.value) })
}

/// `a`, `b` and `c`, each in back-ticks.
pub(super) fn quoted<'s>(words: impl IntoIterator<Item = &'s str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}
