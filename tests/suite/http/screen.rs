//! The screen: which days were beyond a threshold, by totals worked out from what was said.

use serde_json::{Value, json};

use super::span_lake::{SPAN, STORED, Span, bucket, lines, over_every_span, timestamp, total};
use super::table::{FORMATS, read};
use crate::pitlake_binary::nested;

over_every_span!(
    hits_are_the_days_strictly_beyond,
    the_first_crossing_is_the_first_minute_beyond,
    every_format_gives_the_same_hits,
    what_a_screen_needs_is_asked_for,
    a_screen_without_hits_is_empty,
);

const SCREEN: &str = "/api/v1/greeks/SPY/screen";
const GREEKS: [&str; 3] = ["gamma", "vanna", "charm"];

fn totals(date: &str, minutes: u32, greek: usize) -> Vec<i64> {
    (0..minutes).map(|minute| total(date, minute, greek, &[0, 1])).collect()
}

/// The hits by a plain loop; of equal extremes the first minute.
fn expected(greek: usize, above: bool, threshold: i64, first: bool) -> Vec<Value> {
    let beyond = |total: i64| if above { total > threshold } else { total < threshold };
    let mut rows = Vec::new();
    for (date, minutes) in STORED {
        let totals = totals(date, minutes, greek);
        let extreme = *if above { totals.iter().max() } else { totals.iter().min() }.expect("minutes");
        if !beyond(extreme) {
            continue;
        }
        let minute = |found: Option<usize>| u32::try_from(found.expect("a minute")).expect("small");
        let at = minute(totals.iter().position(|total| *total == extreme));
        let mut row = json!({"date": date, "value": extreme, "timestamp": timestamp(date, at)});
        if first {
            let crossing = minute(totals.iter().position(|total| beyond(*total)));
            row["first_timestamp"] = json!(timestamp(date, crossing));
            row["first_value"] = json!(totals[crossing as usize]);
        }
        rows.push(row);
    }
    rows
}

/// Thresholds at which the number of hits changes: each day's own extremes, and one dollar to either side.
fn thresholds(greek: usize) -> Vec<i64> {
    let extremes = STORED.iter().flat_map(|(date, minutes)| {
        let totals = totals(date, *minutes, greek);
        [*totals.iter().max().expect("minutes"), *totals.iter().min().expect("minutes")]
    });
    extremes.flat_map(|extreme| [extreme - 1, extreme, extreme + 1]).collect()
}

