//! What a program prints: kept up to a cap, streamed line by line, redacted before it is cut.

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::connectors::Recorder;
use crate::connectors::excerpt::excerpt;

/// What is kept of each stream.
pub(super) const CAP: usize = 64 * 1024;
/// What is streamed of one line.
const LONGEST_LINE: usize = 8 * 1024;
/// What is kept beyond a cut until it was redacted: a secret that straddles the cut is seen whole.
const OVERLAP: usize = 4 * 1024;

/// One stream of a program.
pub(in crate::connectors) struct Capture {
    stream: &'static str,
    recorder: Recorder,
    kept: Vec<u8>,
    total: u64,
    line: Vec<u8>,
}

/// What a stream came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::connectors) struct Printed {
    /// The text as it was printed, with its secrets: for conditions only.
    pub(in crate::connectors) raw: String,
    /// The text, redacted, without the last line break.
    pub(in crate::connectors) text: String,
    /// How many bytes were read and not kept.
    pub(in crate::connectors) dropped: u64,
}

impl Capture {
    pub(in crate::connectors) const fn new(stream: &'static str, recorder: Recorder) -> Self {
        Self { stream, recorder, kept: Vec::new(), total: 0, line: Vec::new() }
    }

    /// Reads until the stream ends, and goes on reading when no more is kept: a program must not block on a full pipe.
    pub(super) async fn drain(&mut self, from: &mut (impl AsyncRead + Unpin)) {
        let mut chunk = [0; 8 * 1024];
        while let Ok(read @ 1..) = from.read(&mut chunk).await {
            self.take(&chunk[..read]);
        }
    }

    pub(in crate::connectors) fn take(&mut self, bytes: &[u8]) {
        let before = self.total;
        self.total += bytes.len() as u64;
        let room = (CAP + OVERLAP).saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
        if before >= CAP as u64 {
            return;
        }
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = (LONGEST_LINE + OVERLAP).saturating_sub(self.line.len()).min(part.len());
            self.line.extend_from_slice(&part[..room]);
            if part.ends_with(b"\n") {
                self.tell_line();
            }
        }
    }

    fn tell_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = self.recorder.redact(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
        self.recorder.output(self.stream, excerpt(&text, LONGEST_LINE));
    }

    /// What came in so far.
    pub(in crate::connectors) fn finish(mut self) -> Printed {
        if !self.line.is_empty() {
            self.tell_line();
        }
        let dropped = self.total.saturating_sub(CAP as u64);
        if dropped > 0 {
            self.recorder.output(self.stream, &format!("[{dropped} bytes more were printed and are not kept]"));
        }
        let whole = String::from_utf8_lossy(&self.kept);
        let redacted = self.recorder.redact(&whole);
        let text = excerpt(&redacted, CAP);
        let bare = |text: &str| text.strip_suffix('\n').map_or(text, |t| t.strip_suffix('\r').unwrap_or(t)).to_owned();
        Printed { raw: bare(&whole), text: bare(text), dropped }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Redactor, StepId};

    #[test]
    fn a_secret_across_a_cut_is_masked_and_the_rest_is_counted() {
        let redactor = Arc::new(Redactor::new(["straddling-secret"]));
        let mut capture = Capture::new("stdout", Recorder::silent(StepId::new("s"), redactor));
        let mut bytes = vec![b'a'; CAP - 5];
        bytes.extend_from_slice(b"straddling-secret");
        bytes.extend(std::iter::repeat_n(b'b', 100_000));
        for chunk in bytes.chunks(777) {
            capture.take(chunk);
        }
        let printed = capture.finish();
        assert!(!printed.text.contains("strad"), "{}", &printed.text[CAP - 20..]);
        assert!(printed.text.len() <= CAP);
        assert_eq!(printed.dropped, bytes.len() as u64 - CAP as u64);
    }
}
