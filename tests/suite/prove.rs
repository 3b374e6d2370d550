//! `pitlake prove`: every route with every kind of filter agrees with plain SQL over the files, on disk and in a bucket; a number
//! that was tampered with is found and named; what cannot be proved is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;
use pitlake::greeks::prove::{Call, LakeDay, Reading};
use pitlake::market::{Instruments, TradingDate};
use serde_json::{Value, json};

use crate::lake::{LARGE_DAY, LARGE_DAY_ROWS, filled, objects_in_bucket, objects_in_folder, said};
use crate::pitlake_binary::{Lake, Ran, batches, sha256};
use crate::server::Server;

mod sql_of_many_days;

/// One day: each route with each filter, alone and together, in each format, on whole, half, broken and odd days.
const ONE_DAY: [&str; 44] = [
    "SPY/2025-01-15",
    "SPY/2025-01-15?format=ndjson",
    "SPY/2025-01-15?format=csv",
    "SPY/2025-01-15?format=arrow",
    "SPY/2025-01-15?format=parquet",
    "SPY/2025-01-15?strike=585",
    "SPY/2025-01-15?strike=585.0&format=parquet",
    "SPY/2025-01-15?strike=1.5",
    "SPY/2025-01-15?strike_min=580",
    "SPY/2025-01-15?strike_max=590.5&format=csv",
    "SPY/2025-01-15?strike_min=580&strike_max=590&greeks=vanna",
    "SPY/2025-01-15?expiration=2025-01-17",
    "SPY/2025-01-15?expiration=2030-01-17",
    "SPY/2025-01-15?start_time=14:00&end_time=15:00",
    "SPY/2025-01-15?start_time=15:59:30",
    "SPY/2025-01-15?end_time=09:31&format=arrow",
    "SPY/2025-01-15?at=14:32",
    "SPY/2025-01-15?at=14:32:59&greeks=charm,gamma",
    "SPY/2024-03-08?at=10:00",
    "SPY/2024-03-11?at=10:00",
    "SPY/2024-07-03?start_time=12:59",
    "%5ESPX/2025-01-15",
    "QQQ/2025-01-15",
    "QQQ/2025-01-15?format=csv",
    "IWM/2025-01-15?start_time=15:59",
    "SPY/latest",
    "SPY/latest?strike_min=585&greeks=gamma&format=csv",
    "IWM/latest",
    "SPX/latest?expiration=2025-01-17",
    "SPY/2025-01-15/aggregate",
    "SPY/2025-01-15/aggregate?by=expiration&format=parquet",
    "SPY/2025-01-15/aggregate?by=strike&format=csv",
    "SPY/2025-01-15/aggregate?by=minute&expiration=2025-01-17&format=arrow",
    "SPY/2025-01-15/aggregate?by=expiration&start_time=14:00&end_time=15:00",
    "SPY/2025-01-15/aggregate?by=expiration&strike_min=580&strike_max=590",
    "SPY/2025-01-15/aggregate?strike=585&greeks=charm",
    "SPY/2025-01-15/aggregate?at=09:30&by=strike&format=ndjson",
    "SPY/2024-11-04/aggregate?start_time=15:30&by=expiration",
    "QQQ/2025-01-15/aggregate",
    "QQQ/2025-01-15/aggregate?by=expiration",
    "QQQ/2025-01-15/aggregate?by=strike",
    "IWM/2025-01-15/aggregate",
    "IWM/2025-01-15/aggregate?by=strike&end_time=09:30",
    "IWM/2025-01-15/aggregate?by=expiration&start_time=16:00",
];

