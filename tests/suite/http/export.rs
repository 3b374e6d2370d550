//! The export: every day's strike level, one after the other, the revision that was promised or a broken stream.

use std::io::Read;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};

use super::span_lake::{SPAN, STORED, Span, bucket, by_strike, over_every_span};
use super::table::{FORMATS, read};
use crate::lake::{SMALL_DAYS, World};
use crate::pitlake_binary::{Lake, batches, nested, sha256};
use crate::s3_server::Fault;
use crate::server::Server;

over_every_span!(
    an_export_is_every_day_in_its_order,
    an_export_takes_the_filters_of_a_day,
    what_an_export_does_not_take_is_refused,
    a_column_of_a_newer_version_is_null_where_it_was_not,
);

const EXPORT: &str = "/api/v1/greeks/SPY/export";
const COLUMNS: [&str; 7] =
    ["date", "timestamp", "expiration", "strike", "gamma_exposure", "vanna_exposure", "charm_exposure"];

fn an_export_is_every_day_in_its_order(span: &Span) {
    let expected = by_strike();
    assert_eq!(expected.len(), (390 + 40 + 390 + 31) * 4);
    for (format, _) in FORMATS {
        let table = read(format, &span.server.get(&format!("{EXPORT}?{SPAN}&format={format}")).ok().body);
        assert_eq!(table.columns, COLUMNS, "{format}");
        if format == "csv" {
            assert_eq!(table.rows.len(), expected.len());
        } else {
            assert!(table.rows == expected, "{format}");
        }
    }
    // Whoever was cut off goes on from the last date.
    let rest = span.server.get(&format!("{EXPORT}?start=2025-01-03&end=2025-01-06")).data();
    assert!(rest == expected[430 * 4..]);
}

fn an_export_takes_the_filters_of_a_day(span: &Span) {
    let all = by_strike();
    let wanted = |keep: &dyn Fn(&Value) -> bool| all.iter().filter(|row| keep(row)).cloned().collect::<Vec<_>>();
    let ask = |query: &str| span.server.get(&format!("{EXPORT}?{SPAN}&{query}")).data();
    assert_eq!(ask("strike=585"), wanted(&|row| row["strike"] == 585.0));
    assert_eq!(
        ask("strike_max=582&expiration=2025-01-17"),
        wanted(&|row| row["strike"] == 580.0 && row["expiration"] == "2025-01-17")
    );
    // 09:45 in New York is 14:45 in UTC in winter.
    let from =
        |row: &Value| row["timestamp"].as_str().is_some_and(|time| &time[11..16] >= "14:45" && &time[11..16] < "15:00");
    assert_eq!(ask("start_time=09:45&end_time=10:00"), wanted(&from));
    let one = ask("at=09:31&greeks=charm");
    assert_eq!(one.len(), 4 * 4);
    assert_eq!(
        one[0].as_object().expect("a row").keys().collect::<Vec<_>>(),
        ["charm_exposure", "date", "expiration", "strike", "timestamp"]
    );
    assert!(ask("strike=1").is_empty());
}

fn what_an_export_does_not_take_is_refused(span: &Span) {
    let refused = |query: &str| span.server.get(&format!("{EXPORT}?{SPAN}&{query}")).problem(400, "invalid-parameter");
    assert_eq!(refused("strike=-1")["parameter"], "strike");
    assert_eq!(refused("at=14:32&start_time=10:00")["parameter"], "at");
    assert_eq!(refused("format=xml")["parameter"], "format");
}

/// The wall clock of each day, on both sides of the clock changes.
#[test]
fn times_are_each_days_own() {
    let world = World::in_folder();
    let mut expected = Vec::new();
    for date in SMALL_DAYS.iter().filter(|date| date.starts_with("2024")) {
        for mut row in world.server.get(&format!("/api/v1/greeks/SPY/{date}?at=12:15")).data() {
            row["date"] = json!(date);
            expected.push(row);
        }
    }
    assert_eq!(expected.len(), 6 * 63);
    let rows = world.server.get(&format!("{EXPORT}?start=2024-03-01&end=2024-12-31&at=12:15")).data();
    assert_eq!(rows, expected);
}

const MIDDLE: &str = "2024-12-31";

/// The lake after a correction of the second day.
fn corrected() -> Lake {
    let lake = bucket();
    lake.ingest_lines(&[nested(&format!("{MIDDLE}T14:30:30Z"), "2025-01-10", None, &[(580.0, 77, 78, 79)])]);
    lake.compact(&[]);
    assert_eq!(lake.manifest("SPY", MIDDLE)["revision"], 2);
    lake
}

