//! The same steps against other targets: what a profile must say, what counts as a rehearsal, and a gate that asks for one.

use std::fs;
use std::path::PathBuf;

use pointsman::model::Value;

use super::cli::{Bench, Said};

const NIGHT: &str = "params:
  note: { type: string, default: live }
  path: { type: string, default: live.json }
targets:
  shop: { connector: file, path: '{{ params.path }}' }
steps:
  go:
    action: gate.approval
    with: { approvers: { commander: 1 }, rehearsed_within: 168h, prompt: Switch? }
  switch:
    needs: [go]
    action: switch.file
    target: shop
    with: { set: { database: new }, expect_old: { database: old }, to: new }
";
const STAGING: &str = "targets:\n  shop: { connector: file, path: staging.json }\nparams: { note: staging }\n";

struct Night {
    bench: Bench,
    file: PathBuf,
}

impl Night {
    fn new() -> Self {
        let bench = Bench::new();
        for name in ["live.json", "staging.json"] {
            bench.file(name, "{\"database\":\"old\"}\n");
        }
        bench.file("staging.yaml", STAGING);
        let file = bench.runbook("night", NIGHT);
        Self { bench, file }
    }

    fn holds(&self, file: &str) -> String {
        let json: Value = serde_json::from_str(&fs::read_to_string(self.bench.path().join(file)).unwrap()).unwrap();
        json["database"].as_str().unwrap().to_owned()
    }

    fn start(&self, args: &[&str]) -> super::cli::Running {
        let file = self.file.to_str().unwrap();
        let running = self.bench.start(&[&["run", file], args].concat());
        self.bench.wait_for("go");
        running
    }

    fn approve(&self) -> Said {
        self.bench.say(&["approve", "latest", "go", "--yes"])
    }

    /// A rehearsal that succeeds.
    fn rehearse(&self) {
        let running = self.start(&["--targets", "staging.yaml"]);
        assert_eq!(self.approve().code, 0);
        let said = running.end();
        assert_eq!(said.code, 0, "{said:?}");
    }

    fn status(&self) -> Value {
        self.bench.json(&["status", "latest", "--json"])
    }
}

#[test]
fn a_gate_that_asks_for_a_rehearsal_opens_behind_one_and_never_before() {
    let night = Night::new();
    let running = night.start(&[]);
    let said = night.approve();
    assert_eq!(said.code, 8, "{said:?}");
    assert!(said.err.contains("asks for a rehearsal of these steps within 168h, and none counts"), "{said:?}");
    assert_eq!(night.status()["rehearsed"]["by"], Value::Null);
    assert_eq!(night.bench.say(&["reject", "latest", "go", "--reason", "not rehearsed"]).code, 0);
    assert_eq!(running.end().code, 4);
    night.rehearse();
    assert_eq!((night.holds("live.json"), night.holds("staging.json")), ("old".to_owned(), "new".to_owned()));
    let status = night.status();
    assert_eq!(status["rehearsal"]["profile"], "staging", "{status}");
    let rehearsal = status["run"].as_str().unwrap().to_owned();

    let running = night.start(&[]);
    let status = night.status();
    assert_eq!((&status["rehearsal"], &status["rehearsed"]["by"]["run"]), (&Value::Null, &Value::from(rehearsal.clone())));
    let asked = status["awaited"][0]["text"].as_str().unwrap();
    assert!(asked.contains(&format!("rehearsed: {rehearsal} under staging, succeeded")), "{asked}");
    assert!(asked.contains("with other values of note"), "{asked}");
    assert_eq!(night.approve().code, 0);
    assert_eq!(running.end().code, 0);
    assert_eq!(night.holds("live.json"), "new");
}

#[test]
fn a_rehearsal_is_marked_wherever_it_is_seen() {
    let night = Night::new();
    night.rehearse();
    let run = |args: &[&str]| {
        let said = night.bench.say(args);
        assert_eq!(said.code, 0, "{said:?}");
        said.out
    };
    assert!(run(&["status", "latest"]).contains("REHEARSAL under staging: not the live targets"));
    assert!(run(&["status"]).contains("rehearsal under staging"));
    assert!(run(&["audit", "show", "latest"]).contains("this is a rehearsal: its targets are those of the profile staging"));
    let file = night.file.to_str().unwrap();
    assert!(run(&["plan", file, "--targets", "staging.yaml"]).contains("REHEARSAL under staging"));
    let plan = run(&["plan", file]);
    assert!(!plan.contains("REHEARSAL") && plan.contains("rehearsed") && plan.contains("under staging, succeeded"), "{plan}");
}

