//! Every teaching runbook in `examples/` is run as a reader would run it, and ends as its first lines promise.
//!
//! The comment lines that a test understands: `# expect:` the outcome, `# answer:` what a person says and where, `# output:` what
//! a step printed, `# order:` who ended before whom began, `# attempts:` how often a step was tried, `# skipped:`, `# gone:` a
//! path that must not be left, `# file:` a file that must hold a word, `# secret:` a word that must be nowhere in the run's folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pointsman::engine::{Home, load};
use pointsman::model::{RunOutcome, StepId};
use pointsman::run::{Event, Phase, Record, State, StepStatus};

/// A runbook with the promises of its first lines.
struct Example {
    file: PathBuf,
    promises: Vec<(String, String)>,
    takes_folder: bool,
}

impl Example {
    fn read(file: PathBuf) -> Self {
        let text = fs::read_to_string(&file).unwrap();
        let promises: Vec<_> = text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .filter_map(|line| line.trim_start_matches("# ").split_once(": "))
            .filter(|(word, _)| KNOWN.contains(word))
            .map(|(word, promise)| (word.to_owned(), promise.to_owned()))
            .collect();
        Self { file, promises, takes_folder: text.contains("\n  folder:") }
    }

    fn promised<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        self.promises.iter().filter(move |(w, _)| w == word).map(|(_, promise)| promise.as_str())
    }
}

const KNOWN: [&str; 9] = ["expect", "answer", "output", "order", "attempts", "skipped", "gone", "file", "secret"];

/// One run of an example in folders of its own.
struct Trial {
    home: tempfile::TempDir,
    folder: tempfile::TempDir,
}

