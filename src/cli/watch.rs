//! `pointsman watch`: shows a run that another process drives, and gives orders to it. Leaving it never touches the run.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::console;
use super::desk::{Desk, now};
use super::driving::Show;
use super::exit::Exit;
use super::lines::{Lines, json_line};
use super::live::{Full, Setting, Source, Told, ViewKind};
use super::ordering::ByArgs;
use crate::engine::Follow;
use crate::run::{Phase, Record, State};
use crate::views::screen::Role;
use crate::views::{Line, Tone, run_summary};

const EXAMPLES: &str = "\
Examples:
  pointsman watch latest                    the live view of a run that another terminal drives
  pointsman watch shop-20261121-a1b2c3      by its id, or a beginning of it
  pointsman watch latest --by alice         orders that are typed into the view are given as alice
  pointsman watch latest --plain | tee log  one line per event, until the run ends

Keys: `:` types an order (`:approve go-live`), `?` shows the others, `q` leaves. Leaving never touches the run. A gate that \
wants a signature is decided by `pointsman approve`, for which the view steps aside. docs/terminal.md has the rest.

Exit codes: 0 when the view was left; when the run ended meanwhile, those of `run`.";

/// How often a run is looked at where its lines are printed.
const LOOK: Duration = Duration::from_millis(200);

/// Shows a run that goes on, and gives orders to it
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct WatchArgs {
    /// The run: its id, a beginning of it, or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    by: ByArgs,
    #[command(flatten)]
    show: Show,
}

/// Watches.
///
/// # Errors
/// When the run cannot be found or its journal cannot be followed.
pub fn run(desk: &Desk, args: &WatchArgs) -> Result<Exit> {
    let (home, run) = desk.run(&args.run)?;
    let follow = Follow::open(&home, &run)?;
    if args.show.is_json() || args.show.kind() != ViewKind::Full {
        return print(desk, args, follow);
    }
    let empty = State::new(follow.state().plan().clone());
    let told = look_on(Setting {
        desk: desk.clone(),
        source: Source::live(&home, &run, empty),
        home,
        run,
        role: Role::Watching,
        detail: args.show.detail(),
        claim: args.by.claim(),
        stop: CancellationToken::new(),
    })?;
    let Some(state) = told.state else { return Ok(Exit::Failed) };
    console::print_lines(&Lines::new(&state, &desk.how(), args.show.detail()).with_commands(&state, &told.records))?;
    ended(desk, &state)
}

/// Shows a full screen until it is left.
///
/// # Errors
/// When the terminal cannot be drawn on.
pub fn look_on(setting: Setting) -> Result<Told> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime can be made")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be watched")?;
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?;
        let mut full = Full::open(setting).context("no full screen on this terminal; try --view plain")?;
        tokio::select! {
            () = full.left() => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(full.close())
    })
}

/// Prints what happens, until the run ends.
fn print(desk: &Desk, args: &WatchArgs, mut follow: Follow) -> Result<Exit> {
    let lines = Lines::new(follow.state(), &desk.how(), args.show.detail());
    let mut said = false;
    loop {
        let records: Vec<Record> = follow.poll()?;
        let state = follow.state();
        if args.show.is_json() {
            records.iter().try_for_each(|record| console::print(json_line(record)))?;
        } else {
            console::print_lines(&lines.with_commands(state, &records))?;
        }
        if matches!(state.phase(), Phase::Ended(_)) {
            return if args.show.is_json() { Ok(exit_of(state)) } else { ended(desk, state) };
        }
        if !said && !follow.is_driven() {
            said = true;
            let how = desk.how().on_run("resume", follow.run_id());
            console::say_lines(&[
                Line::toned(Tone::Wait, "no executor").and(Tone::Plain, format!(" drives this run now; `{how}` goes on"))
            ]);
        }
        sleep(LOOK);
    }
}

/// The end of a run that ended; nothing for one that goes on.
fn ended(desk: &Desk, state: &State) -> Result<Exit> {
    console::print_lines(&run_summary::text(state, now(), &desk.how()))?;
    Ok(exit_of(state))
}

const fn exit_of(state: &State) -> Exit {
    match state.phase() {
        Phase::Ended(outcome) => Exit::of_outcome(outcome),
        Phase::New | Phase::Forward | Phase::RollingBack | Phase::Aborting | Phase::Finally(_) => Exit::Done,
    }
}
