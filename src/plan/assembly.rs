//! A written step → planned steps: itself, or one per item of its `foreach` and a group over them.

use super::build::{Builder, max_concurrent};
use super::items::Items;
use super::links::{Written, word};
use super::scope::{Known, Reader, Written as Text};
use super::{OnFailure, Param, PlannedStep, PlannedUndo, Retry, Section, StepIndex, StepKind, Template, UndoScope};
use crate::catalog::{ActionSpec, Nature, Repeat, TargetRule, actions};
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, nearest};
use crate::model::{Span, StepId, Value};
use crate::runbook::{Call, OnFailureChoice, Spanned, Work};

/// How long an attempt may take when nobody says: long for a switch, short for a night.
const TIMEOUT: Span = Span::from_secs(300);
/// The pause before a second attempt when nobody says.
const BACKOFF: Span = Span::from_secs(1);

impl Builder<'_> {
    /// Adds the planned steps of the written step at `at`.
    pub fn assemble(&mut self, at: usize) {
        let written = self.links.steps[at];
        let needs: Vec<StepIndex> = self.links.graph.needs(at).iter().filter_map(|&need| self.planned[need]).collect();
        let limit = written.step.max_concurrent.as_ref().map_or_else(|| max_concurrent(self.runbook), |limit| limit.value);
        let place = written.step.id.span;
        let index = match self.items_of(at) {
            Items::None => {
                let step = self.step(at, &Reader::of(at), written.step.id.value.clone(), needs);
                self.push(step, place)
            }
            Items::Late(over) => {
                let reader = Reader { item: super::scope::Item::Late, ..Reader::of(at) };
                let mut step = self.step(at, &reader, written.step.id.value.clone(), needs);
                step.kind = StepKind::Spread { over, max_concurrent: limit };
                self.push(step, place)
            }
            Items::Known(items) => {
                let mut members = Vec::with_capacity(items.len());
                for (id, item) in items {
                    let reader = Reader { item: super::scope::Item::Known(item.clone()), ..Reader::of(at) };
                    let mut step = self.step(at, &reader, id, needs.clone());
                    step.confirm = None;
                    step.item = Some(item);
                    members.push(self.push(step, place));
                }
                // The group comes right behind its items.
                let group = StepIndex::new(self.steps.len());
                for member in &members {
                    self.steps[member.get()].group = Some(group);
                }
                let needs = if members.is_empty() { needs } else { members };
                let step = self.group(written, needs, limit);
                self.push(step, place)
            }
        };
        self.planned[at] = Some(index);
    }

    /// One planned step, with its parameters typed and everything about it checked.
    fn step(&mut self, at: usize, reader: &Reader, id: StepId, needs: Vec<StepIndex>) -> PlannedStep {
        let written = self.links.steps[at];
        let (step, section) = (written.step, written.section);
        self.known_person(step.owner.as_ref());
        self.known_role(step.confirm.as_ref());
        let (kind, action, target, with) = match &step.work {
            Work::Action(call) => {
                let with = self.call(call, reader, step.id.span);
                (StepKind::Action, call.action.value.clone(), call.target.as_ref().map(|target| target.value.clone()), with)
            }
            Work::Undo(scope) => (StepKind::Undo(self.undo_scope(scope)), String::new(), None, Param::empty()),
        };
        let wait = written.spec.filter(|spec| spec.is_wait()).and_then(|spec| self.wait(spec, step, &with));
        let retry = self.retry(written);
        PlannedStep {
            id,
            section,
            kind,
            action,
            target,
            needs,
            when: step.when.as_ref().and_then(|when| self.when(when, reader)),
            group: None,
            item: None,
            timeout: self.timeout(written, &with),
            retry,
            on_failure: self.on_failure(written),
            in_doubt: self.in_doubt(written, &with, retry),
            undo: self.undo(at, reader),
            point_of_no_return: step.point_of_no_return.as_ref().map(|reason| reason.value.clone()),
            owner: step.owner.as_ref().map(|owner| owner.value.clone()),
            confirm: step.confirm.as_ref().map(|role| role.value.clone()),
            protected: step.protected.as_ref().map_or(step.point_of_no_return.is_some(), |protected| protected.value),
            expect: self.expectations(written),
            mutating: written.spec.is_some_and(ActionSpec::is_mutating),
            ensures: written.spec.is_none_or(|spec| spec.repeat == Repeat::Ensures || !spec.is_mutating())
                || step.idempotent.is_some(),
            has_probe: written.spec.is_some_and(|spec| super::doubt::has_probe(spec, &with)),
            wait,
            with,
        }
    }

    /// The step that stands for all items of a `foreach`.
    fn group(&self, written: Written<'_>, needs: Vec<StepIndex>, max_concurrent: u32) -> PlannedStep {
        let step = written.step;
        PlannedStep {
            id: step.id.value.clone(),
            section: written.section,
            kind: StepKind::Group { max_concurrent },
            action: String::new(),
            target: None,
            needs,
            with: Param::empty(),
            when: None,
            group: None,
            item: None,
            timeout: TIMEOUT,
            retry: Retry { max_attempts: 1, backoff: BACKOFF, max_elapsed: None },
            on_failure: self.on_failure(written),
            in_doubt: super::doubt::only_looks(),
            undo: PlannedUndo::NotNeeded,
            point_of_no_return: None,
            owner: step.owner.as_ref().map(|owner| owner.value.clone()),
            confirm: step.confirm.as_ref().map(|role| role.value.clone()),
            protected: step.protected.as_ref().is_some_and(|protected| protected.value),
            expect: Vec::new(),
            mutating: false,
            ensures: true,
            has_probe: false,
            wait: None,
        }
    }

    /// The parameters of a call; reports an unknown action, a wrong target and every wrong parameter.
    pub fn call(&mut self, call: &Call, reader: &Reader, owner: crate::diagnostic::SourceSpan) -> Param {
        let Some(spec) = crate::catalog::action(&call.action.value) else {
            let message = format!("there is no action `{}`", call.action.value);
            let diagnostic = Diagnostic::error(codes::UNKNOWN_ACTION, call.action.span, message);
            self.report.push(match nearest(&call.action.value, actions().map(|spec| spec.name)) {
                Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
                None => diagnostic.help(existing_actions(&call.action.value)),
            });
            if let Some(target) = &call.target {
                self.known_target(target);
            }
            return Param::empty();
        };
        self.call_target(call, spec);
        let entries = call.with.as_ref().and_then(|with| with.entries()).unwrap_or_default();
        let whose = format!("`{}`", spec.name);
        let with =
            self.typed_entries(entries, call.with.as_ref().map_or(owner, |_| call.action.span), spec.params, reader, &whose);
        self.alternatives(call, spec);
        with
    }

    fn call_target(&mut self, call: &Call, spec: &ActionSpec) {
        match (spec.target, &call.target) {
            (TargetRule::None, None) => {}
            (TargetRule::None, Some(target)) => self.report.push(
                Diagnostic::error(codes::TARGET_NEEDLESS, target.span, format!("`{}` acts on no target", spec.name))
                    .help("take `target` away"),
            ),
            (TargetRule::Required(connector), None) => {
                let message = format!("`{}` acts on a target of the connector `{connector}`", spec.name);
                let fitting: Vec<&str> = self
                    .runbook
                    .targets
                    .iter()
                    .filter(|target| target.connector.value == connector)
                    .map(|target| target.name.value.as_str())
                    .collect();
                let help = match fitting.as_slice() {
                    [] => format!("add one to `targets` with `connector: {connector}`, and name it with `target:`"),
                    [only] => format!("add `target: {only}`"),
                    fitting => format!("add `target:` with one of {}", super::build::quoted(fitting.iter().copied())),
                };
                self.report.push(Diagnostic::error(codes::TARGET_MISSING, call.action.span, message).help(help));
            }
            (TargetRule::Required(connector), Some(target)) => {
                if !self.known_target(target) {
                    return;
                }
                let declared = self.runbook.targets.iter().find(|declared| declared.name.value == target.value);
                // A connector that does not exist is one problem, and it has been told.
                let other = |name: &str| name != connector && crate::catalog::connector(name).is_some();
                if let Some(declared) = declared.filter(|declared| other(&declared.connector.value)) {
                    let found = &declared.connector;
                    let message = format!(
                        "`{}` needs a target of `{connector}`, and `{}` is one of `{}`",
                        spec.name, target.value, found.value
                    );
                    self.report
                        .push(Diagnostic::error(codes::TARGET_CONNECTOR, target.span, message).also(found.span, "its connector"));
                }
            }
        }
    }

    /// The keys of which exactly one must be there; types alone cannot say this.
    fn alternatives(&mut self, call: &Call, spec: &ActionSpec) {
        let groups: &[&[&str]] = match spec.name {
            "command" | "command.check" => &[&["argv", "shell"]],
            "switch.file" => &[&["set", "content"]],
            "wait.until" => &[&["http", "command", "file"]],
            _ => return,
        };
        for group in groups {
            // The catalog is the list that counts: a key that it does not have is no alternative.
            let keys: Vec<&str> =
                group.iter().copied().filter(|key| spec.params.iter().any(|param| param.name == *key)).collect();
            let given = keys.iter().filter(|key| call.with.as_ref().is_some_and(|with| with.get(key).is_some())).count();
            if given != 1 && keys.len() > 1 {
                let count = if given == 0 { "none of them" } else { "more than one" };
                let message = format!("`{}` takes one of {}, and {count} is here", spec.name, super::build::quoted(keys));
                self.report.push(Diagnostic::error(codes::ALTERNATIVES, call.action.span, message));
            }
        }
    }

    /// The condition of a step; none when it is always true.
    fn when(&mut self, when: &Spanned<String>, reader: &Reader) -> Option<Template> {
        let wrong = |message: String| {
            Diagnostic::error(codes::WHEN_VALUE, when.span, message)
                .help("write one comparison, such as `{{ eq params.batch \"full\" }}`")
        };
        if !Template::is_in(&when.value) {
            return match when.value.trim() {
                "true" => None,
                "false" => Template::parse("{{ false }}").ok(),
                other => {
                    self.report.push(wrong(format!("`when` must be true or false, and `{other}` is neither")));
                    None
                }
            };
        }
        let text = Text::spanned(when);
        let (template, known) = self.template(text, reader)?;
        if !template.is_whole() {
            self.report.push(wrong("`when` must be a single template: text around it is never true or false".to_owned()));
            return None;
        }
        if known == Known::Now {
            let value = self.render_now(&template, text, reader)?;
            if !value.is_boolean() {
                self.report.push(wrong(format!("`when` must be true or false, and {value} is neither")));
            }
        }
        Some(template)
    }

    fn timeout(&mut self, written: Written<'_>, with: &Param) -> Span {
        let own_limit = ["within", "barrier_within"].into_iter().filter_map(|name| duration_in(with, name)).max();
        match (&written.step.timeout, own_limit) {
            (Some(timeout), Some(within)) if timeout.value <= within => {
                let message = format!("the timeout of {} ends the attempt before its own limit of {within}", timeout.value);
                self.report.push(
                    Diagnostic::warning(codes::WITHIN_TIMEOUT, timeout.span, message)
                        .help("leave `timeout` out: it then ends a little after the step's own limit"),
                );
                timeout.value
            }
            (Some(timeout), _) => timeout.value,
            (None, within) => {
                let default = self.runbook.defaults.timeout.as_ref().map_or(TIMEOUT, |timeout| timeout.value);
                within.map_or(default, |within| default.max(Span::from_millis(within.as_millis().saturating_add(10_000))))
            }
        }
    }

    fn retry(&self, written: Written<'_>) -> Retry {
        let rules = [written.step.retry.as_ref(), self.runbook.defaults.retry.as_ref()];
        let rules = || rules.into_iter().flatten();
        Retry {
            max_attempts: rules().find_map(|rule| rule.max_attempts.as_ref()).map_or(1, |attempts| attempts.value),
            backoff: rules().find_map(|rule| rule.backoff.as_ref()).map_or(BACKOFF, |backoff| backoff.value),
            max_elapsed: rules().find_map(|rule| rule.max_elapsed.as_ref()).map(|elapsed| elapsed.value),
        }
    }

    fn on_failure(&self, written: Written<'_>) -> OnFailure {
        let default = self.runbook.defaults.on_failure.as_ref();
        match written.section {
            Section::Finally => OnFailure::Continue,
            // There is nothing to turn back to on the way back: a person decides.
            Section::Rollback => match &written.step.on_failure {
                Some(choice) if choice.value == OnFailureChoice::Continue => OnFailure::Continue,
                _ => OnFailure::Hold,
            },
            Section::Forward => match written.step.on_failure.as_ref().or(default).map(|choice| choice.value) {
                None | Some(OnFailureChoice::Rollback) => OnFailure::Rollback,
                Some(OnFailureChoice::Hold) => OnFailure::Hold,
                Some(OnFailureChoice::Continue) => OnFailure::Continue,
            },
        }
    }

    fn expectations(&mut self, written: Written<'_>) -> Vec<(String, Value)> {
        let Some(spec) = written.spec else { return Vec::new() };
        for expectation in &written.step.expect {
            let output = &expectation.output;
            let name = output.value.split('.').next().unwrap_or_default();
            let outputs = spec.outputs.iter().map(|output| output.name);
            if !outputs.clone().any(|known| known == name) {
                let message = format!("`{}` has no output `{name}`", spec.name);
                let help = match nearest(name, outputs.clone()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None if spec.outputs.is_empty() => "it has no outputs".to_owned(),
                    None => format!("it has {}", super::build::quoted(outputs)),
                };
                self.report.push(Diagnostic::error(codes::UNKNOWN_OUTPUT, output.span, message).help(help));
            }
            if Template::is_in(&expectation.condition.value.to_string()) {
                let message = "a condition of `expect` is a plain value, and never a template".to_owned();
                self.report.push(Diagnostic::error(codes::TEMPLATE_PLACE, expectation.condition.span, message));
            }
        }
        written.step.expect.iter().map(|e| (e.output.value.clone(), e.condition.value.clone())).collect()
    }

    fn undo_scope(&mut self, scope: &Spanned<crate::runbook::UndoScope>) -> UndoScope {
        match &scope.value {
            crate::runbook::UndoScope::Everything => UndoScope::Everything,
            crate::runbook::UndoScope::Steps(ids) => {
                let mut undone = Vec::new();
                for id in ids {
                    match self.links.find(id.value.as_str()) {
                        None => self.report.push(self.links.unknown(id)),
                        Some(found) if self.links.steps[found].section != Section::Forward => {
                            let section = word(self.links.steps[found].section);
                            let message = format!("`{}` stands in `{section}`, and only steps of `steps` are undone", id.value);
                            self.report.push(Diagnostic::error(codes::UNDO_SECTION, id.span, message));
                        }
                        Some(found) => undone.extend(self.with_items(found)),
                    }
                }
                UndoScope::Steps(undone)
            }
        }
    }

    /// The planned step of a written one, with the items of its `foreach`.
    fn with_items(&self, at: usize) -> Vec<StepIndex> {
        let Some(group) = self.planned[at] else { return Vec::new() };
        let count = self.items.get(&at).map_or(0, std::collections::BTreeSet::len);
        (group.get() - count..=group.get()).map(StepIndex::new).collect()
    }
}

/// The actions that could have been meant: those of the same connector, or all.
fn existing_actions(written: &str) -> String {
    let connector = written.split('.').next().unwrap_or_default();
    let same = |name: &&str| name.split('.').next() == Some(connector);
    let names: Vec<&str> = actions().map(|spec| spec.name).collect();
    let of_connector: Vec<&str> = names.iter().copied().filter(same).collect();
    if of_connector.is_empty() {
        format!("the actions are {}", super::build::quoted(names))
    } else {
        format!("the actions of `{connector}` are {}", super::build::quoted(of_connector))
    }
}

/// A duration among finished parameters, also inside `until`.
fn duration_in(with: &Param, name: &str) -> Option<Span> {
    let shown = with.shown();
    let found = shown.get(name).or_else(|| shown.get("until")?.get(name))?;
    Span::parse(found.as_str()?).ok()
}

/// Whether the action is a telling, which nobody has to be asked about.
pub(super) fn is_notice(spec: &ActionSpec) -> bool {
    spec.nature == Nature::Notify
}
