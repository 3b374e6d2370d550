//! Captures to partitions, for every room alike. A room's [`Recipe`] says what its captures and datasets are, when a date is
//! over, and makes partitions of what was captured by pure functions; everything else is here.
//!
//! [`plan()`] decides from listings what to look at, [`Compactor`] fetches, has the recipe derive, and publishes; then it brings
//! the years up to date in which the days lie. Safe to kill anywhere and to run twice at once: the loser of a conditional put
//! reads again and decides again. [`Follower`] does it every minute, parsing each capture once. [`Compactor::remake_day`] is
//! the way of repair, which trusts nothing that stands there. Nothing here knows what a row is.

mod compactor;
mod day;
mod follow;
mod plan;
mod recipe;
mod remake;
mod shelf;
mod year;

#[cfg(test)]
mod tests;

pub use compactor::{CompactOptions, Compactor, Outcome};
pub use follow::{Follower, follow};
pub use plan::{Day, Selection, Why, plan, replaceable, stale};
pub use recipe::{Captured, Derived, Parsed, Parts, Recipe, YearTable, is_later_version};
pub use year::{Brought, Scope, YearStep, YearTask};
