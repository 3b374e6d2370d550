//! `pitlake profile histogram` as a person calls it: files, standard input, JSON for programs, and what is refused.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::pitlake_binary::{Ran, pitlake};

/// 100 in all; worked by hand. One-row: 30, 44, 60, 72. Two-row: 30, 60 (up), 82 (down).
const TABLE: &str = "price,volume\n10.00,5\n10.25,10\n10.50,12\n10.75,30\n11.00,14\n11.25,16\n11.50,8\n11.75,5\n";

fn over(text: &str, more: &[&str]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("table.csv");
    std::fs::write(&path, text).expect("a table");
    Ran::of(pitlake().args(["profile", "histogram"]).arg(&path).args(more).spawn().expect("the program starts"))
}

#[test]
fn json_has_both_methods() {
    let answer: Value = serde_json::from_str(&over(TABLE, &["--json"]).ends(0).stdout).expect("JSON");
    let expected = json!({
        "one-row": {"poc": 10.75, "value_area_high": 11.25, "value_area_low": 10.5},
        "two-row": {"poc": 10.75, "value_area_high": 11.25, "value_area_low": 10.25},
    });
    assert_eq!(answer, expected);
}

#[test]
fn people_get_a_table() {
    let text = over(TABLE, &[]).ends(0).stdout;
    assert_eq!(
        text,
        "8 rows of 0.25, value area of 70 %\n\
         \u{20}                     one-row       two-row\n\
         POC                     10.75         10.75\n\
         VAH                     11.25         11.25\n\
         VAL                     10.50         10.25\n\
         volume inside         72.00 %       82.00 %\n"
    );
    let text = over(TABLE, &["--share", "0.3"]).ends(0).stdout;
    assert!(text.contains("VAH                     10.75         10.75"), "{text}");
}

#[test]
fn standard_input_is_read() {
    let mut child = pitlake()
        .args(["profile", "histogram", "-", "--json"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(TABLE.replace(',', "\t").as_bytes()).expect("a reader");
    let answer: Value = serde_json::from_str(&Ran::of(child).ends(0).stdout).expect("JSON");
    assert_eq!(answer["one-row"]["poc"], 10.75);
}

#[test]
fn bad_input_is_told_by_line() {
    let refused = over("10,5\n11,-3\n", &["--json"]).ends(1);
    assert!(refused.stderr.contains("table.csv: line 2: the volume -3 is below zero"), "{}", refused.stderr);
    assert!(refused.stdout.is_empty());
    over("", &[]).ends(1);
    over(TABLE, &["--share", "0"]).ends(2);
    over(TABLE, &["--share", "1.5"]).ends(2);
    let missing =
        Ran::of(pitlake().args(["profile", "histogram", "no/such/table"]).spawn().expect("the program starts"));
    assert!(missing.ends(1).stderr.contains("no/such/table cannot be read"));
}
