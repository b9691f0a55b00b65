//! Ways on which something can still be changed although the accounts are denied. Each has a name, and a freeze refuses to start
//! while one is not accepted by its name.

use std::collections::BTreeSet;

use super::account::{Account, means};
use super::barrier;
use super::grant::{Grant, Level};
use super::order::{Events, Order, Scope, among};
use super::session::{Session, text};
use crate::connectors::{ActionError, Blocker};
use crate::model::Object;

/// One way past a freeze.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Bypass {
    /// The name by which a step accepts it: `routine shop.refill`.
    pub(super) name: String,
    why: String,
    owner: String,
}

/// What Pointsman's own account must hold everywhere; without it some of the ways would not be seen.
const SEEING: [&str; 5] = ["SELECT", "PROCESS", "SHOW VIEW", "TRIGGER", "EVENT"];

/// With these an account can give itself what was taken away, or act as somebody else.
const POWERS: [&str; 6] = ["SUPER", "CREATE USER", "SET USER", "SET_USER_ID", "SET_ANY_DEFINER", "ROLE_ADMIN"];

/// With these an account writes to a server that is read-only; `super_read_only` of MySQL stops them too.
const PAST_READ_ONLY: [&str; 3] = ["READ_ONLY ADMIN", "SUPER", "CONNECTION_ADMIN"];

/// What a server says of all that could go past a freeze, asked together.
pub(super) struct Seen {
    routines: Vec<Object>,
    events: Vec<Object>,
    /// Who applies what another server sends.
    appliers: Vec<Object>,
    /// The names of prepared transactions.
    pub(super) prepared: Vec<String>,
}

impl Seen {
    /// Asks for it.
    pub(super) async fn read(session: &mut Session) -> Result<Self, ActionError> {
        let questions = [
            "SELECT ROUTINE_SCHEMA AS db, ROUTINE_NAME AS name, ROUTINE_TYPE AS kind, DEFINER AS definer \
             FROM information_schema.routines WHERE SECURITY_TYPE = 'DEFINER'",
            "SELECT EVENT_SCHEMA AS db, EVENT_NAME AS name, DEFINER AS definer FROM information_schema.events WHERE STATUS = 'ENABLED'",
            "SELECT ID AS id FROM information_schema.processlist \
             WHERE USER = 'system user' AND COMMAND IN ('Slave_SQL', 'Slave_worker', 'Connect', 'Query')",
            barrier::PREPARED,
        ];
        let mut answers = session.together(&questions).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let (routines, events, appliers) = (next(), next(), next());
        Ok(Self { routines, events, appliers, prepared: barrier::names(&next()) })
    }
}

/// All ways past the freeze that are not accepted.
pub(super) async fn open_ways(
    session: &mut Session,
    order: &Order,
    scope: &Scope,
    seen: &Seen,
) -> Result<Vec<Bypass>, ActionError> {
    sees_everything(scope)?;
    let mut found = Vec::new();
    let rest = Rest { scope, denied: scope.denied() };
    rest.accounts(order, &mut found);
    rest.routines(seen, &mut found);
    // Nobody sets them off who may not write somewhere; the server reads a file for each view and trigger that it is asked for.
    if rest.who_keeps(Grant::is_write).is_some() {
        rest.views(session, &mut found).await?;
        rest.triggers(session, &mut found).await?;
        rest.foreign_keys(session, &mut found).await?;
    }
    rest.events(order, seen, &mut found);
    if !seen.appliers.is_empty() {
        let why = "this server applies what another one sends".to_owned();
        found.push(Bypass { name: "replication".to_owned(), why, owner: "system user".to_owned() });
    }
    found.retain(|bypass| !order.accepted.iter().any(|pattern| means(pattern, &bypass.name)));
    found.sort_unstable();
    found.dedup_by(|a, b| a.name == b.name);
    Ok(found)
}

/// As what stands in the way.
pub(super) fn blockers(ways: &[Bypass]) -> Vec<Blocker> {
    ways.iter().map(|way| Blocker { what: format!("{}: {}", way.name, way.why), owner: Some(way.owner.clone()) }).collect()
}

/// A refusal that names them.
pub(super) fn refuse(ways: &[Bypass]) -> Result<(), ActionError> {
    if ways.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = ways.iter().map(|way| format!("{} ({}; {})", way.name, way.why, way.owner)).collect();
    Err(ActionError::untouched(format!("there are ways past the freeze: {}", named.join("; ")))
        .hint("close them, or accept each by its name under `accept_bypasses`"))
}

