//! `redis.freeze_writes`: takes the right to write from users, on every node, at once for the sessions that are open.
//!
//! A node runs one command at a time, so the answer to ACL SETUSER is the barrier: what came before has ended, and what comes after
//! is asked for its permission. Replicas are frozen before the master, so that a failover in between lifts nothing.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::json;

use super::account::{Account, Chosen, SELF_THAW, accounts, own_name, same_rules};
use super::canary::{self, Canary, Denied, Write, dry_run};
use super::group::{Group, Node};
use super::restore::{Saved, after, by_hand, restore, save};
use super::survey::{blocked, nobody, unblock, writers_left};
use super::{own_target, reply};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct FreezeWrites;

/// What a step asks for.
#[derive(Clone, Debug)]
struct Order {
    chosen: Chosen,
    deny: Vec<String>,
    canaries: Vec<(String, Option<String>)>,
    save: Saved,
    ignored: Vec<String>,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let deny = call.params.texts("deny")?;
        let deny = if deny.is_empty() { vec!["@write".to_owned()] } else { deny };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '|' | '_' | '-' | '.');
        if let Some(odd) = deny.iter().find(|what| what.is_empty() || !what.chars().all(plain) || what.starts_with('-')) {
            return Err(ActionError::untouched(format!(
                "`{odd}` under `deny` is neither a command nor a category such as `@write`"
            )));
        }
        Ok(Self {
            chosen: Chosen::of(&call.params)?,
            deny,
            canaries: canary::given(&call.params)?,
            save: Saved::of(&call.params)?,
            ignored: call.params.texts("ignore_replicas")?,
        })
    }

    /// The rules that are denied: what the step asks for, and what a user could thaw itself with.
    fn denied(&self) -> Vec<String> {
        self.deny.iter().cloned().chain(SELF_THAW.map(str::to_owned)).collect()
    }

    fn password(&self, user: &str) -> Option<Option<&str>> {
        self.canaries.iter().find(|(name, _)| name == user).map(|(_, password)| password.as_deref())
    }
}

/// One node with the users that are to be frozen there.
struct Scope<'a> {
    node: &'a mut Node,
    accounts: Vec<Account>,
    frozen: Vec<Account>,
    commands: Vec<Denied>,
}

impl<'a> Scope<'a> {
    async fn of(node: &'a mut Node, order: &Order) -> Result<Self, ActionError> {
        let own = own_name(&mut node.session).await?;
        let accounts = accounts(&mut node.session).await?;
        let frozen = order.chosen.among(&accounts, &own)?;
        let commands = canary::commands(&mut node.session, &order.denied()).await?;
        Ok(Self { node, accounts, frozen, commands })
    }
}

/// The nodes, replicas first.
async fn scopes<'a>(group: &'a mut Group, order: &Order) -> Result<Vec<Scope<'a>>, ActionError> {
    group.master()?;
    group.refuse_unlisted(&order.ignored).await?;
    let mut found = Vec::new();
    for node in &mut group.nodes {
        found.push(Scope::of(node, order).await?);
    }
    let everybody: Vec<_> = found.iter().flat_map(|scope| scope.accounts.iter().cloned()).collect();
    if let Some(name) = nobody(&order.chosen, &everybody) {
        return Err(ActionError::untouched(format!("`{name}` under `users` is no user on any node")));
    }
    if found.iter().all(|scope| scope.frozen.is_empty()) {
        return Err(ActionError::untouched("there is no user to freeze"));
    }
    if let Some((name, _)) =
        order.canaries.iter().find(|(name, _)| !found.iter().any(|s| s.frozen.iter().any(|a| a.name == *name)))
    {
        return Err(ActionError::untouched(format!("`{name}` under `canaries` is not among the users to freeze")));
    }
    found.sort_by_key(|scope| scope.node.is_master());
    Ok(found)
}

