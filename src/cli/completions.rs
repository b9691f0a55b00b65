//! `pointsman completions`: a completion script for the user's shell.

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::{Shell, generate};

use super::console;
use super::exit::Exit;

const EXAMPLES: &str = "\
Examples:
  pointsman completions bash > ~/.local/share/bash-completion/completions/pointsman
  pointsman completions zsh  > ~/.zfunc/_pointsman
  pointsman completions fish > ~/.config/fish/completions/pointsman.fish";

/// Prints a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for `command`, the whole command line.
///
/// # Errors
/// When nobody reads it.
pub fn run(args: &CompletionsArgs, mut command: Command) -> Result<Exit> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, "pointsman", &mut script);
    console::print(String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
