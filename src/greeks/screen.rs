//! "On which days was the total beyond this?": from a year's table of day statistics, and the first minute of it from the day's
//! minute totals. Called by the route. Pure.

use std::ops::Range;

use arrow::array::{Array, AsArray, PrimitiveArray, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};

use super::record::Greek;
use super::totals::Total;
use crate::{Error, Result};

/// A threshold in US dollars, and the side of it that counts; the threshold itself does not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Beyond {
    Above(f64),
    Below(f64),
}

impl Beyond {
    pub fn name(self) -> &'static str {
        match self {
            Beyond::Above(_) => "above",
            Beyond::Below(_) => "below",
        }
    }

    pub fn threshold(self) -> f64 {
        match self {
            Beyond::Above(threshold) | Beyond::Below(threshold) => threshold,
        }
    }

    /// Compared as whole numbers: a double cannot tell large neighbours apart.
    pub fn admits(self, value: i64) -> bool {
        // `as` saturates, which leaves the comparison right for a threshold beyond every 64-bit number.
        match self {
            Beyond::Above(threshold) => i128::from(value) > threshold.floor() as i128,
            Beyond::Below(threshold) => i128::from(value) < threshold.ceil() as i128,
        }
    }
}

/// What the day's statistics say of one greek, as far as minute totals can be held against them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    pub open: i64,
    pub close: i64,
    pub min: i64,
    pub max: i64,
    pub min_at_us: i64,
    pub max_at_us: i64,
    /// Bits of the mean, which any other minute would move.
    pub mean_bits: u64,
}

/// A day whose total was beyond the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Days since 1970-01-01.
    pub date: i32,
    /// The extreme: the highest total above, the lowest below.
    pub value: i64,
    pub timestamp_us: i64,
    pub levels: Levels,
}

/// The hits among `rows` of a year's table, in order of date. Days without the greek are none.
///
/// # Errors
/// `Corrupt` when a column is missing or half a statistic is null.
pub fn hits(table: &RecordBatch, rows: Range<usize>, greek: Greek, beyond: Beyond) -> Result<Vec<Hit>> {
    let dates = column::<Date32Type>(table, "date")?;
    let name = greek.name();
    let dollars = |part: &str| column::<Int64Type>(table, &format!("{name}_{part}"));
    let instants = |part: &str| column::<TimestampMicrosecondType>(table, &format!("{name}_{part}"));
    let (open, close, min, max) = (dollars("open")?, dollars("close")?, dollars("min")?, dollars("max")?);
    let (min_at, max_at) = (instants("min_at")?, instants("max_at")?);
    let mean = column::<Float64Type>(table, &format!("{name}_mean"))?;
    let mut hits = Vec::new();
    for row in rows.filter(|row| max.is_valid(*row)) {
        let whole = [open, close, min].iter().all(|column| column.is_valid(row));
        if !(whole && min_at.is_valid(row) && max_at.is_valid(row) && mean.is_valid(row)) {
            return Err(Error::corrupt("a day's statistics are null in part; run `pitlake verify`"));
        }
        let levels = Levels {
            open: open.value(row),
            close: close.value(row),
            min: min.value(row),
            max: max.value(row),
            min_at_us: min_at.value(row),
            max_at_us: max_at.value(row),
            mean_bits: mean.value(row).to_bits(),
        };
        let (value, timestamp_us) = match beyond {
            Beyond::Above(_) => (levels.max, levels.max_at_us),
            Beyond::Below(_) => (levels.min, levels.min_at_us),
        };
        if beyond.admits(value) {
            hits.push(Hit { date: dates.value(row), value, timestamp_us, levels });
        }
    }
    Ok(hits)
}

fn column<'a, T: ArrowPrimitiveType>(table: &'a RecordBatch, name: &str) -> Result<&'a PrimitiveArray<T>> {
    let column = table.column_by_name(name).and_then(|column| column.as_primitive_opt::<T>());
    column.ok_or_else(|| Error::corrupt(format!("a year's table has no column '{name}' of its type")))
}

