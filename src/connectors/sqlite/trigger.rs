//! The freeze trigger: its name carries the owner (run and step), its text is the same for everybody, so that a snapshot can
//! name thousands of them in little space and restore each word by word.

use serde_json::json;

use super::schema::{Table, literal, quoted};
use super::session::Session;
use crate::connectors::{ActionError, Call};
use crate::model::{Object, Value};

const PREFIX: &str = "pointsman/";
const MESSAGE: &str = "pointsman: writes are frozen by run ";

/// A kind of write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Operation {
    /// New rows.
    Insert,
    /// Changed rows.
    Update,
    /// Removed rows.
    Delete,
}

impl Operation {
    pub(super) const ALL: [Self; 3] = [Self::Insert, Self::Update, Self::Delete];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.word() == word)
    }

    /// The operations that a step asks for; all when it says nothing.
    pub(super) fn asked(call: &Call) -> Result<Vec<Self>, ActionError> {
        let words = call.params.texts("operations")?;
        if words.is_empty() {
            return Ok(Self::ALL.to_vec());
        }
        let known = |word: &String| Self::parse(word).ok_or_else(|| ActionError::untouched(format!("`{word}` is no operation")));
        let mut operations = words.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        operations.sort_unstable();
        operations.dedup();
        Ok(operations)
    }
}

/// Who froze: a step of a run.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Owner {
    pub(super) run: String,
    pub(super) step: String,
}

impl Owner {
    /// The step that is called.
    pub(super) fn of(call: &Call) -> Self {
        Self { run: call.run.to_string(), step: call.step.to_string() }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "run {}, step {}", self.run, self.step)
    }
}

/// A freeze trigger, as it is or as it shall be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Trigger {
    pub(super) owner: Owner,
    pub(super) operation: Operation,
    pub(super) table: String,
    /// What `sqlite_schema` holds, where that is not what [`Trigger::create`] says.
    other_text: Option<String>,
    other_name: Option<String>,
}

impl Trigger {
    pub(super) fn new(owner: &Owner, operation: Operation, table: &str) -> Self {
        Self { owner: owner.clone(), operation, table: table.to_owned(), other_text: None, other_name: None }
    }

    pub(super) fn name(&self) -> String {
        self.other_name
            .clone()
            .unwrap_or_else(|| format!("{PREFIX}{}/{}/{}/{}", self.owner.run, self.owner.step, self.operation.word(), self.table))
    }

    /// The statement that creates it.
    pub(super) fn create(&self) -> String {
        self.other_text.clone().unwrap_or_else(|| {
            format!(
                "CREATE TRIGGER {} BEFORE {} ON {} BEGIN SELECT RAISE(ABORT, {}); END",
                quoted(&self.name()),
                self.operation.word().to_uppercase(),
                quoted(&self.table),
                literal(&format!("{MESSAGE}{}, step {}", self.owner.run, self.owner.step)),
            )
        })
    }

    /// The statement that drops it.
    pub(super) fn drop(&self) -> String {
        format!("DROP TRIGGER IF EXISTS {}", quoted(&self.name()))
    }

    /// Whether somebody changed its text, so that it may no longer refuse anything.
    pub(super) const fn is_altered(&self) -> bool {
        self.other_text.is_some()
    }

    /// Reads one row of `sqlite_schema`. A name that this type did not make (after a table was renamed, say) is kept as it is.
    fn read(name: &str, table: &str, sql: &str) -> Option<Self> {
        let tail = name.strip_prefix(PREFIX)?;
        let (run, tail) = tail.split_once('/')?;
        let (operation, at) = Operation::ALL
            .into_iter()
            .filter_map(|operation| tail.find(&format!("/{}/", operation.word())).map(|at| (operation, at)))
            .min_by_key(|(_, at)| *at)?;
        let owner = Owner { run: run.to_owned(), step: tail[..at].to_owned() };
        let mut trigger = Self::new(&owner, operation, table);
        if trigger.name() != name {
            trigger.other_name = Some(name.to_owned());
        }
        if trigger.create() != sql {
            trigger.other_text = Some(sql.to_owned());
        }
        Some(trigger)
    }
}

