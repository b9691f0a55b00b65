//! Names and texts as PostgreSQL reads them: the one place where they are quoted.

/// An identifier. A NUL cannot be in one, and the server refuses it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text. The form with `E` is read the same whatever `standard_conforming_strings` says.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// An array of texts, for `= ANY (…)`.
pub(super) fn literals(texts: &[String]) -> String {
    let all: Vec<_> = texts.iter().map(|text| literal(text)).collect();
    format!("ARRAY[{}]::text[]", all.join(", "))
}
