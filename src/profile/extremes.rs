//! What stands out in the rows: single prints, tails at the two ends, poor highs and lows, TPOs above and below the point of control.
//! Pure functions of the rows, called by the engine.

use super::rows::TpoRows;
use super::settings::{PoorRule, Settings};
use super::value_area::ValueArea;

/// Rows from `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub low: usize,
    pub high: usize,
}

impl Run {
    pub fn rows(self) -> usize {
        self.high - self.low + 1
    }
}

/// Every longest run of rows at which one period alone traded, from the top down, those at the extremes included.
pub(super) fn single_prints(rows: &TpoRows, settings: &Settings) -> Vec<Run> {
    let least = settings.single_print_rows as usize;
    let mut runs = runs_of(&rows.counts, |count| count == 1);
    runs.retain(|run| run.rows() >= least);
    runs.reverse();
    runs
}

/// The longest runs of rows of which `is` holds, from the bottom up.
pub(super) fn runs_of(counts: &[u32], is: impl Fn(u32) -> bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (at, _) in counts.iter().enumerate().filter(|(_, count)| is(**count)) {
        match runs.last_mut() {
            Some(run) if run.high + 1 == at => run.high = at,
            _ => runs.push(Run { low: at, high: at }),
        }
    }
    runs
}

/// What the two ends of a session look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// The single prints that were left behind there, if they are enough to be a tail.
    pub tail: Option<Run>,
    pub poor: bool,
}

/// The ending at the top and the one at the bottom.
pub(super) fn endings(rows: &TpoRows, last_period: usize, settings: &Settings) -> (Ending, Ending) {
    let top = rows.counts.len() - 1;
    // Nobody has had the time yet to come back to what the last period alone traded at.
    let is_left = |row: &usize| rows.alone(*row).is_some_and(|period| period != last_period);
    let from_top = (0..=top).rev().take_while(is_left).count();
    let from_bottom = (0..=top).take_while(is_left).count();
    let least = settings.tail_rows as usize;
    let high = (from_top >= least).then(|| Run { low: top + 1 - from_top, high: top });
    let low = (from_bottom >= least).then(|| Run { low: 0, high: from_bottom - 1 });
    let ending = |row: usize, tail: Option<Run>| {
        let poor = match settings.poor_rule {
            PoorRule::TwoTpos => rows.counts[row] >= 2,
            PoorRule::NoTail => tail.is_none(),
        };
        Ending { tail, poor }
    };
    (ending(top, high), ending(0, low))
}

/// TPOs by where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub total: u32,
    pub above_poc: u32,
    pub below_poc: u32,
    pub value_area: u32,
}

/// Counts TPOs; those of a tail count neither as above nor as below, unless the settings say so.
pub(super) fn counted(
    rows: &TpoRows,
    poc: usize,
    area: ValueArea,
    ends: (Ending, Ending),
    settings: &Settings,
) -> Counted {
    let sum = |rows: &[u32]| rows.iter().sum::<u32>();
    let counts = rows.counts.as_slice();
    let tail = |ending: Ending| if settings.count_tails { None } else { ending.tail };
    // A tail of a session with hardly any rows may reach the point of control.
    let top = tail(ends.0).map_or(counts.len(), |tail| tail.low.max(poc + 1));
    let bottom = tail(ends.1).map_or(0, |tail| (tail.high + 1).min(poc));
    Counted {
        total: sum(counts),
        above_poc: sum(&counts[poc + 1..top]),
        below_poc: sum(&counts[bottom..poc]),
        value_area: sum(&counts[area.low..=area.high]),
    }
}
