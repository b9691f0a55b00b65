//! The schemas in `schemas/` are those that the program makes, and they agree with the parser about what is well formed.

use std::fs;
use std::path::{Path, PathBuf};

use pointsman::diagnostic::{Code, Report, Source};
use pointsman::runbook::{parse, parse_roster, schema};
use serde_json::Value;

use super::diagnostics::{golden, root, yaml_files};

fn validator(schema: &Value) -> jsonschema::Validator {
    jsonschema::validator_for(schema).unwrap()
}

fn is_roster(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("people"))
}

fn value_of(text: &str) -> Option<Value> {
    serde_yaml::from_str(text).ok()
}

/// Every runbook and roster that is shipped.
fn good_files() -> Vec<PathBuf> {
    ["runbooks", "examples"].iter().flat_map(|folder| yaml_files(&root().join(folder))).collect()
}

#[test]
fn the_stored_schemas_are_those_that_are_generated() {
    for (name, schema) in [
        ("runbook.schema.json", schema::runbook_schema()),
        ("people.schema.json", schema::roster_schema()),
        ("profile.schema.json", schema::profile_schema()),
    ] {
        golden(&root().join("schemas").join(name), &schema::stored(&schema)).unwrap();
    }
}

#[test]
fn every_shipped_file_is_accepted_by_parser_and_schema() {
    let (runbooks, rosters) = (validator(&schema::runbook_schema()), validator(&schema::roster_schema()));
    let mut problems = Vec::new();
    let files = good_files();
    for path in &files {
        let text = fs::read_to_string(path).unwrap();
        let source = Source::new(path.to_string_lossy(), &text);
        let (report, validator) =
            if is_roster(path) { (parse_roster(&source).1, &rosters) } else { (parse(&source).1, &runbooks) };
        if report.has_errors() {
            problems.push(format!("{}: {:?}", path.display(), report.sorted()));
        }
        for error in validator.iter_errors(&value_of(&text).unwrap()) {
            problems.push(format!("{} at {}: {error}", path.display(), error.instance_path()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(files.len() >= 15, "only {} files", files.len());
}

/// Problems of shape that a JSON Schema cannot see: they relate two values, compute with one, or need a table of the
/// world.
const UNSEEN: [u16; 10] = [211, 212, 213, 214, 215, 216, 224, 229, 230, 232];

fn shape_codes(report: &Report) -> Vec<Code> {
    let unseen = |code: &Code| UNSEEN.iter().any(|number| *code == Code::new(*number));
    report.sorted().iter().map(|diagnostic| diagnostic.code).filter(|code| !code.is_yaml() && !unseen(code)).collect()
}

#[test]
fn what_the_parser_refuses_by_shape_the_schema_refuses_too() {
    let (runbooks, rosters) = (validator(&schema::runbook_schema()), validator(&schema::roster_schema()));
    let mut problems = Vec::new();
    let mut refused = 0;
    for path in yaml_files(&root().join("tests/wrong")) {
        let text = fs::read_to_string(&path).unwrap();
        let source = Source::new(path.to_string_lossy(), &text);
        let (report, validator) =
            if is_roster(&path) { (parse_roster(&source).1, &rosters) } else { (parse(&source).1, &runbooks) };
        let codes = shape_codes(&report);
        // A text that the other reader cannot read, or reads with duplicate keys, has no one value to validate.
        let Some(value) = value_of(&text).filter(|_| !codes.is_empty()) else { continue };
        refused += 1;
        if validator.is_valid(&value) {
            problems.push(format!("{} has {codes:?}, and the schema accepts it", path.display()));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(refused >= 35, "only {refused} files were compared");
}

#[test]
fn a_key_that_is_taken_away_or_misspelt_is_seen_by_both() {
    let validator = validator(&schema::runbook_schema());
    let mut compared = 0;
    for path in good_files().iter().filter(|path| !is_roster(path)) {
        let text = fs::read_to_string(path).unwrap();
        let Some(Value::Object(whole)) = value_of(&text) else { panic!("{} is no map", path.display()) };
        for key in whole.keys() {
            let mut without = whole.clone();
            let taken = without.shift_remove(key).unwrap();
            let mut misspelt = without.clone();
            misspelt.insert(format!("{key}x"), taken);
            for changed in [without, misspelt] {
                let value = Value::Object(changed);
                let source = Source::new("changed", serde_yaml::to_string(&value).unwrap());
                let shape = !shape_codes(&parse(&source).1).is_empty();
                assert_eq!(shape, !validator.is_valid(&value), "{} with `{key}` changed: {}", path.display(), source.text);
                compared += 1;
            }
        }
    }
    assert!(compared >= 100, "only {compared} changes");
}
