//! Reads secrets from their places, just before use, and teaches the redactor what to mask.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::{Redactor, SecretRef};

/// The secrets of an executor. Values are never kept for use; what is kept is only what has to be masked.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    seen: Mutex<(BTreeSet<u64>, Arc<Redactor>)>,
}

impl Secrets {
    /// The value behind `place`; the error names the place and never the value.
    pub fn read(&self, place: &SecretRef, base_dir: &Path) -> Result<String, String> {
        let value = match place {
            SecretRef::Env(name) => {
                std::env::var(name).map_err(|_| format!("the environment variable {name} is not set or is no text"))?
            }
            SecretRef::File(path) => first_line(&read_file(&base_dir.join(path))?),
            SecretRef::Command(argv) => run(argv, base_dir)?,
        };
        if value.is_empty() {
            return Err(format!("the {place} is empty"));
        }
        self.learn(&value);
        Ok(value)
    }

    /// The redactor that knows every secret read so far.
    pub fn redactor(&self) -> Arc<Redactor> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn learn(&self, value: &str) {
        use std::hash::{DefaultHasher, Hash as _, Hasher as _};
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0.insert(hasher.finish()) {
            let mut redactor = (*seen.1).clone();
            redactor.add(value);
            seen.1 = Arc::new(redactor);
        }
    }
}

/// A secret that is needed outside of any run; the error names its place and never the value.
///
/// # Errors
/// When it is not there, or others can read it.
pub fn secret_at(place: &SecretRef, base_dir: &Path) -> Result<String, String> {
    Secrets::default().read(place, base_dir)
}

fn read_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let meta = fs::metadata(path).map_err(|error| format!("the secret file {shown} cannot be read: {error}"))?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(format!("the secret file {shown} can be read by others (mode {:o}): chmod 600 it", meta.mode() & 0o777));
    }
    fs::read_to_string(path).map_err(|error| format!("the secret file {shown} cannot be read: {error}"))
}

fn run(argv: &[String], base_dir: &Path) -> Result<String, String> {
    let [program, arguments @ ..] = argv else { return Err("the secret's command is empty".to_owned()) };
    let output = Command::new(program)
        .args(arguments)
        .current_dir(base_dir)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("the secret's command {program} cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("the secret's command {program} ended with {}", output.status));
    }
    String::from_utf8(output.stdout)
        .map(|text| first_line(&text))
        .map_err(|_| format!("the secret's command {program} printed no text"))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
