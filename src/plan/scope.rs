//! Which names a template may use where, and whether they are known already when the plan is made.

use super::build::{Builder, quoted};
use super::expression::Name;
use super::links::word;
use super::{Section, Template};
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Code, Diagnostic, SourceSpan, nearest};
use crate::model::{StepId, Value};
use crate::runbook::{Node, Spanned};

/// Whose value is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reader {
    /// The step, by its position among the written steps; none for the settings of a target.
    pub step: Option<usize>,
    /// What `item` is.
    pub item: Item,
    /// Whether the step's own outputs may be read: in its undo.
    pub after_itself: bool,
}

/// What `{{ item }}` is.
#[derive(Clone, Debug, Default)]
pub(super) enum Item {
    /// There is no `foreach`.
    #[default]
    None,
    /// The list is known only in the run.
    Late,
    /// This value.
    Known(Value),
}

impl Reader {
    /// The settings of a target: they must be known when the plan is made.
    pub fn settings() -> Self {
        Self::default()
    }

    /// A step outside of its items.
    pub fn of(step: usize) -> Self {
        Self { step: Some(step), ..Self::default() }
    }
}

/// When a name is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// When the plan is made.
    Now,
    /// In the run.
    Later,
    /// When a parameter is given that is missing today. It makes no sense to look further.
    Never,
}

/// What is wrong with one name.
struct Wrong {
    code: Code,
    message: String,
    help: Option<String>,
    also: Option<(SourceSpan, String)>,
}

impl Wrong {
    fn new(code: Code, message: String, help: impl Into<Option<String>>) -> Self {
        Self { code, message, help: help.into(), also: None }
    }
}

/// A text that may hold a template, with its place.
#[derive(Clone, Copy)]
pub(super) struct Written<'t> {
    pub text: &'t str,
    pub span: SourceSpan,
}

impl<'t> Written<'t> {
    /// The text of a node.
    pub fn node(node: &Node, text: &'t str) -> Self {
        Self { text, span: node.span }
    }

    /// A text with its place.
    pub fn spanned(text: &'t Spanned<String>) -> Self {
        Self { text: &text.value, span: text.span }
    }
}

