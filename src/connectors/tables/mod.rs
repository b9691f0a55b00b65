//! `check.tables`: exact measures of tables in two stores of any kind.

mod check;
mod measure;
mod store;
mod verdict;

pub use check::CheckTables;
pub use measure::Measure;
pub use store::{Figure, Measured, TableStore};

/// Adds the actions of this connector.
pub(super) fn register(registry: &mut super::Registry) {
    registry.add(CheckTables);
}
