//! Every style against text written by hand, and JSON against serde_json's own reading of it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use proptest::prelude::*;

use super::*;

fn batch() -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "timestamp",
            Arc::new(
                TimestampMicrosecondArray::from(vec![
                    1_736_951_400_000_000,
                    1_736_951_460_000_000,
                    1_736_951_460_000_123,
                ])
                .with_timezone("UTC"),
            ),
        ),
        ("expiration", Arc::new(Date32Array::from(vec![20_105, 20_105, 20_140]))),
        ("strike", Arc::new(Float64Array::from(vec![Some(580.0), Some(587.35), None]))),
        ("gamma_exposure", Arc::new(Int64Array::from(vec![Some(-52_000_000), None, Some(0)]))),
        ("minutes", Arc::new(Int32Array::from(vec![1, -2, 3]))),
        ("note", Arc::new(StringArray::from(vec!["a \"b\", c", "", "d"]))),
        ("early", Arc::new(BooleanArray::from(vec![true, false, true]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn write(style: Style, ranges: &[Range<usize>], first: bool) -> String {
    let batch = batch();
    let mut rows = TextRows::new(batch.schema_ref(), style, 3).unwrap();
    let mut out = rows.header(batch.schema_ref());
    rows.write(&batch, ranges, first, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn json_rows_have_commas_between_them() {
    let row0 = r#"{"timestamp":"2025-01-15T14:30:00Z","expiration":"2025-01-17","strike":580.0,"gamma_exposure":-52000000,"minutes":1,"note":"a \"b\", c","early":true}"#;
    let row1 = r#"{"timestamp":"2025-01-15T14:31:00Z","expiration":"2025-01-17","strike":587.35,"gamma_exposure":null,"minutes":-2,"note":"","early":false}"#;
    let row2 = r#"{"timestamp":"2025-01-15T14:31:00.000123Z","expiration":"2025-02-21","strike":null,"gamma_exposure":0,"minutes":3,"note":"d","early":true}"#;
    assert_eq!(write(Style::Json, &[0..2, 2..3], true), format!("{row0},\n{row1},\n{row2}"));
    assert_eq!(write(Style::Json, &[1..2], false), format!(",\n{row1}"));
    assert_eq!(write(Style::Ndjson, &[0..1, 2..3], true), format!("{row0}\n{row2}\n"));
}

#[test]
fn csv_quotes_what_it_must_and_leaves_null_empty() {
    assert_eq!(
        write(Style::Csv, &[0..3], true),
        "timestamp,expiration,strike,gamma_exposure,minutes,note,early\n\
         2025-01-15T14:30:00Z,2025-01-17,580.0,-52000000,1,\"a \"\"b\"\", c\",true\n\
         2025-01-15T14:31:00Z,2025-01-17,587.35,,-2,,false\n\
         2025-01-15T14:31:00.000123Z,2025-02-21,,0,3,d,true\n"
    );
}

#[test]
fn a_name_longer_than_a_block_is_written_whole() {
    let name = "n".repeat(200);
    let column: ArrayRef = Arc::new(Int64Array::from(vec![7]));
    let batch = RecordBatch::try_from_iter([(name.as_str(), column)]).unwrap();
    let mut out = Vec::new();
    TextRows::new(batch.schema_ref(), Style::Ndjson, 1).unwrap().write(&batch, &[0..1], true, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), format!("{{\"{name}\":7}}\n"));
}

#[test]
fn lists_and_structures_are_json_in_every_style() {
    use arrow::array::{ListArray, StructArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::Field;

    let floats = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    let letters: ArrayRef = Arc::new(StringArray::from(vec!["A", "B\""]));
    let member = |name: &str, data_type| Arc::new(Field::new(name, data_type, false));
    let periods = StructArray::from(vec![
        (member("period", DataType::Utf8), letters),
        (member("high", DataType::Float64), floats(vec![5920.0, 5915.25])),
    ]);
    let list = |values: ArrayRef, lengths: [usize; 2]| -> ArrayRef {
        let element = Arc::new(Field::new("element", values.data_type().clone(), false));
        Arc::new(ListArray::new(element, OffsetBuffer::from_lengths(lengths), values, None))
    };
    let columns = [("periods", list(Arc::new(periods), [2, 0])), ("prices", list(floats(vec![1.5, 2.0]), [0, 2]))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let write = |style| {
        let mut out = Vec::new();
        TextRows::new(batch.schema_ref(), style, 2).unwrap().write(&batch, &[0..2], true, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        write(Style::Ndjson),
        r#"{"periods":[{"period":"A","high":5920.0},{"period":"B\"","high":5915.25}],"prices":[]}
{"periods":[],"prices":[1.5,2.0]}
"#
    );
    let csv = write(Style::Csv);
    assert!(csv.starts_with(r#""[{""period"":""A"",""high"":5920.0},"#), "{csv}");
    assert!(csv.ends_with("\n[],\"[1.5,2.0]\"\n"), "{csv}");
}

proptest! {
    #[test]
    fn numbers_read_back_as_themselves(longs in prop::collection::vec(any::<Option<i64>>(), 1..50), seed in any::<f64>()) {
        let floats: Vec<f64> = longs.iter().enumerate().map(|(at, _)| seed / (at as f64 + 0.7)).collect();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("long", Arc::new(Int64Array::from(longs.clone()))),
            ("float", Arc::new(Float64Array::from(floats.clone()))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let mut out = Vec::new();
        TextRows::new(batch.schema_ref(), Style::Ndjson, 1).unwrap().write(&batch, &[0..longs.len()], true, &mut out).unwrap();
        for ((line, long), float) in String::from_utf8(out).unwrap().lines().zip(&longs).zip(&floats) {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            prop_assert_eq!(value["long"].as_i64(), *long);
            if float.is_finite() {
                let text = line.split("\"float\":").nth(1).unwrap().trim_end_matches('}');
                prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), float.to_bits());
            } else {
                prop_assert!(value["float"].is_null());
            }
        }
    }
}
