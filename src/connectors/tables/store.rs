//! What `check.tables` asks of a store. Every database that wants to be compared implements this trait, and
//! [`open`] names it.

use std::sync::Arc;

use async_trait::async_trait;

use super::Measure;
use crate::connectors::{ActionError, Call, Target};
use crate::model::Value;

/// One figure of one table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Figure {
    /// The exact value as text, the same in every kind of store; none for NULL.
    Exact(Option<String>),
    /// It cannot be measured exactly; the text says why. Never a pass.
    NotVerified(String),
}

/// The measures of one table, taken in one snapshot of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Measured {
    /// The number of rows.
    pub rows: u64,
    /// One figure per measure, in the order in which they were asked.
    pub figures: Vec<Figure>,
}

/// A store whose tables can be measured.
#[async_trait]
pub trait TableStore: Send + Sync {
    /// Who the store is.
    async fn identity(&self) -> Result<Value, ActionError>;

    /// The names of every table that a pattern can mean, sorted.
    async fn tables(&self) -> Result<Vec<String>, ActionError>;

    /// Measures one table, exactly.
    async fn measure(&self, table: &str, measures: &[Measure]) -> Result<Measured, ActionError>;

    /// The check is over: what the store holds open may wait for another verb.
    async fn rest(&self) {}
}

/// Opens the store behind a target, for this call.
pub(super) fn open(call: &Call, target: &Target) -> Result<Arc<dyn TableStore>, ActionError> {
    match target.connector.as_str() {
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(crate::connectors::sqlite::open_store(call, target)),
        #[cfg(feature = "mysql")]
        "mysql" => Ok(crate::connectors::mysql::open_store(call, target)),
        #[cfg(feature = "postgres")]
        "postgres" => Ok(crate::connectors::postgres::open_store(call, target)),
        other => {
            let _ = call;
            Err(ActionError::untouched(format!("the tables of a `{other}` target cannot be measured: `{}`", target.name)))
        }
    }
}
