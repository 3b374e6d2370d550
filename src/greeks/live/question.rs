//! What one listener wants to see of each minute, and the rows that answer it: those which `/aggregate?at=` (or, by row, the
//! day's own route) gives for the same minute. Sums here are few rows of one minute, so they are added up in place.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Date32Type, Field, Float64Type, Int64Type, Schema};
use futures::TryStreamExt;

use super::view::{MINUTE_US, View};
use crate::greeks::query::By;
use crate::greeks::record::{Greek, instant};
use crate::greeks::rollup::fits;
use crate::greeks::select::{Filter, select};
use crate::http::format::{Rows, Slice, rows_on_one_line};
use crate::lake::row_groups::RowGroups;
use crate::{Error, Result};

/// What an event has one row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Sums, as `/aggregate` gives them.
    Sums(By),
    /// Every row of the strike level.
    Rows,
}

impl Grain {
    pub const CHOICES: [(&'static str, Grain); 4] = [
        ("minute", Grain::Sums(By::Minute)),
        ("expiration", Grain::Sums(By::Expiration)),
        ("strike", Grain::Sums(By::Strike)),
        ("row", Grain::Rows),
    ];

    pub fn name(self) -> &'static str {
        match self {
            Grain::Sums(by) => by.name(),
            Grain::Rows => "row",
        }
    }
}

/// One listener's question; `filter` has no times.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub grain: Grain,
    pub filter: Filter,
}

/// What is added up under one key.
#[derive(Default)]
struct Sum {
    totals: [Option<i128>; 3],
    rows: i64,
    spot: Option<f64>,
}

/// A row's place: its expiration or strike; nothing for the whole minute. Strikes as bits, which sort like the positive
/// numbers they are.
type Key = u64;

impl Question {
    /// Whether the minute sums are enough: nothing about strikes is asked.
    pub fn from_sums(&self) -> bool {
        let Filter { strike, strike_min, strike_max, .. } = &self.filter;
        matches!(self.grain, Grain::Sums(By::Minute | By::Expiration))
            && strike.is_none()
            && strike_min.is_none()
            && strike_max.is_none()
    }

    /// The rows of one minute, as the JSON list that the other routes would write, on one line.
    ///
    /// # Errors
    /// `Corrupt` when a file cannot be decoded; `Invalid` when a sum does not fit 64 bits.
    pub async fn rows(&self, view: &View, minute: i64, groups: &RowGroups) -> Result<String> {
        let sums = view.sums(minute);
        let spots = Spots::of(&sums)?;
        let by = match self.grain {
            Grain::Sums(by) => by,
            Grain::Rows => {
                let (schema, slices) = self.strike_level(view, minute, groups).await?;
                return rows_on_one_line(&schema, &slices);
            }
        };
        let mut found: BTreeMap<Key, Sum> = BTreeMap::new();
        if self.from_sums() {
            add_up(&mut found, &Slice::whole(sums), by, self.filter.expiration)?;
        } else {
            for slice in self.strike_level(view, minute, groups).await?.1 {
                add_up(&mut found, &slice, by, None)?;
            }
        }
        for (key, sum) in &mut found {
            sum.spot = if by == By::Expiration { spots.of_expiration(*key) } else { spots.of_minute };
        }
        let batch = self.table(minute, by, &found)?;
        rows_on_one_line(&batch.schema(), &[Slice::whole(batch.clone())])
    }

    async fn strike_level(&self, view: &View, minute: i64, groups: &RowGroups) -> Result<(Arc<Schema>, Vec<Slice>)> {
        let filter = Filter { from_us: Some(minute), to_us: Some(minute + MINUTE_US), ..self.filter.clone() };
        let (schema, rows) = select(groups, &view.pair.day.partition, filter).await?;
        let slices = match rows {
            Rows::Ready(slices) => slices,
            Rows::Stream(slices) => slices.try_collect().await?,
        };
        Ok((schema, slices))
    }

