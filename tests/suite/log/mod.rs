//! The log of an installation: what follows what, what a crash leaves, what a changed byte does.

mod attacks;
mod bundles;
mod keys;
mod proofs;
mod store;
mod witness;

use std::fs;
use std::path::PathBuf;

use pointsman::journal::{Files, Nonce, RunFolder, Writer, open};
use pointsman::log::store::Origin;
use pointsman::log::{Log, LogFolder, Signed, Signer, Use};
use tempfile::TempDir;

use crate::journal::sample::{at, clocks, commit, executor, note, started};

/// A witness, and the checkpoint that it has signed and the log has published.
pub fn witnessed(log: &mut Log) -> (Signer, Signed) {
    let witness = Signer::of_seed("witness.example/w", Use::Witness, [5; 32]);
    let mut seen = log.sign().unwrap();
    seen.note.signatures.push(witness.sign(&seen.note.text, 1_795_219_200));
    log.publish(&seen).unwrap();
    (witness, seen)
}

/// A home with runs in it, as the engine lays them out.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Self {
        let home = Self(TempDir::new().unwrap());
        fs::create_dir(home.runs()).unwrap();
        home
    }

    pub fn runs(&self) -> PathBuf {
        self.0.path().join("runs")
    }

    pub fn log(&self) -> LogFolder {
        LogFolder::of_home(self.0.path())
    }

    /// A run of five records, settled and let go.
    pub fn run(&self, name: &str) -> RunFolder {
        let folder = RunFolder::create(self.runs().join(name), b"{}").unwrap();
        let mut writer = Writer::create(Files::lock(&folder).unwrap(), Nonce::random().unwrap(), clocks()).unwrap();
        commit(&mut writer, [started(), executor(1)]);
        commit(&mut writer, [note(1), note(2), note(3)]);
        writer.settle().unwrap();
        folder
    }

    /// Three more records of a run.
    pub fn go_on(&self, run: &RunFolder) {
        let mut opened = open(Files::lock(run).unwrap(), clocks()).unwrap();
        commit(&mut opened.writer, [executor(2), note(4), note(5)]);
        opened.writer.settle().unwrap();
    }

    pub fn open(&self) -> Log {
        Log::open_or_make(&self.log(), "night/pointsman/1", Origin::Init, at(0)).unwrap().0
    }
}
