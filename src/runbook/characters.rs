//! What is wrong with a text before it is YAML: invisible characters, directives, tabs used as indentation.

use crate::diagnostic::code::yaml;
use crate::diagnostic::{Diagnostic, Report, Source, SourceSpan};

/// More of these than this in one file say nothing new.
const MOST: usize = 20;

/// Reports characters that cannot be seen and that readers treat differently; whether there were none.
pub(super) fn are_visible(source: &Source, report: &mut Report) -> bool {
    let invisible = source.text.char_indices().filter_map(|(at, c)| Some((at, c, explain(at, c)?)));
    let mut found = 0;
    for (at, character, what) in invisible.take(MOST) {
        found += 1;
        let span = SourceSpan::new(at, at + character.len_utf8());
        let code = u32::from(character);
        let help = if character == '\u{feff}' && at == 0 {
            "save the file as UTF-8 without a byte order mark".to_owned()
        } else {
            format!("remove it; inside double quotes it can be written `\\u{code:04x}`")
        };
        let message = format!("the invisible character U+{code:04X} ({what})");
        report.push(Diagnostic::error(yaml::CONTROL, span, message).help(help));
    }
    found == 0
}

fn explain(at: usize, character: char) -> Option<&'static str> {
    match character {
        '\t' | '\n' | '\r' => None,
        '\0' => Some("NUL, at which some readers stop"),
        '\u{85}' | '\u{2028}' | '\u{2029}' => Some("a line break to some readers and text to others"),
        '\u{feff}' if at == 0 => Some("a byte order mark"),
        '\u{feff}' | '\u{200b}' | '\u{2060}' | '\u{ad}' => Some("a space without width"),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some("it changes the direction in which the text is shown")
        }
        c if c.is_control() => Some("a control character"),
        _ => None,
    }
}

/// Reports `%YAML` and `%TAG` lines before the document; whether there were none.
pub(super) fn has_no_directives(source: &Source, report: &mut Report) -> bool {
    let mut at = 0;
    let mut found = 0;
    for line in source.text.split_inclusive('\n') {
        let shown = line.trim_end();
        if shown.starts_with('%') {
            let span = SourceSpan::new(at, at + shown.len());
            let help = "remove the line: a runbook is always YAML 1.2 without tags";
            report.push(Diagnostic::error(yaml::DIRECTIVE, span, "a YAML directive").help(help));
            found += 1;
            if found == MOST {
                break;
            }
        } else if !shown.trim_start().is_empty() && !shown.trim_start().starts_with('#') {
            break;
        }
        at += line.len();
    }
    found == 0
}

/// Reports tabs in the indentation of lines, unless they are part of one of `scalars` (sorted, not overlapping).
pub(super) fn report_tabs(source: &Source, scalars: &[SourceSpan], report: &mut Report) {
    let mut at = 0;
    let mut found = 0;
    for line in source.text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let Some(tab) = indentation_tab(line).map(|tab| start + tab) else { continue };
        let next = scalars.partition_point(|scalar| scalar.end <= tab);
        let inside = scalars.get(next).is_some_and(|scalar| scalar.start <= tab);
        if !inside && found < MOST {
            found += 1;
            report.push(tab_at(tab));
        }
    }
}

/// Reports anchors and aliases with other signs in their name than letters, digits, `_` and `-`: YAML 1.2 takes `&a: b` for an
/// anchor `a:`, YAML 1.1 for an empty key with the anchor `a`. What stands in one of `scalars` is text.
pub(super) fn report_anchors(source: &Source, scalars: &[SourceSpan], report: &mut Report) {
    let text = &source.text;
    let starts = std::iter::once(0).chain(scalars.iter().map(|scalar| scalar.end));
    let ends = scalars.iter().map(|scalar| scalar.start).chain([text.len()]);
    let gaps = starts.zip(ends).filter_map(|(start, end)| Some((start, text.get(start..end)?)));
    // An anchored scalar begins with its anchor; no text without quotes begins with `&`.
    let anchored = scalars.iter().filter_map(|scalar| {
        let stretch = text.get(scalar.start..).filter(|stretch| stretch.starts_with('&'))?;
        Some((scalar.start, marks(stretch).next()?.1))
    });
    let named = gaps.flat_map(|(start, gap)| marks(gap).map(move |(at, name)| (start + at, name))).chain(anchored);
    for (at, name) in named.filter(|(_, name)| !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))).take(MOST) {
        let span = SourceSpan::new(at, at + 1 + name.len());
        let message = format!("some readers end the name `{name}` before its last sign");
        let help = "name an anchor with letters, digits, `_` and `-`, and put a space behind it";
        report.push(Diagnostic::error(yaml::ANCHOR_NAME, span, message).help(help));
    }
}

/// The anchors and aliases of a stretch without scalars: where each begins, and its name.
fn marks(gap: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        loop {
            let at = rest + gap[rest..].find(['&', '*', '#'])?;
            if gap[at..].starts_with('#') {
                rest = at + gap[at..].find('\n').unwrap_or(gap.len() - at);
                continue;
            }
            let name = gap[at + 1..].split(|c: char| c.is_whitespace() || ",[]{}".contains(c)).next().unwrap_or("");
            rest = at + 1 + name.len();
            return Some((at, name));
        }
    })
}

/// Where the tab is, when the indentation of `line` has one and something follows it.
fn indentation_tab(line: &str) -> Option<usize> {
    let indentation = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
    let rest = line[indentation.len()..].trim_end();
    if rest.is_empty() || rest.starts_with('#') { None } else { indentation.find('\t') }
}

/// The tab that explains a syntax error at byte `at`: one in the indentation of that line or of the one before.
pub(super) fn tab_near(source: &Source, at: usize) -> Option<Diagnostic> {
    let text: &str = &source.text;
    let mut end = at.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let here = text[..end].rfind('\n').map_or(0, |newline| newline + 1);
    let before = text[..here.saturating_sub(1)].rfind('\n').map_or(0, |newline| newline + 1);
    [here, before].into_iter().find_map(|start| {
        let line = text[start..].split_inclusive('\n').next()?;
        indentation_tab(line).map(|tab| tab_at(start + tab))
    })
}

fn tab_at(at: usize) -> Diagnostic {
    Diagnostic::error(yaml::TAB, SourceSpan::new(at, at + 1), "a tab character in the indentation")
        .help("indent with spaces: YAML gives a tab no width")
}
