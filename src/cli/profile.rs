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

    /// The parameters that were given, with its own values for the rest.
    pub fn below(&self, given: &Object) -> Object {
        let mut params = given.clone();
        for (name, value) in self.profile.iter().flat_map(|profile| &profile.params) {
            params.entry(name.clone()).or_insert_with(|| value.clone());
        }
        params
    }

    /// The plan against its targets, none of which may be one of the plan `live` that there is without it; none where it does not
    /// fit the runbook.
    pub fn apply(&self, plan: Plan, live: Option<&Plan>, runbook: &Runbook, reports: &mut Vec<(Report, Source)>) -> Option<Plan> {
        let (plan, report) = plan.against(live, runbook, self.profile.as_ref()?, &self.name, &self.source);
        reports.push((report, self.source.clone()));
        plan
    }
}
