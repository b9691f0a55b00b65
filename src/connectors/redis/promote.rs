//! `redis.promote`: makes a replica a master with REPLICAOF NO ONE. Its way back makes it a replica of the same master again.

use async_trait::async_trait;
use serde_json::json;

use super::own_target;
use super::restore::after;
use super::session::{Session, open};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct Promote;

/// Whom a node follows.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Following {
    host: String,
    port: String,
}

/// What a node says of its role.
struct Role {
    following: Option<Following>,
    link: String,
    position: String,
}

impl Role {
    async fn of(session: &mut Session) -> Result<Self, ActionError> {
        let info = session.info(&["replication"]).await?;
        let found = |name: &str| info.get(name).cloned().unwrap_or_default();
        let following = (found("role") == "slave").then(|| Following { host: found("master_host"), port: found("master_port") });
        Ok(Self {
            following,
            link: found("master_link_status"),
            position: format!("{}:{}", found("master_replid"), found("master_repl_offset")),
        })
    }

    fn facts(&self) -> Value {
        json!({ "follows": self.following.as_ref().map(ToString::to_string), "link": self.link, "position": self.position })
    }
}

impl Following {
    fn saved(snapshot: &Value) -> Option<Self> {
        let part = |name: &str| snapshot["follows"][name].as_str().map(str::to_owned);
        Some(Self { host: part("host")?, port: part("port")? })
    }

    fn words(&self) -> [&str; 3] {
        ["REPLICAOF", &self.host, &self.port]
    }
}

impl std::fmt::Display for Following {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.host, self.port)
    }
}

#[async_trait]
impl Inspect for Promote {
    fn name(&self) -> &'static str {
        "redis.promote"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let mut session = open(call, own_target(call)?).await?;
        let role = Role::of(&mut session).await?;
        let (mut statements, mut undo) = (Vec::new(), Vec::new());
        if let Some(following) = &role.following {
            statements.push("REPLICAOF NO ONE".to_owned());
            undo.push(following.words().join(" "));
        }
        Ok(Inspection {
            identity: session.identity().await?,
            state: role.facts(),
            statements,
            undo_statements: undo,
            expected_ms: Some(20),
            ..Inspection::default()
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let mut session = open(call, own_target(call)?).await?;
        let role = Role::of(&mut session).await?;
        let follows = role.following.as_ref().map(|f| json!({ "host": f.host, "port": f.port }));
        Ok(json!({ "identity": session.identity().await?, "follows": follows, "position": role.position }))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let role = Role::of(&mut open_any_role(call).await?).await?;
        let finding = if role.following.is_none() { Finding::Applied } else { Finding::NotApplied };
        Ok(Probed { finding, outputs: json!({ "position": role.position }), facts: role.facts() })
    }
}

/// A session whose identity is asserted except for the role and the history, which are what this action changes.
async fn open_any_role(call: &Call) -> Result<Session, ActionError> {
    let mut target = own_target(call)?.clone();
    let mut identity = target.settings.map("identity")?;
    identity.retain(|key, _| key != "role" && key != "replication_id");
    let mut settings = crate::model::Object::new();
    for name in target.settings.names() {
        settings.insert(name.to_owned(), target.settings.get(name).cloned().unwrap_or(Value::Null));
    }
    settings.insert("identity".to_owned(), Value::Object(identity));
    target.settings = crate::model::Arguments::new(settings);
    open(call, &target).await
}

#[async_trait]
impl Act for Promote {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let mut session = open_any_role(call).await?;
        if Role::of(&mut session).await?.following.is_some() {
            session.change(&["REPLICAOF", "NO", "ONE"]).await?;
        }
        let role = Role::of(&mut session).await.map_err(|error| after(error, true))?;
        Ok(Applied { outputs: json!({ "position": role.position }) })
    }

    /// A new session, which sees a master that its configuration lets take writes.
    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let prove = async {
            let mut session = open_any_role(call).await?;
            let role = Role::of(&mut session).await?;
            if let Some(following) = &role.following {
                return Err(ActionError::touched(format!("{} follows {following}", session.address)));
            }
            Ok(Evidence::new(json!({ "identity": session.identity().await?, "state": role.facts() })))
        };
        prove.await.map_err(|error| after(error, true))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let saved = Following::saved(snapshot);
        let words: Vec<&str> = saved.as_ref().map_or(vec!["REPLICAOF", "NO", "ONE"], |saved| saved.words().to_vec());
        let undo = async {
            let mut session = open_any_role(call).await?;
            let before = Role::of(&mut session).await?;
            if before.following != saved {
                session.change(&words).await?;
            }
            let now = Role::of(&mut session).await.map_err(|error| after(error, true))?;
            if now.following != saved {
                return Err(ActionError::touched(format!("{} does not follow what it followed before", session.address)));
            }
            Ok(Evidence::new(json!({ "identity": session.identity().await?, "before": before.facts(), "now": now.facts() })))
        };
        undo.await.map_err(|error| error.manual(vec![words.join(" ")]))
    }
}
