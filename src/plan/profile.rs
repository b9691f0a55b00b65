//! The same steps against the targets of a profile: a rehearsal for real. What the profile says is held against the runbook,
//! so that no target of the live night is touched.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{BuildInput, Builder, MissingParams};
use super::plan::Profile;
use super::{Plan, PlannedTarget};
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, Report, Source};
use crate::model::{TargetName, Value};
use crate::runbook::{self, Runbook};

impl Plan {
    /// The plan against the targets of `profile`, which is called `name` and stands in `source`; none where it does not fit. `live`
    /// is the plan without the profile's parameters, whose targets a rehearsal must not touch; without it, this plan stands for it.
    pub fn against(
        self,
        live: Option<&Self>,
        runbook: &Runbook,
        profile: &runbook::Profile,
        name: &str,
        source: &Source,
    ) -> (Option<Self>, Report) {
        let alone = Runbook {
            targets: profile.targets.clone(),
            params: Vec::new(),
            steps: Vec::new(),
            finally: Vec::new(),
            rollback: None,
            ..runbook.clone()
        };
        let input = BuildInput::of(&alone, source);
        let mut builder = Builder::new(&input, MissingParams::Allowed);
        let targets = builder.targets();
        let mut report = builder.report;
        live.unwrap_or(&self).held_against(profile, &targets, &mut report);
        if report.has_errors() {
            return (None, report);
        }
        let mut content = self.content().clone();
        content.profile = Some(Profile { name: name.to_owned() });
        content.environment = Some(profile.environment.as_ref().map_or_else(|| name.to_owned(), |name| name.value.clone()));
        content.window = profile.window.as_ref().map(super::build::moments);
        content.targets = targets;
        (Some(Self::freeze(content).expect("invariant: the same steps are a plan again")), report)
    }

    /// Whether any gate asks for a rehearsal, and this plan is not one.
    pub fn seeks_rehearsal(&self) -> bool {
        let asks = |step: &super::PlannedStep| matches!(step.wait, Some(super::Wait::Approval { rehearsed_within: Some(_), .. }));
        self.content().profile.is_none() && self.steps().iter().any(asks)
    }

    /// Every target of the runbook stands in the profile with the same connector and another address, and no other does.
    fn held_against(&self, profile: &runbook::Profile, targets: &BTreeMap<TargetName, PlannedTarget>, report: &mut Report) {
        let (live, base_dir) = (&self.content().targets, &self.content().base_dir);
        for target in &profile.targets {
            let (name, at) = (&target.name.value, target.name.span);
            let Some(same) = live.get(name) else {
                let message = format!("the profile names `{name}`, and the runbook has no such target");
                report.push(Diagnostic::error(codes::UNKNOWN_TARGET, at, message).help("leave it out"));
                continue;
            };
            if same.connector != target.connector.value {
                let message = format!("`{name}` is a {} in the runbook", same.connector);
                let help = "the same steps need the same connector";
                report.push(Diagnostic::error(codes::TARGET_CONNECTOR, target.connector.span, message).help(help));
            } else if let Some((other, _)) =
                targets.get(name).and_then(|mine| live.iter().find(|(_, live)| is_one_place(live, mine, base_dir)))
            {
                let message = format!("`{name}` of the profile is `{other}` of the live night");
                let help = "a rehearsal never touches what the live night touches: name another system";
                report.push(Diagnostic::error(codes::PROFILE_LIVE, at, message).help(help));
            }
        }
        for name in live.keys().filter(|name| !profile.targets.iter().any(|target| target.name.value == **name)) {
            let message = format!("the profile does not say where `{name}` is: the live one would be used");
            report.push(
                Diagnostic::error(codes::PROFILE_LEFT, profile.span, message).help(format!("add `{name}` to its `targets`")),
            );
        }
    }
}

/// Whether two targets have a place in common, whatever accounts and connectors lead there. Where nothing says where they are, the
/// same settings are the same place.
fn is_one_place(a: &PlannedTarget, b: &PlannedTarget, base_dir: &str) -> bool {
    let (mine, other) = (a.places(base_dir), b.places(base_dir));
    if mine.is_empty() && other.is_empty() { a == b } else { !mine.is_disjoint(&other) }
}

/// A URL or an address without the account, in small letters: `mysql://shop@DB1:3306/` is `mysql://db1:3306`.
fn without_account(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or((String::new(), text), |(scheme, rest)| (format!("{scheme}://"), rest));
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split('?').next().unwrap_or_default().trim_end_matches('/');
    format!("{scheme}{place}").to_ascii_lowercase()
}

/// The path of a file as it would be without `.` and `..`; a relative one starts in `base_dir`.
fn whole_path(base_dir: &str, text: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let start = if text.starts_with('/') { "" } else { base_dir };
    for part in start.split('/').chain(text.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// `db1:22`, of the settings of a host over SSH.
fn ssh_host(settings: &Value) -> Option<String> {
    let port = settings.get("port").and_then(Value::as_u64).unwrap_or(22);
    Some(format!("ssh {}:{port}", settings.get("host")?.as_str()?.to_ascii_lowercase()))
}

impl PlannedTarget {
    /// Every place at which it is reached, as far as its settings say.
    fn places(&self, base_dir: &str) -> BTreeSet<String> {
        let settings = self.settings.shown();
        let text = |key: &str| settings.get(key).and_then(Value::as_str);
        let several = settings.get("addresses").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let vhost = text("vhost").map_or_else(String::new, |vhost| format!(" {vhost}"));
        let reached = [text("url"), text("address")].into_iter().flatten().chain(several);
        let reached = reached.map(|text| format!("{}{vhost}", without_account(text)));
        let host = settings.get("ssh").and_then(ssh_host).unwrap_or_default();
        let files = [text("path"), text("include")].into_iter().flatten();
        let files = files.map(|file| format!("{host}{}", whole_path(base_dir, file)));
        reached.chain(files).chain(ssh_host(&settings)).collect()
    }

    /// Where a target is, without the account that is used there; none where its settings do not say.
    pub fn address(&self) -> Option<String> {
        let settings = self.settings.shown();
        let said =
            ["url", "path", "address", "addresses"].into_iter().find_map(|key| settings.get(key).filter(|v| !v.is_null()))?;
        let text = match said {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let place = match (text.split_once("://"), text.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
            (Some(_) | None, _) => text,
        };
        // A broker's virtual hosts share its address and nothing else.
        let part = settings.get("vhost").and_then(Value::as_str).map_or_else(String::new, |vhost| format!(" {vhost}"));
        Some(format!("{} {place}{part}", self.connector))
    }
}
