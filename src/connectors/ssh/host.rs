//! A host that can be acted on: run a program, read a file, replace it atomically, remove it. Other connectors act on a
//! remote host through this.

use std::time::Instant;

use serde_json::json;

use super::address::Address;
use super::exec::{End, NoEnd, Stream, exec};
use super::session::Session;
use super::shell::{framed, quoted, shown, words};
use crate::connectors::command::{Capture, Printed};
use crate::connectors::patience::Patience;
use crate::connectors::{ActionError, Noted, Recorder};
use crate::model::{Digest, Value};

/// A host behind one session.
pub(in crate::connectors) struct Host {
    session: Session,
    address: Address,
    recorder: Recorder,
    patience: Patience,
    /// Run, step and attempt, for what is left at the host.
    pub(super) owner: (String, String, u32),
}

/// What became of a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::connectors) struct Ran {
    pub(in crate::connectors) end: End,
    pub(in crate::connectors) stdout: Vec<u8>,
    pub(in crate::connectors) stderr: String,
}

/// A file at the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::connectors) struct Image {
    pub(in crate::connectors) bytes: Vec<u8>,
    /// The permission bits.
    pub(in crate::connectors) mode: u32,
    /// `uid:gid`, or names.
    pub(in crate::connectors) owner: String,
}

/// What is kept of what a program prints for Pointsman itself.
const LONGEST: usize = 16 * 1024 * 1024;

impl Ran {
    /// What it printed, without the last line break.
    pub(in crate::connectors) fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.stdout);
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }

    /// Whether it exited with 0.
    pub(in crate::connectors) fn is_ok(&self) -> bool {
        self.end == End::Code(0)
    }

    /// How it ended and its last words.
    pub(in crate::connectors) fn complaint(&self) -> String {
        let last = self.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let end = &self.end;
        if last.is_empty() { end.to_string() } else { format!("{end}: {}", last.chars().take(300).collect::<String>()) }
    }
}

impl Image {
    pub(in crate::connectors) fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

impl Host {
    pub(super) const fn new(
        session: Session,
        address: Address,
        recorder: Recorder,
        patience: Patience,
        owner: (String, String, u32),
    ) -> Self {
        Self { session, address, recorder, patience, owner }
    }

    /// Who the host is.
    pub(in crate::connectors) fn identity(&self) -> Value {
        json!({ "host": self.address.shown(), "host_key": self.session.fingerprint })
    }

    /// `user@host:port`.
    pub(super) fn shown(&self) -> String {
        self.address.shown()
    }

    pub(in crate::connectors) const fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(in crate::connectors) const fn patience(&self) -> &Patience {
        &self.patience
    }

    pub(super) const fn address(&self) -> &Address {
        &self.address
    }

    /// `argv` as it is started: behind `sudo -n --` where the target says so.
    pub(super) fn full<T: AsRef<str>>(&self, argv: &[T]) -> Vec<String> {
        self.address.prefix.iter().cloned().chain(argv.iter().map(|word| word.as_ref().to_owned())).collect()
    }

    /// The same for a script, quoted.
    pub(super) fn line<T: AsRef<str>>(&self, argv: &[T]) -> String {
        words(&self.full(argv))
    }

    /// The same for people.
    pub(super) fn shown_line<T: AsRef<str>>(&self, argv: &[T]) -> String {
        shown(&self.full(argv))
    }

    /// Runs a program that only looks; its end is the caller's to judge.
    pub(in crate::connectors) fn look<T: AsRef<str>>(&self, argv: &[T]) -> Result<Ran, ActionError> {
        self.look_script(&self.shown_line(argv), &format!("LC_ALL=C; export LC_ALL; exec {}", self.line(argv)))
    }

    /// The same, where another end than 0 is an error.
    pub(in crate::connectors) fn ask<T: AsRef<str>>(&self, argv: &[T]) -> Result<String, ActionError> {
        let ran = self.look(argv)?;
        if ran.is_ok() {
            return Ok(ran.text());
        }
        Err(ActionError::untouched(format!("`{}` at {} {}", self.shown_line(argv), self.shown(), ran.complaint())))
    }

    /// Runs a program that changes something; any end but 0 is an error.
    pub(in crate::connectors) fn act<T: AsRef<str>>(&self, argv: &[T], stdin: &[u8]) -> Result<Ran, ActionError> {
        self.act_script(&self.shown_line(argv), &format!("LC_ALL=C; export LC_ALL; exec {}", self.line(argv)), stdin)
    }

    /// Runs a script that only looks.
    pub(super) fn look_script(&self, shown: &str, script: &str) -> Result<Ran, ActionError> {
        self.kept(shown, script, b"", &self.patience, Recorder::question)
            .map_err(|error| ActionError::untouched(format!("`{shown}` at {}: {error}", self.shown())))
    }

    /// Runs a script that changes something; any end but 0 is an error.
    pub(super) fn act_script(&self, shown: &str, script: &str, stdin: &[u8]) -> Result<Ran, ActionError> {
        let ran =
            self.kept(shown, script, stdin, &self.patience, Recorder::statement).map_err(|error| self.lost(shown, &error))?;
        if ran.is_ok() {
            return Ok(ran);
        }
        Err(ActionError::touched(format!("`{shown}` at {} {}", self.shown(), ran.complaint())))
    }

    /// The error of a program that changes something and whose end nobody saw.
    pub(super) fn lost(&self, shown: &str, error: &NoEnd) -> ActionError {
        let text = format!("`{shown}` at {}: {error}", self.shown());
        match error {
            NoEnd::NotBegun(_) => ActionError::untouched(text),
            NoEnd::Lost(_) => ActionError::in_doubt(text),
        }
    }

