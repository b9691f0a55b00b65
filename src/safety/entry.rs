//! Rules about the steps that move traffic, which no order of steps can mend: shares of writes, shares that cannot be decided,
//! servers that are left out, and an executor that stands on what it switches.

use super::facts::Facts;
use crate::diagnostic::code::plan as codes;
use crate::diagnostic::{Diagnostic, Report};
use crate::model::{Span, Value};
use crate::plan::{Fact, Places, Plan, Section, StepIndex};

/// Everything that is wrong with the entry of the move.
pub(super) fn about_entry(plan: &Plan, facts: &Facts, places: &Places) -> Report {
    let mut look = Look { plan, facts, places, report: Report::default() };
    for at in plan.section(Section::Forward).collect::<Vec<_>>() {
        look.undecided_shares(at);
        if look.sends_users(at) {
            look.shares_of_writes(at);
            look.empty_backend(at);
        }
    }
    look.stands_on_the_entry();
    look.sequences_left();
    look.report
}

struct Look<'a> {
    plan: &'a Plan,
    facts: &'a Facts,
    places: &'a Places,
    report: Report,
}

impl Look<'_> {
    fn with(&self, at: StepIndex) -> Value {
        self.plan.step(at).with.shown()
    }

    /// Whether the step sends the users of the move to the new side.
    fn sends_users(&self, at: StepIndex) -> bool {
        self.facts
            .sides
            .as_ref()
            .is_some_and(|sides| self.facts.units[self.facts.unit_of[at.get()]].sets.contains(&(sides.routed, true)))
    }

    /// Reads may be moved share by share, writes are not: two sides would take them.
    fn shares_of_writes(&mut self, at: StepIndex) {
        let shares = shares(&self.with(at));
        if shares.len() < 2 {
            return;
        }
        let message = format!("`{}` sends writes to both sides while its shares rise", self.plan.step(at).id);
        self.report.push(
            Diagnostic::error(codes::RAMPED_WRITES, self.places.of(at), message)
                .help("move reads share by share through an entry of their own, and writes at once: leave `ramp` out"),
        );
    }

    /// A share is held long enough to tell whether it is good.
    fn undecided_shares(&mut self, at: StepIndex) {
        let with = self.with(at);
        let Some(needed) = Needed::of(&with["gate"]) else { return };
        let Some(dwell) = with["dwell"].as_str().and_then(|text| Span::parse(text).ok()) else { return };
        let short = shares(&with).into_iter().find(|share| needed.dwell(*share) > dwell.as_millis());
        let Some(share) = short else { return };
        let message = format!(
            "`{}` holds {}% for {dwell}, and that cannot decide whether it is good",
            self.plan.step(at).id,
            share * 100.0
        );
        let help = format!(
            "write `dwell: {}` or longer, or begin with a larger share",
            Span::from_millis(needed.dwell(share).div_ceil(1_000) * 1_000)
        );
        self.report.push(Diagnostic::error(codes::RAMP_UNDECIDED, self.places.of(at), message).help(help));
    }

    /// The servers that users are sent to are not taken away.
    fn empty_backend(&mut self, switch: StepIndex) {
        let step = self.plan.step(switch);
        let with = self.with(switch);
        let mut new = texts(&with["servers"]);
        if new.is_empty() {
            new.extend(with["to"].as_str().map(str::to_owned));
        }
        let old = texts(&with["from"]);
        let before = self.plan.before(switch);
        let closing = |at: &StepIndex| {
            let other = self.plan.step(*at);
            let closes = matches!(other.action.as_str(), "haproxy.drain" | "haproxy.maintenance") && other.target == step.target;
            closes && self.with(*at)["backend"] == with["backend"] && !with["backend"].is_null()
        };
        let closers: Vec<StepIndex> = self.plan.section(Section::Forward).filter(closing).collect();
        for at in closers {
            let closed = texts(&self.with(at)["servers"]);
            let all = |wanted: &[String]| !wanted.is_empty() && wanted.iter().all(|server| closed.contains(server));
            let which = if all(&old) && !self.plan.before(at)[switch.get()] {
                "every server of the old side before the new side is there"
            } else if all(&new) && !before[at.get()] {
                "the servers that users are sent to"
            } else {
                continue;
            };
            let message = format!("`{}` closes {which}", self.plan.step(at).id);
            self.report.push(
                Diagnostic::error(codes::BACKEND_EMPTY, self.places.of(at), message)
                    .also(self.places.of(switch), "users are sent there by this step")
                    .help(format!("close the old side's servers behind `{}`, and none of the new side's", step.id)),
            );
        }
    }

    /// Whoever switches the entry does not reach a side through it.
    fn stands_on_the_entry(&mut self) {
        let (Some(sides), Some(entry)) = (&self.facts.sides, &self.facts.names.entry_of_move) else { return };
        let content = self.plan.content();
        let settings =
            |name: &str| content.targets.iter().find(|(target, _)| target.as_str() == name).map(|(_, t)| t.settings.shown());
        let Some(entry_settings) = settings(entry.split('/').next().unwrap_or_default()) else { return };
        let mut addresses = texts(&entry_settings["addresses"]);
        addresses.extend(entry_settings["address"].as_str().map(str::to_owned));
        for side in [&sides.from, &sides.to] {
            let Some(url) = settings(side).and_then(|settings| settings["url"].as_str().map(str::to_owned)) else { continue };
            let place = host_of(&url);
            if !addresses.iter().any(|address| host_of(address) == place) {
                continue;
            }
            let first = self
                .plan
                .section(Section::Forward)
                .find(|at| self.plan.step(*at).target.as_ref().is_some_and(|t| t.as_str() == side));
            let message = format!("`{side}` is reached through `{entry}`, which this runbook switches");
            self.report.push(
                Diagnostic::error(codes::ON_OWN_BRANCH, self.places.of(first.unwrap_or(StepIndex::new(0))), message).help(
                    format!(
                        "give `{side}` the address of the server itself: behind the switch, steps would act on the other side"
                    ),
                ),
            );
        }
    }

    /// Logical replication carries no sequences.
    fn sequences_left(&mut self) {
        let Some(sides) = &self.facts.sides else { return };
        let forward = || self.plan.section(Section::Forward);
        let waits = forward().find(|at| {
            let step = self.plan.step(*at);
            step.action == "postgres.wait_subscription"
                && step
                    .facts()
                    .iter()
                    .any(|fact| matches!(fact, Fact::CaughtUp(target) if self.facts.names.place(target) == sides.to))
        });
        let carries = forward().any(|at| self.plan.step(at).facts().iter().any(|fact| matches!(fact, Fact::Sequences(..))));
        let (Some(waits), false) = (waits, carries || self.facts.openers().is_empty()) else { return };
        let message = format!("`{}` gets its rows by logical replication, and no step carries the sequences", sides.to);
        self.report.push(
            Diagnostic::error(codes::SEQUENCES_LEFT, self.places.of(waits), message).help(format!(
                "add `postgres.carry_sequences` between the freeze and the opening: else the first insert into `{}` takes a number twice",
                sides.to
            )),
        );
    }
}

