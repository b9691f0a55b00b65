//! `pgbouncer.switch`: PAUSE, the entry changed on disk, RELOAD at every process, RESUME. What begins ends: whatever fails after
//! the PAUSE, the files go back and clients are served again.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::config::{Files, Stand};
use super::console::Console;
use super::ini::Route;
use super::landing::Landing;
use super::order::{Order, differences, shown, was_paused};
use super::pool::{View, resume, views};
use crate::connectors::patience::Patience;
use crate::connectors::postgres::host_and_port;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, Target};
use crate::model::{Finding, Value};

/// The action.
#[derive(Debug)]
pub struct Switch;

/// How long the processes may take to show a new route after RELOAD.
const SHOWN_WITHIN: Duration = Duration::from_secs(5);

/// One call, taken apart.
struct Switching {
    order: Order,
    route: Route,
    files: Files,
    keep_paused: bool,
}

impl Switching {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let order = Order::of(call)?;
        let route = route(call)?;
        let files = Files::of(call, &order.database, &route)?;
        Ok(Self { order, route, files, keep_paused: call.params.flag("keep_paused")? })
    }

    fn is_there(&self, view: &View) -> bool {
        view.host == self.route.host
            && view.port == self.route.port.to_string()
            && self.route.dbname.as_ref().is_none_or(|name| *name == view.dbname)
    }

    fn snapshot(&self, found: &[View]) -> Result<Value, ActionError> {
        let mut snapshot = self.order.snapshot(found);
        snapshot["files"] = self.files.capture()?;
        Ok(snapshot)
    }

    fn outputs(&self, found: &[View]) -> Value {
        let route = format!("{}:{}", self.route.host, self.route.port);
        json!({ "processes": found.len(), "route": route, "paused": self.keep_paused })
    }

    /// RELOAD everywhere, until every process shows what `is_shown` wants.
    async fn reload(
        &self,
        consoles: &[Console],
        patience: &Patience,
        is_shown: impl Fn(&View) -> bool,
    ) -> Result<Vec<View>, ActionError> {
        for console in consoles {
            console.ask("RELOAD", patience).await?;
        }
        let patience = patience.at_most(SHOWN_WITHIN);
        let mut late = None;
        loop {
            let found = match (views(consoles, &self.order.database, &patience).await, late.take()) {
                (Ok(found), _) => found,
                (Err(error), before) => return Err(before.unwrap_or(error)),
            };
            let Some(view) = found.iter().find(|view| !is_shown(view)) else { return Ok(found) };
            let text = format!("{} still routes to {}:{} after RELOAD", view.address, view.host, view.port);
            let error = ActionError::touched(text).hint("see the pooler's log: a file that cannot be read is ignored");
            patience.sleep(Duration::from_millis(50)).await.map_err(|_| error.clone())?;
            late = Some(error);
        }
    }

    /// Everything behind the PAUSE. Clients are held while it runs.
    async fn turn(&self, consoles: &[Console], snapshot: &Value, patience: &Patience) -> Result<Vec<View>, ActionError> {
        self.files.switch(snapshot)?;
        let found = self.reload(consoles, patience, |view| self.is_there(view)).await?;
        if !self.keep_paused {
            resume(consoles, &self.order.database, patience, |_| true).await?;
        }
        Ok(found)
    }

    /// The files and routes of the snapshot, and RESUME where it was not paused.
    async fn turn_back(&self, consoles: &[Console], snapshot: &Value, patience: &Patience) -> Result<Vec<View>, ActionError> {
        self.files.put_back(snapshot)?;
        let was = |view: &View| {
            let route = json!({ "processes": [{ "address": view.address, "host": view.host, "port": view.port, "dbname": view.dbname }] });
            let old = snapshot["processes"].as_array().map(Vec::as_slice).unwrap_or_default();
            let old: Vec<_> = old.iter().filter(|process| process["address"] == view.address.as_str()).cloned().collect();
            differences(&json!({ "processes": old }), &route, &["host", "port", "dbname"]).is_empty()
        };
        self.reload(consoles, patience, was).await?;
        resume(consoles, &self.order.database, patience, |address| !was_paused(snapshot, address)).await?;
        views(consoles, &self.order.database, patience).await
    }

    fn by_hand(&self, found: &[View], snapshot: &Value) -> Vec<String> {
        let mut lines = self.files.by_hand();
        lines.extend(found.iter().map(|view| format!("-- at the console of {}: RELOAD", view.address)));
        lines.extend(self.order.resume_by_hand(found, snapshot));
        lines
    }

    async fn hold(&self, call: &Call, consoles: &[Console], helpers: &[Console]) -> Result<(), ActionError> {
        let now = self.order.views(helpers, call).await?;
        if now.iter().all(View::is_held) {
            return Ok(());
        }
        self.order.hold(call, consoles, helpers, &now).await.map(drop)
    }
}

