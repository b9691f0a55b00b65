//! The ways past a freeze that revoking cannot close: each is listed by kind and name, and a person signs for it or closes it.

use std::collections::BTreeSet;

use super::grant::Grant;
use super::name::{literal, literals};
use super::scope::Scope;
use super::session::{Session, StatementError, text};
use crate::connectors::ActionError;
use crate::connectors::pattern::Pattern;

/// One way past.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Bypass {
    /// The kind, as `accept_bypasses` names it.
    pub(super) kind: &'static str,
    /// What it is: a role, a function, a view.
    pub(super) name: String,
    /// Why it matters, in words.
    pub(super) why: &'static str,
}

impl std::fmt::Display for Bypass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}: {}", self.kind, self.name, self.why)
    }
}

/// All ways past that are there now. `denied` are the rows that the freeze takes away or has taken.
pub(super) async fn inventory(session: &Session, scope: &Scope, kept: &[&Grant]) -> Result<Vec<Bypass>, ActionError> {
    let mut found = of_roles(scope);
    let tables: Vec<_> = scope.relations.iter().filter(|r| r.kind != 'S').map(|r| r.oid.clone()).collect();
    let (tables, roles) = (literals(&tables), literals(&scope.role_names()));
    let acting = literals(&scope.acting.iter().cloned().collect::<Vec<_>>());
    let holders: BTreeSet<String> = kept
        .iter()
        .filter(|row| row.object.starts_with('r') && !row.grantee.is_empty() && row.privilege != "USAGE")
        .map(|row| row.grantee.clone())
        .collect();
    let holders = literals(&holders.into_iter().collect::<Vec<_>>());
    let asked = [
        (
            "superuser",
            "can write whatever is revoked",
            "SELECT rolname AS name FROM pg_roles WHERE rolsuper AND rolcanlogin \
          AND rolname <> current_user AND rolname <> session_user AND oid <> 10"
                .to_owned(),
        ),
        (
            "other_role",
            "may log in, is not frozen, and holds writes on tables in scope",
            format!(
                "SELECT DISTINCT r.rolname AS name FROM pg_roles r JOIN pg_roles h ON h.rolname = ANY ({holders}) \
             WHERE r.rolcanlogin AND NOT r.rolsuper AND r.rolname NOT IN (current_user, session_user) \
             AND r.rolname <> ALL ({roles}) AND (r.oid = h.oid OR pg_has_role(r.oid, h.oid, 'MEMBER'))"
            ),
        ),
        (
            "write_all",
            "is a member of pg_write_all_data, which no REVOKE on a table reaches",
            "SELECT r.rolname AS name \
          FROM pg_roles r WHERE r.rolcanlogin AND NOT r.rolsuper AND r.rolname NOT IN (current_user, session_user) \
          AND pg_has_role(r.oid, (SELECT oid FROM pg_roles WHERE rolname = 'pg_write_all_data'), 'MEMBER')"
                .to_owned(),
        ),
        (
            "security_definer",
            "runs with the rights of its owner, who is not frozen",
            format!(
                "SELECT DISTINCT n.nspname || '.' || p.proname AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
             CROSS JOIN pg_roles r WHERE p.prosecdef AND r.rolname = ANY ({roles}) AND n.nspname !~ '^pg_' \
             AND n.nspname <> 'information_schema' AND pg_get_userbyid(p.proowner) <> ALL ({roles}) \
             AND (has_function_privilege(r.oid, p.oid, 'EXECUTE') OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgfoid = p.oid))"
            ),
        ),
        (
            "view",
            "is outside the scope, reads a table in it, and lets the roles write through it",
            format!(
                "WITH RECURSIVE over(oid) AS (SELECT unnest({tables}::oid[]) UNION SELECT w.ev_class FROM over \
             JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = over.oid \
             AND d.classid = 'pg_rewrite'::regclass JOIN pg_rewrite w ON w.oid = d.objid) \
             SELECT DISTINCT n.nspname || '.' || c.relname AS name FROM over JOIN pg_class c ON c.oid = over.oid \
             JOIN pg_namespace n ON n.oid = c.relnamespace CROSS JOIN pg_roles r \
             WHERE c.relkind = 'v' AND c.oid <> ALL ({tables}::oid[]) AND r.rolname = ANY ({acting}) \
             AND (has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE') OR has_table_privilege(r.oid, c.oid, 'DELETE'))"
            ),
        ),
        (
            "cascade",
            "a foreign key changes a table in scope when this table changes, which is not frozen",
            format!(
                "SELECT DISTINCT n.nspname || '.' || c.relname AS name FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.contype = 'f' AND k.conrelid = ANY ({tables}::oid[]) \
             AND k.confrelid <> ALL ({tables}::oid[]) AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd'))"
            ),
        ),
        (
            "default_privilege",
            "gives the roles writes on tables that are made from now on",
            format!(
                "SELECT DISTINCT pg_get_userbyid(d.defaclrole) || ' to ' || CASE x.grantee WHEN 0 THEN 'PUBLIC' \
             ELSE pg_get_userbyid(x.grantee) END AS name FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) x \
             WHERE d.defaclobjtype IN ('r', 'S') AND x.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'USAGE') \
             AND (x.grantee = 0 OR pg_get_userbyid(x.grantee) = ANY ({acting}))"
            ),
        ),
        (
            "subscription",
            "its apply worker writes as its owner, whatever is revoked from the roles",
            "SELECT subname AS name \
          FROM pg_subscription WHERE subenabled AND subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
                .to_owned(),
        ),
        (
            "prepared_transaction",
            "writes when somebody sends COMMIT PREPARED, and holds its locks until then",
            "SELECT gid || ' of ' || owner AS name FROM pg_prepared_xacts WHERE database = current_database()".to_owned(),
        ),
    ];
    for (kind, why, sql) in asked {
        let rows = session.rows_shown(&sql, &format!("SELECT the ways past of kind {kind}")).await?;
        found.extend(rows.iter().filter_map(|row| text(row, "name")).map(|name| Bypass { kind, name, why }));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn of_roles(scope: &Scope) -> Vec<Bypass> {
    let mut found = Vec::new();
    let mut add = |kind, name: String, why| found.push(Bypass { kind, name, why });
    for role in scope.roles.iter().filter(|role| role.superuser) {
        add("superuser", role.name.clone(), "is to be frozen and is a superuser: no grant binds it");
    }
    for relation in &scope.relations {
        if scope.acting.contains(&relation.owner) {
            add("owner", format!("{} of {}", relation.owner, relation.shown()), "can give itself every right again");
        }
        if relation.kind == 'f' {
            add("foreign_table", relation.shown(), "its rows are elsewhere: no barrier waits for them");
        }
    }
    for (part, parent) in &scope.parents {
        if scope.holds(part)
            && !scope.holds(parent)
            && let Some(parent) = scope.all.iter().find(|relation| relation.oid == *parent)
        {
            add("partition", parent.shown(), "is not frozen, and writes through it reach a part that is");
        }
    }
    found
}

/// The ways past that nobody signed for. `accepted` holds kinds, or `kind/name` with a pattern for the name.
pub(super) fn unsigned(found: &[Bypass], accepted: &[String]) -> Result<Vec<Bypass>, ActionError> {
    let mut open = Vec::new();
    for bypass in found {
        let mut signed = false;
        for line in accepted {
            signed |= match line.split_once('/') {
                None => line == bypass.kind,
                Some((kind, name)) => kind == bypass.kind && (name == bypass.name || Pattern::new(name)?.means(&bypass.name)),
            };
        }
        if !signed {
            open.push(bypass.clone());
        }
    }
    Ok(open)
}

/// The prepared transactions of this database.
pub(super) async fn prepared(session: &Session) -> Result<Vec<String>, StatementError> {
    let rows = session.rows("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()").await?;
    Ok(rows.iter().filter_map(|row| text(row, "gid")).collect())
}

/// Whether a role may be acted as by this session, for statements that only a grantor can send.
pub(super) async fn may_act_as(session: &Session, role: &str) -> Result<bool, StatementError> {
    let sql = format!("SELECT pg_has_role(session_user, {}, 'MEMBER') AS may", literal(role));
    Ok(session.value(&sql).await?.as_deref() == Some("t"))
}
