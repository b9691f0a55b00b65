//! What a freeze is asked to do, and what that means on the server as it is now.

use std::collections::BTreeSet;
use std::time::Duration;

use super::account::{Account, meant};
use super::canary::Canary;
use super::grant::Grant;
use super::grant_tables;
use super::grants::Grants;
use super::name::literal;
use super::session::{Session, text};
use super::variable::Switches;
use crate::connectors::{ActionError, Call};
use crate::model::{Object, Span};

/// What a step asks for.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) accounts: Vec<String>,
    pub(super) databases: Vec<String>,
    pub(super) server: bool,
    pub(super) canaries: Vec<Canary>,
    pub(super) barrier: Duration,
    pub(super) sessions: Sessions,
    pub(super) events: Events,
    pub(super) except_events: Vec<String>,
    pub(super) accepted: Vec<String>,
    pub(super) binlog: bool,
}

/// What happens to the sessions that may still write with the privileges they opened with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sessions {
    /// They are cut, and their open transactions rolled back.
    Cut,
    /// Those without a transaction that changed something are cut, the others when theirs has ended.
    CutBetweenTransactions,
    /// Nobody is cut: they have to go by themselves.
    Await,
}

/// What happens to events of the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Events {
    /// The scheduler is stopped.
    Stop,
    /// They run; each that may write has to be accepted by name.
    Leave,
}

impl Order {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let params = &call.params;
        let cut = params.get("cut_sessions").is_none() || params.flag("cut_sessions")?;
        let wait = params.opt_text("transactions")? == Some("wait");
        let order = Self {
            accounts: params.texts("accounts")?,
            databases: params.texts("databases")?,
            server: params.flag("server")?,
            canaries: Canary::all(call)?,
            barrier: params.opt_span("barrier_within")?.unwrap_or(Span::from_secs(10)).as_duration(),
            sessions: match (cut, wait) {
                (true, false) => Sessions::Cut,
                (true, true) => Sessions::CutBetweenTransactions,
                (false, _) => Sessions::Await,
            },
            events: if params.opt_text("events")? == Some("leave") { Events::Leave } else { Events::Stop },
            except_events: params.texts("except_events")?,
            accepted: params.texts("accept_bypasses")?,
            binlog: params.flag("binlog")?,
        };
        if order.accounts.is_empty() && !order.server {
            return Err(ActionError::untouched("nothing is to be frozen: name `accounts`, or say `server: true`"));
        }
        if order.databases.is_empty() {
            return Err(ActionError::untouched("no database is named under `databases`"));
        }
        Ok(order)
    }

    /// What it means now.
    pub(super) async fn scope(&self, session: &mut Session) -> Result<Scope, ActionError> {
        Scope::of(session, &self.accounts, &self.databases).await
    }
}

/// What a step's names mean on a server.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// The accounts that are named.
    pub(super) frozen: BTreeSet<Account>,
    /// They, their roles and the public.
    pub(super) holders: BTreeSet<Account>,
    /// The names with which somebody logs in as one of them.
    pub(super) logins: BTreeSet<String>,
    /// The databases.
    pub(super) databases: Vec<String>,
    /// Everybody's privileges.
    pub(super) grants: Grants,
    /// Pointsman's own account.
    pub(super) own: Account,
    /// The server's switches.
    pub(super) switches: Switches,
}