fn breaks_off(server: &Server, question: &str) {
    let mut bytes = Vec::new();
    // Whether the connection is reset or closed, the last chunk is missing.
    let _ = server.open(question).read_to_end(&mut bytes);
    assert!(bytes.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(300)]));
    assert!(!bytes.ends_with(b"\r\n0\r\n\r\n") && !String::from_utf8_lossy(&bytes).contains("\"count\":"));
}

/// The day was republished, and the year's index does not say so yet: what was promised by the index cannot be kept.
#[test]
fn a_day_republished_on_the_way_breaks_the_stream_off() {
    let (lake, corrected) = (bucket(), corrected());
    let file = format!("greeks/symbol=SPY/date={MIDDLE}/part-0.parquet");
    lake.plant(&file, corrected.get(&file));
    let manifest = format!("_manifest/greeks/symbol=SPY/{MIDDLE}.json");
    lake.plant(&manifest, corrected.get(&manifest));
    let span = Span::over(lake);
    breaks_off(&span.server, &format!("{EXPORT}?{SPAN}"));
    span.server.logs("republished");
    // The next one knows better than the index, and says so before the first byte.
    let answer = span.server.get(&format!("{EXPORT}?{SPAN}")).ok();
    assert_eq!(answer.header("pitlake-revision"), "1-2");
    assert_eq!(answer.json()["days"][1], json!({"date": MIDDLE, "condition": "degraded", "revision": 2}));
    let changed = answer.data().into_iter().find(|row| row["date"] == MIDDLE).expect("a row");
    assert_eq!(changed["gamma_exposure"], 77);
}

#[test]
fn a_store_that_fails_on_the_way_breaks_the_stream_off() {
    let lake = bucket();
    lake.file("pitlake.toml", "[s3]\nretries = 1\nretry_time_limit_ms = 500\n");
    let span = Span::over(lake);
    let s3 = span.lake.server().expect("a bucket");
    s3.fail_next("GetObject", &format!("greeks/symbol=SPY/date={MIDDLE}/"), Fault::InternalError, 50);
    breaks_off(&span.server, &format!("{EXPORT}?{SPAN}"));
    // The first day is looked into before the first byte: that is a refusal and no stream.
    s3.fail_next("GetObject", "greeks/symbol=SPY/date=2025-01-06/", Fault::InternalError, 50);
    let refused = span.server.get(&format!("{EXPORT}?start=2025-01-04&end=2025-01-06"));
    if refused.status != 200 {
        refused.problem(503, "unavailable");
    }
}

#[test]
fn a_damaged_day_is_refused_and_not_exported() {
    let lake = bucket();
    let key = format!("greeks/symbol=SPY/date={MIDDLE}/part-0.parquet");
    let mut bytes = lake.get(&key).to_vec();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0x10;
    lake.plant(&key, bytes);
    let span = Span::over(lake);
    breaks_off(&span.server, &format!("{EXPORT}?{SPAN}"));
    let problem = span.server.get(&format!("{EXPORT}?{SPAN}")).problem(500, "corrupt");
    assert!(problem["detail"].as_str().expect("a text").contains("pitlake verify"), "{problem}");
}

#[test]
fn a_warm_export_asks_nothing_and_lists_nothing() {
    let span = Span::over(bucket());
    let s3 = span.lake.server().expect("a bucket");
    s3.reset();
    let first = span.server.get(&format!("{EXPORT}?{SPAN}")).data();
    let days = s3.calls().iter().filter(|call| call.key.contains("/date=")).count();
    assert_eq!(days, STORED.len(), "each file once: {:?}", s3.calls());
    assert!(s3.calls().iter().all(|call| call.op == "GetObject"), "{:?}", s3.calls());
    s3.reset();
    assert!(span.server.get(&format!("{EXPORT}?{SPAN}")).data() == first);
    assert_eq!(s3.calls(), []);
}

