//! Saying the same thing twice changes nothing, and what is new in it is told apart from what is not.

use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, nested, on_every_store};

on_every_store!(
    the_same_file_twice_changes_nothing,
    an_overlapping_file_adds_only_what_is_new,
    repeats_within_one_file_are_counted,
    several_files_and_days_in_one_run,
    a_missing_file_fails_and_the_others_go_in,
);

fn minutes(range: std::ops::Range<i64>) -> Vec<String> {
    range
        .map(|minute| {
            let at = format!("2025-01-15T{:02}:{:02}:00Z", 15 + minute / 60, minute % 60);
            nested(&at, "2025-01-17", Some(588.0), &[(580.0, minute, 0, -minute), (585.0, 2 * minute, 1, 1)])
        })
        .collect()
}

fn counts(captures: u64, documents: u64, rows: u64, duplicates: u64, refused: u64) -> Value {
    json!({"captures": captures, "documents": documents, "rows": rows, "duplicates": duplicates, "refused": refused})
}

fn the_same_file_twice_changes_nothing(lake: &Lake) {
    let mut lines = minutes(0..60);
    lines.insert(7, "torn {".into());
    assert_eq!(lake.ingest_lines(&lines), counts(1, 60, 120, 0, 1));
    lake.compact(&[]);
    let before = lake.objects();
    assert_eq!(lake.ingest_lines(&lines), counts(0, 60, 0, 120, 1));
    let packed = zstd::encode_all((lines.join("\n") + "\n").as_bytes(), 19).expect("zstd");
    assert_eq!(lake.ingest(&lake.file("day.zst", packed)), counts(0, 60, 0, 120, 1));
    assert!(lake.compact(&[]).iter().all(|partition| partition["action"] == "unchanged"));
    let after = lake.objects();
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert!(before == after, "not a byte differs");
    lake.is_sound();
}

fn an_overlapping_file_adds_only_what_is_new(lake: &Lake) {
    assert_eq!(lake.ingest_lines(&minutes(0..60)), counts(1, 60, 120, 0, 0));
    assert_eq!(lake.ingest_lines(&minutes(40..100)), counts(1, 60, 80, 40, 0));
    assert_eq!(
        lake.ingest_lines(&minutes(0..100)),
        counts(1, 100, 0, 200, 0),
        "nothing in it is new, but it was never said as a whole"
    );
    lake.compact(&[]);
    assert_eq!(lake.strikes("SPY", "2025-01-15").len(), 200);
    let manifest = lake.manifest("SPY", "2025-01-15");
    assert_eq!((&manifest["counts"]["rows_in"], &manifest["counts"]["duplicates"]), (&json!(440), &json!(240)));
    assert_eq!(manifest["captures"].as_array().map(Vec::len), Some(3));
    lake.is_sound();
}

fn repeats_within_one_file_are_counted(lake: &Lake) {
    let lines = [minutes(0..10), minutes(5..15)].concat();
    assert_eq!(lake.ingest_lines(&lines), counts(1, 20, 30, 10, 0));
}

fn several_files_and_days_in_one_run(lake: &Lake) {
    let first = lake.file("a.jsonl", minutes(0..3).join("\n"));
    let second =
        lake.file("b.jsonl", minutes(3..5).join("\n").replace("2025-01-15", "2025-01-16") + "\n" + &minutes(5..6)[0]);
    let ran = lake.run(&["ingest", "greeks", "--json", &first, &second]).ends(0);
    assert_eq!(ran.json(), counts(3, 6, 12, 0, 0));
    assert_eq!(ran.stdout.lines().count(), 1, "one object for all files");
    lake.compact(&[]);
    assert_eq!(lake.strikes("SPY", "2025-01-15").len(), 8);
    assert_eq!(lake.strikes("SPY", "2025-01-16").len(), 4);
    let told = lake.run(&["ingest", "greeks", &first, &second]).ends(0).stdout;
    assert_eq!(told.lines().count(), 3, "a line a file and one for all: {told}");
}

fn a_missing_file_fails_and_the_others_go_in(lake: &Lake) {
    let good = lake.file("a.jsonl", minutes(0..3).join("\n"));
    let ran = lake.run(&["ingest", "greeks", "--json", "no/such/file", &good]).ends(1);
    assert!(ran.stderr.contains("no/such/file"), "{}", ran.stderr);
    assert_eq!(ran.json(), counts(1, 3, 6, 0, 0));
}