/// Many days, with holes between them.
const MANY_DAYS: [&str; 18] = [
    "SPY/range?start=2024-01-01&end=2025-12-31",
    "SPY/range?start=2024-03-08&end=2024-03-11&format=csv",
    "SPY/range?start=2024-01-01&end=2025-12-31&by=day&greeks=charm&format=arrow",
    "QQQ/range?start=2025-01-15&end=2025-01-15",
    "IWM/range?start=2025-01-15&end=2025-01-15",
    "SPY/range?start=2024-07-01&end=2024-11-30&by=minute",
    "SPY/range?start=2025-01-14&end=2025-01-15&by=minute&greeks=gamma,vanna&format=parquet",
    "SPY/range?start=2025-01-14&end=2025-01-15&by=minute&expiration=2025-01-17",
    "QQQ/range?start=2025-01-15&end=2025-01-15&by=minute&expiration=2025-01-24",
    "IWM/range?start=2025-01-15&end=2025-01-15&by=minute",
    "SPY/screen?start=2024-01-01&end=2025-12-31&greek=gamma&above=0",
    "SPY/screen?start=2024-01-01&end=2025-12-31&greek=vanna&below=-1000000.5&first=true",
    "IWM/screen?start=2025-01-15&end=2025-01-15&greek=gamma&above=99&first=true",
    "IWM/screen?start=2025-01-15&end=2025-01-15&greek=gamma&above=100",
    "SPY/export?start=2024-03-08&end=2024-03-11",
    "SPY/export?start=2024-03-01&end=2024-12-31&strike_min=500&greeks=gamma&format=csv",
    "SPY/export?start=2024-03-08&end=2024-03-11&start_time=10:00&end_time=10:05&format=arrow",
    "SPY/export?start=2024-03-08&end=2024-11-30&at=12:59&expiration=2024-07-05",
];

fn in_folder() -> Lake {
    filled(Lake::in_folder(), objects_in_folder())
}

fn in_bucket() -> Lake {
    filled(Lake::in_bucket(), objects_in_bucket())
}

fn prove(lake: &Lake, call: &str, more: &[&str]) -> Ran {
    lake.run(&[&["prove", &format!("/api/v1/greeks/{call}")], more].concat())
}

/// All of the calls are proved, a few at a time.
fn all_equal(lake: &Lake, calls: &[&str]) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(call) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let proof = prove(lake, call, &["--json"]).ends(0).json();
                    assert_eq!(proof["equal"], true, "{call}");
                    assert_eq!(proof["differing"], 0, "{call}");
                }
            });
        }
    });
}

#[test]
fn one_day_in_a_folder() {
    all_equal(&in_folder(), &ONE_DAY);
}

#[test]
fn one_day_in_a_bucket() {
    all_equal(&in_bucket(), &ONE_DAY);
}

#[test]
fn many_days_in_a_folder() {
    all_equal(&in_folder(), &MANY_DAYS);
}

#[test]
fn many_days_in_a_bucket() {
    all_equal(&in_bucket(), &MANY_DAYS);
}

#[test]
fn what_is_compared_is_what_the_day_has() {
    let lake = in_folder();
    let rows = |call: &str| prove(&lake, call, &["--json"]).ends(0).json();
    let day = said("SPY", "2025-01-15");
    let proof = rows("SPY/2025-01-15?strike=585");
    assert_eq!(proof["rows"], day.iter().filter(|row| row.strike == 585.0).count());
    assert_eq!(proof["columns"].as_array().map(Vec::len), Some(6));
    assert_eq!(rows("IWM/2025-01-15")["rows"], 4);
    assert_eq!(rows("IWM/2025-01-15/aggregate")["rows"], 2, "rows outside the session are not added up");
    assert_eq!(rows(&format!("SPY/{LARGE_DAY}"))["rows"], LARGE_DAY_ROWS);
    let file = &proof["files"][0];
    let key = "greeks/symbol=SPY/date=2025-01-15/part-0.parquet";
    let bytes = lake.get(key);
    let expected =
        json!({"path": key, "bytes": bytes.len(), "sha256": sha256(&bytes), "revision": 1, "condition": "available"});
    assert_eq!(file, &expected);
}

#[test]
fn people_get_the_verdict_the_files_and_the_sql() {
    let told = prove(&in_folder(), "SPY/2025-01-15?at=14:32", &[]).ends(0).stdout;
    assert!(told.contains("equal: 63 rows of 6 columns, value by value"), "{told}");
    assert!(told.contains("revision 1  sha256 "), "{told}");
    let sql = told.split("\n\n").last().expect("the SQL comes last");
    assert!(sql.starts_with("SELECT ") && sql.ends_with(";\n"), "{told}");
}

