//! Names that people type: steps, runs, targets, persons, roles.
//!
//! Each is a type of its own, so that a target can never be passed where a step is meant. Cloning is cheap.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Wraps a name that was already checked, or that is only compared.
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(Arc::from(text.as_ref()))
            }

            /// The name as it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// A step of a runbook, unique over `steps`, `rollback.steps` and `finally`; an item of a `foreach` step is
    /// `step[item]`.
    StepId
}
name! {
    /// One run of a plan: the runbook's name, the day, and a random tail.
    RunId
}
name! {
    /// A target as the runbook names it.
    TargetName
}
name! {
    /// A person of the roster.
    PersonId
}
name! {
    /// A role that the roster gives to persons.
    RoleName
}

/// Whether `text` is a well-formed name: `[a-z][a-z0-9_-]*`, at most 64 characters.
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 64
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// Whether `text` can be the item in `step[item]`: 1 to 64 printable characters without brackets, braces, quotes or spaces.
pub fn is_item(text: &str) -> bool {
    let allowed = |c: char| !c.is_whitespace() && !c.is_control() && !"[]{}\"'`\\".contains(c);
    !text.is_empty() && text.chars().count() <= 64 && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_are_lower_case_words_with_hyphens() {
        for good in ["a", "freeze-old", "x_1", "a-b-c9"] {
            assert!(is_name(good), "{good} should be a name");
        }
        for bad in ["", "A", "1a", "-a", "a b", "a.b", "ä", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad} should not be a name");
        }
    }
}
