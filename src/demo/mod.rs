//! A small live shop that a runbook moves from one database to another, and the checks of how the move ended.
//!
//! The shop is real in the ways that matter to a cutover: its processes know nothing of Pointsman, they are not its children,
//! and what they acknowledged is written down by themselves. The verdict compares that ledger with the databases, so the
//! demo never has to believe what an executor says about itself.

#[cfg(feature = "sqlite")]
pub mod crew;
#[cfg(feature = "sqlite")]
pub mod executor;
#[cfg(feature = "sqlite")]
pub mod mischief;
#[cfg(feature = "sqlite")]
pub mod night;
#[cfg(feature = "sqlite")]
pub mod shop;
#[cfg(feature = "sqlite")]
pub mod story;
#[cfg(feature = "sqlite")]
pub mod verdict;
#[cfg(feature = "sqlite")]
pub mod watch;

#[cfg(feature = "sqlite")]
pub use night::{Ending, Manner, NightError, Wish, live};
#[cfg(feature = "sqlite")]
pub use shop::{Control, Folder, Role, ShopError, Side};
#[cfg(feature = "sqlite")]
pub use story::Story;
#[cfg(feature = "sqlite")]
pub use verdict::Verdict;
