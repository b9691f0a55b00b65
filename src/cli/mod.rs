//! The doors: one file per command.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

mod abort;
mod answer;
mod approve;
mod audit;
mod break_glass;
mod certificate;
mod check;
mod completions;
mod console;
mod r#continue;
#[cfg(feature = "sqlite")]
mod demo;
mod desk;
mod diff;
mod driving;
mod dry_run;
mod exit;
mod failure;
mod history;
mod init;
mod journal;
mod lines;
mod live;
mod ordering;
mod pause;
mod plan;
mod portable;
mod preparation;
mod profile;
mod rehearse;
mod reject;
mod replay;
mod report;
mod resolve;
mod resume;
mod retry;
mod rollback;
mod run;
mod schema;
mod sending;
#[cfg(feature = "console")]
mod serve;
#[cfg(feature = "sqlite")]
mod shop;
mod signing;
mod skip;
mod status;
#[cfg(feature = "otlp")]
mod trace;
#[cfg(feature = "console")]
mod user;
mod watch;
mod withdraw;
mod witness;

pub use exit::Exit;

use desk::{Desk, Global};

const AFTER_HELP: &str = "\
A first run:
  pointsman check night.yaml       is it right?
  pointsman plan night.yaml        what would be done, in which order, and how it is undone
  pointsman rehearse night.yaml    the night before the night: what if each step fails?
  pointsman run night.yaml         do it; Ctrl-C suspends, `pointsman resume latest` goes on

In other terminals, meanwhile:
  pointsman watch latest           the same live view, and a line to type orders into
  pointsman status latest          where it stands, who is awaited, what to type
  pointsman approve latest STEP    decide

Each command has examples: `pointsman COMMAND --help`. docs/cli.md lists exit codes and JSON forms.";

/// A declarative cutover runbook engine
#[derive(Parser, Debug)]
#[command(name = "pointsman", version, after_help = AFTER_HELP, disable_help_subcommand = true, subcommand_required = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Check(check::CheckArgs),
    Plan(plan::PlanArgs),
    Rehearse(rehearse::RehearseArgs),
    Run(run::RunArgs),
    Resume(resume::ResumeArgs),
    Watch(watch::WatchArgs),
    Replay(replay::ReplayArgs),
    Status(status::StatusArgs),
    Approve(approve::ApproveArgs),
    BreakGlass(break_glass::BreakGlassArgs),
    Withdraw(withdraw::WithdrawArgs),
    Reject(reject::RejectArgs),
    Answer(answer::AnswerArgs),
    Pause(pause::PauseArgs),
    Continue(r#continue::ContinueArgs),
    Retry(retry::RetryArgs),
    Skip(skip::SkipArgs),
    Resolve(resolve::ResolveArgs),
    Rollback(rollback::RollbackArgs),
    Abort(abort::AbortArgs),
    Report(report::ReportArgs),
    Diff(diff::DiffArgs),
    History(history::HistoryArgs),
    #[cfg(feature = "otlp")]
    Trace(trace::TraceArgs),
    Init(init::InitArgs),
    Audit(audit::AuditArgs),
    Witness(witness::WitnessArgs),
    #[cfg(feature = "console")]
    Serve(serve::ServeArgs),
    #[cfg(feature = "console")]
    User(user::UserArgs),
    Journal(journal::JournalArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
    #[cfg(feature = "sqlite")]
    Demo(demo::DemoArgs),
    /// One process of the demo's shop
    #[cfg(feature = "sqlite")]
    #[command(hide = true)]
    Shop(shop::ShopArgs),
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    cli.global.color.set();
    log_to_stderr();
    let desk = Desk::new(&cli.global);
    match dispatch(&desk, cli.command) {
        Ok(exit) => exit.into(),
        Err(error) if is_broken_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            console::say_error(&format!("{error:#}"), failure::hint(&error, &desk).as_deref());
            console::say_lines(&failure::rollback_card(&error));
            Exit::of_error(&error).into()
        }
    }
}

fn dispatch(desk: &Desk, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Check(args) => check::run(desk, &args),
        Command::Plan(args) => plan::run(desk, &args),
        Command::Rehearse(args) => rehearse::run(desk, &args),
        Command::Run(args) => run::run(desk, &args),
        Command::Resume(args) => resume::run(desk, &args),
        Command::Watch(args) => watch::run(desk, &args),
        Command::Replay(args) => replay::run(desk, &args),
        Command::Status(args) => status::run(desk, &args),
        Command::Approve(args) => approve::run(desk, &args),
        Command::BreakGlass(args) => break_glass::run(desk, &args),
        Command::Withdraw(args) => withdraw::run(desk, &args),
        Command::Reject(args) => reject::run(desk, &args),
        Command::Answer(args) => answer::run(desk, &args),
        Command::Pause(args) => pause::run(desk, &args),
        Command::Continue(args) => r#continue::run(desk, &args),
        Command::Retry(args) => retry::run(desk, &args),
        Command::Skip(args) => skip::run(desk, &args),
        Command::Resolve(args) => resolve::run(desk, &args),
        Command::Rollback(args) => rollback::run(desk, &args),
        Command::Abort(args) => abort::run(desk, &args),
        Command::Report(args) => report::run(desk, &args),
        Command::Diff(args) => diff::run(desk, &args),
        Command::History(args) => history::run(desk, &args),
        #[cfg(feature = "otlp")]
        Command::Trace(args) => trace::run(desk, &args),
        Command::Init(args) => init::run(desk, &args),
        Command::Audit(args) => audit::run(desk, &args),
        Command::Witness(args) => witness::run(&args),
        #[cfg(feature = "console")]
        Command::Serve(args) => serve::run(desk, &args),
        #[cfg(feature = "console")]
        Command::User(args) => user::run(&args),
        Command::Journal(args) => journal::run(desk, &args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        #[cfg(feature = "sqlite")]
        Command::Demo(args) => demo::run(&args).map(|is_well| if is_well { Exit::Done } else { Exit::Failed }),
        #[cfg(feature = "sqlite")]
        Command::Shop(args) => shop::run(&args).map(|()| Exit::Done),
    }
}

/// Whoever reads our output has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    error.chain().any(|cause| kind(cause) == Some(std::io::ErrorKind::BrokenPipe))
}

/// What developers want to see, on standard error: `POINTSMAN_LOG=debug`.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("POINTSMAN_LOG").unwrap_or_else(|_| EnvFilter::new("warn,lapin=off"));
    let ansi = console::errors_are_coloured();
    // A second subscriber in one process is a test's doing; the first one stays.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi).with_writer(|| console::Errors).try_init();
}
