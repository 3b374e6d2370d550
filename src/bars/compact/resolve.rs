//! Which of a day's captured rows count: one a minute and length, the one received last; the finer bars where they cover a coarser
//! one; volumes that were cumulative as those of each bar. Nothing vanishes without a count. Pure.

use std::collections::{BTreeMap, BTreeSet};
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
    /// The same row of the source, taken in again with another reading.
    pub read_again: u64,
    /// Bars in whose place finer ones stand, or finer ones that do not make up the bar they lie in.
    pub superseded: Vec<i64>,
    /// A cumulative volume that fell within a day.
    pub fell: Vec<i64>,
    /// A volume that is the difference over minutes without a bar.
    pub covers_gap: Vec<i64>,
}

impl Settled {
    /// Rows that do not count.
    pub fn rows(&self) -> u64 {
        self.identical
            + self.read_again
            + (self.conflicting.len() + self.corrected.len() + self.superseded.len()) as u64
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
    let placed = parts
        .iter()
        .enumerate()
        .flat_map(|(part, capture)| capture.rows.iter().map(move |row| Placed { row: *row, part }));
    let mut rows: Vec<Placed> = placed.collect();
    let mut settled = Settled { read_again: declared_anew(&mut rows), ..Settled::default() };
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

/// A source that is taken in again with another reading (`--stamp end` this time) replaces what the first one made of the same rows:
/// else every bar would be there twice, a minute apart.
fn declared_anew(rows: &mut Vec<Placed>) -> u64 {
    let readings: BTreeSet<_> = rows.iter().map(|placed| spelled(&placed.row.said.reading)).collect();
    let lengths: BTreeSet<u16> = rows.iter().map(|placed| placed.row.said.reading.minutes).collect();
    if readings.len() == lengths.len() {
        return 0;
    }
    let source = |placed: &Placed| (placed.row.said.told, placed.row.said.reading.minutes);
    let mut last: BTreeMap<(u64, u16), Placed> = BTreeMap::new();
    for placed in rows.iter() {
        let known = last.entry(source(placed)).or_insert(*placed);
        if placed.received() > known.received() {
            *known = *placed;
        }
    }
    let before = rows.len();
    rows.retain(|placed| last.get(&source(placed)).is_none_or(|last| last.row.said.reading == placed.row.said.reading));
    (before - rows.len()) as u64
}

/// A reading as something to tell readings apart by.
fn spelled(reading: &Reading) -> (u16, u8, u8, Option<&'static str>) {
    (reading.minutes, reading.stamp as u8, reading.volume as u8, reading.zone.map(|zone| zone.name()))
}
