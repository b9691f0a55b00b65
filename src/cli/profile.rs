//! The profile that `--targets` names: other targets for the same steps.

use std::path::Path;

use anyhow::Result;

use super::preparation::read;
use crate::diagnostic::{Report, Source};
use crate::model::Object;
use crate::plan::Plan;
use crate::runbook::{Profile, Runbook, parse_profile};

/// A profile and its file.
#[derive(Debug)]
pub struct ProfileFile {
    name: String,
    source: Source,
    profile: Option<Profile>,
}

impl ProfileFile {
    /// Reads a profile; what is wrong inside is in the reports.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(path: &Path, reports: &mut Vec<(Report, Source)>) -> Result<Self> {
        let source = read(path)?;
        let name = path.file_stem().map_or_else(|| "profile".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let (profile, report) = parse_profile(&source);
        reports.push((report, source.clone()));
        Ok(Self { name, source, profile })
    }

    /// Its values of the runbook's parameters.
    pub fn params(&self) -> impl Iterator<Item = (&String, &crate::model::Value)> {
        self.profile.iter().map(|profile| &profile.params).flat_map(Object::iter)
    }

    /// The plan against its targets; none where it does not fit the runbook.
    pub fn apply(&self, plan: Plan, runbook: &Runbook, reports: &mut Vec<(Report, Source)>) -> Option<Plan> {
        let (plan, report) = plan.against(runbook, self.profile.as_ref()?, &self.name, &self.source);
        reports.push((report, self.source.clone()));
        plan
    }
}
