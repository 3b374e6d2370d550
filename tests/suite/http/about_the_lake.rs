//! What the lake has and how far to trust it: datasets, symbols, coverage.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::table::read;
use crate::lake::{DAY, World, objects_in_bucket, objects_in_folder, over_every_lake};
use crate::pitlake_binary::{batches, without_footer};

over_every_lake!(
    coverage_says_day_by_day_what_there_is,
    coverage_reaches_from_the_first_to_the_last_day,
    coverage_of_days_to_come_is_not_cut_short,
    coverage_in_every_format,
    datasets_have_the_columns_of_their_files,
    symbols_say_what_is_stored,
);

/// The same captures gave the same bytes on both kinds of store, but for the times of arrival that footers name.
#[test]
fn both_lakes_are_one() {
    let partitions = |objects: &'static BTreeMap<String, Bytes>| -> Vec<(&str, &[u8])> {
        let partitions = objects.iter().filter(|(key, _)| key.ends_with(".parquet"));
        partitions.map(|(key, bytes)| (key.as_str(), without_footer(bytes))).collect()
    };
    let (folder, bucket) = (partitions(objects_in_folder()), partitions(objects_in_bucket()));
    // 8 days of SPY and one each of three others, at two levels; the years 2024 and 2025 of SPY and 2025 of the others.
    assert_eq!(folder.len(), 11 * 2 + 5);
    assert!(folder == bucket);
}

fn day(
    date: &str,
    condition: &str,
    reasons: &[&str],
    [rows, expected, seen]: [u32; 3],
    revision: Option<u32>,
) -> Value {
    json!({"date": date, "condition": condition, "reasons": reasons, "rows": rows, "minutes_expected": expected,
        "minutes_seen": seen, "revision": revision})
}

fn expected() -> Vec<Value> {
    let missing = |date| day(date, "missing", &["no_partition"], [0, 390, 0], None);
    let closed = |date, because| day(date, "closed", &[because], [0, 0, 0], None);
    vec![
        closed("2025-01-09", "National Day of Mourning for Jimmy Carter"),
        missing("2025-01-10"),
        closed("2025-01-11", "weekend"),
        closed("2025-01-12", "weekend"),
        missing("2025-01-13"),
        day("2025-01-14", "available", &[], [234_000, 390, 390], Some(1)),
        day("2025-01-15", "available", &[], [24_570, 390, 390], Some(1)),
        missing("2025-01-16"),
        missing("2025-01-17"),
        closed("2025-01-18", "weekend"),
        closed("2025-01-19", "weekend"),
        closed("2025-01-20", "Martin Luther King Jr. Day"),
        missing("2025-01-21"),
    ]
}

