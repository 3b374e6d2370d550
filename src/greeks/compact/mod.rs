//! Captures to partitions. [`plan()`] decides from listings, [`derive()`] is a pure function of captures, calculation version and
//! settings, [`Compactor`] fetches and publishes. Safe to kill anywhere and to run twice at once: the loser of a
//! conditional put reads again and decides again. [`Follower`] does it every minute, parsing each capture once.

pub(super) mod batches;
mod derive;
mod execute;
mod follow;
mod parsed;
mod plan;
mod shelf;
pub mod year;

pub use derive::{Captured, Derived, assemble, calculation, derive};
pub use execute::{CompactOptions, Compactor, Outcome};
pub use follow::Follower;
pub use parsed::{ParsedCapture, parse};
pub use plan::{Day, Selection, Why, plan, replaceable, stale};
