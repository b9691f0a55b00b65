//! One program over one channel: fed, read on both streams at once, and its end told apart.
//!
//! Reading one stream to its end before the other deadlocks when the other fills its window, so both are read in turns. A
//! program that was killed by a signal has the exit status 0 in the library: the signal is looked at first.

use std::io::{self, Read as _, Write as _};

use super::session::{Session, WireError};
use super::shell::BOOTSTRAP;
use crate::connectors::patience::Patience;

/// How a program at a host ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::connectors) enum End {
    /// It exited with this code.
    Code(i32),
    /// It was killed by this signal, named without `SIG`.
    Signal(String),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with {code}"),
            Self::Signal(name) => write!(f, "was killed by SIG{name}"),
        }
    }
}

/// Which stream of a program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stream {
    Out,
    Err,
}

/// Why there is no end to tell of.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoEnd {
    /// Nothing can have been run.
    #[error("it was not started: {0}")]
    NotBegun(WireError),
    /// It may have run, and may run still.
    #[error("nobody saw its end: {0}")]
    Lost(WireError),
}

/// Runs what `input` says (see [`super::shell::framed`]), and hands on what is printed.
pub(super) fn exec(
    session: &Session,
    input: &[u8],
    patience: &Patience,
    mut heard: impl FnMut(Stream, &[u8]),
) -> Result<End, NoEnd> {
    let mut channel = session.retry(patience, || session.wire().channel_session()).map_err(NoEnd::NotBegun)?;
    // The constant line alone runs nothing: it waits for its script.
    session.retry(patience, || channel.exec(BOOTSTRAP)).map_err(NoEnd::NotBegun)?;
    talk(session, &mut channel, input, patience, &mut heard).map_err(NoEnd::Lost)?;
    session.retry(patience, || channel.wait_close()).map_err(NoEnd::Lost)?;
    let signal = channel.exit_signal().map_err(|error| NoEnd::Lost(error.into()))?.exit_signal;
    let code = channel.exit_status().map_err(|error| NoEnd::Lost(error.into()))?;
    Ok(signal.map_or(End::Code(code), End::Signal))
}

fn talk(
    session: &Session,
    channel: &mut ssh2::Channel,
    input: &[u8],
    patience: &Patience,
    heard: &mut impl FnMut(Stream, &[u8]),
) -> Result<(), WireError> {
    let (mut sent, mut ended) = (0, false);
    let mut buffer = [0; 32 * 1024];
    loop {
        patience.check()?;
        let mut moved = false;
        if sent < input.len() {
            // A program that ends without reading everything closes the channel; its end is what counts then.
            if channel.eof() {
                sent = input.len();
            } else if let Some(length) = one(session, patience, || channel.write(&input[sent..]))? {
                sent += length;
                moved = length > 0;
            }
        } else if !ended {
            session.retry(patience, || channel.send_eof())?;
            ended = true;
        }
        for (stream, id) in [(Stream::Out, 0), (Stream::Err, 1)] {
            if let Some(length @ 1..) = one(session, patience, || channel.stream(id).read(&mut buffer))? {
                heard(stream, &buffer[..length]);
                moved = true;
            }
        }
        if !moved {
            if channel.eof() {
                return Ok(());
            }
            session.wait(patience)?;
        }
    }
}

/// One read or write; none when there is nothing to do now. What the library could not hand to a full socket it must be asked
/// for again before anything else, or it calls that a misuse.
fn one(session: &Session, patience: &Patience, mut ask: impl FnMut() -> io::Result<usize>) -> Result<Option<usize>, WireError> {
    use ssh2::BlockDirections;
    loop {
        match ask() {
            Ok(length) => return Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => match session.wire().block_directions() {
                BlockDirections::Outbound | BlockDirections::Both => session.wait(patience)?,
                BlockDirections::None | BlockDirections::Inbound => return Ok(None),
            },
            Err(error) => return Err(error.into()),
        }
    }
}
