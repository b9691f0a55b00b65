//! How many columns of a terminal a text takes: an ideograph two, a combining mark none, an emoji of several characters two.
//!
//! Text is cut and folded between graphemes, so that no mark is torn from its letter. What a terminal makes of new emoji differs
//! from one to the other; these tables are those of the library that paints the screen.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// The columns of a text without line breaks.
pub fn of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { graphemes(text).map(|(_, width)| width).sum() }
}

/// What a reader takes for one character, each with its columns.
pub fn graphemes(text: &str) -> impl Iterator<Item = (&str, usize)> {
    text.graphemes(true).map(|grapheme| (grapheme, grapheme.width()))
}

/// The beginning of a text that fits into so many columns.
pub fn fitting(text: &str, columns: usize) -> &str {
    let mut room = columns;
    let mut end = 0;
    for (grapheme, width) in graphemes(text) {
        if width > room {
            break;
        }
        room -= width;
        end += grapheme.len();
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ideographs_are_two_columns_and_marks_none() {
        assert_eq!(of("freeze"), 6);
        assert_eq!(of("\u{51bb}\u{7ed3}"), 4);
        assert_eq!(of("e\u{301}"), 1);
        assert_eq!(of("\u{1f469}\u{200d}\u{1f4bb}"), 2, "one picture of two people's worth of characters");
    }

    #[test]
    fn nothing_is_cut_in_half() {
        assert_eq!(fitting("\u{51bb}\u{7ed3}", 3), "\u{51bb}");
        assert_eq!(fitting("e\u{301}f", 1), "e\u{301}");
        assert_eq!(fitting("abc", 0), "");
    }
}
