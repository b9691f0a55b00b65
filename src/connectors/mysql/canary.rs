//! Writes that are sent as the application to be refused. None can touch a row: they say `WHERE FALSE`, in a transaction that is
//! rolled back. The server checks privileges before it looks for rows.
//!
//! Before a freeze the same writes must be accepted (a broken canary proves nothing); under it each must be refused with an error
//! about a permission; after the thaw the same are accepted as before.

use futures_util::future::try_join_all;
use serde_json::json;

use super::link::Link;
use super::name::{literal, quoted};
use super::session::{Session, StatementError, open_link, text};
use crate::connectors::{ActionError, Call, Target};
use crate::model::{Arguments, Value};

/// One way on which the application writes.
#[derive(Clone)]
pub(super) struct Canary {
    /// The name that logs in.
    pub(super) user: String,
    password: String,
    via: Option<String>,
    table: String,
    column: Option<String>,
}

/// How one canary write ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// It was accepted, and touched nothing.
    Accepted,
    /// It was refused for want of a permission, with this number.
    Refused(u16),
    /// It failed for another reason and proves nothing.
    Broken(String),
}

/// How all writes of one canary ended, in the order of [`KINDS`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Flight {
    /// `user table`, and `via` where it is another way.
    pub(super) name: String,
    ends: Vec<End>,
}

/// The kinds of writes.
const KINDS: [&str; 3] = ["insert", "update", "delete"];

/// No permission for the table, the column, the database; the server is read-only.
const PERMISSION: [u16; 5] = [1142, 1143, 1044, 1290, 1836];

impl Canary {
    /// The canaries that a step asks for.
    pub(super) fn all(call: &Call) -> Result<Vec<Self>, ActionError> {
        let Some(value) = call.params.get("canaries") else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(|| ActionError::untouched("`canaries` must be a list"))?;
        let one = |item: &Value| {
            let item = Arguments::new(item.as_object().cloned().unwrap_or_default());
            let account = item.text("account")?;
            Ok(Self {
                user: account.rsplit_once('@').map_or(account, |(user, _)| user).to_owned(),
                password: item.opt_text("password")?.unwrap_or_default().to_owned(),
                via: item.opt_text("via")?.map(str::to_owned),
                table: item.text("table")?.to_owned(),
                column: item.opt_text("column")?.map(str::to_owned),
            })
        };
        items.iter().map(one).collect()
    }

    fn name(&self) -> String {
        let via = self.via.as_ref().map_or_else(String::new, |via| format!(" via {via}"));
        format!("{} on {}{via}", self.user, self.table)
    }

    /// Its database and its table.
    fn place<'a>(&'a self, databases: &'a [String]) -> Result<(&'a str, &'a str), ActionError> {
        match (self.table.split_once('.'), databases) {
            (Some(parts), _) => Ok(parts),
            (None, [only]) => Ok((only.as_str(), self.table.as_str())),
            (None, _) => Err(ActionError::untouched(format!("the canary's table `{}` needs its database in front", self.table))),
        }
    }

    /// Its statements, with one of the columns that the table has.
    fn statements(&self, (db, table): (&str, &str), columns: &[String]) -> Result<Vec<String>, ActionError> {
        let wanted = self.column.as_ref().or(columns.first()).filter(|column| columns.contains(column));
        let column = wanted.ok_or_else(|| {
            ActionError::untouched(format!("the canary's table `{db}.{table}` is not there, or has no such column"))
        })?;
        let (place, column) = (format!("{}.{}", quoted(db), quoted(table)), quoted(column));
        Ok(vec![
            format!("INSERT INTO {place} ({column}) SELECT NULL FROM DUAL WHERE FALSE"),
            format!("UPDATE {place} SET {column} = NULL WHERE FALSE"),
            format!("DELETE FROM {place} WHERE FALSE"),
        ])
    }
}

/// What has to be asked for the columns that can be written.
fn columns_of((db, table): (&str, &str)) -> String {
    format!(
        "SELECT column_name AS name FROM information_schema.columns WHERE table_schema = {} AND table_name = {} \
         AND coalesce(generation_expression, '') = '' ORDER BY ordinal_position",
        literal(db),
        literal(table)
    )
}

/// A canary with its statements.
#[derive(Debug)]
pub(super) struct Ready<'a> {
    canary: &'a Canary,
    statements: Vec<String>,
}

impl Ready<'_> {
    /// Sends its writes over a connection of its own; `identity` is that of the server that must be reached.
    async fn fly(&self, call: &Call, target: &Target, identity: &Value) -> Result<Flight, ActionError> {
        let Canary { user, password, via, .. } = self.canary;
        let link = Link::as_account(call, target, via.as_deref(), user, password)?;
        let broken = |why: String| Flight { name: self.canary.name(), ends: vec![End::Broken(why); KINDS.len()] };
        let mut own = match open_link(call, target, link).await {
            Ok(opened) => opened,
            Err(error) => return Ok(broken(error.to_string())),
        };
        let there = own.identity();
        if ["server_id", "server_uuid", "hostname", "port"].iter().any(|key| identity[*key] != there[*key]) {
            own.close().await;
            return Ok(broken(format!("it reached another server: {there}")));
        }
        // In a strict mode a column without a default would be missed before the permission is.
        for sql in ["SET SESSION sql_mode = ''", "START TRANSACTION"] {
            own.silently(sql).await?;
        }
        let mut ends = Vec::new();
        for sql in &self.statements {
            ends.push(match own.execute_shown(sql, &format!("as {user}: {sql}")).await {
                Ok(_) => End::Accepted,
                Err(StatementError::Server { code, .. }) if PERMISSION.contains(&code) => End::Refused(code),
                Err(error) => End::Broken(error.to_string()),
            });
        }
        let _ = own.silently("ROLLBACK").await;
        own.close().await;
        Ok(Flight { name: self.canary.name(), ends })
    }
}

