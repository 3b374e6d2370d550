//! Answers in every format as the same rows: JSON objects by column, in order. Reads Arrow and Parquet with their own crates.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow::ipc::reader::StreamReader;
use bytes::Bytes;
use chrono::{DateTime, NaiveDate};
use serde_json::{Map, Value, json};

use crate::pitlake_binary::batches;

pub const FORMATS: [(&str, &str); 5] = [
    ("json", "application/json"),
    ("ndjson", "application/x-ndjson"),
    ("csv", "text/csv"),
    ("arrow", "application/vnd.apache.arrow.stream"),
    ("parquet", "application/vnd.apache.parquet"),
];

/// The columns in their order, and the rows.
#[derive(Debug, PartialEq)]
pub struct Table {
    /// Unknown for an answer without rows that has no other way to name them.
    pub columns: Vec<String>,
    pub rows: Vec<Value>,
}

pub fn read(format: &str, body: &Bytes) -> Table {
    let text = || std::str::from_utf8(body).expect("UTF-8");
    match format {
        "json" => {
            let answer: Value = serde_json::from_str(text()).expect("JSON");
            let rows = answer["data"].as_array().expect("a list").clone();
            assert_eq!(answer["count"], rows.len());
            let from = text().find("\"data\":[").expect("a list") + "\"data\":[".len();
            Table { columns: names(&text()[from..]), rows }
        }
        "ndjson" => {
            assert!(body.is_empty() || body.ends_with(b"\n"));
            let rows = text().lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
            Table { columns: names(text()), rows }
        }
        "csv" => csv(text()),
        "arrow" => {
            let reader = StreamReader::try_new(body.as_ref(), None).expect("an Arrow stream");
            let columns = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
            Table { columns, rows: reader.flat_map(|batch| rows(&batch.expect("a batch"))).collect() }
        }
        "parquet" => {
            let batches = batches(body.clone());
            let columns = batches.first().map(|batch| batch.schema()).into_iter();
            let columns =
                columns.flat_map(|schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>());
            Table { columns: columns.collect(), rows: batches.iter().flat_map(rows).collect() }
        }
        other => panic!("no format {other}"),
    }
}

/// The names of the first object, in the order of the text.
fn names(text: &str) -> Vec<String> {
    let Some(object) = text.strip_prefix('{').and_then(|text| text.split_once('}')) else { return Vec::new() };
    object.0.split(',').map(|member| member.split(':').next().expect("a name").trim_matches('"').to_owned()).collect()
}

fn csv(text: &str) -> Table {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let columns: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    let rows = reader.records().map(|record| {
        let record = record.expect("a record");
        let cells = columns.iter().zip(record.iter()).map(|(name, cell)| (name.clone(), value(name, cell)));
        Value::Object(cells.collect::<Map<_, _>>())
    });
    let rows = rows.collect();
    Table { columns, rows }
}

fn value(name: &str, cell: &str) -> Value {
    match name {
        _ if cell.is_empty() => Value::Null,
        "timestamp" | "expiration" | "date" | "condition" | "path" | "url" | "sha256" | "expires_at" => json!(cell),
        "strike" | "spot" => json!(cell.parse::<f64>().expect("a number")),
        _ => json!(cell.parse::<i64>().expect("a whole number")),
    }
}

fn rows(batch: &RecordBatch) -> Vec<Value> {
    let schema = batch.schema();
    let row = |at: usize| {
        let cells = schema.fields().iter().zip(batch.columns());
        Value::Object(cells.map(|(field, column)| (field.name().clone(), cell(column.as_ref(), at))).collect())
    };
    (0..batch.num_rows()).map(row).collect()
}

fn cell(column: &dyn Array, at: usize) -> Value {
    if column.is_null(at) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Timestamp(_, zone) => {
            assert_eq!(zone.as_deref(), Some("UTC"));
            let micros = column.as_primitive::<TimestampMicrosecondType>().value(at);
            json!(DateTime::from_timestamp_micros(micros).expect("an instant").format("%Y-%m-%dT%H:%M:%SZ").to_string())
        }
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().value(at);
            json!(NaiveDate::from_epoch_days(days).expect("a date").to_string())
        }
        DataType::Float64 => json!(column.as_primitive::<Float64Type>().value(at)),
        DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(at)),
        DataType::Int32 => json!(column.as_primitive::<Int32Type>().value(at)),
        DataType::Utf8 => json!(column.as_string::<i32>().value(at)),
        DataType::Boolean => json!(column.as_boolean().value(at)),
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(at);
            json!(items.as_string::<i32>().iter().collect::<Vec<_>>())
        }
        other => panic!("no column is {other}"),
    }
}
