//! The real chains, which are not part of the project: skipped, and told so, without `PITLAKE_REAL_DATA`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::Served;
use crate::pitlake_binary::{Lake, days};

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/chain_exposures.py");

/// The folder of this name among the real data, or `None` and a word about it.
fn real_data(folder: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("PITLAKE_REAL_DATA").filter(|root| !root.is_empty()) else {
        println!("skipped: PITLAKE_REAL_DATA is not set, so there are no real chains");
        return None;
    };
    // A relative one is meant from the project's folder.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(root).join(folder);
    assert!(path.is_dir(), "PITLAKE_REAL_DATA is set and {} is not there", path.display());
    Some(path)
}

fn chains(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with(".gz")).collect();
    files.sort();
    files
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).expect("a chain");
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).expect("text");
    text
}

/// Ingests one chain into a lake of its own; gives the lake with symbol and date of its one partition.
fn ingested(path: &Path, more: &[&str]) -> (Lake, String, String) {
    let lake = Lake::in_folder();
    let file = path.to_str().expect("UTF-8");
    let counts = lake.run(&[&["ingest", "chains", "--json", file], more].concat()).ends(0).json();
    assert_eq!(counts["captures"], 1, "{file}");
    let told = lake.compact(&[]);
    let day = told.iter().find(|outcome| outcome["dataset"] == "greeks").expect("a day");
    assert_eq!(day["rows"], counts["rows"], "{file}");
    let text = |name: &str| day[name].as_str().expect("a text").to_owned();
    let (symbol, date) = (text("symbol"), text("date"));
    (lake, symbol, date)
}

fn codes(manifest: &Value) -> BTreeSet<String> {
    let reasons = manifest["reasons"].as_array().expect("a list").iter();
    reasons.map(|reason| reason["code"].as_str().expect("a code").to_owned()).collect()
}

#[test]
fn exactly_the_dead_chains_are_called_dead() {
    let Some(folder) = real_data("daggerok_options_desk") else { return };
    let files = chains(&folder);
    assert_eq!(files.len(), 28);
    let mut dead = Vec::new();
    for path in &files {
        let chain: Value = serde_json::from_str(&unpacked(path)).expect("JSON");
        let quotes = chain["quotes"].as_array().expect("a list");
        let open = quotes.iter().filter(|quote| quote["openInterest"].as_f64() > Some(0.0)).count();
        let is_dead = open * 10 < quotes.len();
        let (lake, symbol, date) = ingested(path, &[]);
        let manifest = lake.manifest(&symbol, &date);
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!(codes(&manifest).contains("open_interest_near_zero"), is_dead, "{name}: {open} of {}", quotes.len());
        assert_eq!(manifest["condition"], "degraded", "{name}: one minute of a whole session");
        let formula = &manifest["details"]["formula"][0];
        assert_eq!(
            (&formula["name"], &formula["version"], &formula["chains"]),
            (&json!("pitlake-bsm"), &json!(1), &json!(1)),
            "{name}"
        );
        assert_eq!(formula["quotes"], quotes.len(), "{name}");
        let number = |field: &str| formula[field].as_u64().expect("a number");
        assert_eq!(number("quotes"), number("quotes_used") + number("refused"), "{name}");
        assert_eq!(
            number("quotes_used"),
            number("zero_open_interest") + number("gamma_as_sent") + number("gamma_from_model"),
            "{name}"
        );
        assert_eq!(number("contracts_with_open_interest"), open as u64, "{name}");
        if is_dead {
            dead.push(name);
        } else {
            // Some chains were sent without greeks: then there is nothing to compare with.
            let ratio = formula["median_model_to_source_gamma"].as_f64();
            assert_eq!(ratio.is_some_and(|ratio| ratio > 0.0), number("gamma_as_sent") > 0, "{name}: {formula}");
        }
        lake.is_sound();
    }
    assert_eq!(dead.len(), 3, "{dead:?}");
}

/// (expiration, strike) to the three exposures, by the reference.
type Exposures = BTreeMap<(i32, u64), [Option<i64>; 3]>;

