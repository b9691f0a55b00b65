//! Runbooks become plans: what the pages of the planning codes say is true, and plans are shown and stored faithfully.

use std::fs;
use std::path::Path;

use pointsman::diagnostic::render::{Paint, render};
use pointsman::diagnostic::{Code, Report, Severity, Source};
use pointsman::model::{Object, Roster};
use pointsman::plan::{BuildInput, Built, Plan, build, check};
use pointsman::runbook::{parse, parse_roster};
use pointsman::safety::interlocks;
use pointsman::views::plan as view;

use super::diagnostics::golden;

/// Everything that `pointsman check` says about a runbook, and its plan. A comment `# given: {…}` holds the parameters as
/// `pointsman plan` would get them.
pub(crate) fn plan_text(name: &str, text: &str, folder: &Path) -> (Option<Plan>, Report) {
    let source = Source::new(name, text);
    let (runbook, mut report) = parse(&source);
    let Some(runbook) = runbook else { return (None, report) };
    let roster: Option<Roster> = runbook.roster.as_ref().and_then(|path| {
        let text = fs::read_to_string(folder.join(&path.value)).ok()?;
        parse_roster(&Source::new(&path.value, text)).0
    });
    let given = text.lines().find_map(|line| line.strip_prefix("# given: "));
    let params: Object = given.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let input = BuildInput { runbook: &runbook, source: &source, roster, params, base_dir: "/runbooks".to_owned() };
    let built = if given.is_some() { build(input) } else { check(input) };
    let Built { plan, report: problems, places } = built;
    report.extend(problems);
    if let Some(plan) = &plan {
        report.extend(interlocks(plan, &places));
    }
    (plan, report)
}

/// The plan of a runbook that has nothing wrong with it.
pub(crate) fn plan_file(path: &Path) -> Plan {
    let text = fs::read_to_string(path).unwrap();
    let (plan, report) = plan_text(&path.to_string_lossy(), &text, path.parent().unwrap());
    assert!(!report.has_errors(), "{}", render(&report, &Source::new(path.to_string_lossy(), &text), Paint::Plain));
    plan.unwrap()
}

/// The part of a page under a heading: its YAML, and the parameters that the text behind it gives.
fn part(page: &str, heading: &str) -> String {
    let part = page.split_once(heading).map(|(_, rest)| rest.split("\n## ").next().unwrap()).unwrap();
    let (yaml, after) = part.split_once("```yaml\n").unwrap().1.split_once("```").unwrap();
    match after.split_once("with `--param ").and_then(|(_, given)| given.split_once('`')) {
        Some((given, _)) => {
            let (name, value) = given.split_once('=').unwrap();
            format!("# given: {{\"{name}\": \"{value}\"}}\n{yaml}")
        }
        None if after.contains("without `--param`") => format!("# given: {{}}\n{yaml}"),
        None => yaml.to_owned(),
    }
}

#[test]
fn the_pages_of_planning_codes_are_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut problems, mut pages) = (String::new(), 0);
    for (code, _) in Code::all().filter(|(code, _)| code.to_string().as_str() > "PM0300") {
        let page = fs::read_to_string(root.join(code.page())).unwrap();
        let (wrong, right) = (part(&page, "## Wrong"), part(&page, "## Right"));
        let folder = root.join("tests/plans");
        let (_, report) = plan_text("wrong.yaml", &wrong, &folder);
        if !report.sorted().iter().any(|diagnostic| diagnostic.code == code) {
            problems.push_str(&format!("{code}: `Wrong` does not show it\n"));
        }
        let (_, report) = plan_text("right.yaml", &right, &folder);
        let left =
            report.sorted().into_iter().any(|diagnostic| diagnostic.severity == Severity::Error || diagnostic.code == code);
        if left {
            let shown = render(&report, &Source::new("right.yaml", &right), Paint::Plain);
            problems.push_str(&format!("{code}: `Right` is wrong:\n{shown}\n"));
        }
        pages += 1;
    }
    assert!(problems.is_empty(), "{problems}");
    assert!(pages > 50, "only {pages} pages");
}

/// The plans whose views are golden: what a person and a program see of them.
#[test]
fn plans_are_shown_exactly() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [
        ("shop", "tests/plans/shop.yaml"),
        ("lists", "tests/plans/lists.yaml"),
        ("branch", "tests/plans/branch.yaml"),
        ("quickstart", "runbooks/quickstart/runbook.yaml"),
    ];
    let mut problems = Vec::new();
    for (name, file) in files {
        let plan = plan_file(&root.join(file));
        let json = serde_json::to_string_pretty(&view::json(&plan)).unwrap() + "\n";
        for (kind, shown) in
            [("txt", view::text(&plan)), ("dot", view::dot(&plan)), ("mermaid", view::mermaid(&plan)), ("json", json)]
        {
            problems.extend(golden(&root.join(format!("tests/plans/{name}.{kind}")), &shown).err());
        }
        let again = Plan::from_stored(plan.stored().to_vec(), plan.digest()).unwrap();
        assert_eq!(plan.content(), again.content(), "a stored plan is the same plan");
        assert_eq!(plan.digest(), plan_file(&root.join(file)).digest(), "planning twice gives one plan");
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Graphviz is asked whether it can read the pictures, where it is installed.
#[test]
fn graphviz_reads_the_pictures() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let plan = plan_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans/branch.yaml"));
    let dot = Command::new("dot").arg("-Tplain").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut dot) = dot else {
        eprintln!("graphviz is not installed: the pictures were not tried");
        return;
    };
    dot.stdin.take().unwrap().write_all(view::dot(&plan).as_bytes()).unwrap();
    let output = dot.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.starts_with("node")).count() > 3);
}
