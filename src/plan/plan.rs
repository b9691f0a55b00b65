//! The frozen plan: what will be done, in which order, with what way back.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::interlock::Interlock;
use super::{Param, PlannedStep, Section, StepIndex};
use crate::model::{Digest, Object, PersonId, RoleName, Roster, Span, StepId, TargetName, Timestamp, WitnessLevel};

/// What is stored and hashed. Only the checks of this room make one for a user.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanContent {
    /// Version of this form.
    pub version: u32,
    /// The runbook's name.
    pub runbook: String,
    /// The runbook's title, for people.
    pub title: String,
    /// Who wrote the runbook (`owner:`); gates may exclude them.
    pub author: Option<PersonId>,
    /// Who edited the runbook last, where a gate excludes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edited_by: Vec<PersonId>,
    /// Where it acts, for whoever approves a protected gate to type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Digest of the runbook's own text.
    pub source: Digest,
    /// Digest of what is written but for what differs between profiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Digest>,
    /// The profile whose targets stand for the live ones; none in a live run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// The folder of the runbook file; relative paths start there.
    pub base_dir: String,
    /// The parameters, defaults filled in.
    pub params: Object,
    /// When the run may act.
    pub window: Option<Window>,
    /// The people, as the roster file named them when the plan was made.
    pub roster: Option<Roster>,
    /// Who outside this host has to have seen the record before a gate lets anything through, where the runbook asks for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<WitnessPolicy>,
    /// The targets by name.
    pub targets: BTreeMap<TargetName, PlannedTarget>,
    /// From where to where the night moves; the interlocks speak about it.
    #[serde(default)]
    pub movement: Option<Movement>,
    /// The runbook's own safety rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interlocks: Vec<Interlock>,
    /// Who may order a rollback by hand, when the runbook says so.
    pub rollback_role: Option<RoleName>,
    /// How many attempts run at the same time, at most.
    pub max_concurrent: u32,
    /// Every step of all three sections; `needs` point to earlier positions only.
    pub steps: Vec<PlannedStep>,
}

/// When a run may act, as moments and as the author wrote it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The first moment.
    pub opens: Timestamp,
    /// The last moment.
    pub closes: Timestamp,
    /// The IANA time zone in which the author wrote it.
    pub time_zone: String,
}

/// What a runbook asks of witnesses. The installation may ask for more, and the more counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessPolicy {
    /// How far outside a gate's checkpoint has to be seen.
    pub level: WitnessLevel,
    /// How old the newest checkpoint of an active run may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Span>,
}

/// The profile that a rehearsal for real runs under.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name: that of its file.
    pub name: String,
}

/// The `move:` of a runbook: which side is left, which is entered, and what decides where users go.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Movement {
    /// The side that is left.
    pub from: TargetName,
    /// The side that is entered.
    pub to: TargetName,
    /// What decides where users go: a target, or a target and a part of it (`lb/shop`).
    pub entry: Option<String>,
    /// How long clients can bear that nobody writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients_bear: Option<Span>,
}

/// A target with its connector and settings; secrets stay references.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedTarget {
    /// The connector.
    pub connector: String,
    /// Its settings.
    pub settings: Param,
}

/// A checked, frozen plan with its graph.
#[derive(Clone, Debug)]
pub struct Plan {
    content: PlanContent,
    stored: Vec<u8>,
    digest: Digest,
    dependents: Vec<Vec<StepIndex>>,
    by_id: HashMap<StepId, StepIndex>,
}

/// Why stored bytes are no plan.
#[derive(Debug, thiserror::Error)]
pub enum StoredPlanError {
    /// The bytes are not the JSON of a plan.
    #[error("the stored plan cannot be read")]
    Malformed(#[source] serde_json::Error),
    /// The bytes are not those that the run started with.
    #[error("the stored plan is not the one this run started with: it hashes to {found}, the journal says {expected}")]
    Changed {
        /// What the journal says.
        expected: Digest,
        /// What the bytes hash to.
        found: Digest,
    },
    /// The steps do not form a plan.
    #[error("the stored plan is inconsistent: {0}")]
    Inconsistent(String),
}

impl Plan {
    /// Freezes checked content.
    ///
    /// # Errors
    /// When a step needs a later one, an index points outside, or an id stands twice.
    pub(crate) fn freeze(content: PlanContent) -> Result<Self, StoredPlanError> {
        let stored = serde_json::to_vec(&content).map_err(StoredPlanError::Malformed)?;
        Self::index(content, stored)
    }

    /// Reads a stored plan and compares it with the digest in the journal.
    ///
    /// # Errors
    /// When the bytes are no plan, or not that plan.
    pub fn from_stored(stored: Vec<u8>, expected: Digest) -> Result<Self, StoredPlanError> {
        let found = Digest::of(&stored);
        if found != expected {
            return Err(StoredPlanError::Changed { expected, found });
        }
        let content = serde_json::from_slice(&stored).map_err(StoredPlanError::Malformed)?;
        Self::index(content, stored)
    }

    fn index(content: PlanContent, stored: Vec<u8>) -> Result<Self, StoredPlanError> {
        let count = content.steps.len();
        let mut dependents = vec![Vec::new(); count];
        let mut by_id = HashMap::with_capacity(count);
        for (position, step) in content.steps.iter().enumerate() {
            let index = StepIndex::new(position);
            if by_id.insert(step.id.clone(), index).is_some() {
                return Err(StoredPlanError::Inconsistent(format!("step {} stands twice", step.id)));
            }
            for need in &step.needs {
                if need.get() >= position {
                    return Err(StoredPlanError::Inconsistent(format!("step {} needs a later step", step.id)));
                }
                dependents[need.get()].push(index);
            }
            if step.group.is_some_and(|group| group.get() >= count) {
                return Err(StoredPlanError::Inconsistent(format!("step {} is an item of no step", step.id)));
            }
        }
        let digest = Digest::of(&stored);
        Ok(Self { content, stored, digest, dependents, by_id })
    }

    /// What was frozen.
    pub const fn content(&self) -> &PlanContent {
        &self.content
    }

    /// What whoever approves a protected gate types: the environment, or the runbook's name where it has none.
    pub fn environment(&self) -> &str {
        self.content.environment.as_deref().unwrap_or(&self.content.runbook)
    }

    /// The bytes that are stored and hashed.
    pub fn stored(&self) -> &[u8] {
        &self.stored
    }

    /// The digest of the stored bytes.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// All steps, of all sections; each after those it needs.
    pub fn steps(&self) -> &[PlannedStep] {
        &self.content.steps
    }

    /// One step.
    pub fn step(&self, index: StepIndex) -> &PlannedStep {
        &self.content.steps[index.get()]
    }

    /// The step with this id.
    pub fn find(&self, id: &StepId) -> Option<StepIndex> {
        self.by_id.get(id).copied()
    }

    /// The steps that need this one directly.
    pub fn dependents(&self, index: StepIndex) -> &[StepIndex] {
        &self.dependents[index.get()]
    }

    /// The positions of one section, in plan order.
    pub fn section(&self, section: Section) -> impl Iterator<Item = StepIndex> + '_ {
        self.content.steps.iter().enumerate().filter(move |(_, s)| s.section == section).map(|(i, _)| StepIndex::new(i))
    }
}
