//! How far to trust a day of bars: every check, its rule and the reason code it gives. Pure; called by compaction with the very rows
//! that are published.
//!
//! | code | degrades | rule |
//! |---|---|---|
//! | `missing_minutes` | when a gap in the default session is 5 minutes or longer, or more than 1 % of it is missing | see [`gaps`] |
//! | `refused_input` | yes | a row refused at ingest, or by a rule that has changed since |
//! | `conflicting_duplicates` | yes | one minute with different numbers in one capture; the row received last counts |
//! | `price_jump` | yes | a high or low far from the bars on both sides, see [`jumps`] |
//! | `closed_day` | yes | bars on a day without a session |
//! | `cumulative_volume_fell` | yes | a cumulative volume that is below the one before it on the same day |
//! | `zero_volume` | yes | no bar of the day has a volume, of an instrument that is traded itself |
//! | `overlapping_bars` | yes | bars that begin inside another one and are not part of it |
//! | `stamp_contradicted` | yes | open and close say that the other end of the bar is stamped, see [`super::stamping`] |
//! | `mixed_readings` | yes | bars whose clock or stamp is read in several ways |
//! | `mixed_intervals` | yes | bars of several lengths |
//! | `volume_unknown` | yes | bars of a count whose own volume cannot be known; it is 0 |
//! | `volume_looks_cumulative` | yes | volumes declared as each bar's own that only grow, see [`LOOKS_CUMULATIVE`] |
//! | `off_tick` | no | a price between two ticks; it counts at the tick below |
//! | `duplicates` | no | the same bar once more |
//! | `corrections` | no | one minute with other numbers in a later capture, which counts |
//! | `withdrawn` | no | rows of captures that a later statement withdraws: the same file was read otherwise |
//! | `coarser_bars` | no | bars that finer ones overlap, which count |
//! | `volume_covers_gap` | no | a cumulative volume's difference over minutes without a bar |
//! | `outside_session` | no | bars outside every session of the date, kept but not counted |

pub mod gaps;
pub mod jumps;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::compact::{Kept, Resolved};
use super::reading::VolumeKind;
use super::{stamping, stored};
use crate::lake::journal::Note;
use crate::lake::manifest::{Gap, Reason};
use crate::market::{AssetClass, Grid, Instrument, Session, SessionKind, TradingDate};

/// A manifest lists at most so many bars of a kind; the count is always whole.
pub const LISTED: usize = 50;

/// Bars from which on volumes that never fall are told as a count: own volumes of so many bars always fall somewhere.
pub const LOOKS_CUMULATIVE: usize = 30;

/// Everything the checks found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    pub minutes_expected: u32,
    pub minutes_seen: u32,
    pub gaps: Vec<Gap>,
    pub outside_session: u64,
    pub reasons: Vec<Reason>,
    /// The first bars of each kind, by reason code: when they start.
    pub flagged: BTreeMap<&'static str, Vec<Flagged>>,
}

/// A bar that a reason is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flagged {
    pub timestamp: DateTime<Utc>,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
    pub minutes: u16,
}

/// The session whose minutes are expected: all hours of the date, where the instrument has such a session.
pub fn widest_session(instrument: &Instrument, date: TradingDate) -> Option<Session> {
    instrument.session_of_kind(date, SessionKind::Full).or_else(|| instrument.session(date))
}

