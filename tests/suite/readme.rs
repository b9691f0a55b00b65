//! What the README shows works: its runbook, its commands, its recorded demo, its links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pointsman::engine::{Home, load};
use pointsman::model::StepId;
use pointsman::run::StepStatus;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The fenced blocks of the README: what follows the fence, and the text.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some((kind.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, body)), None) => {
                body.push_str(line);
                body.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block of the README is not closed");
    blocks
}

fn pointsman(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
    command.args(args).current_dir(folder).env("POINTSMAN_HOME", folder.join("home")).stdin(Stdio::null());
    command
}

#[test]
fn the_first_runbook_runs_as_the_readme_says() {
    let text = readme();
    let (_, runbook) = blocks(&text).into_iter().find(|(kind, _)| kind == "yaml").unwrap();
    assert!(runbook.lines().count() <= 14, "the first runbook is no longer short");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("first.yaml"), runbook).unwrap();
    let (_, commands) = blocks(&text).into_iter().find(|(_, body)| body.contains("pointsman check first.yaml")).unwrap();
    let mut ran = 0;
    let mut live = None;
    for line in commands.lines() {
        let line = line.split('#').next().unwrap().trim();
        let args: Vec<&str> = line.strip_prefix("pointsman ").unwrap().split(' ').collect();
        ran += 1;
        if args[0] == "run" {
            live = Some(pointsman(folder.path(), &args).stdout(Stdio::null()).spawn().unwrap());
            wait_for_the_gate(folder.path());
            continue;
        }
        if args[0] == "status" {
            // The gate is open; the run ends by itself.
            assert!(live.as_mut().unwrap().wait().unwrap().success());
        }
        let output = pointsman(folder.path(), &args).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "`{line}` ended with {}:\n{said}", output.status);
    }
    assert_eq!(ran, 7);
    assert!(folder.path().join("shop-is-closed").exists(), "the first runbook did something");
}

#[test]
fn the_exit_codes_of_the_readme_are_those_of_the_program() {
    use pointsman::cli::Exit;
    let text = readme();
    let table: BTreeSet<u8> = text
        .lines()
        .skip_while(|line| *line != "| code | meaning |")
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| line.split('|').nth(1).unwrap().split(',').map(|code| code.trim().parse().unwrap()).collect::<Vec<_>>())
        .collect();
    assert_eq!(table, Exit::ALL.iter().map(|exit| exit.code()).collect());
}

fn wait_for_the_gate(folder: &Path) {
    let home = Home::new(folder.join("home"));
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let asked = home.runs().unwrap().first().and_then(|run| {
            let (state, _) = load(&home, run, None).ok()?;
            let gate = state.find(&StepId::new("go-live"))?;
            Some(state.step(gate).status == StepStatus::AwaitingPeople)
        });
        if asked == Some(true) {
            return;
        }
        assert!(Instant::now() < end, "the gate never opened");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A line without what differs from night to night. Of a line of the run, who and what kind of event are left, and only
/// events that happen every night; of any other, numbers and digests are masked.
fn skeleton(line: &str) -> Option<String> {
    const EVERY_NIGHT: [&str; 8] = ["started", "succeeded:", "asks", "approved", "finally:", "executor", "quickstart,", "run"];
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_time = |word: &&str| word.len() == 8 && word.chars().all(|c| c.is_ascii_digit() || c == ':');
    if line.starts_with("    ") && words.first().is_some_and(is_time) {
        let verb = EVERY_NIGHT.iter().find(|verb| words.get(2) == Some(*verb))?;
        return Some(format!("{} {verb}", words[1]));
    }
    let is_digest = |word: &str| word.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64);
    let masked = words.iter().map(|&word| {
        let mut out = String::new();
        let word = match word {
            digest if is_digest(digest) => "sha256:#",
            key if key.contains("/pointsman/") && key.matches('+').count() >= 2 => "key",
            word => word,
        };
        for letter in word.chars() {
            let shown = if letter.is_ascii_digit() || letter == '.' { '#' } else { letter };
            if shown != '#' || !out.ends_with('#') {
                out.push(shown);
            }
        }
        out
    });
    // How old evidence is by the time that somebody decides depends on the machine, its unit too.
    Some(masked.collect::<Vec<_>>().join(" ").replace("(#ms old)", "(#s old)")).filter(|line| !line.is_empty())
}

/// With `POINTSMAN_RECORD=1` the recording in the README is replaced by this one, which is how it was made.
#[test]
fn the_recorded_demo_is_what_the_demo_says() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().canonicalize().unwrap().join("shop");
    let args = ["demo", "--unattended", "--dir", shop.to_str().unwrap()];
    let output = pointsman(folder.path(), &args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap().replace(shop.to_str().unwrap(), "/tmp/shop");
    let said = format!("$ pointsman demo --unattended --dir /tmp/shop\n{said}");
    let text = readme();
    let start = text.find("```console\n").unwrap() + "```console\n".len();
    let end = start + text[start..].find("```").unwrap();
    if std::env::var_os("POINTSMAN_RECORD").is_some() {
        fs::write(root().join("README.md"), format!("{}{said}{}", &text[..start], &text[end..])).unwrap();
        return;
    }
    let lines = |text: &str| text.lines().filter_map(skeleton).collect::<BTreeSet<_>>();
    let (recorded, today) = (lines(&text[start..end]), lines(&said));
    let gone: Vec<_> = recorded.difference(&today).collect();
    let fresh: Vec<_> = today.difference(&recorded).collect();
    assert!(today.len() > 50, "the skeleton of the demo has only {} lines", today.len());
    assert!(
        gone.is_empty() && fresh.is_empty(),
        "the README shows another demo; `./scripts/record-demo` records it again.\nonly in the README: {gone:#?}\nonly in the demo: {fresh:#?}"
    );
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let mut documents: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "docs/demo.md", "docs/adr/README.md"].map(|d| root().join(d)).into();
    documents.retain(|document| document.exists());
    let mut links = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap().split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            links += 1;
            let path = document.parent().unwrap().join(target);
            assert!(path.exists(), "{} points to {target}, which is not there", document.display());
        }
    }
    assert!(links > 8, "the test read no links");
}