impl Trial {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        command.args(args).env("POINTSMAN_HOME", self.home.path()).stdin(Stdio::null());
        command
    }

    fn start(&self, example: &Example) -> Child {
        let file = self.folder.path().join(example.file.file_name().unwrap());
        fs::copy(&example.file, &file).unwrap();
        let people = fs::read_to_string(example.file.with_file_name("people.yaml")).unwrap();
        let login = pointsman::engine::identity::login(nix::unistd::getuid().as_raw());
        fs::write(file.with_file_name("people.yaml"), people.replace("[root]", &format!("[{login}]"))).unwrap();
        if example.promised("answer").any(|answer| answer.split(' ').count() > 2 && answer.starts_with("approve")) {
            self.make_keys(example);
        }
        let mut command = self.command(&["run"]);
        command.arg(&file);
        if example.takes_folder {
            command.arg("--param").arg(format!("folder={}", self.folder.path().display()));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Keys whose private halves the test has, in the place of the example's own.
    fn make_keys(&self, example: &Example) {
        let roster = "people-with-keys.yaml";
        fs::copy(example.file.with_file_name(roster), self.folder.path().join(roster)).unwrap();
        let own = fs::read_to_string(example.file.with_file_name("signers")).unwrap();
        let mut signers = String::new();
        for line in own.lines().filter(|line| !line.starts_with('#')) {
            let (person, options) = (line.split(' ').next().unwrap(), line.split(' ').nth(1).unwrap());
            let key = self.folder.path().join(person);
            assert!(
                Command::new("ssh-keygen").args(["-q", "-N", "", "-t", "ed25519", "-f"]).arg(&key).status().unwrap().success()
            );
            signers.push_str(&format!("{person} {options} {}", fs::read_to_string(key.with_extension("pub")).unwrap()));
        }
        fs::write(self.folder.path().join("signers"), signers).unwrap();
    }

    fn look(&self) -> Option<(State, Vec<Record>)> {
        let home = Home::new(self.home.path());
        let run = home.runs().unwrap().into_iter().next()?;
        load(&home, &run, None).ok()
    }

    /// Says what the example wants said, as soon as somebody is asked.
    fn answer(&self, said: &str, child: &mut Child) {
        let words: Vec<&str> = said.split(' ').collect();
        let (verb, step) = (words[0], words[1]);
        let end = Instant::now() + Duration::from_secs(30);
        let run = loop {
            let asked = self.look().and_then(|(state, _)| {
                let step = state.find(&StepId::new(step))?;
                (state.step(step).status == StepStatus::AwaitingPeople).then(|| state.run().unwrap().to_string())
            });
            match asked {
                Some(run) => break run,
                None if Instant::now() < end && child.try_wait().unwrap().is_none() => {
                    std::thread::sleep(Duration::from_millis(20))
                }
                None => panic!("nobody was asked at {step}"),
            }
        };
        let mut args = vec![verb, &run, step];
        let key = self.folder.path().join(words.get(2).unwrap_or(&"nobody")).display().to_string();
        match verb {
            "reject" => args.extend(["--reason", "not tonight"]),
            "approve" if words.len() > 2 => args.extend(["--by", words[2], "--key", &key, "--confirm", "practice"]),
            "answer" => words[2..].iter().for_each(|field| args.extend(["--answer", field])),
            _ => {}
        }
        let output = self.command(&args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn check(example: &Example) {
    let trial = Trial { home: tempfile::tempdir().unwrap(), folder: tempfile::tempdir().unwrap() };
    let mut child = trial.start(example);
    for said in example.promised("answer") {
        trial.answer(said, &mut child);
    }
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let (state, records) = trial.look().unwrap_or_else(|| panic!("no run: {said}"));
    let Phase::Ended(outcome) = state.phase() else { panic!("the run is not over: {said}") };
    let expected: Vec<&str> = example.promised("expect").collect();
    assert_eq!(expected, [outcome.to_string()], "{said}");
    assert_eq!(output.status.success(), outcome == RunOutcome::Succeeded, "the exit code tells another story: {said}");

    let find = |step: &str| state.find(&StepId::new(step)).unwrap_or_else(|| panic!("there is no step {step}"));
    for promise in example.promised("output") {
        let (step, text) = promise.split_once(" = ").unwrap();
        assert_eq!(state.outputs(find(step))["stdout"], text, "{step}");
    }
    for promise in example.promised("attempts") {
        let (step, least) = promise.split_once(" > ").unwrap();
        assert!(state.step(find(step)).attempt > least.parse().unwrap(), "{step} was tried too seldom");
    }
    for step in example.promised("skipped") {
        assert_eq!(state.step(find(step)).status, StepStatus::Skipped, "{step}");
    }
    for pair in example.promised("order").flat_map(|pairs| pairs.split(", ")) {
        let (before, after) = pair.split_once(" < ").unwrap();
        let ended =
            records.iter().position(|r| matches!(&r.event, Event::AttemptSucceeded { step, .. } if step.as_str() == before));
        let began = records.iter().position(|r| matches!(&r.event, Event::AttemptStarted { step, .. } if step.as_str() == after));
        assert!(ended.unwrap() < began.unwrap(), "{pair}");
    }
    for path in example.promised("gone") {
        assert!(!trial.folder.path().join(path).exists(), "{path} is left");
    }
    for promise in example.promised("file") {
        let (file, word) = promise.split_once(" contains ").unwrap();
        assert!(fs::read_to_string(trial.folder.path().join(file)).unwrap().contains(word), "{promise}");
    }
    for secret in example.promised("secret") {
        assert!(!said.contains(secret), "the secret was shown");
        let seen = files(trial.home.path());
        assert!(seen.len() > 1, "{seen:?}");
        for file in seen {
            let bytes = fs::read(&file).unwrap_or_default();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            // The plan holds the reference, and this example's reference is a program that prints the word.
            assert!(!found || file.file_name().unwrap() == "plan.json", "the secret is in {}", file.display());
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn every_example_ends_as_it_promises() {
    let mut examples: Vec<PathBuf> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension().is_some_and(|e| e == "yaml") && !path.file_name().unwrap().to_string_lossy().starts_with("people")
        })
        .collect();
    examples.sort();
    assert!(examples.len() >= 12, "{examples:?}");
    let results: Vec<(PathBuf, std::thread::Result<()>)> = std::thread::scope(|scope| {
        let running: Vec<_> =
            examples.into_iter().map(|file| (file.clone(), scope.spawn(move || check(&Example::read(file))))).collect();
        running.into_iter().map(|(file, thread)| (file, thread.join())).collect()
    });
    let failed: Vec<String> = results
        .into_iter()
        .filter_map(|(file, result)| {
            let panic = result.err()?;
            let why = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Some(format!("{}: {}", file.file_name().unwrap().to_string_lossy(), why.unwrap_or_default()))
        })
        .collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}