#[test]
fn the_printed_sql_runs_in_any_duckdb() {
    let lake = in_folder();
    let printed = prove(&lake, "SPY/2025-01-15/aggregate?by=strike", &["--sql"]).ends(0).stdout;
    let duckdb = duckdb::Connection::open_in_memory().expect("DuckDB");
    let count = |sql: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM ({})", sql.trim_end().trim_end_matches(';'));
        duckdb.query_row(&sql, [], |row| row.get(0)).expect("a number")
    };
    assert_eq!(count(&printed), 21 * 390);
    assert!(!printed.contains('?') && !printed.contains('$'), "no parameter: {printed}");
    let of_bucket = prove(&in_bucket(), "SPY/2025-01-15/aggregate?by=strike", &["--sql"]).ends(0).stdout;
    let folder = lake.root().strip_prefix("file://").expect("a folder").to_owned();
    assert_eq!(of_bucket, printed.replace(&folder, "s3://lake/some/where"), "the same but for the root");
    assert_eq!(prove(&in_bucket(), "SPY/2025-01-15/aggregate?by=strike", &["--json"]).ends(0).json()["sql"], of_bucket);
}

#[test]
fn a_whole_url_and_a_running_server_will_do() {
    let lake = in_folder();
    let server = Server::over(&lake);
    let url = format!("{}/api/v1/greeks/SPY/2025-01-15/aggregate?at=14:32", server.url);
    assert_eq!(lake.run(&["prove", &url, "--json"]).ends(0).json()["rows"], 1);
    assert_eq!(lake.run(&["prove", &url, "--json", "--server", &server.url]).ends(0).json()["rows"], 1);
    let gone = lake.run(&["prove", &url, "--server", "http://127.0.0.1:1"]).ends(1);
    assert!(gone.stderr.contains("does not answer"), "{}", gone.stderr);
}

#[test]
fn who_has_the_lake_needs_no_key() {
    let lake = in_folder();
    lake.run(&["keys", "create", "--name", "somebody", "--scope", "read"]).ends(0);
    prove(&lake, "SPY/2025-01-15?strike=585", &[]).ends(0);
}

/// The file with the first value of a column one dollar off, and the record that it asks to be believed with.
fn tamper(lake: &Lake, dataset: &str, period: &str, column: &str) -> i64 {
    let (name, value) = period.split_once('=').expect("a Hive column");
    let key = format!("{dataset}/symbol=SPY/{name}={value}/part-0.parquet");
    let whole = lake.get(&key);
    let builder = ParquetRecordBatchReaderBuilder::try_new(whole.clone()).expect("Parquet");
    let footer = builder.metadata().file_metadata().key_value_metadata().cloned();
    let rows = batches(whole);
    let mut was = None;
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_key_value_metadata(footer).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows[0].schema(), Some(properties)).expect("a writer");
    for batch in rows {
        let at = batch.schema().index_of(column).expect("the column");
        let values = batch.column(at).as_primitive::<Int64Type>();
        let first = *was.get_or_insert(values.value(0));
        let values: Int64Array =
            values.iter().map(|value| value.map(|value| if value == first { value + 1 } else { value })).collect();
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        columns[at] = Arc::new(values);
        writer.write(&RecordBatch::try_new(batch.schema(), columns).expect("a batch")).expect("written");
    }
    writer.close().expect("closed");
    let manifest = format!("_manifest/{dataset}/symbol=SPY/{value}.json");
    let mut record: Value = serde_json::from_slice(&lake.get(&manifest)).expect("JSON");
    (record["sha256"], record["bytes"]) = (json!(sha256(&bytes)), json!(bytes.len()));
    lake.plant(&key, Bytes::from(bytes));
    lake.plant(&manifest, record.to_string());
    was.expect("a row")
}