/// The strike level of a later version: one more nullable column at the end. The record and the index know the new file.
fn a_column_of_a_newer_version_is_null_where_it_was_not(span: &Span) {
    let key = format!("greeks/symbol=SPY/date={MIDDLE}/part-0.parquet");
    let newer = with_speed(&span.lake.get(&key));
    let manifest_key = format!("_manifest/greeks/symbol=SPY/{MIDDLE}.json");
    let mut manifest: Value = serde_json::from_slice(&span.lake.get(&manifest_key)).expect("JSON");
    let index_key = "_manifest/greeks/symbol=SPY/2024.json";
    let mut index: Value = serde_json::from_slice(&span.lake.get(index_key)).expect("JSON");
    let entry = index["days"].as_array_mut().and_then(|days| days.iter_mut().find(|day| day["date"] == MIDDLE));
    for record in [&mut manifest, entry.expect("the day's entry")] {
        record["sha256"] = json!(sha256(&newer));
        record["bytes"] = json!(newer.len());
    }
    span.lake.plant(&manifest_key, manifest.to_string());
    span.lake.plant(index_key, index.to_string());
    span.lake.plant(&key, newer);

    // First or last of the span, the new column is there from the start.
    let start = format!("{EXPORT}?start={MIDDLE}&end=2025-01-06");
    let end = format!("{EXPORT}?start=2024-12-30&end={MIDDLE}");
    for question in [start, end] {
        for (format, _) in FORMATS.into_iter().filter(|(format, _)| *format != "csv") {
            let table = read(format, &span.server.get(&format!("{question}&format={format}")).ok().body);
            assert_eq!(table.columns, [&COLUMNS[..], &["speed_exposure"]].concat(), "{question} {format}");
            for (at, row) in table.rows.iter().filter(|row| row["date"] == MIDDLE).enumerate() {
                assert_eq!(row["speed_exposure"], json!(at));
            }
            let old: Vec<&Value> = table.rows.iter().filter(|row| row["date"] != MIDDLE).collect();
            assert!(!old.is_empty() && old.iter().all(|row| row["speed_exposure"].is_null()), "{format}");
        }
    }
    let named = span.server.get(&format!("{EXPORT}?{SPAN}&greeks=gamma&at=09:30")).data();
    assert!(named.iter().all(|row| row.get("speed_exposure").is_none()) && named.len() == 16);
}

fn with_speed(file: &Bytes) -> Bytes {
    let footer = SerializedFileReader::new(file.clone()).expect("Parquet");
    let record: Vec<KeyValue> = footer.metadata().file_metadata().key_value_metadata().expect("a record").clone();
    let mut written = Vec::new();
    let mut writer: Option<ArrowWriter<&mut Vec<u8>>> = None;
    let parts = batches(file.clone());
    let rows: Vec<RecordBatch> = parts
        .iter()
        .map(|batch| {
            let speed: ArrayRef = std::sync::Arc::new(Int64Array::from_iter_values(0..batch.num_rows() as i64));
            let schema = batch.schema();
            let columns =
                schema.fields().iter().map(|field| field.name().as_str()).zip(batch.columns().iter().cloned());
            let nullable = |(name, column): (&str, ArrayRef)| (name.to_owned(), column, name.ends_with("_exposure"));
            let all = columns.chain([("speed_exposure", speed)]).map(nullable).collect::<Vec<_>>();
            RecordBatch::try_from_iter_with_nullable(all).expect("a batch")
        })
        .collect();
    assert_eq!(rows.len(), 1);
    let properties = WriterProperties::builder().set_key_value_metadata(Some(record)).build();
    let into = writer.insert(ArrowWriter::try_new(&mut written, rows[0].schema(), Some(properties)).expect("a writer"));
    rows.iter().for_each(|batch| into.write(batch).expect("written"));
    writer.expect("a writer").close().expect("a file");
    written.into()
}

/// Twenty days of four megabytes of JSON each. A client that stops reading stops the fetching, and its leaving ends it; one that
/// reads on gets every day, in memory that does not grow.
#[test]
fn a_client_that_leaves_ends_the_fetching() {
    let lake = Lake::in_bucket();
    let out = lake.work().join("days.jsonl");
    let to = out.to_str().expect("UTF-8");
    let days = ["--symbol", "SPY", "--date", "2024-02-01", "--days", "20", "--expirations", "3", "--strikes", "21"];
    lake.run(&[&["generate", "greeks"], &days[..], &["--out", to]].concat()).ends(0);
    lake.ingest(to);
    lake.compact(&[]);
    let server = Server::over(&lake);
    let s3 = lake.server().expect("a bucket");
    s3.set_latency(Duration::from_millis(5));
    s3.reset();
    let question = format!("{EXPORT}?start=2024-02-01&end=2024-02-29");
    let mut socket = server.open(&question);
    socket.read_exact(&mut [0; 10_000]).expect("a beginning");
    drop(socket);
    server.logs("broken off");
    let fetched = || s3.calls().iter().filter(|call| call.key.contains("/date=")).count();
    assert!(fetched() < 20, "{} of 20 days were fetched for one that nobody read", fetched());
    for _ in 0..3 {
        let whole = server.raw(&format!("{question}&format=ndjson"));
        assert_eq!(memchr::memchr_iter(b'\n', &whole.body).count(), 20 * 390 * 63);
    }
    assert_eq!(fetched(), 20, "each file once");
    let memory = server.most_memory_mib();
    assert!(memory <= 400, "the server held {memory} MiB");
}
