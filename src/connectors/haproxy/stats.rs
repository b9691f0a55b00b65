//! The counters that a process keeps for a proxy, read by column name: versions add columns.

use std::collections::BTreeMap;

use super::session::{AskError, Session};

/// One line of `show stat`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// The server, or `FRONTEND`, or `BACKEND`.
    pub(super) server: String,
    fields: BTreeMap<String, String>,
}

impl Row {
    /// A field as text; empty where this kind of row has none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// A counter; 0 where this kind of row has none.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_default()
    }
}

/// The rows of one proxy: a frontend, a backend and its servers, or both.
pub(super) async fn rows(session: &mut Session, proxy: &str) -> Result<Vec<Row>, AskError> {
    // By number 7 the frontend, the backend and the servers; -1 is every server.
    let answer = session.ask(&format!("show stat {proxy} 7 -1")).await?;
    Ok(parse(&answer))
}

fn parse(answer: &str) -> Vec<Row> {
    let mut lines = answer.lines().skip_while(|line| !line.starts_with("# "));
    let Some(header) = lines.next() else { return Vec::new() };
    let names = cells(header.trim_start_matches("# "));
    lines
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let fields: BTreeMap<_, _> = names.iter().cloned().zip(cells(line)).collect();
            Row { server: fields.get("svname").cloned().unwrap_or_default(), fields }
        })
        .collect()
}

/// The cells of a line of CSV: a cell with a comma stands in quotes.
fn cells(line: &str) -> Vec<String> {
    let (mut all, mut cell, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => all.push(std::mem::take(&mut cell)),
            _ => cell.push(c),
        }
    }
    all.push(cell);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_quotes_moves_no_column() {
        let rows = parse("# pxname,svname,last_chk,status,\nshop,dc,\"a, b\",UP,\nshop,BACKEND,,UP,\n\n");
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].text("last_chk"), rows[0].text("status")), ("a, b", "UP"));
    }
}
