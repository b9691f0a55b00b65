//! Values with places → [`Runbook`]: every problem of shape is reported, never only the first.

mod block;
mod expectation;
mod form;
mod identity_provider;
mod interlock;
mod param;
mod profile;
mod roster;
mod step;
mod window;
mod witness;

use super::document::{Defaults, Move, OnFailureChoice, Profile, RetryRule, Rollback, Runbook, Spanned, Target};
use super::{Node, language, reader};
use crate::diagnostic::code::document as code;
use crate::diagnostic::{Diagnostic, Report, Source, SourceSpan};
use crate::model::{Digest, IdentityProvider, RoleName, Roster, TargetName, Value};
use block::Block;

/// Reads a runbook.
///
/// The report holds every problem of YAML and of shape. A runbook comes with it when the document is whole enough to check
/// the rest too, which may be so although the report has errors: nobody may plan or run it then.
pub fn parse(source: &Source) -> (Option<Runbook>, Report) {
    read_with(source, Lowering::runbook)
}

/// Reads a roster file. A roster comes only with a report that has no errors.
pub fn parse_roster(source: &Source) -> (Option<Roster>, Report) {
    let (roster, report) = read_with(source, Lowering::roster);
    (roster.filter(|_| !report.has_errors()), report)
}

/// Reads the file of an identity provider. One comes only with a report that has no errors.
pub fn parse_identity_provider(source: &Source) -> (Option<IdentityProvider>, Report) {
    let (provider, report) = read_with(source, Lowering::identity_provider);
    (provider.filter(|_| !report.has_errors()), report)
}

/// Reads a profile. One comes only with a report that has no errors.
pub fn parse_profile(source: &Source) -> (Option<Profile>, Report) {
    let (profile, report) = read_with(source, Lowering::profile);
    (profile.filter(|_| !report.has_errors()), report)
}

fn read_with<T>(source: &Source, lower: impl FnOnce(&mut Lowering, &Node) -> Option<T>) -> (Option<T>, Report) {
    let mut report = Report::default();
    let Some(root) = reader::read(source, &mut report) else { return (None, report) };
    let mut lowering = Lowering { report, broken: false };
    let document = lower(&mut lowering, &root);
    (document.filter(|_| !lowering.broken), lowering.report)
}

/// The state of one lowering.
struct Lowering {
    report: Report,
    /// Whether something is lost without which later checks would report what is not so.
    broken: bool,
}

impl Lowering {
    fn error(&mut self, code: crate::diagnostic::Code, span: SourceSpan, message: impl Into<String>, help: impl Into<String>) {
        self.report.push(Diagnostic::error(code, span, message).help(help));
    }

    /// Marks the document as not whole when there is no value.
    fn keep<T>(&mut self, value: Option<T>) -> Option<T> {
        self.broken |= value.is_none();
        value
    }

    fn runbook(&mut self, root: &Node) -> Option<Runbook> {
        let head = root.entries().and_then(|entries| entries.first()).map_or(root.span, |entry| entry.key.span);
        let block = self.block(root, &language::RUNBOOK, "the file", head)?;
        let version = self.version(&block);
        let name = self.name(&block, "runbook");
        let title = self.text(&block, "title");
        let owner = self.person(&block, "owner");
        let environment = self.text(&block, "environment");
        let params = self.params(&block);
        let window = self.window(&block);
        let roster = self.text(&block, "roster");
        let witness = self.witness(&block);
        let targets = self.targets(&block);
        let movement = self.movement(&block);
        let interlocks = self.interlocks(&block);
        let defaults = self.defaults(&block);
        let steps = self.steps(&block, "steps", &language::STEP);
        let finally = self.steps(&block, "finally", &language::FINAL_STEP);
        let rollback = self.rollback(&block);
        Some(Runbook {
            version: self.keep(version)?,
            written: written(root),
            name: self.keep(name)?,
            title,
            owner,
            environment,
            params,
            window,
            roster,
            witness,
            targets,
            movement,
            interlocks,
            defaults,
            steps,
            finally,
            rollback,
        })
    }

