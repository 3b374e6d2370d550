//! The row finder against a plain look at every row.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, TimestampMicrosecondArray};
use proptest::prelude::*;

use super::*;

/// Sorted rows of (expiration, strike, minute).
fn batch(rows: &[(i32, i32, i64)]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "timestamp",
            Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.2)).with_timezone("UTC")),
        ),
        ("expiration", Arc::new(Date32Array::from_iter_values(rows.iter().map(|row| row.0)))),
        ("strike", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| f64::from(row.1) / 2.0)))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

#[test]
fn a_run_is_found_whatever_its_length() {
    for length in 1..40 {
        for usual in [1, 2, length, length + 1, 100] {
            assert_eq!(end_of_run(5, 60, usual, |at| at < 5 + length), 5 + length, "length {length}, usual {usual}");
        }
    }
    assert_eq!(end_of_run(0, 7, 3, |_| true), 7);
}

proptest! {
    #[test]
    fn finds_exactly_the_rows_that_a_plain_look_finds(
        rows in prop::collection::btree_set((0..4i32, 0..12i32, 0..20i64), 0..300),
        strike in prop::option::of(0..12i32),
        low in prop::option::of(0..12i32),
        high in prop::option::of(0..12i32),
        expiration in prop::option::of(0..4i32),
        from in prop::option::of(0..20i64),
        to in prop::option::of(0..20i64),
    ) {
        let rows: Vec<(i32, i32, i64)> = rows.into_iter().collect();
        let half = |strike: Option<i32>| strike.map(|strike| f64::from(strike) / 2.0);
        let filter = Filter {
            strike: half(strike), strike_min: half(low), strike_max: half(high), expiration, from_us: from, to_us: to, greeks: None,
        };
        let expected: Vec<usize> = (0..rows.len())
            .filter(|at| {
                let (e, k, m) = rows[*at];
                strike.is_none_or(|wanted| wanted == k)
                    && low.is_none_or(|low| low <= k)
                    && high.is_none_or(|high| k <= high)
                    && expiration.is_none_or(|wanted| wanted == e)
                    && from.is_none_or(|from| from <= m)
                    && to.is_none_or(|to| m < to)
            })
            .collect();
        let ranges = filter.rows(&batch(&rows)).unwrap();
        prop_assert!(ranges.windows(2).all(|two| two[0].end < two[1].start), "ranges are merged and in order");
        let found: Vec<usize> = ranges.into_iter().flatten().collect();
        prop_assert_eq!(found, expected);
    }
}
