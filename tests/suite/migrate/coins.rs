//! A session with more rows of a tick than can be computed. BTC-USD from 100,000 to 101,500 all day, in ticks of a cent and rows of 25
//! USD: 61 rows of which each has all 48 TPOs. The point of control is the one in the middle, 100,750. Of 2,928 TPOs 70 % are
//! 2,049.6, so 43 rows: ties go upwards, 30 to the top at 101,500, then 12 downwards to 100,450.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::{Archive, fates, with};
use crate::pitlake_binary::{Lake, on_every_store};

on_every_store!(
    it_is_compared_in_the_instruments_rows,
    a_wrong_level_is_not_confirmed,
    what_cannot_be_compared_is_not_confirmed,
    bars_that_are_too_coarse_confirm_nothing
);

const DATE: &str = "2025-01-15";
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv";

fn record() -> Value {
    let periods: Map<String, Value> =
        LETTERS.chars().map(|letter| (letter.to_string(), json!([101_500.0, 100_000.0]))).collect();
    json!({
        "symbol": "BTC-USD", "date": DATE, "session_type": "normal", "bias": "neutral", "value_area_high": 101_500.0,
        "value_area_low": 100_450.0, "poc": 100_750.0, "initial_balance_high": 101_500.0, "initial_balance_low": 100_000.0,
        "session_high": 101_500.0, "session_low": 100_000.0, "single_prints": [], "poor_high": true, "poor_low": true,
        "excess_high": false, "excess_low": false, "tpo_structure": periods, "volume": 1440,
    })
}

/// Bars of so many minutes, each over the whole range.
fn bring_bars(lake: &Lake, minutes: u32) {
    let mut text = "timestamp,open,high,low,close,volume\n".to_owned();
    for minute in (0..1440).step_by(minutes as usize) {
        let (hour, past) = (minute / 60, minute % 60);
        writeln!(text, "{DATE} {hour:02}:{past:02}:00,100700,101500,100000,100700,{minutes}").expect("a string");
    }
    let file = lake.file("coins.csv", text);
    lake.run(&["ingest", "bars", "--symbol", "BTC-USD", "--tz", "UTC", &file]).ends(0);
    lake.run(&["compact", "bars"]).ends(0);
}

/// The findings of the only record.
fn codes(lake: &Lake, more: &[&str]) -> Vec<String> {
    let ran = lake.run(&[&["audit", "legacy-tpo", "archive", "--json"], more].concat());
    let findings = ran.json_lines()[0]["findings"].clone();
    findings
        .as_array()
        .expect("a list")
        .iter()
        .map(|finding| finding["code"].as_str().expect("a code").to_owned())
        .collect()
}

fn it_is_compared_in_the_instruments_rows(lake: &Lake) {
    bring_bars(lake, 1);
    let archive = Archive::new(lake, &[("a.json", record().to_string())]);
    assert_eq!(codes(lake, &[]), ["other_rows"]);
    assert_eq!(codes(lake, &["--row-ticks", "2500"]), Vec::<String>::new());
    assert_eq!(fates(&archive.migrate(&[]).1), BTreeMap::from([("confirmed_by_bars", 1)]));
}

fn a_wrong_level_is_not_confirmed(lake: &Lake) {
    bring_bars(lake, 1);
    let archive = Archive::new(lake, &[("a.json", with(record(), "poc", json!(101_000.0)).to_string())]);
    assert_eq!(codes(lake, &[]), ["differs_from_bars", "differs_from_periods", "other_rows"]);
    assert_eq!(fates(&archive.migrate(&[]).1), BTreeMap::from([("recalculated", 1)]));
}

fn what_cannot_be_compared_is_not_confirmed(lake: &Lake) {
    bring_bars(lake, 1);
    let archive = Archive::new(lake, &[("a.json", with(record(), "poc", json!(101_000.0)).to_string())]);
    let ticks = ["--row-ticks", "1"];
    assert_eq!(codes(lake, &ticks), ["not_comparable", "not_comparable"], "neither with its periods nor with bars");
    let (records, account) = archive.migrate(&ticks);
    assert_eq!(fates(&account), BTreeMap::from([("imported", 1)]));
    assert_eq!(records[0]["verdict"], "suspicious");
}

fn bars_that_are_too_coarse_confirm_nothing(lake: &Lake) {
    bring_bars(lake, 60);
    let archive = Archive::new(lake, &[("a.json", record().to_string())]);
    let codes = codes(lake, &[]);
    assert!(codes.contains(&"not_comparable".to_owned()), "{codes:?}");
    assert_eq!(fates(&archive.migrate(&[]).1), BTreeMap::from([("imported", 1)]));
}
