//! Signed decisions: the real `ssh-keygen` signs, and the state machine judges, at whatever time the test says.

mod attacks;
mod by_hand;
mod emergency;
mod keys;
mod lapses;
mod mutations;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Program, Stdio};
use std::sync::Arc;
use std::time::Duration;

use pointsman::authority::{Decision, NAMESPACE, Signed, Statement};
use pointsman::diagnostic::Source;
use pointsman::engine::read_roster;
use pointsman::model::{Actor, Digest, Object, PersonId, RoleName, Roster, RunId, StepId, Timestamp, Value};
use pointsman::plan::Plan;
use pointsman::plan::build::{BuildInput, build};
use pointsman::run::{
    Answer, Command, Conductor, Effect, Event, Failure, Input, Instance, Preparation, Record, Recording, State, StepStatus,
    Submission, Success,
};

pub const START: Timestamp = Timestamp::from_millis(1_795_219_200_000);
pub const PERSONS: [&str; 4] = ["alice", "bob", "carol", "dave"];

pub const ROSTER: &str = "persons:
  alice: { name: Alice, roles: [dba], local_users: [alice], deputies: [carol] }
  bob: { name: Bob, roles: [dba, commander], local_users: [bob] }
  carol: { name: Carol, roles: [tester], local_users: [carol] }
  dave: { name: Dave, roles: [dba], local_users: [dave] }
allowed_signers: signers
";

/// A gate of two, and one step behind it.
pub const RUNBOOK: &str = "pointsman: 1
runbook: signed
owner: dave
roster: people.yaml
params:
  batch: { type: string, default: pilot }
