//! What a plain scalar means, and the spellings that two YAML readers understand differently.

use super::{ScalarStyle, ScalarValue};

/// The meaning of a plain scalar, or why it has none that all readers share.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Plain {
    /// A meaning.
    Value(ScalarValue),
    /// `no`, `on` and their kin: booleans of YAML 1.1, text in YAML 1.2. The boolean is what YAML 1.1 read.
    OldBoolean(bool),
    /// A spelling that is one number to one reader, another number or text to the next; the text says which.
    OldNumber(&'static str),
    /// A number that JSON cannot hold, or not with all its digits; the text says why.
    Inexact(&'static str),
    /// A question mark begins it: text to YAML 1.2, in brackets the key of a map to YAML 1.1.
    Question,
}

/// The largest whole number that every JSON reader keeps exactly.
const LARGEST: i64 = 1 << 53;

/// The meaning of the plain scalar `text` by the core schema of YAML 1.2.
pub(super) fn plain(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Value(ScalarValue::Null),
        "true" | "True" | "TRUE" => return Plain::Value(ScalarValue::Boolean(true)),
        "false" | "False" | "FALSE" => return Plain::Value(ScalarValue::Boolean(false)),
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Plain::OldBoolean(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Plain::OldBoolean(false),
        _ if text.starts_with('?') => return Plain::Question,
        _ => {}
    }
    if !text.bytes().next().is_some_and(|first| first.is_ascii_digit() || b"+-.".contains(&first)) {
        return Plain::Value(ScalarValue::Text);
    }
    number(text)
}

/// What belongs to a scalar of the stretch that the parser gives for it: spaces and a remark may follow it there.
pub(super) fn written(stretch: &str, style: ScalarStyle) -> &str {
    let quote = match (style, stretch.chars().next()) {
        (ScalarStyle::Quoted, Some(quote)) => quote,
        _ => return stretch.trim_end(),
    };
    let mut escaped = false;
    for (at, c) in stretch.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            // A doubled single quote stands for one; the pair is skipped like an escape.
            if quote == '\'' && stretch[at + 1..].starts_with('\'') {
                escaped = true;
            } else {
                return &stretch[..=at];
            }
        }
    }
    stretch.trim_end()
}

fn number(text: &str) -> Plain {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Plain::Inexact("JSON has no infinity and no \"not a number\"");
    }
    if let Some(old) = old_number(unsigned) {
        return Plain::OldNumber(old);
    }
    if !unsigned.is_empty() && digits(unsigned) {
        return match text.strip_prefix('+').unwrap_or(text).parse::<i64>() {
            Ok(whole) if (-LARGEST..=LARGEST).contains(&whole) => Plain::Value(ScalarValue::Number(whole.into())),
            Ok(_) | Err(_) => Plain::Inexact("whole numbers beyond 9007199254740992 lose digits in JSON"),
        };
    }
    if !is_float(unsigned) {
        return Plain::Value(ScalarValue::Text);
    }
    match text.parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
        Some(number) => Plain::Value(ScalarValue::Number(number)),
        None => Plain::Inexact("the number is too large"),
    }
}

fn old_number(unsigned: &str) -> Option<&'static str> {
    let bytes = unsigned.as_bytes();
    if !bytes.first().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    if unsigned.contains(':') {
        let mut groups = unsigned.split(':');
        let first = groups.next().is_some_and(|group| digits(&group.replace('_', "")));
        let rest = groups.all(|group| {
            let whole = group.split_once('.').map_or(group, |(whole, _)| whole);
            (1..=2).contains(&whole.len()) && digits(whole)
        });
        return (first && rest).then_some("a number to the base of 60 to YAML 1.1, text to YAML 1.2");
    }
    if unsigned.contains('_') && unsigned.bytes().all(|b| b.is_ascii_digit() || b == b'_' || b == b'.') {
        return Some("a number to YAML 1.1, text to YAML 1.2");
    }
    if bytes[0] != b'0' || bytes.len() == 1 {
        return None;
    }
    match bytes[1] {
        b'x' | b'X' if unsigned[2..].bytes().all(|b| b.is_ascii_hexdigit()) => {
            Some("hexadecimal to most readers, text to others")
        }
        b'o' | b'O' if digits(&unsigned[2..]) => Some("octal to YAML 1.2, text to YAML 1.1"),
        b'b' | b'B' if digits(&unsigned[2..]) => Some("binary to YAML 1.1, text to YAML 1.2"),
        _ if digits(unsigned) => Some("octal to YAML 1.1, decimal to YAML 1.2"),
        _ if bytes[1].is_ascii_digit() && is_float(unsigned) => Some("readers disagree about the leading zero"),
        _ => None,
    }
}

fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) =
        unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|text| {
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        !text.is_empty() && digits(text)
    });
    (!whole.is_empty() || !fraction.is_empty()) && digits(whole) && digits(fraction) && exponent_fits
}

fn digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::{Number, json};

    use super::*;

    #[test]
    fn numbers_of_the_core_schema() {
        let numbers = [("0", json!(0)), ("-5", json!(-5)), ("+5", json!(5)), ("0.01", json!(0.01)), ("1e3", json!(1000.0))];
        for (text, value) in numbers.iter().chain(&[(".5", json!(0.5)), ("1.", json!(1.0)), ("-0.5", json!(-0.5))]) {
            let found: Plain = plain(text);
            let expected: Number = serde_json::from_value(value.clone()).expect("a number");
            assert_eq!(found, Plain::Value(ScalarValue::Number(expected)), "{text}");
        }
    }

    #[test]
    fn words_stay_words() {
        for text in
            ["-", "+", ".", "1.2.3", "10.0.1.5:3306", "1h30m", "100%", "2026-11-21T00:00", "0abc", "1e", "e5", "-a", "...", "1:"]
        {
            assert_eq!(plain(text), Plain::Value(ScalarValue::Text), "{text}");
        }
    }

    #[test]
    fn readers_that_disagree_are_named() {
        for text in ["0644", "0x1F", "0o17", "0b11", "1_000", "12:30", "1:30:45", "-190:20:30", "00.5", "20:30.5"] {
            assert!(matches!(plain(text), Plain::OldNumber(_)), "{text} is {:?}", plain(text));
        }
        for text in [".inf", "-.INF", ".nan", "1e999", "9007199254740993", "99999999999999999999999"] {
            assert!(matches!(plain(text), Plain::Inexact(_)), "{text} is {:?}", plain(text));
        }
        assert_eq!(plain("NO"), Plain::OldBoolean(false));
        assert_eq!(plain("?who"), Plain::Question);
        assert_eq!(plain("on"), Plain::OldBoolean(true));
    }
}
