//! `generate legacy-tpo`: a synthetic archive in the old shapes, right but for what is planted, with the truth about it and the very
//! bars that it was made from. Pure: files are handed to the caller. Its calculations are its own, see [`session`].

mod faults;
mod oddities;
mod prices;
mod random;
mod session;
mod shelves;
mod spelling;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{DateTime, Datelike};

use self::faults::{Faulty, INSIDE, plant};
use self::prices::{Minute, START, minutes, next_open};
use self::random::Draws;
use self::session::{Logic, record};
use self::shelves::Shelf;
pub use self::truth::{TrueRecord, Truth};
use super::code::Code;
use super::record::LegacyRecord;
use crate::market::{Grid, Instrument, Instruments, Ticks, TradingDate};
use crate::{Error, Result};

/// What to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub symbol: String,
    pub start: TradingDate,
    /// Included.
    pub end: TradingDate,
    pub seed: u64,
    pub defects: bool,
}

/// Where it goes.
pub trait Taking {
    /// A file of the archive, by its path in it.
    fn file(&mut self, path: &str, bytes: &[u8]) -> Result<()>;

    /// Lines of the bars' CSV, the header first.
    fn bars(&mut self, lines: &str) -> Result<()>;
}

/// A record and where its truth stands.
#[derive(Debug, Clone)]
struct Entry {
    date: TradingDate,
    faulty: Faulty,
    planted: Vec<Code>,
    with_bars: Vec<Code>,
}

impl Entry {
    fn right(date: TradingDate, record: LegacyRecord) -> Self {
        let faulty = Faulty { record, instead: None, more: Vec::new() };
        Self { date, faulty, planted: Vec::new(), with_bars: Vec::new() }
    }
}

/// A day with its right record and that of the wrong logic.
struct Day {
    date: TradingDate,
    right: LegacyRecord,
    wrong: LegacyRecord,
}

/// With fewer sessions there is no room for every fault.
const LEAST_SESSIONS: usize = 120;

/// Makes the archive.
///
/// # Errors
/// `NotFound` for an unknown symbol, `Invalid` when there are no sessions between the dates, or too few of them for every
/// fault; those of `taking`.
pub fn generate(settings: &Settings, instruments: &Instruments, taking: &mut dyn Taking) -> Result<Truth> {
    let instrument = instruments
        .resolve(&settings.symbol)
        .ok_or_else(|| Error::not_found(format!("{:?} is not a known symbol", settings.symbol)))?;
    let days = days(settings, instrument, taking)?;
    if days.is_empty() {
        return Err(Error::invalid(format!("{} has no session between --start and --end", instrument.symbol)));
    }
    if settings.defects && days.len() < LEAST_SESSIONS {
        return Err(Error::invalid(format!(
            "{} sessions are too few for every fault: give at least {LEAST_SESSIONS}",
            days.len()
        )));
    }
    let symbol = instrument.symbol.as_str();
    let mut archive = Archive { settings, instrument, truth: Truth::default(), taking, elsewhere: BTreeSet::new() };
    archive.truth.symbol = symbol.to_owned();
    let mut left: BTreeMap<TradingDate, &Day> = days.iter().map(|day| (day.date, day)).collect();
    let mut entries: Vec<Entry> = Vec::new();
    if settings.defects {
        entries.extend(archive.era(&days, &mut left));
        archive.leave_out(&mut left);
        entries.extend(archive.planted(&mut left, days.len()));
        archive.oddities(&mut left, days.len())?;
    }
    entries.extend(left.values().map(|day| Entry::right(day.date, day.right.clone())));
    archive.shelve(entries)?;
    archive.settle(&days);
    Ok(archive.truth)
}

/// All days with their records; the bars go out on the way.
fn days(settings: &Settings, instrument: &Instrument, taking: &mut dyn Taking) -> Result<Vec<Day>> {
    let symbol = instrument.symbol.as_str();
    let grid = Grid::of(instrument);
    let mut days = Vec::new();
    let mut open = START;
    let mut date = settings.start;
    taking.bars("timestamp,open,high,low,close,volume\n")?;
    while date <= settings.end {
        if let Some(session) = instrument.session(date) {
            let minutes = minutes(settings.seed, symbol, &session, open);
            taking.bars(&lines(&minutes, instrument, grid))?;
            let period = instrument.tpo_period_minutes as usize;
            let told = |logic| record(symbol, &session, &minutes, period, grid, logic);
            days.push(Day { date, right: told(Logic::RIGHT), wrong: told(Logic::WRONG) });
            open = next_open(settings.seed, symbol, date, minutes.last().map_or(open, |minute| minute.close));
        }
        date = date.next_day();
    }
    Ok(days)
}

fn lines(minutes: &[Minute], instrument: &Instrument, grid: Grid) -> String {
    let mut lines = String::new();
    for minute in minutes {
        let starts = DateTime::from_timestamp(minute.starts, 0).unwrap_or_default();
        let local = starts.with_timezone(&instrument.time_zone).to_rfc3339();
        let [open, high, low, close] =
            [minute.open, minute.high, minute.low, minute.close].map(|ticks| grid.price(Ticks(ticks)));
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{local},{open},{high},{low},{close},{}", minute.volume);
    }
    lines
}

struct Archive<'g> {
    settings: &'g Settings,
    instrument: &'g Instrument,
    truth: Truth,
    taking: &'g mut dyn Taking,
    /// Dates that records were given which are not their own: no two the same.
    elsewhere: BTreeSet<TradingDate>,
}

