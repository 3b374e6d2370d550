//! Rows to Arrow batches of the datasets' schemas, cut where row groups are cut.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Date32Array, Float64Array, Int32Array, Int64Array, Int64Builder, RecordBatch,
    TimestampMicrosecondArray,
};

use crate::greeks::day::DayStatistics;
use crate::greeks::record::{BY_DAY, BY_MINUTE, STRIKES};
use crate::greeks::rollup::MinuteSum;
use crate::greeks::rows::Row;
use crate::lake::year_index::DayEntry;
use crate::{Error, Result};

/// Strike-level rows, one batch per row group. A series (one expiration and strike) is never cut, so that one strike's
/// day is one row group's decode.
pub fn strikes(rows: &[Row]) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    let mut start = 0;
    while start < rows.len() {
        let mut end = (start + STRIKES.row_group_rows).min(rows.len());
        if end < rows.len() {
            let series = rows[end].series();
            let cut = rows[start..end].partition_point(|row| row.series() < series);
            end = if cut > 0 { start + cut } else { end };
        }
        batches.push(strike_batch(&rows[start..end])?);
        start = end;
    }
    if batches.is_empty() {
        batches.push(strike_batch(&[])?);
    }
    Ok(batches)
}

fn strike_batch(rows: &[Row]) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = vec![
        instants(rows.iter().map(|row| Some(row.minute() * 60_000_000))),
        Arc::new(Date32Array::from_iter_values(rows.iter().map(Row::expiration))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(Row::strike))),
    ];
    for at in 0..3 {
        let mut greek = Int64Builder::with_capacity(rows.len());
        rows.iter().for_each(|row| greek.append_option(row.greek(at)));
        columns.push(Arc::new(greek.finish()));
    }
    batch((STRIKES.schema)(), columns)
}

/// Minute sums, in one batch: a day has a few thousand.
pub fn minutes(sums: &[MinuteSum]) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = vec![
        instants(sums.iter().map(|sum| Some(sum.minute * 60_000_000))),
        Arc::new(Date32Array::from_iter_values(sums.iter().map(|sum| sum.expiration))),
        Arc::new(Float64Array::from_iter(sums.iter().map(|sum| sum.spot))),
    ];
    for at in 0..3 {
        columns.push(Arc::new(Int64Array::from_iter(sums.iter().map(|sum| sum.greeks[at]))));
    }
    columns.push(Arc::new(Int64Array::from_iter_values(sums.iter().map(|sum| sum.strikes))));
    batch((BY_MINUTE.schema)(), columns)
}

/// The rows of a year from its index.
pub fn days(entries: &[DayEntry]) -> Result<RecordBatch> {
    let statistics: Vec<DayStatistics> = entries
        .iter()
        .map(|entry| {
            serde_json::from_value(entry.day.clone()).map_err(|error| {
                Error::corrupt(format!("the statistics of {} in the year's index cannot be read", entry.date))
                    .caused_by(error)
            })
        })
        .collect::<Result<_>>()?;
    let whole = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from_iter_values(entries.iter().map(|entry| entry.date.days_since_epoch()))),
        Arc::new(Int32Array::from_iter_values(entries.iter().map(|entry| whole(entry.minutes_expected)))),
        Arc::new(Int32Array::from_iter_values(entries.iter().map(|entry| whole(entry.minutes_seen)))),
        Arc::new(Float64Array::from_iter(statistics.iter().map(|day| day.spot_open))),
        Arc::new(Float64Array::from_iter(statistics.iter().map(|day| day.spot_close))),
    ];
    for at in 0..3 {
        let levels: Vec<_> = statistics.iter().map(|day| day.levels()[at].as_ref()).collect();
        let dollars = |pick: fn(&crate::greeks::day::Level) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter(levels.iter().map(|level| level.map(pick))))
        };
        columns.extend([dollars(|l| l.open), dollars(|l| l.close), dollars(|l| l.min), dollars(|l| l.max)]);
        columns.push(Arc::new(Float64Array::from_iter(levels.iter().map(|level| level.map(|level| level.mean)))));
        columns.push(instants(levels.iter().map(|level| level.map(|level| level.min_at.timestamp_micros()))));
        columns.push(instants(levels.iter().map(|level| level.map(|level| level.max_at.timestamp_micros()))));
    }
    columns.push(Arc::new(Float64Array::from_iter(statistics.iter().map(|day| day.gamma_flip_strike))));
    columns.push(Arc::new(Float64Array::from_iter(statistics.iter().map(|day| day.gamma_top_strike))));
    columns.push(Arc::new(Float64Array::from_iter(statistics.iter().map(|day| day.gamma_bottom_strike))));
    batch((BY_DAY.schema)(), columns)
}

fn instants(micros: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    let array = TimestampMicrosecondArray::from_iter(micros).with_timezone("UTC");
    debug_assert!(array.data_type() == &crate::greeks::record::instant());
    Arc::new(array)
}

fn batch(schema: arrow::datatypes::SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(schema, columns)
        .map_err(|error| Error::internal("rows do not fit their schema").caused_by(error))
}
