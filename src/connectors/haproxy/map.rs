//! `haproxy.map`: an entry of a map gets another value, at once or share by share, in every process.
//!
//! Weights cannot go below one of 257. A configuration that compares a number with an entry can: with `parts: 10000` one part
//! is 0.01 %.

use async_trait::async_trait;
use serde_json::json;

use super::climb::{Fall, NewSide};
use super::fleet::Fleet;
use super::hand::ensure;
use super::server::name;
use super::spot::{Held, Spot, in_order, word};
use crate::connectors::ramp::Ramp;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed};
use crate::model::{Finding, Percent, Value};

/// The action.
#[derive(Debug)]
pub struct Map;

/// What a step asks for.
struct Order {
    spot: Spot,
    to: String,
    ramp: Ramp,
    /// The value of every share, in order; the last is the one that stays.
    stages: Vec<(Percent, String)>,
    /// The backend whose counters the gate asks for.
    counted: Option<String>,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let (params, to) = (&call.params, call.params.text("to")?.to_owned());
        let wrong = |why: &str| ActionError::untouched(why);
        let ramp = Ramp::of(params)?;
        let stages = match (params.opt_text("value")?, params.opt_integer("parts")?) {
            (Some(_), Some(_)) | (None, None) => return Err(wrong("give exactly one of `value` and `parts`")),
            (Some(_), None) if ramp.shares.len() > 1 => {
                return Err(wrong("a `value` has no shares").hint("a `ramp` takes `parts`: the entry is then a number of them"));
            }
            (Some(value), None) => vec![(Percent::ALL, word(value)?.to_owned())],
            (None, Some(parts)) => {
                let parts =
                    u32::try_from(parts).ok().filter(|parts| *parts > 0).ok_or_else(|| wrong("`parts` must be above 0"))?;
                ramp.shares.iter().map(|share| Ok((*share, of_parts(*share, parts)?))).collect::<Result<_, ActionError>>()?
            }
        };
        let counted = params.opt_text("backend")?.map(|backend| name(backend).map(str::to_owned)).transpose()?;
        if ramp.counter().is_some() && counted.is_none() {
            return Err(wrong("a gate with `stat` needs `backend`, the new side's"));
        }
        Ok(Self { spot: Spot::entry(params.text("map")?, params.text("key")?)?, to, ramp, stages, counted })
    }

    /// What every process holds at the end.
    fn wanted(&self, processes: usize) -> Vec<Held> {
        vec![self.stages.last().map(|(_, value)| value.clone()); processes]
    }

    fn outputs(&self, processes: usize, stages: Vec<Value>) -> Value {
        let value = self.stages.last().map(|(_, value)| value);
        json!({ "to": self.to, "value": value, "processes": processes, "stages": stages })
    }
}

/// A share as a whole number of parts.
fn of_parts(share: Percent, parts: u32) -> Result<String, ActionError> {
    let number = share.as_fraction() * f64::from(parts);
    let whole = number.round();
    if whole < 1.0 || (number - whole).abs() > 1e-6 {
        return Err(ActionError::untouched(format!("{share} is no whole number of {parts} parts"))
            .hint("the smallest share is one part; more `parts` take another number in the configuration too"));
    }
    Ok(format!("{whole:.0}"))
}

/// Goes up share by share; answers what each gate saw.
async fn climb(call: &Call, order: &Order, fleet: &mut Fleet) -> Result<Vec<Value>, Fall> {
    let patience = order.ramp.patience(call).map_err(Fall::Failed)?;
    let mut told = Vec::new();
    for (share, value) in &order.stages {
        let wanted = vec![Some(value.clone()); fleet.0.len()];
        ensure(fleet, &order.spot, &wanted).await.map_err(Fall::Failed)?;
        call.recorder.progress(&format!("{share} goes to {}: the entry is `{value}` in {} processes", order.to, wanted.len()));
        let names = ["BACKEND".to_owned()];
        let (backend, counter) = (order.counted.as_deref().unwrap_or_default(), order.ramp.counter().map(str::to_owned));
        let mut counters = NewSide { fleet: &mut *fleet, backend, names: &names, counter };
        let mut seen = order.ramp.stay(call, &patience, *share, &mut counters).await?;
        // A reload during the dwell would have put the file's value back.
        order.spot.hold(fleet, &wanted).await.map_err(Fall::Failed)?;
        seen["value"] = json!(value);
        told.push(seen);
    }
    Ok(told)
}

#[async_trait]
impl Inspect for Map {
    fn name(&self) -> &'static str {
        "haproxy.map"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let before = order.spot.see(&mut fleet).await?;
        let (mut statements, mut now) = (Vec::new(), before.clone());
        for (_, value) in &order.stages {
            let next = vec![Some(value.clone()); before.len()];
            statements.extend(order.spot.statements(&fleet, &now, &next));
            now = next;
        }
        let ms = u64::try_from(order.ramp.length().as_millis()).unwrap_or(u64::MAX);
        Ok(Inspection {
            identity: fleet.identity(),
            state: json!({ "held": before, "ramp": order.ramp.shown(call) }),
            statements,
            undo_statements: order.spot.statements(&fleet, &now, &before),
            blockers: fleet.lacking(&["operator", "admin"]).await?,
            expected_ms: Some(ms.saturating_add(50)),
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        order.spot.capture(&mut fleet).await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await?);
        let (seen, saved) = (order.spot.see(&mut fleet).await?, in_order(&fleet, snapshot)?);
        let finding = order.spot.finding(&seen, &order.wanted(seen.len()), &saved);
        Ok(Probed { finding, outputs: order.outputs(seen.len(), Vec::new()), facts: json!({ "held": seen }) })
    }
}

#[async_trait]
impl Act for Map {
    async fn apply(&self, call: &Call, snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        order.ramp.patience(call)?;
        let mut fleet = Fleet::open(call).await?;
        let (seen, saved) = (order.spot.see(&mut fleet).await?, in_order(&fleet, snapshot)?);
        let wanted = order.wanted(seen.len());
        if order.spot.finding(&seen, &wanted, &saved) == Finding::Applied {
            return Ok(Applied { outputs: order.outputs(seen.len(), Vec::new()) });
        }
        match climb(call, &order, &mut fleet).await {
            Ok(told) => Ok(Applied { outputs: order.outputs(seen.len(), told) }),
            Err(fall) => Err(fall.land(call, "the entry in every process", order.spot.restore(call, snapshot)).await),
        }
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (order, mut fleet) = (Order::of(call)?, Fleet::open(call).await.map_err(ActionError::after_change)?);
        let wanted = order.wanted(fleet.0.len());
        order.spot.hold(&mut fleet, &wanted).await?;
        Ok(Evidence::new(json!({ "identity": fleet.identity(), "held": wanted })))
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        Order::of(call)?.spot.restore(call, snapshot).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_whole_number_of_parts_or_refused() {
        let of = |share: &str, parts| of_parts(Percent::parse(share).expect("a percentage"), parts).ok();
        assert_eq!(of("0.01%", 10_000).as_deref(), Some("1"));
        assert_eq!(of("0.0001%", 1_000_000).as_deref(), Some("1"));
        assert_eq!(of("100%", 10_000).as_deref(), Some("10000"));
        assert_eq!(of("33.33%", 10_000).as_deref(), Some("3333"));
        assert_eq!((of("0.001%", 10_000), of("12.5%", 100)), (None, None));
    }
}
