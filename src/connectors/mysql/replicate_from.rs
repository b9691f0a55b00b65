//! `mysql.replicate_from`: a server follows another one, and has caught up with it: the way back is kept warm.
//!
//! A server that was the source has no position of a replica. Where it begins is therefore set to what it has itself written, and
//! only where the new source has all of that, or waits until it has: otherwise both sides have gone their own ways, and nothing is
//! changed.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::following::{Following, by_hand, start, statement};
use super::gtid::Position;
use super::name::literal;
use super::promote::{last_position, position};
use super::replica::{EVERY, Replica, named, statement as status};
use super::session::{Dialect, Session, open, text};
use super::stop_replica::channel;
use super::wait_replica::applied;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, Target, own_target};
use crate::model::{Finding, Span, Touch, Value};

/// The action.
#[derive(Debug)]
pub struct ReplicateFrom;

/// What a step asks for.
struct Order {
    channel: String,
    host: String,
    port: u16,
    user: String,
    password: String,
    /// How the replica reaches its source: `off`, `on`, `verify`.
    tls: String,
    ca: Option<String>,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let source = source(call)?;
        let opts = mysql_async::Opts::from_url(source.settings.text("url")?)
            .map_err(|_| ActionError::untouched(format!("the address of {} is none", source.name)))?;
        let port = match call.params.opt_integer("port")? {
            Some(port) => u16::try_from(port).map_err(|_| ActionError::untouched(format!("{port} is no port")))?,
            None => opts.tcp_port(),
        };
        Ok(Self {
            channel: channel(call)?,
            host: call.params.opt_text("host")?.unwrap_or(opts.ip_or_hostname()).to_owned(),
            port,
            user: call.params.text("user")?.to_owned(),
            password: call.params.text("password")?.to_owned(),
            tls: call.params.opt_text("tls")?.unwrap_or("off").to_owned(),
            ca: call.params.opt_text("ca")?.map(str::to_owned),
        })
    }

    fn change(&self, dialect: Dialect) -> (String, String) {
        let mut parts = vec![
            format!("MASTER_HOST = {}", literal(&self.host)),
            format!("MASTER_PORT = {}", self.port),
            format!("MASTER_USER = {}", literal(&self.user)),
            format!("MASTER_SSL = {}", i32::from(self.tls != "off")),
            format!("MASTER_SSL_VERIFY_SERVER_CERT = {}", i32::from(self.tls == "verify")),
            match dialect {
                Dialect::MariaDb => "MASTER_USE_GTID = slave_pos".to_owned(),
                Dialect::MySql => "MASTER_AUTO_POSITION = 1".to_owned(),
            },
        ];
        if dialect == Dialect::MySql && self.tls == "off" {
            // Without TLS its usual way of logging in asks for the source's key first, and fails where it may not.
            parts.push("GET_MASTER_PUBLIC_KEY = 1".to_owned());
        }
        parts.extend(self.ca.as_ref().map(|ca| format!("MASTER_SSL_CA = {}", literal(ca))));
        statement(dialect, &self.channel, &parts, &self.password)
    }

    /// Whether a replica follows the server and account of this order.
    fn is_met_by(&self, replica: &Replica) -> bool {
        replica.source() == format!("{}:{}", self.host, self.port)
            && replica.field("Master_User") == self.user
            && replica.uses_gtid()
    }
}

fn source(call: &Call) -> Result<&Target, ActionError> {
    let name = call.params.text("source")?;
    let found = call.targets.get(name).filter(|target| target.connector == "mysql");
    found.ok_or_else(|| ActionError::untouched(format!("`{name}` under `source` is no target of MySQL or MariaDB")))
}

/// Everything that a server has in its log.
async fn logged(session: &mut Session) -> Result<Position, ActionError> {
    let sql = match session.dialect() {
        Dialect::MariaDb => "SELECT @@global.gtid_binlog_pos AS logged",
        Dialect::MySql => "SELECT @@global.gtid_executed AS logged",
    };
    let found = session.value(sql).await?.unwrap_or_default();
    Position::parse(session.dialect(), &found).map_err(ActionError::untouched)
}

/// What the replica-to-be wrote and the source does not have, nor gets by itself: nothing is on its way where the source applies
/// what this server writes. Where `wait` says so, that is waited for.
async fn diverged(own: &mut Session, call: &Call, wait: bool) -> Result<Vec<String>, ActionError> {
    let (written, there) = tokio::join!(logged(own), open(call, source(call)?));
    let (written, mut there) = (written?, there?);
    if there.identity()["server_id"] == own.identity()["server_id"] {
        return Err(ActionError::untouched("both servers have the same server id: neither would hear the other"));
    }
    let patience = own.patience().clone();
    let missing = loop {
        let missing = logged(&mut there).await?.missing(&written);
        if missing.is_empty() || !Replica::is_fed_by(&mut there, &own.identity()["server_id"]).await? {
            break missing;
        }
        if !wait {
            break Vec::new();
        }
        if let Err(stopped) = patience.sleep(EVERY).await {
            let text = format!("the source has not applied `{}` yet; {stopped}", missing.join(","));
            return Err(ActionError::untouched(text));
        }
    };
    there.close().await;
    Ok(missing)
}

