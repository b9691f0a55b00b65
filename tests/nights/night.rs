//! The stories of a night that moves a shop from an old side to a new one: told at every step, on this and on the far side of its
//! point of no return.

use std::path::Path;

use serde_yaml::Value;

use crate::executor::Executor;
use crate::load::Verdict;
use crate::sandbox::Sandbox;
use crate::shop::Side;
use crate::story::{SABOTAGE, Story, colleague, sabotaged, steps};

/// A shop at work in the sandbox of a night.
pub trait Night: Sized {
    /// The night's folder in `runbooks`.
    const NAME: &'static str;

    /// Its servers, and clients that write without a pause.
    fn open() -> Self;

    fn sandbox(&self) -> &Sandbox;

    /// Waits until this many more writes were acknowledged.
    fn sells(&self, more: usize);

    /// What must be the same before a night and after one that was rolled back.
    fn state(&self) -> Vec<String>;

    /// Ends the clients, and holds what they were told against what one side has.
    async fn close(&mut self, side: Side) -> Verdict;

    /// An executor with the night's secrets and a home of its own.
    fn executor(&self, home: &str) -> Executor {
        Executor::new(self.sandbox().path().with_file_name(home), self.sandbox().secrets())
    }

    /// Begins a runbook on these servers.
    fn begin(&self, executor: &mut Executor, runbook: &Path) {
        executor.run(runbook, &self.sandbox().path().join("params.yaml"), &[]);
    }
}

/// The steps before the point of no return, and those from it on.
pub fn sides<N: Night>() -> (Vec<String>, Vec<String>) {
    let runbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(N::NAME).join("runbook.yaml");
    let document: Value = serde_yaml::from_str(&std::fs::read_to_string(&runbook).unwrap()).unwrap();
    let mut before = steps(&runbook);
    let point = before.iter().position(|step| document["steps"][step.as_str()].get("point_of_no_return").is_some()).unwrap();
    let behind = before.split_off(point);
    assert!(before.len() >= 8 && behind.len() >= 2, "{before:?} {behind:?}");
    (before, behind)
}

/// Tells a story at every step before the point of no return, on one shop: each ends rolled back with everything as it was, and the
/// shop sells. Answers how many kills hit a step at work.
pub async fn rolls_back_everywhere<N: Night>(story: impl for<'a> Fn(&'a str) -> Story<'a>) -> usize {
    let mut shop = N::open();
    shop.sells(200);
    let mut kills = 0;
    for (number, step) in sides::<N>().0.iter().enumerate() {
        let (story, before, folder) = (story(step), shop.state(), shop.sandbox().path());
        let mut executor = shop.executor(&format!("run-{number}"));
        shop.begin(&mut executor, &sabotaged(&shop.sandbox().runbook(), step, &folder));
        let told = story.tell(&mut executor);
        assert_eq!(told.ended.code, 4, "{story:?}:\n{}", told.ended.account);
        if story.killed_in.is_none() {
            assert_eq!(executor.culprit().as_deref(), Some(SABOTAGE), "{}", told.ended.account);
        }
        assert_eq!(shop.state(), before, "{story:?}:\n{}", told.ended.account);
        shop.sells(50);
        kills += told.kills;
    }
    let verdict = shop.close(Side::Old).await;
    assert!(verdict.is_whole(), "{verdict:?}");
    println!("{verdict:?}");
    kills
}

/// Tells a story at the point of no return and at every step behind it, each on a shop of its own: it ends on the new side. Answers
/// how many kills hit a step at work.
pub async fn is_finished_everywhere<N: Night>(story: impl for<'a> Fn(&'a str) -> Story<'a>) -> usize {
    let mut kills = 0;
    for step in sides::<N>().1 {
        let (story, mut shop) = (story(&step), N::open());
        shop.sells(100);
        let mut executor = shop.executor("run");
        executor.share(&colleague());
        shop.begin(&mut executor, &sabotaged(&shop.sandbox().runbook(), &step, &shop.sandbox().path()));
        let told = story.tell(&mut executor);
        assert_eq!(told.ended.code, 0, "{story:?}:\n{}", told.ended.account);
        shop.sells(100);
        let verdict = shop.close(Side::New).await;
        assert!(verdict.is_whole(), "{story:?}: {verdict:?}\n{}", told.ended.account);
        kills += told.kills;
    }
    kills
}
