//! Who may call what. Every route names its [`Access`]; there is no route without one.

use crate::authority::{Claim, SignedIn};
use crate::model::PersonId;

/// What a route asks of whoever calls it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Nothing: the pages themselves, and signing in.
    Anybody,
    /// A session.
    Viewer,
    /// A session of somebody who may act.
    Operator,
    /// The token of whoever collects figures, or a session.
    Collector,
}

impl Access {
    /// The word of the API's description.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Anybody => "anybody",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Collector => "collector",
        }
    }
}

/// What a session may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum May {
    /// Look.
    View,
    /// Look and act. What an order asks for beyond that, the run says.
    Operate,
}

impl May {
    /// The word of the file of users.
    pub const fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Operate => "operate",
        }
    }
}

/// How somebody signed in who gave a password.
pub const PASSWORD: &str = "password";

/// How whoever started the console signed in.
pub const LINK: &str = "link";

/// Whom a session is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// Whoever started the console: the ticket that was printed there came back.
    Starter {
        /// Their login name.
        login: String,
    },
    /// Somebody who signed in, by the name that the roster knows.
    Person {
        /// The person.
        person: PersonId,
        /// How: `password`, or the address of an identity provider.
        how: String,
    },
}

/// Somebody with a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Visitor {
    /// Whom it is for.
    pub who: Who,
    /// What they may do.
    pub may: May,
    /// What every changing request has to carry.
    pub csrf: String,
}

impl Visitor {
    /// The name that is shown.
    pub fn name(&self) -> &str {
        match &self.who {
            Who::Starter { login } => login,
            Who::Person { person, .. } => person.as_str(),
        }
    }

    /// How they signed in.
    pub fn how(&self) -> &str {
        match &self.who {
            Who::Starter { .. } => LINK,
            Who::Person { how, .. } => how,
        }
    }

    /// What an order says about its giver. The run's executor holds it against the roster.
    pub fn claim(&self) -> Claim {
        match &self.who {
            Who::Starter { .. } => Claim::Whoever,
            Who::Person { person, how } => Claim::SignedIn(SignedIn { person: person.clone(), how: how.clone() }),
        }
    }
}