/// Freezes one node. The canaries are sessions that were open before.
async fn freeze_node(call: &Call, order: &Order, scope: &mut Scope<'_>, changed: &mut bool) -> Result<usize, ActionError> {
    let session = &mut scope.node.session;
    let (mut open, mut canaries) = (Vec::new(), Vec::new());
    for account in &scope.frozen {
        let found = dry_run(session, &account.name, &scope.commands).await?;
        if found.is_frozen() {
            continue;
        }
        if let Some(password) = order.password(&account.name) {
            let canary = Canary::before(call, own_target(call)?, session, account, password).await?;
            if let Some(mut canary) = canary {
                match canary.send().await? {
                    Write::Accepted => canaries.push(canary),
                    Write::Refused(why) | Write::Broken(why) => {
                        return Err(ActionError::untouched(format!(
                            "the canary of `{}` at {} fails before the freeze: {why}",
                            account.name, session.address
                        )));
                    }
                }
            }
        }
        open.push(account.deny(&order.denied()));
    }
    for words in &open {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        *changed = true;
        session.change(&words).await?;
    }
    for canary in &mut canaries {
        match canary.send().await? {
            Write::Refused(_) => {}
            Write::Accepted => {
                return Err(ActionError::touched(format!(
                    "an open session of `{}` at {} still writes",
                    canary.user, session.address
                )));
            }
            Write::Broken(why) => return Err(ActionError::touched(format!("the canary of `{}` broke: {why}", canary.user))),
        }
    }
    let waiting = blocked(session, &scope.frozen, &scope.commands).await?;
    unblock(session, &waiting).await?;
    Ok(waiting.len())
}

async fn freeze(call: &Call, order: &Order, snapshot: &Value) -> Result<Applied, ActionError> {
    let mut group = Group::open(call, own_target(call)?).await?;
    let mut scopes = scopes(&mut group, order).await?;
    for scope in &mut scopes {
        order.save.possible(&mut scope.node.session).await?;
    }
    let (mut changed, mut unblocked, mut durable) = (false, 0, true);
    for scope in &mut scopes {
        let end = freeze_node(call, order, scope, &mut changed).await;
        unblocked += end.map_err(|error| after(error, changed))?;
    }
    let users: std::collections::BTreeSet<_> = scopes.iter().flat_map(|s| s.frozen.iter().map(|a| a.name.clone())).collect();
    for scope in &mut scopes {
        durable &= save(&mut scope.node.session, order.save).await.map_err(|error| after(error, true))?;
    }
    let nodes = scopes.len();
    drop(scopes);
    let fence = group.master()?.position().await.map_err(|error| after(error, true))?;
    let told = format!("writes of {} are refused at {}", super::count_of(users.len(), "user"), super::count_of(nodes, "node"));
    call.recorder.progress(&told);
    Ok(Applied {
        outputs: json!({
            "fence": fence, "users": users, "nodes": nodes, "unblocked": unblocked, "survives_restart": durable,
            "rules": snapshot["rules"],
        }),
    })
}

/// What is refused at one node now, by a session of this verb.
async fn prove_node(call: &Call, order: &Order, scope: &mut Scope<'_>) -> Result<Value, ActionError> {
    let name = scope.node.name();
    let failed = |what: String| ActionError::touched(format!("the freeze does not hold at {name}: {what}"));
    let session = &mut scope.node.session;
    let (mut refused, mut writes) = (0, Vec::new());
    for account in &scope.frozen {
        let found = dry_run(session, &account.name, &scope.commands).await?;
        if !found.is_frozen() {
            return Err(failed(format!("`{}` may run {}", account.name, found.open())));
        }
        refused += found.refused;
        let Some(password) = order.password(&account.name) else { continue };
        let Some(mut canary) = Canary::frozen(call, own_target(call)?, session, account, password).await? else { continue };
        let found = canary.send().await?;
        writes.push(canary.facts(&found));
        match found {
            Write::Refused(_) => {}
            Write::Accepted => return Err(failed(format!("a write of `{}` was accepted", account.name))),
            Write::Broken(why) => return Err(failed(format!("the canary of `{}` proves nothing: {why}", account.name))),
        }
    }
    if let Some(client) = blocked(session, &scope.frozen, &scope.commands).await?.first() {
        return Err(ActionError::touched(format!("{client} still waits for an element at {}", session.address)));
    }
    let left = writers_left(session, &scope.accounts, &scope.frozen, &scope.commands).await?;
    let lines: BTreeMap<_, _> = scope.frozen.iter().map(|account| (account.name.clone(), account.rules())).collect();
    Ok(json!({
        "node": scope.node.name(), "users": lines, "commands_refused": refused, "canaries": writes, "still_writing": left,
    }))
}

