//! `pointsman trace`: a run as a trace of OpenTelemetry, made from its record at any time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, Result, bail};
use clap::Args;

use super::console;
use super::desk::Desk;
use super::exit::Exit;
use super::report::read_run;
use super::sending::variable;
use crate::journal::folder::write_whole;
use crate::otlp::sender::Sender;
use crate::otlp::{Outbox, Setting, message};
use crate::run::{Record, State};
use crate::views::trace::{Span, Trace};

const EXAMPLES: &str = "\
Examples:
  pointsman trace latest                    to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names
  pointsman trace latest --to http://localhost:4318
  pointsman trace latest --json trace.json  a file in OTLP's JSON, for tools that read such; `-` is
                                            standard output

A run is a trace and a step is a span. The ids follow from the run, so a trace that is sent twice is the same trace. While a run \
goes on, `pointsman run --otlp URL` sends each span when it is over. Headers with tokens are in OTEL_EXPORTER_OTLP_HEADERS, never \
in a command line. docs/traces.md says what is in a trace and which variables are heeded.";

/// How long it is tried to send a trace.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends or writes a run as an OpenTelemetry trace
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct TraceArgs {
    /// The run: its id, a beginning of it, or `latest`; or the path of a bundle
    #[arg(value_name = "RUN")]
    run: String,
    /// The collector; without it the one that OTEL_EXPORTER_OTLP_ENDPOINT names
    #[arg(long, value_name = "URL", conflicts_with = "json")]
    to: Option<String>,
    /// Write the trace into this file, in OTLP's JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Sends or writes.
///
/// # Errors
/// When the run cannot be read, or the trace not be sent or written.
pub fn run(desk: &Desk, args: &TraceArgs) -> Result<Exit> {
    let (state, records) = read_run(desk, &args.run)?;
    let run = state.run().with_context(|| format!("{} has no record yet", args.run))?;
    let (trace, spans) = folded(&state, &records)?;
    let id = trace.id().map_or_else(String::new, |id| id.to_string());
    if trace.open() > 0 {
        console::say(format!("{run} is not over: {} spans are not over either, and not in its trace yet", trace.open()));
    }
    if let Some(file) = &args.json {
        let text = format!("{}\n", message::json(&spans, &Setting::resource_of(&variable)?)?);
        if file == Path::new("-") {
            console::print(text)?;
        } else {
            let path = std::path::absolute(file)?;
            write_whole(&path, text.as_bytes()).with_context(|| format!("{} cannot be written", file.display()))?;
            console::say(format!("{}: trace {id}, {} spans", file.display(), spans.len()));
        }
        return Ok(Exit::Done);
    }
    let Some(setting) = Setting::of(&variable, args.to.as_deref())? else {
        bail!("nothing says where the trace goes: give --to URL, set OTEL_EXPORTER_OTLP_ENDPOINT, or write it with --json FILE");
    };
    let mut outbox = Outbox::new(Sender::new(setting).map_err(Error::msg)?);
    let count = spans.len();
    outbox.put(spans);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime can be made")?;
    runtime.block_on(outbox.empty(Instant::now() + PATIENCE));
    let tally = outbox.tally();
    for trouble in &tally.troubles {
        console::say(trouble);
    }
    if tally.left > 0 || tally.refused > 0 {
        bail!("{} of {count} spans of the trace {id} did not arrive at {}", tally.left as u64 + tally.refused, outbox.place());
    }
    console::say(format!("trace {id}: {} spans sent to {}", tally.sent, outbox.place()));
    Ok(Exit::Done)
}

/// The trace of these records, and its spans that are over.
fn folded(state: &State, records: &[Record]) -> Result<(Trace, Vec<Span>)> {
    let mut trace = Trace::of(state.plan());
    let mut spans = Vec::new();
    for record in records {
        spans.extend(trace.take(record)?);
    }
    Ok((trace, spans))
}
