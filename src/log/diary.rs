//! The diary: what happens to the installation itself and to no run. Its entries are frames as a journal's are, and leaves of
//! the log as those are.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};

use super::store::Origin;
use super::{Log, LogError};
use crate::journal::Nonce;
use crate::journal::frame::{Place, begin, seal};
use crate::journal::head::Position;
use crate::journal::stream::{Cursor, Frames, Step};
use crate::model::{Digest, Timestamp};

/// Before the first entry of a diary: there is no head before it.
const START: Cursor = Cursor { position: Position { seq: 0, offset: 0, chain: Digest::ZERO }, epoch: 0, batch: 0 };

/// What can happen to an installation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    /// An executor began to drive a run.
    Driven {
        /// The run.
        run: String,
    },
    /// A run was refused before it began.
    StartRefused {
        /// The runbook.
        runbook: String,
        /// The digest of the plan.
        plan: Digest,
        /// Why.
        reason: String,
    },
    /// The log was begun, with this key.
    KeyMade {
        /// The public key.
        key: String,
        /// What it was made by.
        by: Origin,
    },
    /// A new key took the place of the old one.
    KeyReplaced {
        /// The old public key.
        old: String,
        /// The new one.
        new: String,
    },
    /// An order was refused before it reached a run.
    OrderRefused {
        /// The run that it was meant for.
        run: String,
        /// The order.
        order: String,
        /// Who the system says asked.
        by: String,
        /// Why it was refused.
        reason: String,
    },
    /// The journal of a run no longer holds what the log has of it: it was salvaged, put back or changed. What it says behind
    /// this record is not in the log.
    JournalLeft {
        /// The run.
        run: String,
        /// The last record that the log has of it.
        record: u64,
    },
    /// Somebody signed in at the console.
    SignedIn {
        /// Who: a user of the console, or the login that started it.
        user: String,
        /// From which address.
        from: String,
        /// How: `password`, `link`, or the address of an identity provider; none in entries of before there was this field.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        how: Option<String>,
    },
    /// Somebody tried to, and was not let in.
    SignInRefused {
        /// The name that was given; empty where nobody got as far as giving one.
        user: String,
        /// From which address.
        from: String,
        /// How they tried, as for whoever signed in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        how: Option<String>,
        /// Why they were not let in, where that is not simply a wrong password.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// The witnesses that are asked were changed.
    WitnessesSet {
        /// Them, as they were given.
        witnesses: Vec<String>,
        /// What a gate asks for.
        level: String,
    },
}

/// An entry as it stands in the diary.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// When it was written.
    pub at: Timestamp,
    /// The user of the process that wrote it, as the kernel says; none in entries of before there was this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What happened.
    pub event: Entry,
}

/// A local user as the kernel says it: name and number.
pub fn local_user(uid: u32) -> String {
    format!("local user {}, uid {uid}", login(uid))
}

/// The login name of a user id, or its number where the machine has no name for it.
pub fn login(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

impl Log {
    /// Writes an entry into the diary and the log, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&mut self, at: Timestamp, event: Entry) -> Result<(), LogError> {
        let path = self.folder.diary();
        let failed = |attempted| LogError::io(attempted, &path);
        let _turn = self.folder.lock()?;
        self.refresh()?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed("open"))?;
        let nonce = self.diary_nonce();
        // What is whole there and not in the log was written before a crash.
        self.add(&file, &path, nonce, START, u64::MAX)?;
        let end = self.end_of_diary(&file)?;
        let place = Place { seq: end.seq + 1, batch: end.seq + 1, epoch: 1, nonce, prev: end.chain };
        let user = Some(local_user(Uid::current().as_raw()));
        let mut bytes = Vec::new();
        let start = begin(&mut bytes);
        serde_json::to_writer(&mut bytes, &Line { at, user, event }).map_err(|error| failed("write")(error.into()))?;
        seal(&mut bytes, start, place);
        file.set_len(end.offset).map_err(failed("cut"))?;
        file.write_all_at(&bytes, end.offset).map_err(failed("write"))?;
        file.sync_all().map_err(failed("sync"))?;
        self.add(&file, &path, nonce, START, place.seq)?;
        Ok(())
    }

    /// The nonce of the diary's frames: that of the log itself.
    pub fn diary_nonce(&self) -> Nonce {
        let name = Digest::of(self.verifier().name().as_bytes());
        Nonce::from_bytes(*name.as_bytes().first_chunk().expect("invariant: a digest has 32 bytes"))
    }

    /// Every entry of the diary, oldest first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn diary(&self) -> Result<Vec<Line>, LogError> {
        let path = self.folder.diary();
        if !path.exists() {
            return Ok(Vec::new());
        }
        let file = std::fs::File::open(&path).map_err(LogError::io("open", &path))?;
        let (mut frames, mut found) = (Frames::new(self.diary_nonce(), START), Vec::new());
        while let Step::Frame { payload, .. } = frames.next(&file).map_err(LogError::io("read", &path))? {
            let line = serde_json::from_slice(payload);
            let unreadable = |_| LogError::Malformed { what: "a diary that this version can read", path: path.clone() };
            found.push(line.map_err(unreadable)?);
        }
        Ok(found)
    }

    fn end_of_diary(&self, file: &std::fs::File) -> Result<Position, LogError> {
        let mut frames = Frames::new(self.diary_nonce(), START);
        while let Step::Frame { .. } = frames.next(file).map_err(LogError::io("read", self.folder.diary()))? {}
        Ok(frames.cursor().position)
    }
}
