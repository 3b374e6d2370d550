//! Parquet: columns of any type that can be written down, Arrow timestamps with or without a zone.

use std::io::{BufReader, Read};

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::datatypes::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};

use super::columns::{Columns, Named, Role};
use super::{Cells, Place, TakeRow, unreadable};
use crate::bars::reading::VolumeKind;
use crate::{Error, Result};

const ROWS_AT_ONCE: usize = 16_384;

pub fn read(
    mut input: BufReader<impl Read>,
    named: &Named,
    volume: VolumeKind,
    progress: &(dyn Fn(u64) + Send + Sync),
    taker: &mut dyn TakeRow,
) -> Result<()> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    let length = bytes.len() as u64;
    let builder = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).map_err(damaged)?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let columns = Columns::find(&names, named, volume)?;
    taker.columns(columns.has());
    let mut row = 0;
    for batch in builder.with_batch_size(ROWS_AT_ONCE).build().map_err(damaged)? {
        take(&batch.map_err(damaged)?, &columns, &mut row, taker)?;
    }
    progress(length);
    Ok(())
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::invalid(format!("the Parquet file cannot be read ({error}); nothing of it was taken"))
}

fn take(batch: &RecordBatch, columns: &Columns, row: &mut u64, taker: &mut dyn TakeRow) -> Result<()> {
    let column = |at: Option<usize>| at.map(|at| texts(batch.column(at).as_ref())).transpose();
    let texts: Vec<Option<Vec<Option<String>>>> = columns.places().into_iter().map(column).collect::<Result<_>>()?;
    for at in 0..batch.num_rows() {
        *row += 1;
        let place = Place { what: "row", number: *row, line: 0 };
        let mut cells: Cells<'_> = [None; Role::COUNT];
        cells
            .iter_mut()
            .zip(&texts)
            .for_each(|(cell, texts)| *cell = texts.as_ref().and_then(|texts| texts[at].as_deref()));
        let text = || cells.iter().map(|cell| cell.unwrap_or_default()).collect::<Vec<_>>().join(",").into_bytes();
        taker.row(place, &cells, &text)?;
    }
    Ok(())
}

/// A column as texts, nulls as `None`.
fn texts(column: &dyn Array) -> Result<Vec<Option<String>>> {
    if let DataType::Timestamp(unit, zone) = column.data_type() {
        let (values, per_second): (Vec<i64>, i64) = match unit {
            TimeUnit::Second => (column.as_primitive::<TimestampSecondType>().values().to_vec(), 1),
            TimeUnit::Millisecond => (column.as_primitive::<TimestampMillisecondType>().values().to_vec(), 1_000),
            TimeUnit::Microsecond => (column.as_primitive::<TimestampMicrosecondType>().values().to_vec(), 1_000_000),
            TimeUnit::Nanosecond => (column.as_primitive::<TimestampNanosecondType>().values().to_vec(), 1_000_000_000),
        };
        let text = |at: usize| column.is_valid(at).then(|| instant(values[at], per_second, zone.is_some()));
        return Ok((0..column.len()).map(text).collect());
    }
    let options = FormatOptions::default();
    let format = ArrayFormatter::try_new(column, &options).map_err(damaged)?;
    let text = |at: usize| match column.is_valid(at) {
        true => format.value(at).try_to_string().map(Some).map_err(damaged),
        false => Ok(None),
    };
    (0..column.len()).map(text).collect()
}

/// An Arrow timestamp as text: one of a zone is an instant, one without is what a clock showed.
fn instant(value: i64, per_second: i64, zoned: bool) -> String {
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    let time = DateTime::from_timestamp(value.div_euclid(per_second), u32::try_from(nanos).unwrap_or_default());
    match time {
        Some(time) if zoned => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        Some(time) => time.naive_utc().to_string(),
        None => value.to_string(),
    }
}
