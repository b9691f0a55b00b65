//! `network.acl`: nobody gets through to these ports any more, old connections included.
//!
//! A rule alone does not end a connection whose packets pass ahead of it or whose peer is silent, so the sockets are closed too.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;

use super::host::Host;
use super::ruleset::Ruleset;
use super::session::with_host;
use super::shell::quoted;
use crate::connectors::patience::Patience;
use crate::connectors::{Act, ActionError, Applied, Blocker, Call, Evidence, Inspect, Inspection, Probed, count_of, own_target};
use crate::model::{Digest, Finding, Value};

/// The action.
#[derive(Debug)]
pub struct NetworkAcl;

/// The step's table as the kernel has it, without counters and handles; none when it is not there.
fn table(host: &Host, rules: &Ruleset) -> Result<Option<String>, ActionError> {
    let ran = host.look(&["nft", "-s", "list", "table", "inet", &rules.table])?;
    if ran.is_ok() {
        return Ok(Some(ran.text()));
    }
    if ran.stderr.contains("No such file or directory") {
        return Ok(None);
    }
    Err(ActionError::untouched(format!("nft at {} {}", host.shown(), ran.complaint())))
}

/// Whether the kernel's table is the wanted one, rule by rule: what it was made of is in its comment's digest.
fn is_whole(found: &str, rules: &Ruleset) -> bool {
    let wanted = rules.text();
    let lines = |text: &str| -> Vec<String> {
        let mut lines: Vec<_> =
            text.lines().map(plain).filter(|line| line.contains(" accept") || line.contains(" reject")).collect();
        lines.sort_unstable();
        lines
    };
    lines(found).len() == lines(&wanted).len() && lines(found).iter().zip(lines(&wanted)).all(|(found, wanted)| *found == wanted)
}

/// A rule in one spelling: `nft` writes a set of one without braces, and sorts a larger one.
fn plain(line: &str) -> String {
    let mut words: Vec<String> = line.replace(['{', '}', ','], " ").split_whitespace().map(str::to_owned).collect();
    if line.contains("policy") {
        words.retain(|_| false);
    }
    words.sort_unstable();
    words.join(" ")
}

/// The connected sockets that the rules are about.
fn sockets(host: &Host, rules: &Ruleset) -> Result<usize, ActionError> {
    let argv: Vec<_> = ["ss".to_owned()].into_iter().chain(rules.sockets()).collect();
    Ok(host.ask(&argv)?.lines().filter(|line| !line.trim().is_empty()).count())
}

/// Tables that Pointsman has left for other runs and steps.
fn leftovers(host: &Host, rules: &Ruleset) -> Result<Vec<String>, ActionError> {
    let all = host.ask(&["nft", "list", "tables", "inet"])?;
    let names = all.lines().filter_map(|line| line.strip_prefix("table inet pointsman_").map(|name| format!("pointsman_{name}")));
    Ok(names.filter(|name| *name != rules.table).collect())
}

fn cut(host: &Host, rules: &Ruleset) -> Result<(), ActionError> {
    for argv in rules.forgetting() {
        // It answers 1 when there was nothing to forget.
        let ran = host.look(&argv).map_err(ActionError::after_change)?;
        if !ran.is_ok() && !ran.stderr.contains("0 flow entries") {
            return Err(ActionError::touched(format!("`{}` {}", host.shown_line(&argv), ran.complaint())));
        }
    }
    let argv: Vec<_> = ["ss".to_owned(), "-K".to_owned()].into_iter().chain(rules.sockets()).collect();
    host.act(&argv, b"").map(|_| ())
}

