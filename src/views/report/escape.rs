//! The two ways in which foreign text enters a document. Everything of a run is foreign: names, prompts, errors, statements.

/// Text as HTML shows it, inside of elements and of quoted attributes.
pub fn for_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c => visible(c, &mut out),
        }
    }
    out
}

/// Text in one line of Markdown, also inside of a table: nothing in it is markup.
pub fn for_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '$' => out.extend(['\\', c]),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\n' | '\r' | '\t' => out.push(' '),
            c => visible(c, &mut out),
        }
    }
    out
}

/// What a reader would not see, or what would turn the order of what they see, becomes visible.
fn visible(c: char, out: &mut String) {
    let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    if turns {
        out.push_str(&format!("[U+{:04X}]", u32::from(c)));
    } else if c.is_control() {
        out.push('\u{fffd}');
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_text() {
        assert_eq!(for_html("<b a='1' c=\"2\">&\u{1b}"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\u{fffd}");
        assert_eq!(for_html("yes\u{202e}on"), "yes[U+202E]on", "the order of what is read cannot be turned");
        assert_eq!(for_markdown("a|b\n<script>`*_[x](y)"), "a\\|b &lt;script&gt;\\`\\*\\_\\[x\\](y)");
    }
}
