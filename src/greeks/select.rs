//! Questions that are a slice of a day's sorted file: one strike's day, an hour, a minute, everything. Finds the rows by row-group
//! statistics and binary search, decodes only the row groups that can hold them, and computes nothing.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, SchemaRef, TimestampMicrosecondType};
use futures::{StreamExt, TryStreamExt, stream};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use super::record::Greek;
use crate::http::format::{Rows, Slice};
use crate::lake::row_groups::{OpenPartition, RowGroups};
use crate::{Error, Result};

/// Row groups decoded ahead of the answer.
const DECODED_AHEAD: usize = 2;
/// Up to so many rows a time-filtered answer is gathered whole, so that it can tell its length.
const GATHERED_ROWS: i64 = 200_000;

/// Which rows of a day. Every bound that is `None` admits all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    pub strike: Option<f64>,
    /// Inclusive.
    pub strike_min: Option<f64>,
    /// Inclusive.
    pub strike_max: Option<f64>,
    /// Days since 1970-01-01.
    pub expiration: Option<i32>,
    /// Microseconds since 1970-01-01T00:00Z, from (inclusive) and to (exclusive).
    pub from_us: Option<i64>,
    pub to_us: Option<i64>,
    /// The greeks to answer with; the key columns are always there.
    pub greeks: Option<Vec<Greek>>,
}

impl Filter {
    fn strikes(&self) -> (f64, f64) {
        let low = self.strike_min.unwrap_or(f64::NEG_INFINITY).max(self.strike.unwrap_or(f64::NEG_INFINITY));
        let high = self.strike_max.unwrap_or(f64::INFINITY).min(self.strike.unwrap_or(f64::INFINITY));
        (low, high)
    }

    fn times(&self) -> (i64, i64) {
        (self.from_us.unwrap_or(i64::MIN), self.to_us.unwrap_or(i64::MAX))
    }

    fn admits_every_series(&self) -> bool {
        self.expiration.is_none() && self.strikes() == (f64::NEG_INFINITY, f64::INFINITY)
    }

    fn admits_every_minute(&self) -> bool {
        self.from_us.is_none() && self.to_us.is_none()
    }

    /// Whether a row group with these statistics can hold a row; without statistics it can.
    pub(super) fn may_hold(&self, group: &RowGroupMetaData) -> bool {
        let (low, high) = self.strikes();
        let (from, to) = self.times();
        let expiration = self.expiration.is_none_or(|wanted| match statistics(group, "expiration") {
            Some(Statistics::Int32(range)) => within(range.min_opt(), range.max_opt(), &wanted, &wanted),
            _ => true,
        });
        let strike = match statistics(group, "strike") {
            Some(Statistics::Double(range)) => within(range.min_opt(), range.max_opt(), &low, &high),
            _ => true,
        };
        let time = match statistics(group, "timestamp") {
            Some(Statistics::Int64(range)) => {
                range.max_opt().is_none_or(|max| *max >= from) && range.min_opt().is_none_or(|min| *min < to)
            }
            _ => true,
        };
        expiration && strike && time
    }

    /// The rows of a decoded row group, in order.
    pub(super) fn rows(&self, batch: &RecordBatch) -> Result<Vec<Range<usize>>> {
        if self.admits_every_series() && self.admits_every_minute() {
            return Ok(vec![0..batch.num_rows()]);
        }
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| Error::corrupt(format!("the file has no column '{name}'")))
        };
        let times = column("timestamp")?.as_primitive::<TimestampMicrosecondType>().values();
        let expirations = column("expiration")?.as_primitive::<Date32Type>().values();
        let strikes = column("strike")?.as_primitive::<Float64Type>().values();
        let (low, high) = self.strikes();
        let (from, to) = self.times();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut start = 0;
        // Series have nearly the same length, so the end of the next one is looked for near where the last one ended.
        let mut usual = 1;
        while start < times.len() {
            let same = |at: usize| expirations[at] == expirations[start] && strikes[at] == strikes[start];
            let end = end_of_run(start, times.len(), usual, same);
            usual = end - start;
            let wanted = self.expiration.is_none_or(|expiration| expiration == expirations[start])
                && low <= strikes[start]
                && strikes[start] <= high;
            if wanted {
                let minutes = &times[start..end];
                let rows = start + minutes.partition_point(|time| *time < from)
                    ..start + minutes.partition_point(|time| *time < to);
                match ranges.last_mut() {
                    Some(last) if last.end == rows.start => last.end = rows.end,
                    _ if rows.is_empty() => {}
                    _ => ranges.push(rows),
                }
            }
            start = end;
        }
        Ok(ranges)
    }

    /// The columns to answer with.
    pub(super) fn columns(&self, schema: &SchemaRef) -> Vec<usize> {
        let wanted = |name: &str| match (&self.greeks, Greek::ALL.iter().find(|greek| greek.column() == name)) {
            (Some(greeks), Some(greek)) => greeks.contains(greek),
            // A greek that this version does not know yet is left out when greeks are named.
            (Some(_), None) => !name.ends_with("_exposure"),
            (None, _) => true,
        };
        schema.fields().iter().enumerate().filter(|(_, field)| wanted(field.name())).map(|(at, _)| at).collect()
    }
}

