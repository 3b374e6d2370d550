//! One day as it was published at one time: both files, and where each minute lies in the sums. Two views of a day are
//! compared minute by minute to find what a republication changed. Made by [`super::watch`], read by [`super::listener`].

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use tokio::sync::OnceCell;

use crate::greeks::pair::Pair;
use crate::lake::head::Head;
use crate::lake::manifest::Condition;
use crate::lake::row_groups::{OpenPartition, RowGroups};
use crate::market::TradingDate;
use crate::{Error, Result};

/// A minute in microseconds.
pub const MINUTE_US: i64 = 60_000_000;

/// The minutes of a day are those of its minute sums, in order: rows outside the session are none.
pub struct View {
    pub date: TradingDate,
    pub pair: Pair,
    /// The minute sums, whole.
    sums: RecordBatch,
    /// Start of each minute in microseconds since 1970, with its rows in `sums`.
    minutes: Vec<(i64, Range<usize>)>,
    strikes: OnceCell<BTreeMap<i64, u64>>,
}

impl View {
    /// Reads the minute sums.
    ///
    /// # Errors
    /// `Corrupt` when the file cannot be decoded.
    pub async fn of(date: TradingDate, pair: Pair, groups: &RowGroups) -> Result<Self> {
        let (partition, groups) = (pair.minutes.partition.clone(), groups.clone());
        let read = tokio::task::spawn_blocking(move || whole(&partition, &groups)).await;
        let sums = read.map_err(|error| Error::internal("reading minute sums stopped").caused_by(error))??;
        let minutes = minutes(&sums)?;
        Ok(Self { date, pair, sums, minutes, strikes: OnceCell::new() })
    }

    pub fn head(&self) -> &Head {
        &self.pair.day.head
    }

    /// Whether it was made from these very files under this very record.
    pub fn is_of(&self, date: TradingDate, pair: &Pair) -> bool {
        let same = |a: &crate::lake::head::ReadyPartition, b: &crate::lake::head::ReadyPartition| {
            a.file().path() == b.file().path() && a.head == b.head
        };
        self.date == date && same(&self.pair.day, &pair.day) && same(&self.pair.minutes, &pair.minutes)
    }

    /// Whether the day's session has closed and this is what was made of it after.
    pub fn is_final(&self) -> bool {
        self.head().condition != Condition::Pending
    }

    pub fn last_minute(&self) -> Option<i64> {
        self.minutes.last().map(|(minute, _)| *minute)
    }

    /// All minutes in `range`, in order.
    pub fn minutes_in(&self, range: impl std::ops::RangeBounds<i64>) -> Vec<i64> {
        self.minutes.iter().map(|(minute, _)| *minute).filter(|minute| range.contains(minute)).collect()
    }

    /// The sums of one minute, a row per expiration; empty when the day does not have the minute.
    pub fn sums(&self, minute: i64) -> RecordBatch {
        match self.minutes.binary_search_by_key(&minute, |(known, _)| *known) {
            Ok(at) => {
                let rows = &self.minutes[at].1;
                self.sums.slice(rows.start, rows.len())
            }
            Err(_) => self.sums.slice(0, 0),
        }
    }

    /// Whether nothing was received after the minute's end: what is there may be a part of it.
    pub fn may_grow(&self, minute: i64) -> bool {
        let received = self.head().content.captures.iter().filter_map(|capture| capture.last_received_at).max();
        !self.is_final() && received.is_none_or(|at| at.timestamp_micros() < minute + MINUTE_US)
    }

    /// A fingerprint of each minute's strike-level rows. Looks at every row of the day the first time, and remembers.
    ///
    /// # Errors
    /// `Corrupt` when the file cannot be decoded.
    pub async fn fingerprints(&self, groups: &RowGroups) -> Result<&BTreeMap<i64, u64>> {
        let read = || async {
            let (partition, groups) = (self.pair.day.partition.clone(), groups.clone());
            tokio::task::spawn_blocking(move || fingerprints(&partition, &groups))
                .await
                .map_err(|error| Error::internal("comparing two revisions stopped").caused_by(error))?
        };
        self.strikes.get_or_try_init(read).await
    }
}

fn whole(partition: &OpenPartition, groups: &RowGroups) -> Result<RecordBatch> {
    let batches = (0..partition.metadata().num_row_groups())
        .map(|number| groups.get(partition, number))
        .collect::<Result<Vec<Arc<RecordBatch>>>>()?;
    arrow::compute::concat_batches(partition.schema(), batches.iter().map(Arc::as_ref))
        .map_err(|error| Error::internal("minute sums cannot be joined").caused_by(error))
}

fn minutes(sums: &RecordBatch) -> Result<Vec<(i64, Range<usize>)>> {
    let times = sums
        .column_by_name("timestamp")
        .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
        .ok_or_else(|| Error::corrupt("the minute sums have no column 'timestamp'"))?
        .values();
    let mut minutes: Vec<(i64, Range<usize>)> = Vec::new();
    for (row, time) in times.iter().enumerate() {
        match minutes.last_mut() {
            Some((minute, rows)) if minute == time => rows.end = row + 1,
            Some((minute, _)) if *minute > *time => return Err(Error::corrupt("the minute sums are not in order")),
            _ => minutes.push((*time, row..row + 1)),
        }
    }
    Ok(minutes)
}

/// Per minute the sum of its rows' hashes: the order of rows does not matter, every value does.
fn fingerprints(partition: &OpenPartition, groups: &RowGroups) -> Result<BTreeMap<i64, u64>> {
    let mut minutes = BTreeMap::new();
    for number in 0..partition.metadata().num_row_groups() {
        let batch = groups.get(partition, number)?;
        let times = batch
            .column_by_name("timestamp")
            .and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>())
            .ok_or_else(|| Error::corrupt("the file has no column 'timestamp'"))?
            .values();
        let mut hashers = vec![DefaultHasher::new(); batch.num_rows()];
        for column in batch.columns() {
            hash(column.as_ref(), &mut hashers)?;
        }
        for (time, hasher) in times.iter().zip(hashers) {
            let sum: &mut u64 = minutes.entry(*time).or_default();
            *sum = sum.wrapping_add(hasher.finish());
        }
    }
    Ok(minutes)
}

fn hash(column: &dyn Array, hashers: &mut [DefaultHasher]) -> Result<()> {
    let is_valid = |row: usize| column.is_valid(row);
    macro_rules! each {
        ($kind:ty, $bits:expr) => {{
            let values = column.as_primitive::<$kind>().values();
            for (row, hasher) in hashers.iter_mut().enumerate() {
                is_valid(row).then(|| $bits(values[row])).hash(hasher);
            }
        }};
    }
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => each!(TimestampMicrosecondType, |value: i64| value),
        DataType::Int64 => each!(Int64Type, |value: i64| value),
        DataType::Date32 => each!(Date32Type, |value: i32| value),
        DataType::Float64 => each!(Float64Type, |value: f64| value.to_bits()),
        other => return Err(Error::internal(format!("a strike-level column has the type {other}"))),
    }
    Ok(())
}
