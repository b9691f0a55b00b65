//! Events of the servers: what there is, the exact statements that turn one on or off, and those that run now.
//!
//! `ALTER EVENT` takes more than the state from the session that sends it: it makes the sender the definer, and the session's character
//! sets those of the event, in which its texts are read from then on. So each statement names the definer and is sent in the event's own
//! character sets.

use serde_json::json;

use super::account::Account;
use super::name::{literal, quoted};
use super::session::{Session, StatementError, text};
use crate::connectors::ActionError;
use crate::model::{Object, Value};

/// One event as it stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Event {
    pub(super) db: String,
    pub(super) name: String,
    /// `ENABLED`, `DISABLED`, or disabled because it came from a source.
    pub(super) status: String,
    definer: String,
    client: String,
    collation: String,
    db_collation: String,
    /// Its only time, or its last, UTC; none where it goes on for ever.
    last: Option<String>,
    /// Whether it ran at its only time, or is one of many times.
    ran: bool,
}

/// The word of the servers for an event that runs.
pub(super) const ENABLED: &str = "ENABLED";

/// And for one that does not.
pub(super) const DISABLED: &str = "DISABLED";

const ALL: &str = "SELECT e.EVENT_SCHEMA AS db, e.EVENT_NAME AS name, e.STATUS AS status, e.DEFINER AS definer, \
     e.CHARACTER_SET_CLIENT AS client, e.COLLATION_CONNECTION AS collation, e.DATABASE_COLLATION AS db_collation, \
     CAST(CONVERT_TZ(COALESCE(e.EXECUTE_AT, e.ENDS), e.TIME_ZONE, '+00:00') AS CHAR) AS last, \
     (e.LAST_EXECUTED IS NOT NULL OR e.EVENT_TYPE = 'RECURRING') AS ran \
     FROM information_schema.events e \
     ORDER BY e.EVENT_SCHEMA, e.EVENT_NAME";

impl Event {
    /// All events that the account may see, and the server's clock, UTC.
    pub(super) async fn all(session: &mut Session) -> Result<(Vec<Self>, String), StatementError> {
        let events = session.rows(ALL).await?.iter().map(Self::of).collect();
        Ok((events, session.value("SELECT CAST(UTC_TIMESTAMP() AS CHAR)").await?.unwrap_or_default()))
    }

    fn of(row: &Object) -> Self {
        let cell = |name| text(row, name).unwrap_or_default();
        Self {
            db: cell("db"),
            name: cell("name"),
            status: cell("status"),
            definer: cell("definer"),
            client: cell("client"),
            collation: cell("collation"),
            db_collation: cell("db_collation"),
            last: text(row, "last"),
            ran: cell("ran") == "1",
        }
    }

    /// `database.event`.
    pub(super) fn label(&self) -> String {
        format!("{}.{}", self.db, self.name)
    }

    /// The statements that give it a status and leave everything else as it is in `self`.
    pub(super) fn statements_to(&self, status: &str) -> Vec<String> {
        let word = match status {
            ENABLED => "ENABLE",
            DISABLED => "DISABLE",
            _ => "DISABLE ON SLAVE",
        };
        let (client, collation) = (literal(&self.client), literal(&self.collation));
        vec![
            format!("SET SESSION character_set_client = {client}, collation_connection = {collation}"),
            format!("ALTER DEFINER = {} EVENT {}.{} {word}", self.account().sql(), quoted(&self.db), quoted(&self.name)),
        ]
    }

    fn account(&self) -> Account {
        match self.definer.rsplit_once('@') {
            Some((user, host)) => Account::new(user, host),
            None => Account { role: true, ..Account::new(&self.definer, "") },
        }
    }

    /// Why no statement could change its state alone; none where one can.
    pub(super) fn obstacle(&self, collations: &[(String, String)]) -> Option<String> {
        let now = collations.iter().find(|(db, _)| *db == self.db).map(|(_, collation)| collation);
        if now.is_some_and(|now| *now != self.db_collation) {
            return Some(format!(
                "{} was made when its database had the collation {}: a change would give it the one of now",
                self.label(),
                self.db_collation
            ));
        }
        let plain = self.client.starts_with("utf8") || (self.db.is_ascii() && self.name.is_ascii() && self.definer.is_ascii());
        (!plain).then(|| format!("the name of {} cannot be said in {}, in which it was made", self.label(), self.client))
    }

    /// Whether its last time had passed at this moment, UTC.
    pub(super) fn is_over(&self, now: &str) -> bool {
        self.last.as_deref().is_some_and(|last| last < now)
    }

    /// Whether it stands as this one did, or as the server itself would have left it by now: off, or dropped, after its last time.
    pub(super) fn stands_as(found: Option<&Self>, saved: &Self, now: &str) -> bool {
        let by_itself = saved.status == ENABLED && saved.is_over(now);
        match found {
            Some(found) if by_itself && found.status == DISABLED => found.ran,
            Some(found) => found.status == saved.status && found.with_status_of(saved) == *saved,
            None => by_itself,
        }
    }

    /// The same event with the status, and what time does to it, of another one.
    pub(super) fn with_status_of(&self, other: &Self) -> Self {
        Self { status: other.status.clone(), last: other.last.clone(), ran: other.ran, ..self.clone() }
    }

    /// For a snapshot.
    pub(super) fn to_value(&self) -> Value {
        json!({
            "db": self.db, "name": self.name, "status": self.status, "definer": self.definer, "client": self.client,
            "collation": self.collation, "db_collation": self.db_collation, "last": self.last,
        })
    }

