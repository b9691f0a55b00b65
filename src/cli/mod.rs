//! The doors: one file per command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[cfg(feature = "sqlite")]
mod demo;
#[cfg(feature = "sqlite")]
mod shop;

/// A declarative cutover runbook engine.
#[derive(Parser, Debug)]
#[command(name = "pointsman", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    #[cfg(feature = "sqlite")]
    Demo(demo::DemoArgs),
    /// One process of the demo's shop
    #[cfg(feature = "sqlite")]
    #[command(hide = true)]
    Shop(shop::ShopArgs),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        #[cfg(feature = "sqlite")]
        Command::Shop(args) => shop::run(&args).map(|()| true),
        #[cfg(feature = "sqlite")]
        Command::Demo(args) => demo::run(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
