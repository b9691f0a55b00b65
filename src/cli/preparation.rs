//! From a runbook file to a plan: reads the files, and collects every problem of all of them.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use super::console;
use super::desk::Desk;
use super::profile::ProfileFile;
use crate::diagnostic::render::{Paint, render};
use crate::diagnostic::{Report, Source};
use crate::engine::editor::last_editors;
use crate::engine::read_roster;
use crate::model::{Object, PersonId, Roster, Value};
use crate::plan::{BuildInput, Built, Plan, build, check, excludes_editor};
use crate::runbook::{ParamKind, Runbook, parse, reader};
use crate::safety::{Proof, prove};

/// The parameters of a runbook, as the command line gives them.
#[derive(Args, Debug, Default)]
pub struct ParamArgs {
    /// A parameter of the runbook; a text as it is, any other type as JSON
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE", value_parser = name_and_value)]
    params: Vec<(String, String)>,
    /// A YAML or JSON file with parameters; --param wins
    #[arg(long, value_name = "FILE")]
    params_file: Option<PathBuf>,
    /// A profile: other targets for the same steps, for a rehearsal for real
    #[arg(long, value_name = "PROFILE")]
    targets: Option<PathBuf>,
}

/// What came of reading a runbook.
#[derive(Debug)]
pub struct Prepared {
    /// The plan, if nothing is wrong.
    pub plan: Option<Plan>,
    /// What was proven of it, beyond what the reports say.
    pub proof: Proof,
    /// The files that were read, each with what is to be said about it.
    pub reports: Vec<(Report, Source)>,
}

impl Prepared {
    /// Says every problem on standard error.
    pub fn say(&self) {
        let paint = if console::errors_are_coloured() { Paint::Coloured } else { Paint::Plain };
        for (report, source) in self.reports.iter().filter(|(report, _)| !report.is_empty()) {
            console::say(render(report, source, paint).trim_end());
        }
    }

    /// Whether anything has errors.
    pub fn has_errors(&self) -> bool {
        self.reports.iter().any(|(report, _)| report.has_errors())
    }
}

/// Reads the runbook at `file` (`-` is standard input), its roster and its parameters, and plans it.
///
/// # Errors
/// When a file cannot be read; what is wrong inside is in the reports.
pub fn prepare(desk: &Desk, file: &Path, args: &ParamArgs) -> Result<Prepared> {
    prepare_by(desk, file, args, build)
}

/// Reads and checks as [`prepare`] does, without complaint about parameters that nobody has given yet.
///
/// # Errors
/// When a file cannot be read; what is wrong inside is in the reports.
pub fn look_over(desk: &Desk, file: &Path, args: &ParamArgs) -> Result<Prepared> {
    prepare_by(desk, file, args, check)
}

