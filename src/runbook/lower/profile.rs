//! A profile: other targets for the same steps, so that the night is rehearsed for real elsewhere.

use super::Lowering;
use crate::model::{Object, Value};
use crate::runbook::document::Profile;
use crate::runbook::{Node, language};

impl Lowering {
    pub(super) fn profile(&mut self, root: &Node) -> Option<Profile> {
        let head = root.entries().and_then(|entries| entries.first()).map_or(root.span, |entry| entry.key.span);
        let block = self.block(root, &language::PROFILE, "the profile", head)?;
        let targets = self.targets(&block);
        let environment = self.text(&block, "environment");
        let window = self.window(&block);
        let params = match block.get("params").map(|entry| &entry.value) {
            None => Object::new(),
            Some(node) => match node.to_value() {
                Value::Object(params) => params,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    self.wrong_kind(node, "`params`", "a map from names to values");
                    Object::new()
                }
            },
        };
        Some(Profile { span: head, targets, params, environment, window })
    }
}
