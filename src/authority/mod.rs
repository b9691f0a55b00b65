//! Who may decide: persons are recognised here by how they authenticated, never by a name they type.

pub mod passkey;
pub mod recognise;
pub mod signature;
pub mod signers;
pub mod statement;
pub mod verify;

pub use recognise::{Claim, SignedIn, Unrecognised, recognise};
pub use statement::{Decision, NAMESPACE, Statement};
pub use verify::{Signed, Unsigned, key_still_holds, verify};
