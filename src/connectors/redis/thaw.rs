//! `redis.allow_writes`: gives users their right to write back: the rules that a freeze saved, or rules that the step names.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde_json::json;

use super::account::{Account, Chosen, accounts, own_name, same_rules};
use super::canary::{self, Canary, Write};
use super::group::Group;
use super::restore::{Saved, after, by_hand, restore, save};
use super::survey::nobody;
use super::{own_target, reply};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct AllowWrites;

/// What a step asks for.
#[derive(Clone, Debug)]
struct Order {
    /// The output `rules` of a freeze.
    rules: Option<Value>,
    chosen: Chosen,
    allow: Vec<String>,
    canaries: Vec<(String, Option<String>)>,
    save: Saved,
}

/// What one user at one node has now, and the command that gives it what it shall have.
struct Wanted {
    account: Account,
    words: Vec<String>,
    /// The rules that it shall have, where they are known word by word.
    rules: Option<String>,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let order = Self {
            rules: call.params.get("rules").cloned(),
            chosen: Chosen::of(&call.params)?,
            allow: call.params.texts("allow")?,
            canaries: canary::given(&call.params)?,
            save: Saved::of(&call.params)?,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '|' | '_' | '-' | '.');
        if let Some(odd) = order.allow.iter().find(|what| what.starts_with('-') || what.is_empty() || !what.chars().all(plain)) {
            return Err(ActionError::untouched(format!("`{odd}` under `allow` is neither a command nor a category")));
        }
        match (&order.rules, order.chosen.users.is_empty(), order.allow.is_empty()) {
            (Some(Value::Object(_)), true, true) | (None, false, false) => Ok(order),
            _ => Err(ActionError::untouched("give either `rules` (the output of a freeze), or `users` together with `allow`")),
        }
    }

    /// What each user of a node shall have.
    fn wanted(&self, node: &str, found: &[Account], own: &str) -> Result<Vec<Wanted>, ActionError> {
        if let Some(rules) = &self.rules {
            let saved = rules[node].as_object();
            let saved = saved.ok_or_else(|| ActionError::untouched(format!("`rules` say nothing about {node}")))?;
            let one = |(user, rules): (&String, &Value)| {
                let account = found.iter().find(|account| account.name == *user);
                let account = account.ok_or_else(|| ActionError::untouched(format!("{node}: the user `{user}` is gone")))?;
                let rules = rules.as_str().ok_or_else(|| ActionError::untouched(format!("`rules` of `{user}` are no text")))?;
                let words = Account::restore(user, rules);
                Ok(Wanted { account: account.clone(), words, rules: Some(rules.to_owned()) })
            };
            return saved.iter().map(one).collect();
        }
        let meant = self.chosen.among(found, own)?.into_iter();
        Ok(meant.map(|account| Wanted { words: account.allow(&self.allow), account, rules: None }).collect())
    }

    /// The commands of `allow` that a user must be allowed now.
    async fn open(&self, node: &mut super::session::Session, wanted: &Wanted) -> Result<bool, ActionError> {
        if let Some(rules) = &wanted.rules {
            return Ok(same_rules(&wanted.account.rules(), rules));
        }
        let commands = canary::commands(node, &self.allow).await?;
        let found = canary::dry_run(node, &wanted.account.name, &commands).await?;
        Ok(found.refused == 0)
    }
}

async fn thaw(call: &Call, order: &Order) -> Result<Applied, ActionError> {
    let mut group = Group::open(call, own_target(call)?).await?;
    // The master first: it is where the writers wait.
    group.nodes.sort_by_key(|node| !node.is_master());
    let (mut changed, mut users, mut durable, mut seen) = (0_usize, BTreeSet::new(), true, Vec::new());
    for node in &mut group.nodes {
        let name = node.name();
        let fail = |error: ActionError| after(error, changed > 0);
        let own = own_name(&mut node.session).await.map_err(|fault| fail(fault.into()))?;
        let found = accounts(&mut node.session).await.map_err(fail)?;
        for wanted in order.wanted(&name, &found, &own).map_err(|error| after(error, changed > 0))? {
            users.insert(wanted.account.name.clone());
            if !order.open(&mut node.session, &wanted).await.map_err(|error| after(error, changed > 0))? {
                node.session.change(&wanted.words.iter().map(String::as_str).collect::<Vec<_>>()).await?;
                changed += 1;
            }
        }
        durable &= save(&mut node.session, order.save).await.map_err(|error| after(error, changed > 0))?;
        seen.extend(found);
    }
    if let Some(name) = nobody(&order.chosen, &seen) {
        return Err(after(ActionError::untouched(format!("`{name}` under `users` is no user on any node")), changed > 0));
    }
    Ok(Applied { outputs: json!({ "users": users, "changed": changed, "survives_restart": durable }) })
}

