//! `process.stop`: the processes of a pattern or a pid file are asked to end, then killed, and proven to be gone.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::host::Host;
use super::session::with_host;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, count_of, own_target};
use crate::model::{Digest, Finding, Span, Value};

/// The action.
#[derive(Debug)]
pub struct ProcessStop;

/// Which processes are meant.
#[derive(Clone)]
enum Whom {
    /// Those whose command line matches this extended regular expression, of this user where one is given.
    Pattern { pattern: String, user: Option<String> },
    /// The one whose number is in this file.
    PidFile(String),
}

#[derive(Clone)]
struct Order {
    whom: Whom,
    grace: Duration,
    kill: bool,
}

/// One process, told apart from a later one of the same number by its start.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Process {
    pid: String,
    started: String,
    command: String,
}

impl Order {
    fn of(call: &Call) -> Result<Self, ActionError> {
        let params = &call.params;
        let whom = match (params.opt_text("pattern")?, params.opt_text("pid_file")?) {
            (Some(pattern), None) if !pattern.trim().is_empty() => {
                Whom::Pattern { pattern: pattern.to_owned(), user: params.opt_text("user")?.map(str::to_owned) }
            }
            (None, Some(file)) => Whom::PidFile(file.to_owned()),
            _ => return Err(ActionError::untouched("give either `pattern` or `pid_file`")),
        };
        Ok(Self {
            whom,
            grace: params.opt_span("grace")?.unwrap_or(Span::from_secs(10)).as_duration(),
            kill: params.flag("kill")?,
        })
    }

    /// The processes that are meant and alive. Those of this very session are not meant: the pattern stands in none of their
    /// command lines, because it comes over stdin.
    fn find(&self, host: &Host) -> Result<Vec<Process>, ActionError> {
        let all = host.ask(&["ps", "-e", "-ww", "-o", "pid=,stat=,user:64=,lstart=,args="])?;
        let parsed = all.lines().filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (pid, stat, user) = (fields.next()?, fields.next()?, fields.next()?);
            let started = fields.by_ref().take(5).collect::<Vec<_>>().join(" ");
            let command = fields.collect::<Vec<_>>().join(" ");
            let process = Process { pid: pid.to_owned(), started, command };
            (!stat.starts_with('Z')).then(|| (user.to_owned(), process))
        });
        let alive: Vec<_> = parsed.collect();
        match &self.whom {
            Whom::PidFile(file) => {
                let Some(image) = host.read(file)? else { return Ok(Vec::new()) };
                let text = String::from_utf8_lossy(&image.bytes).trim().to_owned();
                if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) || text == "0" || text == "1" {
                    return Err(ActionError::untouched(format!("{file} holds no process id")));
                }
                Ok(alive.into_iter().map(|(_, process)| process).filter(|process| process.pid == text).collect())
            }
            Whom::Pattern { pattern, user } => {
                let meant = matching(host, pattern, &alive.iter().map(|(_, p)| p.command.as_str()).collect::<Vec<_>>())?;
                let of_user = |owner: &str| user.as_deref().is_none_or(|user| user == owner);
                let chosen = alive.into_iter().zip(meant).filter(|((owner, process), meant)| {
                    *meant && of_user(owner) && process.pid != "1" && !is_kernel(&process.command)
                });
                Ok(chosen.map(|((_, process), _)| process).collect())
            }
        }
    }

    fn signal(&self, host: &Host, name: &str, processes: &[Process]) -> Result<(), ActionError> {
        let pids = processes.iter().map(|process| process.pid.clone());
        let argv: Vec<_> = ["kill", name, "--"].into_iter().map(str::to_owned).chain(pids).collect();
        match host.act(&argv, b"") {
            // One that went in the meantime is no failure; the look after it tells.
            Err(error) if !error.in_doubt && error.message.contains("No such process") => Ok(()),
            result => result.map(|_| ()),
        }
    }
}

/// A kernel thread has no command line; `ps` shows its name in brackets.
fn is_kernel(command: &str) -> bool {
    command.starts_with('[') && command.ends_with(']')
}

/// Which of these lines match; `grep` judges them, so that the pattern means what it means at the host.
fn matching(host: &Host, pattern: &str, lines: &[&str]) -> Result<Vec<bool>, ActionError> {
    let script = format!(
        "LC_ALL=C.UTF-8 grep -nE -e {} <<'pointsman-end'\n{}\npointsman-end",
        super::shell::quoted(pattern),
        lines.join("\n")
    );
    let ran = host.look_script(&format!("processes that match {pattern}"), &script)?;
    match ran.end {
        super::exec::End::Code(0 | 1) => {
            let numbers: std::collections::HashSet<usize> =
                ran.text().lines().filter_map(|line| line.split(':').next()?.parse().ok()).collect();
            Ok((1..=lines.len()).map(|number| numbers.contains(&number)).collect())
        }
        _ => Err(ActionError::untouched(format!("`pattern`: grep {}", ran.complaint()))),
    }
}

