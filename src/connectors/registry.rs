//! Which action is served by which hand: one explicit list.

use std::collections::HashMap;
use std::sync::Arc;

use super::guarded::Guarded;
use super::{Act, Inspect};

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
        super::command::register(&mut registry);
        super::file::register(&mut registry);
        super::tables::register(&mut registry);
        super::wait::register(&mut registry);
        super::haproxy::register(&mut registry);
        super::nginx::register(&mut registry);
        #[cfg(feature = "http")]
        super::http::register(&mut registry);
        #[cfg(feature = "sqlite")]
        super::sqlite::register(&mut registry);
        #[cfg(feature = "mysql")]
        super::mysql::register(&mut registry);
        #[cfg(feature = "postgres")]
        super::postgres::register(&mut registry);
        #[cfg(feature = "postgres")]
        super::pgbouncer::register(&mut registry);
        #[cfg(feature = "redis")]
        super::redis::register(&mut registry);
        #[cfg(feature = "rabbitmq")]
        super::rabbitmq::register(&mut registry);
        #[cfg(feature = "ssh")]
        super::ssh::register(&mut registry);
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

    /// The feature of this package that serves an action, where this build was made without it.
    pub fn absent(&self, action: &str) -> Option<&'static str> {
        let spec = crate::catalog::action(action)?;
        if spec.is_wait() || self.actions.contains_key(action) {
            return None;
        }
        Some(match spec.name.split('.').next().unwrap_or_default() {
            "http" | "notify" => "http",
            "sqlite" => "sqlite",
            "mysql" => "mysql",
            "postgres" | "pgbouncer" => "postgres",
            "redis" | "check" => "redis",
            "rabbitmq" => "rabbitmq",
            _ => "ssh",
        })
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
    #[test]
    fn a_build_names_the_feature_that_it_lacks() {
        let registry = super::Registry::standard();
        for spec in crate::catalog::actions() {
            let served = spec.is_wait() || registry.looking(spec.name).is_some();
            assert_eq!(registry.absent(spec.name).is_none(), served, "{}", spec.name);
        }
        assert_eq!(super::Registry::default().absent("http.request"), Some("http"));
        assert_eq!(super::Registry::default().absent("no.such"), None);
    }

    #[cfg(feature = "full")]
    #[test]
    fn every_action_of_the_catalog_has_a_hand() {
        let mut cataloged: Vec<_> =
            crate::catalog::actions().filter(|action| !action.is_wait()).map(|action| action.name).collect();
        cataloged.sort_unstable();
        assert_eq!(super::Registry::standard().names(), cataloged);
    }
}
