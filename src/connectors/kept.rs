//! Sessions that wait for the next verb, so that a step does not open one for each of its verbs while nobody may write.
//!
//! A session comes here only after a verb has ended it in good order, and set back to how it was when it was opened; one that met
//! an error is never seen again. Who takes one asks the server something before relying on it. None waits longer than 20 seconds.

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::Target;

/// How long a session waits for its next verb, before it is ended.
const REST: Duration = Duration::from_secs(20);

/// How many sessions with one target wait at most.
const MOST: usize = 4;

/// A session that can wait.
#[async_trait]
pub trait Session: Any + Send {
    /// Says goodbye to the server.
    async fn end(self: Box<Self>);
}

/// The sessions of one run that wait.
#[derive(Clone)]
pub struct Kept {
    waiting: Arc<Mutex<Waiting>>,
    rest: Duration,
    most: usize,
}

#[derive(Default)]
struct Waiting {
    sessions: Vec<Resting>,
    next: u64,
}

struct Resting {
    number: u64,
    target: Target,
    session: Box<dyn Session>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { waiting: Arc::default(), rest: REST, most: MOST }
    }
}

impl Kept {
    /// For calls whose verbs shall open sessions of their own, each time.
    pub fn nothing() -> Self {
        Self { most: 0, ..Self::default() }
    }

    /// A session with exactly this target, its settings included; the one that has waited for the shortest time.
    pub fn take<S: Session>(&self, target: &Target) -> Option<S> {
        let mut waiting = self.waiting();
        let fits = |resting: &Resting| (&*resting.session as &dyn Any).is::<S>() && resting.target == *target;
        let at = waiting.sessions.iter().rposition(fits)?;
        let session: Box<dyn Any> = waiting.sessions.remove(at).session;
        session.downcast::<S>().ok().map(|session| *session)
    }

    /// Whether one more session with this target may wait.
    pub fn has_room(&self, target: &Target) -> bool {
        self.waiting().sessions.iter().filter(|resting| resting.target == *target).count() < self.most
    }

    /// Lets a session wait for the next verb with its target; ends it where there is no room.
    pub async fn keep<S: Session>(&self, target: &Target, session: S) {
        match self.admit(target, Box::new(session)) {
            Err(session) => session.end().await,
            Ok(number) => {
                let kept = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(kept.rest).await;
                    kept.end_where(|resting| resting.number == number).await;
                });
            }
        }
    }

    /// Its number among those that wait; back with it where enough do.
    fn admit(&self, target: &Target, session: Box<dyn Session>) -> Result<u64, Box<dyn Session>> {
        if !self.has_room(target) {
            return Err(session);
        }
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.sessions.push(Resting { number, target: target.clone(), session });
        Ok(number)
    }

    /// Ends all that wait: the run is over, or its executor lets go of it.
    pub async fn end(&self) {
        self.end_where(|_| true).await;
    }

    async fn end_where(&self, which: impl Fn(&Resting) -> bool) {
        let ended: Vec<_> = self.waiting().sessions.extract_if(.., |resting| which(resting)).collect();
        for resting in ended {
            resting.session.end().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that can panic happens under the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept({} sessions)", self.waiting().sessions.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::model::{Arguments, TargetName};

    struct Counted(Arc<AtomicUsize>);

    #[async_trait]
    impl Session for Counted {
        async fn end(self: Box<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn target(password: &str) -> Target {
        let settings = serde_json::json!({ "url": "mysql://127.0.0.1", "password": password });
        let settings = Arguments::new(settings.as_object().cloned().unwrap_or_default());
        Target { name: TargetName::new("old"), connector: "mysql".to_owned(), settings }
    }

    #[tokio::test]
    async fn a_session_is_taken_once_and_only_for_the_same_settings() {
        let (kept, ended) = (Kept::default(), Arc::new(AtomicUsize::new(0)));
        kept.keep(&target("a"), Counted(ended.clone())).await;
        assert!(kept.take::<Counted>(&target("b")).is_none());
        assert!(kept.take::<Counted>(&target("a")).is_some());
        assert!(kept.take::<Counted>(&target("a")).is_none());
        let nothing = Kept::nothing();
        nothing.keep(&target("a"), Counted(ended.clone())).await;
        assert!(nothing.take::<Counted>(&target("a")).is_none());
        assert_eq!(ended.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn none_waits_for_ever_and_not_too_many_wait() {
        let (kept, ended) = (Kept::default(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..=MOST {
            kept.keep(&target("a"), Counted(ended.clone())).await;
        }
        assert_eq!(ended.load(Ordering::Relaxed), 1, "the one too many");
        kept.end().await;
        assert_eq!(ended.load(Ordering::Relaxed), MOST + 1);

        let hurried = Kept { rest: Duration::from_millis(1), ..Kept::default() };
        hurried.keep(&target("a"), Counted(ended.clone())).await;
        while ended.load(Ordering::Relaxed) == MOST + 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(hurried.take::<Counted>(&target("a")).is_none());
    }
}
