//! The runbooks that are shipped are right: every one is checked, with its warnings, and the quickstart has the steps that the
//! demo tells stories about.

use std::fs;
use std::path::{Path, PathBuf};

use pointsman::diagnostic::render::{Paint, render};
use pointsman::diagnostic::{Report, Source};
use pointsman::model::Object;
use pointsman::plan::{BuildInput, Plan, Section, build};
use pointsman::runbook::{parse, parse_roster};

/// Every runbook that is shipped to be run.
pub fn shipped() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found: Vec<PathBuf> = fs::read_dir(root.join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with("people"))
        .collect();
    let nights = fs::read_dir(root.join("runbooks")).unwrap();
    found.extend(nights.map(|night| night.unwrap().path().join("runbook.yaml")));
    found.sort();
    found
}

/// What whoever starts the runbook has to choose.
fn chosen(path: &Path) -> Object {
    let mut params = Object::new();
    if path.to_string_lossy().contains("module-by-module") {
        params.insert("module".to_owned(), "orders".into());
    }
    params
}

fn plan_of(path: &Path) -> (Option<Plan>, Report, Source) {
    let source = Source::new(path.file_name().unwrap().to_string_lossy(), fs::read_to_string(path).unwrap());
    let (runbook, mut report) = parse(&source);
    let Some(runbook) = runbook else { return (None, report, source) };
    let base = path.parent().unwrap();
    let roster = runbook.roster.as_ref().map(|roster| {
        let file = base.join(&roster.value);
        let people = Source::new("people.yaml", fs::read_to_string(file).unwrap());
        let (roster, report) = parse_roster(&people);
        assert!(report.is_empty(), "{}", render(&report, &people, Paint::Plain));
        roster.unwrap()
    });
    let (params, base_dir) = (chosen(path), base.to_string_lossy().into_owned());
    let input = BuildInput { roster, params, base_dir, ..BuildInput::of(&runbook, &source) };
    let built = build(input);
    report.extend(built.report);
    if let Some(plan) = &built.plan {
        report.extend(pointsman::safety::interlocks(plan, &built.places));
    }
    (built.plan, report, source)
}

#[test]
fn every_shipped_runbook_is_right() {
    let shipped = shipped();
    assert!(shipped.len() > 24, "{shipped:?}");
    let mut wrong = String::new();
    for path in shipped {
        let (plan, report, source) = plan_of(&path);
        if plan.is_none() || report.sorted().iter().any(|d| d.code != pointsman::diagnostic::code::plan::NO_ROSTER) {
            wrong.push_str(&render(&report, &source, Paint::Plain));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn the_demo_tells_a_story_about_every_step_of_the_quickstart() {
    use pointsman::demo::story::{STEPS, Story};
    let (plan, report, source) = plan_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks/quickstart/runbook.yaml"));
    let plan = plan.unwrap_or_else(|| panic!("{}", render(&report, &source, Paint::Plain)));
    let steps: Vec<&str> = plan.steps().iter().filter(|s| s.section != Section::Rollback).map(|s| s.id.as_str()).collect();
    let mut sorted = (steps.clone(), STEPS.to_vec());
    sorted.0.sort_unstable();
    sorted.1.sort_unstable();
    assert_eq!(sorted.0, sorted.1);
    for step in STEPS {
        assert!(Story::Fail(step).trouble().is_some(), "{step} has a trouble of its own");
        let _ = (Story::Kill(step).trouble(), Story::Kill(step).outcome());
    }
}
