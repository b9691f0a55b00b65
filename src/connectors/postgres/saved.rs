//! The state before a step, and the exact way back to it: set differences of rows, empty both ways in the end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::grant::{Grant, Grants};
use super::name::{literals, quoted};
use super::scope::{Scope, is};
use super::session::{Session, StatementError, text};
use crate::connectors::ActionError;
use crate::model::Value;

/// The grants to some roles and whether these may log in, as they were.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Saved {
    /// The grants on the objects in scope to the roles that are watched.
    pub(super) grants: Grants,
    /// Whose grants they are; the empty name is PUBLIC.
    watched: BTreeSet<String>,
    /// Whether a role may log in.
    logins: BTreeMap<String, bool>,
}

/// What is between the saved state and the present one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Difference {
    /// Rows that were there and are not.
    pub(super) missing: BTreeSet<Grant>,
    /// Rows that are there and were not.
    pub(super) extra: BTreeSet<Grant>,
    /// Roles whose login is another, and what it was.
    pub(super) logins: BTreeMap<String, bool>,
    /// Objects that are gone.
    pub(super) gone: Vec<String>,
}

impl Saved {
    /// The state now, of the roles in `watched`.
    pub(super) fn of(scope: &Scope, all: &Grants, watched: BTreeSet<String>) -> Self {
        let rows = all.rows.iter().filter(|row| watched.contains(&row.grantee)).cloned().collect();
        let logins = scope.roles.iter().map(|role| (role.name.clone(), role.login)).collect();
        Self { grants: Grants { objects: all.objects.clone(), rows }, watched, logins }
    }

    /// For a snapshot.
    pub(super) fn to_value(&self, identity: Value) -> Value {
        json!({ "identity": identity, "grants": self.grants.to_value(), "watched": self.watched, "logins": self.logins })
    }

    /// From a snapshot.
    pub(super) fn from_value(value: &Value) -> Result<Self, ActionError> {
        let texts = value["watched"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let logins = value["logins"].as_object().into_iter().flatten();
        Ok(Self {
            grants: Grants::from_value(&value["grants"])?,
            watched: texts.collect(),
            logins: logins.map(|(role, login)| (role.clone(), login.as_bool().unwrap_or_default())).collect(),
        })
    }

    /// What is between it and now, and the grants now.
    pub(super) async fn difference(&self, session: &Session) -> Result<(Difference, Grants), StatementError> {
        let objects: Vec<_> = self.grants.objects.keys().cloned().collect();
        let now = Grants::on(session, &objects).await?;
        let present = |row: &&Grant| now.objects.contains_key(&row.object);
        let watched: BTreeSet<Grant> = now.rows.iter().filter(|row| self.watched.contains(&row.grantee)).cloned().collect();
        let roles: Vec<_> = self.logins.keys().cloned().collect();
        let sql = format!("SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname = ANY ({})", literals(&roles));
        let found = session.rows(&sql).await?;
        let found: BTreeMap<_, _> =
            found.iter().filter_map(|row| Some((text(row, "rolname")?, is(row, "rolcanlogin")))).collect();
        let gone = self.grants.objects.iter().filter(|(key, _)| !now.objects.contains_key(*key));
        let difference = Difference {
            missing: self.grants.rows.difference(&watched).filter(present).cloned().collect(),
            extra: watched.difference(&self.grants.rows).cloned().collect(),
            logins: self.logins.iter().filter(|(role, login)| found.get(*role) != Some(login)).map(owned).collect(),
            gone: gone.map(|(_, object)| object.sql.clone()).collect(),
        };
        Ok((difference, now))
    }

    /// The statements from now to it.
    pub(super) fn statements(&self, difference: &Difference, now: &Grants) -> Vec<String> {
        let mut known = self.grants.clone();
        known.objects.clone_from(&now.objects);
        let mut script = now.revokes(&difference.extra);
        // Taking a right on the table away deletes it on the columns too: those that are to stay are given again.
        let again = difference.missing.union(&self.grants.deleted_with(&difference.extra)).cloned().collect();
        script.extend(known.grants(&again));
        script.extend(difference.logins.iter().map(|(role, login)| login_statement(role, *login)));
        script
    }

    /// Ensures it, in one transaction; nothing is sent when it holds already. Answers how many rows were given and taken.
    ///
    /// # Errors
    /// Untouched where nothing was committed; in doubt where nobody saw the commit.
    pub(super) async fn restore(&self, session: &Session) -> Result<Value, ActionError> {
        let (before, now) = self.difference(session).await?;
        if !before.is_empty() {
            begin(session, &self.statements(&before, &now)).await?;
            let left = self.difference(session).await?.0;
            if !left.is_empty() {
                let what = left.shown(&self.grants);
                roll_back(session).await;
                return Err(ActionError::untouched(format!("the saved grants cannot be restored: {what}"))
                    .hint("the grantor may be missing, or the account may not act as the grantor; everything was rolled back"));
            }
            commit(session).await?;
        }
        let after = self.difference(session).await.map_err(|error| ActionError::touched(error.to_string()))?.0;
        if !after.is_empty() {
            return Err(ActionError::touched(format!("the saved grants are not there: {}", after.shown(&self.grants))));
        }
        Ok(json!({
            "identity": session.identity(), "given": before.missing.len(), "taken": before.extra.len(),
            "logins": before.logins, "missing": after.missing.len(), "extra": after.extra.len(), "gone": after.gone,
        }))
    }

    /// What a person sends, where the undo cannot.
    pub(super) fn by_hand(&self) -> Vec<String> {
        let mut script = vec!["BEGIN;".to_owned()];
        script.extend(self.grants.grants(&self.grants.rows).into_iter().map(|statement| format!("{statement};")));
        script.extend(self.logins.iter().map(|(role, login)| format!("{};", login_statement(role, *login))));
        script.push("COMMIT;".to_owned());
        script
    }
}

impl Difference {
    /// Whether the saved state holds, as far as its objects exist.
    pub(super) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.extra.is_empty() && self.logins.is_empty()
    }

