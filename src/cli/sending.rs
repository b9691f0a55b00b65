//! Whether the trace of a run is sent while it is driven, and what is said of that at its end.

use anyhow::Result;
use clap::Args;

#[cfg(feature = "otlp")]
use super::console;
use super::desk::Desk;
use crate::engine::Executor;
#[cfg(feature = "otlp")]
use crate::otlp::{Exporter, Setting};
use crate::run::Record;
#[cfg(feature = "otlp")]
use crate::{run::RunNote, views::trace::Link};

/// Where the trace of the run goes.
#[derive(Args, Debug)]
pub struct SendArgs {
    /// Send the run as a trace to this OpenTelemetry collector [default: $OTEL_EXPORTER_OTLP_ENDPOINT]
    #[cfg(feature = "otlp")]
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
}

/// A trace on its way, where one was asked for.
#[derive(Debug, Default)]
pub struct Sending {
    #[cfg(feature = "otlp")]
    exporter: Option<Exporter>,
}

/// A variable of the environment.
#[cfg(feature = "otlp")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl SendArgs {
    /// Holds what the command line says against what can be done, before a run is begun with it.
    ///
    /// # Errors
    /// When the command line asks for what cannot be done. What only the environment asks for never stops a run.
    pub fn check(&self) -> Result<()> {
        #[cfg(feature = "otlp")]
        if self.otlp.is_some() {
            Setting::of(&variable, self.otlp.as_deref())?;
        }
        Ok(())
    }

    /// Begins to send the trace of this run, where that is asked for. What stands in the way is said and stops nothing.
    #[cfg(feature = "otlp")]
    pub fn begin(&self, desk: &Desk, executor: &Executor) -> Sending {
        let begun = Setting::of(&variable, self.otlp.as_deref()).map_err(|error| error.to_string()).and_then(|setting| {
            let home = desk.home().map_err(|error| format!("{error:#}"))?;
            setting.map(|setting| Exporter::begin(&home, executor.run_id(), setting)).transpose()
        });
        let exporter = begun.unwrap_or_else(|why| {
            console::say(format!("no trace is sent: {why}"));
            None
        });
        Sending { exporter }
    }

    /// This build sends none.
    #[cfg(not(feature = "otlp"))]
    pub fn begin(&self, _desk: &Desk, _executor: &Executor) -> Sending {
        Sending::default()
    }

    /// Notes from where a new run was started, where the environment says so.
    #[cfg(feature = "otlp")]
    pub fn note_caller(&self, executor: &mut Executor) {
        let Some(traceparent) = variable("TRACEPARENT").filter(|text| !text.is_empty()) else { return };
        match Link::parse(&traceparent) {
            Some(_) => executor.note(RunNote::CalledFrom { traceparent }),
            None => console::say("TRACEPARENT is none as W3C Trace Context writes it, so the run's trace is linked to nothing"),
        }
    }

    /// This build makes no traces.
    #[cfg(not(feature = "otlp"))]
    pub fn note_caller(&self, _executor: &mut Executor) {}
}

#[cfg(feature = "otlp")]
impl Sending {
    /// These records are durable.
    pub fn recorded(&self, records: &[Record]) {
        if let (Some(exporter), Some(last)) = (&self.exporter, records.last()) {
            exporter.durable(last.seq);
        }
    }

    /// Sends what is left and says what became of it; `again` is the command that sends it later.
    pub fn finish(self, again: &str) {
        let Some(exporter) = self.exporter else { return };
        let sent = exporter.finish();
        let trace = sent.trace.map_or_else(String::new, |trace| format!(" {trace}"));
        console::say(format!("trace{trace}: {} spans sent", sent.tally.sent));
        for trouble in &sent.tally.troubles {
            console::say(format!("  {trouble}"));
        }
        let missing = sent.tally.left as u64 + sent.tally.refused;
        if missing > 0 || sent.trace.is_none() {
            console::say(format!("  {missing} spans did not arrive; the run is as it is, and `{again}` sends its trace"));
        }
    }
}

#[cfg(not(feature = "otlp"))]
impl Sending {
    /// Nobody wants to know.
    pub fn recorded(&self, _records: &[Record]) {}

    /// There is nothing to send.
    pub fn finish(self, _again: &str) {}
}
