//! The texts that an include can hold: an upstream, a split of clients, or what the author wrote.

use crate::connectors::{ActionError, Call};
use crate::model::{Digest, Percent};

/// The share that `split_clients` can express at the finest, as a fraction.
const FINEST: f64 = 0.0001;

/// The first line: whose it is.
fn owner(call: &Call) -> String {
    format!("# pointsman: run {}, step {}\n", call.run, call.step)
}

/// The text of `nginx.switch`.
pub(super) fn upstream(call: &Call) -> Result<String, ActionError> {
    let (content, name, servers) =
        (call.params.opt_text("content")?, call.params.opt_text("upstream")?, call.params.texts("servers")?);
    match (content, name) {
        (Some(content), None) if servers.is_empty() => Ok(content.to_owned()),
        (None, Some(_)) if servers.is_empty() => {
            Err(ActionError::untouched("an upstream never becomes empty: name its `servers`"))
        }
        (None, Some(name)) => {
            let mut text = format!("{}upstream {} {{\n", owner(call), word(name)?);
            for server in &servers {
                text.push_str(&format!("    server {};\n", plain(server)?));
            }
            Ok(text + "}\n")
        }
        _ => Err(ActionError::untouched("give either `upstream` with `servers`, or `content`")),
    }
}

/// The text of one share of `nginx.split`.
pub(super) fn split(call: &Call, share: Percent) -> Result<String, ActionError> {
    let params = &call.params;
    let (variable, key) = (params.text("variable")?, params.opt_text("key")?.unwrap_or("$remote_addr"));
    let (old, new) = (word(params.text("old")?)?, word(params.opt_text("new")?.map_or_else(|| params.text("to"), Ok)?)?);
    let variable = variable.strip_prefix('$').unwrap_or(variable);
    if key.is_empty() || key.bytes().any(|b| matches!(b, b'"' | b'\\' | b';' | b'\n' | b'\r' | b'\0')) {
        return Err(ActionError::untouched("`key` must be text and variables without quotes, backslashes and semicolons"));
    }
    let hundredths = share.as_fraction() / FINEST;
    if (hundredths - hundredths.round()).abs() > 1e-6 {
        return Err(ActionError::untouched(format!("{share} is finer than `split_clients` can be: its steps are 0.01%")));
    }
    let lines = if share == Percent::ALL { format!("    * {new};\n") } else { format!("    {share} {new};\n    * {old};\n") };
    Ok(format!("{}split_clients \"{key}\" ${} {{\n{lines}}}\n", owner(call), word(variable)?))
}

/// The digests of texts that this step may have written.
pub(super) fn digests(texts: &[String]) -> Vec<Digest> {
    texts.iter().map(|text| Digest::of(text.as_bytes())).collect()
}

/// A name: anything else could end the line and begin another.
fn word(text: &str) -> Result<&str, ActionError> {
    let is_word = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    if is_word { Ok(text) } else { Err(ActionError::untouched(format!("`{text}` is no name of nginx"))) }
}

/// A server with its parameters, such as `10.0.0.1:80 weight=5`.
fn plain(text: &str) -> Result<&str, ActionError> {
    let is_plain = !text.trim().is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/=[] ".contains(&b));
    if is_plain { Ok(text) } else { Err(ActionError::untouched(format!("`{text}` is no server of an upstream"))) }
}
