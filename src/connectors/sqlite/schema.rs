//! What a database holds: tables, columns, and which of them a runbook means. Names are checked against the schema, because
//! SQLite takes an unknown name in double quotes for a text.

use super::session::Session;
use crate::connectors::ActionError;
use crate::connectors::pattern::Pattern;

/// A table of the main schema.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) kind: TableKind,
    /// A name by which the row id can be reached; none for a table without row ids.
    pub(super) row_id: Option<&'static str>,
}

/// What kind of table it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TableKind {
    /// An ordinary table.
    Ordinary,
    /// A module's table; it cannot carry triggers.
    Virtual,
}

/// A column with what matters here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// The place in the primary key, from 1; 0 when it is not part of it.
    pub(super) key: i64,
    /// Whether a statement can write it.
    pub(super) writable: bool,
}

/// `name` as an identifier.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `text` as a literal.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Every table of the main schema but SQLite's own, by name. A table of a virtual table's module counts as ordinary: it
/// takes writes like any other.
pub(super) fn tables(session: &Session) -> Result<Vec<Table>, ActionError> {
    let sql = "SELECT l.name, l.type, l.wr, (SELECT group_concat(lower(name), ' ') FROM pragma_table_info(l.name)) \
               FROM pragma_table_list AS l WHERE l.schema = 'main' AND l.type IN ('table', 'shadow', 'virtual') \
               AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY l.name";
    Ok(session.all(sql, [], |row| {
        let kind: String = row.get(1)?;
        let columns: Option<String> = row.get(3)?;
        let taken = columns.unwrap_or_default();
        let free = ["_rowid_", "rowid", "oid"].into_iter().find(|name| !taken.split(' ').any(|column| column == *name));
        Ok(Table {
            name: row.get(0)?,
            kind: if kind == "virtual" { TableKind::Virtual } else { TableKind::Ordinary },
            row_id: if row.get::<_, bool>(2)? { None } else { free },
        })
    })?)
}

/// The tables that `patterns` mean and `except` does not. Each pattern must match something.
pub(super) fn chosen(all: &[Table], patterns: &[String], except: &[String]) -> Result<Vec<Table>, ActionError> {
    let mut chosen = vec![false; all.len()];
    for pattern in patterns {
        let meant = matches(all, pattern)?;
        if meant.is_empty() && pattern != "*" {
            return Err(ActionError::untouched(format!("no table is called `{pattern}`")));
        }
        meant.into_iter().for_each(|at| chosen[at] = true);
    }
    for pattern in except {
        matches(all, pattern)?.into_iter().for_each(|at| chosen[at] = false);
    }
    Ok(all.iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(table, _)| table.clone()).collect())
}

fn matches(all: &[Table], pattern: &str) -> Result<Vec<usize>, ActionError> {
    // A table may be called `a*b`: the exact name comes first.
    if let Some(exact) = all.iter().position(|table| table.name.eq_ignore_ascii_case(pattern)) {
        return Ok(vec![exact]);
    }
    let meant = Pattern::of_any_case(pattern)?;
    Ok(all.iter().enumerate().filter(|(_, table)| meant.means(&table.name)).map(|(at, _)| at).collect())
}

/// The columns of a table that exists.
pub(super) fn columns(session: &Session, table: &str) -> Result<Vec<Column>, ActionError> {
    let sql = "SELECT name, pk, hidden FROM pragma_table_xinfo(?1)";
    let columns = session.silently(|c| {
        c.prepare_cached(sql)?
            .query_map([table], |row| {
                let hidden: i64 = row.get(2)?;
                Ok(Column { name: row.get(0)?, key: row.get(1)?, writable: hidden == 0 })
            })?
            .collect::<Result<Vec<_>, _>>()
    })?;
    if columns.is_empty() {
        return Err(ActionError::untouched(format!("{} has no table `{table}`", session.path().display())));
    }
    Ok(columns)
}

/// `column` of `table` as an identifier, if it exists.
pub(super) fn column(session: &Session, table: &str, column: &str) -> Result<String, ActionError> {
    columns(session, table)?
        .iter()
        .find(|found| found.name.eq_ignore_ascii_case(column))
        .map(|found| quoted(&found.name))
        .ok_or_else(|| ActionError::untouched(format!("the table `{table}` has no column `{column}`")))
}
