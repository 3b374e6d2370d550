//! What a revision changed, told by its manifest and by the year's index: rows counted by hand, captures by name.

use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, nested, on_every_store};
use crate::received::{at, received};

on_every_store!(
    a_correction_says_what_it_moved,
    a_day_that_is_still_open_says_nothing,
    a_lost_file_leaves_its_rows_uncounted,
    a_revision_made_by_other_settings_says_so,
);

const DATE: &str = "2025-01-15";
const EXPIRES: &str = "2025-01-17";

fn manifest(lake: &Lake, dataset: &str) -> Value {
    let key = format!("_manifest/{dataset}/symbol=SPY/{DATE}.json");
    serde_json::from_slice(&lake.get(&key)).expect("JSON")
}

fn entry(lake: &Lake, dataset: &str) -> Value {
    let index: Value =
        serde_json::from_slice(&lake.get(&format!("_manifest/{dataset}/symbol=SPY/2025.json"))).expect("JSON");
    index["days"][0].clone()
}

/// The ids of the captures there are, each as the manifests name it.
fn captures(lake: &Lake) -> Vec<String> {
    let keys = lake.objects_under("raw/greeks/").into_keys();
    let named = keys.map(|key| key.rsplit('/').next().expect("a name").trim_end_matches(".jsonl.zst").to_owned());
    named.map(|id| format!("greeks/{id}")).collect()
}

fn first(lake: &Lake) {
    let strikes: Vec<_> = (0..100).map(|at| (500.0 + f64::from(at), 10, 20, 30)).collect();
    let line = |minute: u32| nested(&format!("2025-01-15T15:{minute:02}:00Z"), EXPIRES, Some(588.0), &strikes);
    let lines: Vec<_> = (0..30).map(|minute| (at("2025-01-15T16:00:00Z"), line(minute))).collect();
    received(lake, DATE, &lines);
    lake.compact(&[]);
}

/// Two strikes of one minute moved, one of them to what it was; one new strike; one new minute of two strikes.
fn correction(lake: &Lake) {
    let lines = [
        nested("2025-01-15T15:07:30Z", EXPIRES, None, &[(510.0, 11, 20, 30), (511.0, 10, 20, 30), (777.5, 1, 1, 1)]),
        nested("2025-01-15T15:45:00Z", EXPIRES, None, &[(510.0, 1, 1, 1), (511.0, 1, 1, 1)]),
    ];
    received(lake, DATE, &lines.map(|line| (at("2025-01-16T12:00:00Z"), line)));
}

fn a_correction_says_what_it_moved(lake: &Lake) {
    first(lake);
    assert_eq!(manifest(lake, "greeks")["change"], Value::Null, "the first revision changes nothing");
    let before = captures(lake);
    correction(lake);
    lake.compact(&[]);
    let came: Vec<String> = captures(lake).into_iter().filter(|id| !before.contains(id)).collect();
    assert_eq!(came.len(), 1);
    let expected = |added: u64, changed: u64| {
        json!({"from_revision": 1, "rows_added": added, "rows_changed": changed, "rows_removed": 0,
            "captures_added": came, "captures_removed": [], "calculation_changed": false})
    };
    // 777.5 of 15:07 and two strikes of 15:45 are new, 510 of 15:07 has another gamma.
    assert_eq!(manifest(lake, "greeks")["change"], expected(3, 1));
    // The sum of 15:07 moved, that of 15:45 is new.
    assert_eq!(manifest(lake, "greeks_by_minute")["change"], expected(1, 1));
    for dataset in ["greeks", "greeks_by_minute"] {
        assert_eq!(manifest(lake, dataset)["revision"], 2);
        assert_eq!(entry(lake, dataset)["change"], manifest(lake, dataset)["change"], "the index says the same");
    }
    lake.is_sound();

    // Looked at again, the revision still says it; and the lost record of a day comes back with it.
    lake.compact(&[]);
    assert_eq!(manifest(lake, "greeks")["change"], expected(3, 1));
    lake.plant(&format!("_manifest/greeks/symbol=SPY/{DATE}.json"), "torn");
    lake.run(&["verify", "--repair"]).ends(0);
    assert_eq!(
        (&manifest(lake, "greeks")["change"], &manifest(lake, "greeks")["revision"]),
        (&expected(3, 1), &json!(2))
    );
    lake.is_sound();

    // Said once more with nothing new in it: a revision that moved no row.
    received(
        lake,
        DATE,
        &[(at("2025-01-17T12:00:00Z"), nested("2025-01-15T15:07:00Z", EXPIRES, None, &[(510.0, 9, 9, 9)]))],
    );
    lake.compact(&[]);
    let change = &manifest(lake, "greeks")["change"];
    assert_eq!(
        (&change["from_revision"], &change["rows_changed"], &change["rows_added"]),
        (&json!(2), &json!(0), &json!(0))
    );
}

fn a_day_that_is_still_open_says_nothing(lake: &Lake) {
    for minute in 0..3 {
        let line = nested(&format!("2099-01-15T15:{minute:02}:00Z"), "2099-01-16", None, &[(580.0, minute, 0, 0)]);
        lake.ingest_lines(&[line]);
        lake.compact(&[]);
        let manifest = lake.manifest("SPY", "2099-01-15");
        assert_eq!((&manifest["revision"], &manifest["change"]), (&json!(1), &Value::Null));
    }
}

fn a_lost_file_leaves_its_rows_uncounted(lake: &Lake) {
    first(lake);
    lake.plant(&format!("greeks/symbol=SPY/date={DATE}/part-0.parquet"), "no Parquet");
    let before = captures(lake);
    correction(lake);
    lake.compact(&[]);
    let change = manifest(lake, "greeks")["change"].clone();
    for count in ["rows_added", "rows_changed", "rows_removed"] {
        assert_eq!(change[count], Value::Null, "nobody knows what moved: {change}");
    }
    assert_eq!(change["from_revision"], 1);
    let came: Vec<String> = captures(lake).into_iter().filter(|id| !before.contains(id)).collect();
    assert_eq!(change["captures_added"], json!(came));
    assert_eq!(manifest(lake, "greeks_by_minute")["change"]["rows_added"], 1, "the sums were not lost");
    lake.is_sound();
}

fn a_revision_made_by_other_settings_says_so(lake: &Lake) {
    first(lake);
    lake.plant("_config/instruments.toml", "[SPY]\noption_multiplier = 50\n");
    lake.compact(&[]);
    let change = manifest(lake, "greeks")["change"].clone();
    assert_eq!((&change["calculation_changed"], &change["captures_added"]), (&json!(true), &json!([])));
    assert_eq!(
        (&change["rows_changed"], &change["rows_added"]),
        (&json!(0), &json!(0)),
        "raw exposures stay as they are"
    );
}
