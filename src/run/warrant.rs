//! What a signed decision is bound to, recomputed from the state; and whether what was decided still holds.
//!
//! Pure: the same questions are asked when a statement is submitted, at the beginning of every turn until the decision is
//! used, and never in a replay.

use std::collections::BTreeSet;

use serde_json::json;

use super::StepStatus;
use super::state::{Instance, State};
use crate::authority::{Statement, key_still_holds};
use crate::model::{Actor, Digest, Object, RoleName, Roster, RunId, StepId, TargetName, Timestamp, Value};
use crate::plan::{SignatureRule, StepIndex, StepKind, Wait};

/// Keys of an identity that name a machine or a server, and not what it is doing.
const WHO: [&str; 5] = ["host_key", "hostname", "server_id", "server_uuid", "system_identifier"];

/// What a decision about one step is bound to now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bound {
    /// The run.
    pub run: RunId,
    /// The step.
    pub gate: StepId,
    /// The digest of the plan.
    pub plan: Digest,
    /// The digest of the parameters.
    pub params: Digest,
    /// The digest of the targets and of who they said they are.
    pub targets: Digest,
    /// The first and the last step behind it, up to the next gate.
    pub scope: String,
    /// The digest of the evidence.
    pub evidence: Digest,
    /// The first record at which this was being asked.
    pub since: u64,
}

impl State {
    /// What a decision about this step is bound to now.
    pub fn bound(&self, i: Instance) -> Bound {
        let content = self.plan.content();
        // A gate asks once, and what it asked about stays so while it is open.
        let asked = self.step(i).detail.as_ref().filter(|_| self.is_gate(i));
        Bound {
            run: self.run.clone().unwrap_or_else(|| RunId::new("none")),
            gate: self.id(i).clone(),
            plan: self.plan.digest(),
            params: digest(&Value::Object(content.params.clone())),
            targets: asked.and_then(|detail| detail.targets).unwrap_or_else(|| self.targets()),
            scope: self.scope_behind(i),
            evidence: digest(&self.shown_evidence(i)),
            since: asked.map_or(self.step(i).since, |detail| detail.asked),
        }
    }

    /// Whether an unsigned decision about this step is refused.
    pub fn asks_for_signature(&self, i: Instance) -> bool {
        match &self.planned(i).wait {
            Some(Wait::Approval { signature, .. }) => *signature == SignatureRule::Required,
            Some(Wait::Manual { .. } | Wait::Hold { .. } | Wait::Window) | None => {
                self.plan.content().roster.as_ref().is_some_and(Roster::has_signers)
            }
        }
    }

    /// What a person who decides about this step is shown: at a gate the outputs of the steps before it, else its own state.
    pub fn shown_evidence(&self, i: Instance) -> Value {
        if self.planned(i).wait.is_some() {
            return self.evidence(i);
        }
        let step = self.step(i);
        json!({ "status": step.status.word(), "attempt": step.attempt, "error": step.error(), "outputs": self.outputs(i) })
    }

    /// The nonces of every signed statement that counted.
    pub const fn nonces(&self) -> &BTreeSet<String> {
        &self.nonces
    }

    /// The roster as it is now, where it was changed since the plan was made.
    pub const fn people(&self) -> Option<&Roster> {
        self.people.as_ref()
    }

    /// Whether people are being asked, or what they approved is still to be used: whoever they are matters now.
    pub fn relies_on_people(&self) -> bool {
        !self.relied.is_empty() || self.asked > 0
    }

    /// The people of the plan, and those of the roster as it is now where it was changed since.
    pub(super) fn rosters(&self) -> impl Iterator<Item = &Roster> {
        self.plan.content().roster.iter().chain(&self.people)
    }

    /// Whether a statement still says what is true of the run, and its approver may still act and is who they were.
    ///
    /// # Errors
    /// What no longer holds.
    pub(super) fn warrants(&self, i: Instance, statement: &Statement, now: Timestamp) -> Result<(), String> {
        let bound = self.bound(i);
        let same = |is: bool, what: &str| if is { Ok(()) } else { Err(format!("the statement is about another {what}")) };
        same(statement.run == bound.run, "run")?;
        same(statement.gate == bound.gate, "gate")?;
        same(statement.plan == bound.plan, "plan")?;
        same(statement.params == bound.params, "set of parameters")?;
        same(statement.targets == bound.targets, "set of targets: they changed, or answer as somebody else")?;
        same(statement.scope == bound.scope, "scope")?;
        same(statement.evidence == bound.evidence, "evidence")?;
        if statement.journal.0 < bound.since {
            return Err(format!(
                "the statement was made at record {}, and this is being asked since record {}",
                statement.journal.0, bound.since
            ));
        }
        if now < statement.not_before {
            return Err(format!("the statement counts from {} on", statement.not_before));
        }
        if now > statement.not_after {
            return Err(format!("the statement counted until {}", statement.not_after));
        }
        self.is_fresh(i, now)?;
        for roster in self.rosters() {
            roster.may_act(&statement.approver, &statement.role, statement.deputy_for.as_ref())?;
        }
        Ok(())
    }

    /// Whether what a gate shows is as young as the gate asks for: its evidence, and the rehearsal.
    ///
    /// # Errors
    /// Which part of it is older.
    pub(super) fn is_fresh(&self, i: Instance, now: Timestamp) -> Result<(), String> {
        self.is_rehearsed(i, now)?;
        let Some(Wait::Approval { evidence_within: Some(limit), .. }) = &self.planned(i).wait else { return Ok(()) };
        let before = self.planned(i).needs.iter().map(|need| Instance::of(*need));
        let old = |need: &Instance| self.step(*need).ended.is_some_and(|ended| now.since(ended) > limit.as_duration());
        match before.into_iter().find(old) {
            Some(need) => {
                Err(format!("the evidence of step {} is older than {limit}; reject, so that it is gathered anew", self.id(need)))
            }
            None => Ok(()),
        }
    }

