//! The old archive brought into the lake: `pitlake migrate legacy-tpo`. Every original becomes a capture first; then each record has
//! one [`Fate`], and what may be a row of `profiles` becomes one by the rules of [`crate::profile::tables`].
//!
//! Nothing is remembered between runs: ids of captures come from what is in them, and a row that is there already is found there.
//! So a second run changes nothing, and one that was killed is finished by the next. The archive itself is only read.

mod bars;
mod fate;
mod original;
mod reconciliation;
mod undo;
mod work;

#[cfg(test)]
mod fate_tests;

pub use bars::KnownDays;
pub use fate::Fate;
pub use reconciliation::{Accounted, Reconciliation, Series};
pub use undo::undo;
pub use work::{Migration, Outcome};
