//! `postgres.create_publication`: tables are published, and stay writable.
//!
//! From the moment that updates of a table are published, an update of a table without a replica identity fails: the application
//! would notice. So every table is looked at first, and the publication is made only where all of them have one.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde_json::json;

use super::freeze::{framed, open_clean};
use super::name::{literal, literals, quoted};
use super::saved::{begin, commit};
use super::scope::{Relation, Tables, is};
use super::session::{Session, StatementError, text};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct CreatePublication;

const OPERATIONS: [&str; 4] = ["insert", "update", "delete", "truncate"];

/// What a publication publishes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Published {
    /// `schema.name` of every table that rows are in; a partitioned table stands for its partitions.
    tables: BTreeSet<String>,
    operations: BTreeSet<String>,
    /// Whether rows or columns are left out.
    filtered: bool,
    /// Its comment.
    tag: String,
}

/// What a step asks for, and what is there.
struct Sight {
    session: Session,
    name: String,
    /// As the statement names them.
    listed: Vec<String>,
    wanted: Published,
    found: Option<Published>,
    chosen: Vec<Relation>,
}

/// The mark that a step leaves at what it makes.
pub(super) fn tag(call: &Call) -> String {
    format!("made by pointsman, run {}, step {}", call.run, call.step)
}

/// What a publication of this database publishes; none where there is no such publication.
async fn published(session: &Session, name: &str) -> Result<Option<Published>, StatementError> {
    let name = literal(name);
    let rows = session
        .rows(&format!(
            "SELECT p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, \
             coalesce(obj_description(p.oid, 'pg_publication'), '') AS tag, EXISTS (SELECT FROM pg_publication_rel r \
             WHERE r.prpubid = p.oid AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL)) AS filtered \
             FROM pg_publication p WHERE p.pubname = {name}"
        ))
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let sql = format!("SELECT schemaname || '.' || tablename AS name FROM pg_publication_tables WHERE pubname = {name}");
    let tables = session.rows(&sql).await?;
    Ok(Some(Published {
        tables: tables.iter().filter_map(|row| text(row, "name")).collect(),
        operations: OPERATIONS.into_iter().filter(|word| is(row, &format!("pub{word}"))).map(str::to_owned).collect(),
        filtered: is(row, "filtered"),
        tag: text(row, "tag").unwrap_or_default(),
    }))
}

async fn look(call: &Call) -> Result<Sight, ActionError> {
    let name = call.params.text("publication")?.to_owned();
    let tables = Tables::of(call)?;
    let session = open_clean(call).await?;
    let chosen = tables.chosen(&session).await?;
    let is_table = |relation: &&Relation| matches!(relation.kind, 'r' | 'p');
    let whole: BTreeSet<_> = chosen.relations.iter().filter(|r| r.kind == 'p').map(|r| r.oid.as_str()).collect();
    let part_of = |relation: &&Relation| {
        chosen.parents.iter().any(|(part, parent)| *part == relation.oid && whole.contains(parent.as_str()))
    };
    let listed: Vec<_> = chosen.relations.iter().filter(is_table).filter(|r| !part_of(r)).map(|r| r.quoted()).collect();
    if listed.is_empty() {
        return Err(ActionError::untouched("there is no table to publish"));
    }
    let mut operations: BTreeSet<_> = call.params.texts("operations")?.into_iter().collect();
    if operations.is_empty() {
        operations = OPERATIONS.map(str::to_owned).into();
    }
    let wanted = Published {
        tables: chosen.relations.iter().filter(|r| r.kind == 'r').map(Relation::shown).collect(),
        operations,
        filtered: false,
        tag: tag(call),
    };
    let found = published(&session, &name).await?;
    let chosen = chosen.relations.into_iter().filter(|r| matches!(r.kind, 'r' | 'p')).collect();
    Ok(Sight { session, name, listed, wanted, found, chosen })
}

impl Sight {
    fn statements(&self) -> Vec<String> {
        let operations: Vec<_> = OPERATIONS.into_iter().filter(|word| self.wanted.operations.contains(*word)).collect();
        vec![
            format!(
                "CREATE PUBLICATION {} FOR TABLE ONLY {} WITH (publish = {})",
                quoted(&self.name),
                self.listed.join(", ONLY "),
                literal(&operations.join(", "))
            ),
            format!("COMMENT ON PUBLICATION {} IS {}", quoted(&self.name), literal(&self.wanted.tag)),
        ]
    }

    /// Whether what is there publishes what is wanted; who made it does not matter.
    fn holds(&self) -> bool {
        let tagless = |published: &Published| Published { tag: String::new(), ..published.clone() };
        self.found.as_ref().is_some_and(|found| tagless(found) == tagless(&self.wanted))
    }

    /// What is there instead of what is wanted.
    fn difference(&self) -> String {
        let Some(found) = &self.found else { return format!("there is no publication `{}`", self.name) };
        let names = |these: &BTreeSet<String>, those: &BTreeSet<String>| {
            these.difference(those).take(5).cloned().collect::<Vec<_>>().join(", ")
        };
        format!(
            "the publication `{}` is another: tables missing [{}], too much [{}]; operations {:?}; rows or columns left out: {}",
            self.name,
            names(&self.wanted.tables, &found.tables),
            names(&found.tables, &self.wanted.tables),
            found.operations,
            found.filtered
        )
    }

