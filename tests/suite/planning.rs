//! Runbooks become plans: what the pages of the planning codes say is true, and plans are shown and stored faithfully.

use std::fs;
use std::path::Path;

use pointsman::diagnostic::render::{Paint, render};
use pointsman::diagnostic::{Code, Report, Severity, Source};
use pointsman::model::{Object, Roster, Span, StepId};
use pointsman::plan::{BuildInput, Built, History, Plan, StepIndex, build, check};
use pointsman::runbook::{parse, parse_profile, parse_roster};
use pointsman::safety::interlocks;
use pointsman::views::plan as view;

use super::diagnostics::golden;

/// Everything that `pointsman check` says about a runbook, and its plan. A comment `# given: {…}` holds the parameters as
/// `pointsman plan` would get them, and a comment `# profile: {…}` the profile that `--targets` would name.
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
    let input = BuildInput { roster, params, base_dir: "/runbooks".to_owned(), ..BuildInput::of(&runbook, &source) };
    let built = if given.is_some() { build(input) } else { check(input) };
    let Built { plan, report: problems, places } = built;
    report.extend(problems);
    let profile = text.lines().next().filter(|line| line.starts_with("# profile: "));
    let plan = match profile {
        Some(line) => plan.and_then(|plan| {
            // The file of the profile is this text without all the rest, so that its places are places here.
            let rest: String = text.lines().skip(1).map(|line| format!("\n{}", " ".repeat(line.len()))).collect();
            let alone = Source::new(name, line.replacen("# profile: ", "           ", 1) + &rest);
            let (profile, problems) = parse_profile(&alone);
            report.extend(problems);
            let (plan, problems) = plan.against(None, &runbook, &profile?, "staging", &alone);
            report.extend(problems);
            plan
        }),
        None => plan,
    };
    if let Some(plan) = &plan {
        report.extend(interlocks(plan, &places));
        report.extend(plan.unborne(&runbook, &History::default()));
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
    let files = [("shop", "tests/plans/shop.yaml"), ("lists", "tests/plans/lists.yaml"), ("branch", "tests/plans/branch.yaml")];
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

fn plan_of(text: &str) -> Plan {
    let (plan, report) = plan_text("night.yaml", text, Path::new("."));
    plan.unwrap_or_else(|| panic!("{}", render(&report, &Source::new("night.yaml", text), Paint::Plain)))
}

fn ids(plan: &Plan, steps: &[StepIndex]) -> Vec<String> {
    steps.iter().map(|at| plan.step(*at).id.to_string()).collect()
}

#[test]
fn items_stand_before_their_group_and_know_their_item() {
    let plan = plan_of(
        "pointsman: 1\nrunbook: night\nsteps:\n  first: { action: gate.hold, with: { duration: 1m } }\n  copy:\n    needs: [first]\n    \
         foreach: [{ id: b, n: 2 }, { id: a, n: 1 }]\n    action: command.check\n    with: { argv: [\"{{ item.n }}\"] }\n    confirm: { role: dba }\n  \
         last: { needs: [copy], action: command.check, with: { argv: [\"{{ steps.copy[a].outputs.stdout }}\"] } }\n",
    );
    let order: Vec<&str> = plan.steps().iter().map(|step| step.id.as_str()).collect();
    assert_eq!(order, ["first", "copy[b]", "copy[a]", "copy", "last", "undo-everything"]);
    let step = |id: &str| plan.step(plan.find(&StepId::new(id)).unwrap());
    assert_eq!(ids(&plan, &step("copy").needs), ["copy[b]", "copy[a]"]);
    assert_eq!(ids(&plan, &step("copy[a]").needs), ["first"]);
    assert_eq!(ids(&plan, &step("last").needs), ["copy"]);
    assert_eq!(step("copy[a]").item.as_ref().unwrap()["n"], 1);
    assert_eq!(step("copy[a]").with.shown()["argv"][0], "1", "a number becomes text where text is wanted");
    // One confirmation for all items, by the step that stands for them.
    assert!(step("copy[a]").confirm.is_none() && step("copy").confirm.is_some());
    assert_eq!(step("last").with.shown()["argv"][0], "{{ steps.copy[a].outputs.stdout }}");
}

#[test]
fn the_critical_path_is_the_longest_in_the_worst_case() {
    let plan = plan_of(
        "pointsman: 1\nrunbook: night\nsteps:\n  a: { action: command.check, with: { argv: [x] }, timeout: 10s }\n  \
         slow: { needs: [a], action: command.check, with: { argv: [x] }, timeout: 20s, retry: { max_attempts: 3, backoff: 5s } }\n  \
         list:\n    needs: [a]\n    foreach: [i, j, k]\n    max_concurrent: 2\n    action: command.check\n    with: { argv: [x] }\n    timeout: 30s\n  \
         ask: { needs: [slow], action: gate.approval, with: { approvers: { dba: 1 }, prompt: x, deadline: 9m } }\n  \
         end: { needs: [ask, list], action: command.check, with: { argv: [x] }, timeout: 1s }\n",
    );
    let step = |id: &str| plan.step(plan.find(&StepId::new(id)).unwrap());
    // Three attempts of 20s with pauses of 5s and 10s.
    assert_eq!(step("slow").worst_case(), Span::from_secs(75));
    assert_eq!(step("ask").worst_case(), Span::default(), "waiting is no work");
    let path = plan.critical_path();
    // Two rounds of 30s take less than the retries.
    assert_eq!(path.work, Span::from_secs(10 + 75 + 1));
    assert_eq!(ids(&plan, &path.steps), ["a", "slow", "ask", "end"]);
    assert_eq!(path.waits.iter().map(|wait| wait.limit).collect::<Vec<_>>(), [Some(Span::from_secs(540))]);
}

#[test]
fn a_pause_that_would_double_for_ever_stops_at_its_limit() {
    let plan = plan_of(
        "pointsman: 1\nrunbook: night\nsteps:\n  a:\n    action: command.check\n    with: { argv: [x] }\n    timeout: 10s\n    \
         retry: { max_attempts: 1000, backoff: 1h, max_elapsed: 5m }\n  b:\n    action: command.check\n    with: { argv: [x] }\n    \
         retry: { max_attempts: 4000000000, backoff: 1h }\n",
    );
    let step = |id: &str| plan.step(plan.find(&StepId::new(id)).unwrap());
    assert_eq!(step("a").worst_case(), Span::from_secs(310));
    assert_eq!(step("b").worst_case(), Span::from_millis(u64::MAX), "too long to be counted, and no overflow");
}

#[test]
fn the_freeze_lasts_until_the_last_opening_and_counts_what_runs_beside_it() {
    let plan = plan_of(
        "pointsman: 1\nrunbook: night\ntargets:\n  old: { connector: sqlite, path: o }\n  new: { connector: sqlite, path: n }\n\
         move: { from: old, to: new }\nsteps:\n  before: { action: command.check, with: { argv: [x] }, timeout: 1h }\n  \
         freeze: { needs: [before], action: sqlite.freeze_writes, target: old, timeout: 15s }\n  \
         beside: { needs: [before], action: command.check, with: { argv: [x] }, timeout: 100s }\n  \
         count: { needs: [freeze, beside], action: check.tables, with: { source: old, target: new, tables: [t] }, timeout: 20s }\n  \
         open: { needs: [count], action: sqlite.allow_writes, target: new, timeout: 30s }\n  \
         after: { needs: [open], action: command.check, with: { argv: [x] }, timeout: 1h }\n",
    );
    let times = plan.freeze_times();
    assert_eq!(times.len(), 1);
    assert_eq!((times[0].frozen.as_str(), times[0].work), ("old", Span::from_secs(100 + 20 + 30)));
    assert_eq!(ids(&plan, &times[0].path), ["beside", "count", "open"]);
    assert_eq!(plan.step(times[0].until.unwrap()).id.as_str(), "open");
}

/// Whatever is written, the planner explains it or plans it; it never panics. The seed of a failure is in its message.
#[test]
fn no_runbook_makes_the_planner_panic() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans");
    let texts: Vec<String> = ["shop", "lists", "branch"]
        .iter()
        .map(|name| fs::read_to_string(root.join(name).with_extension("yaml")).unwrap())
        .collect();
    let words = [
        "{{",
        "}}",
        "steps.",
        "[",
        "]",
        "null",
        "needs:",
        "foreach:",
        "\"",
        "-1",
        "{{ item }}",
        "params",
        "outputs",
        "0s",
        "é",
        "undo: auto",
    ];
    let (mut planned, mut explained) = (0, 0);
    for seed in 0..1_500_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below.max(1) as u64).unwrap()
        };
        let mut lines: Vec<String> = texts[random(texts.len())].lines().map(str::to_owned).collect();
        for _ in 0..=random(3) {
            let at = random(lines.len());
            match random(4) {
                0 => drop(lines.remove(at)),
                1 => {
                    let other = random(lines.len());
                    lines.swap(at, other);
                }
                2 => {
                    let parts: Vec<&str> = lines[at].split(' ').collect();
                    let part = random(parts.len());
                    let word = words[random(words.len())];
                    lines[at] =
                        parts.iter().enumerate().map(|(n, p)| if n == part { word } else { p }).collect::<Vec<_>>().join(" ");
                }
                _ => {
                    let line = lines[random(lines.len())].clone();
                    lines[at] = line;
                }
            }
        }
        let text = lines.join("\n");
        let tried = std::panic::catch_unwind(|| {
            let (plan, report) = plan_text("night.yaml", &text, &root);
            let shown = render(&report, &Source::new("night.yaml", &text), Paint::Plain);
            if let Some(plan) = &plan {
                let _ = (view::text(plan), view::json(plan), view::dot(plan), view::mermaid(plan));
            }
            (plan.is_some(), shown.is_empty())
        });
        match tried {
            Ok((true, _)) => planned += 1,
            Ok((false, shown)) => {
                assert!(!shown, "seed {seed}: no plan and no word about it:\n{text}");
                explained += 1;
            }
            Err(_) => panic!("seed {seed} panics:\n{text}"),
        }
    }
    assert!(planned > 50 && explained > 300, "{planned} planned, {explained} explained");
}
