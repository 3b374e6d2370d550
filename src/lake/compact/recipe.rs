//! What a room says of its compaction, and what goes to and fro between room and compactor. The rooms' `compact` implement
//! [`Recipe`]; nothing here touches the store or the clock.

use std::any::Any;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::lake::dataset::Dataset;
use crate::lake::manifest::{Calculation, CaptureRef, Content};
use crate::lake::year_index::DayEntry;
use crate::market::{Instrument, Instruments, TradingDate};
use crate::{Error, Result};

/// How a room's captures of one symbol and trading date become its partitions of that date. Pure: the same captures,
/// calculation and instrument give the same bytes, on any machine.
pub trait Recipe: Send + Sync {
    /// Datasets of captures that a day is made from, in the order in which they are read; those of one dataset are read in
    /// order of their ids.
    fn sources(&self) -> &'static [&'static str];

    /// Datasets that a day gives, the leading one first. They are published from the last to the first: where the leading
    /// one's record is up to date, everything else is.
    fn days(&self) -> &'static [&'static Dataset];

    /// The table that a year's days give, if the room has one.
    fn year_table(&self) -> Option<YearTable> {
        None
    }

    /// For example `greeks-1`. Changes whenever the same captures would give other numbers or more columns.
    fn version(&self) -> &'static str;

    /// Whether a calculation is a later one than [`Self::version`]. What it made is read, and never replaced: this version
    /// would take away what the later one knew.
    fn is_newer(&self, version: &str) -> bool {
        is_later_version(version, self.version())
    }

    /// Fingerprint of the settings that change the room's numbers.
    fn settings(&self, instrument: &Instrument) -> String {
        instrument.settings_fingerprint()
    }

    /// Whether all that a partition of the date counts is over at `now`: until then it is `pending`, is made again whenever
    /// something comes, and stays at its revision. A date without a session is over.
    fn is_closed(&self, instrument: &Instrument, date: TradingDate, now: DateTime<Utc>) -> bool;

    /// What a day takes while it is compacted, per compressed byte of its captures (measured).
    fn memory_per_byte(&self) -> u64;

    /// Everything that compaction needs of one capture. It is kept while its day is open.
    ///
    /// # Errors
    /// `Corrupt` when the capture is damaged, `Invalid` when it holds what no longer can be read.
    fn parse(
        &self,
        captured: &Captured,
        date: TradingDate,
        instrument: &Instrument,
        instruments: &Instruments,
    ) -> Result<Arc<dyn Parsed>>;

    /// The day's partitions from all its captures in order, one for each of [`Self::days`] and in the same order.
    /// `calculation` goes into each record as it is.
    ///
    /// # Errors
    /// `Internal` when an invariant does not hold: then nothing is published.
    fn assemble(
        &self,
        instrument: &Instrument,
        date: TradingDate,
        parts: Parts,
        calculation: &Calculation,
    ) -> Result<Vec<Derived>>;
}

/// A dataset cut by years with one row a day, made from the year's index of the leading dataset and of nothing else.
#[derive(Debug, Clone, Copy)]
pub struct YearTable {
    pub dataset: &'static Dataset,
    /// One row for each entry, in order: what the room put under `details.day` is `entry.day`.
    pub rows: fn(&[DayEntry]) -> Result<RecordBatch>,
}

/// One capture's bytes, compressed, as the store gave them.
#[derive(Debug, Clone)]
pub struct Captured {
    pub dataset: String,
    pub id: String,
    pub bytes: Bytes,
}

/// One capture, parsed by its room.
pub trait Parsed: Any + Send + Sync {
    fn capture(&self) -> &CaptureRef;

    /// About how much memory it takes.
    fn bytes(&self) -> u64;
}

/// A day's captures, parsed, in the order in which they are read.
pub struct Parts(Vec<Arc<dyn Parsed>>);

impl Parts {
    pub(super) fn new(parts: Vec<Arc<dyn Parsed>>) -> Self {
        Self(parts)
    }

    /// The parts as the room's own type.
    ///
    /// # Errors
    /// `Internal` when they were parsed by another room.
    pub fn of<P: Parsed>(self) -> Result<Vec<Arc<P>>> {
        let own = |part: Arc<dyn Parsed>| {
            let part: Arc<dyn Any + Send + Sync> = part;
            part.downcast().map_err(|_| Error::internal("captures were parsed by another room"))
        };
        self.0.into_iter().map(own).collect()
    }
}

/// A partition ready to be published.
#[derive(Debug)]
pub struct Derived {
    pub data: Vec<u8>,
    pub content: Content,
}

/// Whether `version` has the name of `than` and a higher number: `greeks-2` is later than `greeks-1`, `bars-2` is not.
pub fn is_later_version(version: &str, than: &str) -> bool {
    let Some((name, number)) = than.rsplit_once('-') else { return false };
    let of = |text: &str| text.parse::<u32>().ok();
    match version.rsplit_once('-') {
        Some((same, later)) if same == name => of(later) > of(number),
        _ => false,
    }
}
