//! The people of a night: who they are, which roles they have, how they are recognised.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, PersonId, RoleName};

/// Persons by id, as the roster file named them when the plan was made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Roster {
    /// The persons.
    pub persons: BTreeMap<PersonId, Person>,
    /// The keys with which they sign: an OpenSSH `allowed_signers` file whose principals are the ids of persons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_signers: Option<KeyFile>,
    /// The public keys that no longer count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_keys: Option<KeyFile>,
    /// Login names under which a console runs: it says who signed in there, and is believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consoles: Vec<String>,
    /// The roster file itself and the digest over it and its files of keys, where it was read from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pinned>,
}

/// A file of keys that the roster names, with its whole text.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct KeyFile {
    /// Where it is, as the roster says it.
    pub path: String,
    /// What it holds.
    #[serde(default)]
    pub text: String,
}

/// Which roster file this is, and what it held.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pinned {
    /// The roster file, as the runbook says it.
    pub path: String,
    /// The digest over its bytes and those of its files of keys.
    pub digest: Digest,
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
    /// The addresses under which this person commits to git.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
    /// Who may decide in this person's roles when this person does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deputies: Vec<PersonId>,
}

impl Roster {
    /// The person who commits to git under this address.
    pub fn committing_as(&self, address: &str) -> Option<&PersonId> {
        let has = |person: &Person| person.emails.iter().any(|email| email.eq_ignore_ascii_case(address));
        self.persons.iter().find(|(_, person)| has(person)).map(|(id, _)| id)
    }

    /// The roles of a person; none of whom it does not know.
    pub fn roles_of(&self, person: &PersonId) -> Vec<RoleName> {
        self.persons.get(person).map(|person| person.roles.clone()).unwrap_or_default()
    }

    /// Whether any person has `role`.
    pub fn has_role(&self, role: &RoleName) -> bool {
        self.persons.values().any(|person| person.roles.contains(role))
    }

    /// Whether decisions are signed by default.
    pub const fn has_signers(&self) -> bool {
        self.allowed_signers.is_some()
    }

    /// Whether this person may decide in this role: of their own, or as the deputy of `absent`.
    ///
    /// # Errors
    /// Why not.
    pub fn may_act(&self, person: &PersonId, role: &RoleName, absent: Option<&PersonId>) -> Result<(), String> {
        if !self.persons.contains_key(person) {
            return Err(format!("{person} is no person of the roster"));
        }
        let holder = absent.unwrap_or(person);
        let holds = self.persons.get(holder).is_some_and(|holder| holder.roles.contains(role));
        if !holds {
            return Err(format!("{holder} does not have the role {role}"));
        }
        let stands_in = |absent: &PersonId| self.persons.get(absent).is_some_and(|holder| holder.deputies.contains(person));
        match absent {
            Some(absent) if !stands_in(absent) => Err(format!("{person} is no deputy of {absent}")),
            Some(_) | None => Ok(()),
        }
    }
}