    /// Runs a script, keeps what it prints, and records it under `shown`.
    pub(super) fn kept(&self, shown: &str, script: &str, stdin: &[u8], patience: &Patience, noted: Noted) -> Result<Ran, NoEnd> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let end = self.recorded(shown, script, stdin, patience, noted, |stream, bytes| {
            let (kept, cap) = match stream {
                Stream::Out => (&mut stdout, LONGEST),
                Stream::Err => (&mut stderr, 64 * 1024),
            };
            let room = cap.saturating_sub(kept.len()).min(bytes.len());
            kept.extend_from_slice(&bytes[..room]);
        })?;
        Ok(Ran { end, stdout, stderr: String::from_utf8_lossy(&stderr).into_owned() })
    }

    /// Runs a script and hands what it prints to the journal, line by line.
    pub(super) fn streamed(&self, shown: &str, script: &str, stdin: &[u8]) -> Result<(End, Printed, Printed), NoEnd> {
        let (mut out, mut err) = (Capture::new("stdout", self.recorder.clone()), Capture::new("stderr", self.recorder.clone()));
        let end = self.recorded(shown, script, stdin, &self.patience, Recorder::statement, |stream, bytes| match stream {
            Stream::Out => out.take(bytes),
            Stream::Err => err.take(bytes),
        });
        let (out, err) = (out.finish(), err.finish());
        Ok((end?, out, err))
    }

    fn recorded(
        &self,
        shown: &str,
        script: &str,
        stdin: &[u8],
        patience: &Patience,
        noted: Noted,
        heard: impl FnMut(Stream, &[u8]),
    ) -> Result<End, NoEnd> {
        let begun = Instant::now();
        let result = exec(&self.session, &framed(script, stdin), patience, heard);
        let end = result.as_ref().map_or_else(ToString::to_string, ToString::to_string);
        noted(&self.recorder, shown, begun.elapsed(), &end);
        result
    }

    /// The file itself behind a path: a symbolic link stays one.
    pub(in crate::connectors) fn real_path(&self, path: &str) -> Result<String, ActionError> {
        if !path.starts_with('/') {
            return Err(ActionError::untouched(format!("`{path}` is no absolute path")));
        }
        self.ask(&["readlink", "-m", "--", path])
    }

    /// Reads a file; none when there is none.
    pub(in crate::connectors) fn read(&self, path: &str) -> Result<Option<Image>, ActionError> {
        let stat = ["stat", "-L", "-c", "%a %u:%g %s %F", "--", path];
        let found = self.look(&stat)?;
        if !found.is_ok() {
            if found.stderr.contains("No such file or directory") {
                return Ok(None);
            }
            return Err(ActionError::untouched(format!("{path} at {} cannot be read: it {}", self.shown(), found.complaint())));
        }
        let text = found.text();
        let broken = || ActionError::untouched(format!("{path} at {} cannot be read: {text}", self.shown()));
        let mut fields = text.splitn(4, ' ');
        let mode = fields.next().and_then(|mode| u32::from_str_radix(mode, 8).ok()).ok_or_else(broken)?;
        let owner = fields.next().ok_or_else(broken)?.to_owned();
        let size: usize = fields.next().and_then(|size| size.parse().ok()).ok_or_else(broken)?;
        if !fields.next().is_some_and(|kind| kind.starts_with("regular")) || size >= LONGEST {
            return Err(broken());
        }
        let ran = self.look(&["cat", "--", path])?;
        if !ran.is_ok() || ran.stdout.len() != size {
            return Err(ActionError::untouched(format!("{path} at {} moves while it is read", self.shown())));
        }
        Ok(Some(Image { bytes: ran.stdout, mode, owner }))
    }

    /// Replaces or creates a file: readers see the old or the new one. The bytes are counted at the host before they count.
    pub(in crate::connectors) fn replace(&self, path: &str, image: &Image) -> Result<(), ActionError> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let name = path.rsplit('/').next().unwrap_or_default();
        let (run, step, _) = &self.owner;
        let pattern = format!("{folder}/.{name}.{run}-{step}.XXXXXXXX");
        let line = |argv: &[&str]| self.line(argv);
        let script = format!(
            "set -e; LC_ALL=C; export LC_ALL; umask 077; t=$({mktemp}); trap '{rm} \"$t\"' EXIT; {tee} \"$t\" >/dev/null; \
             [ \"$({size} \"$t\")\" = {length} ] || {{ echo 'not all bytes came over' >&2; exit 74; }}\n\
             {chown} \"$t\"; {chmod} \"$t\"; {sync} \"$t\"; {mv} \"$t\" {path}; trap - EXIT; {sync} {folder}",
            mktemp = line(&["mktemp", "--", &pattern]),
            rm = line(&["rm", "-f", "--"]).replace('\'', "\""),
            tee = line(&["tee", "--"]),
            size = line(&["stat", "-c", "%s", "--"]),
            length = image.bytes.len(),
            chown = line(&["chown", &image.owner, "--"]),
            chmod = line(&["chmod", &format!("{:o}", image.mode), "--"]),
            sync = line(&["sync", "--"]),
            mv = line(&["mv", "-T", "--"]),
            path = quoted(path),
            folder = quoted(if folder.is_empty() { "/" } else { folder }),
        );
        let shown = format!("replace {path} by {} bytes {}", image.bytes.len(), image.digest());
        self.act_script(&shown, &script, &image.bytes).map(|_| ())
    }

    /// Removes a file; it may be gone already.
    pub(in crate::connectors) fn remove(&self, path: &str) -> Result<(), ActionError> {
        self.act(&["rm", "-f", "--", path], b"").map(|_| ())
    }
}
