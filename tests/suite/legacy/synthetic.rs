//! The synthetic archive, by the program alone: its truth file against what the audit tells, with and without a lake of its bars.

use serde_json::Value;

use super::Told;
use crate::pitlake_binary::Lake;

/// Generates two years with every fault in a lake's folder; gives the truth.
fn generated(lake: &Lake, seed: &str) -> Value {
    let work = lake.work().to_str().expect("UTF-8").to_owned();
    let (out, bars) = (format!("{work}/archive"), format!("{work}/bars.csv"));
    let span = ["--start", "2024-01-02", "--end", "2024-09-30", "--seed", seed];
    let more = ["--symbol", "NQ", "--defects", "--out", &out, "--bars", &bars];
    lake.run(&[&["generate", "legacy-tpo"], &span[..], &more[..]].concat()).ends(0);
    let truth = std::fs::read(format!("{work}/archive.truth.json")).expect("the truth");
    serde_json::from_slice(&truth).expect("JSON")
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name")).collect()
}

#[track_caller]
fn is_found(told: &Told, truth: &Value, with_bars: bool) {
    let records = truth["records"].as_array().expect("a list");
    assert_eq!(told.records.len(), records.len());
    let (mut planted, mut found) = (0, 0);
    for record in records {
        let (file, index) = (record["file"].as_str().expect("a name"), record["index"].as_u64().expect("a number"));
        let mut expected = names(&record["planted"]);
        if with_bars {
            expected.extend(names(&record["planted_with_bars"]));
        }
        if expected.is_empty() {
            assert_eq!(told.record(file, index)["verdict"], "valid", "{:#}", told.record(file, index));
        }
        let codes = told.codes(file, index);
        planted += expected.len();
        found += expected.iter().filter(|code| codes.iter().any(|found| found == *code)).count();
    }
    assert!(planted > 60, "{planted}");
    assert!(found * 100 >= planted * 99, "{found} of {planted}");
    assert_eq!(told.summary["missing_sessions"], truth["missing"].as_array().expect("a list").len());
}

#[test]
fn every_planted_fault_is_found_with_and_without_bars() {
    let lake = Lake::in_folder();
    let truth = generated(&lake, "21");
    let told = super::audit(&lake.work().join("archive"));
    is_found(&told, &truth, false);

    lake.run(&["ingest", "bars", "--symbol", "NQ", "bars.csv"]).ends(0);
    lake.run(&["compact", "bars"]).ends(0);
    let told = Told::of(lake.run(&["audit", "legacy-tpo", "archive", "--json"]));
    told.adds_up();
    is_found(&told, &truth, true);
    let eras = told.summary["eras"].as_array().expect("a list");
    let fields: Vec<&str> = eras.iter().flat_map(|era| names(&era["fields"])).collect();
    assert!(fields.contains(&"initial_balance") && fields.contains(&"value_area"), "{eras:#?}");
}

#[test]
fn the_folder_must_be_a_new_one_and_the_span_long_enough() {
    let lake = Lake::in_folder();
    lake.file("taken", "");
    let work = lake.work().to_str().expect("UTF-8").to_owned();
    lake.run(&["generate", "legacy-tpo", "--out", &work]).ends(2);
    let out = format!("{work}/new");
    let short = ["--start", "2024-01-02", "--end", "2024-01-31", "--defects", "--out", &out];
    let ran = lake.run(&[&["generate", "legacy-tpo"], &short[..]].concat()).ends(1);
    assert!(ran.stderr.contains("120"), "{}", ran.stderr);
}
