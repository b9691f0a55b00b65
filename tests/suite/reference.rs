//! The reference is complete and true: every key is in `docs/language.md`, every example in it is read, and the lists of
//! actions and of codes are made from what the program knows.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use pointsman::catalog::{self, Nature, ParamSpec, ParamType, Presence, Repeat, TargetRule, UndoSpec};
use pointsman::diagnostic::{Code, Source};
use pointsman::runbook::shape::{Form, Table};
use pointsman::runbook::{language, parse, parse_roster};

use super::diagnostics::{golden, root};

/// Every table that can be reached from `table`.
fn tables(table: &'static Table, found: &mut Vec<&'static Table>) {
    if found.iter().any(|known| std::ptr::eq(*known, table)) {
        return;
    }
    found.push(table);
    for key in table.keys {
        if let Form::Block(inner) | Form::Blocks(inner, _) = key.form {
            tables(inner, found);
        }
    }
}

#[test]
fn every_key_is_in_the_reference() {
    let text = fs::read_to_string(root().join("docs/language.md")).unwrap();
    let explained: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| ")).flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    let mut all = Vec::new();
    tables(&language::RUNBOOK, &mut all);
    tables(&language::ROSTER, &mut all);
    let mut keys = 0;
    for (table, key) in all.iter().flat_map(|table| table.keys.iter().map(move |key| (table, key))) {
        keys += 1;
        assert!(explained.contains(key.name), "docs/language.md has no row for `{}` of {}", key.name, table.what);
    }
    assert!(keys > 80, "only {keys} keys");
}

#[test]
fn every_example_of_the_reference_is_read() {
    let text = fs::read_to_string(root().join("docs/language.md")).unwrap();
    let mut read = 0;
    for example in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let source = Source::new("language.md", example);
        let report = if example.starts_with("pointsman:") {
            parse(&source).1
        } else if example.starts_with("persons:") {
            parse_roster(&source).1
        } else {
            continue;
        };
        assert!(report.is_empty(), "{example}\n{:?}", report.sorted());
        read += 1;
    }
    assert!(read >= 10, "only {read} examples");
}

#[test]
fn the_list_of_codes_is_current() {
    let mut text = String::from(
        "# Diagnostics\n\nEvery problem that `pointsman check` reports has a code, and every code a page. A code is never used again for\n\
         another meaning.\n\n| code | what it is |\n|---|---|\n",
    );
    for (code, title) in Code::all() {
        writeln!(text, "| [{code}]({code}.md) | {title} |").unwrap();
    }
    golden(&root().join("docs/errors/README.md"), &text).unwrap();
}

#[test]
fn the_list_of_actions_is_current() {
    let mut text = String::from(
        "# Actions and connectors\n\nThis page is made from the catalog that the checks read. A key in bold must be there; every other \
         key may be left out.\nTemplates may stand in any value unless a row says otherwise.\n\n## Connectors\n\nWhat a target \
         of each connector is configured with.\n",
    );
    for connector in catalog::connectors() {
        writeln!(text, "\n### `{}`\n\n{}.\n", connector.name, connector.summary).unwrap();
        keys(&mut text, connector.settings);
    }
    text.push_str("\n## Actions\n");
    for action in catalog::actions() {
        writeln!(text, "\n### `{}`\n\n{}.\n", action.name, action.summary).unwrap();
        let target = match action.target {
            TargetRule::None => "no target".to_owned(),
            TargetRule::Required(connector) => format!("a target of connector `{connector}`"),
        };
        let nature = match action.nature {
            Nature::ReadOnly => "only looks",
            Nature::Mutating => "changes its target",
            Nature::Notify => "tells somebody",
            Nature::Approval | Nature::Hold | Nature::Window | Nature::Manual => "waits, and holds nothing while it waits",
        };
        let repeat = match action.repeat {
            Repeat::Ensures => "a second run is harmless",
            Repeat::Unknown => "a second run may act twice, so the step says `in_doubt`",
        };
        let undo = match action.undo {
            UndoSpec::NotNeeded => "undo is not needed".to_owned(),
            UndoSpec::Auto(what) => format!("undo: {what}"),
            UndoSpec::Impossible(why) => format!("it cannot be undone: {why}"),
            UndoSpec::Undeclared => "the step says `undo`".to_owned(),
        };
        writeln!(text, "It {nature}; {target}; {repeat}; {undo}.\n").unwrap();
        keys(&mut text, action.params);
        if !action.outputs.is_empty() {
            text.push_str("\n| output | meaning |\n|---|---|\n");
            for output in action.outputs {
                writeln!(text, "| `{}` | {} |", output.name, cell(output.doc)).unwrap();
            }
        }
    }
    golden(&root().join("docs/actions.md"), &text).unwrap();
}

fn keys(text: &mut String, params: &[ParamSpec]) {
    if params.is_empty() {
        text.push_str("It has no keys.\n");
        return;
    }
    text.push_str("| key | value | meaning |\n|---|---|---|\n");
    rows(text, params, "");
}

fn rows(text: &mut String, params: &[ParamSpec], prefix: &str) {
    for param in params {
        let (mark, default) = match param.presence {
            Presence::Required => ("**", String::new()),
            Presence::Optional => ("", String::new()),
            Presence::Default(json) => ("", format!("; default `{json}`")),
        };
        writeln!(text, "| {mark}`{prefix}{}`{mark} | {}{} | {} |", param.name, kind(param.kind), cell(&default), cell(param.doc))
            .unwrap();
        if let ParamType::Object(inner) = param.kind {
            rows(text, inner, &format!("{prefix}{}.", param.name));
        }
    }
}

fn kind(kind: ParamType) -> String {
    match kind {
        ParamType::Text => "text".to_owned(),
        ParamType::Program => "text, without templates".to_owned(),
        ParamType::Integer => "a whole number".to_owned(),
        ParamType::Boolean => "`true` or `false`".to_owned(),
        ParamType::Duration => "a duration".to_owned(),
        ParamType::Percent => "a percentage".to_owned(),
        ParamType::Secret => "a secret by its place".to_owned(),
        ParamType::TextOrSecret => "text, or a secret by its place".to_owned(),
        ParamType::Target => "the name of a target".to_owned(),
        ParamType::OneOf(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        ParamType::List(inner) => format!("a list: {}", self::kind(*inner)),
        ParamType::Map(inner) => format!("a map: {}", self::kind(*inner)),
        ParamType::Object(_) => "a map".to_owned(),
        ParamType::Condition => "a condition".to_owned(),
        ParamType::Any => "anything".to_owned(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
