//! Starting runs. A run is a process of its own: the console may end, and the run goes on.

use std::fs::{self, File};
use std::path::{Path as FilePath, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, Json, Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::process::Command;

use super::{blocking, parsed};
use crate::diagnostic::Source;
use crate::engine::{is_live, load};
use crate::model::{Object, RunId, Value};
use crate::runbook::{Runbook, parse};
use crate::web::access::Who;
use crate::web::console::Console;
use crate::web::guard::Caller;
use crate::web::problem::Problem;
use crate::web::ticket;

/// How deep runbooks may lie in their folder.
const DEPTH: usize = 3;
/// How long a run may take to begin.
const BEGINNING: Duration = Duration::from_secs(60);
/// How often it is looked whether it has.
const GLANCE: Duration = Duration::from_millis(30);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    runbook: String,
    #[serde(default)]
    params: Object,
}

/// The runbooks that can be started.
///
/// # Errors
/// When their folder cannot be read.
pub async fn list(State(console): State<Arc<Console>>) -> Result<Json<Value>, Problem> {
    let found = blocking(move || Ok(found(&console)));
    let runbooks: Vec<Value> = found.await?.iter().map(|(path, runbook)| told(path, runbook)).collect();
    Ok(Json(json!({ "runbooks": runbooks })))
}

/// Starts a run in a process of its own.
///
/// # Errors
/// When there is no such runbook, or the run does not begin.
pub async fn start(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Start { runbook, params } = parsed(body)?;
    let shared = console.clone();
    let known = blocking(move || Ok(found(&shared))).await?;
    // Only what was found by looking is opened: a path that somebody sends is compared and never followed.
    let is_it = |(path, _): &&(String, Runbook)| *path == runbook;
    let (path, _) = known.iter().find(is_it).ok_or_else(|| Problem::not_found(format!("there is no runbook {runbook}")))?;
    let folder = console.settings.runbooks.clone().unwrap_or_default();
    let mut args = vec!["run".to_owned(), folder.join(path).to_string_lossy().into_owned(), "--plain".to_owned()];
    for (name, value) in params {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        args.extend(["--param".to_owned(), format!("{name}={text}")]);
    }
    begin(&console, &caller, args).await
}

/// Takes up a run that no executor drives.
///
/// # Errors
/// When one does, or it cannot be taken up.
pub async fn resume(
    State(console): State<Arc<Console>>,
    Extension(caller): Extension<Caller>,
    Path(run): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let run = console.settings.home.find(&run)?;
    if is_live(&console.settings.home, &run) {
        return Err(Problem::conflict("an executor drives this run already"));
    }
    begin(&console, &caller, vec!["resume".to_owned(), run.to_string(), "--plain".to_owned()]).await
}

/// Starts the program, and waits until the run that it names is driven.
async fn begin(console: &Arc<Console>, caller: &Caller, mut args: Vec<String>) -> Result<(StatusCode, Json<Value>), Problem> {
    if let Who::Person { person, how } = &caller.visitor()?.who {
        args.extend(["--signed-in".to_owned(), format!("{person}:{how}")]);
    }
    let folder = console.settings.home.path().join("console");
    let failed = |error: &dyn std::fmt::Display| Problem::broken(format!("the run cannot be started: {error}"));
    let name = ticket::random().map_err(|error| failed(&error))?;
    let (out, err) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
    let made = fs::create_dir_all(&folder).and_then(|()| Ok((File::create(&out)?, File::create(&err)?)));
    let (stdout, stderr) = made.map_err(|error| failed(&error))?;
    let mut command = Command::new(&console.settings.program);
    command.args(&args).env("POINTSMAN_HOME", console.settings.home.path());
    // A group of its own: what ends the console does not end the night.
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0).kill_on_drop(false);
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    let (home, end) = (&console.settings.home, Instant::now() + BEGINNING);
    loop {
        if let Some(run) = named(&out).filter(|run| is_live(home, run) && load(home, run, None).is_ok()) {
            tokio::spawn(async move { child.wait().await });
            return Ok((StatusCode::CREATED, Json(json!({ "run": run }))));
        }
        match child.try_wait() {
            Ok(Some(_)) => {
                // A short run may be over before anybody looked.
                if let Some(run) = named(&out).filter(|run| load(home, run, None).is_ok()) {
                    return Ok((StatusCode::CREATED, Json(json!({ "run": run }))));
                }
                let said = fs::read_to_string(&err).unwrap_or_default();
                let _ = (fs::remove_file(&out), fs::remove_file(&err));
                return Err(Problem::unfit(said.trim().to_owned()));
            }
            Ok(None) if Instant::now() < end => tokio::time::sleep(GLANCE).await,
            Ok(None) => {
                return Err(Problem::broken("the run did not begin within a minute; `pointsman status` may show it later"));
            }
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// The run that a program named in the first line of what it printed.
fn named(out: &FilePath) -> Option<RunId> {
    let text = fs::read_to_string(out).ok()?;
    let (line, _) = text.split_once('\n')?;
    crate::model::id::is_name(line).then(|| RunId::new(line))
}

/// Every runbook in the folder, by its path from there.
fn found(console: &Console) -> Vec<(String, Runbook)> {
    let Some(folder) = &console.settings.runbooks else { return Vec::new() };
    let mut files = Vec::new();
    walk(folder, DEPTH, &mut files);
    files.sort();
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).ok()?;
        let path = file.strip_prefix(folder).ok()?.to_string_lossy().into_owned();
        let (runbook, _) = parse(&Source::new(&path, text));
        Some((path, runbook?))
    };
    files.into_iter().filter_map(read).collect()
}

fn walk(folder: &FilePath, depth: usize, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        if kind.as_ref().is_ok_and(fs::FileType::is_dir) && depth > 0 {
            walk(&path, depth - 1, files);
        } else if kind.is_ok_and(|kind| kind.is_file()) && path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
    }
}

fn told(path: &str, runbook: &Runbook) -> Value {
    let params = runbook.params.iter().map(|param| {
        json!({
            "name": param.name.value,
            "type": param.rule.kind.value.word(),
            "default": param.default.as_ref().map(|default| &default.value),
            "required": param.default.is_none(),
            "description": param.description.as_ref().map(|text| &text.value),
        })
    });
    json!({
        "path": path,
        "name": runbook.name.value,
        "title": runbook.title.as_ref().map(|title| &title.value),
        "params": params.collect::<Vec<_>>(),
    })
}
