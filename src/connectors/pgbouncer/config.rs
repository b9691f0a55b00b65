//! The configuration files of a pooler on disk: the entry of one database changed atomically, and the exact bytes put back.
//!
//! The bytes from before are kept beside each file, because a connect string can carry a password and a snapshot must not.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::ini::{Route, rerouted};
use crate::connectors::file::replace::{Image, kept_beside, kept_path, put, real_path, remove};
use crate::connectors::{ActionError, Call, Recorder};
use crate::model::{Digest, Value};

/// The files that hold the entry, in the order of the runbook.
#[derive(Clone)]
pub(super) struct Files {
    files: Vec<(PathBuf, PathBuf)>,
    database: String,
    route: Route,
    recorder: Recorder,
}

/// What one file is, against a snapshot of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stand {
    /// As it was captured.
    Old,
    /// As the switch makes it.
    New,
    /// As it was captured, which is what the switch would make of it.
    Same,
    /// Something else.
    Other,
}

impl Files {
    pub(super) fn of(call: &Call, database: &str, route: &Route) -> Result<Self, ActionError> {
        let given = call.params.texts("files")?;
        if given.is_empty() {
            return Err(ActionError::untouched("`files` is empty: name the file that holds the entry of the database"));
        }
        let mut files = Vec::new();
        for path in given {
            let path = real_path(&call.base_dir.join(path));
            files.push((path.clone(), kept_path(&path, call)));
        }
        Ok(Self { files, database: database.to_owned(), route: route.clone(), recorder: call.recorder.clone() })
    }

    fn read(&self, path: &Path) -> Result<Image, ActionError> {
        Image::read(path)?.ok_or_else(|| ActionError::untouched(format!("{} does not exist", path.display())))
    }

    fn new_text(&self, path: &Path, image: &Image) -> Result<String, ActionError> {
        rerouted(image.text()?, &self.database, &self.route)
            .map_err(|why| ActionError::untouched(format!("{}: {why}", path.display())))
    }

    /// What each file is now and would become; digests only.
    pub(super) fn capture(&self) -> Result<Value, ActionError> {
        let mut found = Vec::new();
        for (path, kept) in &self.files {
            let image = self.read(path)?;
            let new = Digest::of(self.new_text(path, &image)?.as_bytes());
            found.push(json!({
                "path": path.display().to_string(), "kept": kept.display().to_string(),
                "old": image.digest().to_string(), "new": new.to_string(),
                "mode": image.mode, "uid": image.uid, "gid": image.gid,
            }));
        }
        Ok(Value::Array(found))
    }

    /// What other runs kept beside the files.
    pub(super) fn leftovers(&self) -> Vec<PathBuf> {
        self.files.iter().flat_map(|(path, kept)| kept_beside(path).into_iter().filter(move |left| left != kept)).collect()
    }

    /// What each file is now, against its snapshot.
    pub(super) fn stands(&self, snapshot: &Value) -> Result<Vec<Stand>, ActionError> {
        self.files.iter().map(|(path, _)| Ok(stand(&self.read(path)?, before(snapshot, path)?))).collect()
    }

    /// Replaces every file that is not new yet; answers whether something was replaced.
    pub(super) fn switch(&self, snapshot: &Value) -> Result<bool, ActionError> {
        let mut changed = false;
        for (path, kept) in &self.files {
            let image = self.read(path)?;
            let before = before(snapshot, path)?;
            match stand(&image, before) {
                Stand::New | Stand::Same => continue,
                Stand::Other => return Err(self.foreign(path, &image)),
                Stand::Old => {}
            }
            let text = self.new_text(path, &image)?;
            if before["new"] != Digest::of(text.as_bytes()).to_string().as_str() {
                return Err(ActionError::untouched("the new text is not the one that was announced"));
            }
            self.put(kept, &image)?;
            self.put(path, &Image { bytes: text.into_bytes(), ..image })?;
            changed = true;
        }
        Ok(changed)
    }

    /// Puts the kept bytes back wherever the switch stands; answers whether something was put back.
    pub(super) fn put_back(&self, snapshot: &Value) -> Result<bool, ActionError> {
        let mut changed = false;
        for (path, kept) in &self.files {
            let image = self.read(path)?;
            let before = before(snapshot, path)?;
            match stand(&image, before) {
                Stand::Old | Stand::Same => continue,
                Stand::Other => return Err(self.foreign(path, &image)),
                Stand::New => {}
            }
            let old = Image::read(kept)?
                .filter(|old| stand(old, before) == Stand::Old)
                .ok_or_else(|| ActionError::untouched(format!("{} does not hold the bytes from before", kept.display())))?;
            self.put(path, &old)?;
            changed = true;
        }
        Ok(changed)
    }

    /// Removes the kept bytes once the files are what they were.
    pub(super) fn tidy(&self) -> Result<(), ActionError> {
        for (_, kept) in self.files.iter().filter(|(_, kept)| kept.exists()) {
            let begun = Instant::now();
            let result = remove(kept);
            let end = result.as_ref().map_or_else(|error| error.message.clone(), |()| "ok".to_owned());
            self.recorder.statement(&format!("remove {}", kept.display()), begun.elapsed(), &end);
            result?;
        }
        Ok(())
    }

    /// What a person sends to put the files back.
    pub(super) fn by_hand(&self) -> Vec<String> {
        let quoted = |path: &PathBuf| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        self.files.iter().map(|(path, kept)| format!("mv -- {} {}", quoted(kept), quoted(path))).collect()
    }

    /// For people: which file changes to what.
    pub(super) fn statements(&self) -> Vec<String> {
        let Route { host, port, dbname } = &self.route;
        let name = dbname.as_ref().map_or_else(String::new, |name| format!(" dbname={name}"));
        let shown = |path: &PathBuf| format!("replace {}: {} = … host={host} port={port}{name}", path.display(), self.database);
        self.files.iter().map(|(path, _)| shown(path)).collect()
    }

    fn foreign(&self, path: &Path, image: &Image) -> ActionError {
        ActionError::untouched(format!("{} is not what was captured: it is {} now", path.display(), image.digest()))
            .hint("somebody else writes to it; find out who before trying again")
    }

    fn put(&self, path: &Path, image: &Image) -> Result<(), ActionError> {
        let begun = Instant::now();
        let result = put(path, image);
        let end = result.as_ref().map_or_else(|error| error.message.clone(), |()| "ok".to_owned());
        let text = format!("replace {} by {} bytes {}", path.display(), image.bytes.len(), image.digest());
        self.recorder.statement(&text, begun.elapsed(), &end);
        result
    }
}

fn before<'a>(snapshot: &'a Value, path: &Path) -> Result<&'a Value, ActionError> {
    let files = snapshot["files"].as_array().map(Vec::as_slice).unwrap_or_default();
    files
        .iter()
        .find(|file| file["path"] == path.display().to_string().as_str())
        .ok_or_else(|| ActionError::untouched(format!("the snapshot does not hold the state of {}", path.display())))
}

fn stand(image: &Image, before: &Value) -> Stand {
    let digest = image.digest().to_string();
    let owned = before["mode"] == image.mode && before["uid"] == image.uid && before["gid"] == image.gid;
    match (owned && before["old"] == digest.as_str(), owned && before["new"] == digest.as_str()) {
        (true, true) => Stand::Same,
        (true, false) => Stand::Old,
        (false, true) => Stand::New,
        (false, false) => Stand::Other,
    }
}
