//! Adds up the rows of a file again and compares: with the minute sums beside it, with the counts and the statistics of its
//! record. Written apart from compaction's own sums, so that one mistake cannot hide the other. Pure.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, Date32Array, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use chrono::DateTime;

use crate::greeks::day::{DayStatistics, statistics};
use crate::greeks::record::Greek;
use crate::greeks::rollup::MinuteSum;
use crate::greeks::rows::Row;
use crate::lake::layout::PartitionId;
use crate::lake::manifest::Content;
use crate::lake::verify::{Code, Finding};
use crate::market::TradingDate;
use crate::{Error, Result};

const MINUTE_US: i64 = 60_000_000;

/// What one minute and expiration adds up to: strikes, and each greek that any strike had.
pub type Sums = HashMap<(i64, i32), (i64, [Option<i128>; 3])>;

pub fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_any().downcast_ref())
        .ok_or_else(|| Error::corrupt(format!("the column {name} is not there or of another type")))
}

struct Exposures<'a> {
    timestamp: &'a TimestampMicrosecondArray,
    expiration: &'a Date32Array,
    greeks: Vec<&'a Int64Array>,
}

impl<'a> Exposures<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self> {
        Ok(Self {
            timestamp: column(batch, "timestamp")?,
            expiration: column(batch, "expiration")?,
            greeks: Greek::ALL.iter().map(|greek| column(batch, greek.column())).collect::<Result<_>>()?,
        })
    }

    fn minute(&self, at: usize) -> Result<i64> {
        let micros = self.timestamp.value(at);
        if micros % MINUTE_US != 0 {
            return Err(Error::corrupt(format!("a row is stamped {micros} µs, which is no whole minute")));
        }
        Ok(micros / MINUTE_US)
    }

    fn greek(&self, greek: usize, at: usize) -> Option<i64> {
        let values = self.greeks[greek];
        values.is_valid(at).then(|| values.value(at))
    }
}

/// Sums over strikes of strike-level rows.
pub fn of_rows(batches: &[RecordBatch]) -> Result<Sums> {
    let mut sums = Sums::new();
    for batch in batches {
        let rows = Exposures::of(batch)?;
        for at in 0..batch.num_rows() {
            let (strikes, totals) = sums.entry((rows.minute(at)?, rows.expiration.value(at))).or_default();
            *strikes += 1;
            for (greek, total) in totals.iter_mut().enumerate() {
                if let Some(value) = rows.greek(greek, at) {
                    *total = Some(total.unwrap_or(0) + i128::from(value));
                }
            }
        }
    }
    Ok(sums)
}

/// The rows of the minute dataset, in the order of the file.
pub fn stored(batches: &[RecordBatch]) -> Result<Vec<MinuteSum>> {
    let mut sums = Vec::new();
    for batch in batches {
        let rows = Exposures::of(batch)?;
        let spot: &Float64Array = column(batch, "spot")?;
        let strikes: &Int64Array = column(batch, "strikes")?;
        for at in 0..batch.num_rows() {
            sums.push(MinuteSum {
                minute: rows.minute(at)?,
                expiration: rows.expiration.value(at),
                spot: spot.is_valid(at).then(|| spot.value(at)),
                greeks: [0, 1, 2].map(|greek| rows.greek(greek, at)),
                strikes: strikes.value(at),
            });
        }
    }
    Ok(sums)
}

/// How stored minute sums differ from the sums of the rows.
pub fn difference(summed: &Sums, stored: &[MinuteSum]) -> Option<String> {
    let agrees = |sum: &&MinuteSum| {
        let greeks = sum.greeks.map(|greek| greek.map(i128::from));
        summed.get(&(sum.minute, sum.expiration)) == Some(&(sum.strikes, greeks))
    };
    let wrong: Vec<&MinuteSum> = stored.iter().filter(|sum| !agrees(sum)).collect();
    if let Some(first) = wrong.first() {
        let rows = summed.get(&(first.minute, first.expiration));
        let of_rows = rows.map_or("has no rows".to_owned(), |(strikes, greeks)| {
            format!("adds up to {greeks:?} over {strikes} strikes")
        });
        return Some(format!(
            "{} of {} sums are not those of their rows; the first: {} {} is stored as {:?} over {} strikes and {of_rows}",
            wrong.len(),
            stored.len(),
            instant(first.minute),
            date(first.expiration),
            first.greeks,
            first.strikes
        ));
    }
    (summed.len() != stored.len())
        .then(|| format!("there are {} sums for {} minutes and expirations of the rows", stored.len(), summed.len()))
}