fn apply(host: &Host, rules: &Ruleset) -> Result<Applied, ActionError> {
    let before = sockets(host, rules)?;
    if !table(host, rules)?.is_some_and(|found| is_whole(&found, rules)) {
        let text = rules.text();
        let shown = format!("nft -f - < table inet {}", rules.table);
        // Counted before it is used; the `x` keeps the shell from stripping the last line break.
        let script = format!(
            "LC_ALL=C; export LC_ALL; d=$(cat; echo x); [ ${{#d}} -eq {} ] || {{ echo 'not all bytes came over' >&2; exit 74; }}\n\
             printf %s \"${{d%x}}\" | {}",
            text.len() + 1,
            host.line(&["nft", "-f", "-"])
        );
        host.act_script(&shown, &script, text.as_bytes())?;
    }
    cut(host, rules)?;
    Ok(Applied { outputs: json!({ "table": rules.table, "cut": before }) })
}

/// Whether somebody gets through from here: a connection that is refused or times out does not.
fn canary(place: &(String, u16), patience: &Patience) -> Result<String, String> {
    use std::net::ToSocketAddrs as _;
    let within = patience.left().min(Duration::from_secs(2)).max(Duration::from_millis(1));
    let address = (place.0.as_str(), place.1).to_socket_addrs().map_err(|error| format!("{}: {error}", place.0))?.next();
    let address = address.ok_or_else(|| format!("{} has no address", place.0))?;
    match std::net::TcpStream::connect_timeout(&address, within) {
        Ok(_) => Err(format!("{address} can be reached from here")),
        Err(error) => Ok(format!("{address}: {error}")),
    }
}

fn prove(host: &Host, rules: &Ruleset, canaries: &[(String, u16)]) -> Result<Evidence, ActionError> {
    let found = table(host, rules)?.ok_or_else(|| ActionError::touched(format!("the table {} is not there", rules.table)))?;
    if !is_whole(&found, rules) {
        return Err(ActionError::touched(format!("the table {} is not the one that was set", rules.table)));
    }
    let patience = host.patience().at_most(Duration::from_secs(3));
    let mut open = sockets(host, rules)?;
    while open > 0 && patience.sleep_blocking(Duration::from_millis(200)).is_ok() {
        cut(host, rules)?;
        open = sockets(host, rules)?;
    }
    if open > 0 {
        return Err(ActionError::touched(format!("{} still open", count_of(open, "connection"))));
    }
    let tried: Result<Vec<_>, _> = canaries.iter().map(|place| canary(place, host.patience())).collect();
    let tried = tried.map_err(|why| ActionError::touched(format!("the rule does not hold: {why}")))?;
    Ok(Evidence::new(json!({
        "identity": host.identity(), "table": rules.table, "rules": Digest::of(found.as_bytes()).to_string(),
        "sockets": open, "canaries": tried,
    })))
}

fn canaries(call: &Call) -> Result<Vec<(String, u16)>, ActionError> {
    let parse = |text: String| {
        let (host, port) = text.rsplit_once(':')?;
        Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
    };
    let texts = call.params.texts("canary")?;
    let parsed: Option<Vec<_>> = texts.into_iter().map(parse).collect();
    parsed.ok_or_else(|| ActionError::untouched("`canary` lists `host:port`"))
}

fn undo(host: &Host, rules: &Ruleset) -> Result<Evidence, ActionError> {
    let found = table(host, rules)?;
    if found.is_some() {
        host.act(&["nft", "delete", "table", "inet", &rules.table], b"")?;
    }
    if table(host, rules)?.is_some() {
        return Err(ActionError::touched(format!("the table {} is still there", rules.table)));
    }
    Ok(Evidence::new(json!({ "identity": host.identity(), "table": rules.table, "removed": found.is_some() })))
}

