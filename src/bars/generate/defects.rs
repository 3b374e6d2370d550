//! Plants one fault of each kind into each generated date, far enough apart that none hides another. Called by [`super::write()`];
//! prices and volumes that are not spoilt stay as they were.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, TimeDelta, Utc, Weekday};

use super::GeneratedDay;
use super::random::Draws;
use super::truth::{DayTruth, Planted};
use crate::bars::record::BarRow;
use crate::market::{Grid, Instrument, SessionKind, Ticks};

/// A gap of so many minutes, or of one bar where bars are longer.
const GAP_MINUTES: u16 = 7;
/// Parts of the regular hours, of which each takes one fault.
const SLOTS: usize = 10;
/// How far a spike goes, as a share of the price.
const SPIKE: f64 = 0.05;

/// A row of the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Record {
    pub bar: BarRow,
    pub spoilt: Option<Spoilt>,
}

/// What a row says instead of one of its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoilt {
    NoOpen,
    CloseNoNumber,
}

/// The rows of a date as they are.
pub(super) fn sound(day: &GeneratedDay) -> Vec<Record> {
    day.bars.iter().map(|bar| Record { bar: *bar, spoilt: None }).collect()
}

/// The rows of a date with its faults, and what they are. Dates with fewer bars in the regular hours than faults are left alone.
pub(super) fn plant(day: &GeneratedDay, instrument: &Instrument, seed: u64) -> (Vec<Record>, DayTruth) {
    let mut draws = Draws::of(seed, instrument.symbol.as_str(), &format!("defects {}", day.date));
    let mut records = sound(day);
    let mut truth = DayTruth { rows: records.len() as u64, rows_in: records.len() as u64, ..DayTruth::default() };
    let inside = regular(day, instrument);
    let minutes = day.bars.first().map_or(1, |bar| bar.minutes);
    let gap = usize::from((GAP_MINUTES / minutes).max(1));
    if inside.len() < SLOTS * (gap + 4) {
        return (records, truth);
    }
    let width = inside.len() / SLOTS;
    let mut place = |slot: usize| inside.start + slot * width + 2 + draws.below(width - gap - 3);
    let grid = Grid::of(instrument);
    let tick = instrument.tick_size.to_f64();
    let mut extra: Vec<(usize, Record)> = Vec::new();
    let mut gone = BTreeSet::new();

    let at = place(0);
    gone.extend(at..at + gap);
    truth.rows -= gap as u64;
    truth.rows_in -= gap as u64;
    truth.note("missing_minutes", &records[at].bar, gap as u32 * u32::from(minutes));

    let at = place(1);
    extra.push((at, records[at]));
    truth.note("duplicates", &records[at].bar, 1);
    let at = place(2);
    let mut corrected = records[at];
    corrected.bar.volume += 1.0;
    extra.push((at, corrected));
    truth.note("conflicting_duplicates", &records[at].bar, 1);
    truth.duplicates += 2;
    truth.rows_in += 2;

    let at = place(3);
    let bar = &mut records[at].bar;
    (bar.high, bar.low) = (bar.low - tick, bar.high);
    truth.refuse("ohlc_order", bar);
    let at = place(4);
    records[at].spoilt = Some(Spoilt::CloseNoNumber);
    truth.refuse("not_a_number", &records[at].bar);
    let at = place(5);
    records[at].bar.volume = -records[at].bar.volume - 1.0;
    truth.refuse("negative_volume", &records[at].bar);
    let at = place(6);
    records[at].spoilt = Some(Spoilt::NoOpen);
    truth.refuse("field_missing", &records[at].bar);

    let at = place(7);
    records[at].bar.high += 0.4 * tick;
    truth.note("off_tick", &records[at].bar, 1);
    let at = place(8);
    let spike = Ticks((records[at].bar.high * (1.0 + SPIKE) / tick).round() as i64);
    records[at].bar.high = grid.price(spike);
    truth.note("price_jump", &records[at].bar, 1);

    if let Some(after) = after_hours(day, instrument) {
        let bar = BarRow { start_minute: after, ..records[records.len() - 1].bar };
        extra.push((records.len() - 1, Record { bar, spoilt: None }));
        truth.note("outside_session", &bar, 1);
        truth.rows += 1;
        truth.rows_in += 1;
    }
    if let Some(saturday) = saturday(day, instrument) {
        let bar = BarRow { start_minute: saturday, ..records[0].bar };
        extra.push((0, Record { bar, spoilt: None }));
        truth.note("closed_day", &bar, 1);
        truth.note("outside_session", &bar, 1);
        truth.rows += 1;
        truth.rows_in += 1;
    }
    truth.missing_minutes = (gap as u32 + u32::try_from(truth.refused).unwrap_or(0)) * u32::from(minutes);
    let mut all = Vec::with_capacity(records.len() + extra.len());
    for (at, record) in records.into_iter().enumerate() {
        if !gone.contains(&at) {
            all.push(record);
        }
        all.extend(extra.iter().filter(|(after, _)| *after == at).map(|(_, record)| *record));
    }
    (all, truth)
}

impl DayTruth {
    fn note(&mut self, code: &str, bar: &BarRow, count: u32) {
        let timestamp = DateTime::<Utc>::from_timestamp(bar.start_minute * 60, 0).unwrap_or_default();
        self.planted.push(Planted { code: code.to_owned(), timestamp, count });
    }

    fn refuse(&mut self, code: &str, bar: &BarRow) {
        self.note(code, bar, 1);
        self.refused += 1;
        self.rows -= 1;
        self.rows_in -= 1;
    }
}

/// The bars of the regular hours, by place.
fn regular(day: &GeneratedDay, instrument: &Instrument) -> std::ops::Range<usize> {
    let session = instrument.session_of_kind(day.date, SessionKind::Rth).or_else(|| instrument.session(day.date));
    let Some(session) = session else { return 0..0 };
    let (open, close) = (session.open.timestamp() / 60, session.close.timestamp() / 60);
    let start = day.bars.partition_point(|bar| bar.start_minute < open);
    start..day.bars.partition_point(|bar| bar.start_minute < close)
}

/// A minute after the last session that still belongs to the date.
fn after_hours(day: &GeneratedDay, instrument: &Instrument) -> Option<i64> {
    let last = day.bars.last()?;
    let after = last.start_minute + i64::from(last.minutes) + 5;
    let instant = DateTime::from_timestamp(after * 60, 0)?;
    let inside = SessionKind::ALL.into_iter().filter_map(|kind| instrument.session_of_kind(day.date, kind));
    let belongs = instrument.trading_date_of(instant) == day.date;
    (belongs && !inside.into_iter().any(|session| session.contains(instant))).then_some(after)
}

/// Noon of the Saturday before, for a Monday that takes the rows of its weekend.
fn saturday(day: &GeneratedDay, instrument: &Instrument) -> Option<i64> {
    if day.date.naive().weekday() != Weekday::Mon {
        return None;
    }
    let noon = (day.date.naive() - TimeDelta::days(2)).and_hms_opt(17, 0, 0)?.and_utc();
    (instrument.trading_date_of(noon) == day.date).then_some(noon.timestamp() / 60)
}
