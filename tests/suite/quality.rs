//! The quality report against the truth: everything that the generator planted is found, at its very place, and nothing
//! else; and clean days of many kinds are clean.

use std::collections::BTreeMap;

use pitlake::greeks::generate::{DayTruth, Settings, Shape, Truth};
use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, generated, micros, on_every_store};

on_every_store!(every_planted_defect_is_found_and_nothing_else, several_days_with_defects_in_one_file);

fn settings(symbol: &str, date: &str, seed: u64, shape: Shape) -> Settings {
    let date = date.parse().expect("a date");
    Settings { seed, shape, expirations: 4, strikes: 40, defects: true, ..Settings::full_day(symbol, date) }
}

fn every_planted_defect_is_found_and_nothing_else(lake: &Lake) {
    // A Wednesday, a Friday on which options expire, a half day, the Monday after the clocks changed; an index.
    let days = [("SPY", "2025-01-15"), ("SPY", "2025-01-17"), ("QQQ", "2024-11-29"), ("SPX", "2025-03-10")];
    let mut all: Vec<(Settings, Truth)> = Vec::new();
    for (at, (symbol, date)) in days.into_iter().enumerate() {
        for shape in [Shape::Nested, Shape::Flat] {
            let settings = settings(symbol, date, 100 + at as u64, shape);
            check(&lake.another(), &settings);
            all.push((settings.clone(), generated(&settings).1.expect("a truth")));
        }
    }
    // The defects of each kind were there to be found.
    let days = || all.iter().flat_map(|(_, truth)| truth.days.values());
    for planted in [
        days().map(|day| day.planted.gaps.len()).sum::<usize>(),
        days().map(|day| day.planted.repeats.len()).sum(),
        days().map(|day| day.planted.corrections.len()).sum(),
        days().map(|day| day.planted.late.len()).sum(),
        days().map(|day| day.planted.outside.len()).sum(),
        days().map(|day| day.planted.wrong_day.len()).sum(),
        days().map(|day| day.outliers.len()).sum(),
        days().map(|day| day.strike_coverage.len()).sum(),
        all.iter().map(|(_, truth)| truth.refused.len()).sum(),
    ] {
        assert!(planted >= 8, "{planted}");
    }
}

#[test]
fn many_seeds_and_both_shapes() {
    for seed in 0..12 {
        let shape = if seed % 2 == 0 { Shape::Nested } else { Shape::Flat };
        let date = ["2025-01-15", "2025-01-17", "2024-07-03", "2025-11-03", "2025-06-20"][seed as usize % 5];
        check(&Lake::in_folder(), &settings(["SPY", "QQQ", "AAPL"][seed as usize % 3], date, seed, shape));
    }
}

#[test]
fn the_whole_day_of_the_brief_with_defects() {
    let date = "2025-01-15".parse().expect("a date");
    check(&Lake::in_folder(), &Settings { defects: true, ..Settings::full_day("SPY", date) });
}

fn several_days_with_defects_in_one_file(lake: &Lake) {
    check(lake, &Settings { days: 3, ..settings("SPY", "2025-01-15", 5, Shape::Nested) });
}

/// Generates, ingests, compacts, and holds every manifest against the truth.
fn check(lake: &Lake, settings: &Settings) {
    let (bytes, truth) = generated(settings);
    let truth = truth.expect("a truth");
    let what = format!("{} {} seed {} {}", settings.symbol, settings.date, settings.seed, settings.shape.as_str());
    let counts = lake.ingest(&lake.file("day.jsonl", bytes));
    assert_eq!(counts["documents"], truth.documents, "{what}");
    assert_eq!(counts["refused"], truth.refused.len(), "{what}");
    assert_eq!(counts["captures"], truth.days.len(), "{what}");
    assert_eq!(
        counts["rows"].as_u64().zip(counts["duplicates"].as_u64()).map(|(a, b)| a + b),
        Some(truth.rows_in),
        "{what}"
    );
    refused_as_planted(lake, &truth, &what);
    lake.compact(&[]);
    lake.is_sound();
    let partitions = lake.objects_under(&format!("greeks/symbol={}/", settings.symbol));
    assert_eq!(partitions.len(), truth.days.len(), "{what}: no partition that should not be");
    for (date, day) in &truth.days {
        let what = format!("{what}: {date}");
        let refused: Vec<&str> =
            truth.refused.iter().filter(|refused| refused.date == *date).map(|refused| refused.code.as_str()).collect();
        held_against(&lake.manifest(&settings.symbol, &date.to_string()), day, refused.len() as u64, &what);
        corrections_won(lake, &settings.symbol, &date.to_string(), day, &what);
    }
}