fn sees_everything(scope: &Scope) -> Result<(), ActionError> {
    let held: BTreeSet<&str> = scope
        .grants
        .usable(&scope.own)
        .filter(|grant| grant.level == Level::Global)
        .map(|grant| grant.privilege.as_str())
        .collect();
    let missing: Vec<_> = SEEING.into_iter().filter(|privilege| !held.contains(privilege)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let own = scope.own.sql();
    Err(ActionError::untouched(format!("{} cannot see every way past the freeze", scope.own.label()))
        .hint(format!("GRANT {} ON *.* TO {own}", missing.join(", "))))
}

/// What is left to the frozen accounts, and to others.
struct Rest<'a> {
    scope: &'a Scope,
    denied: BTreeSet<Grant>,
}

impl Rest<'_> {
    /// What an account keeps under the freeze.
    fn kept<'b>(&'b self, account: &'b Account) -> impl Iterator<Item = &'b Grant> {
        self.scope.grants.usable(account).filter(|grant| !self.denied.contains(grant))
    }

    /// The frozen account that keeps a privilege which satisfies `wanted`.
    fn who_keeps(&self, wanted: impl Fn(&Grant) -> bool) -> Option<&Account> {
        self.scope.frozen.iter().find(|account| self.kept(account).any(&wanted))
    }

    /// Whether code with this definer can write: an account that is not frozen and may change one of the databases.
    fn writes_as(&self, definer: &str) -> bool {
        let (user, host) = definer.rsplit_once('@').unwrap_or((definer, ""));
        let mut account = Account::new(user, host);
        account.role = host.is_empty();
        !self.scope.frozen.contains(&account) && self.scope.grants.writes(&account, &self.scope.databases)
    }

    fn accounts(&self, order: &Order, found: &mut Vec<Bypass>) {
        let Scope { frozen, databases, grants, own, switches, .. } = self.scope;
        let passable = order.server && switches.super_read_only.is_none();
        let mut add = |name: String, why: &str, owner: &Account| {
            found.push(Bypass { name, why: why.to_owned(), owner: owner.label() });
        };
        for account in grants.accounts.iter().filter(|account| !account.role && !frozen.contains(account)) {
            let variant = account.user.is_empty() && !frozen.is_empty() || frozen.iter().any(|other| other.user == account.user);
            if variant && grants.writes(account, databases) {
                add(format!("account {}", account.label()), "the same clients may be let in as it, and it may write", account);
            }
            let past = grants.usable(account).any(|g| g.level == Level::Global && PAST_READ_ONLY.contains(&g.privilege.as_str()));
            if passable && account != own && past && grants.writes(account, databases) {
                add(format!("account {}", account.label()), "a read-only server does not stop it", account);
            }
        }
        for account in frozen {
            for grant in self.kept(account).filter(|grant| POWERS.contains(&grant.privilege.as_str())) {
                add(format!("power {} of {}", grant.privilege, account.label()), "it can undo the freeze itself", account);
            }
            let rules = |grant: &&Grant| grant.is_write() && grants.reaches(grant, "mysql") && grant.level != Level::Global;
            if self.kept(account).any(|grant| rules(&grant)) {
                add(format!("power mysql.* of {}", account.label()), "it can edit the grant tables", account);
            }
            for (_, proxied) in grants.proxies.iter().filter(|(who, _)| who == account) {
                if !frozen.contains(proxied) && grants.writes(proxied, databases) {
                    add(format!("proxy {}", proxied.label()), "an account can act as it, and it may write", account);
                }
            }
        }
    }

    fn routines(&self, seen: &Seen, found: &mut Vec<Bypass>) {
        for row in seen.routines.iter().filter(|row| self.writes_as(&cell(row, "definer"))) {
            let (db, name) = (cell(row, "db"), cell(row, "name"));
            let may_run = |grant: &Grant| {
                let here = match &grant.level {
                    Level::Routine { name: granted, .. } => granted.eq_ignore_ascii_case(&name),
                    Level::Database { .. } | Level::Global => true,
                    Level::Column { .. } | Level::Table { .. } | Level::Except { .. } => false,
                };
                here && grant.privilege == "EXECUTE" && self.scope.grants.reaches(grant, &db)
            };
            if let Some(account) = self.who_keeps(may_run) {
                let why = format!("{} may run it, and it acts as {}", account.label(), cell(row, "definer"));
                found.push(Bypass { name: format!("routine {db}.{name}"), why, owner: cell(row, "definer") });
            }
        }
    }

    async fn views(&self, session: &mut Session, found: &mut Vec<Bypass>) -> Result<(), ActionError> {
        let sql = format!(
            "SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, DEFINER AS definer FROM information_schema.views \
             WHERE SECURITY_TYPE = 'DEFINER' AND IS_UPDATABLE <> 'NO' AND TABLE_SCHEMA NOT IN {}",
            among(&self.scope.databases)
        );
        self.through_tables(session, &sql, "view", "and it acts as", found).await
    }

    async fn triggers(&self, session: &mut Session, found: &mut Vec<Bypass>) -> Result<(), ActionError> {
        let sql = format!(
            "SELECT EVENT_OBJECT_SCHEMA AS db, EVENT_OBJECT_TABLE AS name, DEFINER AS definer, TRIGGER_NAME AS object \
             FROM information_schema.triggers WHERE EVENT_OBJECT_SCHEMA NOT IN {}",
            among(&self.scope.databases)
        );
        self.through_tables(session, &sql, "trigger", "which sets it off, and it acts as", found).await
    }

    async fn through_tables(
        &self,
        session: &mut Session,
        sql: &str,
        kind: &str,
        how: &str,
        found: &mut Vec<Bypass>,
    ) -> Result<(), ActionError> {
        for row in session.rows(sql).await?.iter().filter(|row| self.writes_as(&cell(row, "definer"))) {
            let (db, table) = (cell(row, "db"), cell(row, "name"));
            if let Some(account) = self.who_keeps(|grant| self.changes(grant, &db, &table)) {
                let object = text(row, "object").unwrap_or_else(|| table.clone());
                let why = format!("{} may write to {db}.{table}, {how} {}", account.label(), cell(row, "definer"));
                found.push(Bypass { name: format!("{kind} {db}.{object}"), why, owner: cell(row, "definer") });
            }
        }
        Ok(())
    }

    /// Whether a privilege changes rows of one table.
    fn changes(&self, grant: &Grant, db: &str, name: &str) -> bool {
        let here = match &grant.level {
            Level::Column { table, .. } | Level::Table { table, .. } => table.eq_ignore_ascii_case(name),
            Level::Database { .. } | Level::Global => true,
            Level::Routine { .. } | Level::Except { .. } => false,
        };
        here && grant.is_write() && self.scope.grants.reaches(grant, db)
    }

    async fn foreign_keys(&self, session: &mut Session, found: &mut Vec<Bypass>) -> Result<(), ActionError> {
        let databases = among(&self.scope.databases);
        let sql = format!(
            "SELECT CONSTRAINT_SCHEMA AS db, CONSTRAINT_NAME AS name, UNIQUE_CONSTRAINT_SCHEMA AS parent, \
             REFERENCED_TABLE_NAME AS parent_table FROM information_schema.referential_constraints \
             WHERE CONSTRAINT_SCHEMA IN {databases} AND UNIQUE_CONSTRAINT_SCHEMA NOT IN {databases} \
             AND (UPDATE_RULE NOT IN ('RESTRICT', 'NO ACTION') OR DELETE_RULE NOT IN ('RESTRICT', 'NO ACTION'))"
        );
        for row in &session.rows(&sql).await? {
            let (parent, table) = (cell(row, "parent"), cell(row, "parent_table"));
            if let Some(account) = self.who_keeps(|grant| self.changes(grant, &parent, &table)) {
                let why = format!("{} may write to {parent}.{table}, and the key changes rows after it", account.label());
                let name = format!("foreign key {}.{}", cell(row, "db"), cell(row, "name"));
                found.push(Bypass { name, why, owner: account.label() });
            }
        }
        Ok(())
    }

    fn events(&self, order: &Order, seen: &Seen, found: &mut Vec<Bypass>) {
        if order.events == Events::Leave && self.scope.switches.event_scheduler.as_deref() == Some("ON") {
            for event in writing_events(order, self.scope, seen) {
                let name = format!("event {}.{}", event.0, event.1);
                found.push(Bypass { name, why: "the scheduler runs it, and it may write".to_owned(), owner: event.2 });
            }
        }
    }
}

/// The events that may write to the databases: schema, name, definer.
pub(super) fn writing_events(order: &Order, scope: &Scope, seen: &Seen) -> Vec<(String, String, String)> {
    let rest = Rest { scope, denied: scope.denied() };
    let events = seen.events.iter().map(|row| (cell(row, "db"), cell(row, "name"), cell(row, "definer")));
    let events = events.filter(|(db, name, _)| {
        let named = format!("{db}.{name}");
        !order.except_events.iter().any(|pattern| means(pattern, &named))
    });
    events.filter(|(_, _, definer)| rest.writes_as(definer)).collect()
}

fn cell(row: &Object, column: &str) -> String {
    text(row, column).unwrap_or_default()
}