/// The position that the source has now.
async fn fence(call: &Call) -> Result<Position, ActionError> {
    let mut there = open(call, source(call)?).await?;
    let fence = logged(&mut there).await?;
    there.close().await;
    Ok(fence)
}

/// Waits until a position of the source is applied here.
async fn catch_up(own: &mut Session, channel: &str, fence: Position) -> Result<(String, Replica), ActionError> {
    let patience = own.patience().clone();
    loop {
        let replica = Replica::read_silently(own, channel).await?;
        let replica = replica.ok_or_else(|| ActionError::untouched("the server follows nobody any more"))?;
        let missing = applied(own, &replica, &fence).await?.missing(&fence);
        let facts = replica.facts();
        let running = facts["io"] == "Yes" && facts["sql"] == "Yes";
        if missing.is_empty() && running {
            return Ok((fence.to_string(), replica));
        }
        let why = format!("the replica lacks `{}`: {facts}", missing.join(","));
        if facts["io"] == "No" || facts["sql"] == "No" {
            return Err(ActionError::untouched(format!("the replication stopped; {why}")));
        }
        if let Err(stopped) = patience.sleep(EVERY).await {
            return Err(ActionError::untouched(format!("{why}; {stopped}")));
        }
    }
}

/// What has to be asked for the position up to which a server has applied what others sent it; in MySQL there is no such thing apart.
const fn applied_position(dialect: Dialect) -> Option<&'static str> {
    match dialect {
        Dialect::MariaDb => Some("SELECT @@global.gtid_slave_pos AS position"),
        Dialect::MySql => None,
    }
}

fn set_slave_pos(position: &str) -> String {
    format!("SET GLOBAL gtid_slave_pos = {}", literal(position))
}

#[async_trait]
impl Inspect for ReplicateFrom {
    fn name(&self) -> &'static str {
        "mysql.replicate_from"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (mut session, order) = (open(call, own_target(call)?).await?, Order::of(call)?);
        let dialect = session.dialect();
        let replica = Replica::read(&mut session, &order.channel).await?;
        let mut blockers = Vec::new();
        if let Some(replica) = replica.as_ref().filter(|replica| !order.is_met_by(replica)) {
            let what = format!("it already follows {} as {}", replica.source(), replica.field("Master_User"));
            blockers.push(Blocker { what, owner: None });
        }
        let own = diverged(&mut session, call, false).await?;
        if !own.is_empty() {
            blockers.push(Blocker { what: format!("it wrote `{}`, which the source does not have", own.join(",")), owner: None });
        }
        let begin = position(&mut session).await?;
        let mut statements: Vec<_> = match dialect {
            Dialect::MariaDb => begin.iter().map(|begin| set_slave_pos(begin)).collect(),
            Dialect::MySql => Vec::new(),
        };
        statements.extend([order.change(dialect).1, named(dialect, &order.channel, "START", "")]);
        let found = Inspection {
            identity: session.identity(),
            state: json!({ "replica": replica.map(|replica| replica.facts()), "begins_at": begin }),
            statements,
            undo_statements: vec![named(dialect, &order.channel, "STOP", ""), named(dialect, &order.channel, "RESET", " ALL")],
            blockers,
            ..Inspection::default()
        };
        session.close().await;
        Ok(found)
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (mut session, order) = (open(call, own_target(call)?).await?, Order::of(call)?);
        let dialect = session.dialect();
        let mut questions = vec![status(dialect), last_position(dialect)];
        questions.extend(applied_position(dialect));
        let mut answers = session.together(&questions).await?.into_iter();
        session.close().await;
        let replica = Replica::of(dialect, answers.next().unwrap_or_default(), &order.channel);
        let mut position = || answers.next().and_then(|rows| text(rows.first()?, "position"));
        if let Some(replica) = replica.as_ref().filter(|replica| !order.is_met_by(replica)) {
            let text = format!("the server already follows {} as {}", replica.source(), replica.field("Master_User"));
            return Err(ActionError::untouched(text).hint("promote it first, or give this replication a `channel` of its own"));
        }
        let before = replica.map_or(Value::Null, |replica| Following::of(&replica).to_json());
        Ok(json!({ "following": before, "begins_at": position(), "applied": position() }))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let (mut session, order) = (open(call, own_target(call)?).await?, Order::of(call)?);
        let Some(replica) = Replica::read(&mut session, &order.channel).await? else {
            let facts = json!({ "follows": null });
            return Ok(Probed { finding: Finding::NotApplied, outputs: Value::Null, facts });
        };
        let facts = replica.facts();
        let finding = if !order.is_met_by(&replica) {
            Finding::Unknown(format!("it follows {}, which is not what this step asks for", replica.source()))
        } else if facts["io"] == "Yes" && facts["sql"] == "Yes" {
            Finding::Applied
        } else {
            Finding::Partial(format!("it follows, and does not run: {facts}"))
        };
        Ok(Probed { finding, outputs: json!({ "position": null, "waited_ms": null }), facts })
    }
}