fn hits_are_the_days_strictly_beyond(span: &Span) {
    let mut counts = std::collections::BTreeSet::new();
    for (at, greek) in GREEKS.iter().enumerate() {
        for threshold in thresholds(at) {
            for (side, above) in [("above", true), ("below", false)] {
                let rows = span.server.get(&format!("{SCREEN}?{SPAN}&greek={greek}&{side}={threshold}")).data();
                counts.insert(rows.len());
                assert_eq!(rows, expected(at, above, threshold, false), "{greek} {side} {threshold}");
            }
        }
    }
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

fn the_first_crossing_is_the_first_minute_beyond(span: &Span) {
    let mut later = 0;
    for (side, above) in [("above", true), ("below", false)] {
        for threshold in [-1_500_000_000, 0, 1_000_000_000, 2_000_000_000] {
            let question = format!("{SCREEN}?{SPAN}&greek=vanna&{side}={threshold}&first=true");
            let rows = span.server.get(&question).data();
            assert_eq!(rows, expected(1, above, threshold, true), "{side} {threshold}");
            later += rows.iter().filter(|row| row["first_timestamp"] != row["timestamp"]).count();
        }
    }
    assert!(later > 5, "crossings that are not the extreme: {later}");
}

fn every_format_gives_the_same_hits(span: &Span) {
    let rows = expected(0, true, 500_000_000, true);
    assert!(!rows.is_empty());
    for (format, _) in FORMATS.into_iter().filter(|(format, _)| *format != "csv") {
        let question = format!("{SCREEN}?{SPAN}&greek=gamma&above=5e8&first=true&format={format}");
        let table = read(format, &span.server.get(&question).ok().body);
        assert_eq!(table.columns, ["date", "value", "timestamp", "first_timestamp", "first_value"]);
        assert_eq!(table.rows, rows, "{format}");
    }
    let answer = span.server.get(&format!("{SCREEN}?{SPAN}&greek=gamma&above=5e8")).ok().json();
    assert_eq!((&answer["greek"], &answer["above"]), (&json!("gamma"), &json!(500_000_000)));
}

fn what_a_screen_needs_is_asked_for(span: &Span) {
    for (query, kind, blamed) in [
        ("above=0", "missing-parameter", "greek"),
        ("greek=gamma", "missing-parameter", "above"),
        ("greek=gamma&above=1&below=2", "invalid-parameter", "below"),
        ("greek=gamma&above=much", "invalid-parameter", "above"),
        ("greek=gamma&above=NaN", "invalid-parameter", "above"),
        ("greek=theta&above=1", "invalid-parameter", "greek"),
        ("greek=gamma&above=1&first=yes", "invalid-parameter", "first"),
        ("greek=gamma&above=1&strike=580", "unknown-parameter", "strike"),
    ] {
        let problem = span.server.get(&format!("{SCREEN}?{SPAN}&{query}")).problem(400, kind);
        assert_eq!(problem["parameter"], blamed, "{query}");
    }
}

fn a_screen_without_hits_is_empty(span: &Span) {
    for first in ["", "&first=true"] {
        let reply = span.server.get(&format!("{SCREEN}?{SPAN}&greek=charm&above=1e15{first}")).ok();
        assert_eq!(reply.header("pitlake-missing-days"), "2025-01-02");
        assert!(reply.data().is_empty());
    }
}

#[test]
fn a_first_crossing_reads_the_hit_days_alone() {
    let span = Span::over(bucket());
    let s3 = span.lake.server().expect("a bucket");
    let highest = |(date, minutes): &(&str, u32)| totals(date, *minutes, 0).into_iter().max();
    let mut maxima: Vec<i64> = STORED.iter().filter_map(highest).collect();
    maxima.sort_unstable();
    s3.reset();
    let rows = span.server.get(&format!("{SCREEN}?{SPAN}&greek=gamma&above={}&first=true", maxima[2])).data();
    assert_eq!(rows.len(), 1);
    let days: Vec<String> = s3.calls().into_iter().map(|call| call.key).filter(|key| key.contains("/date=")).collect();
    let date = rows[0]["date"].as_str().expect("a date");
    assert_eq!(days, [format!("some/where/greeks_by_minute/symbol=SPY/date={date}/part-0.parquet")]);
}

/// Minute sums of a correction under a year's table that does not have it yet: a crossing out of the two would belong to neither.
#[test]
fn minute_sums_of_another_revision_are_never_mixed_in() {
    let corrected = bucket();
    let mut lines = lines("2025-01-03", 2);
    lines.push(nested(&timestamp("2025-01-03", 0), "2025-01-24", None, &[(580.0, 9_000_000_000_000, 1, 1)]));
    corrected.ingest_lines(&lines);
    corrected.compact(&[]);
    let lake = bucket();
    let changed = corrected.objects_under("greeks_by_minute/").into_iter();
    for (key, bytes) in changed.chain(corrected.objects_under("_manifest/greeks_by_minute/")) {
        lake.plant(&key, bytes);
    }
    let span = Span::over(lake);
    let question = format!("{SCREEN}?{SPAN}&greek=gamma&above=0&first=true");
    let problem = span.server.get(&question).problem(503, "unavailable");
    assert!(problem["detail"].as_str().expect("a text").contains("republished"), "{problem}");
    // Without it the table alone is read, and the rest of the correction makes the question good again.
    span.server.get(&question.replace("&first=true", "")).ok();
    let whole = Span::over(corrected).server.get(&question).data();
    let hit = whole.iter().find(|row| row["date"] == "2025-01-03").expect("a hit");
    assert_eq!(hit["first_timestamp"], timestamp("2025-01-03", 0));
}