impl Builder<'_> {
    /// The template in a text and when its names are known; reports everything that is wrong with it. There is none, without
    /// a report, when it reads a parameter that is missing.
    pub fn template(&mut self, written: Written<'_>, reader: &Reader) -> Option<(Template, Known)> {
        let template = match Template::parse(written.text) {
            Ok(template) => template,
            Err(fault) => {
                use super::scanner::FaultKind;
                let code = match fault.kind {
                    FaultKind::Syntax => codes::TEMPLATE_SYNTAX,
                    FaultKind::Forbidden => codes::TEMPLATE_FORBIDDEN,
                    FaultKind::TooLarge => codes::TEMPLATE_TOO_LARGE,
                };
                let span = self.part_of(written, fault.start, fault.end);
                let diagnostic = Diagnostic::error(code, span, fault.problem);
                self.report.push(match fault.help {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                });
                return None;
            }
        };
        let mut known = Some(Known::Now);
        for name in template.names() {
            let span = self.part_of(written, name.start, name.end);
            match self.name(&name, span, reader) {
                Ok(Known::Now) => {}
                Ok(Known::Later) => known = known.map(|known| if known == Known::Never { known } else { Known::Later }),
                Ok(Known::Never) => known = known.map(|_| Known::Never),
                Err(wrong) => {
                    known = None;
                    let mut diagnostic = Diagnostic::error(wrong.code, span, wrong.message);
                    diagnostic.help = wrong.help;
                    if let Some((span, text)) = wrong.also {
                        diagnostic = diagnostic.also(span, text);
                    }
                    self.report.push(diagnostic);
                }
            }
        }
        known.filter(|known| *known != Known::Never).map(|known| (template, known))
    }

    /// What a template means whose names are all known; reports when it has no value.
    pub fn render_now(&mut self, template: &Template, written: Written<'_>, reader: &Reader) -> Option<Value> {
        let scope = match &reader.item {
            Item::None | Item::Late => template.render(&self.scope),
            Item::Known(item) => {
                let Value::Object(scope) = &mut self.scope else { unreachable!("invariant: the scope is a map") };
                scope.insert("item".to_owned(), item.clone());
                let rendered = template.render(&self.scope);
                if let Value::Object(scope) = &mut self.scope {
                    scope.remove("item");
                }
                rendered
            }
        };
        match scope {
            Ok(value) => Some(value),
            Err(error) => {
                let of_item = match &reader.item {
                    Item::Known(item) => format!(" for the item {item}"),
                    Item::None | Item::Late => String::new(),
                };
                let message = format!("the template has no value{of_item}: {}", error.problem);
                self.report.push(Diagnostic::error(codes::TEMPLATE_VALUE, written.span, message));
                None
            }
        }
    }

    fn part_of(&self, written: Written<'_>, start: usize, end: usize) -> SourceSpan {
        super::place::part_of(self.source, written.span, written.text, start, end)
    }

    fn name(&mut self, name: &Name, span: SourceSpan, reader: &Reader) -> Result<Known, Wrong> {
        let second = name.parts.get(1).map(String::as_str);
        match name.parts[0].as_str() {
            "params" => self.param(second),
            "item" => match &reader.item {
                Item::Known(_) => Ok(Known::Now),
                Item::Late => Ok(Known::Later),
                Item::None => Err(Wrong::new(
                    codes::TEMPLATE_NAME,
                    "`item` is known only in a step with `foreach`".to_owned(),
                    "add `foreach`, or name a param".to_owned(),
                )),
            },
            "run" => self.run(second, reader),
            "window" => self.window(second),
            "steps" => self.output(name, span, reader),
            other => {
                let roots = ["params", "item", "run", "window", "steps"];
                let help = match nearest(other, roots) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None if self.runbook.params.iter().any(|param| param.name.value == other) => {
                        format!("a parameter is named with its root: `params.{other}`")
                    }
                    None => format!("names start with {}", quoted(roots)),
                };
                Err(Wrong::new(codes::TEMPLATE_NAME, format!("there is no `{other}`"), help))
            }
        }
    }

    fn param(&self, name: Option<&str>) -> Result<Known, Wrong> {
        let declared = self.runbook.params.iter().map(|param| param.name.value.as_str());
        match name {
            None if !self.missing.is_empty() => Ok(Known::Never),
            None => Ok(Known::Now),
            Some(name) if self.scope.pointer("/params").is_some_and(|params| params.get(name).is_some()) => Ok(Known::Now),
            Some(name) if self.missing.contains(name) => Ok(Known::Never),
            Some(name) => {
                let help = match nearest(name, declared.clone()) {
                    Some(meant) => format!("did you mean `params.{meant}`?"),
                    None if self.runbook.params.is_empty() => "the runbook has no `params`".to_owned(),
                    None => format!("the parameters are {}", quoted(declared)),
                };
                Err(Wrong::new(codes::TEMPLATE_NAME, format!("there is no parameter `{name}`"), help))
            }
        }
    }

    fn run(&self, name: Option<&str>, reader: &Reader) -> Result<Known, Wrong> {
        let Some(step) = reader.step else {
            return Err(Wrong::new(
                codes::TEMPLATE_TOO_EARLY,
                "the settings of a target are fixed when the plan is made".to_owned(),
                "use `params` here".to_owned(),
            ));
        };
        match name {
            Some("id" | "started_by") => Ok(Known::Later),
            Some("outcome") if self.links.steps[step].section == Section::Finally => Ok(Known::Later),
            Some("outcome") => Err(Wrong::new(
                codes::TEMPLATE_TOO_EARLY,
                "how the run ends is known only in `finally`".to_owned(),
                "move the step to `finally`".to_owned(),
            )),
            _ => Err(Wrong::new(
                codes::TEMPLATE_NAME,
                format!("`run` has no `{}`", name.unwrap_or_default()),
                "it has `run.id`, `run.started_by` and, in `finally`, `run.outcome`".to_owned(),
            )),
        }
    }

    fn window(&self, name: Option<&str>) -> Result<Known, Wrong> {
        match (&self.runbook.window, name) {
            (Some(_), Some("opens" | "closes")) => Ok(Known::Now),
            (None, _) => Err(Wrong::new(codes::TEMPLATE_NAME, "the runbook has no `window`".to_owned(), None)),
            (Some(_), _) => Err(Wrong::new(
                codes::TEMPLATE_NAME,
                format!("`window` has no `{}`", name.unwrap_or_default()),
                "it has `window.opens` and `window.closes`".to_owned(),
            )),
        }
    }

    /// `steps.<id>.outputs.<name>`: the step exists, has this output, and has surely run.
    fn output(&mut self, name: &Name, span: SourceSpan, reader: &Reader) -> Result<Known, Wrong> {
        let Some(reading) = reader.step else {
            return Err(Wrong::new(
                codes::TEMPLATE_TOO_EARLY,
                "the settings of a target are fixed when the plan is made".to_owned(),
                "use `params` here".to_owned(),
            ));
        };
        let written = name.parts.get(1).map_or("", String::as_str);
        let (id, item) = match written.split_once('[') {
            Some((id, item)) => (id, Some(item.trim_end_matches(']'))),
            None => (written, None),
        };
        let Some(found) = self.links.find(id) else {
            let ids = self.links.steps.iter().map(|other| other.step.id.value.as_str());
            let help = nearest(id, ids).map(|meant| format!("did you mean `steps.{meant}`?"));
            return Err(Wrong::new(codes::TEMPLATE_NAME, format!("there is no step `{id}`"), help));
        };
        let (here, other) = (self.links.steps[reading], self.links.steps[found]);
        self.output_name(name, found)?;
        if found == reading && reader.after_itself {
            return Ok(Known::Later);
        }
        // A step in or behind a cycle has no place in the order: the cycle is the problem to tell.
        let before = found != reading && (!self.links.graph.is_placed(reading) || self.links.graph.comes_before(found, reading));
        if !before {
            let reason = if found == reading {
                format!("`{id}` is this step itself: its outputs are there when it is over")
            } else if other.section != here.section {
                format!(
                    "`{id}` stands in `{}` and may not have run when a step of `{}` starts",
                    word(other.section),
                    word(here.section)
                )
            } else {
                format!("`{id}` may not have run when this step starts")
            };
            let help = (found != reading && other.section == here.section)
                .then(|| format!("add `{id}` to `needs`, here or in a step that this one needs"));
            let mut wrong = Wrong::new(codes::TEMPLATE_TOO_EARLY, reason, help);
            wrong.also = (found != reading).then(|| (other.step.id.span, "the step that is read".to_owned()));
            return Err(wrong);
        }
        self.item_of(found, id, item)?;
        let same_condition = |a: &Option<Spanned<String>>, b: &Option<Spanned<String>>| {
            a.as_ref().map(|a| &a.value) == b.as_ref().map(|b| &b.value)
        };
        if other.step.when.is_some() && !same_condition(&other.step.when, &here.step.when) {
            let message = format!("`{id}` has a `when`: if it is skipped, it has no outputs and this template fails");
            self.report.push(
                Diagnostic::warning(codes::MAY_BE_SKIPPED, span, message)
                    .also(other.step.id.span, "may be skipped")
                    .help("give this step the same `when`"),
            );
        }
        Ok(Known::Later)
    }

    fn output_name(&self, name: &Name, found: usize) -> Result<(), Wrong> {
        let id = self.links.steps[found].step.id.value.as_str();
        if name.parts.get(2).map(String::as_str) != Some("outputs") || name.parts.len() < 4 {
            let help = format!("write `steps.{}.outputs.NAME`", name.parts.get(1).map_or(id, String::as_str));
            return Err(Wrong::new(codes::TEMPLATE_NAME, "a step is read by one of its outputs".to_owned(), help));
        }
        let Some(spec) = self.links.steps[found].spec else { return Ok(()) };
        let outputs = spec.outputs.iter().map(|output| output.name);
        if outputs.clone().any(|output| output == name.parts[3]) {
            return Ok(());
        }
        let help = match nearest(&name.parts[3], outputs.clone()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if spec.outputs.is_empty() => format!("`{}` has no outputs", spec.name),
            None => format!("it has {}", quoted(outputs)),
        };
        Err(Wrong::new(codes::UNKNOWN_OUTPUT, format!("`{}` has no output `{}`", spec.name, name.parts[3]), help))
    }

    /// With `foreach`, one item is named; without, none.
    fn item_of(&self, found: usize, id: &str, item: Option<&str>) -> Result<(), Wrong> {
        let other = self.links.steps[found].step;
        match (other.foreach.is_some(), item) {
            (false, None) => Ok(()),
            (false, Some(_)) => Err(Wrong::new(
                codes::TEMPLATE_NAME,
                format!("`{id}` has no `foreach`, and so no items"),
                format!("write `steps.{id}`"),
            )),
            (true, None) => Err(Wrong::new(
                codes::TEMPLATE_NAME,
                format!("`{id}` has one set of outputs per item"),
                format!("name the item: `steps.{id}[ITEM].outputs`"),
            )),
            (true, Some(item)) => {
                let full = format!("{id}[{item}]");
                let Some(items) = self.items.get(&found) else {
                    return Err(Wrong::new(
                        codes::TEMPLATE_TOO_EARLY,
                        format!("the items of `{id}` are known only in the run"),
                        "let it go over an inline list or a param".to_owned(),
                    ));
                };
                if items.contains(full.as_str()) {
                    return Ok(());
                }
                let items: Vec<&str> = items.iter().map(StepId::as_str).collect();
                let help = match nearest(item, items.iter().map(|full| &full[id.len() + 1..full.len() - 1])) {
                    Some(meant) => format!("did you mean `steps.{id}[{meant}]`?"),
                    None => format!("it has {}", quoted(items.iter().copied().take(12))),
                };
                Err(Wrong::new(codes::TEMPLATE_NAME, format!("`{id}` has no item `{item}`"), help))
            }
        }
    }
}
