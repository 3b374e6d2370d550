//! Which day a row belongs to and which minutes are expected of it: daylight saving, half days, holidays, weekends, and
//! futures whose day begins on the evening before. Hours by the exchanges' published calendars.

use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, micros, nested, on_every_store};

on_every_store!(
    the_clock_changes_and_the_session_stays_at_half_past_nine,
    half_days_expect_210_minutes,
    a_closed_day_belongs_to_the_next_session,
    rows_outside_the_session_are_kept_and_stay_out_of_the_statistics,
    a_day_with_nothing_inside_its_session_is_told_from_what_it_has,
    a_futures_evening_belongs_to_the_next_date,
    a_market_that_never_closes_counts_every_minute,
);

fn session(manifest: &Value) -> (&str, &str, &Value, &Value) {
    let text = |name: &str| manifest["session"][name].as_str().unwrap_or("");
    (text("open"), text("close"), &manifest["session"]["early_close"], &manifest["minutes_expected"])
}

fn one(at: &str) -> String {
    nested(at, "2026-12-18", Some(588.0), &[(580.0, 10, 0, 0)])
}

fn reason(manifest: &Value, code: &str) -> Option<u64> {
    let reasons = manifest["reasons"].as_array().expect("a list");
    reasons.iter().find(|reason| reason["code"] == code).and_then(|reason| reason["count"].as_u64())
}

fn the_clock_changes_and_the_session_stays_at_half_past_nine(lake: &Lake) {
    // New York: clocks went forward on Sunday 2025-03-09 and back on Sunday 2025-11-02.
    let days = [
        ("2025-03-07", "2025-03-07T14:30:00Z", "2025-03-07T21:00:00Z"),
        ("2025-03-10", "2025-03-10T13:30:00Z", "2025-03-10T20:00:00Z"),
        ("2025-10-31", "2025-10-31T13:30:00Z", "2025-10-31T20:00:00Z"),
        ("2025-11-03", "2025-11-03T14:30:00Z", "2025-11-03T21:00:00Z"),
    ];
    let lines: Vec<String> = days
        .iter()
        .flat_map(|(date, open, close)| {
            // The first minute, the minute before it, the last minute by the exchange's wall clock, the close.
            let before = micros(open) - 60_000_000;
            let before = chrono::DateTime::from_timestamp_micros(before).expect("an instant").to_rfc3339();
            let zone = if open.contains("T13") { "-04:00" } else { "-05:00" };
            [one(open), one(&before), one(&format!("{date}T15:59:30{zone}")), one(close)]
        })
        .collect();
    lake.ingest_lines(&lines);
    lake.compact(&[]);
    for (date, open, close) in days {
        let manifest = lake.manifest("SPY", date);
        assert_eq!(session(&manifest), (open, close, &json!(false), &json!(390)), "{date}");
        assert_eq!((&manifest["minutes_seen"], &manifest["rows"]), (&json!(2), &json!(4)), "{date}");
        assert_eq!(manifest["counts"]["outside_session"], 2, "{date}");
        assert_eq!(manifest["gaps"].as_array().map(Vec::len), Some(1), "{date}");
        assert_eq!(manifest["gaps"][0]["minutes"], 388, "{date}");
    }
    lake.is_sound();
}

fn half_days_expect_210_minutes(lake: &Lake) {
    let days = [
        ("2024-07-03", "2024-07-03T13:30:00Z", "2024-07-03T17:00:00Z"),
        ("2024-11-29", "2024-11-29T14:30:00Z", "2024-11-29T18:00:00Z"),
    ];
    let mut lines = Vec::new();
    for (_, open, _) in days {
        for minute in 0..240 {
            let at = chrono::DateTime::from_timestamp_micros(micros(open) + minute * 60_000_000).expect("an instant");
            lines.push(one(&at.to_rfc3339()));
        }
    }
    lake.ingest_lines(&lines);
    lake.compact(&[]);
    for (date, open, close) in days {
        let manifest = lake.manifest("SPY", date);
        assert_eq!(session(&manifest), (open, close, &json!(true), &json!(210)), "{date}");
        assert_eq!((&manifest["minutes_seen"], &manifest["condition"]), (&json!(210), &json!("available")), "{date}");
        assert_eq!(
            (reason(&manifest, "missing_minutes"), reason(&manifest, "outside_session")),
            (None, Some(30)),
            "{date}"
        );
        assert_eq!(lake.day("SPY", date)["minutes_expected"], "210");
    }
    lake.is_sound();
}

fn a_closed_day_belongs_to_the_next_session(lake: &Lake) {
    lake.ingest_lines(&[
        one("2025-01-09T15:00:00Z"),      // closed: National Day of Mourning
        one("2025-01-10T15:00:00Z"),      // Friday
        one("2025-01-11T15:00:00Z"),      // Saturday
        one("2025-01-12T23:30:00-05:00"), // Sunday, late
        one("2025-01-13T10:00:00-05:00"), // Monday
        one("2025-07-04T10:00:00-04:00"), // Independence Day, a Friday: belongs to Monday
    ]);
    let told = lake.compact(&[]);
    let dates: Vec<&Value> =
        told.iter().filter(|outcome| outcome["dataset"] == "greeks").map(|outcome| &outcome["date"]).collect();
    assert_eq!(dates.len(), 3, "{dates:?}");
    for (date, rows, outside, seen) in [("2025-01-10", 2, 1, 1), ("2025-01-13", 3, 2, 1), ("2025-07-07", 1, 1, 0)] {
        let manifest = lake.manifest("SPY", date);
        assert_eq!((&manifest["rows"], &manifest["minutes_seen"]), (&json!(rows), &json!(seen)), "{date}");
        assert_eq!(manifest["counts"]["outside_session"], outside, "{date}");
        assert_eq!(reason(&manifest, "outside_session"), Some(outside), "{date}");
    }
    assert_eq!(lake.strikes("SPY", "2025-01-10")[0].at, micros("2025-01-09T15:00:00Z"), "the time stays what it was");
    lake.is_sound();
}

