//! How a command is typed here, so that every view prints lines that can be copied and run as they are.

use crate::model::{RunId, StepId};

/// The beginning of a command line: the program, and the options without which it would look elsewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invocation {
    place: Place,
}

/// Where commands are typed.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    /// Into a shell, behind this prefix.
    Shell(String),
    /// Into the command line of a view, which knows its run.
    View,
}

impl Default for Invocation {
    fn default() -> Self {
        Self { place: Place::Shell("pointsman".to_owned()) }
    }
}

impl Invocation {
    /// The program alone, or with `--home` where runs do not live in the usual place.
    pub fn new(program: &str, home: Option<&str>) -> Self {
        let prefix = match home {
            Some(home) => format!("{} --home {}", quoted(program), quoted(home)),
            None => quoted(program),
        };
        Self { place: Place::Shell(prefix) }
    }

    /// As typed into the view of one run.
    pub const fn in_view() -> Self {
        Self { place: Place::View }
    }

    /// `pointsman resume RUN`.
    pub fn on_run(&self, word: &str, run: &RunId) -> String {
        match &self.place {
            Place::Shell(prefix) => format!("{prefix} {word} {}", quoted(run.as_str())),
            Place::View => word.to_owned(),
        }
    }

    /// `pointsman approve RUN STEP`, with whatever has to follow.
    pub fn on_step(&self, word: &str, run: &RunId, step: &StepId, rest: &str) -> String {
        let space = if rest.is_empty() { "" } else { " " };
        format!("{} {}{space}{rest}", self.on_run(word, run), quoted(step.as_str()))
    }
}

/// A word as a POSIX shell takes it.
pub fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(harmless) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_can_be_copied_into_a_shell() {
        let (run, step) = (RunId::new("r-1"), StepId::new("copy[a b]"));
        let here = Invocation::new("pointsman", Some("/tmp/my runs"));
        assert_eq!(here.on_step("retry", &run, &step, ""), "pointsman --home '/tmp/my runs' retry r-1 'copy[a b]'");
        assert_eq!(Invocation::default().on_run("resume", &run), "pointsman resume r-1");
    }
}
