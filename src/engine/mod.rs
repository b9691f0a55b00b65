//! The only imperative room: drives a run with journal, connectors and clock.
//!
//! Everything it decides, it asks the state machine for; everything it changes is an effect whose records are durable.

pub mod calls;
pub mod clock;
pub mod draft;
pub mod earlier;
pub mod editor;
pub mod error;
pub mod executor;
pub mod follow;
pub mod history;
pub mod home;
pub mod identity;
pub mod load;
pub mod logbook;
pub mod message;
pub mod notary;
pub mod observer;
pub mod order;
pub mod rehearsed;

mod batch;
mod dry_runs;
mod ears;
mod hands;
mod pen;
mod people;
mod run_name;
mod secrets;
mod socket;
mod sync_due;
mod target_lock;
mod watches;

pub use calls::Calls;
pub use draft::{Draft, DraftError};
pub use earlier::last_approved;
pub use error::EngineError;
pub use executor::{Ending, Executor};
pub use follow::Follow;
pub use history::history;
pub use home::Home;
pub use identity::whoami;
pub use load::{is_live, load};
pub use observer::Observer;
pub use order::{Ordered, order};
pub use people::{RosterFiles, check_signers, read_roster};
pub use rehearsed::rehearsal_of;
pub use secrets::secret_at;
