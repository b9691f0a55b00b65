//! `mysql.disable_events`, `mysql.enable_events`: events by name, and the scheduler of the whole server. What runs at that moment is
//! waited for. The way back gives every event exactly the state that it had: one that was off before stays off.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::account::meant;
use super::event::{DISABLED, ENABLED, Event, OWN_NAMES, collations, running, turn};
use super::session::{Session, open};
use super::variable::Switches;
use super::{count_of, own_target, unlogged};
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Span, Value};

/// One of the two actions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Events {
    /// `mysql.disable_events`.
    Disable,
    /// `mysql.enable_events`.
    Enable,
}

/// The pause between two looks for an event that runs, and how many in a row must find none: one that is being started is not seen yet.
const EVERY: Duration = Duration::from_millis(100);
const LOOKS: usize = 3;

#[derive(Clone, Debug)]
struct Order {
    verb: Events,
    events: Vec<String>,
    scheduler: bool,
    wait: bool,
    within: Duration,
    binlog: bool,
}

impl Order {
    fn of(call: &Call, verb: Events) -> Result<Self, ActionError> {
        let params = &call.params;
        let order = Self {
            verb,
            events: params.texts("events")?,
            scheduler: params.flag("scheduler")?,
            wait: params.opt_text("running")? != Some("report"),
            within: params.opt_span("within")?.unwrap_or(Span::from_secs(600)).as_duration(),
            binlog: params.flag("binlog")?,
        };
        if order.events.is_empty() && !order.scheduler {
            return Err(ActionError::untouched("which events? name `events`, or say `scheduler: true`"));
        }
        Ok(order)
    }

    /// The status that an event gets; none where it stays as it is. One whose last time has passed is not turned on: it would run at
    /// once.
    fn status(&self, event: &Event, now: &str) -> Option<&'static str> {
        match (self.verb, event.status == ENABLED) {
            (Events::Disable, true) => Some(DISABLED),
            (Events::Enable, false) => (!event.is_over(now)).then_some(ENABLED),
            (Events::Disable, false) | (Events::Enable, true) => None,
        }
    }

    const fn word(&self) -> &'static str {
        match self.verb {
            Events::Disable => "off",
            Events::Enable => "on",
        }
    }

    fn switches(&self, now: &Switches) -> Result<Switches, ActionError> {
        match (self.scheduler, self.verb, now.event_scheduler.as_deref()) {
            (false, _, _) => Ok(now.clone()),
            (true, Events::Disable, _) => Ok(now.without_events()),
            (true, Events::Enable, Some("DISABLED")) => {
                Err(ActionError::untouched("the server was started without an event scheduler, and cannot be given one"))
            }
            (true, Events::Enable, _) => Ok(Switches { event_scheduler: Some("ON".to_owned()), ..now.clone() }),
        }
    }
}

/// What is there now, and what it has to become.
struct Sight {
    session: Session,
    all: Vec<Event>,
    meant: Vec<Event>,
    now: String,
    switches: Switches,
    wanted: Switches,
}

async fn look(call: &Call, order: &Order) -> Result<Sight, ActionError> {
    let mut session = open(call, own_target(call)?).await?;
    let (all, now) = Event::all(&mut session).await?;
    let meant: Vec<Event> = meant(&order.events, "event", &all, Event::label)?.into_iter().cloned().collect();
    let switches = Switches::read(&mut session).await?;
    let wanted = order.switches(&switches)?;
    Ok(Sight { session, all, meant, now, switches, wanted })
}

impl Sight {
    /// The events that get another status, and which.
    fn turned<'a>(&'a self, order: &Order) -> impl Iterator<Item = (&'a Event, &'static str)> {
        self.meant.iter().filter_map(|event| Some((event, order.status(event, &self.now)?)))
    }

    /// Where events are turned off the scheduler goes first, where they are turned on it comes last.
    fn statements(&self, order: &Order) -> Vec<String> {
        let turned = self.turned(order).flat_map(|(event, status)| event.statements_to(status));
        let switch = self.switches.statements_to(&self.wanted);
        match order.verb {
            Events::Disable => switch.into_iter().chain(turned).collect(),
            Events::Enable => turned.chain(switch).collect(),
        }
    }

    fn takes_back(&self, order: &Order) -> Vec<String> {
        let turned = self.turned(order).flat_map(|(event, _)| event.statements_to(&event.status));
        let switch = self.wanted.statements_to(&self.switches);
        match order.verb {
            Events::Disable => turned.chain(switch).collect(),
            Events::Enable => switch.into_iter().chain(turned).collect(),
        }
    }

    /// What stands in the way of a change of the state alone.
    async fn obstacles(&mut self, order: &Order) -> Result<Vec<String>, ActionError> {
        let collations = collations(&mut self.session).await?;
        Ok(self.turned(order).filter_map(|(event, _)| event.obstacle(&collations)).collect())
    }

    /// The events whose runs count: those that are named, or all where the scheduler is.
    fn watched(&self, order: &Order) -> Vec<Event> {
        if order.scheduler { self.all.clone() } else { self.meant.clone() }
    }

    fn facts(&self, order: &Order) -> Value {
        let by = |status: &str| self.meant.iter().filter(|event| event.status == status).map(Event::label).collect::<Vec<_>>();
        let replicas = self.meant.iter().filter(|event| event.status != ENABLED && event.status != DISABLED);
        let over = self.meant.iter().filter(|event| event.is_over(&self.now));
        json!({
            "events": self.meant.len(), "to_change": self.turned(order).count(), "enabled": by(ENABLED), "disabled": by(DISABLED),
            "disabled_on_replica": replicas.map(Event::label).collect::<Vec<_>>(),
            "over": over.map(Event::label).collect::<Vec<_>>(), "scheduler": self.switches.event_scheduler,
        })
    }
}

