//! `pointsman audit`: proves that a record holds, and shows it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use super::console;
use super::desk::{Desk, now};
use super::exit::Exit;
use super::portable::{File, TrustArgs, file_at};
use crate::audit::{self, Bundled, Standing, Withhold};
use crate::engine::{load, logbook};
use crate::journal::RunFolder;
use crate::journal::folder::write_whole;
use crate::log::store::Origin;
use crate::log::{Log, LogFolder};
use crate::views::line::Columns;
use crate::views::verification;

const VERIFY_EXAMPLES: &str = "\
Examples:
  pointsman audit verify latest             claim by claim; exit code 0 holds, 20 changed, 30 no
                                            record
  pointsman audit verify ./salvaged --json  a folder with a journal, wherever it lies
  pointsman audit verify night.bundle --key \"$(cat ticket.vkey)\"
                                            a bundle, anywhere, offline; 10 means that less is
                                            proven than asked for
  pointsman audit verify night.bundle --key KEY --witness KEY --require L2

It takes no lock and changes nothing, so it works on a live run too.";

const BUNDLE_EXAMPLES: &str = "\
Examples:
  pointsman audit bundle latest --out night.bundle  the records, the plan, and everything that
                                                    proves them
  pointsman audit bundle latest --withhold 17 --withhold-text alice@example.com --out night.bundle

What is withheld is whole records: their place and their hash stay, so that the proof holds, and what they say does not. \
`pointsman audit verify night.bundle --key KEY` verifies it anywhere; so does `tools/verify_bundle.py`.";

const PROVE_EXAMPLES: &str = "\
Examples:
  pointsman audit prove latest 17 --out go-live.tlog-proof
                                                  one record, and nothing else of the run
  pointsman audit verify go-live.tlog-proof --key KEY --witness KEY --require L2
  pointsman audit show go-live.tlog-proof --json  what the record says

The file is a proof as c2sp.org/tlog-proof describes it, with the record in its `extra` line. It is held against the newest \
checkpoint that a witness has signed, or else against the newest. `tools/verify_bundle.py` verifies it too.";

const SHOW_EXAMPLES: &str = "\
Examples:
  pointsman audit show latest                            every record, one line each
  pointsman audit show latest --json | jq .event.type    the records as they stand in the journal
  pointsman audit show latest --json | jq 'select(.event.type == \"approval_granted\")'";

const DIARY_EXAMPLES: &str = "\
Examples:
  pointsman audit diary  keys, witnesses, who drove which run, who was refused
  pointsman audit diary | jq 'select(.event.type == \"order_refused\")'";

const CHECKPOINT_EXAMPLES: &str = "\
Examples:
  pointsman audit checkpoint  three lines that say which log, how many entries, and the root over
                              them; and a signature

Whoever holds these lines outside this host can later tell whether what they cover was changed: pasted into a ticket \
or a chat they are a witness (level L1).";

/// Proves that a record holds, and shows it
#[derive(Args, Debug)]
pub struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Subcommand, Debug)]
enum AuditCommand {
    /// Proves that the record of a run was not changed after it was written
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(VerifyArgs),
    /// Writes the record of a run with its proofs into one file
    #[command(after_help = BUNDLE_EXAMPLES)]
    Bundle(BundleArgs),
    /// Writes the proof of one record into a file
    #[command(after_help = PROVE_EXAMPLES)]
    Prove(ProveArgs),
    /// Shows the record of a run
    #[command(after_help = SHOW_EXAMPLES)]
    Show(RecordArgs),
    /// Shows what happened to this installation and to no run, one line of JSON each
    #[command(after_help = DIARY_EXAMPLES)]
    Diary,
    /// Signs the log of this installation and prints the lines to paste into a ticket
    #[command(after_help = CHECKPOINT_EXAMPLES)]
    Checkpoint,
}

