//! Whether rows stand in strict order of a dataset's sort columns. Pure.

use arrow::array::RecordBatch;
use arrow::row::{OwnedRow, RowConverter, SortField};

use crate::{Error, Result};

/// The number of the first row, counted from 0, that does not come strictly after the one before it.
///
/// # Errors
/// `Corrupt` when a sort column is not there.
pub fn first_out_of_order(batches: &[RecordBatch], sorted_by: &[&str]) -> Result<Option<u64>> {
    let Some(first) = batches.first() else { return Ok(None) };
    let columns = |batch: &RecordBatch| {
        sorted_by.iter().map(|name| batch.column_by_name(name).cloned()).collect::<Option<Vec<_>>>().ok_or_else(|| {
            Error::corrupt(format!("a column of the sort order ({}) is not there", sorted_by.join(", ")))
        })
    };
    let fields = columns(first)?.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(not_comparable)?;
    let mut last: Option<OwnedRow> = None;
    let mut before = 0u64;
    for batch in batches {
        let rows = converter.convert_columns(&columns(batch)?).map_err(not_comparable)?;
        if let (Some(last), Some(next)) = (&last, rows.iter().next())
            && last.row() >= next
        {
            return Ok(Some(before));
        }
        if let Some(at) = rows.iter().zip(rows.iter().skip(1)).position(|(row, next)| row >= next) {
            return Ok(Some(before + at as u64 + 1));
        }
        last = rows.iter().last().map(|row| row.owned()).or(last);
        before += batch.num_rows() as u64;
    }
    Ok(None)
}

fn not_comparable(error: arrow::error::ArrowError) -> Error {
    Error::internal("rows could not be compared").caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array};

    use super::*;

    fn batch(rows: &[(i64, f64)]) -> RecordBatch {
        let first: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0)));
        let second: ArrayRef = Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.1)));
        RecordBatch::try_from_iter([("a", first), ("b", second)]).unwrap()
    }

    fn found(batches: &[RecordBatch]) -> Option<u64> {
        first_out_of_order(batches, &["a", "b"]).unwrap()
    }

    #[test]
    fn order_is_strict_and_goes_across_batches() {
        assert_eq!(found(&[batch(&[(-5, 9.0), (1, 1.5), (1, 10.0)]), batch(&[]), batch(&[(2, 0.5)])]), None);
        assert_eq!(found(&[batch(&[(1, 1.0), (1, 1.0)])]), Some(1), "equal rows are not in strict order");
        assert_eq!(found(&[batch(&[(1, 1.0), (1, 2.0), (0, 3.0)])]), Some(2));
        assert_eq!(found(&[batch(&[(1, 1.0), (2, 1.0)]), batch(&[]), batch(&[(2, 1.0)])]), Some(2));
        assert_eq!(found(&[]), None);
        assert!(first_out_of_order(&[batch(&[])], &["c"]).is_err());
    }
}
