//! The action: which tables, measured on both sides with bounded parallelism, held to the mark.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Measure;
use super::store::{TableStore, open};
use super::verdict::{Side, Verdict, compare};
use crate::connectors::patience::Patience;
use crate::connectors::pattern::Pattern;
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, Target};
use crate::model::{Percent, Span, Value};

/// The action.
#[derive(Debug)]
pub struct CheckTables;

/// The findings that are kept in outputs and evidence; the others are counted.
const LISTED: usize = 100;

/// What a step asks for.
struct Order {
    patterns: Vec<String>,
    measures: Vec<Measure>,
    mark: Percent,
    /// Ask until stable, for this long at most; once when none.
    stable_within: Option<Duration>,
    every: Duration,
    parallel: usize,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let params = &call.params;
        let words = params.texts("measures")?;
        let measures = words.iter().map(|word| Measure::parse(word)).collect::<Result<Vec<_>, _>>();
        let measures = measures.map_err(ActionError::untouched)?;
        let stable = params.opt_text("until")? == Some("stable");
        let within = params.opt_span("within")?.map(Span::as_duration);
        Ok(Self {
            patterns: params.texts("tables")?,
            measures: if measures.is_empty() { vec![Measure::Count] } else { measures },
            mark: params.opt_percent("agree")?.unwrap_or(Percent::ALL),
            stable_within: stable.then(|| within.unwrap_or(Duration::MAX)),
            every: params.opt_span("every")?.unwrap_or(Span::from_secs(1)).as_duration(),
            parallel: usize::try_from(params.opt_integer("max_concurrent")?.unwrap_or(4)).unwrap_or(1).clamp(1, 64),
        })
    }

    /// The tables that the patterns mean, looked up on both sides.
    fn chosen(&self, source: &[String], target: &[String]) -> Result<BTreeSet<String>, ActionError> {
        let all: BTreeSet<&String> = source.iter().chain(target).collect();
        let mut chosen = BTreeSet::new();
        for pattern in &self.patterns {
            let meant = Pattern::new(pattern)?;
            chosen.extend(all.iter().filter(|table| meant.means(table)).map(|table| (*table).clone()));
            if !chosen.iter().any(|table| meant.means(table)) {
                return Err(ActionError::untouched(format!("no table on either side is called `{pattern}`")));
            }
        }
        Ok(chosen)
    }
}

fn side<'a>(call: &'a Call, key: &str) -> Result<&'a Target, ActionError> {
    let name = call.params.text(key)?;
    call.targets.get(name).ok_or_else(|| ActionError::untouched(format!("the target `{name}` of `{key}` is not known")))
}

/// The two stores of a call.
struct Stores {
    source: Arc<dyn TableStore>,
    target: Arc<dyn TableStore>,
}

impl Stores {
    fn of(call: &Call) -> Result<Self, ActionError> {
        Ok(Self { source: open(call, side(call, "source")?)?, target: open(call, side(call, "target")?)? })
    }

    async fn rest(&self) {
        tokio::join!(self.source.rest(), self.target.rest());
    }

    async fn identities(&self) -> Result<Value, ActionError> {
        let (source, target) = tokio::try_join!(self.source.identity(), self.target.identity())?;
        Ok(json!({ "source": source, "target": target }))
    }

    /// The names of the tables of both sides.
    async fn tables(&self) -> Result<(Vec<String>, Vec<String>), ActionError> {
        tokio::try_join!(self.source.tables(), self.target.tables())
    }

