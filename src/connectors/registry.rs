//! Which action is served by which hand: one explicit list.

use std::collections::HashMap;
use std::sync::Arc;

use super::guarded::Guarded;
#[cfg(feature = "http")]
use super::http;
#[cfg(feature = "sqlite")]
use super::sqlite;
use super::{Act, Inspect, command, file, tables, wait};

/// The right to change systems. Only the live engine makes one; a dry run has none, so it cannot reach [`Act`].
#[derive(Debug)]
pub struct LivePermit(());

impl LivePermit {
    /// Made once, by the live engine.
    pub(crate) const fn for_live_engine() -> Self {
        Self(())
    }
}

/// The actions by name.
#[derive(Clone, Default)]
pub struct Registry {
    actions: HashMap<&'static str, Arc<dyn Act>>,
}

impl Registry {
    /// Every action of this build.
    pub fn standard() -> Self {
        let mut registry = Self::default();
        registry.add(command::Command);
        registry.add(command::CommandCheck);
        registry.add(file::SwitchFile);
        registry.add(tables::CheckTables);
        registry.add(wait::WaitUntil);
        #[cfg(feature = "http")]
        {
            registry.add(http::HttpRequest);
            registry.add(http::HttpCheck);
            registry.add(http::NotifyWebhook);
        }
        #[cfg(feature = "sqlite")]
        {
            registry.add(sqlite::FreezeWrites);
            registry.add(sqlite::AllowWrites);
            registry.add(sqlite::Drain);
            registry.add(sqlite::WaitFence);
            registry.add(sqlite::Query);
            registry.add(sqlite::Execute);
        }
        registry
    }

    /// Adds an action; its answers are redacted on their way out.
    ///
    /// # Panics
    /// When the name is taken: two hands for one action is a bug of this build.
    pub fn add(&mut self, action: impl Act + 'static) {
        let name = action.name();
        let taken = self.actions.insert(name, Arc::new(Guarded(action))).is_some();
        assert!(!taken, "invariant: the action {name} has one connector");
    }

    /// The looking half of an action.
    pub fn looking(&self, name: &str) -> Option<Arc<dyn Inspect>> {
        let action: Arc<dyn Inspect> = self.actions.get(name)?.clone();
        Some(action)
    }

    /// The whole action.
    pub fn acting(&self, name: &str, _permit: &LivePermit) -> Option<Arc<dyn Act>> {
        self.actions.get(name).cloned()
    }

    /// The names, sorted.
    pub fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.actions.keys().copied().collect();
        names.sort_unstable();
        names
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(feature = "http", feature = "sqlite"))]
    #[test]
    fn every_action_of_the_catalog_has_a_hand() {
        let mut cataloged: Vec<_> =
            crate::catalog::actions().filter(|action| !action.is_wait()).map(|action| action.name).collect();
        cataloged.sort_unstable();
        assert_eq!(super::Registry::standard().names(), cataloged);
    }
}
