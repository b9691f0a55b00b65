//! The one line of pgbouncer's configuration that says where a database is, and the same text with that line changed. Every other
//! byte stays as it was.

use std::ops::Range;

/// Where the server connections of a database go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Route {
    pub(super) host: String,
    pub(super) port: u16,
    /// The database's name at the server; the pooled database's own name when none.
    pub(super) dbname: Option<String>,
}

/// `text` with the entry of `database` pointing to `route`. The error says what is in the way.
pub(super) fn rerouted(text: &str, database: &str, route: &Route) -> Result<String, String> {
    let entry = entry(text, database)?;
    let pairs = pairs(&text[entry.clone()])?;
    let mut wanted = vec![("host", route.host.clone()), ("port", route.port.to_string())];
    wanted.extend(route.dbname.clone().map(|name| ("dbname", name)));
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut added = String::new();
    for (key, value) in wanted {
        let found: Vec<_> = pairs.iter().filter(|pair| pair.key == key).collect();
        match found.as_slice() {
            [] => added.push_str(&format!(" {key}={}", quoted(&value))),
            [pair] if pair.value == value => {}
            [pair] => {
                edits.push((entry.start + pair.span.start..entry.start + pair.span.end, quoted(&value)));
            }
            _ => return Err(format!("the entry of `{database}` says `{key}` twice")),
        }
    }
    if !added.is_empty() {
        let text = if entry.is_empty() { added.trim_start().to_owned() } else { added };
        edits.push((entry.end..entry.end, text));
    }
    edits.sort_by_key(|(span, _)| span.start);
    let mut changed = text.to_owned();
    for (span, value) in edits.into_iter().rev() {
        changed.replace_range(span, &value);
    }
    Ok(changed)
}

/// The value of the entry of `database`: where it stands in `text`, without the spaces around it.
fn entry(text: &str, database: &str) -> Result<Range<usize>, String> {
    let (mut section, mut found, mut at) = (String::new(), Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        let begins = at;
        at += line.len();
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with([';', '#', '%']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.trim().clone_into(&mut section);
            continue;
        }
        let Some((key, value)) = key_and_value(line) else { continue };
        // A file that is included into the section holds entries and no heading.
        if (section.is_empty() || section == "databases") && key == database {
            let end = line.trim_end().len().max(value);
            found.push(begins + value..begins + end);
        }
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(format!("there is no entry for the database `{database}`")),
        _ => Err(format!("there are {} entries for the database `{database}`", found.len())),
    }
}

/// The key of a line, unquoted, and where its value begins in it.
fn key_and_value(line: &str) -> Option<(String, usize)> {
    let indent = line.len() - line.trim_start().len();
    let rest = &line[indent..];
    let (key, mut at) = if let Some(quoted) = rest.strip_prefix('"') {
        let mut end = 0;
        loop {
            end += quoted[end..].find('"')?;
            if quoted[end + 1..].starts_with('"') {
                end += 2;
            } else {
                break;
            }
        }
        (quoted[..end].replace("\"\"", "\""), indent + end + 2)
    } else {
        let end = rest.find(['=', ' ', '\t'])?;
        (rest[..end].to_owned(), indent + end)
    };
    at += line[at..].len() - line[at..].trim_start().len();
    at += line[at..].strip_prefix('=').map(|_| 1)?;
    let gap = line[at..].find(|c: char| !c.is_whitespace()).unwrap_or(0);
    Some((key, at + gap))
}

struct Pair {
    key: String,
    value: String,
    /// The value with its quotes.
    span: Range<usize>,
}

/// The `key=value` pairs of a connect string.
fn pairs(text: &str) -> Result<Vec<Pair>, String> {
    let mut pairs = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        if at == text.len() {
            return Ok(pairs);
        }
        let broken = || "the entry is no list of key=value pairs".to_owned();
        let equals = text[at..].find('=').ok_or_else(broken)?;
        let key = text[at..at + equals].trim().to_owned();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(broken());
        }
        at += equals + 1;
        at += text[at..].len() - text[at..].trim_start().len();
        let begins = at;
        let mut value = String::new();
        if text[at..].starts_with('\'') {
            at += 1;
            loop {
                let end = text[at..].find('\'').ok_or_else(broken)?;
                value.push_str(&text[at..at + end]);
                at += end + 1;
                if !text[at..].starts_with('\'') {
                    break;
                }
                value.push('\'');
                at += 1;
            }
        } else {
            let end = text[at..].find(char::is_whitespace).unwrap_or(text.len() - at);
            value.push_str(&text[at..at + end]);
            at += end;
        }
        pairs.push(Pair { key, value, span: begins..at });
    }
}

/// A value as a connect string takes it.
fn quoted(value: &str) -> String {
    if !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "._-:/,".contains(c)) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{Route, rerouted};

    fn to_new(text: &str, database: &str) -> Result<String, String> {
        rerouted(text, database, &Route { host: "new.example".to_owned(), port: 5433, dbname: None })
    }

    #[test]
    fn one_line_changes_and_every_other_byte_stays() {
        let text = "; shop = host=comment\n[databases]\n\tshop\t= host=old port = 5432   dbname='the ''shop''' password=x \r\n\
                    shop2 = host=old\n\"sh op\" =\n* = host=fallback\n[users]\nshop = pool_mode=session\n[pgbouncer]\nlisten_port = 6432";
        let changed = to_new(text, "shop").expect("an entry");
        let line = "\tshop\t= host=new.example port = 5433   dbname='the ''shop''' password=x \r\n";
        assert_eq!(changed, text.replace("\tshop\t= host=old port = 5432   dbname='the ''shop''' password=x \r\n", line));
        assert_eq!(
            to_new(text, "shop2").expect("an entry"),
            text.replace("shop2 = host=old", "shop2 = host=new.example port=5433")
        );
        assert_eq!(
            to_new(text, "sh op").expect("an entry"),
            text.replace("\"sh op\" =", "\"sh op\" =host=new.example port=5433")
        );
        assert_eq!(to_new(&changed, "shop").expect("an entry"), changed, "a second time changes nothing");
        let named = Route { host: "/run/pg dir".to_owned(), port: 1, dbname: Some("it's".to_owned()) };
        let text = "shop = host=old dbname=x\n";
        assert_eq!(rerouted(text, "shop", &named).expect("an entry"), "shop = host='/run/pg dir' dbname='it''s' port=1\n");
    }

    #[test]
    fn what_cannot_be_changed_safely_is_refused() {
        for (text, why) in [
            ("[databases]\nother = host=old\n* = host=old\n", "no entry"),
            ("[databases]\nshop = host=a\nshop = host=b\n", "2 entries"),
            ("[databases]\nshop = host=a host=b\n", "`host` twice"),
            ("[databases]\nshop = host='a\n", "no list"),
            ("[users]\nshop = pool_mode=session\n", "no entry"),
        ] {
            let error = to_new(text, "shop").expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
