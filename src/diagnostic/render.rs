//! Diagnostics as text for a terminal, with the place underlined.

use std::borrow::Cow;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Label, Lines, Report, Severity, Source, SourceSpan};

/// How diagnostics are painted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paint {
    /// Plain text.
    Plain,
    /// With the colours of a terminal.
    Coloured,
}

/// Lines longer than this are cut around the place.
const WIDTH: usize = 140;

/// More than this many blocks nobody reads; the line at the end counts them all, and JSON has them all.
const MOST: usize = 200;

/// The diagnostics of `report` by place, at most the first two hundred, then one line that counts all; nothing for an empty report.
pub fn render(report: &Report, source: &Source, paint: Paint) -> String {
    let diagnostics = report.sorted();
    if diagnostics.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    let lines = source.lines();
    for diagnostic in diagnostics.iter().take(MOST) {
        text.push_str(&block(diagnostic, source, &lines, paint));
        text.push_str("\n\n");
    }
    if diagnostics.len() > MOST {
        text.push_str(&format!("the first {MOST} are shown; --json has all\n"));
    }
    text.push_str(&summary(&diagnostics, source));
    text.push('\n');
    text
}

/// One diagnostic, without a line break at its end.
pub fn render_one(diagnostic: &Diagnostic, source: &Source, paint: Paint) -> String {
    block(diagnostic, source, &source.lines(), paint)
}

fn block(diagnostic: &Diagnostic, source: &Source, lines: &Lines<'_>, paint: Paint) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let code = diagnostic.code.to_string();
    let labels: Vec<(AnnotationKind, &Label)> = std::iter::once((AnnotationKind::Primary, &diagnostic.primary))
        .chain(diagnostic.secondary.iter().map(|label| (AnnotationKind::Context, label)))
        .collect();
    // Only the lines between the places are handed on: a report of a thousand problems must not read the file a thousand times.
    let spans: Vec<SourceSpan> = labels.iter().map(|(_, label)| shown(label.span, source)).collect();
    let (first, last) = (spans.iter().map(|span| span.start).min(), spans.iter().map(|span| span.end).max());
    let (part, line) = lines.around(SourceSpan::new(first.unwrap_or(0), last.unwrap_or(0)));
    let annotations = labels.iter().zip(&spans).map(|((kind, label), span)| {
        let annotation = kind.span(span.start - part.start..span.end - part.start);
        if label.text.is_empty() { annotation } else { annotation.label(visible(&label.text)) }
    });
    let text = &source.text[part.start..part.end];
    let snippet = Snippet::source(text).line_start(line).path(visible(&source.name)).fold(true).annotations(annotations);
    let mut group: Group<'_> = level.primary_title(visible(&diagnostic.message)).id(&*code).element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(visible(help)));
    }
    group =
        group.element(Level::NOTE.message(format!("{} explains {code}: {}", diagnostic.code.page(), diagnostic.code.title())));
    let renderer = match paint {
        Paint::Plain => Renderer::plain(),
        Paint::Coloured => Renderer::styled(),
    };
    renderer.decor_style(DecorStyle::Ascii).term_width(WIDTH).render(&[group])
}

/// A stretch on the boundaries of characters and, where it goes over many lines, only the first of them: what matters is
/// where it begins.
fn shown(span: SourceSpan, source: &Source) -> SourceSpan {
    let text = &source.text;
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (start, end) = (floor(span.start), floor(span.end));
    let first_line = text[start..end].find(['\n', '\r']).map_or(end, |newline| start + newline);
    SourceSpan::new(start, first_line)
}

/// `text` with the characters escaped that a terminal would obey instead of show.
fn visible(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| {
        (c.is_control() && c != '\n') || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len() + 8), |mut shown, c| {
        if obeyed(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
        shown
    }))
}

fn summary(diagnostics: &[&Diagnostic], source: &Source) -> String {
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let words = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        more => Some(format!("{more} {many}")),
    };
    let parts: Vec<String> =
        [words(count(Severity::Error), "error", "errors"), words(count(Severity::Warning), "warning", "warnings")]
            .into_iter()
            .flatten()
            .collect();
    format!("{}: {}", visible(&source.name), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::code::yaml;

    #[test]
    fn the_place_is_underlined_and_the_page_is_named() {
        let source = Source::new("a.yaml", "订单: 1\n订单: 2\n");
        let mut report = Report::default();
        let error = Diagnostic::error(yaml::DUPLICATE_KEY, SourceSpan::new(10, 16), "`订单` stands twice in this map");
        report.push(error.also(SourceSpan::new(0, 6), "it stands here already").help("keep one of the two"));
        let text = render(&report, &source, Paint::Plain);
        assert!(text.starts_with("error[PM0102]: `订单` stands twice in this map\n --> a.yaml:2:1\n"), "{text}");
        assert!(text.contains("2 | 订单: 2\n  | ^^^^\n"), "{text}");
        assert!(text.ends_with("a.yaml: 1 error\n"), "{text}");
        assert!(!text.contains('\u{1b}'));
        assert!(render(&report, &source, Paint::Coloured).contains('\u{1b}'));
    }

    #[test]
    fn no_text_reaches_the_terminal_as_a_command() {
        let source = Source::new("a\u{1b}[31m.yaml", "a: 1\n");
        let evil = "x\u{1b}[31my\u{202e}z\u{7}";
        let error = Diagnostic::error(yaml::SYNTAX, SourceSpan::new(0, 1), evil).label(evil).help(evil);
        let mut report = Report::default();
        report.push(error.also(SourceSpan::new(3, 4), evil));
        let text = render(&report, &source, Paint::Plain);
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    }

    #[test]
    fn any_place_can_be_rendered() {
        let source = Source::new("a.yaml", "a: ü\r\nb: 1");
        for start in 0..20 {
            for end in 0..20 {
                let error = Diagnostic::error(yaml::SYNTAX, SourceSpan::new(start, end), "wrong");
                assert!(render_one(&error, &source, Paint::Plain).contains("PM0101"));
            }
        }
        let nothing = Source::new("empty.yaml", "");
        let error = Diagnostic::error(yaml::EMPTY, SourceSpan::default(), "empty");
        assert!(render_one(&error, &nothing, Paint::Plain).contains("empty.yaml"));
    }
}