    /// For people, the first few.
    pub(super) fn shown(&self, grants: &Grants) -> String {
        let rows = |word: &str, rows: &BTreeSet<Grant>| {
            rows.iter().take(3).map(|row| format!("{word} {}", row.shown(grants))).collect::<Vec<_>>()
        };
        let mut all = rows("missing", &self.missing);
        all.extend(rows("too much", &self.extra));
        all.extend(self.logins.keys().map(|role| format!("login of {role}")));
        all.join(", ")
    }
}

fn owned((role, login): (&String, &bool)) -> (String, bool) {
    (role.clone(), *login)
}

/// `ALTER ROLE … LOGIN`, or `NOLOGIN`.
pub(super) fn login_statement(role: &str, login: bool) -> String {
    format!("ALTER ROLE {} {}", quoted(role), if login { "LOGIN" } else { "NOLOGIN" })
}

/// Begins a transaction with these statements; nothing of it stands until [`commit`].
pub(super) async fn begin(session: &Session, statements: &[String]) -> Result<(), ActionError> {
    let mut script = vec!["BEGIN".to_owned(), "SET LOCAL lock_timeout = '5s'".to_owned()];
    script.extend(statements.iter().cloned());
    match session.execute(&script.join(";\n")).await {
        Ok(_) => Ok(()),
        Err(error) => {
            roll_back(session).await;
            Err(ActionError::untouched(format!("nothing was changed: {error}")))
        }
    }
}

/// Makes it durable.
pub(super) async fn commit(session: &Session) -> Result<(), ActionError> {
    match session.execute("COMMIT").await {
        Ok(_) => Ok(()),
        Err(error @ StatementError::Lost(_)) => Err(ActionError::in_doubt(format!("nobody saw how the commit ended: {error}"))),
        Err(error) => {
            roll_back(session).await;
            Err(ActionError::untouched(format!("the commit was refused, everything was rolled back: {error}")))
        }
    }
}

/// Takes it back. Where the connection is gone, the server does it.
pub(super) async fn roll_back(session: &Session) {
    let _ = session.execute("ROLLBACK").await;
}
