//! One measure as SQL, and its answer as a text that is the same in every kind of store.

use super::name::quoted;
use crate::connectors::tables::Measure;

/// The family of a column's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    Exact,
    Text,
    Bool,
    Time,
    Instant,
    Bytes,
    Float,
    Other,
}

fn family(kind: &str) -> Family {
    match kind {
        "int2" | "int4" | "int8" | "numeric" => Family::Exact,
        "text" | "varchar" | "bpchar" | "name" | "uuid" | "enum" => Family::Text,
        "bool" => Family::Bool,
        "date" | "time" | "timestamp" => Family::Time,
        "timestamptz" => Family::Instant,
        "bytea" => Family::Bytes,
        "float4" | "float8" => Family::Float,
        _ => Family::Other,
    }
}

/// The expression whose answer is the figure of `measure` over a column of type `kind`; the error says why there is none.
pub(super) fn expression(measure: &Measure, kind: &str) -> Result<String, String> {
    let (word, column) = match measure {
        Measure::Count => return Ok("pg_catalog.count(*)::text".to_owned()),
        Measure::Min(column) => ("min", column),
        Measure::Max(column) => ("max", column),
        Measure::Sum(column) => ("sum", column),
    };
    let cell = quoted(column);
    match (family(kind), measure) {
        // Summed as numeric, so that nothing overflows; `1.50` and `1.5` are one number.
        (Family::Exact, _) => Ok(format!("pg_catalog.trim_scale(pg_catalog.{word}({cell}::numeric))::text")),
        (Family::Float, _) => Err(format!("`{column}` is a binary fraction ({kind}): its figures are not exact")),
        (_, Measure::Sum(_)) => Err(format!("`{column}` is no number ({kind})")),
        (Family::Text, _) => Ok(format!("pg_catalog.{word}({cell}::text COLLATE \"C\")")),
        (Family::Bool, _) => Ok(format!("pg_catalog.{word}({cell}::int)::text")),
        (Family::Time, _) => Ok(format!("pg_catalog.{word}({cell})::text")),
        (Family::Instant, _) => Ok(format!("(pg_catalog.{word}({cell}) AT TIME ZONE 'UTC')::text")),
        (Family::Bytes, _) => Ok(format!("'x''' || pg_catalog.{word}(pg_catalog.encode({cell}, 'hex') COLLATE \"C\") || ''''")),
        (Family::Other, _) => Err(format!("the type `{kind}` of `{column}` has no order that is the same in every store")),
    }
}
