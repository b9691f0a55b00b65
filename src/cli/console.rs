//! Standard output and standard error: data to the one, the rest to the other, colours only where they are wanted.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use clap::ValueEnum;
use serde_json::Value;

use crate::views::{Line, Tone, ink};

/// When to use colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl Colour {
    /// Makes this the choice of the whole program.
    pub fn set(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::AlwaysAnsi,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// Whether what goes to standard output is coloured.
pub fn is_coloured() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// Whether what goes to standard error is coloured.
pub fn errors_are_coloured() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Prints data.
///
/// # Errors
/// When nobody reads it any more.
pub fn print(text: impl AsRef<str>) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_ref().as_bytes())?;
    out.flush()
}

/// Standard output for what writes itself.
pub fn output() -> impl Write {
    io::BufWriter::new(io::stdout())
}

/// Prints lines of data.
///
/// # Errors
/// When nobody reads them any more.
pub fn print_lines(lines: &[Line]) -> io::Result<()> {
    print(ink::ansi(lines))
}

/// Prints a JSON document for a person or a program to read.
///
/// # Errors
/// When nobody reads it any more.
pub fn print_json(value: &Value) -> io::Result<()> {
    print(format!("{value:#}\n"))
}

/// What was said while a full-screen view has the terminal; nothing while none has it.
static HELD: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Standard error for whatever is said: at once, or after a full-screen view gave the terminal back.
pub struct Errors;

impl Write for Errors {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *HELD.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(held) => held.extend_from_slice(bytes),
            None => anstream::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        anstream::stderr().flush()
    }
}

/// Keeps what is said until [`release_errors`], where standard error is the terminal that a view is about to fill.
pub fn hold_errors() {
    if io::stderr().is_terminal() {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
    }
}

/// Says what was kept.
pub fn release_errors() {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner).take();
    let _ = anstream::stderr().write_all(&held.unwrap_or_default());
}

/// Says something that is not data. Nobody may be listening, and that is no reason to stop.
pub fn say(text: impl AsRef<str>) {
    let _ = writeln!(Errors, "{}", text.as_ref());
}

/// Says lines that are not data.
pub fn say_lines(lines: &[Line]) {
    let _ = write!(Errors, "{}", ink::ansi(lines));
}

/// `error: …`, then `hint: …` on a line of its own.
pub fn say_error(text: &str, hint: Option<&str>) {
    let mut lines = vec![Line::toned(Tone::Bad, "error").and(Tone::Plain, format!(": {text}"))];
    for line in hint.into_iter().flat_map(str::lines) {
        lines.push(Line::toned(Tone::Active, " hint").and(Tone::Plain, format!(": {line}")));
    }
    say_lines(&lines);
}

/// Asks for a line at the terminal.
///
/// # Errors
/// When standard input breaks.
pub fn ask(question: &str) -> io::Result<String> {
    let mut err = anstream::stderr();
    write!(err, "{question} ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

/// Asks a yes-or-no question at the terminal; anything but yes is no.
///
/// # Errors
/// When standard input breaks.
pub fn confirm(question: &str) -> io::Result<bool> {
    let mut err = anstream::stderr();
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Whether a person sits at both ends.
pub fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