/// Lines and codes of everything under `raw/_rejected`.
fn refused_as_planted(lake: &Lake, truth: &Truth, what: &str) {
    let kept = lake.objects_under("raw/_rejected/");
    let text = kept.values().map(|bytes| zstd::decode_all(bytes.as_ref()).expect("zstd")).collect::<Vec<_>>().concat();
    let found: Vec<(String, String)> = String::from_utf8(text)
        .expect("UTF-8")
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            let text = |name: &str| line[name].as_str().expect("a text").to_owned();
            (text("place"), text("code"))
        })
        .collect();
    let planted: Vec<(String, String)> = truth
        .refused
        .iter()
        .map(|refused| (format!("document {0}, line {0}", refused.line), refused.code.clone()))
        .collect();
    assert_eq!(found, planted, "{what}");
}

fn held_against(manifest: &Value, day: &DayTruth, refused: u64, what: &str) {
    assert_eq!(
        manifest["counts"],
        json!({
            "documents": day.documents,
            "rows_in": day.rows_in,
            "duplicates": day.duplicates,
            "refused": refused,
            "outside_session": day.outside_session,
            "late_documents": day.late_documents,
        }),
        "{what}"
    );
    assert_eq!(manifest["rows"], day.rows, "{what}");
    assert_eq!(
        (&manifest["minutes_expected"], &manifest["minutes_seen"]),
        (&json!(day.minutes_expected), &json!(day.minutes_seen)),
        "{what}"
    );

    let instant = |value: &Value| micros(value.as_str().expect("an instant"));
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let gaps: Vec<(i64, i64, u64)> = list(&manifest["gaps"])
        .iter()
        .map(|gap| (instant(&gap["start"]), instant(&gap["end"]), gap["minutes"].as_u64().unwrap_or(0)))
        .collect();
    let planted: Vec<(i64, i64, u64)> = day
        .gaps
        .iter()
        .map(|gap| (gap.start.timestamp_micros(), gap.end.timestamp_micros(), gap.minutes.into()))
        .collect();
    assert_eq!(gaps, planted, "{what}");

    let mut outliers: Vec<(i64, String, String, String, i64)> = list(&manifest["details"]["outliers"])
        .iter()
        .map(|found| {
            let text = |name: &str| found[name].to_string().trim_matches('"').to_owned();
            (
                instant(&found["timestamp"]),
                text("expiration"),
                text("strike"),
                text("greek"),
                found["value"].as_i64().expect("dollars"),
            )
        })
        .collect();
    let mut planted: Vec<_> = day
        .outliers
        .iter()
        .map(|planted| {
            let strike = format!("{:?}", planted.strike);
            (
                planted.timestamp.timestamp_micros(),
                planted.expiration.to_string(),
                strike,
                planted.greek.clone(),
                planted.value,
            )
        })
        .collect();
    outliers.sort();
    planted.sort();
    assert_eq!(outliers, planted, "{what}");

    let holes: Vec<(i64, String, u64, u64)> = list(&manifest["details"]["strike_coverage"])
        .iter()
        .map(|found| {
            let number = |name: &str| found[name].as_u64().expect("a number");
            (
                instant(&found["timestamp"]),
                found["expiration"].as_str().expect("a date").to_owned(),
                number("strikes"),
                number("usual"),
            )
        })
        .collect();
    let planted: Vec<_> = day
        .strike_coverage
        .iter()
        .map(|hole| (hole.timestamp.timestamp_micros(), hole.expiration.to_string(), hole.strikes, hole.usual))
        .collect();
    assert_eq!(holes, planted, "{what}");
    reasons_say_it(manifest, day, refused, what);
}

