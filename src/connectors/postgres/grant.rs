//! Grants as rows: what `aclexplode` says, what a freeze takes away, and the exact way back.
//!
//! A row knows its grantor, because only as that role it can be taken away and given again, and its grant option. Column grants
//! are rows of their own: a `REVOKE` on the table deletes them, and a `GRANT` on the table would open every column.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::name::{literals, quoted};
use super::scope::{Scope, is};
use super::session::{Session, StatementError, text};
use crate::connectors::ActionError;
use crate::model::{Object, Value};

/// One privilege that one role gave another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Grant {
    /// `r` and the number of a table or sequence, `n` and that of a schema.
    pub(super) object: String,
    /// The column; empty for the whole object.
    pub(super) column: String,
    /// Who gave it.
    pub(super) grantor: String,
    /// Who has it; empty for everybody (PUBLIC).
    pub(super) grantee: String,
    /// `INSERT`, `USAGE`, …
    pub(super) privilege: String,
    /// Whether the grantee may pass it on.
    pub(super) option: bool,
}

/// What one statement has in common: depth, grantor, object, column, grantee, option.
type Together<'a> = (usize, &'a str, &'a str, &'a str, &'a str, bool);

/// An object as statements name it, and its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Named {
    /// `TABLE "public"."orders"`.
    pub(super) sql: String,
    /// The role that owns it.
    pub(super) owner: String,
}

/// The grants on some objects.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Grants {
    /// The objects.
    pub(super) objects: BTreeMap<String, Named>,
    /// The rows.
    pub(super) rows: BTreeSet<Grant>,
}

impl Grants {
    /// The grants of a scope, now.
    pub(super) async fn of(session: &Session, scope: &Scope) -> Result<Self, StatementError> {
        let objects = scope.relations.iter().map(|relation| format!("r{}", relation.oid));
        Self::on(session, &objects.chain(scope.schemas.values().map(|oid| format!("n{oid}"))).collect::<Vec<_>>()).await
    }

    /// The grants of writes on these objects, now. An object that is gone is not among them.
    pub(super) async fn on(session: &Session, objects: &[String]) -> Result<Self, StatementError> {
        let of = |kind: char| objects.iter().filter_map(|o| o.strip_prefix(kind)).map(str::to_owned).collect::<Vec<_>>();
        let (relations, schemas) = (literals(&of('r')), literals(&of('n')));
        let named = format!(
            "SELECT 'r' || c.oid AS object, CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || \
             quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS sql, pg_get_userbyid(c.relowner) AS owner \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ({relations}::oid[]) \
             UNION ALL SELECT 'n' || n.oid, 'SCHEMA ' || quote_ident(n.nspname), pg_get_userbyid(n.nspowner) \
             FROM pg_namespace n WHERE n.oid = ANY ({schemas}::oid[])"
        );
        let rows = format!(
            "SELECT a.object, a.col, pg_get_userbyid(x.grantor) AS grantor, \
             CASE x.grantee WHEN 0 THEN '' ELSE pg_get_userbyid(x.grantee) END AS grantee, x.privilege_type, x.is_grantable \
             FROM (SELECT 'r' || c.oid AS object, '' AS col, coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN \
             's'::\"char\" ELSE 'r'::\"char\" END, c.relowner)) AS acl, CASE c.relkind WHEN 'S' THEN ARRAY['USAGE', 'UPDATE'] \
             ELSE ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'] END AS writes \
             FROM pg_class c WHERE c.oid = ANY ({relations}::oid[]) \
             UNION ALL SELECT 'r' || t.attrelid, t.attname::text, t.attacl, ARRAY['INSERT', 'UPDATE'] \
             FROM pg_attribute t WHERE t.attrelid = ANY ({relations}::oid[]) AND t.attacl IS NOT NULL AND NOT t.attisdropped \
             UNION ALL SELECT 'n' || n.oid, '', coalesce(n.nspacl, acldefault('n', n.nspowner)), ARRAY['CREATE'] \
             FROM pg_namespace n WHERE n.oid = ANY ({schemas}::oid[])) a \
             CROSS JOIN LATERAL aclexplode(a.acl) x WHERE x.privilege_type = ANY (a.writes)"
        );
        let objects = session.rows_shown(&named, "SELECT names and owners of the objects in scope").await?;
        let rows = session.rows_shown(&rows, "SELECT aclexplode(…) of the objects in scope and their columns").await?;
        let object = |row: &Object| Some((text(row, "object")?, Named { sql: text(row, "sql")?, owner: text(row, "owner")? }));
        Ok(Self { objects: objects.iter().filter_map(object).collect(), rows: rows.iter().filter_map(grant).collect() })
    }

    /// The rows that let these roles, or everybody, write; and the rows that were passed on with their grant option.
    pub(super) fn through(&self, roles: &BTreeSet<String>) -> BTreeSet<Grant> {
        let mut found: BTreeSet<Grant> =
            self.rows.iter().filter(|row| row.grantee.is_empty() || roles.contains(&row.grantee)).cloned().collect();
        loop {
            let passed_on: Vec<_> =
                self.rows.iter().filter(|row| found.iter().any(|from| from.passed_on(row))).cloned().collect();
            let before = found.len();
            found.extend(passed_on);
            if found.len() == before {
                return found;
            }
        }
    }

    /// The column rows that a `REVOKE` of these rows deletes, because it names the whole table.
    pub(super) fn deleted_with(&self, revoked: &BTreeSet<Grant>) -> BTreeSet<Grant> {
        let whole = |row: &Grant| Grant { column: String::new(), option: false, ..row.clone() };
        let named: BTreeSet<_> = revoked.iter().filter(|row| row.column.is_empty()).map(whole).collect();
        self.rows.iter().filter(|row| !row.column.is_empty() && named.contains(&whole(row))).cloned().collect()
    }

