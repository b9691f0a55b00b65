//! What every query and every deletion of rows has in common, whatever the database.

use super::{OutputSpec, ParamSpec, ParamType};

/// Values by name, where the statement has names for them.
pub(super) const BIND: ParamSpec =
    ParamSpec::default("bind", ParamType::Map(&ParamType::Any), "{}", "the values of `:name` parameters in the statement");
/// What the answer of a query must be.
pub(super) const EXPECT: ParamSpec =
    ParamSpec::default("expect", ParamType::Map(&ParamType::Condition), "{}", "conditions on the columns of the first row");
/// How many rows a query must find.
pub(super) const ROWS: ParamSpec = ParamSpec::optional("rows", ParamType::Condition, "a condition on how many rows there are");
/// What a query answers.
pub(super) const ANSWER: &[OutputSpec] = &[
    OutputSpec { name: "row_count", doc: "how many rows there are" },
    OutputSpec { name: "first", doc: "the first row by column name; null when there is none" },
    OutputSpec { name: "rows", doc: "the first 100 rows" },
];

/// Which rows are deleted.
pub(super) const WHERE: ParamSpec =
    ParamSpec::required("where", ParamType::Map(&ParamType::Condition), "conditions by column; at least one");
/// How many rows a deletion must hit.
pub(super) const TO_DELETE: ParamSpec =
    ParamSpec::required("rows", ParamType::Condition, "how many rows it must delete, exactly or as a bound");
/// What a deletion answers.
pub(super) const DELETED: &[OutputSpec] = &[OutputSpec { name: "rows", doc: "how many rows it deleted" }];
