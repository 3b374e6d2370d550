//! What can be wrong with one record whose session is known: a file for each family of checks, all of them pure but for bars,
//! which come through [`Recompute`]. Called by [`super::audit`].

mod bars;
mod completeness;
mod copies;
mod extremes;
mod own_periods;
mod periods;
mod prices;
mod returns;
mod single_prints;
mod subject;
mod value_area;
mod volume;

#[cfg(test)]
mod tests;

pub use bars::{Measure, Recompute, Recomputed};
pub use subject::Subject;

use super::code::Finding;
use super::row_height::RowHeight;
use super::survey::OfArchive;
use crate::Result;

/// All checks of a record, in the order in which one explains the next. Says whether it was compared with `bars`.
///
/// # Errors
/// Those of `bars`.
pub fn check(
    subject: &Subject<'_>,
    archive: &OfArchive,
    bars: Option<&dyn Recompute>,
    findings: &mut Vec<Finding>,
) -> Result<bool> {
    completeness::check(subject, findings);
    prices::check(subject, archive, findings);
    value_area::check(subject, findings);
    periods::check(subject, findings);
    single_prints::check(subject, findings);
    extremes::check(subject, findings);
    returns::check(subject, findings);
    volume::check(subject, archive, findings);
    copies::check(subject, archive, findings);
    own_periods::check(subject, bars.map_or_else(RowHeight::default, Recompute::rows), findings);
    bars.map_or(Ok(false), |bars| bars::check(subject, bars, findings))
}