impl Archive<'_> {
    fn symbol(&self) -> &str {
        self.instrument.symbol.as_str()
    }

    fn draws(&self, purpose: &str) -> Draws {
        Draws::new(self.settings.seed, self.symbol(), purpose)
    }

    /// A span of dates computed by the wrong logic.
    fn era(&mut self, days: &[Day], left: &mut BTreeMap<TradingDate, &Day>) -> Vec<Entry> {
        let from = days.len() / 10;
        let span = &days[from..from + days.len() / 6];
        self.truth.era = span.first().zip(span.last()).map(|(first, last)| [first.date, last.date]);
        let mut entries = Vec::new();
        for day in span {
            left.remove(&day.date);
            let mut entry = Entry::right(day.date, day.wrong.clone());
            let (right, wrong) = (&day.right, &day.wrong);
            let balance = |record: &LegacyRecord| (record.initial_balance_high, record.initial_balance_low);
            let levels = |record: &LegacyRecord| (record.poc, record.value_area_high, record.value_area_low);
            if balance(right) != balance(wrong) {
                entry.planted.push(Code::InitialBalanceMismatch);
                entry.with_bars.push(Code::DiffersFromBars);
            }
            if levels(right) != levels(wrong) {
                entry.planted.push(Code::DiffersFromPeriods);
                entry.with_bars.push(Code::DiffersFromBars);
            }
            entry.with_bars.dedup();
            entries.push(entry);
        }
        entries
    }

    /// Days that the archive never had.
    fn leave_out(&self, left: &mut BTreeMap<TradingDate, &Day>) {
        let mut draws = self.draws("missing");
        let dates: Vec<TradingDate> = left.keys().copied().collect();
        for _ in 0..2 + dates.len() / 100 {
            let at = draws.below(dates.len());
            for date in dates.iter().skip(at).take(1 + draws.below(4)) {
                left.remove(date);
            }
        }
    }

    /// Takes days that lend themselves to a fault, and plants it.
    fn planted(&self, left: &mut BTreeMap<TradingDate, &Day>, days: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        for code in INSIDE {
            let mut draws = self.draws(code.as_str());
            for turn in 0..each(days) {
                let mut dates: Vec<TradingDate> = left.keys().copied().collect();
                while !dates.is_empty() {
                    let date = dates.swap_remove(draws.below(dates.len()));
                    let Some(faulty) = left.get(&date).and_then(|day| plant(code, &day.right, self.instrument, turn))
                    else {
                        continue;
                    };
                    left.remove(&date);
                    let (planted, with_bars) =
                        if code == Code::DiffersFromBars { (vec![], vec![code]) } else { (vec![code], vec![]) };
                    entries.push(Entry { date, faulty, planted, with_bars });
                    break;
                }
            }
        }
        entries
    }

    /// Puts records into files, each month in its own way.
    fn shelve(&mut self, mut entries: Vec<Entry>) -> Result<()> {
        entries.sort_by_key(|entry| entry.date);
        let mut months: BTreeMap<i32, usize> = BTreeMap::new();
        let mut files: BTreeMap<String, (Shelf, Vec<Entry>)> = BTreeMap::new();
        for entry in entries {
            let date = entry.date.naive();
            let count = months.len();
            let month = *months.entry(date.year() * 12 + date.month0() as i32).or_insert(count);
            let shelf = Shelf::of_month(month);
            let path = shelf.path(self.symbol(), entry.date);
            files.entry(path).or_insert_with(|| (shelf, Vec::new())).1.push(entry);
        }
        for (path, (shelf, entries)) in files {
            let mut draws = self.draws(&format!("file {path}"));
            let bytes = shelf.file(self.symbol(), &entries, &mut draws)?;
            self.put(&path, &bytes, &entries)?;
        }
        Ok(())
    }

    fn put(&mut self, path: &str, bytes: &[u8], entries: &[Entry]) -> Result<()> {
        self.taking.file(path, bytes)?;
        let names = |codes: &[Code]| codes.iter().map(|code| code.to_string()).collect();
        for (index, entry) in entries.iter().enumerate() {
            self.truth.records.push(TrueRecord {
                file: path.to_owned(),
                index: index as u32,
                date: entry.date,
                planted: names(&entry.planted),
                planted_with_bars: names(&entry.with_bars),
            });
        }
        Ok(())
    }

    /// What can only be said in the end: which sessions have no record, and that of two copies the later one is the copy.
    fn settle(&mut self, days: &[Day]) {
        let rejected = |record: &TrueRecord| {
            record.planted.iter().any(|name| {
                Code::ALL.iter().any(|code| code.as_str() == name && code.severity() == super::code::Severity::Rejected)
            })
        };
        let records = self.truth.records.iter().filter(|record| !rejected(record));
        let present: BTreeSet<TradingDate> = records.map(|record| record.date).collect();
        let (first, last) = (present.first().copied(), present.last().copied());
        let inside = |date: &TradingDate| first <= Some(*date) && Some(*date) <= last;
        let dates = days.iter().map(|day| day.date);
        self.truth.missing = dates.filter(|date| inside(date) && !present.contains(date)).collect();
        self.truth.records.sort_by(|a, b| (&a.file, a.index).cmp(&(&b.file, b.index)));
    }
}

/// Records with each fault.
fn each(days: usize) -> usize {
    (days / 150).clamp(1, 8)
}

fn failed(error: std::io::Error) -> Error {
    Error::internal(format!("a file of the archive cannot be packed ({error})")).caused_by(error)
}

#[cfg(test)]
mod tests;
