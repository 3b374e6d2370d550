//! A day's minute sums added up over expirations: one total per minute, with the spot. Called by questions over many days, which
//! would open hundreds of files in DuckDB. Gives what the aggregate by minute gives. Pure.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Field, Float64Type, Int64Type, Schema, SchemaRef,
    TimestampMicrosecondType,
};

use super::record::{Greek, instant};
use crate::{Error, Result};

/// One minute of all expirations, or of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Total {
    /// Microseconds since 1970-01-01T00:00Z.
    pub timestamp_us: i64,
    /// Per greek of [`Greek::ALL`]; null when nothing of it is known.
    pub greeks: [Option<i64>; Greek::ALL.len()],
    pub strikes: i64,
    /// That of the nearest expiration that has one, be it asked for or not.
    pub spot: Option<f64>,
}

/// Adds up rows of `greeks_by_minute` in their order (timestamp, expiration). With an `expiration` (days since 1970) its rows
/// alone are added up, and minutes without any are left out.
///
/// # Errors
/// `Corrupt` when a column is missing, the rows are out of order, or a sum does not fit 64 bits.
pub fn totals(sums: &RecordBatch, expiration: Option<i32>) -> Result<Vec<Total>> {
    let times = values::<TimestampMicrosecondType>(sums, "timestamp")?.values();
    let expirations = values::<Date32Type>(sums, "expiration")?.values();
    let spots = values::<Float64Type>(sums, "spot")?;
    let strikes = values::<Int64Type>(sums, "strikes")?.values();
    let columns = Greek::ALL.map(|greek| {
        // A greek that came later is not in an old file.
        sums.column_by_name(greek.column()).map(|_| values::<Int64Type>(sums, greek.column())).transpose()
    });
    let mut greeks = Vec::with_capacity(columns.len());
    for column in columns {
        greeks.push(column?);
    }
    let mut totals: Vec<Total> = Vec::with_capacity(times.len() / 4);
    let mut start = 0;
    while start < times.len() {
        let end = start + times[start..].iter().take_while(|time| **time == times[start]).count();
        let ordered = expirations[start..end].is_sorted() && times.get(end).is_none_or(|next| *next > times[start]);
        if !ordered {
            return Err(Error::corrupt("minute sums are not in their order; run `pitlake verify`"));
        }
        let asked = match expiration {
            None => start..end,
            Some(expiration) => {
                let from = start + expirations[start..end].partition_point(|other| *other < expiration);
                from..start + expirations[start..end].partition_point(|other| *other <= expiration)
            }
        };
        if !asked.is_empty() {
            let mut sum = [None; Greek::ALL.len()];
            for (sum, column) in sum.iter_mut().zip(&greeks) {
                if let Some(column) = column {
                    *sum = add_up(column, asked.clone())?;
                }
            }
            let spot = (start..end).find(|row| spots.is_valid(*row)).map(|row| spots.value(row));
            let strikes = strikes[asked].iter().sum();
            totals.push(Total { timestamp_us: times[start], greeks: sum, strikes, spot });
        }
        start = end;
    }
    Ok(totals)
}

fn add_up(column: &Int64Array, rows: std::ops::Range<usize>) -> Result<Option<i64>> {
    let known = rows.filter(|row| column.is_valid(*row));
    let (mut sum, mut count) = (0i128, 0);
    for row in known {
        sum += i128::from(column.value(row));
        count += 1;
    }
    if count == 0 {
        return Ok(None);
    }
    i64::try_from(sum).map(Some).map_err(|_| Error::corrupt("a minute's total does not fit 64 bits"))
}

fn values<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> Result<&'a arrow::array::PrimitiveArray<T>> {
    let column = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<T>());
    column.ok_or_else(|| Error::corrupt(format!("minute sums have no column '{name}' of its type")))
}

/// `timestamp`, the greeks asked for, `strikes`, `spot`.
pub fn schema(greeks: &[Greek]) -> SchemaRef {
    let mut fields = vec![Field::new("timestamp", instant(), false)];
    fields.extend(greeks.iter().map(|greek| Field::new(greek.column(), DataType::Int64, true)));
    fields.push(Field::new("strikes", DataType::Int64, false));
    fields.push(Field::new("spot", DataType::Float64, true));
    Arc::new(Schema::new(fields))
}

/// Totals in the form of [`schema`].
///
/// # Errors
/// `Internal`, never for totals of one day after the other.
pub fn batch(totals: &[Total], greeks: &[Greek]) -> Result<RecordBatch> {
    let times = totals.iter().map(|total| total.timestamp_us);
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))];
    for greek in greeks {
        let at = Greek::ALL.iter().position(|known| known == greek).unwrap_or_default();
        columns.push(Arc::new(totals.iter().map(|total| total.greeks[at]).collect::<Int64Array>()));
    }
    columns.push(Arc::new(Int64Array::from_iter_values(totals.iter().map(|total| total.strikes))));
    columns.push(Arc::new(totals.iter().map(|total| total.spot).collect::<Float64Array>()));
    RecordBatch::try_new(schema(greeks), columns)
        .map_err(|error| Error::internal("totals do not fit their columns").caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use crate::greeks::compact::batches;
    use crate::greeks::rollup::MinuteSum;

    fn sum(minute: i64, expiration: i32, spot: Option<f64>, gamma: Option<i64>, vanna: Option<i64>) -> MinuteSum {
        MinuteSum { minute, expiration, spot, greeks: [gamma, vanna, None], strikes: 2 }
    }

    fn rows() -> RecordBatch {
        batches::minutes(&[
            sum(100, 7, None, Some(5), None),
            sum(100, 9, Some(590.5), Some(-8), None),
            sum(100, 11, Some(591.0), None, Some(3)),
            sum(101, 9, Some(592.0), None, None),
        ])
        .unwrap()
    }

    #[test]
    fn adds_up_over_expirations_and_takes_the_nearest_spot() {
        let found = totals(&rows(), None).unwrap();
        let first =
            Total { timestamp_us: 6_000_000_000, greeks: [Some(-3), Some(3), None], strikes: 6, spot: Some(590.5) };
        let second = Total { timestamp_us: 6_060_000_000, greeks: [None; 3], strikes: 2, spot: Some(592.0) };
        assert_eq!(found, [first, second]);
    }

    #[test]
    fn one_expiration_keeps_the_minutes_spot() {
        let found = totals(&rows(), Some(11)).unwrap();
        let only = Total { timestamp_us: 6_000_000_000, greeks: [None, Some(3), None], strikes: 2, spot: Some(590.5) };
        assert_eq!(found, [only]);
        assert_eq!(totals(&rows(), Some(8)).unwrap(), []);
    }

    #[test]
    fn what_does_not_fit_or_is_out_of_order_is_refused() {
        let large = [sum(1, 1, None, Some(i64::MAX), None), sum(1, 2, None, Some(1), None)];
        assert_eq!(totals(&batches::minutes(&large).unwrap(), None).unwrap_err().kind(), ErrorKind::Corrupt);
        for (one, other) in [((2, 1), (1, 1)), ((1, 2), (1, 1))] {
            let sums = [one, other].map(|(minute, expiration)| sum(minute, expiration, None, Some(1), None));
            assert_eq!(totals(&batches::minutes(&sums).unwrap(), None).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }
}
