//! The old archive brought into the lake and back out of it: every record accounted for once, originals kept as they were, bars that
//! decide, records that changed, runs that were killed.
//!
//! One session shape serves all of it, worked by hand (NQ, rows of one tick, from a base): periods C to M but D trade rows 3 to 7, A
//! rows 0 to 8, B rows 2 to 10, D rows 4 to 12. So rows 4 to 7 have 13 TPOs, row 3 twelve, row 8 three, 2, 9 and 10 two, 0, 1, 11 and
//! 12 one: 77 in all. The point of control of the four is 6, nearest the middle; from there one row at a time, ties upwards: 7, 5,
//! 4, 3 makes 64, past 70 % of 77. Rows 0–1 and 11–12 are single prints, and tails.

mod bars;
mod coins;
mod copies;
mod killed;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, on_every_store};
use crate::server::Server;

on_every_store!(
    every_record_is_accounted_for_once,
    a_dry_run_says_the_same_and_writes_nothing,
    originals_are_kept_as_they_were,
    imported_sessions_are_answered,
    a_record_that_changed_is_told_and_not_taken,
    one_symbol_alone,
    undo_takes_rows_back_and_keeps_originals,
    an_archive_that_is_not_there,
);

const BASE: f64 = 21_000.0;

fn price(row: u32) -> f64 {
    BASE + f64::from(row) * 0.25
}

/// Highest and lowest row of each period.
const PERIODS: [(&str, u32, u32); 13] = [
    ("A", 8, 0),
    ("B", 10, 2),
    ("C", 7, 3),
    ("D", 12, 4),
    ("E", 7, 3),
    ("F", 7, 3),
    ("G", 7, 3),
    ("H", 7, 3),
    ("I", 7, 3),
    ("J", 7, 3),
    ("K", 7, 3),
    ("L", 7, 3),
    ("M", 7, 3),
];
/// 390 minutes of 100 contracts.
const VOLUME: u64 = 39_000;

/// A record of that date in which nothing is wrong.
fn clean(date: &str) -> Value {
    let periods: serde_json::Map<String, Value> =
        PERIODS.iter().map(|(letter, high, low)| ((*letter).to_owned(), json!([price(*high), price(*low)]))).collect();
    json!({
        "symbol": "NQ", "date": date, "session_type": "normal_variation", "bias": "up",
        "value_area_high": price(7), "value_area_low": price(3), "poc": price(6),
        "initial_balance_high": price(10), "initial_balance_low": price(0),
        "session_high": price(12), "session_low": price(0),
        "single_prints": [[price(11), price(12)], [price(0), price(1)]],
        "poor_high": false, "poor_low": false, "excess_high": true, "excess_low": true,
        "tpo_structure": periods, "volume": VOLUME, "cash_session_return": 0.00001,
    })
}

fn with(mut record: Value, field: &str, value: Value) -> Value {
    record[field] = value;
    record
}

/// An archive in the lake's folder for input files.
struct Archive<'l> {
    lake: &'l Lake,
}

impl<'l> Archive<'l> {
    fn new(lake: &'l Lake, files: &[(&str, String)]) -> Self {
        std::fs::create_dir_all(lake.work().join("archive/2025")).expect("a folder");
        let archive = Self { lake };
        for (name, text) in files {
            archive.write(name, text);
        }
        archive
    }

    fn write(&self, name: &str, text: &str) {
        self.lake.file(&format!("archive/{name}"), text);
    }

    /// `migrate legacy-tpo --json` with more arguments: the records and the account.
    #[track_caller]
    fn migrate(&self, more: &[&str]) -> (Vec<Value>, Value) {
        let mut lines =
            self.lake.run(&[&["migrate", "legacy-tpo", "archive", "--json"], more].concat()).ends(0).json_lines();
        let account = lines.pop().expect("an account");
        assert_eq!(account["accounted"], account["records"], "{account}");
        assert_eq!(lines.len() as u64, account["records"].as_u64().expect("a count"));
        let sum: u64 = account["fates"].as_object().expect("fates").values().filter_map(Value::as_u64).sum();
        assert_eq!(sum, lines.len() as u64, "{account}");
        assert_eq!(account["unaccounted"], json!([]));
        (lines, account)
    }
}

/// Counts above zero.
fn fates(account: &Value) -> BTreeMap<&str, u64> {
    let counts = account["fates"].as_object().expect("fates");
    counts
        .iter()
        .map(|(fate, count)| (fate.as_str(), count.as_u64().expect("a count")))
        .filter(|(_, n)| *n > 0)
        .collect()
}

/// File, which record of it, and its fate.
type Become = (&'static str, u32, &'static str);

