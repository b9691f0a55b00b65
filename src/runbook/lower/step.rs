//! Steps of the three sections, and their ways back.

use super::Lowering;
use super::block::Block;
use crate::diagnostic::code::document as code;
use crate::diagnostic::{Diagnostic, SourceSpan};
use crate::model::{StepId, TargetName};
use crate::runbook::document::{Call, InDoubtChoice, Spanned, Step, Undo, UndoScope, Work};
use crate::runbook::shape::{Form, Table};
use crate::runbook::{Node, ScalarValue, language};

const UNDO_FORMS: &str = "write `auto`, `{ action: … }` with another action, `{ nothing: \"why\" }` or `{ impossible: \"why\" }`";

impl Lowering {
    /// The steps behind a key.
    pub(super) fn steps(&mut self, block: &Block<'_>, key: &str, table: &'static Table) -> Vec<Step> {
        let named = self.named(block, key, table);
        let mut steps = Vec::with_capacity(named.len());
        for (id, node) in named {
            let step = self.step(id, node, table);
            steps.extend(self.keep(step));
        }
        steps
    }

    fn step(&mut self, id: Spanned<String>, node: &Node, table: &'static Table) -> Option<Step> {
        let block = self.block(node, table, &format!("the step `{}`", id.value), id.span)?;
        let work = self.work(&block, id.span);
        let foreach = self.foreach(&block);
        let max_concurrent = self.count(&block, "max_concurrent");
        if let (None, Some(entry)) = (block.get("foreach"), block.get("max_concurrent")) {
            let message = "`max_concurrent` limits the items of `foreach`, and this step has none";
            self.error(code::MAX_CONCURRENT, entry.key.span, message, "remove it, or write it in `defaults` for the whole run");
        }
        let in_doubt = self.in_doubt(&block);
        let idempotent = self.text(&block, "idempotent");
        if let (Some(choice), None) = (&in_doubt, block.get("idempotent"))
            && choice.value == InDoubtChoice::Rerun
        {
            let help = "add `idempotent: \"why a second run is harmless\"`, or write `in_doubt: ask`";
            self.error(code::RERUN_UNEXPLAINED, choice.span, "`in_doubt: rerun` without a reason", help);
        }
        let on_failure = if block.may_have("on_failure") { self.on_failure(&block) } else { None };
        let is_forward = block.may_have("point_of_no_return");
        let undo = if is_forward { self.undo(&block) } else { None };
        let may_decide = block.may_have("confirm");
        Some(Step {
            needs: self.names(&block, "needs").into_iter().map(|name| name.map(StepId::new)).collect(),
            when: self.condition(&block, "when"),
            foreach,
            max_concurrent,
            timeout: self.duration(&block, "timeout"),
            retry: self.retry(&block),
            on_failure,
            in_doubt,
            idempotent,
            undo,
            point_of_no_return: if is_forward { self.text(&block, "point_of_no_return") } else { None },
            owner: self.person(&block, "owner"),
            confirm: if may_decide { self.role(&block, "confirm") } else { None },
            protected: if may_decide { self.boolean(&block, "protected") } else { None },
            expect: self.expectations(&block),
            work: work?,
            id: id.map(StepId::new),
            span: node.span,
        })
    }

    /// What the step does. Steps of the rollback may undo instead of act.
    fn work(&mut self, block: &Block<'_>, head: SourceSpan) -> Option<Work> {
        let undo = match block.form("undo") {
            Some(Form::UndoScope) => block.get("undo"),
            _ => None,
        };
        let Some(undo) = undo else {
            if block.get("action").is_none() && matches!(block.form("undo"), Some(Form::UndoScope)) {
                let message = format!("{} does nothing", block.place());
                self.error(code::NO_WORK, head, message, "add an `action`, or `undo: everything`, or `undo: [ids of steps]`");
                return None;
            }
            return self.call(block).map(Work::Action);
        };
        for key in ["action", "target", "with"] {
            if let Some(other) = block.get(key) {
                let message = format!("{} undoes other steps and has `{key}` too", block.place());
                let error = Diagnostic::error(code::TWO_WORKS, other.key.span, message);
                self.report.push(error.also(undo.key.span, "it undoes here").help("make two steps of it"));
            }
        }
        let node = &undo.value;
        if node.text() == Some("everything") {
            return Some(Work::Undo(Spanned::new(UndoScope::Everything, node.span)));
        }
        if node.items().is_none_or(<[Node]>::is_empty) {
            let message = format!(
                "a step of the rollback cannot undo {}",
                node.text().map_or_else(|| node.describe(), |t| format!("`{t}`"))
            );
            self.error(
                code::UNDO_SHAPE,
                node.span,
                message,
                "write `undo: everything`, or a list of steps such as `undo: [freeze-old]`",
            );
            return None;
        }
        let steps = self.names_of(node, "undo").into_iter().map(|name| name.map(StepId::new)).collect();
        Some(Work::Undo(Spanned::new(UndoScope::Steps(steps), node.span)))
    }