#[async_trait]
impl Inspect for NetworkAcl {
    fn name(&self) -> &'static str {
        "network.acl"
    }

    async fn inspect(&self, call: &Call) -> Result<Inspection, ActionError> {
        let (rules, canaries) = (Ruleset::of(call)?, canaries(call)?);
        with_host(call, own_target(call)?, move |host| {
            let mut blockers = Vec::new();
            if rules.inbound && rules.ports.contains(&host.address().port) && rules.except.is_empty() {
                blockers.push(Blocker {
                    what: "the rules would cut off Pointsman itself: name it under `except`".to_owned(),
                    owner: None,
                });
            }
            for name in leftovers(host, &rules)? {
                blockers.push(Blocker { what: format!("the table {name} is left of another step"), owner: Some(name) });
            }
            let applied = table(host, &rules)?.is_some();
            // The positive control: a canary that fails already proves nothing.
            for place in canaries.iter().filter(|_| !applied) {
                if let Ok(why) = canary(place, host.patience()) {
                    blockers.push(Blocker { what: format!("the canary does not get through now: {why}"), owner: None });
                }
            }
            let kill: Vec<_> = ["ss".to_owned(), "-K".to_owned()].into_iter().chain(rules.sockets()).collect();
            let mut statements = vec![format!("{} <<'end'\n{}end", host.shown_line(&["nft", "-f", "-"]), rules.text())];
            statements.extend(rules.forgetting().iter().map(|argv| host.shown_line(argv)));
            statements.push(host.shown_line(&kill));
            Ok(Inspection {
                identity: host.identity(),
                state: json!({ "applied": applied, "sockets": sockets(host, &rules)? }),
                statements,
                undo_statements: vec![host.shown_line(&["nft", "delete", "table", "inet", &rules.table])],
                blockers,
                expected_ms: Some(1_000),
            })
        })
        .await
    }

    async fn capture(&self, call: &Call) -> Result<Value, ActionError> {
        let (rules, _) = (Ruleset::of(call)?, canaries(call)?);
        with_host(call, own_target(call)?, move |host| {
            if rules.inbound && rules.ports.contains(&host.address().port) && rules.except.is_empty() {
                return Err(ActionError::untouched("the rules would cut off Pointsman itself: name it under `except`"));
            }
            Ok(json!({ "table": rules.table, "sockets": sockets(host, &rules)? }))
        })
        .await
    }

    async fn probe(&self, call: &Call, snapshot: &Value) -> Result<Probed, ActionError> {
        let (rules, before) = (Ruleset::of(call)?, snapshot["sockets"].clone());
        with_host(call, own_target(call)?, move |host| {
            let open = sockets(host, &rules)?;
            let finding = match table(host, &rules)? {
                None => Finding::NotApplied,
                Some(found) if !is_whole(&found, &rules) => Finding::Partial("the table is not the one that was set".to_owned()),
                Some(_) if open > 0 => Finding::Partial(format!("{} not cut yet", count_of(open, "connection"))),
                Some(_) => Finding::Applied,
            };
            let outputs = json!({ "table": rules.table, "cut": before });
            Ok(Probed { finding, outputs, facts: json!({ "sockets": open }) })
        })
        .await
    }
}

#[async_trait]
impl Act for NetworkAcl {
    async fn apply(&self, call: &Call, _snapshot: &Value) -> Result<Applied, ActionError> {
        let rules = Ruleset::of(call)?;
        with_host(call, own_target(call)?, move |host| apply(host, &rules)).await
    }

    async fn prove(&self, call: &Call, _snapshot: &Value, _applied: &Applied) -> Result<Evidence, ActionError> {
        let (rules, canaries) = (Ruleset::of(call)?, canaries(call)?);
        let proof = with_host(call, own_target(call)?, move |host| prove(host, &rules, &canaries)).await;
        proof.map_err(ActionError::after_change)
    }

    async fn undo(&self, call: &Call, _snapshot: &Value) -> Result<Evidence, ActionError> {
        let rules = Ruleset::of(call)?;
        let hand = format!("nft delete table inet {}", quoted(&rules.table));
        let undone = with_host(call, own_target(call)?, move |host| undo(host, &rules)).await;
        undone.map_err(|error| error.manual(vec![hand]))
    }
}