fn route(call: &Call) -> Result<Route, ActionError> {
    let to = to(call)?;
    let (own_host, own_port) = host_and_port(call, to)?;
    let host = call.params.opt_text("host")?.map_or(own_host, str::to_owned);
    let port = call.params.opt_integer("port")?.unwrap_or(i64::from(own_port));
    let port = u16::try_from(port).map_err(|_| ActionError::untouched(format!("{port} is no port")))?;
    Ok(Route { host, port, dbname: call.params.opt_text("dbname")?.map(str::to_owned) })
}

fn to(call: &Call) -> Result<&Target, ActionError> {
    let name = call.params.text("to")?;
    call.targets.get(name).ok_or_else(|| ActionError::untouched(format!("the target `{name}` of `to` is not known")))
}

#[async_trait]
impl Inspect for Switch {
    fn name(&self) -> &'static str {
        "pgbouncer.switch"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let switching = Switching::of(call)?;
        let order = &switching.order;
        let consoles = order.open(call).await?;
        let found = order.views(&consoles, call).await?;
        let mut blockers = if switching.keep_paused && found.iter().all(View::is_held) {
            Vec::new()
        } else {
            order.blockers(&consoles, &found, call).await?
        };
        let mut block = |what: String| blockers.push(Blocker { what, owner: None });
        let files = switching.files.capture().map_err(|error| block(error.message)).unwrap_or_default();
        for left in switching.files.leftovers() {
            block(format!("{} is left of another run", left.display()));
        }
        let each = |verb: &str| order.each(verb, &found);
        let reload: Vec<_> = found.iter().map(|view| format!("[{}] RELOAD", view.address)).collect();
        let resume = if switching.keep_paused { Vec::new() } else { each("RESUME") };
        let back = switching.files.by_hand();
        Ok(Inspection {
            identity: order.way.identity(),
            state: json!({
                "processes": shown(&found), "files": files,
                "query_through_the_pooler": Landing::of(call)?.word(switching.keep_paused),
            }),
            statements: [each("PAUSE"), switching.files.statements(), reload.clone(), resume].concat(),
            undo_statements: [each("PAUSE"), back, reload, each("RESUME")].concat(),
            blockers,
            expected_ms: None,
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let switching = Switching::of(call)?;
        switching.snapshot(&switching.order.look(call).await?)
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let switching = Switching::of(call)?;
        let found = switching.order.look(call).await?;
        let stands = switching.files.stands(snapshot)?;
        let now = switching.order.snapshot(&found);
        let is_new = stands.iter().all(|stand| matches!(stand, Stand::New | Stand::Same))
            && found.iter().all(|view| switching.is_there(view) && view.paused == switching.keep_paused);
        let is_old = stands.iter().all(|stand| matches!(stand, Stand::Old | Stand::Same))
            && differences(snapshot, &now, &["paused", "host", "port", "dbname"]).is_empty();
        let finding = match (is_new, is_old) {
            (true, _) => Finding::Applied,
            (false, true) => Finding::NotApplied,
            (false, false) => Finding::Partial("the files, the routes or the pauses are between the two".to_owned()),
        };
        let files: Vec<_> = stands.iter().map(|stand| format!("{stand:?}").to_lowercase()).collect();
        Ok(Probed { finding, outputs: switching.outputs(&found), facts: json!({ "now": now, "files": files }) })
    }
}

#[async_trait]
impl Act for Switch {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        let switching = Switching::of(call)?;
        let order = &switching.order;
        let (consoles, helpers) = (order.open(call).await?, order.open(call).await?);
        let found = order.views(&helpers, call).await?;
        let stands = switching.files.stands(snapshot)?;
        if stands.contains(&Stand::Other) {
            return Err(ActionError::untouched("a configuration file is not what was captured")
                .hint("somebody else writes to it; find out who before trying again"));
        }
        let done = stands.iter().all(|stand| matches!(stand, Stand::New | Stand::Same));
        let held = |view: &View| if switching.keep_paused { view.is_held() } else { !view.paused };
        if done && found.iter().all(|view| switching.is_there(view) && held(view)) {
            return Ok(Applied { outputs: switching.outputs(&found) });
        }
        switching.hold(call, &consoles, &helpers).await?;
        let patience = Patience::of(call);
        match switching.turn(&helpers, snapshot, &patience).await {
            Ok(found) => Ok(Applied { outputs: switching.outputs(&found) }),
            Err(error) => {
                let own = Patience::for_itself(SHOWN_WITHIN);
                let back = switching.turn_back(&helpers, snapshot, &own).await;
                let text = match &back {
                    Ok(_) => format!("{}; the files are put back and clients are served as before", error.message),
                    Err(also) => format!("{}; and putting back failed: {}", error.message, also.message),
                };
                let failed = ActionError { message: text, ..error.after_change() };
                Err(if back.is_ok() { failed } else { failed.manual(switching.by_hand(&found, snapshot)) })
            }
        }
    }

