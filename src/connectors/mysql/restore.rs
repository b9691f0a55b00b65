//! From the privileges and switches of now to those of a snapshot, and the proof that nothing is missing and nothing is left over.

use std::collections::BTreeSet;

use serde_json::json;

use super::account::Account;
use super::grant::{self, Grant};
use super::grants::Grants;
use super::order::Scope;
use super::session::Session;
use super::variable::Switches;
use crate::connectors::ActionError;
use crate::model::{Object, Value};

/// What was there before a step: of everybody whose privileges the step changes.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    pub(super) holders: BTreeSet<Account>,
    pub(super) grants: BTreeSet<Grant>,
    pub(super) switches: Switches,
    /// The lines of `SHOW GRANTS` by account.
    shown: Object,
}

impl Saved {
    /// Takes it.
    pub(super) async fn take(session: &mut Session, scope: &Scope) -> Result<Self, ActionError> {
        let holders = scope.holders.clone();
        let shown = shown(session, &scope.grants, &holders).await?;
        Ok(Self { grants: scope.grants.held_by(&holders), switches: scope.switches.clone(), shown, holders })
    }

    /// For the journal.
    pub(super) fn to_value(&self) -> Value {
        json!({
            "holders": self.holders.iter().map(Account::to_value).collect::<Value>(),
            "grants": grant::to_value(&self.grants), "switches": self.switches.to_value(), "shown": self.shown,
        })
    }

    /// From the journal.
    pub(super) fn from_value(value: &Value) -> Result<Self, ActionError> {
        let unreadable = || ActionError::untouched("the snapshot does not say whose privileges it holds");
        let holders = value["holders"].as_array().ok_or_else(unreadable)?;
        Ok(Self {
            holders: holders.iter().map(|item| Account::from_value(item).ok_or_else(unreadable)).collect::<Result<_, _>>()?,
            grants: grant::from_value(&value["grants"])?,
            switches: Switches::from_value(&value["switches"]),
            shown: value["shown"].as_object().cloned().ok_or_else(unreadable)?,
        })
    }

    /// How now differs.
    pub(super) async fn difference(&self, session: &mut Session) -> Result<Difference, ActionError> {
        let grants = Grants::read(session).await?;
        let now = grants.held_by(&self.holders);
        Ok(Difference {
            gone: self
                .holders
                .iter()
                .filter(|account| !grants.accounts.contains(account) && account.user != "PUBLIC")
                .cloned()
                .collect(),
            missing: self.grants.difference(&now).cloned().collect(),
            extra: now.difference(&self.grants).cloned().collect(),
            switches: Switches::read(session).await?,
        })
    }

    /// What gives back these privileges and the switches, whatever was reached.
    pub(super) fn by_hand(&self, mut denied: BTreeSet<Grant>) -> Vec<String> {
        denied.extend(self.grants.iter().filter(|grant| grant.is_exception()).cloned());
        Difference { missing: denied, ..Difference::default() }.statements(self)
    }

    /// What takes these privileges away and turns the switches back, whatever was reached.
    pub(super) fn by_hand_without(&self, given: BTreeSet<Grant>) -> Vec<String> {
        Difference { extra: given, ..Difference::default() }.statements(self)
    }

    /// Whether `SHOW GRANTS` shows the same for everybody.
    async fn is_shown(&self, session: &mut Session) -> Result<(), ActionError> {
        let grants = Grants::read(session).await?;
        let now = shown(session, &grants, &self.holders).await?;
        let lines = |of: &Object, account: &str| -> BTreeSet<String> {
            of.get(account)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|line| line.as_str().map(str::to_owned))
                .collect()
        };
        for account in self.shown.keys().chain(now.keys()) {
            let (before, after) = (lines(&self.shown, account), lines(&now, account));
            if let Some(line) = before.symmetric_difference(&after).next() {
                let word = if before.contains(line) { "is missing" } else { "is left over" };
                return Err(ActionError::touched(format!("{account} is not as before: `{line}` {word}")));
            }
        }
        Ok(())
    }
}

async fn shown(session: &mut Session, grants: &Grants, holders: &BTreeSet<Account>) -> Result<Object, ActionError> {
    let mut all = Object::new();
    for account in holders.iter().filter(|account| grants.accounts.contains(account)) {
        all.insert(account.label(), json!(Grants::shown(session, account).await?));
    }
    Ok(all)
}

/// How the privileges and switches of now differ from saved ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Difference {
    gone: Vec<Account>,
    pub(super) missing: BTreeSet<Grant>,
    pub(super) extra: BTreeSet<Grant>,
    switches: Switches,
}

impl Difference {
    /// The statements that close it: the server accepts writes again before the accounts may send any.
    pub(super) fn statements(&self, saved: &Saved) -> Vec<String> {
        let (mut statements, closing) = self.switches.around(&saved.switches);
        statements.extend(self.of_privileges());
        statements.extend(closing);
        statements
    }

    /// Those among them that give and take privileges.
    pub(super) fn of_privileges(&self) -> Vec<String> {
        grant::grants(&self.missing).into_iter().chain(grant::revokes(&self.extra)).collect()
    }
}

/// Restores what was saved; answers the evidence, and whether anything had to be changed.
pub(super) async fn restore(session: &mut Session, saved: &Saved) -> Result<(Value, bool), ActionError> {
    let before = saved.difference(session).await?;
    if let Some(account) = before.gone.first() {
        return Err(ActionError::touched(format!(
            "{} is no longer there, so its privileges cannot be restored",
            account.label()
        ))
        .hint("create it again with its own password, then undo again"));
    }
    let statements = before.statements(saved);
    for sql in &statements {
        session.execute(sql).await.map_err(|error| error.of_change(sql))?;
    }
    let after = saved.difference(session).await?;
    let left = after.statements(saved);
    if let Some(first) = left.first() {
        return Err(
            ActionError::touched(format!("the state before is not restored: `{first}` would still be needed")).manual(left)
        );
    }
    saved.is_shown(session).await?;
    let evidence = json!({
        "granted": before.missing.len(), "revoked": before.extra.len(), "statements": statements.len(),
        "missing": after.missing.len(), "left_over": after.extra.len(),
        "accounts": saved.holders.iter().map(Account::label).collect::<Vec<_>>(), "switches": after.switches.to_value(),
    });
    Ok((evidence, !statements.is_empty()))
}