    /// How many hands a row went through since the owner.
    fn depth(&self, row: &Grant) -> usize {
        let owner = self.objects.get(&row.object).map(|object| object.owner.as_str());
        let (mut depth, mut hand) = (0, row.grantor.as_str());
        while Some(hand) != owner && depth < self.rows.len() {
            depth += 1;
            let before = self
                .rows
                .iter()
                .find(|from| from.option && from.grantee == hand && from.object == row.object && from.privilege == row.privilege);
            let Some(before) = before else { break };
            hand = before.grantor.as_str();
        }
        depth
    }

    /// The statements that take rows away, those that were passed on first.
    pub(super) fn revokes(&self, rows: &BTreeSet<Grant>) -> Vec<String> {
        self.script(rows, true, |_, what, object, grantee| format!("REVOKE {what} ON {object} FROM {grantee}"))
    }

    /// The statements that give rows, those that pass on last.
    pub(super) fn grants(&self, rows: &BTreeSet<Grant>) -> Vec<String> {
        self.script(rows, false, |row, what, object, grantee| {
            let option = if row.option { " WITH GRANT OPTION" } else { "" };
            format!("GRANT {what} ON {object} TO {grantee}{option}")
        })
    }

    fn script(
        &self,
        rows: &BTreeSet<Grant>,
        deepest_first: bool,
        sentence: impl Fn(&Grant, &str, &str, &str) -> String,
    ) -> Vec<String> {
        // One statement per object, column, grantor, grantee and option, with all its privileges.
        let mut groups: BTreeMap<Together<'_>, Vec<&Grant>> = BTreeMap::new();
        for row in rows.iter().filter(|row| self.objects.contains_key(&row.object)) {
            let depth = self.depth(row);
            let depth = if deepest_first { usize::MAX - depth } else { depth };
            let key = (depth, row.grantor.as_str(), row.object.as_str(), row.column.as_str(), row.grantee.as_str(), row.option);
            groups.entry(key).or_default().push(row);
        }
        let mut script = Vec::new();
        let mut acting: Option<String> = None;
        for group in groups.values() {
            let (Some(row), Some(object)) = (group.first(), group.first().and_then(|row| self.objects.get(&row.object))) else {
                continue;
            };
            // As the owner is what the server does by itself; any other grantor has to be acted as.
            let wanted = (row.grantor != object.owner).then(|| row.grantor.clone());
            if wanted != acting {
                script.push(wanted.as_ref().map_or("RESET ROLE".to_owned(), |role| format!("SET LOCAL ROLE {}", quoted(role))));
                acting = wanted;
            }
            let column = if row.column.is_empty() { String::new() } else { format!(" ({})", quoted(&row.column)) };
            let what: Vec<_> = group.iter().map(|row| format!("{}{column}", row.privilege)).collect();
            let grantee = if row.grantee.is_empty() { "PUBLIC".to_owned() } else { quoted(&row.grantee) };
            script.push(sentence(row, &what.join(", "), &object.sql, &grantee));
        }
        if acting.is_some() {
            script.push("RESET ROLE".to_owned());
        }
        script
    }

    /// For a snapshot.
    pub(super) fn to_value(&self) -> Value {
        let objects: Vec<_> = self.objects.iter().map(|(key, object)| json!([key, object.sql, object.owner])).collect();
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| json!([row.object, row.column, row.grantor, row.grantee, row.privilege, row.option]))
            .collect();
        json!({ "objects": objects, "rows": rows })
    }

    /// From a snapshot.
    pub(super) fn from_value(value: &Value) -> Result<Self, ActionError> {
        let list = |key: &str| value[key].as_array().ok_or_else(|| ActionError::untouched(format!("the snapshot has no {key}")));
        let cell = |row: &Value, at: usize| row[at].as_str().unwrap_or_default().to_owned();
        let objects = list("objects")?.iter().map(|o| (cell(o, 0), Named { sql: cell(o, 1), owner: cell(o, 2) })).collect();
        let rows = list("rows")?
            .iter()
            .map(|row| Grant {
                object: cell(row, 0),
                column: cell(row, 1),
                grantor: cell(row, 2),
                grantee: cell(row, 3),
                privilege: cell(row, 4),
                option: row[5].as_bool().unwrap_or_default(),
            })
            .collect();
        Ok(Self { objects, rows })
    }
}

impl Grant {
    /// Whether `row` was given with the grant option of this one.
    fn passed_on(&self, row: &Self) -> bool {
        self.option
            && row.grantor == self.grantee
            && row.object == self.object
            && row.privilege == self.privilege
            && row.grantee != self.grantee
            // What an owner gives comes from no grant.
            && self.grantor != self.grantee
    }

    /// For people: `INSERT (sku) on TABLE public.orders to shop_app`.
    pub(super) fn shown(&self, grants: &Grants) -> String {
        let column = if self.column.is_empty() { String::new() } else { format!(" ({})", self.column) };
        let object = grants.objects.get(&self.object).map_or(self.object.as_str(), |object| object.sql.as_str());
        let grantee = if self.grantee.is_empty() { "PUBLIC" } else { &self.grantee };
        format!("{}{column} on {object} to {grantee}", self.privilege)
    }
}

fn grant(row: &Object) -> Option<Grant> {
    Some(Grant {
        object: text(row, "object")?,
        column: text(row, "col")?,
        grantor: text(row, "grantor")?,
        grantee: text(row, "grantee")?,
        privilege: text(row, "privilege_type")?,
        option: is(row, "is_grantable"),
    })
}