/// A bit of everything, and what becomes of each without bars.
fn of_all_kinds() -> (Vec<(&'static str, String)>, Vec<Become>) {
    let monday = clean("2025-01-13");
    let files = vec![
        ("2025/NQ_2025-01-13.json", format!("// first of the week\n{monday:#}")),
        // The same again, otherwise written: numbers as text, a trailing comma.
        ("2025/copy.json", monday.to_string().replace("21001.5,", "\"21001.5\",").replace("}}", "},}")),
        (
            "2025/nq-jan.json",
            json!([clean("2025-01-14"), with(clean("2025-01-15"), "poc", json!(20_000.0))]).to_string(),
        ),
        ("2025/two.json", json!([clean("2025-01-16"), with(clean("2025-01-16"), "volume", json!(39_500))]).to_string()),
        ("broken.json", "{\"symbol\":\"NQ\",\"date\":\"2025-01-21\",".to_owned()),
        ("saturday.json", clean("2025-01-18").to_string()),
        ("stranger.json", with(clean("2025-01-13"), "symbol", json!("XYZZY")).to_string()),
    ];
    let become_of = vec![
        ("2025/NQ_2025-01-13.json", 0, "imported"),
        ("2025/copy.json", 0, "duplicate"),
        ("2025/nq-jan.json", 0, "imported"),
        ("2025/nq-jan.json", 1, "quarantined"),
        ("2025/two.json", 0, "quarantined"),
        ("2025/two.json", 1, "quarantined"),
        ("broken.json", 0, "rejected"),
        ("saturday.json", 0, "rejected"),
        ("stranger.json", 0, "rejected"),
    ];
    (files, become_of)
}

/// The objects that do not carry the time of a run.
fn timeless(lake: &Lake) -> BTreeMap<String, Bytes> {
    lake.objects().into_iter().filter(|(key, _)| key.ends_with(".parquet")).collect()
}

/// Keys of captures, and of what was set aside without the date on which that was.
fn kept(lake: &Lake) -> Vec<String> {
    let mut keys: Vec<String> = lake
        .objects_under("raw/")
        .into_keys()
        .map(|key| match key.strip_prefix("raw/_rejected/") {
            Some(rest) => rest.rsplit('/').next().expect("a name").to_owned(),
            None => key,
        })
        .collect();
    keys.sort();
    keys
}

/// What was set aside: code and text.
fn set_aside(lake: &Lake) -> Vec<(String, String)> {
    let mut told = Vec::new();
    for bytes in lake.objects_under("raw/_rejected/legacy_tpo/").into_values() {
        let text = String::from_utf8(zstd::decode_all(&bytes[..]).expect("zstd")).expect("UTF-8");
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).expect("JSON");
            assert!(!line["reason"].as_str().expect("a reason").is_empty() && line["place"].is_string(), "{line}");
            told.push((
                line["code"].as_str().expect("a code").to_owned(),
                line["text"].as_str().expect("a text").to_owned(),
            ));
        }
    }
    told.sort();
    told
}

fn every_record_is_accounted_for_once(lake: &Lake) {
    let (files, become_of) = of_all_kinds();
    let archive = Archive::new(lake, &files);
    let (records, account) = archive.migrate(&[]);
    let told: Vec<(&str, u64, &str)> = records
        .iter()
        .map(|record| {
            let text = |name: &str| record[name].as_str().expect("a text");
            (text("file"), record["index"].as_u64().expect("a number"), text("fate"))
        })
        .collect();
    let expected: Vec<(&str, u64, &str)> =
        become_of.iter().map(|(file, index, fate)| (*file, u64::from(*index), *fate)).collect();
    assert_eq!(told, expected);
    assert_eq!(
        fates(&account),
        BTreeMap::from([("duplicate", 1), ("imported", 2), ("quarantined", 3), ("rejected", 3)])
    );
    // Monday 13 to Thursday 16: all have a record, two have a row.
    assert_eq!(
        account["sessions"],
        json!([{"symbol": "NQ", "session": "rth", "start": "2025-01-13", "end": "2025-01-16", "expected": 4, "covered": 2,
                "open": ["2025-01-15", "2025-01-16"], "missing": []}])
    );
    let codes: Vec<String> = set_aside(lake).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes.len(), 6);
    for code in ["closed_day", "unknown_symbol", "truncated", "duplicate_conflict"] {
        assert!(codes.iter().any(|told| told == code), "{code} in {codes:?}");
    }
    lake.is_sound();
    // A second run finds everything there.
    let before = (lake.objects(), timeless(lake));
    let (_, again) = archive.migrate(&[]);
    assert_eq!(
        fates(&again),
        BTreeMap::from([("already_imported", 2), ("duplicate", 1), ("quarantined", 3), ("rejected", 3)])
    );
    assert_eq!((lake.objects(), timeless(lake)), before);
    let text = lake.run(&["migrate", "legacy-tpo", "archive"]).ends(0).stdout;
    assert!(text.contains("9 records in 7 files") && text.contains("every record is accounted for"), "{text}");
}

fn a_dry_run_says_the_same_and_writes_nothing(lake: &Lake) {
    let (files, _) = of_all_kinds();
    let archive = Archive::new(lake, &files);
    let (planned, mut plan) = archive.migrate(&["--dry-run"]);
    assert!(lake.objects().is_empty());
    let (done, account) = archive.migrate(&[]);
    assert_eq!(planned, done);
    assert_eq!(plan["dry_run"], true);
    plan["dry_run"] = json!(false);
    assert_eq!(plan, account);
}

