//! `cron.disable`, `cron.enable`: lines of a cron table become comments that carry the run, and lines again, byte by byte.
//!
//! Cron takes up a change at its next minute; a job that was started before runs on, so it is looked for and waited for.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::json;

use super::crontab::{Table, by_hand, changed, digest, is_job, tag, tagged};
use super::host::Host;
use super::session::with_host;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, count_of, own_target};
use crate::model::{Finding, RunId, Span, Value};

/// One of the two actions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CronLines {
    /// `cron.disable`.
    Disable,
    /// `cron.enable`.
    Enable,
}

#[derive(Clone)]
struct Order {
    verb: CronLines,
    table: Table,
    pattern: String,
    /// The tag of this step, and the run when only its own lines are to be switched on.
    tag: String,
    run: RunId,
    only_own: bool,
    wait: bool,
    within: Duration,
}

impl Order {
    fn of(call: &Call, verb: CronLines) -> Result<Self, ActionError> {
        let params = &call.params;
        let pattern = params.text("pattern")?.to_owned();
        if pattern.trim().is_empty() || pattern.contains('\n') {
            return Err(ActionError::untouched("`pattern` must be a part of one line"));
        }
        Ok(Self {
            verb,
            table: Table::of(call)?,
            pattern,
            tag: tag(call.run.as_str(), call.step.as_str()),
            run: call.run.clone(),
            only_own: params.opt_text("owner")? == Some("run"),
            wait: params.opt_text("running")? != Some("report"),
            within: params.opt_span("within")?.unwrap_or(Span::from_secs(600)).as_duration(),
        })
    }

    /// The line as this step makes it; none when it is to stay.
    fn change(&self, line: &str) -> Option<String> {
        match self.verb {
            CronLines::Disable => (is_job(line) && line.contains(&self.pattern)).then(|| format!("{}{line}", self.tag)),
            CronLines::Enable => {
                let (tag, rest) = tagged(line)?;
                let own = tag.starts_with(&format!("# pointsman {}/", self.run));
                (rest.contains(&self.pattern) && (own || !self.only_own)).then(|| rest.to_owned())
            }
        }
    }

    fn open(&self, text: &str) -> Vec<String> {
        text.split_inclusive('\n').filter(|line| self.change(line).is_some()).map(str::to_owned).collect()
    }

    /// The jobs that run now although their line is off.
    fn running(&self, host: &Host, text: &str) -> Result<Vec<String>, ActionError> {
        let off: Vec<String> = text.lines().filter_map(|line| line.strip_prefix(&self.tag)).map(str::to_owned).collect();
        let on: Vec<String> = text.lines().filter(|line| is_job(line)).map(str::to_owned).collect();
        if self.verb == CronLines::Enable || off.is_empty() { Ok(Vec::new()) } else { self.table.running(host, &off, &on) }
    }

    /// What undo makes of a table: tags of this step go; what it had switched on goes off again, under the tag it had.
    fn restored(&self, text: &str, snapshot: &Value) -> String {
        match self.verb {
            CronLines::Disable => changed(text, |line| line.strip_prefix(&self.tag).map(str::to_owned)),
            CronLines::Enable => {
                let lines = snapshot["lines"].as_array().cloned().unwrap_or_default();
                let used = std::cell::RefCell::new(vec![false; lines.len()]);
                changed(text, |line| {
                    let found = digest(line);
                    let mut used = used.borrow_mut();
                    let at = (0..lines.len()).find(|at| !used[*at] && lines[*at]["digest"] == json!(found))?;
                    used[at] = true;
                    Some(format!("{}{line}", lines[at]["tag"].as_str()?))
                })
            }
        }
    }
}

fn text_of(order: &Order, host: &Host) -> Result<(super::host::Image, String), ActionError> {
    let image = order.table.read(host)?;
    let text = String::from_utf8_lossy(&image.bytes).into_owned();
    Ok((image, text))
}

fn apply(host: &Host, order: &Order) -> Result<Applied, ActionError> {
    let (image, text) = text_of(order, host)?;
    let open = order.open(&text);
    let new = changed(&text, |line| order.change(line));
    if !open.is_empty() {
        order.table.replace(host, &image, &new)?;
    }
    let begun = Instant::now();
    let mut running = order.running(host, &new).map_err(ActionError::after_change)?;
    if order.wait {
        let patience = host.patience().at_most(order.within);
        while !running.is_empty() {
            host.recorder().progress(&format!("a job that was started before still runs: {}", running.join(", ")));
            if let Err(stopped) = patience.sleep_blocking(Duration::from_millis(500)) {
                let text = format!("the lines are switched off, but a job of them still runs: {}: {stopped}", running.join(", "));
                return Err(ActionError::touched(text).hint("wait for it, or end it with `process.stop`"));
            }
            running = order.running(host, &new).map_err(ActionError::after_change)?;
        }
    }
    let waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Applied { outputs: json!({ "lines": open.len(), "running": running, "waited_ms": waited_ms }) })
}