    fn call(&mut self, block: &Block<'_>) -> Option<Call> {
        let action = self.text(block, "action");
        let target = self.name(block, "target").map(|name| name.map(TargetName::new));
        self.broken |= block.get("target").is_some() && target.is_none();
        let with = block.get("with").map(|entry| &entry.value);
        if let Some(node) = with.filter(|node| node.entries().is_none()) {
            self.broken = true;
            self.wrong_kind(node, "`with`", "a map of the action's parameters");
        }
        Some(Call { action: self.keep(action)?, target, with: with.cloned() })
    }

    fn undo(&mut self, block: &Block<'_>) -> Option<Spanned<Undo>> {
        let node = &block.get("undo")?.value;
        let undo = self.undo_of(node);
        self.keep(undo).map(|undo| Spanned::new(undo, node.span))
    }

    fn undo_of(&mut self, node: &Node) -> Option<Undo> {
        if node.text() == Some("auto") {
            return Some(Undo::Auto);
        }
        let only = match node.entries() {
            Some([only]) => Some((only.key.value.as_str(), &only.value)),
            _ => None,
        };
        match only {
            Some(("nothing", why)) => self.text_of(why, "`nothing`").map(|why| Undo::Nothing { why }),
            Some(("impossible", why)) => self.text_of(why, "`impossible`").map(|why| Undo::Impossible { why }),
            _ if node.get("action").is_some() => {
                let call = self.block(node, &language::UNDO_CALL, "`undo`", node.span)?;
                self.call(&call).map(Undo::Action)
            }
            _ => {
                let found = node.text().map_or_else(|| node.describe(), |text| format!("`{text}`"));
                let help = match node.text() {
                    Some("nothing" | "none" | "impossible") => format!("say why: {UNDO_FORMS}"),
                    _ => UNDO_FORMS.to_owned(),
                };
                self.error(code::UNDO_SHAPE, node.span, format!("`undo` cannot be {found}"), help);
                None
            }
        }
    }

    fn in_doubt(&mut self, block: &Block<'_>) -> Option<Spanned<InDoubtChoice>> {
        self.word(block, "in_doubt").map(|word| {
            word.map(|word| match word {
                "probe" => InDoubtChoice::Probe,
                "rerun" => InDoubtChoice::Rerun,
                _ => InDoubtChoice::Ask,
            })
        })
    }

    fn foreach(&mut self, block: &Block<'_>) -> Option<Node> {
        let node = &block.get("foreach")?.value;
        if node.items().is_some() || node.text().is_some_and(|text| text.contains("{{")) {
            return Some(node.clone());
        }
        self.broken = true;
        let message = format!("`foreach` goes over a list, and this is {}", node.describe());
        let help = "write a list, or a template that yields one, such as `\"{{ params.names }}\"`";
        self.error(code::WRONG_KIND, node.span, message, help);
        None
    }

    /// A template, or `true` or `false`; always as text.
    fn condition(&mut self, block: &Block<'_>, key: &str) -> Option<Spanned<String>> {
        let node = &block.get(key)?.value;
        if let Some(ScalarValue::Boolean(yes)) = node.scalar().map(|scalar| &scalar.value) {
            return Some(Spanned::new(yes.to_string(), node.span));
        }
        if let Some(text) = node.text().filter(|text| !text.trim().is_empty()) {
            return Some(Spanned::new(text.to_owned(), node.span));
        }
        self.broken = true;
        let message = format!("`{key}` must be a template that yields true or false, and this is {}", node.describe());
        self.error(code::WRONG_KIND, node.span, message, "write a template such as `\"{{ params.fast }}\"`");
        None
    }
}
