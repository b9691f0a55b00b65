//! The beginning of a long text.

/// At most `longest` bytes of `text`, cut between two characters.
pub(super) fn excerpt(text: &str, longest: usize) -> &str {
    let mut end = longest.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn characters_stay_whole() {
        assert_eq!(excerpt("aé", 2), "a");
        assert_eq!(excerpt("aé", 3), "aé");
        assert_eq!(excerpt("", 9), "");
    }
}