    /// Measures every chosen table on both sides.
    async fn compare(&self, call: &Call, order: &Order) -> Result<(Verdict, BTreeMap<String, (Side, Side)>), ActionError> {
        let (there, here) = self.tables().await?;
        let chosen = order.chosen(&there, &here)?;
        let (there, here): (BTreeSet<_>, BTreeSet<_>) = (there.into_iter().collect(), here.into_iter().collect());
        let slots = Arc::new(Semaphore::new(order.parallel));
        let measures: Arc<[Measure]> = order.measures.as_slice().into();
        let mut running = JoinSet::new();
        for table in &chosen {
            let stores = [there.contains(table).then(|| self.source.clone()), here.contains(table).then(|| self.target.clone())];
            let (table, slots, measures) = (table.clone(), slots.clone(), measures.clone());
            running.spawn(async move {
                let _slot = slots.acquire_owned().await;
                let [source, target] = stores;
                let (source, target) = tokio::join!(measured(source, &table, &measures), measured(target, &table, &measures));
                (source, target, table)
            });
        }
        let patience = Patience::of(call);
        let mut sides = BTreeMap::new();
        while let Some(joined) = tokio::select! { joined = running.join_next() => joined, stopped = patience.over() => {
            return Err(ActionError::untouched(format!("{} of {} tables were measured: {stopped}", sides.len(), chosen.len())));
        } } {
            let (source, target, table) =
                joined.map_err(|panic| ActionError::untouched(format!("measuring a table ended in a panic: {panic}")))?;
            let rows = |side: &Side| match side {
                Side::Measured(measured) => measured.rows.to_string(),
                Side::Missing => "missing".to_owned(),
                Side::Failed(_) => "not verified".to_owned(),
            };
            let done = sides.len() + 1;
            let text = format!("{done}/{} {table}: {} and {}", chosen.len(), rows(&source), rows(&target));
            call.recorder.progress(&text);
            sides.insert(table, (source, target));
        }
        Ok((compare(&order.measures, &sides), sides))
    }
}

async fn measured(store: Option<Arc<dyn TableStore>>, table: &str, measures: &[Measure]) -> Side {
    match store {
        None => Side::Missing,
        Some(store) => match store.measure(table, measures).await {
            Ok(measured) => Side::Measured(measured),
            Err(error) => Side::Failed(error.message),
        },
    }
}

async fn check(call: &Call, order: &Order, stores: &Stores) -> Result<(Verdict, u64, Value), ActionError> {
    let identities = stores.identities().await?;
    let Some(within) = order.stable_within else {
        return Ok((stores.compare(call, order).await?.0, 1, identities));
    };
    let patience = Patience::of(call).at_most(within);
    let (begun, mut asked, mut before) = (Instant::now(), 0, None);
    loop {
        let (verdict, sides) = stores.compare(call, order).await?;
        asked += 1;
        if verdict.agrees(order.mark) && before.as_ref() == Some(&sides) {
            return Ok((verdict, asked, identities));
        }
        call.recorder.progress(&format!("asked {asked} times in {:?}: {}", begun.elapsed(), verdict.sentence()));
        if patience.sleep(order.every).await.is_err() {
            let word = if verdict.agrees(order.mark) { "the sides agree but still move" } else { "the sides do not agree" };
            return Err(ActionError::untouched(format!("{word}: {}", verdict.sentence())));
        }
        before = Some(sides);
    }
}

#[async_trait]
impl Inspect for CheckTables {
    fn name(&self) -> &'static str {
        "check.tables"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (order, stores) = (Order::of(call)?, Stores::of(call)?);
        let (there, here) = stores.tables().await?;
        let chosen = order.chosen(&there, &here)?;
        let identity = stores.identities().await?;
        stores.rest().await;
        let measures: Vec<_> = order.measures.iter().map(ToString::to_string).collect();
        let missing: Vec<_> =
            chosen.iter().filter(|table| !(there.contains(table) && here.contains(table))).take(LISTED).collect();
        Ok(Inspection {
            identity,
            state: json!({ "tables": chosen.len(), "missing_on_one_side": missing }),
            statements: chosen.iter().map(|table| format!("measure {} of {table} on both sides", measures.join(", "))).collect(),
            ..Inspection::default()
        })
    }

    async fn capture(&self, _call: &Call) -> Result<Value, ActionError> {
        Ok(Value::Null)
    }

    async fn probe(&self, _call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        Ok(Probed::nothing_left())
    }
}

#[async_trait]
impl Act for CheckTables {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (order, stores) = (Order::of(call)?, Stores::of(call)?);
        let (verdict, asked, identities) = check(call, &order, &stores).await?;
        stores.rest().await;
        if !verdict.agrees(order.mark) {
            let text = format!("the stores do not agree to {}: {}", order.mark, verdict.sentence());
            return Err(ActionError::untouched(call.recorder.redact(&text)));
        }
        let outputs = json!({
            "tables": verdict.tables, "rows": verdict.rows, "different": verdict.different,
            "findings": verdict.listed(LISTED), "asked": asked, "identities": identities,
        });
        Ok(Applied { outputs: call.recorder.redact_value(&outputs) })
    }

    /// The figures themselves are the evidence: they were read just now, and reading them again would prove no more.
    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let measures: Vec<_> = order.measures.iter().map(ToString::to_string).collect();
        Ok(Evidence::new(json!({ "measures": measures, "agree": order.mark.to_string(), "answer": applied.outputs })))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
