//! Corrections, revisions and what they change; days that are open; determinism.

use serde_json::json;

use super::{HEADER, NEW_YORK, manifest, rows, take, told};
use crate::pitlake_binary::{Lake, on_every_store, sha256};

on_every_store!(
    a_correction_is_a_revision_that_says_what_it_changed,
    a_corrected_count_changes_the_bar_after_it,
    an_open_day_is_pending,
    the_same_captures_give_the_same_bytes,
    damage_is_found_and_made_good,
);

fn minutes(closes: &[f64]) -> String {
    let rows: String = closes
        .iter()
        .enumerate()
        .map(|(at, close)| format!("2025-01-15 09:{}:00,100,110,90,{close},{}\n", 30 + at, at * 10))
        .collect();
    format!("{HEADER}{rows}")
}

fn a_correction_is_a_revision_that_says_what_it_changed(lake: &Lake) {
    take(lake, "SPY", &NEW_YORK, minutes(&[100.0, 101.0, 102.0]));
    lake.compact(&["bars"]);
    assert_eq!(manifest(lake, "SPY", "2025-01-15")["revision"], 1);
    // One bar is corrected, one is new.
    take(lake, "SPY", &NEW_YORK, minutes(&[100.0, 101.5, 102.0, 103.0]));
    lake.compact(&["bars"]);
    let closes: Vec<f64> = rows(lake, "SPY", "2025-01-15").iter().map(|row| row.prices[3]).collect();
    assert_eq!(closes, [100.0, 101.5, 102.0, 103.0]);
    let manifest = manifest(lake, "SPY", "2025-01-15");
    assert_eq!(manifest["revision"], 2);
    let change = &manifest["change"];
    assert_eq!(
        (&change["rows_added"], &change["rows_changed"], &change["rows_removed"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert_eq!((told(&manifest, "corrections"), told(&manifest, "duplicates")), (1, 2));
    assert_eq!(told(&manifest, "conflicting_duplicates"), 0, "a correction is no conflict");
    assert_eq!((&manifest["counts"]["rows_in"], &manifest["counts"]["duplicates"]), (&json!(7), &json!(3)));
}

fn a_corrected_count_changes_the_bar_after_it(lake: &Lake) {
    let counted = ["--tz", "America/New_York", "--volume", "cumulative", "--interval", "1m"];
    let bar = |minute: u32, volume: u32| format!("2025-01-15 09:{minute}:00,100,110,90,100,{volume}\n");
    take(lake, "SPY", &counted, format!("{HEADER}{}{}{}", bar(30, 50), bar(31, 80), bar(32, 100)));
    lake.compact(&["bars"]);
    let volumes = |lake: &Lake| -> Vec<f64> { rows(lake, "SPY", "2025-01-15").iter().map(|row| row.volume).collect() };
    assert_eq!(volumes(lake), [50.0, 30.0, 20.0]);
    take(lake, "SPY", &counted, format!("{HEADER}{}", bar(31, 95)));
    lake.compact(&["bars"]);
    assert_eq!(volumes(lake), [50.0, 45.0, 5.0]);
}

fn an_open_day_is_pending(lake: &Lake) {
    // A Thursday so far ahead that its session has not closed whenever this runs.
    let bar = |minute: u32| format!("{HEADER}2099-01-15 09:{minute}:00,100,110,90,100,5\n");
    for minute in 30..33 {
        take(lake, "SPY", &["--tz", "America/New_York", "--interval", "1m"], bar(minute));
        let outcomes = lake.compact(&["bars"]);
        let day = outcomes.iter().find(|outcome| outcome["date"] == "2099-01-15").expect("the day");
        assert_eq!((&day["revision"], &day["condition"]), (&json!(1), &json!("pending")));
    }
    assert_eq!(rows(lake, "SPY", "2099-01-15").len(), 3);
    assert_eq!(
        told(&manifest(lake, "SPY", "2099-01-15"), "missing_minutes"),
        0,
        "what has not come yet is not missing"
    );
}

fn the_same_captures_give_the_same_bytes(lake: &Lake) {
    let files = [
        (minutes(&[100.0, 101.0, 102.0]), "start"),
        (minutes(&[100.0, 105.0]), "end"),
        (minutes(&[99.0, 101.0, 102.0, 103.0, 104.0]), "start"),
    ];
    for (file, stamp) in &files {
        take(lake, "SPY", &["--tz", "America/New_York", "--stamp", stamp], file);
    }
    lake.compact(&["bars"]);
    let key = "bars/symbol=SPY/date=2025-01-15/part-0.parquet";
    let expected = sha256(&lake.get(key));
    let other = lake.another();
    for (key, bytes) in lake.objects_under("raw/").into_iter().rev() {
        other.plant(&key, bytes);
        other.compact(&["bars"]);
    }
    assert_eq!(sha256(&other.get(key)), expected, "one after the other, as from the start");
    other.is_sound();
}

fn damage_is_found_and_made_good(lake: &Lake) {
    take(lake, "SPY", &NEW_YORK, minutes(&[100.0, 101.0, 102.0]));
    lake.compact(&["bars"]);
    lake.is_sound();
    let before = lake.objects();
    let data = "bars/symbol=SPY/date=2025-01-15/part-0.parquet";
    let mut torn = before[data].to_vec();
    torn[10] ^= 0xff;
    lake.plant(data, torn);
    lake.run(&["verify"]).ends(1);
    lake.run(&["verify", "--repair"]).ends(0);
    assert!(lake.get(data) == before[data], "made again from its captures, to the byte");
    lake.plant("_manifest/bars/symbol=SPY/2025-01-15.json", "{}");
    lake.run(&["verify"]).ends(1);
    lake.run(&["verify", "--repair"]).ends(0);
    assert_eq!(manifest(lake, "SPY", "2025-01-15")["revision"], 1);
    lake.is_sound();
}