/// Runs every check. `closed` says that the date is over.
pub fn check(
    resolved: &Resolved,
    notes: &[Note],
    instrument: &Instrument,
    date: TradingDate,
    closed: bool,
) -> Findings {
    let rows = &resolved.rows;
    let widest = widest_session(instrument, date);
    let normal = instrument.session(date);
    let coverage = gaps::coverage(rows, widest.as_ref(), normal.as_ref(), notes, closed);
    let outside: Vec<usize> = (0..rows.len())
        .filter(|at| !widest.as_ref().is_some_and(|session| session.contains(start(&rows[*at]))))
        .collect();
    let mut told = Told { rows, reasons: Vec::new(), flagged: BTreeMap::new() };

    let missing: u64 = coverage.gaps.iter().map(|gap| u64::from(gap.minutes)).sum();
    told.count(missing, coverage.degrades, "missing_minutes", coverage.told());
    told.count(
        notes.len() as u64,
        true,
        "refused_input",
        "rows of the input were refused and are kept with their reasons".to_owned(),
    );
    let settled = &resolved.settled;
    told.minutes(
        true,
        "conflicting_duplicates",
        &settled.conflicting,
        "rows of one capture with other numbers for the same minute; the last one counts",
    );
    told.places(true, "price_jump", &jumps::jumps(rows), "bars far beyond those on both sides of them");
    let on_closed: Vec<usize> = outside.iter().copied().filter(|at| is_closed_day(&rows[*at], instrument)).collect();
    told.places(true, "closed_day", &on_closed, "bars on a day without a session: is the time zone right?");
    told.minutes(
        true,
        "cumulative_volume_fell",
        &settled.fell,
        "cumulative volumes below the one before; such a bar's volume is its own count, or 0",
    );
    told.places(true, "zero_volume", &without_volume(rows, instrument), "no bar of the day has a volume");
    told.places(
        true,
        "overlapping_bars",
        &overlapping(rows),
        "bars that begin inside another one and are not part of it",
    );
    told.places(
        true,
        "volume_looks_cumulative",
        &only_growing(rows),
        "volumes that only grow through the day: is it the day's count, `--volume cumulative`?",
    );
    told.stamps(instrument, date);
    told.places(
        true,
        "mixed_readings",
        &unlike_most(rows, |kept| (kept.reading.stamp as u8, kept.reading.zone.map(|zone| zone.name()))),
        "bars whose clock or stamp was declared otherwise than that of the others: one of the two may be wrong",
    );
    told.places(
        true,
        "mixed_intervals",
        &unlike_most(rows, |kept| kept.row.minutes),
        "bars of another length than the others",
    );
    told.minutes(
        true,
        "volume_unknown",
        &settled.unknown,
        "bars whose own volume cannot be told from the count they have; it is 0",
    );
    told.places(
        false,
        "off_tick",
        &off_tick(rows, Grid::of(instrument)),
        "bars with a price between two ticks, which counts at the one below",
    );
    told.count(settled.identical, false, "duplicates", "rows that say once more what another one says".to_owned());
    told.minutes(false, "corrections", &settled.corrected, "rows that a later capture corrected");
    told.count(
        settled.withdrawn,
        false,
        "withdrawn",
        "rows of captures that were withdrawn: their file was ingested again with another reading".to_owned(),
    );
    told.minutes(false, "coarser_bars", &settled.coarser, "bars that finer ones overlap; the finer ones count");
    told.minutes(
        false,
        "volume_covers_gap",
        &settled.covers_gap,
        "bars whose volume holds that of minutes without a bar before them",
    );
    told.places(false, "outside_session", &outside, "bars outside every session of the date, kept but not counted");
    Findings {
        minutes_expected: widest.as_ref().map_or(0, Session::minutes),
        minutes_seen: coverage.seen,
        gaps: coverage.gaps,
        outside_session: outside.len() as u64,
        reasons: told.reasons,
        flagged: told.flagged,
    }
}

/// Collects reasons with their first bars.
struct Told<'a> {
    rows: &'a [Kept],
    reasons: Vec<Reason>,
    flagged: BTreeMap<&'static str, Vec<Flagged>>,
}

impl Told<'_> {
    fn count(&mut self, count: u64, degrades: bool, code: &str, detail: String) {
        if count > 0 {
            self.reasons.push(Reason { code: code.to_owned(), count, degrades, detail });
        }
    }

    fn places(&mut self, degrades: bool, code: &'static str, places: &[usize], detail: &str) {
        self.count(places.len() as u64, degrades, code, detail.to_owned());
        if !places.is_empty() {
            let first = places.iter().take(LISTED).map(|at| Flagged::of(&self.rows[*at]));
            self.flagged.insert(code, first.collect());
        }
    }

    /// Bars by when they start, as they stand now.
    fn minutes(&mut self, degrades: bool, code: &'static str, minutes: &[i64], detail: &str) {
        self.count(minutes.len() as u64, degrades, code, detail.to_owned());
        if !minutes.is_empty() {
            let rows = self.rows;
            let found = |minute: &i64| {
                let next = rows.partition_point(|kept| kept.row.start_minute <= *minute);
                rows[..next].last().map(Flagged::of)
            };
            self.flagged.insert(code, minutes.iter().take(LISTED).filter_map(found).collect());
        }
    }

    fn stamps(&mut self, instrument: &Instrument, date: TradingDate) {
        let mut readings: Vec<_> = self.rows.iter().map(|kept| kept.reading).collect();
        readings.dedup();
        readings.sort_by_key(|reading| (reading.minutes, reading.stamp as u8));
        readings.dedup();
        for reading in readings {
            let same = self.rows.iter().filter(|kept| kept.reading == reading);
            let bars: Vec<(i64, u16)> = same.map(|kept| (kept.row.start_minute, kept.row.minutes)).collect();
            if stamping::contradicts(&bars, instrument, date, reading.stamp) {
                self.count(bars.len() as u64, true, "stamp_contradicted", stamping::told(reading.stamp).to_owned());
                return;
            }
        }
    }
}