/// What the gate of a share needs to decide.
struct Needed {
    asked_ms: u64,
    requests: f64,
    rate: Option<f64>,
}

impl Needed {
    fn of(gate: &Value) -> Option<Self> {
        let number = |key: &str| gate[key].as_f64();
        gate.as_object()?;
        let every = gate["every"].as_str().and_then(|text| Span::parse(text).ok()).unwrap_or(Span::from_secs(1));
        let samples = number("consecutive").unwrap_or(3.0).max(number("fail_limit").unwrap_or(1.0));
        let bound = number("below").or_else(|| number("at_most")).filter(|bound| *bound > 0.0);
        // Three failures' worth of requests shows that a rate is below a bound, nineteen times of twenty.
        let decisive = if gate["stat"].is_null() { 0.0 } else { bound.map_or(100.0, |bound| (3.0 / bound).ceil()) };
        let asked_ms = every.as_millis().saturating_mul(whole(samples));
        Some(Self { asked_ms, requests: number("requests").unwrap_or(decisive), rate: number("requests_per_second") })
    }

    /// The shortest dwell of a share that decides, in milliseconds.
    fn dwell(&self, share: f64) -> u64 {
        let counted =
            self.rate.filter(|_| self.requests > 0.0).map(|rate| whole((self.requests / (rate * share)).ceil() * 1_000.0));
        counted.map_or(self.asked_ms, |counted| counted.max(self.asked_ms))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float that is cut at the ends of the range")]
fn whole(number: f64) -> u64 {
    number as u64
}

/// The shares of a ramp, as parts of one; those that only the run knows are left out.
fn shares(with: &Value) -> Vec<f64> {
    let percent = |text: &Value| text.as_str()?.trim().strip_suffix('%')?.trim().parse::<f64>().ok();
    let shares = with["ramp"].as_array().into_iter().flatten().filter_map(percent);
    shares.map(|share| share / 100.0).filter(|share| *share > 0.0).collect()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

/// `host:port` of an address.
fn host_of(address: &str) -> &str {
    let place = address.split_once("://").map_or(address, |(_, rest)| rest);
    let place = place.rsplit_once('@').map_or(place, |(_, rest)| rest);
    place.split('/').next().unwrap_or(place)
}
