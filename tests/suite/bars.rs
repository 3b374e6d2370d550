//! Bars from file to partition to answer: every kind of file, clocks, refusals, corrections, what the checks say, and the real files
//! when `PITLAKE_REAL_DATA` names the folder that holds them.

mod again;
mod answers;
mod clocks;
mod corrections;
mod faults;
mod files;
mod real;

use arrow::array::AsArray;
use arrow::datatypes::{Float64Type, Int32Type, TimestampMicrosecondType};
use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, batches, instant};

/// One row of `bars`.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    /// RFC 3339.
    at: String,
    prices: [f64; 4],
    volume: f64,
    minutes: i32,
}

fn row(at: &str, prices: [f64; 4], volume: f64, minutes: i32) -> Row {
    Row { at: at.to_owned(), prices, volume, minutes }
}

/// The rows of a date, in the order of the file.
#[track_caller]
fn rows(lake: &Lake, symbol: &str, date: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in batches(lake.get(&format!("bars/symbol={symbol}/date={date}/part-0.parquet"))) {
        let times = batch["timestamp"].as_primitive::<TimestampMicrosecondType>();
        let double = |name: &str, at: usize| batch[name].as_primitive::<Float64Type>().value(at);
        let minutes = batch["minutes"].as_primitive::<Int32Type>();
        rows.extend((0..batch.num_rows()).map(|at| Row {
            at: instant(times.value(at)),
            prices: ["open", "high", "low", "close"].map(|name| double(name, at)),
            volume: double("volume", at),
            minutes: minutes.value(at),
        }));
    }
    rows
}

#[track_caller]
fn manifest(lake: &Lake, symbol: &str, date: &str) -> Value {
    serde_json::from_slice(&lake.get(&format!("_manifest/bars/symbol={symbol}/{date}.json"))).expect("JSON")
}

/// The count of a reason, 0 when it is not there.
#[track_caller]
fn told(manifest: &Value, code: &str) -> u64 {
    let reasons = manifest["reasons"].as_array().expect("a list");
    reasons.iter().find(|reason| reason["code"] == code).map_or(0, |reason| reason["count"].as_u64().expect("a count"))
}

/// `ingest bars --json` with these arguments and this file; gives the counts.
#[track_caller]
fn take(lake: &Lake, symbol: &str, more: &[&str], bytes: impl AsRef<[u8]>) -> Value {
    let file = lake.file("bars", bytes);
    lake.run(&[&["ingest", "bars", "--json", "--symbol", symbol], more, &[&file]].concat()).ends(0).json()
}

/// The same of a file that is not taken; gives what is said about it.
#[track_caller]
fn refused(lake: &Lake, symbol: &str, more: &[&str], bytes: impl AsRef<[u8]>) -> String {
    let file = lake.file("bars", bytes);
    lake.run(&[&["ingest", "bars", "--symbol", symbol], more, &[&file]].concat()).ends(1).stderr
}

fn counts(captures: u64, documents: u64, rows: u64, duplicates: u64, refused: u64) -> Value {
    json!({"captures": captures, "documents": documents, "rows": rows, "duplicates": duplicates, "refused": refused})
}

const HEADER: &str = "timestamp,open,high,low,close,volume\n";
const NEW_YORK: [&str; 2] = ["--tz", "America/New_York"];