/// The first minute beyond the threshold, as (microseconds since 1970, total). `None` when the totals are not those that the
/// day's statistics were taken over: then one of the two is of another revision.
pub fn first_crossing(totals: &[Total], greek: Greek, beyond: Beyond, levels: Levels) -> Option<(i64, i64)> {
    let at = Greek::ALL.iter().position(|known| *known == greek)?;
    let known: Vec<(i64, i64)> =
        totals.iter().filter_map(|total| Some((total.timestamp_us, total.greeks[at]?))).collect();
    let (first, last) = (known.first()?, known.last()?);
    // Of several equal extremes the first minute is named: max_by_key gives the last, so the order is turned round.
    let max = known.iter().rev().max_by_key(|(_, total)| *total)?;
    let min = known.iter().min_by_key(|(_, total)| *total)?;
    let sum: i128 = known.iter().map(|(_, total)| i128::from(*total)).sum();
    let found = Levels {
        open: first.1,
        close: last.1,
        min: min.1,
        max: max.1,
        min_at_us: min.0,
        max_at_us: max.0,
        mean_bits: (sum as f64 / known.len() as f64).to_bits(),
    };
    if found != levels {
        return None;
    }
    known.into_iter().find(|(_, total)| beyond.admits(*total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_is_strict_and_exact() {
        assert!(!Beyond::Above(5.0).admits(5) && Beyond::Above(5.0).admits(6) && Beyond::Above(5.5).admits(6));
        assert!(!Beyond::Above(5.5).admits(5) && Beyond::Above(-5.5).admits(-5) && !Beyond::Above(-5.5).admits(-6));
        assert!(!Beyond::Below(5.0).admits(5) && Beyond::Below(5.0).admits(4) && Beyond::Below(5.5).admits(5));
        assert!(!Beyond::Below(-5.5).admits(-5) && Beyond::Below(-5.5).admits(-6));
        // 2^53 + 1 is not a double: as one it would equal the threshold.
        assert!(Beyond::Above(9_007_199_254_740_992.0).admits(9_007_199_254_740_993));
        assert!(!Beyond::Above(1e300).admits(i64::MAX) && Beyond::Below(1e300).admits(i64::MAX));
        assert!(Beyond::Above(-1e300).admits(i64::MIN) && !Beyond::Below(-1e300).admits(i64::MIN));
    }

    fn totals(gamma: &[i64]) -> Vec<Total> {
        let total = |(minute, gamma): (i64, &i64)| Total {
            timestamp_us: minute * 60_000_000,
            greeks: [Some(*gamma), None, None],
            strikes: 1,
            spot: None,
        };
        (1..).zip(gamma).map(total).collect()
    }

    #[test]
    fn the_first_crossing_agrees_with_the_days_statistics_or_is_none() {
        let day = totals(&[3, 9, -2, 9, -2, 4]);
        // (3 + 9 - 2 + 9 - 2 + 4) / 6
        let mean_bits = 3.5f64.to_bits();
        let levels =
            Levels { open: 3, close: 4, min: -2, max: 9, min_at_us: 180_000_000, max_at_us: 120_000_000, mean_bits };
        let first = |beyond, levels| first_crossing(&day, Greek::Gamma, beyond, levels);
        assert_eq!(first(Beyond::Above(2.0), levels), Some((60_000_000, 3)));
        assert_eq!(first(Beyond::Above(3.0), levels), Some((120_000_000, 9)));
        assert_eq!(first(Beyond::Below(0.0), levels), Some((180_000_000, -2)));
        for other in [
            Levels { max: 10, ..levels },
            Levels { max_at_us: 240_000_000, ..levels },
            Levels { min_at_us: 300_000_000, ..levels },
            Levels { close: 5, ..levels },
            // A minute in between was another one: 3, 9, -2, 8, -2, 4.
            Levels { mean_bits: (20.0f64 / 6.0).to_bits(), ..levels },
        ] {
            assert_eq!(first(Beyond::Above(2.0), other), None);
        }
        assert_eq!(first_crossing(&day, Greek::Vanna, Beyond::Above(2.0), levels), None);
    }
}