fn rows_outside_the_session_are_kept_and_stay_out_of_the_statistics(lake: &Lake) {
    let gamma = |at: &str, gamma, spot| nested(at, "2025-01-17", Some(spot), &[(580.0, gamma, gamma, gamma)]);
    lake.ingest_lines(&[
        gamma("2025-01-15T08:00:00-05:00", 1_000, 1.0),
        gamma("2025-01-15T09:29:59-05:00", -1_000, 2.0),
        gamma("2025-01-15T09:30:00-05:00", 10, 3.0),
        gamma("2025-01-15T15:59:59-05:00", 30, 4.0),
        gamma("2025-01-15T16:00:00-05:00", 5_000, 5.0),
        gamma("2025-01-15T23:59:00-05:00", -5_000, 6.0),
    ]);
    lake.compact(&[]);
    let manifest = lake.manifest("SPY", "2025-01-15");
    assert_eq!(
        (&manifest["rows"], &manifest["counts"]["outside_session"], &manifest["minutes_seen"]),
        (&json!(6), &json!(4), &json!(2))
    );
    assert_eq!(lake.strikes("SPY", "2025-01-15").len(), 6);
    let minutes: Vec<i64> = lake.minutes("SPY", "2025-01-15").iter().map(|row| row.at).collect();
    assert_eq!(
        minutes,
        [micros("2025-01-15T14:30:00Z"), micros("2025-01-15T20:59:00Z")],
        "minute sums are the session's"
    );
    let day = lake.day("SPY", "2025-01-15");
    for (column, value) in [
        ("gamma_open", "10"),
        ("gamma_close", "30"),
        ("gamma_min", "10"),
        ("gamma_max", "30"),
        ("gamma_mean", "20.0"),
        ("spot_open", "3.0"),
        ("spot_close", "4.0"),
        ("minutes_seen", "2"),
    ] {
        assert_eq!(day[column], value, "{column}");
    }
}

fn a_day_with_nothing_inside_its_session_is_told_from_what_it_has(lake: &Lake) {
    lake.ingest_lines(&[
        nested("2025-01-15T08:00:00-05:00", "2025-01-17", Some(1.0), &[(580.0, 7, 0, 0)]),
        nested("2025-01-15T18:00:00-05:00", "2025-01-17", Some(2.0), &[(580.0, 9, 0, 0)]),
    ]);
    lake.compact(&[]);
    let day = lake.day("SPY", "2025-01-15");
    for (column, value) in [
        ("gamma_open", "7"),
        ("gamma_close", "9"),
        ("gamma_mean", "8.0"),
        ("spot_close", "2.0"),
        ("minutes_seen", "0"),
        ("minutes_expected", "390"),
    ] {
        assert_eq!(day[column], value, "{column}");
    }
    let manifest = lake.manifest("SPY", "2025-01-15");
    assert_eq!((reason(&manifest, "missing_minutes"), reason(&manifest, "outside_session")), (Some(390), Some(2)));
    assert_eq!(manifest["condition"], "degraded");
}

fn a_futures_evening_belongs_to_the_next_date(lake: &Lake) {
    // ES: the date of Monday 2025-03-10 opens on Sunday at 18:00 New York, hours after the clocks went forward.
    let line = |at: &str| one(at).replace("\"SPY\"", "\"ES\"");
    lake.ingest_lines(&[
        line("2025-03-09T18:00:00-04:00"),
        line("2025-03-10T09:30:00-04:00"),
        line("2025-03-10T18:00:00-04:00"),
    ]);
    lake.compact(&[]);
    assert_eq!(lake.strikes("ES", "2025-03-10").len(), 2);
    assert_eq!(lake.strikes("ES", "2025-03-11").len(), 1);
    let manifest = lake.manifest("ES", "2025-03-10");
    assert_eq!((&manifest["session"]["kind"], &manifest["minutes_seen"]), (&json!("rth"), &json!(1)));
}

fn a_market_that_never_closes_counts_every_minute(lake: &Lake) {
    let line = |at: &str| one(at).replace("\"SPY\"", "\"BTC-USD\"");
    lake.ingest_lines(&[line("2025-03-08T23:59:59Z"), line("2025-03-09T00:00:00Z"), line("2025-03-09T23:59:00Z")]);
    lake.compact(&[]);
    let manifest = lake.manifest("BTC-USD", "2025-03-09");
    assert_eq!(
        (&manifest["minutes_expected"], &manifest["minutes_seen"], &manifest["rows"]),
        (&json!(1440), &json!(2), &json!(2))
    );
    assert_eq!(manifest["counts"]["outside_session"], 0);
    assert_eq!(lake.strikes("BTC-USD", "2025-03-08").len(), 1);
}
