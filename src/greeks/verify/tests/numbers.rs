//! Numbers that are wrong although every checksum is right.

use std::sync::Arc;

use arrow::array::{Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::super::*;
use super::lake::*;
use crate::greeks::record::{BY_DAY, BY_MINUTE, GREEKS_BY_DAY, STRIKES};
use crate::lake::dataset::Dataset;

#[tokio::test]
async fn wrong_numbers_with_right_checksums_are_found() {
    let lake = Lake::new().await;
    let (rows, minutes, table) = (day(GREEKS, FIRST), day(GREEKS_BY_MINUTE, FIRST), year(GREEKS_BY_DAY));
    let restore = lake.contents();
    let one_dollar_more = |batch: &RecordBatch, name: &str, at: usize| -> RecordBatch {
        let values: &Int64Array = batch.column_by_name(name).unwrap().as_any().downcast_ref().unwrap();
        let changed: Int64Array = values.iter().enumerate().map(|(i, v)| v.map(|v| v + i64::from(i == at))).collect();
        with_column(batch, name, Arc::new(changed))
    };
    type Change<'a> = Box<dyn FnOnce(RecordBatch, &mut Content) -> RecordBatch + 'a>;
    type Case<'a> = (&'static Dataset, &'a PartitionId, Change<'a>, Vec<(Code, String)>);
    let cases: Vec<Case<'_>> = vec![
        (
            &BY_MINUTE,
            &minutes,
            Box::new(|batch, _| one_dollar_more(&batch, "vanna_exposure", 777)),
            vec![(Code::RollupDiffers, minutes.data_key())],
        ),
        (
            &BY_MINUTE,
            &minutes,
            Box::new(|batch, _| one_dollar_more(&batch, "strikes", 0)),
            vec![(Code::RollupDiffers, minutes.data_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, _| one_dollar_more(&batch, "charm_exposure", 3_899)),
            vec![(Code::RollupDiffers, minutes.data_key())],
        ),
        // A greek that no strike had is null, not zero.
        (
            &BY_MINUTE,
            &minutes,
            Box::new(|batch, _| {
                let nulls: Int64Array = (0..batch.num_rows()).map(|_| None).collect();
                with_column(&batch, "gamma_exposure", Arc::new(nulls))
            }),
            vec![(Code::RollupDiffers, minutes.data_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, _| taken(&batch, [1, 0].into_iter().chain(2..3_900))),
            vec![(Code::NotSorted, rows.data_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, content| {
                content.rows -= 1;
                content.counts.duplicates += 1;
                taken(&batch, 1..3_900)
            }),
            vec![(Code::CountsDiffer, minutes.manifest_key()), (Code::RollupDiffers, minutes.data_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, _| taken(&batch, 0..3_899)),
            vec![(Code::CountsDiffer, rows.data_key()), (Code::RollupDiffers, minutes.data_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, content| {
                content.counts.duplicates = 1;
                batch
            }),
            vec![(Code::CountsDiffer, rows.manifest_key()), (Code::CountsDiffer, minutes.manifest_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, content| {
                content.minutes_seen = 389;
                batch
            }),
            vec![(Code::CountsDiffer, rows.data_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, content| {
                content.details["day"]["gamma"]["max"] = serde_json::json!(1);
                batch
            }),
            vec![(Code::DayDiffers, rows.data_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, content| {
                content.details["day"]["gamma_top_strike"] = serde_json::json!(1.5);
                batch
            }),
            vec![(Code::DayDiffers, rows.data_key())],
        ),
        (
            &BY_DAY,
            &table,
            Box::new(|batch, _| one_dollar_more(&batch, "charm_close", 1)),
            vec![(Code::DayDiffers, table.data_key())],
        ),
        (
            &BY_DAY,
            &table,
            Box::new(|batch, _| {
                let values: &Float64Array =
                    batch.column_by_name("spot_close").unwrap().as_any().downcast_ref().unwrap();
                let changed: Float64Array = values.iter().map(|v| v.map(|v| v + 0.01)).collect();
                with_column(&batch, "spot_close", Arc::new(changed))
            }),
            vec![(Code::DayDiffers, table.data_key())],
        ),
        (
            &BY_DAY,
            &table,
            Box::new(|batch, content| {
                content.rows = 1;
                batch.slice(0, 1)
            }),
            vec![(Code::DayDiffers, table.data_key())],
        ),
    ];
    for (dataset, id, change, expected) in cases {
        lake.publish(dataset, id, change);
        assert_eq!(lake.damage().await, expected);
        let done = lake.repair().await;
        assert!(done.iter().all(|step| step.done), "{done:?}");
        assert_eq!(lake.damage().await, []);
        let data = id.data_key();
        let before = &restore.iter().find(|(path, _)| *path == lake.path(&data)).unwrap().1;
        assert!(lake.bytes(&data) == *before, "{data} is what it was");
        for (path, bytes) in &restore {
            std::fs::write(path, bytes).unwrap();
        }
    }
}

fn wider(nullable: bool) -> Schema {
    let mut fields = (STRIKES.schema)().fields().to_vec();
    fields.push(Arc::new(Field::new("speed_exposure", DataType::Int64, nullable)));
    Schema::new(fields)
}

fn wider_schema() -> SchemaRef {
    Arc::new(wider(true))
}

fn wider_schema_without_nulls() -> SchemaRef {
    Arc::new(wider(false))
}

#[tokio::test]
async fn a_later_nullable_column_is_fine_and_another_is_not() {
    let lake = Lake::new().await;
    let id = day(GREEKS, FIRST);
    type Case = (fn() -> SchemaRef, Vec<(Code, String)>);
    let schemas: [Case; 2] =
        [(wider_schema, vec![]), (wider_schema_without_nulls, vec![(Code::SchemaDiffers, id.data_key())])];
    for (schema, expected) in schemas {
        let dataset = Dataset { schema, ..STRIKES };
        lake.publish(&dataset, &id, |batch, _| {
            let mut columns = batch.columns()[..6].to_vec();
            columns.push(Arc::new(Int64Array::from_iter_values(0..3_900)));
            RecordBatch::try_new(schema(), columns).unwrap()
        });
        let damage = lake.damage().await;
        let damage: Vec<_> = damage.into_iter().filter(|(code, _)| !matches!(code, Code::IndexDiffers)).collect();
        assert_eq!(damage, expected);
    }
}

/// Before the open and after the close; on the 14th nothing else was said.
#[tokio::test]
async fn rows_outside_the_session_are_no_damage() {
    let lake = Lake::new().await;
    for time in ["2025-01-14T08:00:00-05:00", "2025-01-16T17:10:00-05:00"] {
        let document = format!(
            r#"{{"timestamp":"{time}","symbol":"SPY","expiration":"2025-01-17","spot":590.5,"strikes":[{{"strike":590.0,"gamma":5}}]}}"#
        );
        lake.ingest(document.into_bytes()).await;
    }
    lake.compact().await;
    let report = lake.verify().await;
    let damage: Vec<_> = report.findings.iter().filter(|finding| finding.is_damage()).collect();
    assert!(damage.is_empty(), "{damage:?}");
    // Five strikes of two expirations at 390 minutes of two days, and one row each of the two documents.
    let rows = 2 * (2 * 5 * 390) + 2;
    // The lone row of the 14th counts, as the day has no others; the one after the close on the 16th does not.
    let minutes = 2 * (2 * 390) + 1;
    assert_eq!(report.rows, rows + minutes + 3);
}
