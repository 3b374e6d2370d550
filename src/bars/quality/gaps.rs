//! Minutes of a date's sessions without a bar. Inside the default session each such minute is told, and it degrades the day when it is
//! not a single quiet one here and there; outside of it minutes without a trade are normal, and only long runs are told.

use chrono::{DateTime, TimeDelta, Utc};

use crate::bars::compact::Kept;
use crate::lake::journal::Note;
use crate::lake::manifest::Gap;
use crate::market::Session;

/// A run of so many missing minutes in the default session degrades the day.
pub const LONG_GAP_MINUTES: u32 = 5;
/// So much of the default session may be missing in shorter runs, in per cent.
pub const MISSING_PERCENT: u32 = 1;
/// Runs outside the default session are told from this length on, and degrade nothing.
pub const QUIET_GAP_MINUTES: u32 = 60;

/// What is there of a date's sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Minutes of the widest session with a bar.
    pub seen: u32,
    /// Runs without, as far as they are told.
    pub gaps: Vec<Gap>,
    pub degrades: bool,
    /// Minutes of the default session without a bar, and all of its minutes so far.
    missing: (u32, u32),
}

impl Coverage {
    pub fn told(&self) -> String {
        let (missing, expected) = self.missing;
        format!(
            "session minutes without a bar: {missing} of {expected} in the default session, the rest in runs of {QUIET_GAP_MINUTES} \
             minutes and longer outside of it"
        )
    }
}

/// Holds rows against the sessions; of an open day, up to the last minute seen.
pub fn coverage(
    rows: &[Kept],
    widest: Option<&Session>,
    normal: Option<&Session>,
    notes: &[Note],
    closed: bool,
) -> Coverage {
    let Some(widest) = widest else { return Coverage::default() };
    let (open, close) = (widest.open.timestamp() / 60, widest.close.timestamp() / 60);
    let mut seen = vec![false; usize::try_from(close - open).unwrap_or_default()];
    let place = |minute: i64| usize::try_from((minute - open).max(0)).unwrap_or_default().min(seen.len());
    let covered: Vec<_> = rows
        .iter()
        .map(|kept| place(kept.row.start_minute)..place(kept.row.start_minute + i64::from(kept.row.minutes)))
        .collect();
    let (from, to) =
        normal.map_or((0, 0), |normal| (place(normal.open.timestamp() / 60), place(normal.close.timestamp() / 60)));
    covered.into_iter().for_each(|range| seen[range].fill(true));

    let judged = if closed { seen.len() } else { seen.iter().rposition(|seen| *seen).map_or(0, |last| last + 1) };
    let mut coverage = Coverage { seen: count(&seen), ..Coverage::default() };
    let inside = from.min(judged)..to.min(judged);
    coverage.missing = (0, count_all(inside.len()));
    for (range, is_inside) in [(0..inside.start, false), (inside.clone(), true), (inside.end..judged, false)] {
        let mut at = range.start;
        for run in seen[range].chunk_by(|a, b| a == b) {
            let minutes = count_all(run.len());
            if !run[0] && (is_inside || minutes >= QUIET_GAP_MINUTES) {
                coverage.gaps.push(gap(widest.open, at, minutes, notes));
            }
            if !run[0] && is_inside {
                coverage.missing.0 += minutes;
                coverage.degrades |= minutes >= LONG_GAP_MINUTES;
            }
            at += run.len();
        }
    }
    coverage.degrades |= coverage.missing.0 * 100 > coverage.missing.1 * MISSING_PERCENT;
    coverage
}

fn gap(open: DateTime<Utc>, at: usize, minutes: u32, notes: &[Note]) -> Gap {
    let start = open + TimeDelta::minutes(i64::try_from(at).unwrap_or_default());
    let end = start + TimeDelta::minutes(minutes.into());
    let refused = notes.iter().any(|note| note.timestamp.is_some_and(|time| start <= time && time < end));
    let cause = if refused { "refused_input" } else { "no_data_received" };
    Gap { start, end, minutes, cause: cause.to_owned() }
}

fn count(seen: &[bool]) -> u32 {
    count_all(seen.iter().filter(|seen| **seen).count())
}

fn count_all(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
