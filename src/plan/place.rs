//! Where in the YAML text a part of a template stands.

use crate::diagnostic::{Source, SourceSpan};

/// The place of the bytes `start..end` of `raw`, a text value that stands at `span`.
///
/// Escapes, folding and block indentation change a text between the file and its value. Where the part cannot be found
/// with certainty, the whole value is the place.
pub fn part_of(source: &Source, span: SourceSpan, raw: &str, start: usize, end: usize) -> SourceSpan {
    let Some(written) = source.text.get(span.start..span.end) else { return span };
    for lead in 0..=1 {
        if written.get(lead..).is_some_and(|rest| rest.starts_with(raw)) {
            return SourceSpan::new(span.start + lead + start, span.start + lead + end);
        }
    }
    let Some(part) = raw.get(start..end).filter(|part| !part.is_empty()) else { return span };
    let earlier = raw[..start].matches(part).count();
    match written.match_indices(part).nth(earlier) {
        Some((at, _)) => SourceSpan::new(span.start + at, span.start + at + part.len()),
        None => span,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_in_every_style() {
        let text = "a: {{ x }} {{ y }}\nb: \"é \\t {{ y }}\"\nc: |\n  one\n  {{ y }}\n";
        let source = Source::new("r.yaml", text);
        let find = |open: &str, close: &str, raw: &str| {
            let start = text.find(open).expect("the value");
            let end = text[start..].find(close).expect("its end") + start + close.len();
            let at = raw.find("y }}").expect("the part");
            let place = part_of(&source, SourceSpan::new(start, end), raw, at, at + 1);
            (text[place.start..place.end].to_owned(), source.line_column(place.start).0)
        };
        assert_eq!(find("{{ x", "y }}", "{{ x }} {{ y }}"), ("y".to_owned(), 1));
        assert_eq!(find("\"é", "\"\n", "é \t {{ y }}"), ("y".to_owned(), 2));
        assert_eq!(find("|\n", "y }}", "one\n{{ y }}\n"), ("y".to_owned(), 5));
    }
}
