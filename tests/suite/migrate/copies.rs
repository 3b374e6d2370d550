//! Copies of one session, and what cannot be read: the account of both.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Archive, clean, fates, set_aside, with};
use crate::pitlake_binary::{Lake, on_every_store};
use crate::server::Server;

on_every_store!(
    the_better_copy_stands_for_both,
    a_copy_of_a_doubtful_record_is_doubtful,
    two_in_one_file_are_two_records,
    what_cannot_be_read_is_told
);

fn of(records: &[Value]) -> Vec<(&str, &str)> {
    records.iter().map(|record| (record["file"].as_str().unwrap(), record["fate"].as_str().unwrap())).collect()
}

/// The first of the two in the archive's order is named after another day than it holds.
fn the_better_copy_stands_for_both(lake: &Lake) {
    let archive = Archive::new(
        lake,
        &[
            ("NQ_2025-01-13.json", clean("2025-01-14").to_string()),
            ("NQ_2025-01-14.json", clean("2025-01-14").to_string()),
        ],
    );
    for (fate, _) in [("imported", 1), ("already_imported", 2)] {
        let (records, account) = archive.migrate(&[]);
        assert_eq!(of(&records), [("NQ_2025-01-13.json", "duplicate"), ("NQ_2025-01-14.json", fate)]);
        assert_eq!(records[0]["codes"], json!(["file_date_differs"]));
        assert_eq!(account["sessions"][0]["covered"], 1);
    }
    assert_eq!(Server::over(lake).get("/api/v1/tpo/NQ/2025-01-14").ok().json()["poc"], clean("2025-01-14")["poc"]);
    lake.is_sound();
}

fn a_copy_of_a_doubtful_record_is_doubtful(lake: &Lake) {
    let doubtful = with(clean("2025-01-14"), "session_type", json!("rotational")).to_string();
    let archive = Archive::new(lake, &[("a.json", doubtful.clone()), ("b.json", doubtful)]);
    let (records, account) = archive.migrate(&[]);
    assert_eq!(of(&records), [("a.json", "quarantined"), ("b.json", "quarantined")]);
    assert_eq!(account["sessions"][0]["open"], json!(["2025-01-14"]));
    assert_eq!(set_aside(lake).len(), 2, "each with its reason");
}

fn two_in_one_file_are_two_records(lake: &Lake) {
    let wrong = with(clean("2025-01-15"), "poc", json!(20_000.0));
    let records = json!([clean("2025-01-14"), clean("2025-01-14"), wrong, wrong, clean("2025-01-16")]);
    let archive = Archive::new(lake, &[("a.json", records.to_string())]);
    let (_, account) = archive.migrate(&[]);
    assert_eq!(fates(&account), BTreeMap::from([("duplicate", 1), ("imported", 2), ("quarantined", 2)]));
    assert_eq!(lake.objects_under("raw/legacy_tpo/").len(), 3, "one capture a date");
    lake.is_sound();
}

fn what_cannot_be_read_is_told(lake: &Lake) {
    let archive = Archive::new(lake, &[("a.json", clean("2025-01-14").to_string())]);
    // Damaged compression: as good as a file without rights, and the same for every user.
    let damaged = lake.work().join("archive/b.json.gz");
    std::fs::write(&damaged, b"\x1f\x8b\x08\0\0\0").expect("a file");
    let ran = lake.run(&["migrate", "legacy-tpo", "archive", "--json"]).ends(1);
    let account = ran.json_lines().pop().expect("an account");
    assert_eq!(fates(&account), BTreeMap::from([("imported", 1), ("rejected", 1)]));
    let unread = account["unread_files"][0].as_str().expect("a text");
    assert!(unread.starts_with("b.json.gz: ") && unread.ends_with("(file_unreadable)"), "{unread}");
    // Of another symbol or not: nobody can tell.
    let ran = lake.run(&["migrate", "legacy-tpo", "archive", "--symbol", "NQ"]).ends(1);
    assert!(ran.stdout.contains("CANNOT BE READ: b.json.gz"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("every record is accounted for"), "{}", ran.stdout);
    std::fs::remove_file(damaged).expect("the file");
    assert_eq!(fates(&archive.migrate(&[]).1), BTreeMap::from([("already_imported", 1)]));
}
