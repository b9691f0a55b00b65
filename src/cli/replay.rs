//! `pointsman replay`: a night from its journal, told again at a pace. Nothing can be ordered in it, and nothing is sent.

use std::thread::sleep;

use anyhow::Result;
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::console;
use super::desk::Desk;
use super::exit::Exit;
use super::lines::{Detail, Lines};
use super::live::{Setting, Source, ViewKind};
use super::watch::look_on;
use crate::authority::Claim;
use crate::engine::load;
use crate::run::{Record, State};
use crate::views::screen::{Player, Role, Speed};

const EXAMPLES: &str = "\
Examples:
  pointsman replay latest                         a minute of the night in a second
  pointsman replay latest --speed 1               as fast as it was
  pointsman replay latest --from 120 --speed 10   from record 120 on
  pointsman replay latest --view plain --speed max | less

Keys: space stands, arrows step from record to record, + and - change the pace, `q` leaves; `?` shows the others. The clock \
that is shown is the night's own. Nothing can be ordered, and no target is asked anything.";

/// Tells a night again from its journal
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct ReplayArgs {
    /// The run: its id, a beginning of it, or `latest`
    #[arg(value_name = "RUN")]
    run: String,
    /// How many seconds of the night pass in one: a number, or `max` for all at once
    #[arg(long, value_name = "SPEED", default_value = "60", value_parser = Speed::parse)]
    speed: Speed,
    /// Begin behind this record
    #[arg(long, value_name = "RECORD", default_value_t = 1, hide_default_value = true)]
    from: u64,
    /// What is shown on a terminal: full or plain [default: full]; elsewhere it is always plain
    #[arg(long, value_name = "VIEW", value_enum, hide_possible_values = true)]
    view: Option<ViewKind>,
    /// Show every question that was asked of a target too, and not only what was sent to change it
    #[arg(long, short)]
    verbose: bool,
}

/// Replays.
///
/// # Errors
/// When the run cannot be found or read.
pub fn run(desk: &Desk, args: &ReplayArgs) -> Result<Exit> {
    let (home, run) = desk.run(&args.run)?;
    let (state, records) = load(&home, &run, None)?;
    let detail = if args.verbose { Detail::All } else { Detail::Changes };
    let player = Player::new(&records, args.speed, args.from);
    let lines = Lines::new(&state, &desk.how(), detail);
    if args.view.unwrap_or_else(ViewKind::usual).here() != ViewKind::Full {
        return print(&lines, &records, player);
    }
    let empty = State::new(state.plan().clone());
    let told = look_on(Setting {
        desk: desk.clone(),
        source: Source::again(records, empty, player),
        home,
        run,
        role: Role::Replaying,
        detail,
        claim: Claim::Whoever,
        stop: CancellationToken::new(),
    })?;
    console::print_lines(&lines.bare(&told.records))?;
    Ok(Exit::Done)
}

/// Prints the lines when they are due.
fn print(lines: &Lines, records: &[Record], mut player: Player) -> Result<Exit> {
    console::print_lines(&lines.bare(&records[..player.shown()]))?;
    while let Some(wait) = player.next_in() {
        sleep(wait);
        let before = player.shown();
        player.skip();
        console::print_lines(&lines.bare(&records[before..player.shown()]))?;
    }
    Ok(Exit::Done)
}