fn coverage_says_day_by_day_what_there_is(world: &World) {
    let asked = "/api/v1/greeks/SPY/coverage?start=2025-01-09&end=2025-01-21";
    let reply = world.server.get(asked).ok();
    assert!(
        reply.text().starts_with(r#"{"symbol":"SPY","dataset":"greeks","data":[{"date":"2025-01-09","condition":"#)
    );
    assert_eq!(reply.data(), expected());
    // Two of 390 minutes, though nothing of what came was wrong.
    let qqq = world.server.get(&format!("/api/v1/greeks/QQQ/coverage?start={DAY}&end={DAY}")).data();
    assert_eq!(qqq, [day(DAY, "degraded", &["missing_minutes"], [4, 390, 2], Some(1))]);
    let minutes = world.server.get("/api/v1/greeks_by_minute/SPY/coverage?start=2025-01-15&end=2025-01-15").data();
    assert_eq!(minutes, [day(DAY, "available", &[], [390 * 3, 390, 390], Some(1))]);
    let half = world.server.get("/api/v1/greeks/SPY/coverage?start=2024-07-03&end=2024-07-05").data();
    let wanted = [
        day("2024-07-03", "available", &[], [210 * 63, 210, 210], Some(1)),
        day("2024-07-04", "closed", &["Independence Day"], [0, 0, 0], None),
        day("2024-07-05", "missing", &["no_partition"], [0, 390, 0], None),
    ];
    assert_eq!(half, wanted);
}

fn coverage_reaches_from_the_first_to_the_last_day(world: &World) {
    let days = world.server.get("/api/v1/greeks/SPY/coverage").data();
    // From 2024-03-08 to 2025-01-15 are 314 days, both counted.
    assert_eq!(days.len(), 314);
    assert_eq!((&days[0]["date"], &days[313]["date"]), (&json!("2024-03-08"), &json!("2025-01-15")));
    let stored = days.iter().filter(|day| day["condition"] == "available").count();
    assert_eq!(stored, 8);
    let alias = world.server.get("/api/v1/greeks/^SPX/coverage").ok();
    assert_eq!(alias.json()["symbol"], "SPX");
    assert_eq!(alias.data().len(), 1);
    assert!(world.server.get("/api/v1/greeks/DIA/coverage").data().is_empty(), "known, and nothing stored");
}

fn coverage_of_days_to_come_is_not_cut_short(world: &World) {
    let days = world.server.get("/api/v1/greeks/SPY/coverage?start=2199-01-04&end=2199-01-07").data();
    // From a Friday to a Monday.
    let ahead = |date| day(date, "pending", &["session_ahead"], [0, 390, 0], None);
    let weekend = |date| day(date, "closed", &["weekend"], [0, 0, 0], None);
    let expected = [ahead("2199-01-04"), weekend("2199-01-05"), weekend("2199-01-06"), ahead("2199-01-07")];
    assert_eq!(days, expected);
}

fn coverage_in_every_format(world: &World) {
    let ask = |format: &str| {
        world.server.get(&format!("/api/v1/greeks/SPY/coverage?start=2025-01-09&end=2025-01-21&format={format}")).ok()
    };
    for format in ["json", "ndjson", "arrow", "parquet"] {
        assert_eq!(read(format, &ask(format).body).rows, expected(), "{format}");
    }
    let csv = ask("csv");
    let lines: Vec<&str> = csv.text().lines().collect();
    assert_eq!(lines[0], "date,condition,reasons,rows,minutes_expected,minutes_seen,revision");
    assert_eq!(lines[6], "2025-01-14,available,,234000,390,390,1");
    assert_eq!(lines[12], "2025-01-20,closed,Martin Luther King Jr. Day,0,0,0,");
    assert_eq!(lines.len(), 14);
}

fn datasets_have_the_columns_of_their_files(world: &World) {
    let datasets = world.server.get("/api/v1/datasets").data();
    let names: Vec<&str> = datasets.iter().filter_map(|dataset| dataset["name"].as_str()).collect();
    assert_eq!(names, ["greeks", "greeks_by_minute", "greeks_by_day", "bars", "profiles", "profiles_history"]);
    for (dataset, folder) in datasets.iter().zip(["date=2025-01-15", "date=2025-01-15", "year=2025"]) {
        let name = dataset["name"].as_str().expect("a name");
        let file = world.lake.get(&format!("{name}/symbol=SPY/{folder}/part-0.parquet"));
        let schema = batches(file)[0].schema();
        let of_file: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let columns = dataset["columns"].as_array().expect("a list");
        let told: Vec<&str> = columns.iter().filter_map(|column| column["name"].as_str()).collect();
        assert_eq!(told, of_file, "{name}");
        assert_eq!(dataset["symbols"], json!(["IWM", "QQQ", "SPX", "SPY"]), "{name}");
        let cut = folder.split('=').next().expect("a name");
        assert_eq!(dataset["partitioned_by"], json!(["symbol", cut]), "{name}");
    }
    let of_greeks: Vec<(Value, Value)> = datasets[0]["columns"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|column| (column["type"].clone(), column["nullable"].clone()))
        .collect();
    let by_contract = [
        ("timestamp(µs, UTC)", false),
        ("date32", false),
        ("double", false),
        ("int64", true),
        ("int64", true),
        ("int64", true),
    ];
    assert_eq!(of_greeks, by_contract.map(|(kind, nullable)| (json!(kind), json!(nullable))));
    assert_eq!(datasets[0]["sorted_by"], json!(["expiration", "strike", "timestamp"]));
}

fn symbols_say_what_is_stored(world: &World) {
    let symbols = world.server.get("/api/v1/symbols").data();
    let find = |name: &str| symbols.iter().find(|row| row["symbol"] == name).unwrap_or_else(|| panic!("no {name}"));
    let spy = find("SPY");
    assert_eq!(spy["years"]["greeks"], json!([2024, 2025]));
    assert_eq!(spy["years"]["greeks_by_day"], json!([2024, 2025]));
    assert_eq!((&spy["time_zone"], &spy["tick_size"]), (&json!("America/New_York"), &json!("0.01")));
    assert_eq!(find("QQQ")["years"]["greeks"], json!([2025]));
    assert_eq!(find("DIA")["years"], json!({}), "known, and nothing stored");
    assert!(find("SPX")["aliases"].as_array().expect("a list").contains(&json!("^SPX")));
}