/// Waits until no run of these events is left; with `report` it only says which there are.
async fn ended(session: &mut Session, order: &Order, events: &[Event]) -> Result<Vec<String>, ActionError> {
    let patience = session.patience().at_most(order.within);
    let mut quiet = 0;
    loop {
        let found = running(session, events).await?;
        quiet = if found.is_empty() { quiet + 1 } else { 0 };
        if !order.wait || quiet == LOOKS {
            return Ok(found);
        }
        if let Err(stopped) = patience.sleep(EVERY).await {
            let message = format!("events are off, and what was started before still runs ({stopped}): {}", found.join("; "));
            return Err(ActionError::untouched(message).hint("give it more time under `within`, or end it: KILL with its number"));
        }
    }
}

#[async_trait]
impl Inspect for Events {
    fn name(&self) -> &'static str {
        match self {
            Self::Disable => "mysql.disable_events",
            Self::Enable => "mysql.enable_events",
        }
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call, *self)?;
        let mut sight = look(call, &order).await?;
        let obstacles = sight.obstacles(&order).await?;
        let framed = |statements: Vec<String>| match statements.is_empty() {
            true => Vec::new(),
            false => unlogged(order.binlog).into_iter().chain(statements).chain([OWN_NAMES.to_owned()]).collect(),
        };
        let (statements, undo) = (framed(sight.statements(&order)), framed(sight.takes_back(&order)));
        let mut state = sight.facts(&order);
        let watched = sight.watched(&order);
        state["running"] = json!(running(&mut sight.session, &watched).await?);
        let found = Inspection {
            identity: sight.session.identity(),
            state,
            statements,
            undo_statements: undo,
            blockers: obstacles.into_iter().map(|what| Blocker { what, owner: None }).collect(),
            expected_ms: Some(500),
        };
        sight.session.close().await;
        Ok(found)
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let sight = look(call, &Order::of(call, *self)?).await?;
        let snapshot = json!({
            "identity": sight.session.identity(), "switches": sight.switches.to_value(),
            "events": sight.meant.iter().map(Event::to_value).collect::<Vec<_>>(),
        });
        sight.session.close().await;
        Ok(snapshot)
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let order = Order::of(call, *self)?;
        let saved = Saved::from_value(snapshot)?;
        let mut sight = look(call, &order).await?;
        let (left, moved) = (sight.statements(&order).len(), !saved.statements(&order, &sight)?.is_empty());
        let watched = sight.watched(&order);
        let runs = if *self == Self::Disable && order.wait { running(&mut sight.session, &watched).await? } else { Vec::new() };
        let finding = match (left, moved, runs.first()) {
            (0, _, None) => Finding::Applied,
            (0, _, Some(run)) => Finding::Partial(format!("events are off, and one still runs: {run}: apply again, it waits")),
            (_, false, _) => Finding::NotApplied,
            (_, true, _) => Finding::Partial("some are turned and some are not".to_owned()),
        };
        let outputs = json!({ "events": sight.meant.len(), "changed": saved.changed(&sight.all) });
        sight.session.close().await;
        Ok(Probed { finding, outputs, facts: json!({ "left": left, "moved": moved, "running": runs }) })
    }
}

/// What was there before.
struct Saved {
    events: Vec<Event>,
    switches: Switches,
}

impl Saved {
    fn from_value(value: &Value) -> Result<Self, ActionError> {
        let unreadable = || ActionError::untouched("the snapshot does not hold the events that were there");
        let events = value["events"].as_array().ok_or_else(unreadable)?;
        let events = events.iter().map(|event| Event::from_value(event).ok_or_else(unreadable)).collect::<Result<_, _>>()?;
        Ok(Self { events, switches: Switches::from_value(&value["switches"]) })
    }

    /// How many of them have another status now.
    fn changed(&self, all: &[Event]) -> usize {
        let is_as = |saved: &&Event| all.iter().any(|event| event.label() == saved.label() && event.status == saved.status);
        self.events.len() - self.events.iter().filter(is_as).count()
    }

