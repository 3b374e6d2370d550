//! The range by day and by minute: against the files themselves, against plain sums of what was said, and against DuckDB.

use serde_json::{Value, json};

use super::span_lake::{EXPIRATIONS, SPAN, STORED, Span, bucket, by_minute, over_every_span};
use super::table::{FORMATS, read};
use crate::pitlake_binary::Lake;

over_every_span!(
    by_day_gives_the_rows_of_the_year_files,
    by_minute_gives_plain_sums,
    by_minute_of_one_expiration,
    by_minute_is_what_duckdb_says,
    named_greeks_alone_are_given,
    what_a_range_does_not_take_is_refused,
    a_range_by_day_is_known_by_its_tag,
);

const RANGE: &str = "/api/v1/greeks/SPY/range";

fn by_day_gives_the_rows_of_the_year_files(span: &Span) {
    let mut expected = Vec::new();
    for year in ["2024", "2025"] {
        let file = span.lake.get(&format!("greeks_by_day/symbol=SPY/year={year}/part-0.parquet"));
        expected.append(&mut read("parquet", &file).rows);
    }
    let dates: Vec<&Value> = expected.iter().map(|row| &row["date"]).collect();
    assert_eq!(dates, STORED.map(|(date, _)| date));
    for (format, _) in FORMATS {
        let reply = span.server.get(&format!("{RANGE}?{SPAN}&format={format}")).ok();
        if format == "csv" {
            assert_eq!(reply.text().lines().count(), 5);
            assert!(reply.text().starts_with("date,minutes_expected,minutes_seen,spot_open,spot_close,gamma_open,"));
            continue;
        }
        let table = read(format, &reply.body);
        assert_eq!((table.columns.len(), table.rows), (29, expected.clone()), "{format}");
    }
    let part = span.server.get(&format!("{RANGE}?start=2024-12-31&end=2025-01-05&by=day")).data();
    assert_eq!(part, expected[1..3]);
}

fn by_minute_gives_plain_sums(span: &Span) {
    let expected = by_minute(&[0, 1]);
    assert_eq!(expected.len(), 390 + 40 + 390 + 31);
    for (format, _) in FORMATS.into_iter().filter(|(format, _)| *format != "csv") {
        let body = span.server.get(&format!("{RANGE}?{SPAN}&by=minute&format={format}")).ok().body;
        assert!(read(format, &body).rows == expected, "{format}");
    }
    let csv = span.server.get(&format!("{RANGE}?{SPAN}&by=minute&format=csv")).ok();
    assert_eq!(csv.text().lines().count(), 1 + expected.len());
    let columns = "timestamp,gamma_exposure,vanna_exposure,charm_exposure,strikes,spot";
    assert_eq!(csv.text().lines().next(), Some(columns));
    // The day's own aggregate says the same.
    let day = span.server.get("/api/v1/greeks/SPY/2025-01-03/aggregate?by=minute").data();
    assert!(day == expected[430..820]);
}

fn by_minute_of_one_expiration(span: &Span) {
    for (at, expiration) in EXPIRATIONS.iter().enumerate() {
        let rows = span.server.get(&format!("{RANGE}?{SPAN}&by=minute&expiration={expiration}")).data();
        assert!(rows == by_minute(&[at]), "{expiration}");
        let day = format!("/api/v1/greeks/SPY/2025-01-06/aggregate?expiration={expiration}");
        assert!(span.server.get(&day).data() == rows[820..]);
    }
    assert!(span.server.get(&format!("{RANGE}?{SPAN}&by=minute&expiration=2025-02-21")).data().is_empty());
}

/// The days' minute sums of the lake in a folder of their own, for DuckDB.
fn minute_sums(lake: &Lake) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    for (date, _) in STORED {
        let bytes = lake.get(&format!("greeks_by_minute/symbol=SPY/date={date}/part-0.parquet"));
        std::fs::write(folder.path().join(format!("{date}.parquet")), bytes).expect("a file");
    }
    let pattern = format!("{}/*.parquet", folder.path().display());
    (folder, pattern)
}

fn by_minute_is_what_duckdb_says(span: &Span) {
    let (_folder, files) = minute_sums(&span.lake);
    let duckdb = duckdb::Connection::open_in_memory().expect("DuckDB");
    let sql = format!(
        "SELECT strftime(make_timestamp(epoch_us(timestamp)), '%Y-%m-%dT%H:%M:%SZ'), sum(gamma_exposure)::BIGINT, \
         sum(vanna_exposure)::BIGINT, sum(charm_exposure)::BIGINT, sum(strikes)::BIGINT, arg_min(spot, expiration) \
         FROM read_parquet('{files}') GROUP BY timestamp ORDER BY timestamp"
    );
    let mut statement = duckdb.prepare(&sql).expect("SQL");
    let row = |row: &duckdb::Row| -> duckdb::Result<Value> {
        Ok(json!({
            "timestamp": row.get::<_, String>(0)?, "gamma_exposure": row.get::<_, i64>(1)?,
            "vanna_exposure": row.get::<_, i64>(2)?, "charm_exposure": row.get::<_, i64>(3)?,
            "strikes": row.get::<_, i64>(4)?, "spot": row.get::<_, Option<f64>>(5)?,
        }))
    };
    let expected: Vec<Value> = statement.query_map([], row).expect("rows").map(|row| row.expect("a row")).collect();
    assert_eq!(expected.len(), 851);
    assert!(span.server.get(&format!("{RANGE}?{SPAN}&by=minute")).data() == expected);
}