impl Flight {
    /// Why it proves nothing, where it does.
    pub(super) fn broken(&self) -> Option<String> {
        self.ends.iter().find_map(|end| match end {
            End::Broken(why) => Some(format!("the canary of {} proves nothing: {why}", self.name)),
            End::Accepted | End::Refused(_) => None,
        })
    }

    /// The kinds that were accepted.
    pub(super) fn accepted(&self) -> Vec<&'static str> {
        KINDS.into_iter().zip(&self.ends).filter(|(_, end)| **end == End::Accepted).map(|(kind, _)| kind).collect()
    }

    /// For evidence and snapshots.
    pub(super) fn facts(&self) -> Value {
        let codes: Vec<_> = self
            .ends
            .iter()
            .map(|end| match end {
                End::Accepted => json!("accepted"),
                End::Refused(code) => json!(format!("refused ({code})")),
                End::Broken(why) => json!(format!("broken: {why}")),
            })
            .collect();
        let ends: crate::model::Object = KINDS.iter().map(|kind| (*kind).to_owned()).zip(codes).collect();
        json!({ "canary": self.name, "ends": ends, "accepted": self.accepted() })
    }
}

/// The canaries with their statements, which `session` looks up: one of Pointsman's own, on the server that must be reached.
pub(super) async fn ready<'a>(
    session: &mut Session,
    canaries: &'a [Canary],
    databases: &[String],
) -> Result<Vec<Ready<'a>>, ActionError> {
    let places = canaries.iter().map(|canary| canary.place(databases)).collect::<Result<Vec<_>, _>>()?;
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let answers = session.together(&places.iter().map(|place| columns_of(*place)).collect::<Vec<_>>()).await?;
    let columns = answers.iter().map(|rows| rows.iter().filter_map(|row| text(row, "name")).collect::<Vec<_>>());
    let each = canaries.iter().zip(places).zip(columns);
    each.map(|((canary, place), columns)| Ok(Ready { canary, statements: canary.statements(place, &columns)? })).collect()
}

/// Sends all of them side by side: the application is refused meanwhile.
pub(super) async fn fly(
    call: &Call,
    target: &Target,
    identity: &Value,
    canaries: &[Ready<'_>],
) -> Result<Vec<Flight>, ActionError> {
    try_join_all(canaries.iter().map(|canary| canary.fly(call, target, identity))).await
}

/// Looks their statements up, and sends all.
pub(super) async fn fly_all(
    call: &Call,
    target: &Target,
    session: &mut Session,
    canaries: &[Canary],
    databases: &[String],
) -> Result<Vec<Flight>, ActionError> {
    let identity = session.identity();
    fly(call, target, &identity, &ready(session, canaries, databases).await?).await
}

/// Every write must be refused.
pub(super) fn all_refused(flights: &[Flight]) -> Result<(), String> {
    for flight in flights {
        if let Some(why) = flight.broken() {
            return Err(why);
        }
        if let [kind, ..] = flight.accepted()[..] {
            return Err(format!("the canary of {}: {kind} was accepted", flight.name));
        }
    }
    Ok(())
}

/// Every write of these privileges must be accepted, and at least one of each canary.
pub(super) fn all_accepted(flights: &[Flight], privileges: &[String]) -> Result<(), String> {
    for flight in flights {
        if let Some(why) = flight.broken() {
            return Err(why);
        }
        let accepted = flight.accepted();
        let given = |kind: &&str| privileges.iter().any(|privilege| privilege.eq_ignore_ascii_case(kind));
        let refused = KINDS.into_iter().filter(given).find(|kind| !accepted.contains(kind));
        if let Some(kind) = refused.or_else(|| accepted.is_empty().then_some(KINDS[0])) {
            return Err(format!("the canary of {}: {kind} was refused: {}", flight.name, flight.facts()["ends"]));
        }
    }
    Ok(())
}

/// The same writes must be accepted as at the time of the snapshot.
pub(super) fn as_before(flights: &[Flight], before: &Value) -> Result<(), String> {
    for flight in flights {
        let saved = before.as_array().into_iter().flatten().find(|saved| saved["canary"] == json!(flight.name));
        let Some(saved) = saved else { continue };
        if let Some(why) = flight.broken() {
            return Err(why);
        }
        if saved["accepted"] != json!(flight.accepted()) {
            let (was, is) = (&saved["accepted"], flight.accepted());
            return Err(format!("the canary of {}: {was} were accepted before, now {is:?}", flight.name));
        }
    }
    Ok(())
}

impl std::fmt::Debug for Canary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Canary({})", self.name())
    }
}
