//! Night 3: reads move from one set of web servers to another, share by share, while customers read. A gate that fails at 10 %
//! takes everything back.

use std::time::{Duration, Instant};

use crate::executor::Executor;
use crate::load::reads::{Reads, read};
use crate::load::{Crew, Rate};
use crate::night::{Night, here, rolls_back_everywhere};
use crate::sandbox::Sandbox;
use crate::shop::Side;
use crate::story::{NO_TROUBLE, failed_after, killed_both_ways};

/// How long a share stays in these tests. It rests on 15 requests, which 1 % of the readers send in 3 seconds; the gate waits
/// for them where the machine is slow.
const PARAMS: &str = "dwell: 3s\nerrors_below: 0.2\nrequests_per_second: 500\n";

/// The catalogue and its readers: 500 reads a second through HAProxy.
struct Catalogue {
    sandbox: Sandbox,
    reads: Reads,
    crew: Option<Crew>,
}

impl Night for Catalogue {
    const NAME: &'static str = "read-ramp";
    const SERVERS: &'static [(&'static str, &'static str)] =
        &[("nginx", "nginx-light"), ("haproxy", "haproxy"), ("socat", "socat")];

    fn open() -> Self {
        let sandbox = Sandbox::up(Self::NAME);
        let params = sandbox.path().join("params.yaml");
        let text = std::fs::read_to_string(&params).unwrap();
        std::fs::write(&params, format!("{text}{PARAMS}")).unwrap();
        let reads = Reads::default();
        let crew = Some(read(sandbox.port(2), &Rate { clients: 10, per_second: 500 }, &reads));
        Self { sandbox, reads, crew }
    }

    fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    fn serves(&self, more: usize) {
        let wanted = self.reads.answered() + more;
        let end = Instant::now() + Duration::from_secs(60);
        while self.reads.answered() < wanted {
            assert!(Instant::now() < end, "nobody can read: {:?}", self.reads.errors().last());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn state(&self) -> Vec<String> {
        self.weights().iter().map(|row| row.join(" ")).collect()
    }

    /// Each read was held against the catalogue when its answer came, whichever side gave it.
    async fn settle(&mut self, _side: Side) -> Result<String, String> {
        self.close();
        let errors = self.reads.errors();
        match errors.first() {
            None => Ok(format!("{} reads", self.reads.answered())),
            Some(first) => Err(format!("{} readers saw an error, first {first:?}", errors.len())),
        }
    }

    /// The night has no secrets.
    fn executor(&self, home: &str) -> Executor {
        Executor::new(self.sandbox.path().with_file_name(home), [])
    }
}

impl Catalogue {
    /// Whether each server is open and what it weighs: its name, operational and administrative state, its weight and the one
    /// of the configuration.
    fn weights(&self) -> Vec<Vec<String>> {
        let told = self.sandbox.call(&["lb", "show servers state catalogue"]);
        let rows = told.lines().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        rows.filter(|row| row.len() > 9 && row[1] == "catalogue")
            .map(|row| [3, 5, 6, 7, 8].map(|column| row[column].clone()).to_vec())
            .collect()
    }

    /// Whether both sides are open and the cloud has about a tenth of the weight.
    fn is_at_10_percent(&self) -> bool {
        let weights = self.weights();
        let number = |text: &String| -> u32 { text.parse().unwrap() };
        // An odd administrative state is maintenance by order; the other bits say where one came from.
        let weight = |side: &str| {
            let row = weights.iter().find(|row| row[0] == side && number(&row[2]) % 2 == 0);
            row.map_or(0, |row| number(&row[3]))
        };
        (5..20).contains(&(weight("cloud") * 100 / weight("old").max(1)))
    }

    /// Begins a run, approves it, and waits until it has come to 10 %.
    fn climb(&self, home: &str) -> Executor {
        let mut executor = self.executor(home);
        self.begin(&mut executor, &self.sandbox.runbook());
        assert!(executor.wait_for("go-live", &["awaiting people", "awaiting_people"]), "{}", executor.log());
        let answer = executor.order(&["approve", "go-live"]);
        assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
        let end = Instant::now() + Duration::from_secs(120);
        while !self.is_at_10_percent() {
            assert!(
                Instant::now() < end && !executor.is_over(),
                "10 % was not reached: {:?}\n{}",
                self.weights(),
                executor.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        executor
    }

    /// How often the cloud answered 500, as its own log says.
    fn faults(&self) -> usize {
        let log = std::fs::read_to_string(self.sandbox.path().join("cloud/access.log")).unwrap();
        log.lines().filter(|line| line.starts_with("500 ")).count()
    }

    fn close(&mut self) {
        self.crew.take().unwrap().end();
    }
}

#[tokio::test]
async fn a_plain_night_ends_with_every_read_in_the_cloud_and_no_reader_saw_an_error() {
    if !here::<Catalogue>() {
        return;
    }
    let mut catalogue = Catalogue::open();
    catalogue.serves(200);
    assert_eq!(catalogue.reads.by("cloud"), 0);
    let mut executor = catalogue.executor("plain");
    catalogue.begin(&mut executor, &catalogue.sandbox.runbook());
    let told = NO_TROUBLE.tell(&mut executor);
    assert_eq!(told.ended.code, 0, "{}", told.ended.account);
    for share in ["1%", "10%", "100%"] {
        assert!(executor.log().contains(&format!("at {share}: ")), "{share} was not held to the gate:\n{}", told.ended.account);
    }
    let old = catalogue.reads.by("old");
    catalogue.serves(200);
    // A read that was under way at the last change may have been the old side's.
    assert!(catalogue.reads.by("old") <= old + 10, "the old side is still read");
    catalogue.settle(Side::New).await.unwrap();
}

#[test]
fn a_gate_that_fails_at_10_percent_takes_the_reads_back_and_readers_saw_the_fault_only() {
    if !here::<Catalogue>() {
        return;
    }
    let mut catalogue = Catalogue::open();
    catalogue.serves(200);
    let before = catalogue.state();
    let mut executor = catalogue.climb("gate");
    catalogue.sandbox.call(&["break"]);
    let ended = executor.end(Duration::from_secs(240));
    assert_eq!(ended.code, 4, "{}", ended.account);
    assert!(executor.log().contains("the gate failed at 10%"), "{}", ended.account);
    assert_eq!(catalogue.state(), before, "{}", ended.account);
    let cloud = (catalogue.reads.by("cloud"), catalogue.faults());
    catalogue.serves(500);
    catalogue.close();
    // A read that was under way when the weights went back is still the cloud's.
    assert!(catalogue.faults() <= cloud.1 + 10 && catalogue.reads.by("cloud") == cloud.0, "the cloud is still read");
    let (faults, errors) = (catalogue.faults(), catalogue.reads.errors());
    assert!(faults > 0, "the fault never fired");
    assert!(errors.iter().all(|error| error.status == 500 && error.side == "cloud"), "{errors:?}");
    assert_eq!(errors.len(), faults, "each error is an answer of the broken side");
}

#[tokio::test]
async fn killed_at_10_percent_a_person_is_asked_and_the_way_back_leads_to_where_the_reads_were() {
    if !here::<Catalogue>() {
        return;
    }
    let mut catalogue = Catalogue::open();
    let before = catalogue.state();
    let mut executor = catalogue.climb("killed");
    executor.kill();
    assert!(catalogue.is_at_10_percent(), "a killed executor leaves the share as it is: {:?}", catalogue.weights());
    executor.resume();
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let evidence = "a tenth of the reads goes to the cloud";
        let answer = executor.order(&["resolve", "ramp", "--as", "partial", "--evidence", evidence]);
        if answer.status.success() {
            break;
        }
        assert!(Instant::now() < end, "{}\n{}", String::from_utf8_lossy(&answer.stderr), executor.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    let ended = executor.end(Duration::from_secs(240));
    assert_eq!(ended.code, 4, "{}", ended.account);
    assert!(executor.log().contains("partly applied"), "{}", ended.account);
    assert_eq!(catalogue.state(), before, "{}", ended.account);
    catalogue.serves(200);
    catalogue.settle(Side::Old).await.unwrap();
}

#[tokio::test]
async fn failed_after_every_step_the_reads_are_where_they_were() {
    let Some((catalogue, _)) = rolls_back_everywhere::<Catalogue>(failed_after).await else { return };
    assert!(catalogue.reads.by("cloud") > 0, "nothing was ever read from the cloud");
}

#[tokio::test]
async fn killed_in_every_step_and_in_the_way_back_the_reads_are_where_they_were() {
    let Some((catalogue, kills)) = rolls_back_everywhere::<Catalogue>(killed_both_ways).await else { return };
    assert!(catalogue.reads.by("cloud") > 0, "nothing was ever read from the cloud");
    assert!(kills >= 3, "only {kills} kills hit a step at work");
}
