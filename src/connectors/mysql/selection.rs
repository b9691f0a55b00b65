//! Which sessions a step means: by their user, the client's host and the database that they are in, and how long they have been idle.
//!
//! What belongs to the server itself is never meant: the threads of replication and of the event scheduler, and the events that it runs.
//! Nor is a session of Pointsman's own account.

use std::time::Duration;

use super::account::means;
use super::cut::changing;
use super::order::own_account;
use super::session::{Session, text};
use crate::connectors::{ActionError, Call};
use crate::model::Object;

/// What a step asks for.
#[derive(Debug)]
pub(super) struct Selection {
    users: Vec<String>,
    hosts: Vec<String>,
    databases: Vec<String>,
    except: Vec<String>,
    idle_only: bool,
    older_than: Option<Duration>,
}

/// A session that is open.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Open {
    pub(super) id: i64,
    pub(super) user: String,
    /// With the client's port: with it and the number no other session has the same.
    pub(super) host: String,
    database: String,
    command: String,
    seconds: i64,
}

/// The commands under which the server shows what it does itself.
const OF_THE_SERVER: [&str; 7] =
    ["Connect", "Daemon", "Binlog Dump", "Binlog Dump GTID", "Slave_IO", "Slave_SQL", "Slave_worker"];

/// The names under which it does.
const SERVER: [&str; 3] = ["system user", "event_scheduler", "unauthenticated user"];

impl Selection {
    pub(super) fn of(call: &Call) -> Result<Self, ActionError> {
        let params = &call.params;
        let selection = Self {
            users: params.texts("users")?,
            hosts: params.texts("hosts")?,
            databases: params.texts("databases")?,
            except: params.texts("except")?,
            idle_only: params.flag("idle_only")?,
            older_than: params.opt_span("older_than")?.map(|span| span.as_duration()),
        };
        if selection.users.is_empty() && selection.hosts.is_empty() && selection.databases.is_empty() {
            return Err(ActionError::untouched("whose sessions? name `users`, `hosts` or `databases`"));
        }
        Ok(selection)
    }

    /// The sessions that are meant now.
    pub(super) async fn open(&self, session: &mut Session) -> Result<Vec<Open>, ActionError> {
        let own = own_account(session).await?.user;
        // Asked first: a transaction that changes something later belongs to a session that was idle at that moment.
        let busy = if self.idle_only {
            session.patience().clone().sleep(super::cut::FRESH).await?;
            changing(session).await?
        } else {
            std::collections::BTreeSet::new()
        };
        let rows = session
            .rows(
                "SELECT ID AS id, USER AS user, HOST AS host, DB AS db, COMMAND AS command, TIME AS seconds \
                 FROM information_schema.processlist ORDER BY ID",
            )
            .await?;
        let open = rows.iter().filter_map(Open::of).filter(|open| open.user != own);
        Ok(open.filter(|open| self.means(open) && !busy.contains(&open.id)).collect())
    }

    fn means(&self, open: &Open) -> bool {
        let any = |patterns: &[String], text: &str| patterns.is_empty() || patterns.iter().any(|pattern| means(pattern, text));
        let age = u64::try_from(open.seconds).unwrap_or(0);
        !open.is_of_the_server()
            && any(&self.users, &open.user)
            && any(&self.hosts, open.client())
            && any(&self.databases, &open.database)
            && !self.except.iter().any(|pattern| means(pattern, &open.user))
            && (!self.idle_only || open.command == "Sleep")
            && self.older_than.is_none_or(|older| age >= older.as_secs())
    }
}

impl Open {
    fn of(row: &Object) -> Option<Self> {
        let cell = |name| text(row, name).unwrap_or_default();
        let number = |name: &str| row.get(name).and_then(|value| value.as_i64());
        Some(Self {
            id: number("id")?,
            user: cell("user"),
            host: cell("host"),
            database: cell("db"),
            command: cell("command"),
            seconds: number("seconds").unwrap_or(0),
        })
    }

    fn is_of_the_server(&self) -> bool {
        SERVER.contains(&self.user.as_str()) || OF_THE_SERVER.contains(&self.command.as_str())
    }

    /// The client's host, without the port.
    fn client(&self) -> &str {
        match self.host.rsplit_once(':') {
            Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
            Some(_) | None => &self.host,
        }
    }

    /// By what it is told from every other one: a server that was started again counts from 1.
    pub(super) fn name(&self) -> String {
        format!("{} {}@{}", self.id, self.user, self.host)
    }

    /// Whose it is.
    pub(super) fn owner(&self) -> String {
        format!("{}@{}", self.user, self.client())
    }

    /// For messages.
    pub(super) fn described(&self) -> String {
        let place = if self.database.is_empty() { String::new() } else { format!(" in {}", self.database) };
        format!("connection {} of {}@{}{place}, {} for {}s", self.id, self.user, self.host, self.command, self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(user: &str, host: &str, database: &str, command: &str, seconds: i64) -> Open {
        let [user, host, database, command] = [user, host, database, command].map(str::to_owned);
        Open { id: 7, user, host, database, command, seconds }
    }

    fn selection(users: &[&str], hosts: &[&str]) -> Selection {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Selection {
            users: texts(users),
            hosts: texts(hosts),
            databases: Vec::new(),
            except: texts(&["shop_admin"]),
            idle_only: false,
            older_than: None,
        }
    }

    #[test]
    fn nothing_of_the_server_is_meant() {
        let all = selection(&["*"], &[]);
        assert!(all.means(&open("app", "10.0.0.1:4711", "shop", "Query", 0)));
        for (user, command) in [
            ("system user", "Slave_SQL"),
            ("system user", "Query"),
            ("event_scheduler", "Daemon"),
            ("repl", "Binlog Dump"),
            ("repl", "Binlog Dump GTID"),
            ("app", "Connect"),
            ("unauthenticated user", "Connect"),
        ] {
            assert!(!all.means(&open(user, "10.0.0.1:4711", "", command, 9)), "{user} {command}");
        }
    }

    #[test]
    fn who_is_meant_is_told_by_user_host_and_state() {
        let some = selection(&["shop*"], &["10.0.*", "::1", "localhost"]);
        assert!(some.means(&open("shop_app", "10.0.0.1:4711", "", "Sleep", 0)));
        assert!(
            some.means(&open("shop_app", "::1:4711", "", "Sleep", 0))
                && some.means(&open("shop_app", "localhost", "", "Sleep", 0))
        );
        assert!(!some.means(&open("shop_app", "10.9.0.1:4711", "", "Sleep", 0)));
        assert!(!some.means(&open("shop_admin", "10.0.0.1:4711", "", "Sleep", 0)), "an exception");
        let old = Selection { idle_only: true, older_than: Some(Duration::from_secs(60)), ..some };
        assert!(old.means(&open("shop_app", "10.0.0.1:4711", "", "Sleep", 60)));
        assert!(!old.means(&open("shop_app", "10.0.0.1:4711", "", "Sleep", 59)));
        assert!(!old.means(&open("shop_app", "10.0.0.1:4711", "", "Query", 600)));
    }
}