async fn prove(call: &Call, order: &Order) -> Result<Evidence, ActionError> {
    let target = own_target(call)?;
    let mut group = Group::open(call, target).await?;
    let (identity, mut facts) = (group.identity(), Vec::new());
    for node in &mut group.nodes {
        let name = node.name();
        let failed = |what: String| ActionError::touched(format!("writes are not accepted at {name}: {what}"));
        let own = own_name(&mut node.session).await?;
        let found = accounts(&mut node.session).await?;
        let (mut lines, mut writes) = (BTreeMap::new(), Vec::new());
        for wanted in order.wanted(&name, &found, &own)? {
            let user = &wanted.account.name;
            if !order.open(&mut node.session, &wanted).await? {
                return Err(failed(format!("`{user}` has {}", wanted.account.rules())));
            }
            lines.insert(user.clone(), wanted.account.rules());
            let Some((_, password)) = order.canaries.iter().find(|(name, _)| name == user) else { continue };
            let session = &mut node.session;
            let canary = Canary::before(call, target, session, &wanted.account, password.as_deref()).await?;
            let mut canary = canary.ok_or_else(|| failed(format!("`{user}` may do no harmless write")))?;
            let end = canary.send().await?;
            writes.push(canary.facts(&end));
            match end {
                Write::Accepted => {}
                Write::Refused(why) | Write::Broken(why) => return Err(failed(format!("the canary of `{user}`: {why}"))),
            }
        }
        facts.push(json!({ "node": name, "users": lines, "canaries": writes }));
    }
    Ok(Evidence::new(json!({ "identity": identity, "nodes": facts })))
}

#[async_trait]
impl Inspect for AllowWrites {
    fn name(&self) -> &'static str {
        "redis.allow_writes"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let mut group = Group::open(call, own_target(call)?).await?;
        let mut inspection = Inspection { identity: group.identity(), ..Inspection::default() };
        let mut state = BTreeMap::new();
        for node in &mut group.nodes {
            let name = node.name();
            let own = own_name(&mut node.session).await?;
            let found = accounts(&mut node.session).await?;
            for wanted in order.wanted(&name, &found, &own)? {
                state.insert(format!("{} at {name}", wanted.account.name), wanted.account.shown());
                if order.open(&mut node.session, &wanted).await? {
                    continue;
                }
                let shown =
                    |words: &[String]| format!("{name}: {}", reply::shown(&words.iter().map(String::as_str).collect::<Vec<_>>()));
                inspection.statements.push(shown(&wanted.words));
                let back = Account::restore(&wanted.account.name, &wanted.account.rules());
                inspection.undo_statements.push(shown(&back));
            }
        }
        inspection.state = json!(state);
        Ok(inspection)
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call)?;
        let mut group = Group::open(call, own_target(call)?).await?;
        let (identity, mut rules) = (group.identity(), BTreeMap::new());
        for node in &mut group.nodes {
            let own = own_name(&mut node.session).await?;
            let found = accounts(&mut node.session).await?;
            let wanted = order.wanted(&node.name(), &found, &own)?;
            let users: BTreeMap<_, _> = wanted.iter().map(|w| (w.account.name.clone(), w.account.rules())).collect();
            rules.insert(node.name(), users);
        }
        Ok(json!({ "identity": identity, "rules": rules }))
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let order = Order::of(call)?;
        let mut group = Group::open(call, own_target(call)?).await?;
        let (mut open, mut shut, mut users) = (0_usize, Vec::new(), BTreeSet::new());
        for node in &mut group.nodes {
            let name = node.name();
            let own = own_name(&mut node.session).await?;
            let found = accounts(&mut node.session).await?;
            for wanted in order.wanted(&name, &found, &own)? {
                users.insert(wanted.account.name.clone());
                if order.open(&mut node.session, &wanted).await? {
                    open += 1;
                } else {
                    shut.push(format!("`{}` at {name}", wanted.account.name));
                }
            }
        }
        let finding = match (open, shut.is_empty()) {
            (_, true) => Finding::Applied,
            (0, false) => Finding::NotApplied,
            (_, false) => Finding::Partial(format!("not allowed yet: {}", shut.join(", "))),
        };
        let outputs = json!({ "users": users, "changed": open, "survives_restart": null });
        Ok(Probed { finding, outputs, facts: json!({ "open": open, "shut": shut }) })
    }
}

#[async_trait]
impl Act for AllowWrites {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        thaw(call, &Order::of(call)?).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        prove(call, &Order::of(call)?).await.map_err(|error| after(error, true))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let (order, manual) = (Order::of(call)?, by_hand(&snapshot["rules"]));
        restore(call, &snapshot["rules"], order.save).await.map_err(|error| error.manual(manual))
    }
}