fn a_wrong_sum_is_found(lake: &Lake) {
    let was = tamper(lake, "greeks_by_minute", "date=2025-01-15", "gamma_exposure");
    let call = "SPY/2025-01-15/aggregate?by=expiration";
    let proof = prove(lake, call, &["--json"]).ends(1).json();
    assert_eq!((&proof["equal"], &proof["differing"], &proof["rows"]), (&json!(false), &json!(1), &json!(1170)));
    let difference = &proof["differences"][0];
    assert_eq!((&difference["row"], &difference["columns"]), (&json!(0), &json!(["gamma_exposure"])));
    let shows = |side: &str, value: i64| {
        let text = difference[side].as_str().expect("a text");
        assert!(text.contains(&format!("gamma_exposure={value}  ")), "{text}");
    };
    shows("answer", was + 1);
    shows("sql", was);
    let told = prove(lake, call, &[]).ends(1).stdout;
    assert!(
        told.contains("DIFFERENT: 1 row differs; the answer has 1170 rows") && told.contains("row 0: gamma_exposure"),
        "{told}"
    );
    // What does not go through the tampered file is as right as it was.
    prove(lake, "SPY/2025-01-15/aggregate?by=strike", &[]).ends(0);
    prove(lake, "SPY/2025-01-15?strike=585", &[]).ends(0);
}

#[test]
fn a_wrong_sum_is_found_in_a_folder() {
    a_wrong_sum_is_found(&in_folder());
}

#[test]
fn a_wrong_sum_is_found_in_a_bucket() {
    a_wrong_sum_is_found(&in_bucket());
}

#[test]
fn a_wrong_statistic_is_found() {
    let lake = in_folder();
    tamper(&lake, "greeks_by_day", "year=2025", "charm_close");
    let proof = prove(&lake, "SPY/range?start=2025-01-01&end=2025-01-31", &["--json"]).ends(1).json();
    assert_eq!(proof["differences"][0]["columns"], json!(["charm_close"]));
}

#[test]
fn a_file_that_is_not_its_manifests_is_no_witness() {
    let lake = in_folder();
    let server = Server::over(&lake);
    let call = format!("{}/api/v1/greeks/SPY/2025-01-15?strike=585", server.url);
    server.get("/api/v1/greeks/SPY/2025-01-15?strike=585").ok();
    let mut bytes = lake.get("greeks/symbol=SPY/date=2025-01-15/part-0.parquet").to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    lake.plant("greeks/symbol=SPY/date=2025-01-15/part-0.parquet", bytes);
    // The server still has what it had.
    let ran = lake.run(&["prove", &call, "--server", &server.url]).ends(1);
    assert!(ran.stderr.contains("is not the file of its manifest"), "{}", ran.stderr);
}

#[test]
fn what_cannot_be_proved_is_refused() {
    let lake = in_folder();
    for (call, code, says) in [
        ("/api/v1/greeks/SPY/coverage", 2, "what can be proved"),
        ("/api/v1/greeks/SPY/files?start=2025-01-01&end=2025-01-31", 2, "what can be proved"),
        ("/api/v1/greeks/SPY/live", 2, "what can be proved"),
        ("/api/v1/greeks/SPY/2025-01-15?as_of=2025-01-16T00:00:00Z", 2, "what can be proved"),
        ("/api/v1/symbols", 2, "what can be proved"),
        ("/health", 2, "what can be proved"),
        ("api/v1/greeks/SPY/2025-01-15", 2, "in quotes"),
        ("ftp://somewhere/api", 2, "in quotes"),
        ("/api/v1/greeks/SPY/2025-01-15?strik=585", 2, "did you mean 'strike'"),
        ("/api/v1/greeks/SPY/2025-01-15?strike=-1", 2, "strike=-1"),
        ("/api/v1/greeks/SPY/2025-13-15", 2, "is not a date"),
        ("/api/v1/greeks/NOPE/2025-01-15", 1, "404 unknown-symbol"),
        ("/api/v1/greeks/SPY/2025-01-17", 1, "404 missing-day"),
        ("/api/v1/greeks/SPY/2025-01-18", 1, "404 closed-day"),
        ("/api/v1/greeks/DIA/latest", 1, "404"),
        ("/api/v1/greeks/SPY/2025-01-15/aggregat", 1, "404 not-found"),
        ("/nothing", 1, "404 not-found"),
    ] {
        for more in [&[][..], &["--sql"], &["--json"]] {
            let ran = lake.run(&[&["prove", call], more].concat()).ends(code);
            assert!(ran.stderr.contains(says), "{call}: {}", ran.stderr);
            assert_eq!(ran.stdout, "", "{call}");
        }
    }
}
