//! Planted mistakes and sound nights: every mistake of `tests/faults/planted` is found and told as its golden story, and nothing is
//! said about the runbooks of `tests/faults/sound`.

use std::fs;

use pointsman::diagnostic::Source;
use pointsman::diagnostic::render::{Paint, render};

use super::diagnostics::{golden, root, yaml_files};
use super::planning::plan_text;

/// The runbooks of one folder: name, text and file.
fn runbooks(folder: &str) -> Vec<(String, String, std::path::PathBuf)> {
    let files = yaml_files(&root().join("tests/faults").join(folder)).into_iter();
    let runbooks = files.filter(|path| path.file_name().is_some_and(|name| name != "people.yaml"));
    let read = |path: std::path::PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap(), path)
    };
    runbooks.map(read).collect()
}

#[test]
fn every_planted_mistake_is_found_and_told() {
    let all = runbooks("planted");
    let mut problems = Vec::new();
    for (name, text, path) in &all {
        let (_, report) = plan_text(name, text, path.parent().unwrap());
        let wanted = text.lines().find_map(|line| line.strip_prefix("# found as: ")).unwrap();
        if !report.sorted().iter().any(|diagnostic| diagnostic.code.to_string() == wanted) {
            problems.push(format!("{name}: {wanted} is not found"));
        }
        let shown = render(&report, &Source::new(name, text), Paint::Plain);
        problems.extend(golden(&path.with_extension("stderr"), &shown).err());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(all.len() >= 40, "only {} mistakes", all.len());
}

#[test]
fn a_sound_night_raises_no_alarm() {
    let all = runbooks("sound");
    let mut alarms = String::new();
    for (name, text, path) in &all {
        let (plan, report) = plan_text(name, text, path.parent().unwrap());
        if plan.is_none() || !report.is_empty() {
            alarms.push_str(&render(&report, &Source::new(name, text), Paint::Plain));
        }
    }
    assert!(alarms.is_empty(), "{alarms}");
    assert!(all.len() >= 40, "only {} nights", all.len());
}
