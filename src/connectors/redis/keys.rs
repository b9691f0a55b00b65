//! `check.keys`: the keys of two Redis servers, by pattern: how many, and whether they are the same names.
//!
//! SCAN may show a key twice, so what it shows is kept as a set, of 128 bits of a hash per name. Both sets are there, so the keys
//! that are on one side alone are counted and not guessed.

use std::collections::HashSet;
use std::time::Instant;

use async_trait::async_trait;
use redis::Value as Reply;
use serde_json::json;

use super::reply;
use super::session::{Session, open};
use crate::connectors::{Act, ActionError, Applied, Call, Evidence, Inspect, Inspection, Probed, Target};
use crate::model::{Digest, Percent, Value};

/// The action.
#[derive(Debug)]
pub struct CheckKeys;

/// What a step asks for.
struct Order {
    patterns: Vec<String>,
    may_be_empty: Vec<String>,
    dbsize: bool,
    agree: Percent,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let patterns = call.params.texts("patterns")?;
        let order = Self {
            patterns: if patterns.is_empty() { vec!["*".to_owned()] } else { patterns },
            may_be_empty: call.params.texts("may_be_empty")?,
            dbsize: call.params.opt_text("dbsize")? != Some("ignore"),
            agree: call.params.opt_percent("agree")?.unwrap_or(Percent::ALL),
        };
        if let Some(other) = order.may_be_empty.iter().find(|pattern| !order.patterns.contains(pattern)) {
            return Err(ActionError::untouched(format!("`{other}` under `may_be_empty` is not among `patterns`")));
        }
        Ok(order)
    }
}

/// Sessions with both servers.
struct Sides {
    source: Session,
    target: Session,
}

impl Sides {
    async fn open(call: &Call) -> Result<Self, ActionError> {
        Ok(Self { source: open(call, side(call, "source")?).await?, target: open(call, side(call, "target")?).await? })
    }

    async fn identity(&mut self) -> Result<Value, ActionError> {
        let (source, target) = (self.source.identity().await?, self.target.identity().await?);
        if source["run_id"] == target["run_id"] && self.source.address.db == self.target.address.db {
            return Err(ActionError::untouched("`source` and `target` are the same server: it agrees with itself"));
        }
        Ok(json!({ "source": source, "target": target }))
    }
}

fn side<'a>(call: &'a Call, name: &str) -> Result<&'a Target, ActionError> {
    let named = call.params.text(name)?;
    let target = call
        .targets
        .get(named)
        .ok_or_else(|| ActionError::untouched(format!("the target `{named}` of `{name}` is not known")))?;
    if target.connector == "redis" {
        Ok(target)
    } else {
        Err(ActionError::untouched(format!("`{name}` is a target of {}, and keys are compared in Redis", target.connector)))
    }
}

/// The names that a pattern matches, as halves of a hash.
async fn scan(session: &mut Session, pattern: &str) -> Result<HashSet<u128>, ActionError> {
    let (begun, mut cursor, mut found, mut asked) = (Instant::now(), "0".to_owned(), HashSet::new(), 0_u64);
    loop {
        let answer = session.silently(&["SCAN", &cursor, "MATCH", pattern, "COUNT", "1000"]).await?;
        asked += 1;
        let [next, keys] = reply::items(&answer) else {
            return Err(ActionError::untouched(format!("{}: SCAN answered something unknown", session.address)));
        };
        for key in reply::items(keys) {
            let bytes = match key {
                Reply::BulkString(bytes) => bytes.clone(),
                other => reply::text(other).unwrap_or_default().into_bytes(),
            };
            let digest = Digest::of(&bytes);
            found.insert(digest.as_bytes().iter().take(16).fold(0, |all, byte| (all << 8) | u128::from(*byte)));
        }
        cursor = reply::text(next).unwrap_or_default();
        if cursor == "0" || cursor.is_empty() {
            break;
        }
    }
    let shown = reply::shown(&["SCAN", "0", "MATCH", pattern, "COUNT", "1000"]);
    session.note(&shown, begun.elapsed(), &format!("{} keys in {asked} askings", found.len()));
    Ok(found)
}

async fn size(session: &mut Session) -> Result<u64, ActionError> {
    let answer = session.ask(&["DBSIZE"]).await?;
    let number = reply::number(&answer).and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| ActionError::untouched(format!("{}: DBSIZE answered no number", session.address)))
}

