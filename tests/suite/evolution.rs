//! A fourth greek comes: days that a later pitlake made, with a column that this one does not know, beside days of this one's.
//! The later pitlake is this file: it has a schema of its own, and publishes by the lake's own means.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use chrono::{DateTime, Utc};
use pitlake::greeks::record::{BY_MINUTE, STRIKES};
use pitlake::lake::dataset::{Cut, Dataset, Packing};
use pitlake::lake::layout::PartitionId;
use pitlake::lake::manifest::Manifest;
use pitlake::lake::store::{Store, StoreOptions};
use pitlake::lake::{catalog, partition, publish, year_index};
use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, batches, on_every_store};
use crate::server::Server;

on_every_store!(
    a_later_day_is_served_in_every_format,
    a_later_day_is_added_up_and_covered,
    verify_tells_of_a_later_day_and_finds_no_damage,
    a_later_day_is_left_alone_until_its_captures_change,
    what_a_source_says_beyond_the_schema_is_kept,
);

const OLD: &str = "2025-01-14";
const NEW: &str = "2025-01-15";
const MINUTES: i64 = 3;
const STRIKES_SAID: [f64; 2] = [580.0, 585.0];

/// `greeks` as the later pitlake writes it.
static STRIKES_WITH_SPEED: Dataset = Dataset {
    name: "greeks",
    about: "with a fourth greek",
    cut: Cut::Day,
    schema: || with_speed(&(STRIKES.schema)()),
    sorted_by: &["expiration", "strike", "timestamp"],
    packing: &[("strike", Packing::Dictionary), ("speed_exposure", Packing::Delta)],
    row_group_rows: 60_000,
};
static BY_MINUTE_WITH_SPEED: Dataset = Dataset {
    name: "greeks_by_minute",
    about: "with a fourth greek",
    cut: Cut::Day,
    schema: || with_speed(&(BY_MINUTE.schema)()),
    sorted_by: &["timestamp", "expiration"],
    packing: &[("speed_exposure", Packing::Delta)],
    row_group_rows: 60_000,
};

fn with_speed(schema: &Schema) -> SchemaRef {
    let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("speed_exposure", DataType::Int64, true)));
    Arc::new(Schema::new(fields))
}

/// Speed in the file's order: the first row is one of whose speed nothing was said.
fn speeds(rows: usize) -> ArrayRef {
    Arc::new((0..rows as i64).map(|row| (row > 0).then_some(row * 1_000)).collect::<Int64Array>())
}

/// A day's documents; sources say more than this version reads.
fn documents(date: &str, second: u32, gamma: i64) -> Vec<String> {
    let line = |minute: i64| {
        let strikes: Vec<Value> = STRIKES_SAID
            .iter()
            .map(|strike| json!({"strike": strike, "gamma": gamma + minute, "vanna": -5, "charm": 7, "speed": 1.5}))
            .collect();
        json!({"timestamp": format!("{date}T14:{:02}:{second:02}Z", 30 + minute), "symbol": "SPY", "expiration": "2025-01-17",
            "spot": 588.25, "model": {"name": "x"}, "strikes": strikes})
        .to_string()
    };
    (0..MINUTES).map(line).collect()
}

/// One day of this pitlake's and one of the later one's.
fn grown(lake: &Lake) {
    lake.ingest_lines(&documents(OLD, 0, 100));
    lake.compact(&[]);
    let work = lake.another();
    work.ingest_lines(&documents(NEW, 0, 1_000));
    work.compact(&[]);
    for (key, bytes) in work.objects_under("raw/") {
        lake.plant(&key, bytes);
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = match lake.server() {
            Some(server) => server.store(&lake.root()).await,
            None => Store::open(&lake.root(), &StoreOptions::default()).await.expect("a lake"),
        };
        for dataset in [&BY_MINUTE_WITH_SPEED, &STRIKES_WITH_SPEED] {
            publish_later(&store, dataset, &work).await;
        }
    });
}

