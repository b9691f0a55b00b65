//! One diagnostic, and all of a file's diagnostics together.

use std::collections::HashSet;

use super::{Code, SourceSpan};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// The runbook cannot be planned.
    Error,
    /// The runbook can be planned, and this deserves a look.
    Warning,
}

/// A place with a remark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// Where.
    pub span: SourceSpan,
    /// What is to be seen there; may be empty.
    pub text: String,
}

/// One problem, its place, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// The code; its page is in `docs/errors/`.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence without a full stop.
    pub message: String,
    /// The place that is underlined, with its remark.
    pub primary: Label,
    /// Other places that matter.
    pub secondary: Vec<Label>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(code: Code, span: SourceSpan, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: Label { span, text: String::new() },
            secondary: Vec::new(),
            help: None,
        }
    }

    /// A warning at `span`.
    pub fn warning(code: Code, span: SourceSpan, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// With a remark at the underlined place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// With one more place.
    #[must_use]
    pub fn also(mut self, span: SourceSpan, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// With what to write instead.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}

/// Every diagnostic of one source, in the order of their places.
#[derive(Clone, Debug, Default)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Adds all of another report.
    pub fn extend(&mut self, other: Self) {
        self.diagnostics.extend(other.diagnostics);
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }

    /// The diagnostics by place, each only once. Where the YAML itself is wrong, what follows from it at exactly the same
    /// place is an echo and left out.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let yaml = self.diagnostics.iter().filter(|d| d.code.is_yaml());
        let echoing: HashSet<SourceSpan> = yaml.map(|d| d.primary.span).collect();
        let is_echo = |d: &&Diagnostic| !d.code.is_yaml() && echoing.contains(&d.primary.span);
        let mut all: Vec<&Diagnostic> = self.diagnostics.iter().filter(|d| !is_echo(d)).collect();
        all.sort_by_key(|d| (d.primary.span, d.code));
        all.dedup();
        all
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }
}