async fn prove(call: &Call, order: &Order, applied: &Applied) -> Result<Evidence, ActionError> {
    let mut group = Group::open(call, own_target(call)?).await?;
    let identity = group.identity();
    let mut nodes = Vec::new();
    for scope in &mut scopes(&mut group, order).await? {
        nodes.push(prove_node(call, order, scope).await?);
    }
    let now = group.master()?.position().await?;
    Ok(Evidence::new(json!({ "identity": identity, "nodes": nodes, "fence": applied.outputs["fence"], "position_now": now })))
}

#[async_trait]
impl Inspect for FreezeWrites {
    fn name(&self) -> &'static str {
        "redis.freeze_writes"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let mut group = Group::open(call, own_target(call)?).await?;
        let mut inspection = Inspection { identity: group.identity(), ..Inspection::default() };
        let (mut open, mut state) = (0_usize, Vec::new());
        for scope in &mut scopes(&mut group, &order).await? {
            let name = scope.node.name();
            let session = &mut scope.node.session;
            for account in &scope.frozen {
                if dry_run(session, &account.name, &scope.commands).await?.is_frozen() {
                    continue;
                }
                open += 1;
                let shown = |words: Vec<String>| {
                    format!("{name}: {}", reply::shown(&words.iter().map(String::as_str).collect::<Vec<_>>()))
                };
                inspection.statements.push(shown(account.deny(&order.denied())));
                inspection.undo_statements.push(shown(Account::restore(&account.name, &account.rules())));
            }
            let left = writers_left(session, &scope.accounts, &scope.frozen, &scope.commands).await?;
            let own = own_name(session).await?;
            inspection.blockers.extend(left.iter().filter(|user| **user != own && !order.chosen.spares(user)).map(|user| {
                Blocker { what: format!("`{user}` can write at {name} and would not be frozen"), owner: Some(user.clone()) }
            }));
            let durable = super::restore::has_file(session).await?;
            let lines: Vec<_> = scope.frozen.iter().map(Account::shown).collect();
            state.push(json!({ "node": name, "users": lines, "writers_left": left, "acl_file": durable }));
        }
        inspection.state = json!({ "users_to_freeze": open, "nodes": state });
        inspection.expected_ms = Some(20 + 5 * open as u64);
        Ok(inspection)
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call)?;
        let mut group = Group::open(call, own_target(call)?).await?;
        let identity = group.identity();
        let mut rules = BTreeMap::new();
        for scope in scopes(&mut group, &order).await? {
            let users: BTreeMap<_, _> = scope.frozen.iter().map(|account| (account.name.clone(), account.rules())).collect();
            rules.insert(scope.node.name(), users);
        }
        Ok(json!({ "identity": identity, "rules": rules }))
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let order = Order::of(call)?;
        let mut group = Group::open(call, own_target(call)?).await?;
        let (mut frozen, mut changed, mut open) = (0_usize, 0_usize, Vec::new());
        let mut users = std::collections::BTreeSet::new();
        let nodes = group.nodes.len();
        for scope in &mut scopes(&mut group, &order).await? {
            let before = &snapshot["rules"][scope.node.name()];
            for account in &scope.frozen {
                users.insert(account.name.clone());
                let before = before[&account.name].as_str().unwrap_or_default();
                let moved = !same_rules(before, &account.rules());
                changed += usize::from(moved);
                if dry_run(&mut scope.node.session, &account.name, &scope.commands).await?.is_frozen() {
                    frozen += 1;
                } else {
                    let word = if moved { "changed" } else { "as before" };
                    open.push(format!("`{}` at {} ({word})", account.name, scope.node.name()));
                }
            }
        }
        let finding = match (changed, open.is_empty()) {
            (_, true) => Finding::Applied,
            (0, false) => Finding::NotApplied,
            (_, false) => Finding::Partial(format!("writes are still accepted of {}", open.join(", "))),
        };
        // Nobody who is frozen has written since; a later position is the safe one.
        let fence = group.master()?.position().await?;
        let outputs = json!({
            "fence": fence, "users": users, "nodes": nodes, "unblocked": 0, "survives_restart": null, "rules": snapshot["rules"],
        });
        Ok(Probed { finding, outputs, facts: json!({ "frozen": frozen, "open": open }) })
    }
}

#[async_trait]
impl Act for FreezeWrites {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        freeze(call, &Order::of(call)?, snapshot).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        prove(call, &Order::of(call)?, applied).await.map_err(|error| after(error, true))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let (order, manual) = (Order::of(call)?, by_hand(&snapshot["rules"]));
        restore(call, &snapshot["rules"], order.save).await.map_err(|error| error.manual(manual))
    }
}
