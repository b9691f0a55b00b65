//! What a freeze is about: the roles, everything they act through, and the tables, sequences and schemas they write to.

use std::collections::{BTreeMap, BTreeSet};

use super::name::{literals, quoted};
use super::session::{Session, StatementError, text};
use crate::connectors::pattern::Pattern;
use crate::connectors::{ActionError, Call};
use crate::model::Object;

/// Which roles and tables a step names.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    roles: Vec<String>,
    tables: Tables,
}

/// Which tables a step names.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    schemas: Vec<String>,
    tables: Vec<String>,
    except: Vec<String>,
}

/// The tables that the patterns mean now.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// Tables, views and sequences, by schema and name; partitions of a table are in it with the table.
    pub(super) relations: Vec<Relation>,
    schemas: BTreeMap<String, String>,
    all: Vec<Relation>,
    /// Partition or child, and what it belongs to.
    pub(super) parents: Vec<(String, String)>,
}

/// A role that a pattern meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Role {
    /// Its name.
    pub(super) name: String,
    /// Whether it may log in.
    pub(super) login: bool,
    /// Whether no grant binds it.
    pub(super) superuser: bool,
}

/// A table, view, foreign table, sequence or schema.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Relation {
    /// Its number, the same over renames.
    pub(super) oid: String,
    /// The schema.
    pub(super) schema: String,
    /// The name in it.
    pub(super) name: String,
    /// `r` table, `p` partitioned, `f` foreign, `v` view, `S` sequence.
    pub(super) kind: char,
    /// The role that owns it.
    pub(super) owner: String,
}

/// What the patterns mean now.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// The roles.
    pub(super) roles: Vec<Role>,
    /// The roles, and every role they are members of.
    pub(super) acting: BTreeSet<String>,
    /// Tables, views and sequences, by schema and name; partitions of a table are in it with the table.
    pub(super) relations: Vec<Relation>,
    /// The numbers of the schemas, by name.
    pub(super) schemas: BTreeMap<String, String>,
    /// Every table, view and sequence of the database.
    pub(super) all: Vec<Relation>,
    /// Partition or child, and what it belongs to.
    pub(super) parents: Vec<(String, String)>,
}

impl Relation {
    /// `"schema"."name"`.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    /// `schema.name`, for people.
    pub(super) fn shown(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }
}

impl Selection {
    /// Reads `roles`, `schemas`, `tables` and `except`.
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let roles = call.params.texts("roles")?;
        if roles.is_empty() {
            return Err(ActionError::untouched("`roles` names no role"));
        }
        Ok(Self { roles, tables: Tables::of(call)? })
    }

    /// What it means now. A pattern that means nothing is an error.
    pub(super) async fn scope(&self, session: &Session) -> Result<Scope, ActionError> {
        let roles = chosen_roles(session, &self.roles).await?;
        let names: Vec<_> = roles.iter().map(|role| role.name.clone()).collect();
        let acting = acting(session, &names).await?;
        let Chosen { relations, schemas, all, parents } = self.tables.chosen(session).await?;
        Ok(Scope { roles, acting, relations, schemas, all, parents })
    }
}

impl Tables {
    /// Reads `schemas`, `tables` and `except`.
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let or = |key: &str, other: &str| -> Result<Vec<String>, ActionError> {
            let given = call.params.texts(key)?;
            Ok(if given.is_empty() { vec![other.to_owned()] } else { given })
        };
        Ok(Self { schemas: or("schemas", "public")?, tables: or("tables", "*")?, except: call.params.texts("except")? })
    }

    /// What they mean now. A pattern that means nothing is an error.
    pub(super) async fn chosen(&self, session: &Session) -> Result<Chosen, ActionError> {
        let schemas = self.schemas(session).await?;
        let all = relations(session).await?;
        let parents = pairs(session, "SELECT inhrelid::text AS a, inhparent::text AS b FROM pg_inherits").await?;
        let feeds = pairs(session, FEEDS).await?;
        let inside: Vec<_> = all.iter().filter(|relation| schemas.contains_key(&relation.schema)).collect();
        let mut chosen: BTreeSet<&str> = BTreeSet::new();
        for pattern in &self.tables {
            let found = matching(&inside, pattern)?;
            if found.iter().all(|relation| relation.kind == 'S') {
                return Err(ActionError::untouched(format!("no table matches `{pattern}`")));
            }
            chosen.extend(found.iter().map(|relation| relation.oid.as_str()));
        }
        for pattern in &self.except {
            let found = matching(&inside, pattern)?;
            if found.is_empty() {
                return Err(ActionError::untouched(format!("`except`: nothing matches `{pattern}`")));
            }
            for relation in found {
                chosen.remove(relation.oid.as_str());
            }
        }
        // Partitions belong to their table, and sequences to the tables that they feed; until nothing more is found.
        loop {
            let before = chosen.len();
            let parts = parents.iter().filter(|(_, parent)| chosen.contains(parent.as_str())).map(|(part, _)| part.as_str());
            let fed = feeds.iter().filter(|(_, table)| chosen.contains(table.as_str())).map(|(sequence, _)| sequence.as_str());
            let more: Vec<_> = parts.chain(fed).collect();
            chosen.extend(more);
            if chosen.len() == before {
                break;
            }
        }
        let relations = all.iter().filter(|relation| chosen.contains(relation.oid.as_str())).cloned().collect();
        Ok(Chosen { relations, schemas, all, parents })
    }

    async fn schemas(&self, session: &Session) -> Result<BTreeMap<String, String>, ActionError> {
        let sql =
            "SELECT nspname, oid::text AS oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'";
        let rows = session.rows(sql).await?;
        let all: Vec<_> = rows.iter().filter_map(|row| Some((text(row, "nspname")?, text(row, "oid")?))).collect();
        let mut chosen = BTreeMap::new();
        for pattern in &self.schemas {
            let meant = Pattern::new(pattern)?;
            chosen.extend(all.iter().filter(|(name, _)| meant.means(name)).cloned());
            if !chosen.keys().any(|name| meant.means(name)) {
                return Err(ActionError::untouched(format!("no schema matches `{pattern}`")));
            }
        }
        Ok(chosen)
    }
}