/// The sums that the minute dataset must hold: those of the session's minutes, or all when the day has no others.
pub fn counted(content: &Content, summed: &Sums) -> Sums {
    let only_outside = !summed.keys().any(|(minute, _)| inside(content, *minute));
    let admits = |minute: i64| only_outside || inside(content, minute);
    summed.iter().filter(|((minute, _), _)| admits(*minute)).map(|(key, sum)| (*key, *sum)).collect()
}

fn inside(content: &Content, minute: i64) -> bool {
    content
        .session
        .as_ref()
        .is_some_and(|session| session.open.timestamp() / 60 <= minute && minute < session.close.timestamp() / 60)
}

/// Minutes, rows outside the session and day statistics of a record against its rows: `summed` are the sums of all of them,
/// `stored` those of the minute dataset.
pub fn check_day(
    id: &PartitionId,
    content: &Content,
    summed: &Sums,
    stored: &[MinuteSum],
    batches: &[RecordBatch],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let seen: HashSet<i64> =
        summed.keys().map(|(minute, _)| *minute).filter(|minute| inside(content, *minute)).collect();
    let outside: i64 =
        summed.iter().filter(|((minute, _), _)| !inside(content, *minute)).map(|(_, (strikes, _))| strikes).sum();
    let said = (u64::from(content.minutes_seen), content.counts.outside_session);
    if said != (seen.len() as u64, outside.unsigned_abs()) {
        let detail = format!(
            "{} session minutes have rows and {outside} rows lie outside; its record says {} and {}",
            seen.len(),
            said.0,
            said.1
        );
        findings.push(Finding::new(Code::CountsDiffer, id.data_key(), detail));
    }
    if let Some(detail) = statistics_difference(content, stored, batches) {
        findings.push(Finding::new(Code::DayDiffers, id.data_key(), detail));
    }
    findings
}

fn statistics_difference(content: &Content, sums: &[MinuteSum], batches: &[RecordBatch]) -> Option<String> {
    let computed = sums
        .last()
        .map_or(Ok(Vec::new()), |last| rows_of_minute(batches, last.minute))
        .and_then(|rows| statistics(sums, &rows));
    let computed = match computed {
        Ok(computed) => computed,
        Err(error) => return Some(error.detail().to_owned()),
    };
    let said = content.details.get("day").cloned().unwrap_or_default();
    match serde_json::from_value::<DayStatistics>(said) {
        Err(error) => Some(format!("the statistics in its record cannot be read ({error})")),
        Ok(said) => differing(&said, &computed)
            .map(|fields| format!("the statistics in its record differ from those of its rows in {fields}")),
    }
}

/// Names of the statistics that differ.
pub fn differing(a: &DayStatistics, b: &DayStatistics) -> Option<String> {
    let mut fields = Vec::new();
    for (at, greek) in Greek::ALL.iter().enumerate() {
        if a.levels()[at] != b.levels()[at] {
            fields.push(greek.name());
        }
    }
    let strikes = [
        ("spot_open", a.spot_open, b.spot_open),
        ("spot_close", a.spot_close, b.spot_close),
        ("gamma_flip_strike", a.gamma_flip_strike, b.gamma_flip_strike),
        ("gamma_top_strike", a.gamma_top_strike, b.gamma_top_strike),
        ("gamma_bottom_strike", a.gamma_bottom_strike, b.gamma_bottom_strike),
    ];
    fields.extend(strikes.into_iter().filter(|(_, a, b)| a != b).map(|(name, _, _)| name));
    (!fields.is_empty()).then(|| fields.join(", "))
}

/// Rows of one minute; statistics look at the strikes of the last one only.
fn rows_of_minute(batches: &[RecordBatch], minute: i64) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let at_minute = DateTime::from_timestamp(minute * 60, 0).unwrap_or_default();
    for batch in batches {
        let exposures = Exposures::of(batch)?;
        let strike: &Float64Array = column(batch, "strike")?;
        for at in (0..batch.num_rows()).filter(|at| exposures.timestamp.value(*at) == minute * MINUTE_US) {
            let greeks = [0, 1, 2].map(|greek| exposures.greek(greek, at));
            let expiration = date(exposures.expiration.value(at));
            rows.push(Row::new(expiration, strike.value(at), at_minute, at_minute, at_minute, 0, greeks));
        }
    }
    Ok(rows)
}

fn instant(minute: i64) -> String {
    DateTime::from_timestamp(minute * 60, 0).unwrap_or_default().format("%Y-%m-%dT%H:%MZ").to_string()
}

/// The date so many days after 1970-01-01.
pub fn date(days: i32) -> TradingDate {
    TradingDate::from(chrono::NaiveDate::from_epoch_days(days).unwrap_or_default())
}
