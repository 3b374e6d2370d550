//! Profiles from bars. [`plan()`] says from the bars' index of a year and from what stands in `profiles` which dates have to be
//! computed and why; [`Year`] reads their bars, has the engine compute every session, and writes through
//! [`super::tables`]. Called after the bars of a year were compacted, and by `pitlake recalculate`.

mod make;
mod plan;
mod step;
mod year;

pub use make::{Made, of_day};
pub use plan::{Due, Present, Why, plan};
pub use step::{Profiles, bring, catalog, every_year, left, remake};
pub use year::{Computed, Which, Year};
