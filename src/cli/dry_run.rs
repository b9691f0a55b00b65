//! `pointsman run --dry-run`: what the run would send, asked of the real targets, and what changed since the last time.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::console;
use super::desk::{Desk, now};
use super::driving::Show;
use super::exit::Exit;
use crate::connectors::Registry;
use crate::engine::Home;
use crate::model::Actor;
use crate::plan::Plan;
use crate::rehearsal::{DryRun, dry_run};
use crate::views::dry_run as view;

/// Makes a dry run, shows it and keeps it.
pub fn run(desk: &Desk, plan: Plan, starter: Actor, show: &Show) -> Result<Exit> {
    let home = desk.home()?;
    let plan = Arc::new(plan);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime can be made")?;
    let found = runtime.block_on(dry_run(&plan, &Registry::standard(), starter, now()));
    // What a profile shows is kept apart: nobody at a live gate is shown what staging answered.
    let name = match &plan.content().profile {
        Some(profile) => format!("{}@{}", found.runbook, profile.name),
        None => found.runbook.clone(),
    };
    let before = last(&home, &name)?;
    home.keep_dry_run(&name, &serde_json::to_vec(&found).context("the dry run cannot be written")?)?;
    if show.is_json() {
        console::print_json(&view::json(&found, before.as_ref()))?;
    } else {
        console::print_lines(&view::text(&plan, &found, before.as_ref()))?;
    }
    Ok(if found.blocked().next().is_some() { Exit::NeedsAttention } else { Exit::Done })
}

/// The last dry run of a runbook; one that an older version wrote in another form counts as none.
pub fn last(home: &Home, runbook: &str) -> Result<Option<DryRun>> {
    Ok(home.dry_run(runbook)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}