    async fn prove(&self, call: &Call, snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let switching = Switching::of(call)?;
        let order = &switching.order;
        let consoles = order.open(call).await.map_err(ActionError::after_change)?;
        let found = order.views(&consoles, call).await.map_err(ActionError::after_change)?;
        let stands = switching.files.stands(snapshot).map_err(ActionError::after_change)?;
        if !stands.iter().all(|stand| matches!(stand, Stand::New | Stand::Same)) {
            return Err(ActionError::touched("a configuration file does not hold what was written"));
        }
        if let Some(view) = found.iter().find(|view| !switching.is_there(view)) {
            return Err(ActionError::touched(format!("{} routes to {}:{}", view.address, view.host, view.port)));
        }
        if let Some(view) = found.iter().find(|view| view.paused != switching.keep_paused) {
            let word = if view.paused { "paused" } else { "not paused" };
            return Err(ActionError::touched(format!("`{}` is {word} at {}", order.database, view.address)));
        }
        let landing = Landing::of(call)?;
        let landed = if switching.keep_paused {
            json!(landing.word(true))
        } else {
            landing.prove(call, &order.way, &order.database, &consoles).await.map_err(ActionError::after_change)?
        };
        Ok(Evidence::new(json!({
            "identity": order.way.identity(), "asked": "SHOW DATABASES", "answer": shown(&found), "files": snapshot["files"],
            "query": landed,
        })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let switching = Switching::of(call)?;
        let order = &switching.order;
        let (consoles, helpers) = (order.open(call).await?, order.open(call).await?);
        let found = order.views(&helpers, call).await?;
        let keys = ["paused", "host", "port", "dbname"];
        let stands = switching.files.stands(snapshot)?;
        let is_old = stands.iter().all(|stand| matches!(stand, Stand::Old | Stand::Same));
        if !is_old || !differences(snapshot, &order.snapshot(&found), &keys).is_empty() {
            let by_hand = || switching.by_hand(&found, snapshot);
            if stands.contains(&Stand::Other) {
                let text = "a configuration file is no longer what this step wrote";
                return Err(ActionError::untouched(text).hint("look at it first; then put the old file back").manual(by_hand()));
            }
            switching.hold(call, &consoles, &helpers).await.map_err(|error| error.manual(by_hand()))?;
            let back = switching.turn_back(&helpers, snapshot, &Patience::of(call)).await;
            back.map_err(|error| error.after_change().manual(by_hand()))?;
        }
        let now = order.snapshot(&order.views(&helpers, call).await?);
        let left = differences(snapshot, &now, &keys);
        let whole = switching.files.stands(snapshot)?.iter().all(|stand| matches!(stand, Stand::Old | Stand::Same));
        if !left.is_empty() || !whole {
            let text = format!("the state before is not restored: {}", left.join("; "));
            return Err(ActionError::touched(text).manual(switching.by_hand(&found, snapshot)));
        }
        switching.files.tidy()?;
        let digests = switching.files.capture()?;
        Ok(Evidence::new(json!({ "identity": order.way.identity(), "differences": left, "files": digests, "now": now })))
    }
}
