//! The counts in `docs/faults.md`: each test owns the lines between its two markers and no others.
//!
//! `<!-- faults: NAME -->` opens a section and `<!-- /faults -->` ends it. With UPDATE_GOLDEN=1 a test writes its rows there;
//! without it the test fails when they differ.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

/// Tests of one process take turns; nextest runs each in its own process, and the file lock is for that.
static TURN: Mutex<()> = Mutex::new(());

/// One line of a section: what was tried, and how often.
pub fn row(what: &str, count: usize) -> (String, usize) {
    assert!(count > 0, "{what}: not one case was tried");
    (what.to_owned(), count)
}

/// One line for something that must never happen.
pub fn never(what: &str) -> (String, usize) {
    (what.to_owned(), 0)
}

/// Compares the section `name` with `rows`, or writes it with UPDATE_GOLDEN=1.
pub fn check(name: &str, rows: &[(String, usize)]) {
    let _turn = TURN.lock().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
    let file = fs::File::open(&path).unwrap();
    file.lock().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let (open, close) = (format!("<!-- faults: {name} -->\n"), "<!-- /faults -->");
    let start = text.find(&open).unwrap_or_else(|| panic!("docs/faults.md has no section {name}")) + open.len();
    let end = start + text[start..].find(close).unwrap_or_else(|| panic!("section {name} does not end"));
    let mut section = "| what was tried | cases |\n|---|---:|\n".to_owned();
    for (what, count) in rows {
        section += &format!("| {what} | {} |\n", grouped(*count));
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, format!("{}{section}{}", &text[..start], &text[end..])).unwrap();
    } else {
        assert_eq!(&text[start..end], section, "docs/faults.md is stale: run this test with UPDATE_GOLDEN=1");
    }
}

/// 12345 as `12 345`.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