    /// What leads back. An event that somebody removed cannot be made again.
    fn statements(&self, order: &Order, sight: &Sight) -> Result<Vec<String>, ActionError> {
        let mut turned = Vec::new();
        for saved in &self.events {
            let found = sight.all.iter().find(|event| event.label() == saved.label());
            if found.is_none() && !Event::stands_as(found, saved, &sight.now) {
                return Err(ActionError::touched(format!("{} is no longer there", saved.label()))
                    .hint("create it again as it was, then undo again"));
            }
            if !Event::stands_as(found, saved, &sight.now) {
                turned.extend(saved.statements_to(&saved.status));
            }
        }
        let scheduler = if order.scheduler { &self.switches } else { &sight.switches }.event_scheduler.clone();
        let switch = sight.switches.statements_to(&Switches { event_scheduler: scheduler, ..sight.switches.clone() });
        Ok(match order.verb {
            Events::Disable => turned.into_iter().chain(switch).collect(),
            Events::Enable => switch.into_iter().chain(turned).collect(),
        })
    }
}

async fn apply(call: &Call, order: &Order) -> Result<Applied, ActionError> {
    let mut sight = look(call, order).await?;
    if let Some(what) = sight.obstacles(order).await?.into_iter().next() {
        return Err(ActionError::untouched(what).hint("leave it out, or create it again with what its database has now"));
    }
    let (statements, changed) = (sight.statements(order), sight.turned(order).count());
    send(&mut sight.session, order, &statements).await?;
    if order.verb == Events::Disable {
        let watched = sight.watched(order);
        let ended = ended(&mut sight.session, order, &watched).await;
        ended.map_err(|error| if statements.is_empty() { error } else { error.after_change() })?;
    }
    sight.session.recorder().progress(&format!("{} turned {}", count_of(changed, "event"), order.word()));
    let outputs = json!({ "events": sight.meant.len(), "changed": changed });
    sight.session.close().await;
    Ok(Applied { outputs })
}

async fn send(session: &mut Session, order: &Order, statements: &[String]) -> Result<(), ActionError> {
    if !statements.is_empty() {
        for sql in unlogged(order.binlog) {
            session.execute(&sql).await?;
        }
    }
    turn(session, statements).await
}

async fn prove(call: &Call, order: &Order, snapshot: &Value) -> Result<Evidence, ActionError> {
    let saved = Saved::from_value(snapshot)?;
    let mut sight = look(call, order).await?;
    if let Some(sql) = sight.statements(order).into_iter().find(|sql| !sql.starts_with("SET SESSION")) {
        return Err(ActionError::touched(format!("events are not {}: `{sql}` would still change something", order.word())));
    }
    // Nothing but the status may have changed: who an event acts as, and how its texts are read.
    for event in &sight.meant {
        let before = saved.events.iter().find(|before| before.label() == event.label());
        if let Some(before) = before.filter(|before| !event.with_status_of(before).eq(*before)) {
            return Err(ActionError::touched(format!("{} is another event than before: {}", event.label(), before.to_value())));
        }
    }
    let watched = sight.watched(order);
    let runs = if order.verb == Events::Disable { ended(&mut sight.session, order, &watched).await? } else { Vec::new() };
    let mut facts = sight.facts(order);
    facts["identity"] = sight.session.identity();
    facts["running"] = json!(runs);
    sight.session.close().await;
    Ok(Evidence::new(facts))
}

async fn undo(call: &Call, order: &Order, saved: &Saved) -> Result<Evidence, ActionError> {
    // The names of the step may mean others by now; the snapshot is what counts.
    let own = Order { events: Vec::new(), ..order.clone() };
    let mut sight = look(call, &own).await?;
    let statements = saved.statements(order, &sight)?;
    send(&mut sight.session, order, &statements).await?;
    if order.verb == Events::Enable && !statements.is_empty() {
        let watched = if order.scheduler { sight.all.clone() } else { saved.events.clone() };
        ended(&mut sight.session, order, &watched).await.map_err(ActionError::after_change)?;
    }
    let (identity, after) = (sight.session.identity(), look(call, &own).await?);
    sight.session.close().await;
    if let Some(sql) = saved.statements(order, &after)?.into_iter().find(|sql| !sql.starts_with("SET SESSION")) {
        return Err(ActionError::touched(format!("events are not as before: `{sql}` would still be needed")));
    }
    let facts = json!({
        "identity": identity, "statements": statements.len(), "missing": 0, "left_over": 0,
        "events": saved.events.iter().map(Event::to_value).collect::<Vec<_>>(), "scheduler": after.switches.event_scheduler,
    });
    after.session.close().await;
    Ok(Evidence::new(facts))
}

/// What a person sends where the undo could not.
fn by_hand(order: &Order, saved: &Saved) -> Vec<String> {
    let turned = saved.events.iter().flat_map(|event| event.statements_to(&event.status));
    let scheduler = saved.switches.event_scheduler.as_ref().filter(|_| order.scheduler);
    let switch = scheduler.map(|switch| format!("SET GLOBAL event_scheduler = {switch}"));
    unlogged(order.binlog).into_iter().chain(turned).chain(switch).collect()
}

#[async_trait]
impl Act for Events {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        apply(call, &Order::of(call, *self)?).await
    }

    async fn prove(&self, call: &Call, snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        prove(call, &Order::of(call, *self)?, snapshot).await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let (order, saved) = (Order::of(call, *self)?, Saved::from_value(snapshot)?);
        undo(call, &order, &saved).await.map_err(|error| error.manual(by_hand(&order, &saved)))
    }
}