/// Whether ranges `min..=max` and `low..=high` meet.
fn within<T: PartialOrd>(min: Option<&T>, max: Option<&T>, low: &T, high: &T) -> bool {
    max.is_none_or(|max| max >= low) && min.is_none_or(|min| min <= high)
}

fn statistics<'a>(group: &'a RowGroupMetaData, column: &str) -> Option<&'a Statistics> {
    group.columns().iter().find(|chunk| chunk.column_path().string() == column)?.statistics()
}

/// The end of the run of equal rows that begins at `start`: looked for at the `usual` length first, then by doubling and
/// halving.
fn end_of_run(start: usize, end: usize, usual: usize, same: impl Fn(usize) -> bool) -> usize {
    let guess = start + usual;
    if guess < end && same(guess - 1) && !same(guess) {
        return guess;
    }
    let mut step = 1;
    let mut low = start;
    while low + step < end && same(low + step) {
        low += step;
        step *= 2;
    }
    let mut high = (low + step).min(end);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if same(middle) { low = middle } else { high = middle }
    }
    high
}

/// The last minute that any row of the file has, in microseconds; `None` for an empty file.
pub fn last_minute(partition: &OpenPartition) -> Option<i64> {
    let of = |group: &RowGroupMetaData| match statistics(group, "timestamp") {
        Some(Statistics::Int64(range)) => range.max_opt().copied(),
        _ => None,
    };
    partition.metadata().row_groups().iter().filter_map(of).max()
}

/// The rows that `filter` admits with the schema they come in. What is in memory already is answered without a hop to
/// another thread.
///
/// # Errors
/// `Corrupt` when the file cannot be decoded.
pub async fn select(groups: &RowGroups, partition: &OpenPartition, filter: Filter) -> Result<(SchemaRef, Rows)> {
    let metadata = partition.metadata();
    let numbers: Vec<usize> =
        (0..metadata.num_row_groups()).filter(|number| filter.may_hold(metadata.row_group(*number))).collect();
    let columns = filter.columns(partition.schema());
    let schema =
        Arc::new(partition.schema().project(&columns).map_err(|error| Error::internal("columns").caused_by(error))?);

    let held: Option<Vec<Arc<RecordBatch>>> = numbers.iter().map(|number| groups.held(partition, *number)).collect();
    if let Some(batches) = held {
        let slices = batches.iter().map(|batch| slice(batch, &filter, &columns)).collect::<Result<Vec<_>>>()?;
        return Ok((schema, Rows::Ready(slices)));
    }
    let rows: i64 = numbers.iter().map(|number| metadata.row_group(*number).num_rows()).sum();
    let (groups, partition) = (groups.clone(), partition.clone());
    let slices = stream::iter(numbers)
        .map(move |number| {
            let (groups, partition) = (groups.clone(), partition.clone());
            let (filter, columns) = (filter.clone(), columns.clone());
            async move {
                tokio::task::spawn_blocking(move || slice(&*groups.get(&partition, number)?, &filter, &columns))
                    .await
                    .map_err(|error| Error::internal("a row group's decoder stopped").caused_by(error))?
            }
        })
        .buffered(DECODED_AHEAD);
    if rows <= GATHERED_ROWS {
        return Ok((schema, Rows::Ready(slices.try_collect().await?)));
    }
    Ok((schema, Rows::Stream(slices.boxed())))
}

fn slice(batch: &RecordBatch, filter: &Filter, columns: &[usize]) -> Result<Slice> {
    let ranges = filter.rows(batch)?;
    let batch = batch.project(columns).map_err(|error| Error::internal("columns").caused_by(error))?;
    Ok(Slice { batch, ranges })
}

#[cfg(test)]
#[path = "select_tests.rs"]
mod tests;
