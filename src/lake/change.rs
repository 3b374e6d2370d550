//! What a revision changed: which captures, and how many rows. Called where a partition is published over an older one. The
//! two files are read side by side in their sort order, a few thousand rows of each at a time, whatever the dataset is.

use std::cmp::Ordering;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, Rows, SortField};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::dataset::Dataset;
use super::manifest::{CaptureRef, Change, Content};
use crate::{Error, Result};

/// Rows of each file looked at together.
const BATCH_ROWS: usize = 8192;

/// Rows by what became of them from one file to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowsMoved {
    pub added: u64,
    pub changed: u64,
    pub removed: u64,
}

impl Change {
    /// What can be told without the files; `rows` is what [`compare`] counted, if it could.
    pub fn between(from_revision: u32, old: &Content, new: &Content, rows: Option<RowsMoved>) -> Self {
        let only_in = |these: &[CaptureRef], those: &[CaptureRef]| -> Vec<String> {
            let is_there = |capture: &CaptureRef| {
                those.iter().any(|other| (&other.dataset, &other.id) == (&capture.dataset, &capture.id))
            };
            let named = |capture: &CaptureRef| format!("{}/{}", capture.dataset, capture.id);
            these.iter().filter(|capture| !is_there(capture)).map(named).collect()
        };
        Self {
            from_revision,
            rows_added: rows.map(|rows| rows.added),
            rows_changed: rows.map(|rows| rows.changed),
            rows_removed: rows.map(|rows| rows.removed),
            captures_added: only_in(&new.captures, &old.captures),
            captures_removed: only_in(&old.captures, &new.captures),
            calculation_changed: old.calculation != new.calculation,
        }
    }
}

/// Compares two files of `dataset`. A column that one of them does not have yet counts as null there. Blocks.
///
/// # Errors
/// `Corrupt` when one cannot be decoded or is not in order; `what` names them.
pub fn compare(dataset: &Dataset, old: Bytes, new: Bytes, what: &str) -> Result<RowsMoved> {
    let schema = (dataset.schema)();
    let mut old = Side::open(dataset, &schema, old, what)?;
    let mut new = Side::open(dataset, &schema, new, what)?;
    let mut moved = RowsMoved::default();
    loop {
        let order = match (old.key(), new.key()) {
            (None, None) => return Ok(moved),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(before), Some(after)) => before.cmp(after),
        };
        match order {
            Ordering::Less => moved.removed += 1,
            Ordering::Greater => moved.added += 1,
            Ordering::Equal if old.values() != new.values() => moved.changed += 1,
            Ordering::Equal => {}
        }
        if order != Ordering::Greater {
            old.step()?;
        }
        if order != Ordering::Less {
            new.step()?;
        }
    }
}

/// One file, row by row.
struct Side<'a> {
    reader: ParquetRecordBatchReader,
    schema: SchemaRef,
    keys: Vec<usize>,
    converters: (RowConverter, RowConverter),
    rows: Option<(Rows, Rows)>,
    at: usize,
    last: Vec<u8>,
    what: &'a str,
}

impl<'a> Side<'a> {
    fn open(dataset: &Dataset, schema: &SchemaRef, file: Bytes, what: &'a str) -> Result<Self> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(file)
            .and_then(|builder| builder.with_batch_size(BATCH_ROWS).build())
            .map_err(|error| unreadable(what, error))?;
        let keys = dataset.sorted_by.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|error| Error::internal("a sort order names no column").caused_by(error))?;
        let converter = |wanted: &dyn Fn(usize) -> bool| {
            let fields = schema.fields().iter().enumerate().filter(|(at, _)| wanted(*at));
            RowConverter::new(fields.map(|(_, field)| SortField::new(field.data_type().clone())).collect())
                .map_err(|error| Error::internal("rows cannot be compared").caused_by(error))
        };
        // In the order of the sort, not of the schema.
        let by_key = keys.iter().map(|at| SortField::new(schema.field(*at).data_type().clone())).collect();
        let by_key =
            RowConverter::new(by_key).map_err(|error| Error::internal("keys cannot be compared").caused_by(error))?;
        let converters = (by_key, converter(&|at| !keys.contains(&at))?);
        let schema = SchemaRef::clone(schema);
        let mut side = Self { reader, schema, keys, converters, rows: None, at: 0, last: Vec::new(), what };
        side.load()?;
        Ok(side)
    }

    fn key(&self) -> Option<&[u8]> {
        self.rows.as_ref().map(|(keys, _)| keys.row(self.at).data())
    }

    /// None where every column is part of the key.
    fn values(&self) -> Option<&[u8]> {
        let (_, values) = self.rows.as_ref()?;
        (self.at < values.num_rows()).then(|| values.row(self.at).data())
    }

    fn step(&mut self) -> Result<()> {
        let mut last = std::mem::take(&mut self.last);
        last.clear();
        last.extend_from_slice(self.key().unwrap_or_default());
        self.at += 1;
        if self.rows.as_ref().is_some_and(|(keys, _)| self.at == keys.num_rows()) {
            self.load()?;
        }
        // Each key once and ascending, or a merge would count wrongly.
        if self.key().is_some_and(|key| key <= last.as_slice()) {
            return Err(Error::corrupt(format!("{} is not in order; run `pitlake verify`", self.what)));
        }
        self.last = last;
        Ok(())
    }

    fn load(&mut self) -> Result<()> {
        self.at = 0;
        self.rows = None;
        for batch in self.reader.by_ref() {
            let batch = batch.map_err(|error| unreadable(self.what, error))?;
            if batch.num_rows() == 0 {
                continue;
            }
            let columns = columns(&batch, &self.schema, self.what)?;
            let keys: Vec<ArrayRef> = self.keys.iter().map(|at| ArrayRef::clone(&columns[*at])).collect();
            let is_value = |(at, _): &(usize, &ArrayRef)| !self.keys.contains(at);
            let values: Vec<ArrayRef> =
                columns.iter().enumerate().filter(is_value).map(|(_, column)| ArrayRef::clone(column)).collect();
            let (by_key, by_value) = &self.converters;
            let rows = by_key.convert_columns(&keys).and_then(|keys| Ok((keys, by_value.convert_columns(&values)?)));
            self.rows = Some(rows.map_err(|error| unreadable(self.what, error))?);
            return Ok(());
        }
        Ok(())
    }
}

/// The batch's columns as the schema has them; one that was not there yet is null.
fn columns(batch: &RecordBatch, schema: &SchemaRef, what: &str) -> Result<Vec<ArrayRef>> {
    let column = |field: &arrow::datatypes::FieldRef| match batch.column_by_name(field.name()) {
        Some(column) if column.data_type() == field.data_type() => Ok(ArrayRef::clone(column)),
        Some(_) => Err(Error::corrupt(format!("{what}: '{}' is of another type", field.name()))),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    };
    schema.fields().iter().map(column).collect()
}

fn unreadable(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::corrupt(format!("{what} cannot be decoded; run `pitlake verify`")).caused_by(error)
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
