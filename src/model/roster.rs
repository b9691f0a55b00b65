//! The people of a night: who they are, which roles they have, how they are recognised.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PersonId, RoleName};

/// Persons by id, as the roster file named them when the plan was made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Roster {
    /// The persons.
    pub persons: BTreeMap<PersonId, Person>,
}

/// One person of the roster.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Person {
    /// The name as people say it.
    pub name: String,
    /// What this person may decide.
    #[serde(default)]
    pub roles: Vec<RoleName>,
    /// Login names on the executor's host that are this person.
    #[serde(default)]
    pub local_users: Vec<String>,
    /// Public keys, one line each as in an `authorized_keys` file.
    #[serde(default)]
    pub keys: Vec<String>,
}

impl Roster {
    /// Whether any person has `role`.
    pub fn has_role(&self, role: &RoleName) -> bool {
        self.persons.values().any(|person| person.roles.contains(role))
    }
}