/// For the record: how many, and which, without what stands in their command lines.
fn summary(processes: &[Process]) -> Value {
    let of = |process: &Process| json!({ "pid": process.pid, "started": process.started, "command": Digest::of(process.command.as_bytes()).short() });
    Value::Array(processes.iter().map(of).collect())
}

#[async_trait]
impl Inspect for ProcessStop {
    fn name(&self) -> &'static str {
        "process.stop"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let order = Order::of(call)?;
        with_host(call, own_target(call)?, move |host| {
            let found = order.find(host)?;
            let mut argv = vec!["kill".to_owned(), "-TERM".to_owned(), "--".to_owned()];
            argv.extend(found.iter().map(|process| process.pid.clone()));
            let blockers = if found.is_empty() {
                vec![Blocker { what: "no such process runs now".to_owned(), owner: None }]
            } else {
                Vec::new()
            };
            let statements = if found.is_empty() { Vec::new() } else { vec![host.shown_line(&argv)] };
            Ok(Inspection {
                identity: host.identity(),
                state: json!({ "alive": summary(&found) }),
                statements,
                blockers,
                ..Inspection::default()
            })
        })
        .await
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let order = Order::of(call)?;
        with_host(call, own_target(call)?, move |host| Ok(json!({ "alive": summary(&order.find(host)?) }))).await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (order, before) = (Order::of(call)?, snapshot["alive"].clone());
        with_host(call, own_target(call)?, move |host| {
            let now = summary(&order.find(host)?);
            let count = |value: &Value| value.as_array().map_or(0, Vec::len);
            let finding = if count(&now) == 0 {
                Finding::Applied
            } else if now == before {
                Finding::NotApplied
            } else {
                Finding::Partial(format!("{} alive", count_of(count(&now), "process")))
            };
            let outputs = json!({ "stopped": count(&before).saturating_sub(count(&now)), "killed": null });
            Ok(Probed { finding, outputs, facts: json!({ "alive": now }) })
        })
        .await
    }
}

fn stop(host: &Host, order: &Order) -> Result<Applied, ActionError> {
    let first = order.find(host)?;
    let mut killed = 0;
    if !first.is_empty() {
        order.signal(host, "-TERM", &first)?;
        let grace = host.patience().at_most(order.grace);
        let mut alive = order.find(host).map_err(ActionError::after_change)?;
        while !alive.is_empty() && grace.sleep_blocking(Duration::from_millis(200)).is_ok() {
            alive = order.find(host).map_err(ActionError::after_change)?;
        }
        if !alive.is_empty() {
            if !order.kill {
                let text = format!("{} did not end in {:?}: pid {}", count_of(alive.len(), "process"), order.grace, alive[0].pid);
                return Err(ActionError::touched(text).hint("`kill: true` kills what does not end by itself"));
            }
            killed = alive.len();
            order.signal(host, "-KILL", &alive).map_err(ActionError::after_change)?;
        }
    }
    Ok(Applied { outputs: json!({ "stopped": first.len(), "killed": killed }) })
}

#[async_trait]
impl Act for ProcessStop {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let order = Order::of(call)?;
        with_host(call, own_target(call)?, move |host| stop(host, &order)).await
    }

    /// None is there, and none comes back for a second: somebody who restarts them would be seen.
    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let order = Order::of(call)?;
        let proof = with_host(call, own_target(call)?, move |host| {
            let mut looks = 0;
            let settle = host.patience().at_most(Duration::from_secs(1));
            loop {
                let alive = order.find(host)?;
                looks += 1;
                if let Some(process) = alive.first() {
                    let text = format!(
                        "{} alive, the first is pid {} since {}",
                        count_of(alive.len(), "process"),
                        process.pid,
                        process.started
                    );
                    // A killed one needs a moment until its parent has collected it.
                    if looks > 1 {
                        return Err(ActionError::touched(text));
                    }
                }
                if settle.sleep_blocking(Duration::from_millis(300)).is_err() {
                    return Ok(Evidence::new(json!({ "identity": host.identity(), "alive": 0, "looks": looks })));
                }
            }
        });
        proof.await.map_err(ActionError::after_change)
    }

    async fn undo(&self, _call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        Err(ActionError::untouched("only the author knows how these processes are started")
            .manual(vec!["# start what process.stop has ended: see the step's snapshot for what was alive".to_owned()]))
    }
}