fn prove(host: &Host, order: &Order) -> Result<Evidence, ActionError> {
    let (_, text) = text_of(order, host)?;
    let open = order.open(&text);
    if !open.is_empty() {
        return Err(ActionError::touched(format!("{} of {} not as wanted", count_of(open.len(), "line"), order.table.shown())));
    }
    let running = order.running(host, &text)?;
    if order.wait && !running.is_empty() {
        return Err(ActionError::touched(format!("a job of a line that is off runs: {}", running.join(", "))));
    }
    let off = text.lines().filter(|line| line.starts_with(&order.tag)).count();
    Ok(Evidence::new(json!({
        "identity": host.identity(), "table": order.table.shown(), "digest": digest(&text), "off": off, "running": running,
    })))
}

fn undo(host: &Host, order: &Order, snapshot: &Value) -> Result<Evidence, ActionError> {
    let (image, text) = text_of(order, host)?;
    let before = snapshot["digest"].as_str().unwrap_or_default();
    // What is as it was is left alone: under `cron.enable`, the lines that are off now are those of before.
    let back = if digest(&text) == before { text.clone() } else { order.restored(&text, snapshot) };
    let restored = back != text;
    if restored {
        order.table.replace(host, &image, &back)?;
    }
    let exact = digest(&back) == before;
    if !exact {
        // Somebody else changed other lines in between; theirs stay, ours are back.
        host.recorder().progress("the table is not byte by byte the one from before: somebody else changed it since");
    }
    Ok(Evidence::new(json!({
        "identity": host.identity(), "table": order.table.shown(), "restored": restored, "digest": digest(&back), "exact": exact,
    })))
}

#[async_trait]
impl Inspect for CronLines {
    fn name(&self) -> &'static str {
        match self {
            Self::Disable => "cron.disable",
            Self::Enable => "cron.enable",
        }
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call, *self)?;
        with_host(call, own_target(call)?, move |host| {
            let (_, text) = text_of(&order, host)?;
            let open = order.open(&text);
            let mut blockers = Vec::new();
            let own = text.lines().filter(|line| line.starts_with(&order.tag)).count();
            if open.is_empty() && own == 0 {
                blockers.push(Blocker { what: format!("no line of {} matches", order.table.shown()), owner: None });
            }
            let others = text.lines().filter_map(tagged).filter(|(tag, _)| *tag != order.tag);
            if order.verb == Self::Disable {
                for (tag, _) in others {
                    let owner = tag.trim_start_matches("# pointsman ").split('/').next().map(str::to_owned);
                    blockers.push(Blocker { what: "a line is still switched off by another step".to_owned(), owner });
                }
            }
            let verb = if order.verb == Self::Disable { ("off", "on") } else { ("on", "off") };
            let of = |word: &str| format!("switch {} of {} {word}", count_of(open.len(), "line"), order.table.shown());
            Ok(Inspection {
                identity: host.identity(),
                state: json!({ "digest": digest(&text), "lines": open.len(), "off_by_this_step": own }),
                statements: vec![of(verb.0)],
                undo_statements: vec![of(verb.1)],
                blockers,
                expected_ms: None,
            })
        })
        .await
    }

    /// The lines themselves may carry secrets: only their digests go into the snapshot.
    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call, *self)?;
        with_host(call, own_target(call)?, move |host| {
            let (_, text) = text_of(&order, host)?;
            // Tags of this step are of an earlier attempt of it, and no part of the state before it.
            let before = match order.verb {
                Self::Disable => order.restored(&text, &Value::Null),
                Self::Enable => text.clone(),
            };
            let open = order.open(&before);
            if open.is_empty() && order.verb == Self::Disable {
                return Err(ActionError::untouched(format!("no line of {} matches `pattern`", order.table.shown())));
            }
            let line = |line: &String| tagged(line).map(|(tag, rest)| json!({ "tag": tag, "digest": digest(rest) }));
            let lines: Vec<_> = open.iter().filter_map(line).collect();
            Ok(json!({ "digest": digest(&before), "count": open.len(), "lines": lines }))
        })
        .await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, snapshot) = (Order::of(call, *self)?, snapshot.clone());
        with_host(call, own_target(call)?, move |host| {
            let (_, text) = text_of(&order, host)?;
            let open = order.open(&text).len();
            let finding = if digest(&text) == snapshot["digest"].as_str().unwrap_or_default() && open > 0 {
                Finding::NotApplied
            } else if open == 0 {
                Finding::Applied
            } else {
                Finding::Partial(format!("{} not as wanted", count_of(open, "line")))
            };
            let outputs = json!({ "lines": snapshot["count"], "running": order.running(host, &text)?, "waited_ms": 0 });
            Ok(Probed { finding, outputs, facts: json!({ "digest": digest(&text), "open": open }) })
        })
        .await
    }
}

#[async_trait]
impl Act for CronLines {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call, *self)?;
        with_host(call, own_target(call)?, move |host| apply(host, &order)).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call, *self)?;
        let proof = with_host(call, own_target(call)?, move |host| prove(host, &order)).await;
        proof.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, snapshot: &Value) -> Result<Evidence, ActionError> {
        let (order, snapshot) = (Order::of(call, *self)?, snapshot.clone());
        let hand = match self {
            Self::Disable => by_hand(&order.table, call.run.as_str(), call.step.as_str()),
            Self::Enable => format!("# put the comments back before the lines of {} by hand", order.table.shown()),
        };
        let undone = with_host(call, own_target(call)?, move |host| undo(host, &order, &snapshot)).await;
        undone.map_err(|error| error.manual(vec![hand]))
    }
}