    async fn obstacles(&self) -> Result<Vec<String>, StatementError> {
        let mut found = Vec::new();
        if self.session.value("SHOW wal_level").await?.as_deref() != Some("logical") {
            found.push("`wal_level` is not `logical`: nobody could follow (changing it takes a restart)".to_owned());
        }
        if self.session.identity()["in_recovery"] == json!(true) {
            found.push("the server is a standby and takes no change".to_owned());
        }
        let oids = literals(&self.chosen.iter().map(|table| table.oid.clone()).collect::<Vec<_>>());
        let names = async |condition: &str| {
            let sql = format!(
                "SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.oid = ANY ({oids}::oid[]) AND {condition} LIMIT 5"
            );
            let rows = self.session.rows(&sql).await?;
            Ok::<_, StatementError>(rows.iter().filter_map(|row| text(row, "name")).collect::<Vec<_>>().join(", "))
        };
        if self.wanted.operations.contains("update") || self.wanted.operations.contains("delete") {
            let bare = names(
                "c.relkind = 'r' AND (c.relreplident = 'n' OR (c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index i \
                 WHERE i.indrelid = c.oid AND i.indisprimary)) OR (c.relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_index i \
                 WHERE i.indrelid = c.oid AND i.indisreplident)))",
            )
            .await?;
            if !bare.is_empty() {
                found.push(format!(
                    "updates and deletes of {bare} would fail once published: no replica identity, such as a primary key"
                ));
            }
        }
        let unlogged = names("c.relpersistence <> 'p'").await?;
        if !unlogged.is_empty() {
            found.push(format!("{unlogged} cannot be published: what is written there is not in the log"));
        }
        let foreign = names("NOT pg_has_role(session_user, c.relowner, 'USAGE')").await?;
        if !foreign.is_empty() {
            found.push(format!("the account of this target does not own {foreign}"));
        }
        if self.session.value("SELECT has_database_privilege(current_database(), 'CREATE')").await?.as_deref() != Some("t") {
            found.push("the account of this target lacks CREATE on the database".to_owned());
        }
        Ok(found)
    }

    fn facts(&self) -> Value {
        let found = self.found.as_ref();
        json!({
            "publication": self.name, "tables": found.map(|found| found.tables.len()),
            "operations": found.map(|found| &found.operations), "comment": found.map(|found| &found.tag),
        })
    }

    fn outputs(&self) -> Value {
        json!({ "tables": self.wanted.tables.len() })
    }
}

fn drop_of(name: &str) -> String {
    format!("DROP PUBLICATION {}", quoted(name))
}

#[async_trait]
impl Inspect for CreatePublication {
    fn name(&self) -> &'static str {
        "postgres.create_publication"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let sight = look(call).await?;
        let mut blockers = sight.obstacles().await?;
        if sight.found.is_some() && !sight.holds() {
            blockers.push(sight.difference());
        }
        let (statements, undo) = match &sight.found {
            None => (framed(sight.statements()), vec![drop_of(&sight.name)]),
            Some(_) => (Vec::new(), Vec::new()),
        };
        Ok(Inspection {
            identity: sight.session.identity(),
            state: json!({ "found": sight.facts(), "tables_to_publish": sight.wanted.tables.len() }),
            statements,
            undo_statements: undo,
            blockers: blockers.into_iter().map(|what| Blocker { what, owner: None }).collect(),
            expected_ms: Some(50),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let sight = look(call).await?;
        Ok(json!({ "identity": sight.session.identity(), "existed": sight.found.is_some(), "found": sight.facts() }))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let sight = look(call).await?;
        let finding = match &sight.found {
            None => Finding::NotApplied,
            Some(_) if sight.holds() => Finding::Applied,
            Some(found) if found.tag == sight.wanted.tag => Finding::Partial(sight.difference()),
            Some(_) => Finding::Unknown(sight.difference()),
        };
        Ok(Probed { finding, outputs: sight.outputs(), facts: sight.facts() })
    }
}

#[async_trait]
impl Act for CreatePublication {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let sight = look(call).await?;
        if sight.found.is_some() && !sight.holds() {
            return Err(ActionError::untouched(sight.difference()).hint("drop it, or publish under another name"));
        }
        if let Some(what) = sight.obstacles().await?.into_iter().next() {
            return Err(ActionError::untouched(what));
        }
        if sight.found.is_none() {
            begin(&sight.session, &sight.statements()).await?;
            commit(&sight.session).await?;
        }
        Ok(Applied { outputs: sight.outputs() })
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let sight = look(call).await.map_err(ActionError::after_change)?;
        if !sight.holds() {
            return Err(ActionError::touched(sight.difference()));
        }
        let obstacles = sight.obstacles().await.map_err(|error| ActionError::from(error).after_change())?;
        if let Some(what) = obstacles.into_iter().next() {
            return Err(ActionError::touched(what));
        }
        Ok(Evidence::new(json!({ "identity": sight.session.identity(), "published": sight.facts() })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        if snapshot["existed"] == json!(true) {
            return Ok(Evidence::new(json!({ "undo": "the publication was there before the step" })));
        }
        let name = call.params.text("publication")?;
        let drop = drop_of(name);
        let undone = async {
            let session = open_clean(call).await?;
            if let Some(found) = published(&session, name).await? {
                if found.tag != tag(call) {
                    let text = format!("the publication `{name}` was not made by this step: its comment is `{}`", found.tag);
                    return Err(ActionError::untouched(text));
                }
                session.execute(&drop).await.map_err(|error| error.of_change(&drop))?;
            }
            match published(&session, name).await.map_err(|error| ActionError::from(error).after_change())? {
                Some(_) => Err(ActionError::touched(format!("the publication `{name}` is still there"))),
                None => Ok(json!({ "identity": session.identity(), "publication": null, "before": null })),
            }
        };
        let facts = undone.await.map_err(|error: ActionError| error.manual(vec![format!("{drop};")]))?;
        Ok(Evidence::new(facts))
    }
}
