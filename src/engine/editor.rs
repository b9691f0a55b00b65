//! Who edited a runbook last, as its git history says it, for gates that exclude that person.
//!
//! A file by itself does not say who wrote it. What is committed does, as far as whoever takes commits checks their authors.
//! Where it cannot be known, that is an answer too, and a gate that asks for it is refused.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::model::{PersonId, Roster};

/// The persons behind the last commit that changed the file `name` in `folder`: its author, and who committed it where the roster
/// knows them.
///
/// # Errors
/// Why it cannot be known.
pub fn last_editors(folder: &Path, name: &str, roster: Option<&Roster>) -> Result<Vec<PersonId>, String> {
    let roster = roster.ok_or("there is no roster that says who commits under which address: write `roster: people.yaml`")?;
    if git(folder, &["rev-parse", "--is-shallow-repository"])? != "false" {
        return Err("the git clone is shallow and does not say who changed what: fetch it whole".to_owned());
    }
    let addresses = git(folder, &["log", "-1", "--format=%ae%n%ce", "--", name])?;
    let (author, committer) = addresses.split_once('\n').ok_or_else(|| format!("{name} is not committed to git: commit it"))?;
    if !git(folder, &["status", "--porcelain", "--ignored", "--", name])?.is_empty() {
        return Err(format!("{name} is not what was committed last: commit it, so that git says who changed it"));
    }
    let unknown =
        || format!("{author} committed it last, and the roster has nobody with this address: add it to `emails` of a person");
    let author = roster.committing_as(author).ok_or_else(unknown)?;
    let committer = roster.committing_as(committer).filter(|committer| *committer != author);
    Ok([author].into_iter().chain(committer).cloned().collect())
}

fn git(folder: &Path, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new("git");
    // The repository is as trusted as the runbook in it. A monitor of its files would be one more program that may hang.
    command.arg("-C").arg(folder).args(["-c", "core.fsmonitor=false", "-c", "log.showSignature=false"]).args(args);
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("git cannot be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git does not know the runbook: {}", said.lines().next().unwrap_or_default()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