    fn version(&mut self, block: &Block<'_>) -> Option<Spanned<u32>> {
        let entry = block.get("pointsman")?;
        let node = &entry.value;
        if node.to_value() == serde_json::json!(language::VERSION) {
            return Some(Spanned::new(language::VERSION, node.span));
        }
        let message =
            format!("this program reads version {} of the language, and here is {}", language::VERSION, node.describe());
        self.error(code::VERSION, node.span, message, format!("write `pointsman: {}`", language::VERSION));
        // The rest is read as version 1, so that one wrong digit does not hide it.
        Some(Spanned::new(language::VERSION, node.span))
    }

    fn targets(&mut self, block: &Block<'_>) -> Vec<Target> {
        let mut targets = Vec::new();
        for (name, node) in self.named(block, "targets", &language::TARGET) {
            let Some(target) = self.block(node, &language::TARGET, &format!("the target `{}`", name.value), name.span) else {
                continue;
            };
            let connector = self.text(&target, "connector");
            let Some(connector) = self.keep(connector) else { continue };
            let settings = target.others().cloned().collect();
            targets.push(Target { name: name.map(TargetName::new), span: node.span, connector, settings });
        }
        targets
    }

    fn movement(&mut self, block: &Block<'_>) -> Option<Move> {
        let movement = self.inner(block, "move", &language::MOVE)?;
        let target = |name: Spanned<String>| name.map(TargetName::new);
        let (from, to) = (self.name(&movement, "from").map(target), self.name(&movement, "to").map(target));
        let entry = self.text(&movement, "entry");
        let clients_bear = self.duration(&movement, "clients_bear");
        let (from, to) = (self.keep(from)?, self.keep(to)?);
        if from.value == to.value {
            let error = Diagnostic::error(code::SAME_TARGET, to.span, format!("the move goes from `{}` to itself", from.value));
            self.report.push(error.also(from.span, "the side that is left").help("name the new side in `to`"));
        }
        Some(Move { span: movement.span(), from, to, entry, clients_bear })
    }

    fn defaults(&mut self, block: &Block<'_>) -> Defaults {
        let Some(defaults) = self.inner(block, "defaults", &language::DEFAULTS) else { return Defaults::default() };
        Defaults {
            timeout: self.duration(&defaults, "timeout"),
            retry: self.retry(&defaults),
            on_failure: self.on_failure(&defaults),
            max_concurrent: self.count(&defaults, "max_concurrent"),
        }
    }

    fn retry(&mut self, block: &Block<'_>) -> Option<RetryRule> {
        let retry = self.inner(block, "retry", &language::RETRY_RULE)?;
        Some(RetryRule {
            span: retry.span(),
            max_attempts: self.count(&retry, "max_attempts"),
            backoff: self.duration(&retry, "backoff"),
            max_elapsed: self.duration(&retry, "max_elapsed"),
        })
    }

    fn on_failure(&mut self, block: &Block<'_>) -> Option<Spanned<OnFailureChoice>> {
        self.word(block, "on_failure").map(|word| {
            word.map(|word| match word {
                "hold" => OnFailureChoice::Hold,
                "continue" => OnFailureChoice::Continue,
                _ => OnFailureChoice::Rollback,
            })
        })
    }

    fn rollback(&mut self, block: &Block<'_>) -> Option<Rollback> {
        let rollback = self.inner(block, "rollback", &language::ROLLBACK)?;
        let decide = self.role(&rollback, "decide");
        Some(Rollback { span: rollback.span(), decide, steps: self.steps(&rollback, "steps", &language::ROLLBACK_STEP) })
    }

    /// `{ role: commander }` behind `key`.
    fn role(&mut self, block: &Block<'_>, key: &str) -> Option<Spanned<RoleName>> {
        let role = self.inner(block, key, &language::ROLE)?;
        self.name(&role, "role").map(|name| name.map(RoleName::new))
    }
}

/// The keys of a runbook that differ between the live night and its rehearsal by nature.
const BY_NATURE: [&str; 6] = ["targets", "environment", "window", "roster", "owner", "title"];

/// The digest of the rest. The defaults of parameters are values, and a value differs like one that is given.
fn written(root: &Node) -> Digest {
    let mut value = root.to_value();
    if let Value::Object(keys) = &mut value {
        keys.retain(|key, _| !BY_NATURE.contains(&key.as_str()));
        let params = keys.get_mut("params").and_then(Value::as_object_mut);
        for param in params.into_iter().flat_map(|params| params.values_mut()).filter_map(Value::as_object_mut) {
            param.remove("default");
        }
    }
    Digest::of(value.to_string().as_bytes())
}