impl Scope {
    /// What the names of accounts and databases mean on the server as it is now.
    pub(super) async fn of(session: &mut Session, accounts: &[String], databases: &[String]) -> Result<Self, ActionError> {
        let dialect = session.dialect();
        let mut questions = vec![DATABASES, OWN, Switches::question(dialect)];
        questions.extend(grant_tables::questions(dialect));
        let mut answers = session.together(&questions).await?;
        let grants = Grants::of(session, answers.split_off(3)).await?;
        let databases = named(&answers[0], databases)?;
        let own = acts_as(&answers[1]);
        let switches = Switches::of(&answers[2]);
        let real: Vec<_> = grants.accounts.iter().filter(|account| !account.role).cloned().collect();
        let frozen: BTreeSet<Account> = meant(accounts, "account", &real, Account::label)?.into_iter().cloned().collect();
        if frozen.contains(&own) {
            return Err(ActionError::untouched(format!("{} is the account of Pointsman itself", own.label()))
                .hint("give Pointsman an account of its own; a step that locks itself out cannot be undone"));
        }
        let holders: BTreeSet<_> = frozen.iter().flat_map(|account| grants.with_roles(account)).collect();
        let mut logins: BTreeSet<String> = frozen.iter().map(|account| account.user.clone()).collect();
        logins.extend(grants.proxies.iter().filter(|(_, as_whom)| frozen.contains(as_whom)).map(|(who, _)| who.user.clone()));
        Ok(Self { frozen, holders, logins, databases, grants, own, switches })
    }

    /// The privileges that a freeze takes away: each with which one of the accounts can change something in one of the databases,
    /// at the place where it was granted.
    pub(super) fn denied(&self) -> BTreeSet<Grant> {
        self.denied_of(&self.grants.held_by(&self.holders))
    }

    /// The same among the privileges of another moment.
    pub(super) fn denied_of(&self, held: &BTreeSet<Grant>) -> BTreeSet<Grant> {
        let inside = |grant: &&Grant| self.databases.iter().any(|database| self.grants.reaches(grant, database));
        held.iter().filter(|grant| self.holders.contains(&grant.account) && grant.is_write()).filter(inside).cloned().collect()
    }

    /// What a thaw gives back: what is denied, and the exceptions from it, which go with what they are an exception from.
    pub(super) fn given_back(&self) -> BTreeSet<Grant> {
        let exceptions = self.held().into_iter().filter(Grant::is_exception);
        self.denied().into_iter().chain(exceptions).collect()
    }

    /// Everything that the holders have.
    pub(super) fn held(&self) -> BTreeSet<Grant> {
        self.grants.held_by(&self.holders)
    }

    /// Who else can write less while the freeze stands: members of a role that is not theirs alone.
    pub(super) fn also_denied(&self) -> Vec<String> {
        let denied = self.denied();
        let roles: BTreeSet<_> =
            denied.iter().map(|grant| &grant.account).filter(|account| !self.frozen.contains(account)).collect();
        let mut found = Vec::new();
        for role in roles {
            if role.user == "PUBLIC" {
                found.push("everybody, through PUBLIC".to_owned());
            }
            let members = self.grants.members(role).filter(|member| !self.holders.contains(member));
            found.extend(members.map(|member| format!("{} through {}", member.label(), role.label())));
        }
        found
    }
}

const OWN: &str = "SELECT CURRENT_USER() AS own";

const DATABASES: &str = "SELECT schema_name AS name FROM information_schema.schemata \
     WHERE schema_name NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY schema_name";

/// The account that the session acts as.
pub(super) async fn own_account(session: &mut Session) -> Result<Account, ActionError> {
    Ok(acts_as(&session.rows(OWN).await?))
}

fn acts_as(rows: &[Object]) -> Account {
    let own = rows.first().and_then(|row| text(row, "own")).unwrap_or_default();
    let (user, host) = own.rsplit_once('@').unwrap_or((&own, "%"));
    Account::new(user, host)
}

/// The databases that the patterns mean; never those of the server itself.
pub(super) async fn databases(session: &mut Session, patterns: &[String]) -> Result<Vec<String>, ActionError> {
    named(&session.rows(DATABASES).await?, patterns)
}

fn named(rows: &[Object], patterns: &[String]) -> Result<Vec<String>, ActionError> {
    let all: Vec<String> = rows.iter().filter_map(|row| text(row, "name")).collect();
    Ok(meant(patterns, "database", &all, Clone::clone)?.into_iter().cloned().collect())
}

/// `('a', 'b')`, for a statement; never empty.
pub(super) fn among<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let listed: Vec<_> = texts.into_iter().map(|text| literal(text)).collect();
    if listed.is_empty() { "(NULL)".to_owned() } else { format!("({})", listed.join(", ")) }
}
