//! `/api/v1/bars`: a day, a part of it, the last bar, in every format; and the routes of every dataset for this one.

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use bytes::Bytes;
use serde_json::{Value, json};

use super::take;
use crate::pitlake_binary::{Lake, batches};
use crate::server::Server;

const DAY: &str = "/api/v1/bars/NQ/2025-01-15";

/// Bars of NQ: an evening, a night, a morning; one-minute and one of five.
fn world(lake: &Lake) -> Server {
    let row = |time: &str, minutes: u32, price: f64| {
        format!(
            "{{\"timestamp\":\"{time}\",\"open\":{price},\"high\":{},\"low\":{price},\"close\":{price},\"volume\":3,\"minutes\":\"{minutes}\"}}\n",
            price + 1.0
        )
    };
    let bars = [
        row("2025-01-14T18:00:00-05:00", 1, 21_400.0),
        row("2025-01-14T23:59:00-05:00", 1, 21_401.0),
        row("2025-01-15T09:30:00-05:00", 1, 21_402.0),
        row("2025-01-15T09:31:00-05:00", 1, 21_402.25),
        row("2025-01-15T09:35:00-05:00", 5, 21_403.0),
    ];
    assert_eq!(take(lake, "NQ", &[], bars.concat())["rows"], 5);
    lake.compact(&["bars"]);
    Server::over(lake)
}

fn times(data: Vec<Value>) -> Vec<String> {
    data.iter().map(|row| row["timestamp"].as_str().expect("a time")[8..16].to_owned()).collect()
}

fn over_both(test: fn(&Lake, &Server)) {
    for lake in [Lake::in_folder(), Lake::in_bucket()] {
        let server = world(&lake);
        test(&lake, &server);
    }
}

#[test]
fn a_day_and_its_parts() {
    over_both(|_, server| {
        let answer = server.get(DAY).ok().json();
        assert_eq!(
            answer["data"][3],
            json!({"timestamp": "2025-01-15T14:31:00Z", "open": 21402.25, "high": 21403.25, "low": 21402.25, "close": 21402.25, "volume": 3.0, "minutes": 1})
        );
        let head = |name: &str| answer[name].clone();
        assert_eq!((head("symbol"), head("date"), head("count")), (json!("NQ"), json!("2025-01-15"), json!(5)));
        assert_eq!(
            (head("revision"), head("condition"), head("calculation_version")),
            (json!(1), json!("degraded"), json!("bars-1"))
        );
        for (query, expected) in [
            ("start_time=09:30", &["15T14:30", "15T14:31", "15T14:35"][..]),
            ("end_time=09:31", &["14T23:00", "15T04:59", "15T14:30"]),
            // From the evening's opening on a time is the evening before's.
            ("start_time=18:00&end_time=09:30", &["14T23:00", "15T04:59"]),
            ("start_time=23:00", &["15T04:59", "15T14:30", "15T14:31", "15T14:35"]),
            ("at=09:31", &["15T14:31"]),
            ("at=09:38", &["15T14:35"]),
            ("at=09:40", &[]),
            ("start_time=10:00&end_time=11:00", &[]),
        ] {
            assert_eq!(times(server.get(&format!("{DAY}?{query}")).ok().data()), expected, "{query}");
        }
        for query in ["at=09:30&end_time=10:00", "start_time=10:00&end_time=09:00", "start_time=25:00"] {
            server.get(&format!("{DAY}?{query}")).problem(400, "invalid-parameter");
        }
        server.get(&format!("{DAY}?strike=5")).problem(400, "unknown-parameter");
    });
}

#[test]
fn the_last_bar_and_other_spellings() {
    over_both(|_, server| {
        let answer = server.get("/api/v1/bars/NQ=F/latest").ok().json();
        assert_eq!(
            (&answer["symbol"], &answer["date"], &answer["count"]),
            (&json!("NQ"), &json!("2025-01-15"), &json!(1))
        );
        assert_eq!(answer["data"][0]["timestamp"], "2025-01-15T14:35:00Z");
        assert_eq!(answer["data"][0]["minutes"], 5);
        server.get("/api/v1/bars/NQ/2025-01-16").problem(404, "missing-day");
        server.get("/api/v1/bars/NQ/2025-01-18").problem(404, "closed-day");
        server.get("/api/v1/bars/NOPE/2025-01-15").problem(404, "unknown-symbol");
        server.get("/api/v1/bars/ES/latest").problem(404, "missing-day");
    });
}

#[test]
fn every_format_says_the_same() {
    over_both(|lake, server| {
        let csv = server.get(&format!("{DAY}?format=csv")).ok();
        assert_eq!(csv.text().lines().next(), Some("timestamp,open,high,low,close,volume,minutes"));
        assert_eq!(csv.text().lines().count(), 6);
        assert_eq!((csv.header("Pitlake-Condition"), csv.header("Pitlake-Revision")), ("degraded", "1"));
        assert_eq!(server.get(&format!("{DAY}?format=ndjson")).ok().text().lines().count(), 5);
        let file = lake.get("bars/symbol=NQ/date=2025-01-15/part-0.parquet");
        let whole = server.get(&format!("{DAY}?format=parquet")).ok();
        assert!(whole.body == file, "the partition's own file");
        let part = server.get(&format!("{DAY}?format=parquet&at=09:31")).ok();
        let part = batches(Bytes::copy_from_slice(&part.body));
        assert_eq!(part[0]["high"].as_primitive::<Float64Type>().values(), &[21_403.25]);
        let plain = server.get(DAY).ok();
        let again = server.get_with(DAY, &[("If-None-Match", plain.header("ETag"))]);
        assert_eq!(again.status, 304);
        assert_ne!(plain.header("ETag"), csv.header("ETag"));
    });
}

#[test]
fn the_routes_of_every_dataset_know_bars() {
    over_both(|_, server| {
        let coverage = server.get("/api/v1/bars/NQ/coverage?start=2025-01-15&end=2025-01-16").ok().data();
        assert_eq!(
            (&coverage[0]["rows"], &coverage[0]["minutes_expected"], &coverage[0]["minutes_seen"]),
            (&json!(5), &json!(1380), &json!(9))
        );
        assert_eq!(coverage[1]["condition"], "missing");
        let files = server.get("/api/v1/bars/NQ/files?start=2025-01-15&end=2025-01-15").ok().data();
        assert_eq!(files[0]["path"], "bars/symbol=NQ/date=2025-01-15/part-0.parquet");
        let changes = server.get("/api/v1/bars/NQ/changes?since=2020-01-01T00:00:00Z").ok().data();
        assert_eq!(changes.len(), 1);
        let names = server.get("/api/v1/datasets").ok().data();
        assert!(names.iter().any(|dataset| dataset["name"] == "bars"), "{names:?}");
    });
}