/// The reasons are exactly the findings, each with its count, and the condition follows from them.
fn reasons_say_it(manifest: &Value, day: &DayTruth, refused: u64, what: &str) {
    let missing: u64 = day.gaps.iter().map(|gap| u64::from(gap.minutes)).sum();
    let all = [
        ("missing_minutes", missing, true),
        ("refused_input", refused, true),
        ("outliers", day.outliers.len() as u64, true),
        ("strike_coverage", day.strike_coverage.len() as u64, true),
        ("duplicates", day.duplicates, false),
        ("late_documents", day.late_documents, false),
        ("outside_session", day.outside_session, false),
    ];
    let expected: BTreeMap<String, (u64, bool)> = all
        .into_iter()
        .filter(|(_, count, _)| *count > 0)
        .map(|(code, count, degrades)| (code.to_owned(), (count, degrades)))
        .collect();
    let found: BTreeMap<String, (u64, bool)> = manifest["reasons"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|reason| {
            let degrades = reason["degrades"].as_bool().expect("a flag");
            (
                reason["code"].as_str().expect("a code").to_owned(),
                (reason["count"].as_u64().expect("a count"), degrades),
            )
        })
        .collect();
    assert_eq!(found, expected, "{what}");
    let degraded = expected.values().any(|(_, degrades)| *degrades);
    assert_eq!(manifest["condition"], if degraded { "degraded" } else { "available" }, "{what}");
}

fn corrections_won(lake: &Lake, symbol: &str, date: &str, day: &DayTruth, what: &str) {
    if day.planted.corrections.is_empty() {
        return;
    }
    let rows = lake.strikes(symbol, date);
    for correction in &day.planted.corrections {
        let expiration = correction.expiration.to_epoch_days();
        let row = rows.iter().find(|row| {
            (row.at, row.expiration) == (correction.timestamp.timestamp_micros(), expiration)
                && row.strike == correction.strike
        });
        assert_eq!(row.and_then(|row| row.greeks[0]), Some(correction.gamma), "{what}: {correction:?}");
    }
}

#[test]
fn clean_days_are_clean() {
    let days = [
        ("SPY", "2025-01-15", 10, 300, 7),
        ("SPY", "2025-01-17", 10, 300, 8), // the month's expiration
        ("SPY", "2025-03-21", 6, 200, 9),  // the quarter's
        ("SPY", "2024-07-03", 6, 150, 10), // half days
        ("QQQ", "2024-11-29", 6, 150, 11),
        ("SPX", "2025-03-10", 6, 200, 12), // after the clocks changed
        ("AAPL", "2025-11-03", 5, 60, 13),
        ("NVDA", "2025-01-15", 5, 60, 14),
        ("QQQ", "2025-01-15", 6, 100, 15),
        ("SPY", "2025-06-20", 6, 100, 16),
        ("IWM", "2025-04-09", 6, 100, 17),
        ("SPY", "2025-12-31", 6, 100, 18),
        ("SPY", "2026-08-21", 6, 100, 19),
        // Spot stays within two cents of a strike on its last day: charm is near zero for minutes and then is not.
        ("QQQ", "2025-11-06", 4, 40, 715_958),
    ];
    let lake = Lake::in_folder();
    for (symbol, date, expirations, strikes, seed) in days {
        let settings =
            Settings { expirations, strikes, seed, ..Settings::full_day(symbol, date.parse().expect("a date")) };
        assert_eq!(lake.ingest(&lake.file("day.jsonl", generated(&settings).0))["refused"], 0);
    }
    lake.compact(&[]);
    for (symbol, date, expirations, strikes, _) in days {
        let manifest = lake.manifest(symbol, date);
        assert_eq!(
            (&manifest["condition"], &manifest["reasons"]),
            (&json!("available"), &json!([])),
            "{symbol} {date}: {}",
            manifest["details"]["outliers"]
        );
        let minutes = manifest["minutes_expected"].as_u64().expect("a number");
        assert_eq!(manifest["rows"], minutes * expirations as u64 * strikes as u64, "{symbol} {date}");
        assert_eq!(
            (&manifest["details"]["outliers"], &manifest["details"]["strike_coverage"]),
            (&json!([]), &json!([]))
        );
    }
    lake.is_sound();
}
