//! A condition over the variables of one search.

/// A condition. Words are sets of variables.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    /// All of these variables are true.
    True(u64),
    /// Some of these variables is false.
    Open(u64),
    /// A point of no return was touched.
    Passed,
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

impl Condition {
    pub fn holds(&self, world: u64, passed: bool) -> bool {
        match self {
            Self::True(vars) => world & vars == *vars,
            Self::Open(vars) => world & vars != *vars,
            Self::Passed => passed,
            Self::Not(inner) => !inner.holds(world, passed),
            Self::All(parts) => parts.iter().all(|part| part.holds(world, passed)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(world, passed)),
        }
    }

    /// Not this one.
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }
}
