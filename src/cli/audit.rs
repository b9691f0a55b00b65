//! `pointsman audit`: proves that a record holds, and shows it.

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::console;
use super::desk::Desk;
use super::exit::Exit;
use crate::audit::{self, Standing};
use crate::engine::load;
use crate::journal::RunFolder;
use crate::views::line::Columns;
use crate::views::verification;

const VERIFY_EXAMPLES: &str = "\
Examples:
  pointsman audit verify latest             claim by claim; exit code 0 holds, 20 changed, 30 no record
  pointsman audit verify ./salvaged --json  a folder with a journal, wherever it lies

It takes no lock and changes nothing, so it works on a live run too.";

const SHOW_EXAMPLES: &str = "\
Examples:
  pointsman audit show latest                            every record, one line each
  pointsman audit show latest --json | jq .event.type    the records as they stand in the journal
  pointsman audit show latest --json | jq 'select(.event.type == \"approval_granted\")'";

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
    Verify(RecordArgs),
    /// Shows the record of a run
    #[command(after_help = SHOW_EXAMPLES)]
    Show(RecordArgs),
}

#[derive(Args, Debug)]
struct RecordArgs {
    /// The run: its id, a beginning of it, or `latest`; or the path of a folder with a journal
    #[arg(value_name = "RUN")]
    run: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Verifies or shows.
///
/// # Errors
/// When the run cannot be found or read.
pub fn run(desk: &Desk, args: &AuditArgs) -> Result<Exit> {
    match &args.command {
        AuditCommand::Verify(args) => verify(desk, args),
        AuditCommand::Show(args) => show(desk, args),
    }
}

fn verify(desk: &Desk, args: &RecordArgs) -> Result<Exit> {
    let report = audit::verify(&folder(desk, &args.run)?)?;
    if args.json {
        console::print_json(&verification::json(&report))?;
    } else {
        console::print_lines(&verification::text(&report))?;
    }
    Ok(match report.standing {
        Standing::Holds => Exit::Done,
        Standing::Tampered => Exit::Tampered,
        Standing::Malformed => Exit::Malformed,
    })
}

fn show(desk: &Desk, args: &RecordArgs) -> Result<Exit> {
    if args.json {
        audit::lines(&folder(desk, &args.run)?, &mut console::output())?;
        return Ok(Exit::Done);
    }
    let (home, run) = desk.run(&args.run)?;
    let (state, records) = load(&home, &run, None)?;
    let columns = Columns::of(state.plan());
    console::print_lines(&records.iter().map(|record| columns.numbered(record)).collect::<Vec<_>>())?;
    Ok(Exit::Done)
}

/// The folder of a run, or the one at a path.
fn folder(desk: &Desk, text: &str) -> Result<RunFolder> {
    if text.contains('/') && Path::new(text).is_dir() {
        return Ok(RunFolder::at(text));
    }
    let (home, run) = desk.run(text)?;
    Ok(home.folder(&run))
}
