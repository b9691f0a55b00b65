//! Who this process acts for: the user id that the kernel vouches for, and the person behind it.

use nix::unistd::Uid;

use crate::authority::{Claim, Unrecognised, recognise};
pub use crate::log::diary::login;
use crate::model::{Actor, Roster};
use crate::run::Command;

/// The principal behind this process.
///
/// # Errors
/// When the claim and the roster do not agree.
pub fn whoami(roster: Option<&Roster>, claim: &Claim) -> Result<Actor, Unrecognised> {
    principal(roster, Uid::current().as_raw(), claim)
}

/// The principal behind a user id.
fn principal(roster: Option<&Roster>, uid: u32, claim: &Claim) -> Result<Actor, Unrecognised> {
    recognise(roster, uid, &login(uid), claim)
}

/// The user id behind an order, as far as it matters: whoever brings a signed statement needs no name here, since the statement
/// says whose decision it is.
pub(super) fn giver(command: &Command, roster: Option<&Roster>, uid: u32, claim: &Claim) -> Result<Actor, Unrecognised> {
    match command {
        Command::Submit(_) => principal(None, uid, &Claim::Whoever),
        _ => principal(roster, uid, claim),
    }
}
