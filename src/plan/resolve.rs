//! Late templates → values, against what the run knows now. The same resolver serves plan, dry run and run.

use super::{Param, TemplateError};
use crate::model::Value;

impl Param {
    /// This parameter with every template rendered against `scope`: an object with `params`, `run`, `item` and, for the
    /// steps that are used, `steps.<id>.outputs`.
    ///
    /// # Errors
    /// The first template that names something that is not there.
    pub fn resolved(&self, scope: &Value) -> Result<Self, TemplateError> {
        Ok(match self {
            Self::Value(_) | Self::Secret(_) => self.clone(),
            Self::Template(template) => Self::Value(template.render(scope)?),
            Self::List(items) => Self::List(items.iter().map(|item| item.resolved(scope)).collect::<Result<_, _>>()?),
            Self::Map(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(key, item)| Ok((key.clone(), item.resolved(scope)?)))
                    .collect::<Result<_, TemplateError>>()?,
            ),
        })
    }
}
