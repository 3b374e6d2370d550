//! Compaction is a pure function: whatever the order, the memory or the machine's mood, the same captures give the same
//! bytes; and what did not change is not made again.

use std::collections::BTreeMap;

use pitlake::greeks::generate::Settings;
use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, generated, on_every_store, sha256};

on_every_store!(the_same_captures_give_the_same_bytes, only_what_changed_is_made_again, nothing_to_compact_is_told);

fn settings(date: &str, days: u32, seed: u64) -> Settings {
    let date = date.parse().expect("a date");
    Settings { days, seed, expirations: 3, strikes: 40, defects: true, ..Settings::full_day("SPY", date) }
}

/// The sha256 of every partition.
fn partitions(lake: &Lake) -> BTreeMap<String, String> {
    let all = lake.objects().into_iter().filter(|(key, _)| key.ends_with(".parquet"));
    all.map(|(key, bytes)| (key, sha256(&bytes))).collect()
}

fn the_same_captures_give_the_same_bytes(lake: &Lake) {
    let qqq = Settings { symbol: "QQQ".into(), ..settings("2025-01-14", 1, 9) };
    for (at, settings) in [settings("2025-01-14", 2, 7), settings("2025-01-14", 2, 8), qqq].iter().enumerate() {
        lake.ingest(&lake.file(&format!("{at}.jsonl"), generated(settings).0));
    }
    lake.compact(&["--memory", "32"]);
    let expected = partitions(lake);
    assert!(expected.len() > 10, "two symbols, four dates and three datasets: {expected:?}");

    let captures: Vec<_> = lake.objects_under("raw/").into_iter().collect();
    let days: Vec<String> = lake.objects_under("greeks/symbol=SPY").keys().map(|key| key[23..33].to_owned()).collect();
    type Compact = fn(&Lake, &[String]);
    let ways: [(&str, Compact); 3] = [
        ("all at once with much memory", |lake, _| drop(lake.compact(&["--memory", "4000"]))),
        ("a day at a time, the last first", |lake, days| {
            days.iter().rev().for_each(|day| drop(lake.compact(&["--date", day])));
            lake.compact(&[]);
        }),
        ("a symbol at a time", |lake, days| {
            lake.compact(&["--symbol", "SPY", "--since", &days[1]]);
            lake.compact(&["--symbol", "QQQ"]);
            lake.compact(&["greeks"]);
        }),
    ];
    for (name, compact) in ways {
        let other = lake.another();
        captures.iter().rev().for_each(|(key, bytes)| other.plant(key, bytes.clone()));
        compact(&other, &days);
        assert_eq!(partitions(&other), expected, "{name}");
        other.is_sound();
    }

    // Captures that come one after the other end where captures that were there from the start do.
    let other = lake.another();
    for (key, bytes) in captures {
        other.plant(&key, bytes);
        other.compact(&[]);
    }
    let days_alone = |all: BTreeMap<String, String>| -> BTreeMap<String, String> {
        all.into_iter().filter(|(key, _)| !key.starts_with("greeks_by_day/")).collect()
    };
    assert_eq!(days_alone(partitions(&other)), days_alone(expected), "but for the year tables, which name revisions");
    other.is_sound();
}

fn actions(outcomes: &[Value]) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let period = |outcome: &Value| text(outcome.get("date").unwrap_or(&outcome["year"]));
    outcomes.iter().map(|outcome| (text(&outcome["dataset"]), period(outcome), text(&outcome["action"]))).collect()
}

fn only_what_changed_is_made_again(lake: &Lake) {
    let clean = |date, seed| Settings { defects: false, minutes: Some(20), ..settings(date, 1, seed) };
    for date in ["2024-12-31", "2025-01-14", "2025-01-15"] {
        lake.ingest(&lake.file(date, generated(&clean(date, 7)).0));
    }
    let first = lake.compact(&[]);
    assert_eq!(first.len(), 8, "two a day and one a year: {first:?}");
    assert!(first.iter().all(|outcome| outcome["action"] == "written" && outcome["revision"] == 1));
    let before = lake.objects();
    let second = lake.compact(&[]);
    assert!(second.len() == 8 && second.iter().all(|outcome| outcome["action"] == "unchanged"), "{second:?}");
    assert!(lake.objects() == before, "not a byte differs");

    lake.ingest(&lake.file("more", generated(&clean("2025-01-15", 8)).0));
    let told = actions(&lake.compact(&[]));
    let of = |dataset: &str, period: &str, action: &str| (dataset.to_owned(), period.to_owned(), action.to_owned());
    for (dataset, period, action) in [
        ("greeks", "2024-12-31", "unchanged"),
        ("greeks", "2025-01-14", "unchanged"),
        ("greeks", "2025-01-15", "written"),
        ("greeks_by_minute", "2025-01-14", "unchanged"),
        ("greeks_by_minute", "2025-01-15", "written"),
        ("greeks_by_day", "2024", "unchanged"),
        ("greeks_by_day", "2025", "written"),
    ] {
        assert!(told.contains(&of(dataset, period, action)), "{dataset} {period} {action}: {told:?}");
    }
    let after = lake.objects();
    let touched: Vec<&String> =
        after.iter().filter(|(key, bytes)| before.get(*key) != Some(bytes)).map(|(key, _)| key).collect();
    assert!(touched.iter().all(|key| !key.contains("2025-01-14") && !key.contains("2024")), "{touched:?}");
    assert_eq!(lake.manifest("SPY", "2025-01-15")["revision"], 2);
    assert_eq!(lake.manifest("SPY", "2025-01-14")["revision"], 1);

    // Damage is noticed by size without reading, and made good.
    lake.plant("greeks/symbol=SPY/date=2025-01-14/part-0.parquet", "short");
    let told = lake.compact(&[]);
    assert_eq!(
        told.iter()
            .filter(|outcome| outcome["date"] == "2025-01-14" && outcome["dataset"] == "greeks")
            .map(|outcome| &outcome["action"])
            .collect::<Vec<_>>(),
        [&json!("written")]
    );
    assert!(
        lake.get("greeks/symbol=SPY/date=2025-01-14/part-0.parquet")
            == before["greeks/symbol=SPY/date=2025-01-14/part-0.parquet"]
    );
    lake.is_sound();
}

fn nothing_to_compact_is_told(lake: &Lake) {
    assert!(lake.compact(&[]).is_empty());
    let told = lake.run(&["compact"]).ends(0).stdout;
    assert!(told.contains("nothing to compact"), "{told}");
}