#[async_trait]
impl Act for ReplicateFrom {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        let (mut session, order) = (open(call, own_target(call)?).await?, Order::of(call)?);
        let (dialect, begun) = (session.dialect(), Instant::now());
        session.hurry(call.params.opt_span("within")?.unwrap_or(Span::from_secs(60)).as_duration());
        if Replica::read(&mut session, &order.channel).await?.is_none() {
            let own = diverged(&mut session, call, true).await?;
            if !own.is_empty() {
                let text = format!("the server wrote `{}`, which the source does not have", own.join(","));
                return Err(
                    ActionError::untouched(text).hint("the sides went their own ways: load this one anew from the source")
                );
            }
            let begins_at = snapshot["begins_at"].as_str().unwrap_or_default();
            if dialect == Dialect::MariaDb && snapshot["applied"].as_str() != Some(begins_at) {
                let sql = set_slave_pos(begins_at);
                session.execute(&sql).await.map_err(|error| error.of_change(&sql))?;
            }
            let (sql, shown) = order.change(dialect);
            session.execute_shown(&sql, &shown).await.map_err(|error| error.of_change(&shown))?;
        }
        let (started, fence) = tokio::join!(start(&mut session, &order.channel, true, true), fence(call));
        started?;
        let fence = fence.map_err(ActionError::after_change)?;
        let (fence, _) = catch_up(&mut session, &order.channel, fence).await.map_err(ActionError::after_change)?;
        session.close().await;
        let waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Applied { outputs: json!({ "position": fence, "waited_ms": waited_ms }) })
    }

    /// Reads the source's position once more, and waits until that one is applied too: both threads carry over what happens now.
    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let (session, fence) = tokio::join!(open(call, own_target(call)?), fence(call));
        let (mut session, fence) = (session.map_err(ActionError::after_change)?, fence.map_err(ActionError::after_change)?);
        session.hurry(Duration::from_secs(30));
        let (fence, replica) = catch_up(&mut session, &order.channel, fence).await.map_err(ActionError::after_change)?;
        if !order.is_met_by(&replica) {
            return Err(ActionError::touched(format!(
                "the server follows {} as {}",
                replica.source(),
                replica.field("Master_User")
            )));
        }
        let facts = json!({ "identity": session.identity(), "replica": replica.facts(), "reached": fence });
        session.close().await;
        Ok(Evidence::new(facts))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let (mut session, order) = (open(call, own_target(call)?).await?, Order::of(call)?);
        if !snapshot["following"].is_null() {
            return Ok(Evidence::new(json!({ "undo": "it followed in this way before the step" })));
        }
        let dialect = session.dialect();
        let ways = [named(dialect, &order.channel, "STOP", ""), named(dialect, &order.channel, "RESET", " ALL")];
        let undone = async {
            if let Some(replica) = Replica::read(&mut session, &order.channel).await? {
                if !order.is_met_by(&replica) {
                    let text = format!("the server follows {}, which is not of this step", replica.source());
                    return Err(ActionError::untouched(text));
                }
                for sql in &ways {
                    session.execute(sql).await.map_err(|error| error.of_change(sql))?;
                }
            }
            if let Some(replica) = Replica::read(&mut session, &order.channel).await? {
                return Err(ActionError::touched(format!("the server follows {}", replica.source())));
            }
            // MariaDB refuses to set its position back before what its own log holds (error 1948), so that stays: it names nothing but
            // transactions that the server has.
            let (now, before) = (position(&mut session).await?, &snapshot["begins_at"]);
            Ok(json!({ "identity": session.identity(), "follows": null, "position": now, "position_before": before }))
        };
        let facts = undone.await.map_err(|error: ActionError| match error.touch {
            Touch::Untouched => error.manual(ways.to_vec()),
            Touch::Possible => by_hand(error, ways.to_vec()),
        })?;
        session.close().await;
        Ok(Evidence::new(facts))
    }
}