/// What the later pitlake's compactor does with a day that this one made in another lake.
async fn publish_later(store: &Store, dataset: &'static Dataset, work: &Lake) {
    let symbol = "SPY".parse().expect("a symbol");
    let id = PartitionId::day(dataset.name, &symbol, NEW.parse().expect("a date"));
    let made: Manifest = serde_json::from_slice(&work.get(&id.manifest_key())).expect("a manifest");
    let mut content = made.content;
    content.calculation.version = "greeks-2".to_owned();
    let schema = (dataset.schema)();
    let rows: Vec<RecordBatch> = batches(work.get(&id.data_key()))
        .iter()
        .map(|batch| {
            let mut columns = batch.columns().to_vec();
            columns.push(speeds(batch.num_rows()));
            RecordBatch::try_new(Arc::clone(&schema), columns).expect("rows")
        })
        .collect();
    let data = partition::encode(dataset, &rows, &content).expect("a file");
    let before = publish::before(store, &id).await.expect("what was there");
    let now: DateTime<Utc> = "2025-01-16T12:00:00Z".parse().expect("an instant");
    let published = publish::publish(store, &before, dataset, content, data, now).await.expect("published");
    let manifests = [published.manifest().clone()];
    year_index::update(store, (dataset.name, &symbol, 2025), &manifests, false, now).await.expect("an index");
    catalog::add(store, dataset.name, &symbol, 2025).await.expect("a catalog");
}

fn day_path(date: &str) -> String {
    format!("/api/v1/greeks/SPY/{date}")
}

/// The speed of each row as it must be answered.
fn expected_speeds() -> Vec<Value> {
    let rows = MINUTES as usize * STRIKES_SAID.len();
    (0..rows).map(|row| if row == 0 { Value::Null } else { json!(row * 1_000) }).collect()
}

