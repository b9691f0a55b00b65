//! One privilege of one account at one place: the atoms that a freeze takes away and a thaw gives back, as statements and as
//! part of a snapshot.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::account::Account;
use super::name::quoted;
use crate::connectors::ActionError;
use crate::model::Value;

/// Where a privilege holds. Ordered from narrow to wide: a REVOKE for a table takes away the same privileges of its columns, so
/// the columns come first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Level {
    /// Not in this database, although everywhere: what MySQL calls a partial revoke. To give it is a REVOKE, to take it a GRANT.
    Except { db: String },
    /// One column.
    Column { db: String, table: String, column: String },
    /// One routine: its kind as a statement says it.
    Routine { db: String, name: String, kind: String },
    /// One table or view.
    Table { db: String, table: String },
    /// Every database whose name the pattern means, `%` and `_` being wildcards.
    Database { pattern: String },
    /// Everywhere.
    Global,
}

/// One privilege.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Grant {
    /// Whose.
    pub(super) account: Account,
    /// Where.
    pub(super) level: Level,
    /// What: `INSERT`, `GRANT OPTION`.
    pub(super) privilege: String,
}

/// The right to hand a privilege on.
pub(super) const GRANT_OPTION: &str = "GRANT OPTION";

/// The privileges with which data or its definition can be changed.
const WRITES: [&str; 13] = [
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "ALTER",
    "INDEX",
    "TRIGGER",
    "EVENT",
    "CREATE VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "DELETE HISTORY",
];

impl Grant {
    /// Whether data or its definition can be changed with it.
    pub(super) fn is_write(&self) -> bool {
        !self.is_exception() && WRITES.contains(&self.privilege.as_str())
    }

    /// Whether it takes something away from a privilege that holds everywhere.
    pub(super) const fn is_exception(&self) -> bool {
        matches!(self.level, Level::Except { .. })
    }

    fn to_value(&self) -> Value {
        let mut value = match &self.level {
            Level::Except { db } => json!({ "at": "except", "db": db }),
            Level::Column { db, table, column } => json!({ "at": "column", "db": db, "table": table, "column": column }),
            Level::Routine { db, name, kind } => json!({ "at": "routine", "db": db, "name": name, "kind": kind }),
            Level::Table { db, table } => json!({ "at": "table", "db": db, "table": table }),
            Level::Database { pattern } => json!({ "at": "database", "pattern": pattern }),
            Level::Global => json!({ "at": "global" }),
        };
        value["account"] = self.account.to_value();
        value["privilege"] = json!(self.privilege);
        value
    }

    fn from_value(value: &Value) -> Option<Self> {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let level = match value["at"].as_str()? {
            "except" => Level::Except { db: text("db")? },
            "column" => Level::Column { db: text("db")?, table: text("table")?, column: text("column")? },
            "routine" => Level::Routine { db: text("db")?, name: text("name")?, kind: text("kind")? },
            "table" => Level::Table { db: text("db")?, table: text("table")? },
            "database" => Level::Database { pattern: text("pattern")? },
            "global" => Level::Global,
            _ => return None,
        };
        Some(Self { account: Account::from_value(&value["account"])?, level, privilege: text("privilege")? })
    }
}

impl Level {
    fn sql(&self) -> String {
        match self {
            Self::Column { db, table, .. } | Self::Table { db, table } => format!("{}.{}", quoted(db), quoted(table)),
            Self::Routine { db, name, kind } => format!("{kind} {}.{}", quoted(db), quoted(name)),
            Self::Database { pattern: name } | Self::Except { db: name } => format!("{}.*", quoted(name)),
            Self::Global => "*.*".to_owned(),
        }
    }

    /// What one statement can name together: columns of one table are one place.
    const fn rank(&self) -> u8 {
        match self {
            Self::Except { .. } => EXCEPTION,
            Self::Column { .. } => 1,
            Self::Routine { .. } => 2,
            Self::Table { .. } => 3,
            Self::Database { .. } => 4,
            Self::Global => 5,
        }
    }
}

/// For a snapshot.
pub(super) fn to_value(grants: &BTreeSet<Grant>) -> Value {
    grants.iter().map(Grant::to_value).collect()
}

/// From a snapshot.
pub(super) fn from_value(value: &Value) -> Result<BTreeSet<Grant>, ActionError> {
    let unreadable = || ActionError::untouched("the snapshot does not hold the privileges that were there");
    value.as_array().ok_or_else(unreadable)?.iter().map(|item| Grant::from_value(item).ok_or_else(unreadable)).collect()
}

