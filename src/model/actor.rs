//! Who did something, and how we know that it was them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{PersonId, RoleName};

/// An authenticated principal; never a free-text name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Actor {
    /// The person of the roster, when the principal is one.
    pub person: Option<PersonId>,
    /// The roles that the roster gave this person at that moment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleName>,
    /// The person for whom this one acts as a deputy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deputy_for: Option<PersonId>,
    /// How the principal was authenticated.
    pub by: Authentication,
}

/// The way in which a principal was authenticated.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// The user id that the kernel reports for the process that asked, and that user's login name.
    LocalUser {
        /// The numeric user id.
        uid: u32,
        /// The login name, or the number where the machine has no name for it.
        login: String,
    },
    /// A console that the roster trusts says who signed in there.
    Console {
        /// The numeric user id under which the console runs.
        uid: u32,
        /// Its login name.
        login: String,
        /// Who signed in.
        user: String,
        /// How they did: `password`, or the address of an identity provider.
        how: String,
    },
    /// The executor itself, by rule and not by a person.
    Executor,
    /// A signature over the exact bytes of a statement.
    Signature {
        /// The fingerprint of the key.
        key: String,
        /// The armoured signature.
        signature: String,
        /// The exact text that was signed.
        #[serde(default)]
        statement: String,
    },
}

impl Actor {
    /// The executor acting by a rule of the plan.
    pub const fn executor() -> Self {
        Self { person: None, roles: Vec::new(), deputy_for: None, by: Authentication::Executor }
    }

    /// A local user, with no entry in a roster.
    pub fn local(uid: u32, login: impl Into<String>) -> Self {
        Self { person: None, roles: Vec::new(), deputy_for: None, by: Authentication::LocalUser { uid, login: login.into() } }
    }

    /// The text and the armour of the signature, where the principal signed.
    pub fn signed(&self) -> Option<(&str, &str)> {
        match &self.by {
            Authentication::Signature { signature, statement, .. } => Some((statement, signature)),
            Authentication::LocalUser { .. } | Authentication::Console { .. } | Authentication::Executor => None,
        }
    }

    /// The name under which quorum counts this principal: the person, else the login.
    pub fn name(&self) -> &str {
        match (&self.person, &self.by) {
            (Some(person), _) => person.as_str(),
            (None, Authentication::LocalUser { login, .. }) => login,
            (None, Authentication::Console { user, .. }) => user,
            (None, Authentication::Executor) => "pointsman",
            (None, Authentication::Signature { key, .. }) => key,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.principal(f)?;
        self.deputy_for.as_ref().map_or(Ok(()), |absent| write!(f, ", deputy of {absent}"))
    }
}

impl Actor {
    fn principal(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Authentication::LocalUser { uid, login } if self.person.is_some() => {
                write!(f, "{} (local user {login}, uid {uid})", self.name())
            }
            Authentication::LocalUser { uid, login } => write!(f, "local user {login} (uid {uid})"),
            Authentication::Console { login, user, how, .. } => {
                write!(f, "{} (signed in as {user} by {how}, says the console of {login})", self.name())
            }
            Authentication::Executor => f.write_str("pointsman"),
            Authentication::Signature { key, .. } => write!(f, "{} (SSH signature, key {key})", self.name()),
        }
    }
}
