//! Two rooms in one lake, of the same symbol and date: each is compacted by itself, and what is damaged of one is made again without
//! touching the other.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use crate::pitlake_binary::{Lake, nested, on_every_store};

on_every_store!(
    each_room_is_compacted_by_its_name_and_all_without_one,
    a_repair_of_one_room_leaves_the_other_as_it_is,
    captures_that_no_room_makes_days_of_are_no_damage,
    status_knows_every_room,
);

const BARS: &str = "timestamp,open,high,low,close,volume\n\
    2025-01-15 09:30,590,590.5,589.75,590.25,1000\n\
    2025-01-15 09:31,590.25,591,590.25,590.5,2000\n";
const BAR_DAY: &str = "bars/symbol=SPY/date=2025-01-15/part-0.parquet";
const GREEK_DAY: &str = "greeks/symbol=SPY/date=2025-01-15/part-0.parquet";

/// Captures of both, not compacted.
fn captured(lake: &Lake) {
    lake.ingest_lines(&[nested("2025-01-15T14:30:00Z", "2025-01-17", Some(590.0), &[(580.0, 1, 2, 3)])]);
    let file = lake.file("bars.csv", BARS);
    lake.run(&["ingest", "bars", "--symbol", "SPY", "--tz", "America/New_York", &file]).ends(0);
}

/// `compact` with these arguments; the datasets that were written, in order.
fn written(lake: &Lake, more: &[&str]) -> Vec<String> {
    let lines = lake.run(&[&["compact", "--json"], more].concat()).ends(0).json_lines();
    let written = lines.iter().filter(|line| line["action"] == "written");
    written.map(|line| line["dataset"].as_str().expect("a name").to_owned()).collect()
}

/// What lies under the partitions and records of some datasets.
fn of(lake: &Lake, datasets: &[&str]) -> BTreeMap<String, Bytes> {
    let under = |dataset: &&str| {
        let mut found = lake.objects_under(&format!("{dataset}/"));
        found.extend(lake.objects_under(&format!("_manifest/{dataset}/")));
        found
    };
    datasets.iter().flat_map(under).collect()
}

fn each_room_is_compacted_by_its_name_and_all_without_one(lake: &Lake) {
    captured(lake);
    assert_eq!(written(lake, &["bars"]), ["bars", "profiles"]);
    assert!(lake.objects_under("greeks").is_empty());
    assert_eq!(written(lake, &["greeks"]), ["greeks", "greeks_by_minute", "greeks_by_day"]);
    assert_eq!(written(lake, &[]), [""; 0], "all is there");
    let at_once = lake.another();
    lake.objects_under("raw/").into_iter().for_each(|(key, bytes)| at_once.plant(&key, bytes));
    assert_eq!(written(&at_once, &[]), ["greeks", "greeks_by_minute", "greeks_by_day", "bars", "profiles"]);
    for key in [BAR_DAY, GREEK_DAY] {
        assert!(lake.get(key) == at_once.get(key), "{key} byte for byte");
    }
    let wrong = lake.run(&["compact", "nothing"]).ends(2).stderr;
    assert!(wrong.contains("greeks") && wrong.contains("bars"), "{wrong}");
    lake.is_sound();
}

fn a_repair_of_one_room_leaves_the_other_as_it_is(lake: &Lake) {
    captured(lake);
    written(lake, &[]);
    let rooms: [(&str, &[&str], &str, &[&str]); 2] = [
        ("bars", &["bars"], BAR_DAY, &["greeks", "greeks_by_minute", "greeks_by_day"]),
        ("greeks", &["greeks", "greeks_by_minute", "greeks_by_day"], GREEK_DAY, &["bars"]),
    ];
    for (room, own, key, others) in rooms {
        let (whole, beside) = (of(lake, own), of(lake, others));
        let mut bytes = lake.get(key).to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        lake.plant(key, bytes);
        let told = lake.run(&["verify", "--json"]).ends(1).json_lines();
        let damage: Vec<&Value> = told.iter().filter(|line| line["severity"] == "damage").collect();
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert_eq!((&damage[0]["code"], &damage[0]["key"]), (&"sha256_differs".into(), &key.into()));
        let told = lake.run(&["verify", "--repair", "--json"]).ends(0).json_lines();
        let steps: Vec<(&str, &str, bool)> = told
            .iter()
            .filter_map(|line| Some((line["repair"].as_str()?, line["room"].as_str()?, line["done"].as_bool()?)))
            .collect();
        assert_eq!(steps, [("day", room, true), ("year", room, true)]);
        assert!(lake.get(key) == whole[key], "{key} byte for byte");
        assert_eq!(of(lake, own).len(), whole.len());
        assert!(of(lake, others) == beside, "nothing of {others:?} was touched");
    }
    lake.is_sound();
}

fn captures_that_no_room_makes_days_of_are_no_damage(lake: &Lake) {
    captured(lake);
    written(lake, &[]);
    // The same capture as some archive's: kept, checked, and missed by nobody.
    let (key, bytes) = lake.objects_under("raw/bars/").into_iter().next().expect("a capture");
    let kept = key.replace("raw/bars/", "raw/old_archive/");
    lake.plant(&kept, bytes.clone());
    let told = lake.run(&["verify", "--json"]).ends(0).json_lines();
    assert!(!told.iter().any(|line| line["key"] == kept.as_str()), "{told:?}");
    lake.plant(&kept, bytes.slice(..bytes.len() / 2));
    let told = lake.run(&["verify", "--json"]).ends(1).json_lines();
    let codes: Vec<&Value> =
        told.iter().filter(|line| line["key"] == kept.as_str()).map(|line| &line["code"]).collect();
    assert_eq!(codes, [&Value::from("capture_damaged")]);
}

fn status_knows_every_room(lake: &Lake) {
    captured(lake);
    written(lake, &[]);
    let answer = lake.run(&["status", "--json", "--captures"]).ends(0).json();
    let datasets = answer["datasets"].as_array().expect("a list");
    let stored: Vec<(&str, &Value)> = datasets
        .iter()
        .map(|stored| (stored["dataset"].as_str().expect("a name"), &stored["symbols"][0]["stale"]))
        .collect();
    let none = Value::from(0);
    let datasets = ["greeks", "greeks_by_minute", "greeks_by_day", "bars", "profiles"].map(|dataset| (dataset, &none));
    // Nothing was superseded yet.
    let expected = [&datasets[..], &[("profiles_history", &Value::Null)]].concat();
    assert_eq!(stored, expected, "made by the calculation of today, each by its own");
    let captures = answer["captures"].as_array().expect("a list");
    let counted: Vec<(&str, u64)> = captures
        .iter()
        .map(|captures| {
            (captures["dataset"].as_str().unwrap_or_default(), captures["count"].as_u64().unwrap_or_default())
        })
        .collect();
    assert_eq!(counted, [("greeks", 1), ("chains", 0), ("bars", 1), ("legacy_tpo", 0)]);
    let only = lake.run(&["status", "--json", "--dataset", "bars"]).ends(0).json();
    assert_eq!(only["datasets"].as_array().map(Vec::len), Some(1));
}
