//! `ssh.command`: a program at a host that changes something. What it does is its own; what is known here is whether it began,
//! whether it still runs, and how it ended, also after the connection was lost.

use async_trait::async_trait;
use serde_json::json;

use super::attempt::{Attempts, Fate};
use super::exec::End;
use super::host::Host;
use super::order::{Order, last_words, outputs};
use super::session::with_host;
use crate::connectors::command::Printed;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, own_target};
use crate::model::{Digest, Finding, Value};

/// The action.
#[derive(Debug)]
pub struct SshCommand;

/// An end in words; a shell tells of a signal by a code above 128.
fn ended(end: &End) -> String {
    match end {
        End::Code(code @ 129..=192) => format!("exited with {code}, as after signal {}", code - 128),
        End::Code(_) | End::Signal(_) => end.to_string(),
    }
}

fn unknown(why: impl Into<String>) -> Probed {
    Probed { finding: Finding::Unknown(why.into()), outputs: Value::Null, facts: Value::Null }
}

/// What the end of an attempt means where the step has no probe of its own.
fn judged(order: &Order, end: &End, out: &Printed, err: &Printed) -> Probed {
    let finding = match order.check(end, &out.raw) {
        Ok(()) => Finding::Applied,
        Err(why) => Finding::Partial(format!("the program ended: it {why}{}", last_words(out, err))),
    };
    Probed { finding, outputs: outputs(end, out, err), facts: json!({ "ended": ended(end) }) }
}

/// First nobody of the attempt may be alive; then the author's program looks, or else the recorded end counts.
fn probe(host: &Host, order: &Order, looking: Option<&[String]>) -> Result<Probed, ActionError> {
    let attempts = Attempts::of(host);
    let fate = attempts.fate(&host.patience().at_most(host.patience().left() / 2))?;
    let (kept, why) = match &fate {
        Fate::Never => {
            let facts = json!({ "folder": attempts.folder(), "found": "never started" });
            return Ok(Probed { finding: Finding::NotApplied, outputs: Value::Null, facts });
        }
        Fate::Starting => return Ok(unknown("it was about to start, and has not yet")),
        Fate::Running(pids) => return Ok(unknown(format!("it still runs as pid {pids}"))),
        Fate::Gone => (None, "nothing of it is alive, and it left no exit code: it was killed, or the host went down".to_owned()),
        Fate::Ended { end, out, err } => (Some((end, out, err)), ended(end)),
    };
    let Some(argv) = looking else {
        return Ok(kept.map_or_else(|| unknown(why), |(end, out, err)| judged(order, end, out, err)));
    };
    let ran = host.look(argv)?;
    let finding = match &ran.end {
        End::Code(0) => Finding::Applied,
        End::Code(1) => Finding::NotApplied,
        End::Code(_) | End::Signal(_) => Finding::Unknown(format!("the probe {}", ran.complaint())),
    };
    let outputs =
        kept.map_or_else(|| json!({ "exit_code": null, "stdout": "", "stderr": "" }), |(end, out, err)| outputs(end, out, err));
    Ok(Probed { finding, outputs, facts: json!({ "ended": why, "probe": ran.complaint() }) })
}

#[async_trait]
impl Inspect for SshCommand {
    fn name(&self) -> &'static str {
        "ssh.command"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        with_host(call, own_target(call)?, move |host| {
            let attempts = Attempts::of(host);
            let fate = attempts.fate(&host.patience().at_most(std::time::Duration::ZERO))?;
            let mut blockers = Vec::new();
            match &fate {
                Fate::Never | Fate::Ended { .. } | Fate::Gone => {}
                Fate::Starting | Fate::Running(_) => {
                    let what = "this attempt of the step is under way at the host".to_owned();
                    blockers.push(Blocker { what, owner: Some(host.owner.0.clone()) });
                }
            }
            if !order.argv[0].contains('/') || order.argv[0].starts_with('/') {
                let found = host.look_script(
                    &format!("command -v {}", order.argv[0]),
                    &format!("command -v {} >/dev/null", super::shell::quoted(&order.argv[0])),
                )?;
                if !found.is_ok() {
                    blockers.push(Blocker { what: format!("the program `{}` is not there", order.argv[0]), owner: None });
                }
            }
            Ok(Inspection {
                identity: host.identity(),
                state: json!({ "folder": attempts.folder() }),
                statements: vec![order.shown(host)],
                blockers,
                ..Inspection::default()
            })
        })
        .await
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        Order::of(call)?;
        Ok(Value::Null)
    }

    async fn probe(&self, call: &Call, _snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, looking) = (Order::of(call)?, Order::extra(call, "probe")?);
        with_host(call, own_target(call)?, move |host| probe(host, &order, looking.as_deref())).await
    }
}

#[async_trait]
impl Act for SshCommand {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        with_host(call, own_target(call)?, move |host| {
            let attempts = Attempts::of(host);
            // A new attempt never runs beside an older one.
            let before =
                attempts.end_all().map_err(|why| ActionError::in_doubt(format!("an earlier attempt cannot be ended: {why}")))?;
            if before > 0 {
                host.recorder().progress(&format!("{before} processes of earlier attempts were ended"));
            }
            let shown = order.shown(host);
            match attempts.run(&order)? {
                Fate::Ended { end, out, err } => {
                    order.check(&end, &out.raw).map_err(|why| {
                        let why = why.replace(&end.to_string(), &ended(&end));
                        ActionError::touched(format!("`{shown}` at {} {why}{}", host.shown(), last_words(&out, &err)))
                    })?;
                    Ok(Applied { outputs: outputs(&end, &out, &err) })
                }
                Fate::Never | Fate::Starting => {
                    Err(ActionError::untouched(format!("`{shown}` at {} did not start", host.shown())))
                }
                Fate::Running(pids) => Err(ActionError::in_doubt(format!("`{shown}` still runs as pid {pids}"))),
                Fate::Gone => Err(ActionError::in_doubt(format!("`{shown}` is gone and left no exit code"))),
            }
        })
        .await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, applied: &Applied) -> Result<Evidence, ActionError> {
        let printed = Digest::of(applied.outputs["stdout"].to_string().as_bytes()).to_string();
        let code = applied.outputs["exit_code"].clone();
        let Some(argv) = Order::extra(call, "prove")? else {
            let proof = "the program's own exit code; the step has no `prove`";
            return Ok(Evidence::new(json!({ "exit_code": code, "stdout": printed, "proof": proof })));
        };
        let proof = with_host(call, own_target(call)?, move |host| {
            let ran = host.look(&argv)?;
            if !ran.is_ok() {
                let asked = host.shown_line(&argv);
                return Err(ActionError::touched(format!("the effect is not proven: `{asked}` {}", ran.complaint())));
            }
            Ok(Evidence::new(json!({
                "identity": host.identity(), "exit_code": code, "stdout": printed, "asked": argv, "answer": ran.text(),
            })))
        });
        proof.await.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        Err(ActionError::untouched("only the author knows the way back from a program")
            .manual(vec![format!("# undo by hand: {}", order.shown_bare())]))
    }
}