    /// The columns of `/aggregate`: key, sums of the greeks asked for, `strikes`, `spot`.
    fn table(&self, minute: i64, by: By, found: &BTreeMap<Key, Sum>) -> Result<RecordBatch> {
        let times = TimestampMicrosecondArray::from_iter_values(found.iter().map(|_| minute)).with_timezone("UTC");
        let mut fields = vec![Field::new("timestamp", instant(), false)];
        let mut columns: Vec<ArrayRef> = vec![Arc::new(times)];
        match by {
            By::Minute => {}
            By::Expiration => {
                fields.push(Field::new("expiration", DataType::Date32, false));
                columns.push(Arc::new(Date32Array::from_iter_values(found.keys().map(|key| expiration(*key)))));
            }
            By::Strike => {
                fields.push(Field::new("strike", DataType::Float64, false));
                columns.push(Arc::new(Float64Array::from_iter_values(found.keys().map(|key| f64::from_bits(*key)))));
            }
        }
        for (at, greek) in Greek::ALL.into_iter().enumerate() {
            if self.filter.greeks.as_ref().is_none_or(|asked| asked.contains(&greek)) {
                let totals = found.values().map(|sum| sum.totals[at].map(fits).transpose());
                fields.push(Field::new(greek.column(), DataType::Int64, true));
                columns.push(Arc::new(totals.collect::<Result<Int64Array>>()?));
            }
        }
        fields.push(Field::new("strikes", DataType::Int64, false));
        columns.push(Arc::new(Int64Array::from_iter_values(found.values().map(|sum| sum.rows))));
        fields.push(Field::new("spot", DataType::Float64, true));
        columns.push(Arc::new(found.values().map(|sum| sum.spot).collect::<Float64Array>()));
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| Error::internal("a minute has no table form").caused_by(error))
    }
}

fn add_up(found: &mut BTreeMap<Key, Sum>, slice: &Slice, by: By, only: Option<i32>) -> Result<()> {
    let batch = &slice.batch;
    let expirations = column(batch, "expiration")?.as_primitive::<Date32Type>();
    let strikes = match by {
        By::Strike => Some(column(batch, "strike")?.as_primitive::<Float64Type>()),
        By::Minute | By::Expiration => None,
    };
    // The minute sums say how many rows each of theirs stands for; a row of the strike level stands for itself.
    let counts = batch.column_by_name("strikes").map(|counts| counts.as_primitive::<Int64Type>());
    let greeks = Greek::ALL.map(|greek| batch.column_by_name(greek.column()).map(|c| c.as_primitive::<Int64Type>()));
    for row in slice.ranges.iter().cloned().flatten() {
        if only.is_some_and(|only| only != expirations.value(row)) {
            continue;
        }
        let key = match (by, strikes) {
            (By::Strike, Some(strikes)) => strikes.value(row).to_bits(),
            (By::Expiration, _) => key_of(expirations.value(row)),
            _ => 0,
        };
        let sum = found.entry(key).or_default();
        sum.rows += counts.map_or(1, |counts| counts.value(row));
        for (total, greek) in sum.totals.iter_mut().zip(greeks) {
            if let Some(value) = greek.filter(|greek| arrow::array::Array::is_valid(greek, row)) {
                *total = Some(total.unwrap_or(0) + i128::from(value.value(row)));
            }
        }
    }
    Ok(())
}

/// Expirations as keys that sort like them.
fn key_of(expiration: i32) -> Key {
    u64::from((expiration as u32) ^ (1 << 31))
}

fn expiration(key: Key) -> i32 {
    ((key as u32) ^ (1 << 31)) as i32
}

/// What the minute sums say of the underlying's price.
struct Spots {
    by_expiration: BTreeMap<i32, f64>,
    /// That of the nearest expiration which has one.
    of_minute: Option<f64>,
}

impl Spots {
    fn of(sums: &RecordBatch) -> Result<Self> {
        let expirations = column(sums, "expiration")?.as_primitive::<Date32Type>();
        let spots = column(sums, "spot")?.as_primitive::<Float64Type>();
        let known = expirations.values().iter().zip(spots.iter());
        let by_expiration: BTreeMap<i32, f64> =
            known.filter_map(|(expiration, spot)| Some((*expiration, spot?))).collect();
        let of_minute = by_expiration.values().next().copied();
        Ok(Self { by_expiration, of_minute })
    }

    fn of_expiration(&self, key: Key) -> Option<f64> {
        self.by_expiration.get(&expiration(key)).copied()
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    batch.column_by_name(name).ok_or_else(|| Error::corrupt(format!("the file has no column '{name}'")))
}
