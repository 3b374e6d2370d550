//! The rows of this room and their Arrow schema: what a researcher sees in the files. `lake-layout.md` is checked against it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Float64Type, Int32Type, Schema, SchemaRef, TimeUnit, TimestampMicrosecondType,
};

use super::Bar;
use crate::lake::compact::is_later_version;
use crate::lake::dataset::{Cut, Dataset, Packing};
use crate::market::Grid;
use crate::{Error, Result};

/// The dataset and its captures.
pub const BARS: &str = "bars";

/// Changes whenever the same captures would give other bars or more columns.
pub const CALCULATION: &str = "bars-1";

const MINUTE_US: i64 = 60_000_000;

/// Whether a calculation of this room is a later one than [`CALCULATION`].
pub fn is_newer(version: &str) -> bool {
    is_later_version(version, CALCULATION)
}

/// One row per bar.
pub static BAR_ROWS: Dataset = Dataset {
    name: BARS,
    about: "price bars of one minute to one hour by the instant at which each starts, all sessions of a trading date",
    cut: Cut::Day,
    schema,
    sorted_by: &["timestamp"],
    packing: &[("timestamp", Packing::Delta), ("minutes", Packing::Dictionary)],
    row_group_rows: 60_000,
};

/// Every dataset of this room.
pub static DATASETS: [&Dataset; 1] = [&BAR_ROWS];

/// A row of the dataset: prices as the source said them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarRow {
    /// Minutes from 1970-01-01T00:00Z to the bar's start.
    pub start_minute: i64,
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
    /// How long the bar is: 1 to 60.
    pub minutes: u16,
}

impl BarRow {
    /// In ticks; a price between two counts at the lower one. `None` when a price is no number of ticks.
    pub fn in_ticks(&self, grid: Grid) -> Option<Bar> {
        let ticks = |price| grid.ticks(price).map(|on| on.ticks);
        Some(Bar {
            start_minute: self.start_minute,
            minutes: self.minutes,
            open: ticks(self.open)?,
            high: ticks(self.high)?,
            low: ticks(self.low)?,
            close: ticks(self.close)?,
            volume: self.volume,
        })
    }
}

fn schema() -> SchemaRef {
    let price = |name: &str| Field::new(name, DataType::Float64, false);
    Arc::new(Schema::new(vec![
        Field::new("timestamp", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        price("open"),
        price("high"),
        price("low"),
        price("close"),
        Field::new("volume", DataType::Float64, false),
        Field::new("minutes", DataType::Int32, false),
    ]))
}

/// Rows in order of time as one batch.
///
/// # Errors
/// `Internal`, never for rows of this program.
pub fn batch(rows: &[BarRow]) -> Result<RecordBatch> {
    let times = rows.iter().map(|row| row.start_minute * MINUTE_US);
    let doubles =
        |value: fn(&BarRow) -> f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(rows.iter().map(value))) };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        doubles(|row| row.open),
        doubles(|row| row.high),
        doubles(|row| row.low),
        doubles(|row| row.close),
        doubles(|row| row.volume),
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| i32::from(row.minutes)))),
    ];
    RecordBatch::try_new(schema(), columns)
        .map_err(|error| Error::internal("bars do not fit their columns").caused_by(error))
}

/// The rows of a batch of the dataset, whichever other columns it has.
///
/// # Errors
/// `Corrupt` when a column is missing or of another type.
pub fn rows(batch: &RecordBatch) -> Result<Vec<BarRow>> {
    let times = column::<TimestampMicrosecondType>(batch, "timestamp")?.values();
    let [open, high, low, close, volume] = ["open", "high", "low", "close", "volume"]
        .map(|name| column::<Float64Type>(batch, name).map(|column| column.values()));
    let (open, high, low, close, volume) = (open?, high?, low?, close?, volume?);
    let minutes = column::<Int32Type>(batch, "minutes")?.values();
    let row = |at: usize| {
        let length = u16::try_from(minutes[at]).map_err(|_| Error::corrupt("a bar's length is not in minutes"))?;
        Ok(BarRow {
            start_minute: times[at].div_euclid(MINUTE_US),
            open: open[at],
            high: high[at],
            low: low[at],
            close: close[at],
            volume: volume[at],
            minutes: length,
        })
    };
    (0..batch.num_rows()).map(row).collect()
}

fn column<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a arrow::array::PrimitiveArray<T>> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<T>());
    let column = column.filter(|column| column.null_count() == 0);
    column.ok_or_else(|| Error::corrupt(format!("bars have no column '{name}' of its type; run `pitlake verify`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_from_their_columns() {
        let row = BarRow {
            start_minute: 28_949_550,
            open: 21_375.0,
            high: 21_377.25,
            low: 21_374.5,
            close: 21_376.0,
            volume: 1203.0,
            minutes: 1,
        };
        let later = BarRow { start_minute: 28_949_555, volume: 0.25, minutes: 5, ..row };
        assert_eq!(rows(&batch(&[row, later]).unwrap()).unwrap(), [row, later]);
        let without = batch(&[row]).unwrap().project(&[0, 1, 2, 3]).unwrap();
        assert_eq!(rows(&without).unwrap_err().kind(), crate::ErrorKind::Corrupt);
    }

    #[test]
    fn versions_count_upwards() {
        assert!(is_newer("bars-2") && is_newer("bars-10"));
        assert!(!is_newer("bars-1") && !is_newer("greeks-9") && !is_newer(""));
    }
}