    /// Whether an approval that was counted still holds.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn still_holds(&self, i: Instance, by: &Actor, now: Timestamp) -> Result<(), String> {
        self.is_fresh(i, now)?;
        let Some((statement, signature)) = by.signed() else { return Ok(()) };
        let statement = Statement::parse(statement).map_err(|error| error.to_string())?;
        self.warrants(i, &statement, now)?;
        self.rosters()
            .try_for_each(|roster| key_still_holds(roster, &statement, signature, now).map_err(|error| error.to_string()))
    }

    /// The gates whose approvals this step would use: the nearest ones before it that nothing has used yet.
    pub(super) fn gates_before(&self, i: Instance) -> Vec<Instance> {
        if self.relied.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut stack: Vec<StepIndex> = self.planned(i).needs.clone();
        let mut seen = BTreeSet::new();
        while let Some(need) = stack.pop() {
            let before = Instance::of(need);
            if !seen.insert(need) {
                continue;
            }
            if self.is_gate(before) {
                found.extend(self.relied.get(&before));
            } else if self.step(before).attempt == 0 {
                stack.extend(&self.planned(before).needs);
            }
        }
        found
    }

    /// A gate whose approvals were given for another server than the one that answers now, with the answer.
    pub(super) fn other_server(&self, i: Instance, identity: &Value) -> Option<(Instance, String, Value)> {
        let target = self.planned(i).target.as_ref()?;
        let known = self.answers.get(target)?;
        let who = who(identity);
        let (key, answer) = who.iter().find(|(key, answer)| known.get(*key).is_some_and(|known| known != *answer))?;
        let signed = |gate: &Instance| {
            self.grants(*gate).iter().any(|grant| grant.signed().is_some()) && self.unused_behind(*gate).is_some()
        };
        let gate = self.gates_before(i).into_iter().find(signed)?;
        let why = format!("the target {target} answers as {key} {answer}, and was approved as {}", known[key.as_str()]);
        Some((gate, why, json!({ target.as_str(): who })))
    }

    /// The approvals that count at a gate now.
    pub fn grants(&self, i: Instance) -> &[Actor] {
        self.step(i).detail.as_ref().map_or(&[], |detail| &detail.grants)
    }

    pub(super) fn is_gate(&self, i: Instance) -> bool {
        matches!(self.planned(i).wait, Some(Wait::Approval { .. }))
    }

    /// Takes note of who a target said it is.
    pub(super) fn note_answer(&mut self, target: &TargetName, identity: &Value) {
        let found = who(identity);
        if !found.is_empty() {
            self.answers.entry(target.clone()).or_default().extend(found);
        }
    }

    /// Who a target said it is, as far as it was asked.
    pub fn answer_of(&self, target: &TargetName) -> Value {
        json!(self.answers.get(target))
    }

    /// The digest of every target: how it is reached, and who it said it is.
    pub(super) fn targets(&self) -> Digest {
        let targets = self.plan.content().targets.iter().map(|(name, target)| {
            let settings = target.settings.shown();
            (name.to_string(), json!({ "connector": target.connector, "settings": settings, "answers": self.answers.get(name) }))
        });
        digest(&Value::Object(targets.collect()))
    }

    /// The steps, in plan order, that this one lets start and no later gate does.
    pub fn steps_behind(&self, i: Instance) -> Vec<StepIndex> {
        let mut stack = self.plan.dependents(self.def(i)).to_vec();
        let mut inside = BTreeSet::new();
        while let Some(next) = stack.pop() {
            if !matches!(self.plan.step(next).wait, Some(Wait::Approval { .. })) && inside.insert(next) {
                stack.extend(self.plan.dependents(next));
            }
        }
        inside.into_iter().collect()
    }

    /// `freeze-old..switch`: the first and the last step that acts and that this one lets start, up to the next gate.
    fn scope_behind(&self, i: Instance) -> String {
        let behind = self.steps_behind(i).into_iter().map(|at| self.plan.step(at));
        let acts: Vec<_> = behind.filter(|step| step.wait.is_none() && !matches!(step.kind, StepKind::Group { .. })).collect();
        match (acts.first(), acts.last()) {
            (Some(first), Some(last)) => format!("{}..{}", first.id, last.id),
            _ => "none".to_owned(),
        }
    }

    /// The roles in which a decision about this step counts, open places first; none where anybody's does.
    pub fn deciding_roles(&self, i: Instance) -> Vec<RoleName> {
        let planned = self.planned(i);
        match (&planned.wait, self.step(i).status) {
            (Some(Wait::Approval { approvers, .. }), _) => {
                let given = |role: &RoleName| self.grants(i).iter().filter(|grant| grant.roles.contains(role)).count();
                let mut roles: Vec<_> = approvers.iter().map(|a| (given(&a.role) >= a.count as usize, a.role.clone())).collect();
                roles.sort_by_key(|(is_filled, _)| *is_filled);
                roles.into_iter().map(|(_, role)| role).chain(self.escalated_to(i).cloned()).collect()
            }
            (Some(Wait::Manual { role, .. }), _) => role.iter().cloned().collect(),
            (_, StepStatus::AwaitingConfirm) => planned.confirm.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }
}

/// The parts of an identity that say who it is.
fn who(identity: &Value) -> Object {
    let parts = identity.as_object().into_iter().flatten();
    parts.filter(|(key, value)| WHO.contains(&key.as_str()) && !value.is_null()).map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn digest(value: &Value) -> Digest {
    Digest::of(value.to_string().as_bytes())
}
