//! The stories of a night that moves something from an old side to a new one: told at every step, on this and on the far side of
//! its point of no return.

use std::path::Path;

use serde_yaml::Value;

use crate::executor::Executor;
use crate::load::Verdict;
use crate::sandbox::Sandbox;
use crate::shop::Side;
use crate::story::{NO_TROUBLE, SABOTAGE, Story, colleague, is_alone, sabotaged, steps};

/// Clients at work in the sandbox of a night.
pub trait Night: Sized {
    /// The night's folder in `runbooks`.
    const NAME: &'static str;

    /// The programs of its servers, and the packages that they are in.
    const SERVERS: &'static [(&'static str, &'static str)];

    /// Its servers, and clients that write or read without a pause.
    fn open() -> Self;

    fn sandbox(&self) -> &Sandbox;

    /// Waits until this many more of its clients were served.
    fn serves(&self, more: usize);

    /// What must be the same before a night and after one that was rolled back.
    fn state(&self) -> Vec<String>;

    /// Ends the clients, and holds what they were told against what one side has. An error says what is not whole.
    async fn settle(&mut self, side: Side) -> Result<String, String>;

    /// An executor with the night's secrets and a home of its own.
    fn executor(&self, home: &str) -> Executor {
        Executor::new(self.sandbox().path().with_file_name(home), self.sandbox().secrets())
    }

    /// Begins a runbook on these servers.
    fn begin(&self, executor: &mut Executor, runbook: &Path) {
        executor.run(runbook, &self.sandbox().path().join("params.yaml"), &[]);
    }

    /// Begins the night that fails behind a step. A rehearsal must have said before how it ends.
    fn begin_sabotaged(&self, executor: &mut Executor, step: &str, end: (&str, &str)) {
        let (runbook, params) =
            (sabotaged(&self.sandbox().runbook(), step, &self.sandbox().path()), self.sandbox().path().join("params.yaml"));
        let (outcome, side) = executor.foretold(&runbook, &params, SABOTAGE);
        assert_eq!(
            (outcome.as_str(), side.as_str()),
            end,
            "a rehearsal foretells another end where {step} is followed by a failure"
        );
        self.begin(executor, &runbook);
    }
}

/// The verdict of a ledger in the words of a night.
pub fn whole(verdict: &Verdict) -> Result<String, String> {
    if verdict.is_whole() { Ok(format!("{verdict:?}")) } else { Err(format!("{verdict:?}")) }
}

/// Whether a night's servers can be started here.
pub fn here<N: Night>() -> bool {
    N::SERVERS.iter().all(|(program, package)| !crate::servers::missing(program, package))
}

/// The steps before the point of no return, and those from it on; none where a night has no such point.
pub fn sides<N: Night>() -> (Vec<String>, Vec<String>) {
    let runbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(N::NAME).join("runbook.yaml");
    let document: Value = serde_yaml::from_str(&std::fs::read_to_string(&runbook).unwrap()).unwrap();
    let mut before = steps(&runbook);
    let point = before.iter().position(|step| document["steps"][step.as_str()].get("point_of_no_return").is_some());
    let behind = before.split_off(point.unwrap_or(before.len()));
    assert!(before.len() >= 5, "{before:?} {behind:?}");
    (before, behind)
}

/// Tells a night in which all goes well, with clients before and after it. Answers the shop; none where a server is missing.
pub async fn ends_on_the_new_side<N: Night>() -> Option<N> {
    if !here::<N>() {
        return None;
    }
    let shop = N::open();
    shop.serves(500);
    let mut executor = shop.executor("plain");
    shop.begin(&mut executor, &shop.sandbox().runbook());
    let told = NO_TROUBLE.tell(&mut executor);
    assert_eq!(told.ended.code, 0, "{}", told.ended.account);
    shop.serves(500);
    Some(shop)
}

/// Tells a story at every step before the point of no return, on one shop: each ends rolled back with everything as it was, and the
/// shop serves. Answers the shop, and how many kills hit a step at work; none where a server is missing.
pub async fn rolls_back_everywhere<N: Night>(story: impl for<'a> Fn(&'a str) -> Story<'a>) -> Option<(N, usize)> {
    if !here::<N>() {
        return None;
    }
    let mut shop = N::open();
    shop.serves(200);
    let mut kills = 0;
    for (number, step) in sides::<N>().0.iter().enumerate() {
        let (story, before) = (story(step), shop.state());
        let mut executor = shop.executor(&format!("run-{number}"));
        shop.begin_sabotaged(&mut executor, step, ("rolled_back", "old"));
        let told = story.tell(&mut executor);
        assert_eq!(told.ended.code, 4, "{story:?}:\n{}", told.ended.account);
        if story.killed_in.is_none() {
            assert_eq!(executor.culprit().as_deref(), Some(SABOTAGE), "{}", told.ended.account);
        }
        assert_eq!(shop.state(), before, "{story:?}:\n{}", told.ended.account);
        shop.serves(50);
        kills += told.kills;
    }
    println!("{}", shop.settle(Side::Old).await.unwrap());
    Some((shop, kills))
}

/// Tells a story at the point of no return and at every step behind it, each on a shop of its own: it ends on the new side. Answers
/// how many kills hit a step at work; none where a server or a second login is missing.
pub async fn is_finished_everywhere<N: Night>(story: impl for<'a> Fn(&'a str) -> Story<'a>) -> Option<usize> {
    if !here::<N>() || is_alone() {
        return None;
    }
    let (mut kills, behind) = (0, sides::<N>().1);
    assert!(behind.len() >= 2, "{behind:?}");
    for step in behind {
        let (story, mut shop) = (story(&step), N::open());
        shop.serves(100);
        let mut executor = shop.executor("run");
        executor.share(&colleague());
        shop.begin_sabotaged(&mut executor, &step, ("succeeded", "new"));
        let told = story.tell(&mut executor);
        assert_eq!(told.ended.code, 0, "{story:?}:\n{}", told.ended.account);
        shop.serves(100);
        shop.settle(Side::New).await.unwrap_or_else(|why| panic!("{story:?}: {why}\n{}", told.ended.account));
        kills += told.kills;
    }
    Some(kills)
}