impl Scope {
    /// What can be locked and counted: tables and partitioned tables, in the order of their names.
    pub(super) fn tables(&self) -> Vec<&Relation> {
        self.relations.iter().filter(|relation| matches!(relation.kind, 'r' | 'p')).collect()
    }

    /// The names of the roles.
    pub(super) fn role_names(&self) -> Vec<String> {
        self.roles.iter().map(|role| role.name.clone()).collect()
    }

    /// Whether a relation is in it.
    pub(super) fn holds(&self, oid: &str) -> bool {
        self.relations.iter().any(|relation| relation.oid == oid)
    }

    /// A relation of the database by `name` or `schema.name`; in the scope first.
    pub(super) fn find(&self, name: &str) -> Option<&Relation> {
        self.relations.iter().chain(&self.all).find(|relation| relation.shown() == name || relation.name == name)
    }
}

/// The roles that the patterns mean. Patterns leave the server's own roles alone.
pub(super) async fn chosen_roles(session: &Session, patterns: &[String]) -> Result<Vec<Role>, ActionError> {
    let rows = session.rows("SELECT rolname, rolcanlogin, rolsuper FROM pg_roles ORDER BY rolname COLLATE \"C\"").await?;
    let all: Vec<_> = rows
        .iter()
        .map(|row| Role {
            name: text(row, "rolname").unwrap_or_default(),
            login: is(row, "rolcanlogin"),
            superuser: is(row, "rolsuper"),
        })
        .collect();
    let mut chosen: Vec<Role> = Vec::new();
    for pattern in patterns {
        let meant = Pattern::new(pattern)?;
        let found: Vec<_> =
            all.iter().filter(|r| r.name == *pattern || (!r.name.starts_with("pg_") && meant.means(&r.name))).collect();
        if found.is_empty() {
            return Err(ActionError::untouched(format!("no role matches `{pattern}`")));
        }
        chosen.extend(found.into_iter().cloned());
    }
    chosen.sort_by(|a, b| a.name.cmp(&b.name));
    chosen.dedup();
    Ok(chosen)
}

/// Sequences, and the tables that own them or take their defaults from them.
const FEEDS: &str = "SELECT d.objid::text AS a, d.refobjid::text AS b FROM pg_depend d JOIN pg_class c ON c.oid = d.objid \
     WHERE c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass \
     AND d.deptype IN ('a', 'i') \
     UNION SELECT d.refobjid::text, f.adrelid::text FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid \
     JOIN pg_class c ON c.oid = d.refobjid \
     WHERE c.relkind = 'S' AND d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass";

async fn acting(session: &Session, roles: &[String]) -> Result<BTreeSet<String>, StatementError> {
    let sql = format!(
        "SELECT DISTINCT m.rolname FROM pg_roles r JOIN pg_roles m ON m.oid = r.oid OR pg_has_role(r.oid, m.oid, 'MEMBER') \
         WHERE r.rolname = ANY ({}) AND (m.oid = r.oid OR NOT r.rolsuper)",
        literals(roles)
    );
    Ok(session.rows(&sql).await?.iter().filter_map(|row| text(row, "rolname")).collect())
}

async fn relations(session: &Session) -> Result<Vec<Relation>, StatementError> {
    let sql = "SELECT c.oid::text AS oid, n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner) AS owner \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'f', 'v', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
         ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"";
    let rows = session.rows(sql).await?;
    let relation = |row: &Object| {
        Some(Relation {
            oid: text(row, "oid")?,
            schema: text(row, "nspname")?,
            name: text(row, "relname")?,
            kind: text(row, "relkind")?.chars().next()?,
            owner: text(row, "owner")?,
        })
    };
    Ok(rows.iter().filter_map(relation).collect())
}

async fn pairs(session: &Session, sql: &str) -> Result<Vec<(String, String)>, StatementError> {
    Ok(session.rows(sql).await?.iter().filter_map(|row| Some((text(row, "a")?, text(row, "b")?))).collect())
}

/// Whether a cell is true.
pub(super) fn is(row: &Object, column: &str) -> bool {
    text(row, column).as_deref() == Some("t")
}

fn matching<'a>(all: &[&'a Relation], pattern: &str) -> Result<Vec<&'a Relation>, ActionError> {
    let meant = Pattern::new(pattern)?;
    let is = |relation: &Relation| meant.means(&relation.name) || meant.means(&relation.shown());
    Ok(all.iter().copied().filter(|relation| is(relation)).collect())
}