fn by_the_reference(path: &Path, more: &[&str]) -> Option<Exposures> {
    let Ok(output) = Command::new("python3").arg(REFERENCE).arg(path).args(more).output() else {
        println!("skipped: there is no python3");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let rows = rows.records().map(|row| {
        let row = row.expect("a row");
        let strike: f64 = row[1].parse().expect("a strike");
        let greek = |at: usize| (!row[at].is_empty()).then(|| row[at].parse().expect("whole dollars"));
        ((days(&row[0]), strike.to_bits()), [greek(2), greek(3), greek(4)])
    });
    Some(rows.collect())
}

/// The partition equals the reference strike by strike, each to the dollar; where a sum ends within a millionth of
/// half a dollar, two ways of adding may round apart.
fn equals_the_reference(path: &Path, more: &[&str]) {
    let Some(expected) = by_the_reference(path, more) else { return };
    let (lake, symbol, date) = ingested(path, more);
    let found: Exposures =
        lake.strikes(&symbol, &date).iter().map(|row| ((row.expiration, row.strike.to_bits()), row.greeks)).collect();
    let name = path.display();
    assert!(expected.len() > 500, "{name}");
    assert!(found.keys().eq(expected.keys()), "{name}: the same strikes");
    let mut apart = 0;
    for (key, values) in &expected {
        for (ours, theirs) in found[key].iter().zip(values) {
            match (ours, theirs) {
                (Some(ours), Some(theirs)) => {
                    assert!((ours - theirs).abs() <= 1, "{name} {key:?}: {ours} and {theirs}");
                    apart += u32::from(ours != theirs);
                }
                (ours, theirs) => assert_eq!(ours, theirs, "{name} {key:?}"),
            }
        }
    }
    println!("{name} {more:?}: {} strikes, {apart} values a dollar apart", expected.len());
    assert!(apart <= 3, "{name}: {apart} values a dollar apart");
}

#[test]
fn whole_snapshots_equal_the_reference_strike_by_strike() {
    let Some(folder) = real_data("daggerok_options_desk") else { return };
    let named =
        |path: &PathBuf, symbol: &str| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(symbol));
    let snapshots: Vec<PathBuf> =
        chains(&folder).into_iter().filter(|path| named(path, "SPY_") || named(path, "SPX_")).collect();
    assert_eq!(snapshots.len(), 6);
    for path in &snapshots {
        equals_the_reference(path, &[]);
    }
    let spx = snapshots.iter().find(|path| named(path, "SPX_")).expect("one of SPX");
    equals_the_reference(spx, &["--greeks", "model"]);
    equals_the_reference(spx, &["--dealers", "short-both"]);
}

#[test]
fn all_chains_in_one_lake_and_the_answers_say_by_which_formula() {
    let Some(folder) = real_data("daggerok_options_desk") else { return };
    let lake = Lake::in_bucket();
    let files: Vec<String> = chains(&folder).iter().map(|path| path.to_str().expect("UTF-8").to_owned()).collect();
    let mut command = vec!["ingest", "chains", "--json"];
    command.extend(files.iter().map(String::as_str));
    let counts = lake.run(&command).ends(0).json();
    assert_eq!((&counts["captures"], &counts["documents"]), (&json!(28), &json!(28)));
    let told = lake.compact(&[]);
    lake.is_sound();
    let days: Vec<&Value> = told.iter().filter(|outcome| outcome["dataset"] == "greeks").collect();
    let served = Served::start(&lake);
    let (mut chains, mut dead) = (0, 0);
    for day in days {
        let (symbol, date) = (day["symbol"].as_str().expect("a symbol"), day["date"].as_str().expect("a date"));
        let manifest = lake.manifest(symbol, date);
        let formula = &manifest["details"]["formula"];
        chains += formula[0]["chains"].as_u64().expect("a number");
        let reasons = manifest["reasons"].as_array().expect("a list").iter();
        dead += reasons
            .filter(|reason| reason["code"] == "open_interest_near_zero")
            .filter_map(|reason| reason["count"].as_u64())
            .sum::<u64>();
        let answer = served.json(&format!("/api/v1/greeks/{symbol}/{date}?strike=1000000"));
        assert_eq!(answer["formula"], *formula, "{symbol} {date}");
        assert_eq!(answer["count"], 0);
    }
    assert_eq!((chains, dead), (28, 3));
}

#[test]
fn chains_without_a_time_need_one_and_then_give_exposures() {
    let Some(folder) = real_data("lachjory_options/data") else { return };
    let mut mornings: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    mornings.sort();
    assert_eq!(mornings.len(), 6);
    let mut count = 0;
    for morning in &mornings {
        let date = morning.file_name().expect("a date").to_str().expect("UTF-8");
        for path in chains(morning) {
            let file = path.to_str().expect("UTF-8");
            let without = Lake::in_folder();
            let ran = without.run(&["ingest", "chains", file]).ends(1);
            assert!(ran.stderr.contains("--at"), "{}", ran.stderr);
            let (lake, symbol, on) = ingested(&path, &["--at", &format!("{date}T13:00:00Z")]);
            assert_eq!(on, date, "{file}");
            let manifest = lake.manifest(&symbol, date);
            assert!(!codes(&manifest).contains("open_interest_near_zero"), "{file}");
            assert!(codes(&manifest).contains("outside_session"), "{file}: nine in the morning is before the open");
            assert_eq!(manifest["details"]["formula"][0]["gamma_as_sent"], 0, "{file}");
            assert!(manifest["rows"].as_u64() > Some(500), "{file}");
            count += 1;
        }
    }
    assert_eq!(count, 18);
}

#[test]
fn a_quote_table_says_its_own_time() {
    let Some(folder) = real_data("cboe_quotetable") else { return };
    let [table] = chains(&folder).try_into().expect("one table");
    let (lake, symbol, date) = ingested(&table, &[]);
    assert_eq!((symbol.as_str(), date.as_str()), ("SPY", "2023-09-14"));
    let manifest = lake.manifest("SPY", "2023-09-14");
    assert_eq!(lake.minutes("SPY", "2023-09-14")[0].spot, Some(450.81));
    assert!(!codes(&manifest).contains("open_interest_near_zero"));
    assert!(
        manifest["details"]["formula"][0]["gamma_as_sent"].as_u64() > Some(1000),
        "{}",
        manifest["details"]["formula"]
    );
}