/// The figures of all patterns.
#[derive(Default)]
struct Verdict {
    keys: u64,
    /// On one side alone.
    different: u64,
    /// On either side.
    whole: u64,
    patterns: Vec<Value>,
    findings: Vec<Value>,
    /// Findings that no share can outweigh.
    open: u64,
}

impl Verdict {
    fn compare(&mut self, pattern: &str, source: &HashSet<u128>, target: &HashSet<u128>, may_be_empty: bool) {
        let (missing, extra) = (source.difference(target).count() as u64, target.difference(source).count() as u64);
        let row = json!({
            "pattern": pattern, "source": source.len(), "target": target.len(), "missing": missing, "extra": extra,
        });
        self.keys += source.len() as u64;
        self.different += missing + extra;
        self.whole += source.len() as u64 + extra;
        let why = match (source.is_empty(), target.is_empty()) {
            (true, true) if !may_be_empty => Some("it matches no key on either side"),
            (false, true) => Some("it matches no key of the target"),
            (true, false) => Some("it matches no key of the source"),
            (true, true) | (false, false) => None,
        };
        self.open += u64::from(why.is_some());
        if why.is_some() || missing + extra > 0 {
            let mut finding = row.clone();
            finding["why"] = json!(why.unwrap_or("keys are on one side alone"));
            self.findings.push(finding);
        }
        self.patterns.push(row);
    }
}

async fn compare(call: &Call) -> Result<(Verdict, Value), ActionError> {
    let order = Order::of(call)?;
    let mut sides = Sides::open(call).await?;
    let identity = sides.identity().await?;
    let mut verdict = Verdict::default();
    for pattern in &order.patterns {
        let (source, target) = tokio::try_join!(scan(&mut sides.source, pattern), scan(&mut sides.target, pattern))?;
        verdict.compare(pattern, &source, &target, order.may_be_empty.contains(pattern));
        call.recorder.progress(&format!("`{pattern}`: {} and {} keys", source.len(), target.len()));
    }
    // After the scan, which ends what has expired: DBSIZE counts keys that are past their time and not yet gone.
    let sizes = (size(&mut sides.source).await?, size(&mut sides.target).await?);
    let facts = json!({ "identity": identity, "dbsize": { "source": sizes.0, "target": sizes.1 }, "patterns": verdict.patterns });
    let agrees = order.agree.is_reached_by(verdict.whole - verdict.different, verdict.whole);
    let fills = !order.dbsize || order.agree.is_reached_by(sizes.0.min(sizes.1), sizes.0.max(sizes.1));
    if !fills {
        verdict.findings.push(json!({ "dbsize": { "source": sizes.0, "target": sizes.1 }, "why": "DBSIZE differs" }));
    }
    if !agrees || !fills || verdict.open > 0 {
        let told: Vec<_> = verdict.findings.iter().map(ToString::to_string).collect();
        let text = format!(
            "{} of {} keys are on one side alone, and {} must be on both: {}",
            verdict.different,
            verdict.whole,
            order.agree,
            told.join("; ")
        );
        return Err(ActionError::untouched(call.recorder.redact(&text)));
    }
    Ok((verdict, facts))
}

#[async_trait]
impl Inspect for CheckKeys {
    fn name(&self) -> &'static str {
        "check.keys"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        let mut sides = Sides::open(call).await?;
        let identity = sides.identity().await?;
        let sizes = json!({ "source": size(&mut sides.source).await?, "target": size(&mut sides.target).await? });
        let scans = order.patterns.iter().map(|pattern| reply::shown(&["SCAN", "0", "MATCH", pattern, "COUNT", "1000"]));
        Ok(Inspection {
            identity,
            state: json!({ "dbsize": sizes }),
            statements: scans.chain(["DBSIZE".to_owned()]).collect(),
            ..Inspection::default()
        })
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Order::of(call)?;
        Ok(Value::Null)
    }

    async fn probe(&self, _call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        Ok(Probed::nothing_left())
    }
}

#[async_trait]
impl Act for CheckKeys {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let (verdict, _) = compare(call).await?;
        Ok(Applied {
            outputs: json!({
                "patterns": verdict.patterns.len(), "keys": verdict.keys, "different": verdict.different,
                "findings": verdict.findings,
            }),
        })
    }

    /// Compares once more: before the point of no return, what was counted an hour ago says nothing.
    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (_, facts) = compare(call).await?;
        Ok(Evidence::new(facts))
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Ok(Evidence::nothing_changed())
    }
}