impl Flagged {
    fn of(kept: &Kept) -> Self {
        let row = kept.row;
        let (open, high, low, close) = (row.open, row.high, row.low, row.close);
        Self { timestamp: start(kept), open, high, low, close, volume: row.volume, minutes: row.minutes }
    }
}

pub(super) fn start(kept: &Kept) -> DateTime<Utc> {
    DateTime::from_timestamp(kept.row.start_minute * 60, 0).unwrap_or_default()
}

/// Whether the exchange does not trade on the local day on which a bar starts.
fn is_closed_day(kept: &Kept, instrument: &Instrument) -> bool {
    let day = TradingDate::from(start(kept).with_timezone(&instrument.time_zone).date_naive());
    SessionKind::ALL.into_iter().all(|kind| instrument.session_of_kind(day, kind).is_none())
}

/// The rows that are not like most others; none when all are alike.
fn unlike_most<K: Ord>(rows: &[Kept], of: impl Fn(&Kept) -> K) -> Vec<usize> {
    let mut counted: BTreeMap<K, usize> = BTreeMap::new();
    rows.iter().for_each(|kept| *counted.entry(of(kept)).or_default() += 1);
    let Some(most) = counted.values().copied().max() else { return Vec::new() };
    let Some(usual) = counted.into_iter().find(|(_, count)| *count == most).map(|(key, _)| key) else {
        return Vec::new();
    };
    (0..rows.len()).filter(|at| of(&rows[*at]) != usual).collect()
}

fn off_tick(rows: &[Kept], grid: Grid) -> Vec<usize> {
    let exact = |price: f64| grid.ticks(price).is_some_and(|on| on.exact);
    let is_off = |kept: &Kept| ![kept.row.open, kept.row.high, kept.row.low, kept.row.close].into_iter().all(exact);
    (0..rows.len()).filter(|at| is_off(&rows[*at])).collect()
}

/// All bars, when none has a volume and the instrument is one that is traded; a source that says it has none is believed.
/// All rows whose volume was declared to be their own, when it never falls from one to the next and mostly grows.
fn only_growing(rows: &[Kept]) -> Vec<usize> {
    let own: Vec<usize> = (0..rows.len()).filter(|at| rows[*at].reading.volume == VolumeKind::Bar).collect();
    let pairs = || own.windows(2).map(|pair| (rows[pair[0]].row.volume, rows[pair[1]].row.volume));
    let grows = pairs().filter(|(before, after)| after > before).count();
    let is_count =
        own.len() >= LOOKS_CUMULATIVE && pairs().all(|(before, after)| after >= before) && grows * 2 > own.len();
    if is_count { own } else { Vec::new() }
}

fn without_volume(rows: &[Kept], instrument: &Instrument) -> Vec<usize> {
    let none = rows.iter().all(|kept| kept.row.volume == 0.0 && kept.reading.volume != VolumeKind::None);
    if none && instrument.asset_class != AssetClass::Index { (0..rows.len()).collect() } else { Vec::new() }
}

fn overlapping(rows: &[Kept]) -> Vec<usize> {
    let mut reached = i64::MIN;
    let mut found = Vec::new();
    for (at, kept) in rows.iter().enumerate() {
        if kept.row.start_minute < reached {
            found.push(at);
        }
        reached = reached.max(kept.row.start_minute + i64::from(kept.row.minutes));
    }
    found
}

/// Whether rows can be read as bars of their instrument, which everything made from them relies on.
pub(super) fn are_prices(rows: &[Kept], instrument: &Instrument) -> bool {
    let rows: Vec<_> = rows.iter().map(|kept| kept.row).collect();
    stored::in_ticks(&rows, instrument).is_ok()
}
