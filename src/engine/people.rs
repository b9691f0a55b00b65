//! The roster file and the files of keys that it names: read when a plan is made, and looked at again while a run relies on
//! what is in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::EngineError;
use crate::authority::signers::{Revoked, Signers, SignersError};
use crate::diagnostic::code::document as code;
use crate::diagnostic::{Diagnostic, Report, Source, SourceSpan};
use crate::model::{Digest, KeyFile, Pinned, Roster, Value};
use crate::run::State;
use crate::runbook::parse_roster;

/// What the files of a roster hold.
#[derive(Debug)]
pub struct RosterFiles {
    /// The roster with its keys, if the files could be understood.
    pub roster: Option<Roster>,
    /// The files, each with what is to be said about it.
    pub reports: Vec<(Report, Source)>,
}

/// Reads the roster at `name`, a path that starts in `folder`, and the files of keys that it names, which start where it lies.
///
/// # Errors
/// When a file cannot be read; what is wrong inside is in the reports.
pub fn read_roster(folder: &Path, name: &str) -> Result<RosterFiles, EngineError> {
    let path = folder.join(name);
    let source = Source::new(name, read(&path)?);
    let mut bytes = length_and(&source.text);
    let (roster, report) = parse_roster(&source);
    let mut reports = vec![(report, source)];
    let Some(mut roster) = roster else { return Ok(RosterFiles { roster: None, reports }) };
    let beside = path.parent().unwrap_or(folder).to_owned();
    let mut key_file = |file: &mut Option<KeyFile>, check: fn(&str) -> Vec<SignersError>| -> Result<(), EngineError> {
        let Some(file) = file else { return Ok(()) };
        file.text = read(&beside.join(&file.path))?;
        bytes.push_str(&length_and(&file.text));
        let source = Source::new(&file.path, &file.text);
        reports.push((report_of(&source, &check(&file.text)), source));
        Ok(())
    };
    key_file(&mut roster.allowed_signers, |text| Signers::parse(text).err().unwrap_or_default())?;
    key_file(&mut roster.revoked_keys, |text| Revoked::parse(text).err().unwrap_or_default())?;
    roster.pinned = Some(Pinned { path: name.to_owned(), digest: Digest::of(bytes.as_bytes()) });
    Ok(RosterFiles { roster: Some(roster), reports })
}

/// What is wrong with the text of an `allowed_signers` file.
pub fn check_signers(source: &Source) -> Report {
    report_of(source, &Signers::parse(&source.text).err().unwrap_or_default())
}

fn report_of(source: &Source, errors: &[SignersError]) -> Report {
    let mut report = Report::default();
    errors.iter().for_each(|error| report.push(diagnostic(source, error)));
    report
}

/// Where the people of a run are written down, and what was found there last.
#[derive(Debug)]
pub(super) struct Watch {
    folder: PathBuf,
    path: String,
    known: Option<Digest>,
    /// The files of the last look, with their texts: as long as these stay, nothing has to be understood anew.
    seen: Vec<(PathBuf, Arc<str>)>,
}

impl Watch {
    /// The watch over the roster of a run; none where its plan does not say from which file it came.
    pub fn of(state: &State) -> Option<Self> {
        let content = state.plan().content();
        let pinned = content.roster.as_ref()?.pinned.as_ref()?;
        let present = state.people().map(|people| people.pinned.as_ref().map(|pinned| pinned.digest));
        let known = present.unwrap_or(Some(pinned.digest));
        Some(Self { folder: PathBuf::from(&content.base_dir), path: pinned.path.clone(), known, seen: Vec::new() })
    }

    /// The roster as it is now, if that is not what it was; null where it cannot be read.
    pub fn look(&mut self) -> Option<Value> {
        let stays = |(path, text): &(PathBuf, Arc<str>)| fs::read(path).is_ok_and(|now| now == text.as_bytes());
        if !self.seen.is_empty() && self.seen.iter().all(stays) {
            return None;
        }
        let files = read_roster(&self.folder, &self.path).ok();
        self.seen = files.as_ref().map_or_else(Vec::new, |files| self.texts(files));
        let sound = |files: RosterFiles| files.roster.filter(|_| !files.reports.iter().any(|(report, _)| report.has_errors()));
        let roster = files.and_then(sound);
        let found = roster.as_ref().and_then(|roster| roster.pinned.as_ref()).map(|pinned| pinned.digest);
        if found == self.known {
            return None;
        }
        self.known = found;
        Some(roster.and_then(|roster| serde_json::to_value(roster).ok()).unwrap_or(Value::Null))
    }

    /// The roster, and the files of keys, which lie where it lies.
    fn texts(&self, files: &RosterFiles) -> Vec<(PathBuf, Arc<str>)> {
        let roster = self.folder.join(&self.path);
        let beside = roster.parent().unwrap_or(&self.folder).to_owned();
        let texts = files.reports.iter().map(|(_, source)| source);
        texts
            .enumerate()
            .map(|(at, source)| {
                let path = if at == 0 { roster.clone() } else { beside.join(&*source.name) };
                (path, source.text.clone())
            })
            .collect()
    }
}

fn read(path: &Path) -> Result<String, EngineError> {
    fs::read_to_string(path).map_err(EngineError::io("cannot read the roster", path))
}

/// A text that no other texts can be taken for, however they are put together.
fn length_and(text: &str) -> String {
    format!("{}\n{text}", text.len())
}

fn diagnostic(source: &Source, error: &SignersError) -> Diagnostic {
    let start: usize = source.text.split_inclusive('\n').take(error.line - 1).map(str::len).sum();
    let length = source.text[start..].lines().next().map_or(0, str::len);
    let span = SourceSpan::new(start, start + length);
    Diagnostic::error(code::KEYS_LINE, span, "this line cannot be read").help(error.problem.clone())
}
