//! Which of a day's captured rows count: none of a capture that was withdrawn; one a minute and length, the one received last; no bar
//! that a finer one overlaps; volumes that were cumulative as those of each bar. Nothing vanishes without a count. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cumulative;
use super::intervals;
use super::parsed::{ParsedCapture, RowSaid};
use crate::bars::reading::Reading;
use crate::bars::record::BarRow;
use crate::market::Instrument;

/// A row that counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kept {
    pub row: BarRow,
    pub reading: Reading,
}

/// What became of the rows that do not count, and what was odd about those that do; places are minutes since 1970.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settled {
    /// The same bar once more.
    pub identical: u64,
    /// The same minute with other numbers, in one capture.
    pub conflicting: Vec<i64>,
    /// The same minute with other numbers, in a later capture.
    pub corrected: Vec<i64>,
    /// Rows of captures that a later statement withdraws.
    pub withdrawn: u64,
    /// Bars that finer ones overlap.
    pub coarser: Vec<i64>,
    /// A cumulative volume that fell within a day.
    pub fell: Vec<i64>,
    /// A volume that is the difference over minutes without a bar.
    pub covers_gap: Vec<i64>,
    /// Bars of a count whose own volume cannot be known; it is 0.
    pub unknown: Vec<i64>,
}

impl Settled {
    /// Rows that do not count.
    pub fn rows(&self) -> u64 {
        self.identical + self.withdrawn + (self.conflicting.len() + self.corrected.len() + self.coarser.len()) as u64
    }
}

/// A day's rows in order, and how they came about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolved {
    pub rows: Vec<Kept>,
    pub settled: Settled,
}

/// A row with the place of its capture: what decides which was received last.
#[derive(Clone, Copy)]
struct Placed {
    row: RowSaid,
    part: usize,
}

impl Placed {
    fn received(&self) -> (i64, usize, u32) {
        (self.row.received_us, self.part, self.row.line)
    }
}

/// Settles the rows of a day. `parts` are in the order of their ids.
pub fn resolve(parts: &[Arc<ParsedCapture>], instrument: &Instrument) -> Resolved {
    let withdrawn = withdrawn(parts);
    let is_withdrawn = |part: &ParsedCapture| withdrawn.contains(part.capture.id.as_str());
    let placed = parts
        .iter()
        .enumerate()
        .filter(|(_, part)| !is_withdrawn(part))
        .flat_map(|(part, capture)| capture.rows.iter().map(move |row| Placed { row: *row, part }));
    let mut rows: Vec<Placed> = placed.collect();
    let withdrawn = parts.iter().filter(|part| is_withdrawn(part)).map(|part| part.rows.len() as u64).sum();
    let mut settled = Settled { withdrawn, ..Settled::default() };
    rows.sort_by_key(|placed| (placed.row.said.start_minute, placed.row.said.reading.minutes, placed.received()));
    let mut kept = Vec::with_capacity(rows.len());
    for same in rows.chunk_by(|a, b| key(a) == key(b)) {
        let Some((last, earlier)) = same.split_last() else { continue };
        for other in earlier {
            let (said, minute) = (&other.row.said, last.row.said.start_minute);
            if said.values == last.row.said.values && said.reading.volume == last.row.said.reading.volume {
                settled.identical += 1;
            } else if other.part == last.part {
                settled.conflicting.push(minute);
            } else {
                settled.corrected.push(minute);
            }
        }
        kept.push(kept_of(&last.row));
    }
    intervals::settle(&mut kept, &mut settled);
    cumulative::settle(&mut kept, &mut settled, instrument);
    Resolved { rows: kept, settled }
}

/// The ids of captures that statements withdraw. A statement holds whatever becomes of the capture it is in: who withdraws that one too
/// says the same rows once more.
pub(super) fn withdrawn(parts: &[Arc<ParsedCapture>]) -> BTreeSet<&str> {
    parts.iter().flat_map(|part| part.withdraws.iter().map(String::as_str)).collect()
}

fn key(placed: &Placed) -> (i64, u16) {
    (placed.row.said.start_minute, placed.row.said.reading.minutes)
}

fn kept_of(row: &RowSaid) -> Kept {
    let (values, reading) = (row.said.values, row.said.reading);
    let row = BarRow {
        start_minute: row.said.start_minute,
        open: values.open,
        high: values.high,
        low: values.low,
        close: values.close,
        volume: values.volume,
        minutes: reading.minutes,
    };
    Kept { row, reading }
}