steps:
  look:
    action: command
    with: { argv: [look] }
    in_doubt: ask
    undo: { nothing: \"a test\" }
  gate:
    needs: [look]
    action: gate.approval
    with: { approvers: { dba: 2 }, not: [starter, author], prompt: \"go?\" }
  act:
    needs: [gate]
    action: command
    with: { argv: [act] }
    in_doubt: ask
    undo: { nothing: \"a test\" }
";

/// The journal of a test: numbers, and a chain that only the test knows.
#[derive(Default)]
pub struct Book {
    pub records: Vec<Record>,
    now: Timestamp,
}

impl Recording for Book {
    fn record(&mut self, event: Event) -> &Record {
        let seq = self.records.len() as u64 + 1;
        self.records.push(Record { seq, epoch: 1, at: self.now, uptime_ms: 0, event });
        self.records.last().unwrap()
    }
}

/// The chain of a test's journal at a record.
pub fn chain(seq: u64) -> Digest {
    Digest::of(format!("chain {seq}").as_bytes())
}

/// A run in memory, with people whose keys are real.
pub struct Stage {
    pub folder: tempfile::TempDir,
    pub conductor: Conductor,
    pub book: Book,
    pub now: Timestamp,
    /// Whether targets cannot be reached: preparations fail.
    pub unreachable: bool,
    /// Who targets say they are.
    pub hostname: &'static str,
}

impl Stage {
    /// A run of the two-person gate that waits for its approvals.
    pub fn new() -> Self {
        Self::of(RUNBOOK, ROSTER)
    }

    pub fn of(runbook: &str, roster: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut signers = String::new();
        for person in PERSONS {
            let line = new_key(&folder.path().join(person), "ed25519");
            signers.push_str(&format!("{person} namespaces=\"{NAMESPACE}\" {line}\n"));
        }
        fs::write(folder.path().join("signers"), signers).unwrap();
        fs::write(folder.path().join("people.yaml"), roster).unwrap();
        Self::begin(folder, runbook)
    }

    /// A run over the files that are in the folder.
    pub fn begin(folder: tempfile::TempDir, runbook: &str) -> Self {
        let plan = plan(folder.path(), runbook, Object::new());
        Self::begin_plan(folder, plan)
    }

    pub fn begin_plan(folder: tempfile::TempDir, plan: Plan) -> Self {
        let mut book = Book { now: START, ..Book::default() };
        let digest = plan.digest();
        let mut conductor = Conductor::new(Arc::new(plan));
        let starter = Actor { person: Some(PersonId::new("eve")), ..Actor::local(7, "eve") };
        let started = Event::RunStarted { run: RunId::new("signed-1"), runbook: "signed".to_owned(), plan: digest, starter };
        conductor.note(started, &mut book);
        let mut stage = Self { folder, conductor, book, now: START, unreachable: false, hostname: "db1" };
        stage.settle();
        stage
    }

    /// Lets everything happen that can, all of it well.
    pub fn settle(&mut self) {
        self.turn(Vec::new());
    }

    /// One turn, and the answers of its orders; effects succeed at once.
    pub fn turn(&mut self, inputs: Vec<Input>) -> Vec<Answer> {
        self.book.now = self.now;
        let first = self.conductor.turn(inputs, self.now, &mut self.book);
        let (answers, mut effects) = (first.answers, first.effects);
        while !effects.is_empty() {
            let ends = effects.drain(..).filter_map(|effect| self.end(effect)).collect();
            effects = self.conductor.turn(ends, self.now, &mut self.book).effects;
        }
        answers
    }

    pub fn state(&self) -> &State {
        self.conductor.state()
    }

    pub fn at(&self, step: &str) -> Instance {
        self.state().find(&StepId::new(step)).unwrap()
    }

    pub fn status(&self, step: &str) -> StepStatus {
        self.state().step(self.at(step)).status
    }

    pub fn later(&mut self, span: Duration) {
        self.now = self.now.plus(span);
    }

    /// What this person would sign now.
    pub fn statement(&self, person: &str, role: &str, decision: Decision) -> Statement {
        self.statement_at("gate", person, role, decision)
    }

    pub fn statement_at(&self, step: &str, person: &str, role: &str, decision: Decision) -> Statement {
        let bound = self.state().bound(self.at(step));
        let seq = self.state().last_seq();
        Statement {
            installation: "test+01234567".to_owned(),
            run: bound.run,
            gate: bound.gate,
            decision,
            plan: bound.plan,
            params: bound.params,
            targets: bound.targets,
            scope: bound.scope,
            journal: (seq, chain(seq)),
            evidence: bound.evidence,
            approver: PersonId::new(person),
            role: RoleName::new(role),
            deputy_for: None,
            not_before: self.now,
            not_after: self.now.plus(Duration::from_secs(3_600)),
            nonce: fresh_nonce(),
        }
    }

    pub fn key(&self, person: &str) -> PathBuf {
        self.folder.path().join(person)
    }

    /// The statement, signed with the key of whom it names.
    pub fn sign(&self, statement: &Statement) -> Signed {
        let key = self.key(statement.approver.as_str());
        let statement = statement.to_string();
        Signed { signature: sign(&key, NAMESPACE, &statement), statement }
    }

    pub fn input(&self, signed: Signed) -> Input {
        let named = Statement::parse(&signed.statement).map(|statement| statement.journal.0);
        let chain = named.ok().filter(|seq| *seq <= self.state().last_seq()).map(chain);
        let installation = "test+01234567".to_owned();
        let submission = Submission { signed, words: "seen".to_owned(), installation, chain };
        Input::Ordered(Command::Submit(Box::new(submission)), Actor::local(9, "courier"))
    }

    pub fn submit(&mut self, signed: Signed) -> Answer {
        let input = self.input(signed);
        self.turn(vec![input]).remove(0)
    }

    /// Signs and submits an approval.
    pub fn approve(&mut self, person: &str, role: &str) -> Answer {
        let signed = self.sign(&self.statement(person, role, Decision::Approve));
        self.submit(signed)
    }

    /// Who has approved the gate so far.
    pub fn approved(&self) -> Vec<&str> {
        self.state().grants(self.at("gate")).iter().map(Actor::name).collect()
    }

    /// What was refused last, and why.
    pub fn refusal(&self) -> &str {
        let refused = |record: &Record| matches!(record.event, Event::CommandRefused { .. });
        match self.book.records.iter().rev().find(|record| refused(record)).map(|record| &record.event) {
            Some(Event::CommandRefused { reason, .. }) => reason,
            _ => "nothing was refused",
        }
    }

    /// The roster as its files are now.
    pub fn roster(&self) -> Option<Roster> {
        read_roster(self.folder.path(), "people.yaml").unwrap().roster
    }

    /// Replays the journal and holds the state against the live one.
    pub fn replayed(&self) -> State {
        let mut state = State::new(self.state().plan().clone());
        self.book.records.iter().for_each(|record| state.apply(record).unwrap());
        state
    }
}

impl Stage {
    fn end(&self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::Prepare(spec) if self.unreachable => {
                Some(Input::Prepared(spec.instance, spec.attempt, Err(Failure::untouched("nobody answers"))))
            }
            Effect::Prepare(spec) => {
                let identity = serde_json::json!({ "hostname": self.hostname });
                Some(Input::Prepared(spec.instance, spec.attempt, Ok(Preparation { identity, snapshot: Value::Null })))
            }
            Effect::Apply(spec) => {
                let outputs = serde_json::json!({ "exit_code": 0, "stdout": "ok", "stderr": "" });
                Some(Input::Applied(spec.instance, spec.attempt, Ok(Success { outputs, evidence: Value::Null })))
            }
            Effect::Probe(_) | Effect::Undo(_) | Effect::UndoByAction(_) | Effect::Cancel(_) => None,
        }
    }
}

/// The plan of a runbook over the roster in the folder.
pub fn plan(folder: &Path, runbook: &str, params: Object) -> Plan {
    let source = Source::new("signed.yaml", runbook);
    let (parsed, report) = pointsman::runbook::parse(&source);
    let parsed = parsed.unwrap_or_else(|| panic!("{:?}", report.sorted()));
    let files = read_roster(folder, "people.yaml").unwrap();
    assert!(files.reports.iter().all(|(report, _)| !report.has_errors()), "{:?}", files.reports);
    let base_dir = folder.display().to_string();
    let built = build(BuildInput { roster: files.roster, params, base_dir, ..BuildInput::of(&parsed, &source) });
    built.plan.unwrap_or_else(|| panic!("{:?}", built.report.sorted()))
}

/// Makes a key without a passphrase, and gives its public line.
pub fn new_key(path: &Path, kind: &str) -> String {
    let mut program = Program::new("ssh-keygen");
    let (kind, bits) = kind.split_once(':').unwrap_or((kind, ""));
    program.args(["-q", "-N", "", "-C", "a test", "-t", kind, "-f"]).arg(path);
    if !bits.is_empty() {
        program.args(["-b", bits]);
    }
    assert!(program.status().unwrap().success());
    fs::read_to_string(path.with_extension("pub")).unwrap().trim().to_owned()
}

/// What `ssh-keygen -Y sign` writes.
pub fn sign(key: &Path, namespace: &str, text: &str) -> String {
    let mut program = Program::new("ssh-keygen");
    program.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(key);
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Whether `ssh-keygen -Y verify` takes it, at a moment, with the files of the folder.
pub fn openssh_takes(folder: &Path, person: &str, signed: &Signed, at: Timestamp) -> bool {
    let file = folder.join("checked.sig");
    fs::write(&file, &signed.signature).unwrap();
    let mut program = Program::new("ssh-keygen");
    program.args(["-Y", "verify", "-n", NAMESPACE, "-I", person, "-f"]).arg(folder.join("signers")).arg("-s").arg(&file);
    let digits: String = at.to_string().chars().filter(char::is_ascii_digit).take(14).collect();
    program.arg("-O").arg(format!("verify-time={digits}Z"));
    if folder.join("revoked").exists() {
        program.arg("-r").arg(folder.join("revoked"));
    }
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(signed.statement.as_bytes()).unwrap();
    child.wait().unwrap().success()
}

/// A nonce that no test has used.
pub fn fresh_nonce() -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    format!("{:032x}", NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}