/// The statements that take these away, narrow places first.
pub(super) fn revokes<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> Vec<String> {
    places(grants).into_iter().map(|(place, grants)| take(&place, &grants)).collect()
}

/// The statements that give these, wide places first, so that nothing narrow is shadowed meanwhile.
pub(super) fn grants<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> Vec<String> {
    places(grants).into_iter().rev().map(|(place, grants)| give(&place, &grants)).collect()
}

fn take(place: &Place, grants: &[&Grant]) -> String {
    let (rank, at, account) = place;
    let verb = if *rank == EXCEPTION { ("GRANT", "TO") } else { ("REVOKE", "FROM") };
    format!("{} {} ON {at} {} {account}", verb.0, privileges(grants, true), verb.1)
}

fn give(place: &Place, grants: &[&Grant]) -> String {
    let (rank, at, account) = place;
    if *rank == EXCEPTION {
        return format!("REVOKE {} ON {at} FROM {account}", privileges(grants, true));
    }
    let option = if grants.iter().any(|grant| grant.privilege == GRANT_OPTION) { " WITH GRANT OPTION" } else { "" };
    format!("GRANT {} ON {at} TO {account}{option}", privileges(grants, false))
}

type Place = (u8, String, String);

/// The rank of what is taken away from something that holds everywhere: given last, taken first.
const EXCEPTION: u8 = 0;

fn places<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> BTreeMap<Place, Vec<&'a Grant>> {
    let mut places: BTreeMap<Place, Vec<&Grant>> = BTreeMap::new();
    for grant in grants {
        places.entry((grant.level.rank(), grant.level.sql(), grant.account.sql())).or_default().push(grant);
    }
    places
}

fn privileges(grants: &[&Grant], option: bool) -> String {
    let mut columns: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for grant in grants {
        let listed = columns.entry(&grant.privilege).or_default();
        if let Level::Column { column, .. } = &grant.level {
            listed.push(quoted(column));
        }
    }
    if !option {
        columns.remove(GRANT_OPTION);
    }
    let listed = columns.into_iter().map(|(privilege, columns)| {
        if columns.is_empty() { privilege.to_owned() } else { format!("{privilege} ({})", columns.join(", ")) }
    });
    let text = listed.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "USAGE".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Account, Grant, Level, from_value, grants, revokes, to_value};

    fn all() -> BTreeSet<Grant> {
        let of = |level: &Level, privilege: &str| Grant {
            account: Account::new("app", "%"),
            level: level.clone(),
            privilege: privilege.to_owned(),
        };
        let column = |name: &str| Level::Column { db: "shop".to_owned(), table: "orders".to_owned(), column: name.to_owned() };
        let wide = Level::Database { pattern: "sh%".to_owned() };
        let one = Level::Routine { db: "shop".to_owned(), name: "f".to_owned(), kind: "FUNCTION".to_owned() };
        [
            of(&column("a"), "INSERT"),
            of(&column("b"), "INSERT"),
            of(&column("b"), "UPDATE"),
            of(&wide, "GRANT OPTION"),
            of(&wide, "DELETE"),
            of(&Level::Global, "GRANT OPTION"),
            of(&Level::Except { db: "wages".to_owned() }, "INSERT"),
            of(&one, "ALTER ROUTINE"),
        ]
        .into()
    }

    #[test]
    fn one_statement_for_each_place() {
        assert_eq!(
            revokes(&all()),
            [
                "GRANT INSERT ON `wages`.* TO `app`@`%`",
                "REVOKE INSERT (`a`, `b`), UPDATE (`b`) ON `shop`.`orders` FROM `app`@`%`",
                "REVOKE ALTER ROUTINE ON FUNCTION `shop`.`f` FROM `app`@`%`",
                "REVOKE DELETE, GRANT OPTION ON `sh%`.* FROM `app`@`%`",
                "REVOKE GRANT OPTION ON *.* FROM `app`@`%`",
            ]
        );
        assert_eq!(
            grants(&all()),
            [
                "GRANT USAGE ON *.* TO `app`@`%` WITH GRANT OPTION",
                "GRANT DELETE ON `sh%`.* TO `app`@`%` WITH GRANT OPTION",
                "GRANT ALTER ROUTINE ON FUNCTION `shop`.`f` TO `app`@`%`",
                "GRANT INSERT (`a`, `b`), UPDATE (`b`) ON `shop`.`orders` TO `app`@`%`",
                "REVOKE INSERT ON `wages`.* FROM `app`@`%`",
            ]
        );
    }

    #[test]
    fn a_snapshot_holds_every_part() {
        assert_eq!(from_value(&to_value(&all())).expect("what was written is read"), all());
    }
}
