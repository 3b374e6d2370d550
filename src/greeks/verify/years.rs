//! The year's table against the manifests of its days. Pure.

use std::collections::BTreeMap;

use arrow::array::{Array, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use chrono::{DateTime, Utc};

use super::sums::{column, date, differing};
use crate::Result;
use crate::greeks::day::{DayStatistics, Level};
use crate::greeks::record::{GREEKS, GREEKS_BY_DAY, Greek};
use crate::lake::layout::PartitionId;
use crate::lake::verify::{Code, Finding, Standing, YearView};
use crate::market::TradingDate;

/// A row of the table: minutes expected and seen, and the statistics.
type Day = (i32, i32, DayStatistics);

/// What the table gets wrong.
pub fn check(view: &YearView) -> Vec<Finding> {
    let key = PartitionId::year(GREEKS_BY_DAY, &view.symbol, view.year).data_key();
    let days = view.days.get(GREEKS).map(Vec::as_slice).unwrap_or_default();
    let table = match view.tables.get(GREEKS_BY_DAY) {
        Some(Standing::Whole(table)) => table,
        Some(Standing::Damaged) => return Vec::new(),
        None if days.is_empty() => return Vec::new(),
        None => return vec![Finding::new(Code::PartitionMissing, key, "the year has days and no table of them")],
    };
    let rows = match read(&table.batches) {
        Ok(rows) => rows,
        Err(error) => return vec![Finding::new(Code::DayDiffers, key, error.detail())],
    };
    let mut wrong = Vec::new();
    for entry in days {
        let said = serde_json::from_value::<DayStatistics>(entry.day.clone());
        match (rows.get(&entry.date), said) {
            (None, _) => wrong.push(format!("{} is not in it", entry.date)),
            (_, Err(_)) => wrong.push(format!("{} has no statistics that can be read", entry.date)),
            (Some((expected, seen, computed)), Ok(said)) => {
                if (i64::from(*expected), i64::from(*seen))
                    != (i64::from(entry.minutes_expected), i64::from(entry.minutes_seen))
                {
                    wrong.push(format!("{} has other minutes than its manifest", entry.date));
                }
                if let Some(fields) = differing(computed, &said) {
                    wrong.push(format!("{} differs from its manifest in {fields}", entry.date));
                }
            }
        }
    }
    let known = |date: &TradingDate| view.is_doubtful(GREEKS, *date) || days.iter().any(|entry| entry.date == *date);
    wrong.extend(rows.keys().filter(|date| !known(date)).map(|date| format!("{date} is no day of the lake")));
    match wrong.as_slice() {
        [] => Vec::new(),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!("; and {} more", rest.len()) };
            vec![Finding::new(Code::DayDiffers, key, format!("{first}{more}"))]
        }
    }
}

fn read(batches: &[RecordBatch]) -> Result<BTreeMap<TradingDate, Day>> {
    let mut days = BTreeMap::new();
    for batch in batches {
        let dates: &Date32Array = column(batch, "date")?;
        let expected: &Int32Array = column(batch, "minutes_expected")?;
        let seen: &Int32Array = column(batch, "minutes_seen")?;
        for at in 0..batch.num_rows() {
            let number = |name: &str| -> Result<Option<f64>> {
                let values: &Float64Array = column(batch, name)?;
                Ok(values.is_valid(at).then(|| values.value(at)))
            };
            let [gamma, vanna, charm] = Greek::ALL.map(|greek| level(batch, greek.name(), at));
            let statistics = DayStatistics {
                spot_open: number("spot_open")?,
                spot_close: number("spot_close")?,
                gamma: gamma?,
                vanna: vanna?,
                charm: charm?,
                gamma_flip_strike: number("gamma_flip_strike")?,
                gamma_top_strike: number("gamma_top_strike")?,
                gamma_bottom_strike: number("gamma_bottom_strike")?,
            };
            days.insert(date(dates.value(at)), (expected.value(at), seen.value(at), statistics));
        }
    }
    Ok(days)
}

/// `None` when the greek is null all day; a row that is null only in part reads as one with zeros, which differs.
fn level(batch: &RecordBatch, greek: &str, at: usize) -> Result<Option<Level>> {
    let dollars = |part: &str| column::<Int64Array>(batch, &format!("{greek}_{part}"));
    let instant = |part: &str| -> Result<DateTime<Utc>> {
        let values: &TimestampMicrosecondArray = column(batch, &format!("{greek}_{part}"))?;
        Ok(DateTime::from_timestamp_micros(values.value(at)).unwrap_or_default())
    };
    let mean: &Float64Array = column(batch, &format!("{greek}_mean"))?;
    let whole = [dollars("open")?, dollars("close")?, dollars("min")?, dollars("max")?];
    if whole.iter().all(|values| values.is_null(at)) && mean.is_null(at) {
        return Ok(None);
    }
    let [open, close, min, max] = whole.map(|values| values.value(at));
    Ok(Some(Level {
        open,
        close,
        min,
        max,
        mean: mean.value(at),
        min_at: instant("min_at")?,
        max_at: instant("max_at")?,
    }))
}