/// Every freeze trigger in the database, of every run.
pub(super) fn triggers(session: &Session) -> Result<Vec<Trigger>, ActionError> {
    let sql = "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'trigger' AND substr(name, 1, 10) = 'pointsman/' \
               ORDER BY tbl_name, name";
    let rows = session.all(sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
    Ok(rows.iter().filter_map(|(name, table, sql)| Trigger::read(name, table, sql)).collect())
}

/// Whether `message` is what a freeze trigger says.
pub(super) fn is_refusal(message: &str) -> bool {
    message.starts_with(MESSAGE)
}

/// Triggers as a value, grouped by owner and table; what was altered is kept word by word.
pub(super) fn to_value(triggers: &[Trigger]) -> Value {
    let mut owners: Vec<(&Owner, Object)> = Vec::new();
    let mut altered = Vec::new();
    for trigger in triggers {
        if trigger.other_text.is_some() || trigger.other_name.is_some() {
            altered.push(json!({ "name": trigger.name(), "table": trigger.table, "sql": trigger.create() }));
            continue;
        }
        let at = owners.iter().position(|(owner, _)| **owner == trigger.owner).unwrap_or_else(|| {
            owners.push((&trigger.owner, Object::new()));
            owners.len() - 1
        });
        let words = owners[at].1.entry(trigger.table.clone()).or_insert_with(|| json!([]));
        if let Value::Array(words) = words {
            words.push(json!(trigger.operation.word()));
        }
    }
    let owners: Vec<_> =
        owners.into_iter().map(|(owner, tables)| json!({ "run": owner.run, "step": owner.step, "tables": tables })).collect();
    json!({ "owners": owners, "altered": altered })
}

/// What [`to_value`] wrote.
pub(super) fn from_value(value: &Value) -> Result<Vec<Trigger>, ActionError> {
    let broken = || ActionError::untouched("the snapshot does not hold the triggers that it should");
    let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned).ok_or_else(broken);
    let mut found = Vec::new();
    for group in value["owners"].as_array().ok_or_else(broken)? {
        let owner = Owner { run: text(group, "run")?, step: text(group, "step")? };
        for (table, words) in group["tables"].as_object().ok_or_else(broken)? {
            for word in words.as_array().ok_or_else(broken)? {
                let operation = word.as_str().and_then(Operation::parse).ok_or_else(broken)?;
                found.push(Trigger::new(&owner, operation, table));
            }
        }
    }
    for entry in value["altered"].as_array().ok_or_else(broken)? {
        found.push(Trigger::read(&text(entry, "name")?, &text(entry, "table")?, &text(entry, "sql")?).ok_or_else(broken)?);
    }
    Ok(found)
}

/// The triggers that a step must have for these tables.
pub(super) fn wanted(owner: &Owner, tables: &[Table], operations: &[Operation]) -> Vec<Trigger> {
    tables.iter().flat_map(|table| operations.iter().map(|operation| Trigger::new(owner, *operation, &table.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_reads_what_it_writes() {
        let owner = Owner { run: "shop-20261121-x1".to_owned(), step: "freeze[a/insert b]".to_owned() };
        for table in ["orders", "odd \"name\"", "a/update/b", "it's"] {
            for operation in Operation::ALL {
                let trigger = Trigger::new(&owner, operation, table);
                let read = Trigger::read(&trigger.name(), table, &trigger.create()).expect("a trigger of ours");
                assert_eq!((read.create(), read.name()), (trigger.create(), trigger.name()));
                assert!(!read.is_altered());
                let back = from_value(&to_value(std::slice::from_ref(&trigger))).expect("triggers");
                assert_eq!(back, [trigger]);
            }
        }
    }
}
