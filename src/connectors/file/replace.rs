//! A file as it is on disk, and its atomic replacement: temporary file in the same folder, sync, rename, sync the folder.
//!
//! Readers see the old bytes or the new bytes, never a part. The bytes from before are kept beside the file, under a name
//! with the run and the step, because a snapshot in the journal could carry a password that stands in the file.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid};

use crate::connectors::{ActionError, Call};
use crate::model::Digest;

/// The longest file that is read. A configuration file is small; a large one is a mistake in the runbook.
const LONGEST: u64 = 4 * 1024 * 1024;

/// A file that was read in one go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::connectors) struct Image {
    pub(in crate::connectors) bytes: Vec<u8>,
    pub(in crate::connectors) mode: u32,
    pub(in crate::connectors) uid: u32,
    pub(in crate::connectors) gid: u32,
}

impl Image {
    /// The file at `path`; none when there is no such file.
    pub(in crate::connectors) fn read(path: &Path) -> Result<Option<Self>, ActionError> {
        let failed = |error: io::Error| ActionError::untouched(format!("{} cannot be read: {error}", path.display()));
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(ActionError::untouched(format!("{} is no ordinary file", path.display())));
        }
        let mut bytes = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > LONGEST {
            return Err(ActionError::untouched(format!("{} is longer than {LONGEST} bytes", path.display())));
        }
        Ok(Some(Self { bytes, mode: meta.permissions().mode() & 0o7777, uid: meta.uid(), gid: meta.gid() }))
    }

    pub(in crate::connectors) fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// The bytes as text.
    pub(in crate::connectors) fn text(&self) -> Result<&str, ActionError> {
        std::str::from_utf8(&self.bytes).map_err(|error| ActionError::untouched(format!("the file is no UTF-8 text: {error}")))
    }
}

/// Where the file really is: through symbolic links, so that a link stays a link.
pub(in crate::connectors) fn real_path(path: &Path) -> PathBuf {
    if let Ok(real) = fs::canonicalize(path) {
        return real;
    }
    let name = path.file_name().map(PathBuf::from).unwrap_or_default();
    path.parent().and_then(|folder| fs::canonicalize(folder).ok()).map_or_else(|| path.to_owned(), |folder| folder.join(name))
}

/// The name under which this step keeps the bytes from before.
pub(in crate::connectors) fn kept_path(path: &Path, call: &Call) -> PathBuf {
    let clean = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() || "-_[]".contains(c) { c } else { '_' }).collect()
    };
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let tag = format!("{}-{}", clean(call.run.as_str()), clean(call.step.as_str()));
    path.with_file_name(format!(".{name}.pointsman-{tag}"))
}

/// What earlier steps kept beside the file.
pub(in crate::connectors) fn kept_beside(path: &Path) -> Vec<PathBuf> {
    let prefix = format!(".{}.pointsman-", path.file_name().unwrap_or_default().to_string_lossy());
    let entries = path.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let mut kept: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&prefix)))
        .collect();
    kept.sort();
    kept
}

/// Puts `image` at `path` in one step, durable when it returns.
///
/// # Errors
/// Untouched when it failed before the rename; touched when only the last sync failed.
pub(in crate::connectors) fn put(path: &Path, image: &Image) -> Result<(), ActionError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let failed = |what: &str, error: io::Error| ActionError::untouched(format!("{}: {what}: {error}", path.display()));
    let mut temporary = tempfile::Builder::new()
        .prefix(".pointsman-")
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(|e| failed("a temporary file beside it cannot be created", e))?;
    temporary.write_all(&image.bytes).map_err(|e| failed("the temporary file cannot be written", e))?;
    let meta = temporary.as_file().metadata().map_err(|e| failed("the temporary file cannot be read", e))?;
    if (meta.uid(), meta.gid()) != (image.uid, image.gid) {
        let owner = (Some(Uid::from_raw(image.uid)), Some(Gid::from_raw(image.gid)));
        nix::unistd::fchown(temporary.as_file(), owner.0, owner.1).map_err(|e| failed("its owner cannot be kept", e.into()))?;
    }
    // After the owner: a change of owner clears the set-id bits.
    let mode = fs::Permissions::from_mode(image.mode);
    temporary.as_file().set_permissions(mode).map_err(|e| failed("its mode cannot be kept", e))?;
    temporary.as_file().sync_all().map_err(|e| failed("the temporary file cannot be made durable", e))?;
    temporary.persist(path).map_err(|e| failed("the rename failed", e.error))?;
    sync_folder(folder).map_err(|e| ActionError::touched(format!("{}: {e}", folder.display())))
}

/// Removes a file, durable when it returns. No file is no error.
pub(in crate::connectors) fn remove(path: &Path) -> Result<(), ActionError> {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ActionError::untouched(format!("{} cannot be removed: {error}", path.display()))),
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    sync_folder(folder).map_err(|error| ActionError::touched(format!("{}: {error}", folder.display())))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}