#[test]
fn another_plan_needs_another_rehearsal_and_a_remark_does_not() {
    let night = Night::new();
    night.rehearse();
    let shape = |file: &str| night.bench.json(&["plan", file, "--json"])["shape"].clone();
    let file = night.file.to_str().unwrap();
    let before = shape(file);
    night.bench.runbook(
        "night",
        &format!("# a remark\n{}", NIGHT.replace("{{ params.path }}", "other.json").replace("default: live", "default: x")),
    );
    assert_eq!(shape(file), before, "targets, defaults and remarks are not the shape");
    night.bench.runbook("night", &NIGHT.replace("expect_old: { database: old }, ", ""));
    assert_ne!(shape(file), before);
    let running = night.start(&[]);
    let said = night.approve();
    assert!(said.code == 8 && said.err.contains("is of other steps: the runbook was changed since"), "{said:?}");
    assert_eq!(night.bench.say(&["abort", "latest", "--reason", "enough"]).code, 0);
    assert_eq!(running.end().code, 6);
}

#[test]
fn a_rehearsal_that_turned_back_counts_for_nothing() {
    let night = Night::new();
    let running = night.start(&["--targets", "staging.yaml"]);
    assert_eq!(night.bench.say(&["reject", "latest", "go", "--reason", "later"]).code, 0);
    assert_eq!(running.end().code, 4);
    let running = night.start(&[]);
    let said = night.approve();
    assert!(said.code == 8 && said.err.contains("ended as rolled back, and only one that succeeded counts"), "{said:?}");
    // While the gate waits somebody rehearses: the order after it finds that.
    let staging = night.bench.start(&["run", night.file.to_str().unwrap(), "--targets", "staging.yaml", "--id", "late"]);
    night
        .bench
        .wait_until("the rehearsal asks", |status| status["run"] == "late" && !status["awaited"].as_array().unwrap().is_empty());
    assert_eq!(night.bench.say(&["approve", "late", "go", "--yes"]).code, 0);
    assert_eq!(staging.end().code, 0);
    let live = night.bench.json(&["status", "--json"]);
    let live = live.as_array().unwrap().iter().find(|row| row["phase"] == "forward").unwrap()["run"].as_str().unwrap().to_owned();
    let said = night.bench.say(&["approve", &live, "go", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(running.end().code, 0);
}

#[test]
fn a_profile_names_every_target_and_none_of_the_live_night() {
    let night = Night::new();
    for (profile, part) in [
        ("targets: {}\n", "does not say where `shop` is"),
        ("targets:\n  shop: { connector: sqlite, path: x.db }\n", "`shop` is a file in the runbook"),
        ("targets:\n  shop: { connector: file, path: live.json }\n", "`shop` of the profile is `shop` of the live night"),
        ("targets:\n  shop: { connector: file, path: s.json }\n  more: { connector: file, path: t.json }\n", "no such target"),
        ("targets:\n  shop: { connector: file, path: live.json }\nparams: { path: elsewhere.json }\n", "of the live night"),
        ("targets:\n  shop: { connector: file, path: ./home/../live.json }\n", "of the live night"),
        ("targets:\n  shop: { connector: file }\n", "needs `path`"),
        ("steps: {}\n", "has no key `steps`"),
    ] {
        night.bench.file("wrong.yaml", profile);
        let said = night.bench.say(&["run", night.file.to_str().unwrap(), "--targets", "wrong.yaml"]);
        assert!(said.code == 3 && said.err.contains(part) && said.err.contains("wrong.yaml"), "{profile}: {said:?}");
    }
    assert!(night.bench.json(&["status", "--json"]).as_array().unwrap().is_empty(), "nothing was started");
}

#[test]
fn lengths_of_a_rehearsal_are_history() {
    let night = Night::new();
    night.rehearse();
    let expected = night.bench.json(&["plan", night.file.to_str().unwrap(), "--json"])["expected"].clone();
    assert_eq!((&expected["runs"], &expected["measured"]), (&1.into(), &1.into()), "{expected}");
}