fn originals_are_kept_as_they_were(lake: &Lake) {
    let text = format!("{{ // Wednesday\n{}", &clean("2025-01-15").to_string()[1..]);
    Archive::new(lake, &[("a.json", format!("[\n{text},\n]"))]).migrate(&[]);
    let captures = lake.objects_under("raw/legacy_tpo/symbol=NQ/date=2025-01-15/");
    assert_eq!(captures.len(), 1);
    let lines = zstd::decode_all(&captures.values().next().expect("a capture")[..]).expect("zstd");
    let line: Value = serde_json::from_slice(&lines).expect("one line of JSON");
    assert_eq!(line["document"], json!({"file": "a.json", "index": 0, "line": 2, "text": text}));
}

fn imported_sessions_are_answered(lake: &Lake) {
    Archive::new(lake, &[("a.json", clean("2025-01-15").to_string())]).migrate(&[]);
    let server = Server::over(lake);
    let answer = server.get("/api/v1/tpo/NQ/2025-01-15").ok().json();
    let original = clean("2025-01-15");
    for (field, value) in original.as_object().expect("an object") {
        assert_eq!(&answer[field], value, "{field}");
    }
    assert_eq!(
        (&answer["calculation_version"], &answer["condition"], &answer["reasons"]),
        (&json!("legacy"), &json!("degraded"), &json!(["legacy_unverified"]))
    );
}

fn a_record_that_changed_is_told_and_not_taken(lake: &Lake) {
    let archive = Archive::new(lake, &[("a.json", clean("2025-01-15").to_string())]);
    archive.migrate(&[]);
    let rows = timeless(lake);
    // The same in another spelling is no change.
    archive.write("a.json", &format!("{:#}", clean("2025-01-15")));
    assert_eq!(fates(&archive.migrate(&[]).1), BTreeMap::from([("already_imported", 1)]));
    let changed = with(clean("2025-01-15"), "volume", json!(38_000)).to_string();
    archive.write("a.json", &changed);
    for _ in 0..2 {
        let (_, account) = archive.migrate(&[]);
        assert_eq!(fates(&account), BTreeMap::from([("conflict", 1)]));
        assert_eq!(timeless(lake), rows, "what was imported stays");
        assert_eq!(lake.objects_under("raw/legacy_tpo/").len(), 3, "each text is a capture of its own");
        assert_eq!(set_aside(lake), [("differs_from_imported".to_owned(), changed.clone())]);
    }
    lake.is_sound();
}

fn one_symbol_alone(lake: &Lake) {
    let es = with(clean("2025-01-15"), "symbol", json!("ES"));
    let archive = Archive::new(lake, &[("a.json", clean("2025-01-15").to_string()), ("b.json", es.to_string())]);
    let (_, account) = archive.migrate(&["--symbol", "ES"]);
    assert_eq!(fates(&account), BTreeMap::from([("imported", 1), ("not_asked", 1)]));
    assert!(lake.objects().keys().all(|key| !key.contains("symbol=NQ")));
    assert_eq!(fates(&archive.migrate(&[]).1), BTreeMap::from([("already_imported", 1), ("imported", 1)]));
}

fn undo_takes_rows_back_and_keeps_originals(lake: &Lake) {
    let archive = Archive::new(
        lake,
        &[
            ("a.json", json!([clean("2025-01-15"), clean("2025-01-16")]).to_string()),
            ("b.json", clean("2024-12-30").to_string()),
        ],
    );
    let nothing = lake.run(&["migrate", "legacy-tpo", "--undo", "--json"]).ends(0).json();
    assert_eq!(nothing, json!({"taken_back": 0, "dry_run": false}));
    archive.migrate(&[]);
    let (rows, originals) = (timeless(lake), kept(lake));
    let looked = lake.run(&["migrate", "legacy-tpo", "--undo", "--dry-run", "--json"]).ends(0).json();
    assert_eq!(looked, json!({"taken_back": 3, "dry_run": true}));
    assert_eq!(timeless(lake), rows);
    let undone = lake.run(&["migrate", "legacy-tpo", "--undo", "--json"]).ends(0).json();
    assert_eq!(undone["taken_back"], 3);
    assert_eq!(kept(lake), originals);
    Server::over(lake).get("/api/v1/tpo/NQ/2025-01-15").problem(404, "missing-day");
    lake.is_sound();
    assert_eq!(fates(&archive.migrate(&[]).1), BTreeMap::from([("imported", 3)]));
    assert_eq!(timeless(lake), rows);
    assert_eq!(kept(lake), originals);
}

fn an_archive_that_is_not_there(lake: &Lake) {
    let ran = lake.run(&["migrate", "legacy-tpo", "nowhere"]).ends(2);
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
    lake.run(&["migrate", "legacy-tpo"]).ends(2);
    lake.run(&["migrate", "legacy-tpo", "archive", "--undo"]).ends(2);
    assert!(lake.objects().is_empty());
}
