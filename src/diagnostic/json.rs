//! Diagnostics as JSON for programs.
//!
//! One object per file: `{ "file", "errors", "warnings", "diagnostics": [{ "code", "severity", "title", "message", "place",
//! "label", "others", "help", "page" }] }`. A place is `{ "line", "column", "end_line", "end_column", "start", "end" }`:
//! lines and columns from 1, columns in characters, `start` and `end` in bytes; each end is one past the last.

use serde_json::{Value, json};

use super::{Diagnostic, Lines, Report, Severity, Source, SourceSpan};

/// The report of one file, its diagnostics by place.
pub fn to_json(report: &Report, source: &Source) -> Value {
    let lines = source.lines();
    let diagnostics = report.sorted();
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    json!({
        "file": &*source.name,
        "errors": count(Severity::Error),
        "warnings": count(Severity::Warning),
        "diagnostics": diagnostics.iter().map(|diagnostic| one(diagnostic, &lines)).collect::<Vec<_>>(),
    })
}

fn one(diagnostic: &Diagnostic, lines: &Lines<'_>) -> Value {
    let others: Vec<Value> =
        diagnostic.secondary.iter().map(|label| json!({ "place": place(label.span, lines), "label": label.text })).collect();
    json!({
        "code": diagnostic.code.to_string(),
        "severity": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "title": diagnostic.code.title(),
        "message": diagnostic.message,
        "place": place(diagnostic.primary.span, lines),
        "label": (!diagnostic.primary.text.is_empty()).then_some(&diagnostic.primary.text),
        "others": others,
        "help": diagnostic.help,
        "page": diagnostic.code.page(),
    })
}

fn place(span: SourceSpan, lines: &Lines<'_>) -> Value {
    let (line, column) = lines.line_column(span.start);
    let (end_line, end_column) = lines.line_column(span.end);
    json!({
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "start": span.start,
        "end": span.end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::code::yaml;

    #[test]
    fn places_are_lines_columns_and_bytes() {
        let source = Source::new("a.yaml", "ä: 1\nä: 2\n");
        let mut report = Report::default();
        report.push(Diagnostic::error(yaml::DUPLICATE_KEY, SourceSpan::new(6, 8), "twice"));
        let json = to_json(&report, &source);
        assert_eq!(json["errors"], 1);
        let expected = json!({ "line": 2, "column": 1, "end_line": 2, "end_column": 2, "start": 6, "end": 8 });
        assert_eq!(json["diagnostics"][0]["place"], expected);
        assert_eq!(json["diagnostics"][0]["page"], "docs/errors/PM0102.md");
    }
}
