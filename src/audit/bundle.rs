//! The bundle: one file with the records of a run and everything that proves them. Plain lines, so that a verifier is small.
//!
//! ```text
//! pointsman-bundle v1
//! run <id>
//! key <the public key that signed the checkpoint>
//! rotations <base64>                     where keys were replaced: the signed statements
//! plan <base64>                          the stored plan, unless it is withheld
//! frame <index> <base64>                 a record, as its frame stands in the journal, and its place in the log
//! withheld <index> <base64>              a record that is not shown: its leaf hash
//! other <base64>                         the hashes of the other leaves, from left to right
//! earlier <base64> <base64>              a checkpoint that left the host before, and the proof that it is the beginning
//! checkpoint <base64>                    the signed note that all of this is held against
//! end
//! ```
//! The lines stand in this order. `docs/audit.md` describes what each is for.

use std::io::{self, BufRead, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::journal::frame::MAX_FRAME;
use crate::log::Signed;
use crate::log::checkpoint::{hash, hash_text, number};
use crate::model::Digest;

const TITLE: &str = "pointsman-bundle v1";
/// The longest line: a frame in base64 with its number, or a plan.
const LONGEST: u64 = 64 << 20;
const _: () = assert!(LONGEST as usize > MAX_FRAME * 2);

/// One line of a bundle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// The run.
    Run(String),
    /// The public key.
    Key(String),
    /// The statements of key rotations.
    Rotations(String),
    /// The stored plan.
    Plan(Vec<u8>),
    /// A record that is shown.
    Frame(u64, Vec<u8>),
    /// A record that is not.
    Withheld(u64, Digest),
    /// Leaves of other runs.
    Other(Digest),
    /// A checkpoint of before, with its proof of consistency.
    Earlier(Signed, Vec<Digest>),
    /// The checkpoint.
    Checkpoint(Signed),
}

impl Part {
    /// The place of a part in the order of a bundle.
    const fn rank(&self) -> u8 {
        match self {
            Self::Run(_) => 1,
            Self::Key(_) => 2,
            Self::Rotations(_) => 3,
            Self::Plan(_) => 4,
            Self::Frame(..) | Self::Withheld(..) => 5,
            Self::Other(_) => 6,
            Self::Earlier(..) => 7,
            Self::Checkpoint(_) => 8,
        }
    }

    const fn may_repeat(&self) -> bool {
        match self {
            Self::Frame(..) | Self::Withheld(..) | Self::Other(_) | Self::Earlier(..) => true,
            Self::Run(_) | Self::Key(_) | Self::Rotations(_) | Self::Plan(_) | Self::Checkpoint(_) => false,
        }
    }

    /// Writes the line.
    ///
    /// # Errors
    /// When `out` fails.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Run(run) => writeln!(out, "{TITLE}\nrun {run}"),
            Self::Key(key) => writeln!(out, "key {key}"),
            Self::Rotations(text) => writeln!(out, "rotations {}", BASE64.encode(text)),
            Self::Plan(plan) => writeln!(out, "plan {}", BASE64.encode(plan)),
            Self::Frame(index, frame) => writeln!(out, "frame {index} {}", BASE64.encode(frame)),
            Self::Withheld(index, leaf) => writeln!(out, "withheld {index} {}", hash_text(leaf)),
            Self::Other(hash) => writeln!(out, "other {}", hash_text(hash)),
            Self::Earlier(signed, proof) => {
                let proof: Vec<u8> = proof.iter().flat_map(|hash| *hash.as_bytes()).collect();
                writeln!(out, "earlier {} {}", BASE64.encode(signed.note.to_string()), BASE64.encode(proof))
            }
            Self::Checkpoint(signed) => writeln!(out, "checkpoint {}\nend", BASE64.encode(signed.note.to_string())),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ')?;
        let text = |code: &str| String::from_utf8(BASE64.decode(code).ok()?).ok();
        let place = |rest: &str| rest.split_once(' ').and_then(|(at, code)| Some((number(at)?, code.to_owned())));
        Some(match word {
            "run" => Self::Run(rest.to_owned()),
            "key" => Self::Key(rest.to_owned()),
            "rotations" => Self::Rotations(text(rest)?),
            "plan" => Self::Plan(BASE64.decode(rest).ok()?),
            "frame" => {
                let (index, code) = rest.split_once(' ')?;
                Self::Frame(number(index)?, BASE64.decode(code).ok()?)
            }
            "withheld" => {
                let (index, code) = place(rest)?;
                Self::Withheld(index, hash(&code)?)
            }
            "other" => Self::Other(hash(rest)?),
            "earlier" => {
                let (note, proof) = rest.split_once(' ')?;
                let proof = BASE64.decode(proof).ok()?;
                let hashes = proof.chunks(32).map(|chunk| Some(Digest::from_bytes(chunk.try_into().ok()?)));
                Self::Earlier(Signed::parse(&text(note)?)?, hashes.collect::<Option<_>>()?)
            }
            "checkpoint" => Self::Checkpoint(Signed::parse(&text(rest)?)?),
            _ => return None,
        })
    }
}

