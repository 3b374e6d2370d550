//! The account of a migration: every record of the archive once, and the sessions that nobody has. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::fate::Fate;
use crate::market::{SessionKind, Symbol, TradingDate};
use crate::profile::legacy::{Code, Verdict};

/// One record and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accounted {
    pub file: String,
    pub index: u32,
    pub line: u64,
    pub symbol: Option<Symbol>,
    pub date: Option<TradingDate>,
    pub session: Option<SessionKind>,
    pub fate: Fate,
    pub verdict: Verdict,
    /// Of what is more than a note.
    pub codes: Vec<Code>,
}

/// Sessions of one symbol and kind, from the first that the archive has to the last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    pub symbol: Symbol,
    pub session: SessionKind,
    pub start: TradingDate,
    pub end: TradingDate,
    /// By the calendar.
    pub expected: u64,
    /// With a row, whether brought in or computed.
    pub covered: u64,
    /// Dates that the archive has a record of, and the lake no row.
    pub open: Vec<TradingDate>,
    /// Dates of which there is neither record nor row.
    pub missing: Vec<TradingDate>,
}

/// What the command prints last. The counts of fates add up to `records`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reconciliation {
    pub dry_run: bool,
    pub files: u64,
    /// Files that are none of the archive.
    pub other_files: Vec<String>,
    /// Hidden files, circular links, folders that cannot be read.
    pub skipped_files: Vec<String>,
    /// Files and folders that were to be read and could not be, and why: nobody knows what records are in them.
    pub unread_files: Vec<String>,
    pub records: u64,
    pub fates: BTreeMap<&'static str, u64>,
    /// Captures of originals that are new.
    pub captures: u64,
    /// Computed rows that are current since this run.
    pub computed_rows: u64,
    pub accounted: u64,
    /// What was said to be in the lake and was not found there when it was read again.
    pub unaccounted: Vec<String>,
    pub sessions: Vec<Series>,
}

impl Reconciliation {
    /// Whether all was read, every record has its fate and the lake holds what was said.
    pub fn is_complete(&self) -> bool {
        self.accounted == self.records && self.unaccounted.is_empty() && self.unread_files.is_empty()
    }

    pub fn count(&self, fate: Fate) -> u64 {
        self.fates.get(fate.as_str()).copied().unwrap_or(0)
    }
}

/// Records by fate; all fates are there.
pub fn counted(records: &[Accounted]) -> BTreeMap<&'static str, u64> {
    let mut fates: BTreeMap<&'static str, u64> = Fate::ALL.iter().map(|fate| (fate.as_str(), 0)).collect();
    for record in records {
        *fates.entry(record.fate.as_str()).or_default() += 1;
    }
    fates
}

/// Which sessions the archive spans and which of them have no row. `has_session` is the calendar, `has_row` the lake.
pub fn series(
    records: &[Accounted],
    has_session: impl Fn(&Symbol, TradingDate, SessionKind) -> bool,
    has_row: impl Fn(&Symbol, TradingDate, SessionKind) -> bool,
) -> Vec<Series> {
    let mut told: BTreeMap<(Symbol, SessionKind), BTreeSet<TradingDate>> = BTreeMap::new();
    for record in records.iter().filter(|record| !matches!(record.fate, Fate::Rejected | Fate::NotAsked)) {
        if let (Some(symbol), Some(date), Some(session)) = (&record.symbol, record.date, record.session) {
            told.entry((symbol.clone(), session)).or_default().insert(date);
        }
    }
    let one = |((symbol, session), dates): ((Symbol, SessionKind), BTreeSet<TradingDate>)| {
        let (start, end) = (*dates.first()?, *dates.last()?);
        let mut series =
            Series { symbol, session, start, end, expected: 0, covered: 0, open: Vec::new(), missing: Vec::new() };
        let mut date = start;
        while date <= end {
            if has_session(&series.symbol, date, session) {
                series.expected += 1;
                match (has_row(&series.symbol, date, session), dates.contains(&date)) {
                    (true, _) => series.covered += 1,
                    (false, true) => series.open.push(date),
                    (false, false) => series.missing.push(date),
                }
            }
            date = date.next_day();
        }
        Some(series)
    };
    told.into_iter().filter_map(one).collect()
}
