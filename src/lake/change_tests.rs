//! Tests of [`super`]: rows counted by hand and against a map.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array};
use arrow::datatypes::{DataType, Field, Schema};
use proptest::prelude::*;

use super::*;
use crate::lake::dataset::{Cut, Packing};
use crate::lake::manifest::tests::content;
use crate::lake::partition::encode;

static DATASET: Dataset = Dataset {
    name: "greeks",
    about: "a key of two columns and a value",
    cut: Cut::Day,
    schema,
    sorted_by: &["strike", "minute"],
    packing: &[("strike", Packing::Dictionary)],
    row_group_rows: 3,
};

fn schema() -> SchemaRef {
    let minute = Field::new("minute", DataType::Int64, false);
    let strike = Field::new("strike", DataType::Float64, false);
    Arc::new(Schema::new(vec![minute, strike, Field::new("gamma", DataType::Int64, true)]))
}

type Row = ((u32, i64), Option<i64>);

fn file(rows: &[Row]) -> Bytes {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|((_, minute), _)| *minute))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|((strike, _), _)| f64::from(*strike)))),
        Arc::new(Int64Array::from_iter(rows.iter().map(|(_, gamma)| *gamma))),
    ];
    let batch = RecordBatch::try_new(schema(), columns).unwrap();
    Bytes::from(encode(&DATASET, &[batch], &content()).unwrap())
}

fn moved(added: u64, changed: u64, removed: u64) -> RowsMoved {
    RowsMoved { added, changed, removed }
}

#[test]
fn rows_are_told_apart_by_their_key() {
    let old = [((580, 10), Some(1)), ((580, 11), Some(2)), ((585, 10), None), ((590, 10), Some(4))];
    let new = [((575, 99), Some(1)), ((580, 10), Some(1)), ((580, 11), None), ((585, 10), Some(0))];
    assert_eq!(compare(&DATASET, file(&old), file(&new), "a day").unwrap(), moved(1, 2, 1));
    assert_eq!(compare(&DATASET, file(&old), file(&old), "a day").unwrap(), moved(0, 0, 0));
    assert_eq!(compare(&DATASET, file(&[]), file(&old), "a day").unwrap(), moved(4, 0, 0));
    assert_eq!(compare(&DATASET, file(&old), file(&[]), "a day").unwrap(), moved(0, 0, 4));
}

#[test]
fn more_rows_than_a_batch_are_all_looked_at() {
    let old: Vec<Row> = (0..30_000).map(|minute| ((580, minute), Some(minute))).collect();
    let mut new: Vec<Row> = old.iter().copied().filter(|((_, minute), _)| minute % 1000 != 7).collect();
    new.iter_mut().filter(|((_, minute), _)| minute % 10_000 == 0).for_each(|(_, gamma)| *gamma = Some(-1));
    assert_eq!(compare(&DATASET, file(&old), file(&new), "a day").unwrap(), moved(0, 3, 30));
}

#[test]
fn what_is_damaged_or_out_of_order_is_not_counted() {
    let sound = file(&[((580, 10), Some(1))]);
    let wrong = file(&[((580, 11), Some(1)), ((580, 10), Some(1))]);
    for damaged in [wrong, sound.slice(..sound.len() - 9)] {
        let error = compare(&DATASET, damaged, sound.clone(), "the old day").unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
        assert!(error.detail().contains("the old day"));
    }
}

#[test]
fn captures_are_told_by_dataset_and_id() {
    let capture = |dataset: &str, id: &str| CaptureRef {
        dataset: dataset.into(),
        id: id.into(),
        documents: 1,
        rows: 1,
        first_received_at: None,
        last_received_at: None,
    };
    let with = |captures: Vec<CaptureRef>| Content { captures, ..content() };
    let old = with(vec![capture("chains", "a"), capture("greeks", "a")]);
    let new = with(vec![capture("greeks", "a"), capture("greeks", "b")]);
    let change = Change::between(4, &old, &new, None);
    assert_eq!((change.from_revision, change.rows_added, change.calculation_changed), (4, None, false));
    assert_eq!((change.captures_added, change.captures_removed), (vec!["greeks/b".into()], vec!["chains/a".into()]));
}

proptest! {
    #[test]
    fn counts_are_those_of_two_maps(
        old in prop::collection::btree_map((0..4u32, 0..6i64), prop::option::of(0..3i64), 0..20),
        new in prop::collection::btree_map((0..4u32, 0..6i64), prop::option::of(0..3i64), 0..20),
    ) {
        let rows = |map: &BTreeMap<(u32, i64), Option<i64>>| map.iter().map(|(key, value)| (*key, *value)).collect::<Vec<_>>();
        let added = new.keys().filter(|key| !old.contains_key(*key)).count() as u64;
        let removed = old.keys().filter(|key| !new.contains_key(*key)).count() as u64;
        let changed = old.iter().filter(|(key, value)| new.get(*key).is_some_and(|other| other != *value)).count() as u64;
        let found = compare(&DATASET, file(&rows(&old)), file(&rows(&new)), "a day").unwrap();
        prop_assert_eq!(found, moved(added, changed, removed));
    }
}