/// Why a file is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It cannot be read.
    #[error("the bundle cannot be read")]
    Io(#[from] io::Error),
    /// A line is none of a bundle, or stands in the wrong place.
    #[error("line {0} is none that a bundle has there")]
    Line(u64),
    /// It ends too early.
    #[error("the bundle ends before its end")]
    Short,
    /// Something follows its end.
    #[error("something follows the end of the bundle")]
    Long,
}

/// Whether a file begins as a bundle does.
pub fn is_bundle(start: &[u8]) -> bool {
    start.starts_with(TITLE.as_bytes())
}

/// Reads a bundle line by line, in constant memory, and shows each part to `visit`; gives the bytes that were read.
///
/// # Errors
/// When the file is no bundle, to the letter.
pub fn read(file: &mut dyn BufRead, visit: &mut dyn FnMut(Part)) -> Result<u64, BundleError> {
    let mut lines = Lines { file, line: Vec::new(), number: 0, bytes: 0 };
    if lines.next()? != Some(TITLE) {
        return Err(BundleError::Line(1));
    }
    let mut rank = 0;
    loop {
        let number = lines.number + 1;
        let line = lines.next()?.ok_or(BundleError::Short)?;
        if line == "end" {
            break;
        }
        let part = Part::parse(line).ok_or(BundleError::Line(number))?;
        let fits = part.rank() > rank || (part.rank() == rank && part.may_repeat());
        // The run, the key, records and a checkpoint are in every bundle.
        let follows = match part.rank() {
            1 => rank == 0,
            2 => rank == 1,
            5 => rank >= 2,
            6..=8 => rank >= 5,
            _ => rank >= 2,
        };
        if !fits || !follows {
            return Err(BundleError::Line(number));
        }
        rank = part.rank();
        visit(part);
    }
    if rank != 8 {
        return Err(BundleError::Short);
    }
    match lines.next()? {
        None => Ok(lines.bytes),
        Some(_) => Err(BundleError::Long),
    }
}

struct Lines<'f> {
    file: &'f mut dyn BufRead,
    line: Vec<u8>,
    number: u64,
    bytes: u64,
}

impl Lines<'_> {
    fn next(&mut self) -> Result<Option<&str>, BundleError> {
        use std::io::Read as _;
        self.line.clear();
        self.number += 1;
        let read = (&mut *self.file).take(LONGEST).read_until(b'\n', &mut self.line)?;
        self.bytes += read as u64;
        if read == 0 {
            return Ok(None);
        }
        let line = self.line.strip_suffix(b"\n").ok_or(BundleError::Line(self.number))?;
        std::str::from_utf8(line).map(Some).map_err(|_| BundleError::Line(self.number))
    }
}
