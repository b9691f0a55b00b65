//! Golden diagnostics: each `tests/wrong/<name>.yaml` is checked, and what a person would read stands in `<name>.stderr`.
//!
//! `UPDATE_GOLDEN=1` rewrites the expectations; read the difference before it is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pointsman::diagnostic::render::{Paint, render};
use pointsman::diagnostic::{Code, Report, Source, json};
use pointsman::runbook::reader::LARGEST_FILE;

use super::planning::plan_text;

/// What `pointsman check` does with one file: the one place that says how far these tests look. A name that begins with
/// `people` is a roster file, one that begins with `signers` a file of keys, with `oidc` that of an identity provider.
pub(crate) fn check_text(name: &str, text: &str) -> Report {
    if ["people", "signers", "oidc"].iter().any(|kind| name.starts_with(kind)) {
        return parse_text(name, text);
    }
    plan_text(name, text, &root().join("tests/wrong")).1
}

/// What is wrong with the text and its shape alone.
fn parse_text(name: &str, text: &str) -> Report {
    let source = Source::new(name, text);
    if name.starts_with("people") {
        return pointsman::runbook::parse_roster(&source).1;
    }
    if name.starts_with("signers") {
        return pointsman::engine::check_signers(&source);
    }
    if name.starts_with("oidc") {
        return pointsman::runbook::parse_identity_provider(&source).1;
    }
    pointsman::runbook::parse(&source).1
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The codes whose pages speak of the text and its shape alone.
fn codes_of_shape() -> impl Iterator<Item = (Code, &'static str)> {
    Code::all().filter(|(code, _)| *code < Code::new(300))
}

/// Whether golden files are to be rewritten.
pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// The YAML files below `folder`, in the order of their names.
pub(crate) fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Compares `text` with the golden file at `path`, or rewrites it.
pub(crate) fn golden(path: &Path, text: &str) -> Result<(), String> {
    if updating() {
        fs::write(path, text).unwrap();
        return Ok(());
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected == text {
        return Ok(());
    }
    let same = expected.lines().zip(text.lines()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| text.lines().skip(same).take(12).collect::<Vec<_>>().join("\n");
    let place = path.strip_prefix(root()).unwrap_or(path).display();
    let (expected, found) = (from(&expected), from(text));
    let hint = "if the change is meant: UPDATE_GOLDEN=1 cargo test --test suite, and read the difference";
    Err(format!("{place} differs from line {}; expected:\n{expected}\nfound:\n{found}\n({hint})", same + 1))
}

/// The wrong runbooks: name, text and file. One is made here, because nobody wants its 16 MiB in a repository.
fn wrong_runbooks() -> Vec<(String, String, PathBuf)> {
    let folder = root().join("tests/wrong");
    let head = "pointsman: 1\nrunbook: large\n";
    let filler = "# a remark of exactly thirty-two.\n".repeat(LARGEST_FILE / 34 + 1);
    let large = ("large.yaml".to_owned(), format!("{head}{filler}"), folder.join("large.yaml"));
    yaml_files(&folder)
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            (name, text, path)
        })
        .chain([large])
        .collect()
}

#[test]
fn every_wrong_runbook_is_explained_exactly() {
    let mut problems = Vec::new();
    let all = wrong_runbooks();
    for (name, text, path) in &all {
        let report = check_text(name, text);
        let shown = render(&report, &Source::new(name, text), Paint::Plain);
        if report.is_empty() {
            problems.push(format!("{name} is not wrong"));
        } else if let Err(problem) = golden(&path.with_extension("stderr"), &shown) {
            problems.push(problem);
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(all.len() >= 60, "only {} wrong runbooks", all.len());
    let goldens = fs::read_dir(root().join("tests/wrong")).unwrap().map(|entry| entry.unwrap().path());
    let lonely: Vec<_> = goldens
        .filter(|path| {
            path.extension().is_some_and(|e| e == "stderr")
                && !all.iter().any(|(_, _, yaml)| *yaml == path.with_extension("yaml"))
        })
        .collect();
    assert!(lonely.is_empty(), "these expectations have no runbook: {lonely:?}");
}

#[test]
fn every_code_has_a_wrong_runbook() {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (name, text, _) in wrong_runbooks() {
        for diagnostic in check_text(&name, &text).sorted() {
            seen.entry(diagnostic.code.to_string()).or_insert_with(|| name.clone());
        }
    }
    let missing: Vec<String> = Code::all().map(|(code, _)| code.to_string()).filter(|code| !seen.contains_key(code)).collect();
    assert!(missing.is_empty(), "no runbook in tests/wrong shows {}", missing.join(", "));
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let folder = root().join("docs/errors");
    let mut problems = Vec::new();
    for (code, title) in Code::all() {
        let page = fs::read_to_string(root().join(code.page())).unwrap_or_default();
        if !page.starts_with(&format!("# {code}: {title}\n")) {
            problems.push(format!("{} must begin with `# {code}: {title}`", code.page()));
        }
        for part in ["## Wrong", "## Right"] {
            if !page.contains(part) {
                problems.push(format!("{} has no part `{part}`", code.page()));
            }
        }
    }
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let known = Code::all().any(|(code, _)| name == format!("{code}.md"));
        if !known && name != "README.md" {
            problems.push(format!("docs/errors/{name} explains no code"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The first YAML block after `heading`.
fn block_after<'a>(page: &'a str, heading: &str) -> Option<&'a str> {
    let part = page.split_once(heading)?.1;
    let part = part.split("\n## ").next()?;
    part.split_once("```yaml\n")?.1.split_once("```").map(|(block, _)| block)
}

/// The examples of a page are whole files, and what the page says about them is true.
#[test]
fn the_examples_of_the_pages_are_wrong_and_right() {
    let mut problems = Vec::new();
    let mut checked = 0;
    for (code, _) in codes_of_shape() {
        let page = fs::read_to_string(root().join(code.page())).unwrap();
        for (heading, wanted) in [("## Wrong", true), ("## Right", false)] {
            let Some(example) = block_after(&page, heading) else { continue };
            let name = match example.split([' ', '\n']).next() {
                Some("persons:") => "people.yaml",
                Some("alice") => "signers.yaml",
                Some("issuer:") => "oidc.yaml",
                _ => "example.yaml",
            };
            let report = parse_text(name, example);
            let found = report.sorted().iter().any(|diagnostic| diagnostic.code == code);
            if found != wanted || (!wanted && report.has_errors()) {
                let shown = render(&report, &Source::new(name, example), Paint::Plain);
                problems.push(format!("{}, {heading}:\n{shown}", code.page()));
            }
            checked += 1;
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(checked >= 2 * codes_of_shape().count() - 2, "only {checked} examples");
}

#[test]
fn the_json_of_a_report_says_the_same() {
    let mut checked = 0;
    for (name, text, _) in wrong_runbooks() {
        let source = Source::new(&name, &text);
        let report = check_text(&name, &text);
        let json = json::to_json(&report, &source);
        let diagnostics = json["diagnostics"].as_array().unwrap();
        assert_eq!(diagnostics.len(), report.sorted().len(), "{name}");
        for (shown, diagnostic) in diagnostics.iter().zip(report.sorted()) {
            assert_eq!(shown["code"], diagnostic.code.to_string());
            let (line, column) = source.line_column(diagnostic.primary.span.start);
            assert_eq!(
                (shown["place"]["line"].as_u64(), shown["place"]["column"].as_u64()),
                (Some(line as u64), Some(column as u64))
            );
            checked += 1;
        }
    }
    assert!(checked >= 60, "only {checked} diagnostics");
}
