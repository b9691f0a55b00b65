//! Orders: through the socket of a live run, and on a run that nobody drives.

use std::time::Duration;

use pointsman::authority::Claim;
use pointsman::engine::{Ending, Executor, Home, load, order};
use pointsman::model::{Actor, Finding, Object, RunId, RunOutcome, StepId};
use pointsman::run::{Answer, Command, Event, State, StepStatus};
use tokio_util::sync::CancellationToken;

use super::hands::{block_on, home, plan, registry, step};

const GATE: &str = "  gate:\n    action: gate.approval\n    with: { approvers: { dba: 1 }, prompt: \"go?\" }\n";

fn status(state: &State, id: &str) -> StepStatus {
    state.step(state.find(&StepId::new(id)).unwrap()).status
}

/// Waits until the journal says what `until` wants, from outside, as another process would.
fn wait_for(home: &Home, run: &RunId, until: impl Fn(&State) -> bool) {
    for _ in 0..2_000 {
        if load(home, run, None).is_ok_and(|(state, _)| until(&state)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the run did not get there: {:?}", load(home, run, None));
}

/// Drives a new run in a thread of its own.
fn live(home: &Home, text: &str) -> (RunId, std::thread::JoinHandle<Ending>) {
    let (hands, _) = registry();
    let me = Actor::local(nix::unistd::getuid().as_raw(), pointsman::engine::identity::login(nix::unistd::getuid().as_raw()));
    let executor = Executor::start(home, plan(text, home.path()), None, me).unwrap();
    let run = executor.run_id().clone();
    let thread = std::thread::spawn(move || block_on(executor.drive(hands, &mut (), CancellationToken::new())).unwrap());
    (run, thread)
}

fn write_people(home: &Home) {
    let login = pointsman::engine::identity::login(nix::unistd::getuid().as_raw());
    let people = format!(
        "persons:\n  ann: {{ name: Ann, roles: [dba], local_users: [{login}] }}\n  ben: {{ name: Ben, roles: [dba], local_users: [somebody-else] }}\n"
    );
    std::fs::write(home.path().join("people.yaml"), people).unwrap();
}

#[test]
fn a_live_run_takes_orders_through_its_socket() {
    let (_folder, home) = home();
    write_people(&home);
    let text = format!(
        "pointsman: 1\nrunbook: orders\nroster: people.yaml\nsteps:\n{GATE}{}",
        step("after", "ok", "    needs: [gate]\n")
    );
    let (run, thread) = live(&home, &text);
    wait_for(&home, &run, |state| status(state, "gate") == StepStatus::AwaitingPeople);
    let ask = |command: Command, person: Option<&str>| {
        let claim = person.map_or(Claim::Whoever, |p| Claim::Person(pointsman::model::PersonId::new(p)));
        let ordered = order(&home, &run, command, &claim).unwrap();
        assert!(ordered.live, "the executor answers");
        ordered.answer
    };
    let approve = || Command::Approve { step: StepId::new("gate"), note: "counts agree".to_owned() };
    assert!(matches!(ask(approve(), Some("ben")), Answer::Forbidden(_)), "ben has another login: a name is not believed");
    assert!(matches!(ask(approve(), Some("eve")), Answer::Forbidden(_)), "eve is nobody");
    assert_eq!(ask(Command::Pause { reason: "coffee".to_owned() }, Some("ann")), Answer::Accepted);
    assert_eq!(ask(Command::Pause { reason: "coffee".to_owned() }, None), Answer::AlreadyDone);
    assert_eq!(ask(approve(), Some("ann")), Answer::Accepted);
    wait_for(&home, &run, |state| status(state, "gate") == StepStatus::Succeeded);
    assert!(matches!(
        ask(Command::Reject { step: StepId::new("gate"), reason: String::new() }, Some("ann")),
        Answer::NotApplicable(_)
    ));
    assert_eq!(ask(Command::Continue, Some("ann")), Answer::Accepted);
    assert_eq!(thread.join().unwrap(), Ending::Ended(RunOutcome::Succeeded));
    let (_, records) = load(&home, &run, None).unwrap();
    let by = records
        .iter()
        .find_map(|r| if let Event::ApprovalGranted { by, .. } = &r.event { Some(by.clone()) } else { None })
        .unwrap();
    assert_eq!(by.name(), "ann");
    assert!(by.to_string().contains("uid"), "the record says how ann was recognised: {by}");
}

#[test]
fn a_stopped_run_takes_orders_too() {
    let (_folder, home) = home();
    let text = format!("pointsman: 1\nrunbook: orders\nsteps:\n{GATE}{}", step("after", "ok", "    needs: [gate]\n"));
    let me = Actor::local(nix::unistd::getuid().as_raw(), "me");
    let executor = Executor::start(&home, plan(&text, home.path()), None, me).unwrap();
    let run = executor.run_id().clone();
    let (hands, _) = registry();
    let stop = CancellationToken::new();
    stop.cancel();
    assert_eq!(block_on(executor.drive(hands, &mut (), stop)).unwrap(), Ending::Suspended);

    let ordered = order(&home, &run, Command::Rollback { reason: "not tonight".to_owned() }, &Claim::Whoever).unwrap();
    assert_eq!((ordered.answer, ordered.live), (Answer::Accepted, false));
    let (hands, log) = registry();
    let executor = Executor::resume(&home, &run).unwrap();
    let ending = block_on(executor.drive(hands, &mut (), CancellationToken::new())).unwrap();
    assert_eq!(ending, Ending::Ended(RunOutcome::RolledBack));
    assert!(log.lock().unwrap().is_empty(), "nothing ran, so nothing is undone");
}

#[test]
fn an_attempt_in_doubt_waits_for_a_person() {
    let (_folder, home) = home();
    let text = format!("pointsman: 1\nrunbook: doubt\nsteps:\n{}{}", step("a", "lose", ""), step("b", "ok", "    needs: [a]\n"));
    let (run, thread) = live(&home, &text);
    wait_for(&home, &run, |state| status(state, "a") == StepStatus::InDoubt);
    let a = || StepId::new("a");
    let ask = |command: Command| order(&home, &run, command, &Claim::Whoever).unwrap().answer;
    assert!(matches!(ask(Command::Retry { step: a() }), Answer::NotApplicable(_)), "never a blind second run");
    assert!(matches!(
        ask(Command::Resolve { step: a(), finding: Finding::Unknown(String::new()), seen: String::new() }),
        Answer::NotApplicable(_)
    ));
    assert!(matches!(ask(Command::Report { step: a(), answers: Object::new() }), Answer::NotApplicable(_)));
    assert_eq!(
        ask(Command::Resolve { step: a(), finding: Finding::Applied, seen: "one line in the table".to_owned() }),
        Answer::Accepted
    );
    assert_eq!(thread.join().unwrap(), Ending::Ended(RunOutcome::Succeeded));
    let (_, records) = load(&home, &run, None).unwrap();
    let seen = records
        .iter()
        .find_map(|r| if let Event::AttemptProbed { evidence, .. } = &r.event { Some(evidence["seen"].clone()) } else { None });
    assert_eq!(seen.unwrap(), "one line in the table", "what the person saw is on record");
}

#[test]
fn a_protected_step_takes_orders_from_two_persons() {
    use pointsman::model::PersonId;
    use pointsman::run::{Input, Record, Recording};

    struct Pen(Vec<Record>);
    impl Recording for Pen {
        fn record(&mut self, event: Event) -> &Record {
            let at = self.0.len();
            self.0.push(Record { seq: at as u64 + 1, epoch: 1, at: Default::default(), uptime_ms: 0, event });
            &self.0[at]
        }
    }
    let (_folder, home) = home();
    write_people(&home);
    let more = "    on_failure: hold\n    protected: true\n";
    let text = format!("pointsman: 1\nrunbook: orders\nroster: people.yaml\nsteps:\n{}", step("a", "ok", more));
    let plan = std::sync::Arc::new(plan(&text, home.path()));
    let person = |name: &str| Actor { person: Some(PersonId::new(name)), ..Actor::local(1, name) };
    let mut conductor = pointsman::run::Conductor::new(plan.clone());
    let mut pen = Pen(Vec::new());
    let started =
        Event::RunStarted { run: RunId::new("r"), runbook: "orders".to_owned(), plan: plan.digest(), starter: person("ann") };
    conductor.note(started, &mut pen);
    let turn = conductor.turn(Vec::new(), Default::default(), &mut pen);
    let pointsman::run::Effect::Prepare(spec) = &turn.effects[0] else { panic!("{:?}", turn.effects) };
    let failure = pointsman::run::Failure::untouched("not yet");
    conductor.turn(vec![Input::Prepared(spec.instance, 1, Err(failure))], Default::default(), &mut pen);
    assert_eq!(status(conductor.state(), "a"), StepStatus::Held);
    let mut ask = |name: &str| {
        let order = Input::Ordered(Command::Retry { step: StepId::new("a") }, person(name));
        conductor.turn(vec![order], Default::default(), &mut pen).answers.remove(0)
    };
    assert!(matches!(ask("ann"), Answer::Forbidden(_)), "one person is not enough");
    assert!(matches!(ask("ann"), Answer::Forbidden(_)), "twice the same person is one person");
    assert_eq!(ask("ben"), Answer::Accepted, "the second person's order passes");
}