    /// From a snapshot.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        Some(Self {
            db: text("db")?,
            name: text("name")?,
            status: text("status")?,
            definer: text("definer")?,
            client: text("client")?,
            collation: text("collation")?,
            db_collation: text("db_collation")?,
            last: text("last"),
            ran: false,
        })
    }

    /// Whether a connection of the server itself may be a run of this event: it has its definer and its database, and no port.
    fn may_be(&self, row: &Object) -> bool {
        let cell = |name| text(row, name).unwrap_or_default();
        let definer = self.account();
        cell("user") == definer.user && (cell("host") == definer.host || definer.role) && cell("db") == self.db
    }
}

/// What a session is set back to once it has spoken for an event.
pub(super) const OWN_NAMES: &str = "SET NAMES utf8mb4";

/// Sends the statements of several events, and gives the session its own character sets back.
pub(super) async fn turn(session: &mut Session, statements: &[String]) -> Result<(), ActionError> {
    if statements.is_empty() {
        return Ok(());
    }
    let mut changed = false;
    for sql in statements {
        let sent = session.execute(sql).await;
        sent.map_err(|error| if changed { error.of_change(sql) } else { error.of_first_change(sql) })?;
        changed |= sql.starts_with("ALTER") || sql.starts_with("SET GLOBAL");
    }
    session.execute(OWN_NAMES).await.map_err(|error| ActionError::from(error).after_change())?;
    Ok(())
}

/// The collation of every database, by its name.
pub(super) async fn collations(session: &mut Session) -> Result<Vec<(String, String)>, StatementError> {
    let rows =
        session.rows("SELECT SCHEMA_NAME AS name, DEFAULT_COLLATION_NAME AS collation FROM information_schema.schemata").await?;
    Ok(rows.iter().filter_map(|row| Some((text(row, "name")?, text(row, "collation")?))).collect())
}

/// The runs of these events that have not ended, for people. One event may run several times at once.
pub(super) async fn running(session: &mut Session, events: &[Event]) -> Result<Vec<String>, StatementError> {
    let sql = "SELECT ID AS id, USER AS user, HOST AS host, DB AS db, TIME AS seconds FROM information_schema.processlist \
               WHERE COMMAND = 'Connect' OR (USER = 'event_scheduler' AND COMMAND <> 'Daemon') ORDER BY ID";
    let rows = session.silently(sql).await?;
    let cell = |row: &Object, name| text(row, name).unwrap_or_default();
    // One that has just been started has the scheduler's name and not yet its own.
    let runs = rows.iter().filter(|row| cell(row, "user") == "event_scheduler" || events.iter().any(|event| event.may_be(row)));
    Ok(runs
        .map(|row| {
            let [id, user, host, db, seconds] = ["id", "user", "host", "db", "seconds"].map(|name| cell(row, name));
            format!("connection {id} as {user}@{host} in {db} for {seconds}s")
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(definer: &str, client: &str) -> Event {
        let [definer, client] = [definer, client].map(str::to_owned);
        Event {
            db: "shop".to_owned(),
            name: "ti`ck".to_owned(),
            status: ENABLED.to_owned(),
            definer,
            client,
            collation: "latin1_swedish_ci".to_owned(),
            db_collation: "latin1_swedish_ci".to_owned(),
            last: None,
            ran: false,
        }
    }

    #[test]
    fn a_statement_names_what_it_would_change_otherwise() {
        let tick = event("app@10.%", "latin1");
        assert_eq!(
            tick.statements_to("SLAVESIDE_DISABLED"),
            [
                "SET SESSION character_set_client = 'latin1', collation_connection = 'latin1_swedish_ci'",
                "ALTER DEFINER = `app`@`10.%` EVENT `shop`.`ti``ck` DISABLE ON SLAVE",
            ]
        );
        assert!(event("keeper", "latin1").statements_to(ENABLED)[1].starts_with("ALTER DEFINER = `keeper` EVENT"));
        assert_eq!(Event::from_value(&tick.to_value()), Some(tick));
    }

    #[test]
    fn a_last_time_that_passes_is_the_servers_own_doing() {
        let (before, after) = ("2026-11-21 02:00:00", "2026-11-21 04:00:00");
        let saved = Event { last: Some("2026-11-21 03:00:00".to_owned()), ..event("app@%", "latin1") };
        let off = Event { status: DISABLED.to_owned(), ..saved.clone() };
        let ran = Event { ran: true, ..off.clone() };
        for (found, now, same) in [
            (Some(&saved), before, true),
            (Some(&off), before, false),
            (None, before, false),
            (Some(&off), after, false),
            (Some(&ran), after, true),
            (None, after, true),
        ] {
            assert_eq!(Event::stands_as(found, &saved, now), same, "{found:?} at {now}");
        }
        assert!(!Event::stands_as(None, &off, after), "one that was off is not removed by its time");
    }

    #[test]
    fn what_a_statement_would_change_along_is_an_obstacle() {
        let now = [("shop".to_owned(), "utf8mb4_bin".to_owned())];
        assert!(event("app@%", "latin1").obstacle(&now).is_some());
        assert!(event("app@%", "latin1").obstacle(&[]).is_none());
        let foreign = Event { name: "日".to_owned(), ..event("app@%", "latin1") };
        assert!(foreign.obstacle(&[]).is_some() && Event { client: "utf8mb3".to_owned(), ..foreign }.obstacle(&[]).is_none());
    }
}