fn prepare_by(desk: &Desk, file: &Path, args: &ParamArgs, make: fn(BuildInput<'_>) -> Built) -> Result<Prepared> {
    let source = read(file)?;
    let folder = folder_of(file)?;
    let (runbook, mut report) = parse(&source);
    let mut reports = Vec::new();
    let Some(runbook) = runbook else {
        return Ok(Prepared { plan: None, proof: Proof::default(), reports: vec![(report, source)] });
    };
    let roster = roster(&runbook, &folder, &mut reports)?;
    let profile = args.targets.as_deref().map(|path| ProfileFile::read(path, &mut reports)).transpose()?;
    let given = params(&runbook, args, &mut reports)?;
    let params = profile.as_ref().map_or_else(|| given.clone(), |profile| profile.below(&given));
    let base_dir = folder.to_string_lossy().into_owned();
    let edited_by = edited_by(&runbook, file, &folder, roster.as_ref());
    let input = BuildInput { runbook: &runbook, source: &source, roster, edited_by, params, base_dir };
    let mut built = make(input.clone());
    if let Some(profile) = &profile {
        // The live night has the values of parameters that the profile does not give.
        let live = make(BuildInput { params: given, ..input }).plan;
        built.plan = built.plan.and_then(|plan| profile.apply(plan, live.as_ref(), &runbook, &mut reports));
    }
    report.extend(built.report);
    let mut proof = built.plan.as_ref().map(|plan| prove(plan, &built.places)).unwrap_or_default();
    report.extend(std::mem::take(&mut proof.report));
    if let Some(plan) = built.plan.as_ref().filter(|_| says_what_clients_bear(&runbook)) {
        report.extend(plan.unborne(&runbook, &desk.history(&plan.content().runbook, None)));
    }
    reports.insert(0, (report, source));
    let prepared = Prepared { plan: None, proof, reports };
    let plan = built.plan.filter(|_| !prepared.has_errors());
    Ok(Prepared { plan, ..prepared })
}

/// Whether the time inside the freeze is to be held against anything, so that earlier runs have to be read.
fn says_what_clients_bear(runbook: &Runbook) -> bool {
    runbook.movement.as_ref().is_some_and(|movement| movement.clients_bear.is_some())
}

/// Reads a file; `-` is standard input.
pub fn read(file: &Path) -> Result<Source> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input cannot be read")?;
        return Ok(Source::new("<stdin>", text));
    }
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(Source::new(file.to_string_lossy(), text))
}

/// The folder from which relative paths of the runbook start.
fn folder_of(file: &Path) -> Result<PathBuf> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    folder.canonicalize().with_context(|| format!("the folder {} cannot be found", folder.display()))
}

fn roster(runbook: &Runbook, folder: &Path, reports: &mut Vec<(Report, Source)>) -> Result<Option<Roster>> {
    let Some(named) = &runbook.roster else { return Ok(None) };
    let read = read_roster(folder, &named.value)?;
    reports.extend(read.reports);
    Ok(read.roster)
}

/// Who edited the runbook last; git is asked only where a gate wants to know.
fn edited_by(runbook: &Runbook, file: &Path, folder: &Path, roster: Option<&Roster>) -> Result<Vec<PersonId>, String> {
    if !excludes_editor(runbook) {
        return Err("write the list out: `not: [editor]`".to_owned());
    }
    match file.file_name().and_then(|name| name.to_str()) {
        Some(name) if file != Path::new("-") => last_editors(folder, name, roster),
        Some(_) | None => Err("the runbook came from standard input: name its file".to_owned()),
    }
}

fn params(runbook: &Runbook, args: &ParamArgs, reports: &mut Vec<(Report, Source)>) -> Result<Object> {
    let mut params = Object::new();
    if let Some(path) = &args.params_file {
        let source = read(path)?;
        let mut report = Report::default();
        if let Some(node) = reader::read(&source, &mut report) {
            match node.to_value() {
                Value::Object(given) => params = given,
                Value::Null => {}
                _ => bail!("{} must be a map from parameter names to values", path.display()),
            }
        }
        reports.push((report, source));
    }
    for (name, text) in &args.params {
        let kind = runbook.params.iter().find(|p| p.name.value == *name).map(|p| p.rule.kind.value);
        params.insert(name.clone(), typed(text, kind));
    }
    Ok(params)
}

/// A text stays text where text is wanted; elsewhere it is read as JSON, and what is no JSON is left for the check to refuse.
fn typed(text: &str, kind: Option<ParamKind>) -> Value {
    match kind {
        Some(ParamKind::String) | None => Value::String(text.to_owned()),
        Some(ParamKind::Integer | ParamKind::Number | ParamKind::Boolean | ParamKind::Array | ParamKind::Object) => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
        }
    }
}

/// Reads `name=value`.
pub fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("write NAME=VALUE instead of `{text}`"))?;
    if name.is_empty() { Err(format!("`{text}` has no name before the `=`")) } else { Ok((name.to_owned(), value.to_owned())) }
}
