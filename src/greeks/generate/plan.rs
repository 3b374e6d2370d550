//! In which order the snapshots of a session stand in the file. Called by [`super::write`]; [`super::defects`] fills it. An
//! empty plan is a clean day: minutes in order, and in each the expirations in order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::day::Day;
use super::snapshot::Snapshot;

/// Minute and expiration, by index.
pub type Cell = (usize, usize);

/// Departures from a clean day.
#[derive(Debug, Default)]
pub struct Plan {
    /// Minutes that are not there at all.
    pub gaps: Vec<Range<usize>>,
    /// What stands in the place of a cell's whole snapshot.
    pub instead: BTreeMap<Cell, Snapshot>,
    /// Cells whose snapshot stands elsewhere.
    pub moved: BTreeSet<Cell>,
    pub before: BTreeMap<Cell, Snapshot>,
    pub behind: BTreeMap<Cell, Snapshot>,
    /// What follows all expirations of a minute.
    pub at_end_of: BTreeMap<usize, Vec<Snapshot>>,
    /// What follows the last minute.
    pub at_end: Vec<Snapshot>,
}

impl Plan {
    /// Every snapshot of one minute, in the order of the file.
    pub fn of_minute(&self, day: &Day, minute: usize) -> Vec<Snapshot> {
        let mut snapshots = Vec::with_capacity(day.expirations.len() + 2);
        if !self.gaps.iter().any(|gap| gap.contains(&minute)) {
            for expiration in 0..day.expirations.len() {
                let cell = (minute, expiration);
                snapshots.extend(self.before.get(&cell).cloned());
                if !self.moved.contains(&cell) {
                    let own = self.instead.get(&cell).cloned();
                    snapshots.push(own.unwrap_or_else(|| Snapshot::whole(day, minute, expiration)));
                }
                snapshots.extend(self.behind.get(&cell).cloned());
            }
        }
        snapshots.extend(self.at_end_of.get(&minute).into_iter().flatten().cloned());
        if minute + 1 == day.minutes {
            snapshots.extend(self.at_end.iter().cloned());
        }
        snapshots
    }
}
