//! Handlebars, strict and in one pass: a template, the names it uses, and its rendering.
//!
//! A template that is exactly one `{{ name }}` yields that name's value with its type; any other yields text. There are no
//! partials, decorators, triple braces or helpers, so a template cannot loop, call or escape anything.

use serde::{Deserialize, Serialize};

use crate::model::{StepId, Value};

/// A template whose syntax and names were checked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    text: String,
    /// The steps whose outputs it reads.
    steps: Vec<StepId>,
}

/// Why a template cannot be rendered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the template `{template}` cannot be rendered: {problem}")]
pub struct TemplateError {
    /// The template's text.
    pub template: String,
    /// What is missing or wrong.
    pub problem: String,
}

impl Template {
    /// The text as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The steps whose outputs it reads.
    pub fn steps(&self) -> &[StepId] {
        &self.steps
    }

    /// The value of this template in `scope`.
    ///
    /// # Errors
    /// When it names something that `scope` does not have.
    pub fn render(&self, _scope: &Value) -> Result<Value, TemplateError> {
        Err(TemplateError { template: self.text.clone(), problem: "rendering is not built yet".to_owned() })
    }
}
