//! The same steps against the targets of a profile: a rehearsal for real. What the profile says is held against the runbook,
//! so that no target of the live night is touched.

use std::collections::BTreeMap;

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
        let live = &self.content().targets;
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
                targets.get(name).and_then(|mine| live.iter().find(|(_, live)| is_one_place(live, mine)))
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

/// Whether two targets are reached at one address. Where no address is known, the same settings are the same place.
fn is_one_place(a: &PlannedTarget, b: &PlannedTarget) -> bool {
    match (a.address(), b.address()) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a == b,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

impl PlannedTarget {
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
