//! `pointsman schema`: the JSON Schema of a runbook, for editors and for programs that write runbooks.

use anyhow::Result;
use clap::Args;

use super::console;
use super::exit::Exit;
use crate::runbook::schema::{profile_schema, roster_schema, runbook_schema, stored};

const EXAMPLES: &str = "\
Examples:
  pointsman schema > runbook.schema.json
  pointsman schema --people > people.schema.json
  pointsman schema --profile > profile.schema.json

An editor with a YAML language server completes and checks a runbook whose first line is
  # yaml-language-server: $schema=./runbook.schema.json";

/// Prints the JSON Schema of a runbook
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SchemaArgs {
    /// The schema of a roster file instead
    #[arg(long)]
    people: bool,
    /// The schema of a profile (`--targets`) instead
    #[arg(long, conflicts_with = "people")]
    profile: bool,
}

/// Prints the schema.
///
/// # Errors
/// When nobody reads it.
pub fn run(args: &SchemaArgs) -> Result<Exit> {
    let schema = match (args.people, args.profile) {
        (true, _) => roster_schema(),
        (false, true) => profile_schema(),
        (false, false) => runbook_schema(),
    };
    console::print(stored(&schema))?;
    Ok(Exit::Done)
}