fn named_greeks_alone_are_given(span: &Span) {
    let columns = |query: &str| {
        let body = span.server.get(&format!("{RANGE}?{SPAN}&{query}")).ok().body;
        read("json", &body).columns
    };
    assert_eq!(
        columns("by=minute&greeks=charm,gamma"),
        ["timestamp", "gamma_exposure", "charm_exposure", "strikes", "spot"]
    );
    let days = columns("greeks=vanna");
    assert_eq!(days[..5], ["date", "minutes_expected", "minutes_seen", "spot_open", "spot_close"]);
    assert!(days.len() == 12 && days[5..].iter().all(|name| name.starts_with("vanna_")), "{days:?}");
}

fn what_a_range_does_not_take_is_refused(span: &Span) {
    let refused = |query: &str, kind: &str| span.server.get(&format!("{RANGE}?{SPAN}&{query}")).problem(400, kind);
    assert_eq!(refused("by=week", "invalid-parameter")["parameter"], "by");
    assert_eq!(refused("expiration=2025-01-17", "invalid-parameter")["parameter"], "expiration");
    assert_eq!(refused("by=minute&strike=580", "unknown-parameter")["parameter"], "strike");
    assert_eq!(refused("greeks=theta", "invalid-parameter")["parameter"], "greeks");
}

fn a_range_by_day_is_known_by_its_tag(span: &Span) {
    for question in [format!("{RANGE}?{SPAN}"), format!("/api/v1/greeks/SPY/screen?{SPAN}&greek=gamma&above=0")] {
        let first = span.server.get(&question).ok();
        let tag = first.header("etag").to_owned();
        assert!(!tag.is_empty() && first.header("vary").contains("accept"));
        let again = span.server.get_with(&question, &[("if-none-match", &tag)]);
        assert_eq!((again.status, again.body.len()), (304, 0));
        let other = span.server.get_with(&format!("{question}&format=csv"), &[("if-none-match", &tag)]);
        assert_eq!(other.status, 200);
    }
}

/// The objects that a question reads, keys and configuration left out.
fn objects_asked(span: &Span, question: &str) -> Vec<String> {
    let s3 = span.lake.server().expect("a bucket");
    s3.reset();
    span.server.get(question).ok();
    let mut keys: Vec<String> = s3.calls().into_iter().map(|call| call.key).collect();
    keys.retain(|key| !key.contains("_config"));
    keys.sort();
    keys
}

#[test]
fn a_range_by_day_touches_one_file_a_year() {
    let span = Span::over(bucket());
    let question = format!("{RANGE}?{SPAN}");
    let asked = objects_asked(&span, &question);
    let expected: Vec<String> = [
        "_manifest/greeks_by_day/symbol=SPY/2024.json",
        "_manifest/greeks_by_day/symbol=SPY/2025.json",
        "greeks_by_day/symbol=SPY/year=2024/part-0.parquet",
        "greeks_by_day/symbol=SPY/year=2025/part-0.parquet",
    ]
    .iter()
    .map(|key| format!("some/where/{key}"))
    .collect();
    assert_eq!(asked, expected);
    assert_eq!(objects_asked(&span, &question), [""; 0], "and nothing when it is warm");
}

#[test]
fn a_warm_range_by_minute_asks_nothing() {
    let span = Span::over(bucket());
    let question = format!("{RANGE}?{SPAN}&by=minute");
    let asked = objects_asked(&span, &question);
    // An index a year and a file a day, no manifest of its own for any of them.
    assert_eq!(asked.iter().filter(|key| key.contains("/date=")).count(), 4, "{asked:?}");
    assert_eq!(asked.len(), 6, "{asked:?}");
    assert_eq!(objects_asked(&span, &question), [""; 0]);
}

/// Tables of an older version, whose record does not name the conditions.
#[test]
fn conditions_come_from_the_index_where_the_table_has_none() {
    let lake = bucket();
    let expected = Span::over(bucket()).server.get(&format!("{RANGE}?{SPAN}")).ok().json();
    for year in ["2024", "2025"] {
        let key = format!("_manifest/greeks_by_day/symbol=SPY/{year}.json");
        let mut manifest: Value = serde_json::from_slice(&lake.get(&key)).expect("JSON");
        for day in manifest["details"]["days"].as_array_mut().expect("days") {
            assert_eq!(day.as_array_mut().expect("a list").pop().map(|condition| condition.is_string()), Some(true));
        }
        lake.plant(&key, manifest.to_string());
    }
    let span = Span::over(lake);
    assert_eq!(span.server.get(&format!("{RANGE}?{SPAN}")).ok().json(), expected);
}