fn a_later_day_is_served_in_every_format(lake: &Lake) {
    grown(lake);
    let server = Server::over(lake);
    let rows = expected_speeds();
    let speeds = |data: &[Value]| data.iter().map(|row| row["speed_exposure"].clone()).collect::<Vec<_>>();
    assert_eq!(speeds(&server.get(&day_path(NEW)).data()), rows);

    let ndjson = server.get(&format!("{}?format=ndjson", day_path(NEW))).ok();
    let lines: Vec<Value> = ndjson.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(speeds(&lines), rows);
    assert_eq!(lines[1]["gamma_exposure"], 1_001);

    let csv = server.get(&format!("{}?format=csv", day_path(NEW))).ok();
    let lines: Vec<&str> = csv.text().lines().collect();
    let header = "timestamp,expiration,strike,gamma_exposure,vanna_exposure,charm_exposure,speed_exposure";
    assert_eq!(lines[0], header);
    assert_eq!(lines[1].rsplit(',').next(), Some(""));
    assert_eq!(lines[3].rsplit(',').next(), Some("2000"));

    let arrow = server.get(&format!("{}?format=arrow", day_path(NEW))).ok();
    let reader = StreamReader::try_new(std::io::Cursor::new(arrow.body), None).expect("Arrow");
    let speed: Vec<Value> = reader
        .flat_map(|batch| {
            let batch = batch.expect("rows");
            batch["speed_exposure"].as_primitive::<Int64Type>().iter().map(|cell| json!(cell)).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(speed, rows);

    let parquet = server.get(&format!("{}?format=parquet", day_path(NEW))).ok();
    assert!(parquet.body == lake.get(&format!("greeks/symbol=SPY/date={NEW}/part-0.parquet")));
    let slice = server.get(&format!("{}?format=parquet&strike=585", day_path(NEW))).ok();
    assert_eq!(batches(slice.body)[0]["speed_exposure"].as_primitive::<Int64Type>().values(), &[3_000, 4_000, 5_000]);

    // Asked for by name it is not known yet, and left out.
    let gamma = server.get(&format!("{}?greeks=gamma", day_path(NEW))).data();
    assert_eq!(
        gamma[1],
        json!({"timestamp": "2025-01-15T14:31:00Z", "expiration": "2025-01-17", "strike": 580.0, "gamma_exposure": 1_001})
    );
    server.get(&format!("{}?greeks=speed", day_path(NEW))).problem(400, "invalid-parameter");

    // Days from before are as they were.
    let old = server.get(&day_path(OLD)).data();
    assert_eq!(old.len(), rows.len());
    assert!(old.iter().all(|row| row.get("speed_exposure").is_none()));
    let latest = server.get("/api/v1/greeks/SPY/latest").data();
    assert_eq!(speeds(&latest), [json!(2_000), json!(5_000)]);
}

fn a_later_day_is_added_up_and_covered(lake: &Lake) {
    grown(lake);
    let server = Server::over(lake);
    for (by, rows) in [("minute", 3), ("expiration", 3), ("strike", 6)] {
        let sums = server.get(&format!("{}/aggregate?by={by}", day_path(NEW))).data();
        assert_eq!(sums.len(), rows, "{by}");
        let gamma: i64 = sums.iter().map(|row| row["gamma_exposure"].as_i64().expect("a number")).sum();
        assert_eq!(gamma, 2 * (1_000 + 1_001 + 1_002), "{by}");
        assert_eq!(sums[0]["spot"], 588.25);
    }
    let answer = server.get(&day_path(NEW)).ok().json();
    assert_eq!((&answer["calculation_version"], &answer["revision"]), (&json!("greeks-2"), &json!(1)));
    let coverage = server.get("/api/v1/greeks/SPY/coverage").data();
    let days: Vec<_> = coverage.iter().map(|day| (&day["date"], &day["rows"], &day["minutes_seen"])).collect();
    let (rows, minutes) = (json!(6), json!(3));
    assert_eq!(days, [(&json!(OLD), &rows, &minutes), (&json!(NEW), &rows, &minutes)]);
}

fn verify_tells_of_a_later_day_and_finds_no_damage(lake: &Lake) {
    grown(lake);
    // The year's table does not have the new day yet: that is what the index says and the table does not.
    lake.compact(&[]);
    let told = lake.run(&["verify", "--json"]).ends(0).json_lines();
    let newer: Vec<_> = told.iter().filter(|line| line["code"] == "newer").collect();
    assert_eq!(newer.len(), 1, "{told:?}");
    assert_eq!(newer[0]["severity"], "note");
    let detail = newer[0]["detail"].as_str().expect("text");
    assert!(detail.contains("greeks-2") && detail.contains("speed_exposure"), "{detail}");
    assert!(told.iter().all(|line| line["severity"] != "damage"), "{told:?}");
    assert!(told.iter().all(|line| line["code"] != "settings_changed"), "{told:?}");
}

fn a_later_day_is_left_alone_until_its_captures_change(lake: &Lake) {
    grown(lake);
    let later = |lake: &Lake| -> BTreeMap<_, _> {
        lake.objects().into_iter().filter(|(key, _)| key.contains(NEW) && !key.starts_with("raw/")).collect()
    };
    let before = later(lake);
    let told = lake.compact(&[]);
    let of_the_day = told.iter().filter(|outcome| outcome["date"] == NEW);
    assert!(of_the_day.clone().count() == 2 && of_the_day.clone().all(|outcome| outcome["action"] == "unchanged"));
    assert!(later(lake) == before, "an older program takes nothing away");

    // A correction of both days: the one it can make is made, the other is refused and goes on being served.
    lake.ingest_lines(&[documents(OLD, 30, 200), documents(NEW, 30, 2_000)].concat());
    let ran = lake.run(&["compact", "--json"]).ends(1);
    assert!(ran.stderr.contains("greeks-2") && ran.stderr.contains("update pitlake"), "{}", ran.stderr);
    assert!(later(lake) == before);
    let server = Server::over(lake);
    let gamma = |date| server.get(&day_path(date)).data()[0]["gamma_exposure"].clone();
    assert_eq!((gamma(OLD), gamma(NEW)), (json!(200), json!(1_000)));
    let told = lake.run(&["verify", "--json"]).ends(0).json_lines();
    assert!(
        told.iter().any(|line| line["code"] == "not_compacted" && line["key"].to_string().contains(NEW)),
        "{told:?}"
    );

    // Nor does repair take it away.
    lake.plant(&format!("greeks/symbol=SPY/date={NEW}/part-0.parquet"), "damaged");
    let repaired = lake.run(&["verify", "--repair"]);
    assert_eq!(repaired.code, Some(1), "{repaired:?}");
    assert!(lake.get(&format!("greeks/symbol=SPY/date={NEW}/part-0.parquet")) == "damaged");
}

fn what_a_source_says_beyond_the_schema_is_kept(lake: &Lake) {
    let lines = documents(OLD, 0, 100);
    assert_eq!(lake.ingest_lines(&lines)["refused"], 0);
    let captures = lake.objects_under("raw/greeks/");
    let capture = zstd::decode_all(captures.values().next().expect("a capture").as_ref()).expect("zstd");
    let kept = String::from_utf8(capture).expect("UTF-8");
    for (kept, line) in kept.lines().zip(&lines) {
        assert!(kept.ends_with(&format!("\"document\":{line}}}")), "{kept}");
    }
    assert!(lines[0].contains(r#""speed":1.5"#) && kept.lines().count() == lines.len());
}

#[test]
fn old_and_new_days_are_read_together_by_duckdb() {
    let lake = Lake::in_folder();
    grown(&lake);
    lake.compact(&[]);
    let folder = lake.root().strip_prefix("file://").expect("a folder").to_owned();
    let database = duckdb::Connection::open_in_memory().expect("DuckDB");
    let ask = |dataset: &str| -> Vec<(String, i64, i64, Option<i64>, i64)> {
        let sql = format!(
            "SELECT CAST(date AS VARCHAR), count(*), count(speed_exposure), CAST(sum(speed_exposure) AS BIGINT), \
             CAST(sum(gamma_exposure) AS BIGINT) \
             FROM read_parquet('{folder}/{dataset}/*/*/part-0.parquet', union_by_name = true, hive_partitioning = true) \
             GROUP BY date ORDER BY date"
        );
        let mut statement = database.prepare(&sql).expect("SQL");
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
            .expect("an answer");
        rows.collect::<Result<_, _>>().expect("rows")
    };
    let (old, new) = (OLD.to_owned(), NEW.to_owned());
    assert_eq!(ask("greeks"), [(old.clone(), 6, 0, None, 606), (new.clone(), 6, 5, Some(15_000), 6_006)]);
    assert_eq!(ask("greeks_by_minute"), [(old, 3, 0, None, 606), (new, 3, 2, Some(3_000), 6_006)]);
}

/// Contract §4: `export` over both days is one stream with one schema, and what a day's file does not have is null.
#[test]
fn an_export_over_old_and_new_days_has_nulls_where_a_greek_was_not() {
    let lake = Lake::in_folder();
    grown(&lake);
    lake.compact(&[]);
    let path = format!("/api/v1/greeks/SPY/export?start={OLD}&end={NEW}&format=ndjson");
    let answer = Server::over(&lake).get(&path).ok();
    let rows: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 12);
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row.as_object().map(serde_json::Map::len), Some(8), "the date, then a row's columns: {row}");
        let expected = if at < 6 { Value::Null } else { expected_speeds()[at - 6].clone() };
        assert_eq!(row["speed_exposure"], expected, "row {at}: {row}");
    }
}