#[derive(Args, Debug)]
struct RecordArgs {
    /// The run: its id, a beginning of it, or `latest`; or the path of a folder with a journal, of a bundle, or of a proof
    #[arg(value_name = "RUN")]
    run: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct VerifyArgs {
    #[command(flatten)]
    record: RecordArgs,
    #[command(flatten)]
    trust: TrustArgs,
}

#[derive(Args, Debug)]
struct BundleArgs {
    /// The run: its id, a beginning of it, or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// The file that is written
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The number of a record that is withheld
    #[arg(long, value_name = "RECORD")]
    withhold: Vec<u64>,
    /// Withholds every record that contains this text
    #[arg(long, value_name = "TEXT")]
    withhold_text: Vec<String>,
    /// Withholds the stored plan
    #[arg(long)]
    withhold_plan: bool,
}

#[derive(Args, Debug)]
struct ProveArgs {
    /// The run: its id, a beginning of it, or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// The number of the record, as `audit show` says it
    #[arg(value_name = "RECORD")]
    record: u64,
    /// The file that is written
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

/// Verifies or shows.
///
/// # Errors
/// When the run cannot be found or read.
pub fn run(desk: &Desk, args: &AuditArgs) -> Result<Exit> {
    match &args.command {
        AuditCommand::Verify(args) => verify(desk, args),
        AuditCommand::Show(args) => show(desk, args),
        AuditCommand::Bundle(args) => bundle(desk, args),
        AuditCommand::Prove(args) => prove(desk, args),
        AuditCommand::Diary => diary(desk),
        AuditCommand::Checkpoint => checkpoint(desk),
    }
}

fn verify(desk: &Desk, args: &VerifyArgs) -> Result<Exit> {
    let VerifyArgs { record, trust } = args;
    let report = match file_at(&record.run)? {
        Some(File::Bundle(mut file)) => audit::verify_bundle(&mut file, &trust.read()?)?,
        Some(File::Proof(text)) => audit::verify_proof(&text, &trust.read()?),
        None => match place(desk, &record.run)? {
            (folder, Some(log)) => audit::verify_logged(&folder, &log)?,
            (folder, None) => audit::verify(&folder)?,
        },
    };
    if record.json {
        console::print_json(&verification::json(&report))?;
    } else {
        console::print_lines(&verification::text(&report))?;
    }
    Ok(match report.standing {
        Standing::Holds => Exit::Done,
        Standing::Weaker => Exit::Weaker,
        Standing::Tampered => Exit::Tampered,
        Standing::Malformed => Exit::Malformed,
    })
}

/// The run and the log, which signs what it lacks of the run, where this process can.
fn signed(desk: &Desk, run: &str) -> Result<(RunFolder, Log)> {
    let (home, run) = desk.run(run)?;
    let (mut log, _) = logbook::open(&home, Origin::Init, now())?;
    let folder = home.folder(&run);
    if log.can_sign() {
        log.follow(&folder.journal(), None)?;
        log.sign()?;
    }
    Ok((folder, log))
}

/// Writes the proof of one record.
fn prove(desk: &Desk, args: &ProveArgs) -> Result<Exit> {
    let (folder, log) = signed(desk, &args.run)?;
    let proof = audit::prove(&folder, &log, args.record)?;
    let path = std::path::absolute(&args.out)?;
    write_whole(&path, proof.to_string().as_bytes()).with_context(|| format!("{} cannot be written", args.out.display()))?;
    let size = proof.signed.checkpoint.size;
    console::say(format!("{}: record {}, against a log of {size} entries", args.out.display(), args.record));
    Ok(Exit::Done)
}

/// Writes the bundle.
fn bundle(desk: &Desk, args: &BundleArgs) -> Result<Exit> {
    let (folder, log) = signed(desk, &args.run)?;
    let withhold = Withhold {
        records: args.withhold.iter().copied().collect(),
        texts: args.withhold_text.clone(),
        plan: args.withhold_plan,
    };
    let mut out = Vec::new();
    let bundled = audit::bundle(&folder, &log, &withhold, &mut out)?;
    let path = std::path::absolute(&args.out)?;
    write_whole(&path, &out).with_context(|| format!("{} cannot be written", args.out.display()))?;
    let Bundled { records, withheld, size } = bundled;
    console::say(format!(
        "{}: {records} records, {} withheld, against a log of {size} entries",
        args.out.display(),
        withheld.len()
    ));
    Ok(Exit::Done)
}

fn show(desk: &Desk, args: &RecordArgs) -> Result<Exit> {
    if let Some(file) = file_at(&args.run)? {
        anyhow::ensure!(args.json, "of a file the records are shown as they stand in it: add --json");
        match file {
            File::Bundle(mut file) => drop(audit::bundle_lines(&mut file, &mut console::output())?),
            File::Proof(text) => {
                let proof = audit::Proof::parse(&text).with_context(|| format!("{} is no proof of a record", args.run))?;
                audit::proof_line(&proof, &mut console::output())?;
            }
        }
        return Ok(Exit::Done);
    }
    if args.json {
        audit::lines(&place(desk, &args.run)?.0, &mut console::output())?;
        return Ok(Exit::Done);
    }
    let (home, run) = desk.run(&args.run)?;
    let (state, records) = load(&home, &run, None)?;
    let columns = Columns::of(state.plan());
    console::print_lines(&records.iter().map(|record| columns.numbered(record)).collect::<Vec<_>>())?;
    Ok(Exit::Done)
}

/// The folder of a run with the log of its home, or the folder at a path, which has none.
fn place(desk: &Desk, text: &str) -> Result<(RunFolder, Option<LogFolder>)> {
    if text.contains('/') && Path::new(text).is_dir() {
        return Ok((RunFolder::at(text), None));
    }
    let (home, run) = desk.run(text)?;
    Ok((home.folder(&run), Some(LogFolder::of_home(home.path()))))
}

/// Prints the diary.
fn diary(desk: &Desk) -> Result<Exit> {
    for line in Log::open(&LogFolder::of_home(desk.home()?.path()))?.diary()? {
        console::print(format!("{}\n", serde_json::json!(line)))?;
    }
    Ok(Exit::Done)
}

/// Signs the log as it is now, and prints the checkpoint.
fn checkpoint(desk: &Desk) -> Result<Exit> {
    let home = desk.home()?;
    let (mut log, _) = logbook::open(&home, Origin::Init, now())?;
    for trouble in log.follow_each(&home.path().join("runs"))?.1 {
        console::say(format!("not all of the log is signed: {trouble}"));
    }
    let signed = log.sign()?;
    log.publish(&signed)?;
    console::print(signed.note.to_string())?;
    Ok(Exit::Done)
}
