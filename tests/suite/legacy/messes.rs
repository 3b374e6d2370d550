//! Folders as people leave them behind.

use std::io::Write;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::{audit, folder, run};

/// A record with nothing wrong in it, worked out by hand: thirteen periods of NQ of which A trades 101 to 112, B 102 to 108, and
/// each later one 104 to 108.
///
/// So 17 prices from 104 to 108 have 13 TPOs each, the 8 from 102 to 103.75 two, and A alone the 16 from 108.25 on and the 4 below
/// 102: 221 + 16 + 20 = 257, of which 70 % are 179.9. Of the 17 the one in the middle of the range is 106.5. From there 6 prices
/// up to 108 and, as the next one up has a single TPO, 7 down to 104.75 make 14 × 13 = 182.
fn right(symbol: &str, date: &str) -> String {
    let later: Vec<String> = "CDEFGHIJKLM".chars().map(|letter| format!("\"{letter}\":[108,104]")).collect();
    format!(
        "{{\"symbol\":\"{symbol}\",\"date\":\"{date}\",\"session_type\":\"normal\",\"bias\":\"neutral\",\
         \"value_area_high\":108,\"value_area_low\":104.75,\"poc\":106.5,\"initial_balance_high\":112,\
         \"initial_balance_low\":101,\"session_high\":112,\"session_low\":101,\
         \"single_prints\":[[108.25,112],[101,101.75]],\"poor_high\":false,\"poor_low\":false,\"excess_high\":true,\
         \"excess_low\":true,\"tpo_structure\":{{\"A\":[112,101],\"B\":[108,102],{}}},\"volume\":1000,\
         \"cash_session_return\":0}}",
        later.join(",")
    )
}

#[test]
fn a_folder_of_every_shape_is_one_archive() {
    let day = |date: &str| right("NQ", date);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(day("2025-01-22").as_bytes()).expect("gzip");
    let folder = folder(&[
        ("NQ_2025-01-15.json", day("2025-01-15").as_bytes()),
        ("daily/nq-20250116.json", day("01/16/2025").as_bytes()),
        ("2025/01/17/NQ.json", day("20250117").as_bytes()),
        ("NQ_Jan2025.json", format!("[{},{}]", day("2025-01-13"), day("2025-01-14")).as_bytes()),
        ("all.jsonl", format!("{}\n{}\n", day("2025-01-21"), day("2025-01-23")).as_bytes()),
        ("deep/er/and/deeper/x.json", format!("{{\"data\":{{\"NQ\":[{}]}}}}", day("2025-01-24")).as_bytes()),
        ("by_date.json", format!("{{\"2025-01-27\":{},}}", day("2025-01-27")).as_bytes()),
        ("NQ_2025-01-22.json.gz", &gz.finish().expect("gzip")),
        ("README.md", b"# what this is"),
        (".DS_Store", b"\0\0"),
    ]);
    let told = audit(folder.path());
    for record in &told.records {
        assert_eq!(record["verdict"], "valid", "{record:#}");
        assert_eq!(record["symbol"], "NQ");
    }
    // 10 sessions; the 20th was a holiday on which NQ traded a short session, by the calendar.
    assert_eq!(
        (&told.summary["records"], &told.summary["other_files"], &told.summary["skipped"]),
        (&json!(10), &json!(1), &json!(1))
    );
    assert_eq!(told.summary["inventory"][0]["records"], 10);
    let missing = told.summary["missing"].as_array().expect("a list");
    let dates: Vec<_> = missing.iter().map(|run| (run["first"].as_str(), run["last"].as_str())).collect();
    assert_eq!(dates, [(Some("2025-01-20"), Some("2025-01-20"))]);
}

#[test]
fn what_is_clean_ends_well_and_notes_are_no_fault() {
    let folder = folder(&[("NQ_2025-01-15.json", right("nq", "2025-01-15").as_bytes())]);
    let told = audit(folder.path());
    assert_eq!(told.codes("NQ_2025-01-15.json", 0), ["symbol_spelling"]);
    assert_eq!(told.code, Some(0));
    let text = run(folder.path(), &[]).ends(0).stdout;
    assert!(text.starts_with("1 record in 1 file; 0 other files, 0 skipped"), "{text}");
    assert!(text.contains("symbol_spelling") && text.contains("nq for NQ"), "{text}");
}

#[test]
fn copies_are_told_as_the_same_or_in_conflict() {
    let day = right("NQ", "2025-01-15");
    let same = day.replace("108.25", "\"108.25 \"");
    let other = day.replace("\"volume\":1000", "\"volume\":1001");
    let one = folder(&[("a/x.json", day.as_bytes()), ("b/x.json", same.as_bytes())]);
    let told = audit(one.path());
    assert_eq!(told.codes("a/x.json", 0), Vec::<String>::new());
    assert_eq!(told.codes("b/x.json", 0), ["duplicate_identical", "number_as_text"]);
    assert_eq!(told.code, Some(0));
    let two = folder(&[("a/x.json", day.as_bytes()), ("b/x.json", other.as_bytes())]);
    let told = audit(two.path());
    for file in ["a/x.json", "b/x.json"] {
        assert_eq!(told.codes(file, 0), ["duplicate_conflict"]);
        let evidence = told.record(file, 0)["findings"][0]["evidence"].as_str().expect("text").to_owned();
        assert!(evidence.contains("volume") && !evidence.contains("poc"), "{evidence}");
    }
}

#[test]
fn what_cannot_be_read_stops_nothing() {
    let day = right("NQ", "2025-01-15");
    let folder = folder(&[
        ("a.json", b""),
        ("b.json", b"\x89PNG\r\n\x1a\n\0\0\0"),
        ("c.json", &day.as_bytes()[..day.len() / 2]),
        ("d.json", b"{]"),
        ("e.json.gz", b"\x1f\x8b\x08\0\0\0"),
        ("f.json", b"[1, null, \"x\"]"),
        ("g.json", format!("{day}\n{{\"symbol\":\"NQ\",\"da\n{day}").as_bytes()),
        ("h.json", day.replace("2025-01-15", "2025-01-18").as_bytes()),
        ("i.json", day.replace("2025-01-15", "2525-01-15").as_bytes()),
        ("j.json", day.replace("\"NQ\"", "\"ZZZ\"").as_bytes()),
        ("k.json", day.replace("2025-01-15", "soon").as_bytes()),
    ]);
    let told = audit(folder.path());
    for (file, code) in [
        ("a.json", "empty_file"),
        ("b.json", "not_text"),
        ("c.json", "truncated"),
        ("d.json", "not_json"),
        ("e.json.gz", "file_unreadable"),
        ("f.json", "not_a_record"),
        ("h.json", "closed_day"),
        ("i.json", "bad_date"),
        ("j.json", "unknown_symbol"),
        ("k.json", "bad_date"),
    ] {
        assert!(told.codes(file, 0).contains(&code.to_owned()), "{file}: {:?}", told.codes(file, 0));
        assert_eq!(told.record(file, 0)["verdict"], "rejected", "{file}");
    }
    assert_eq!(told.summary["rejected"], 10 + 2 + 1, "three of f.json, one of g.json");
    assert_eq!(told.record("g.json", 2)["line"], 3);
    assert_eq!(told.code, Some(1));
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_and_to_nowhere_stop_nothing() {
    use std::os::unix::fs::symlink;
    let folder = folder(&[("x/NQ_2025-01-15.json", right("NQ", "2025-01-15").as_bytes())]);
    symlink("..", folder.path().join("x/up")).expect("a link");
    symlink("x", folder.path().join("y")).expect("a link");
    symlink("nowhere.json", folder.path().join("gone.json")).expect("a link");
    let outside = super::folder(&[("NQ_2025-01-16.json", right("NQ", "2025-01-16").as_bytes())]);
    symlink(outside.path(), folder.path().join("more")).expect("a link");
    let told = audit(folder.path());
    let files: Vec<_> = told.records.iter().map(|record| record["file"].as_str().expect("a name")).collect();
    assert_eq!(files, ["gone.json", "more/NQ_2025-01-16.json", "x/NQ_2025-01-15.json"]);
    assert_eq!(told.codes("gone.json", 0), ["file_unreadable"]);
    assert_eq!(told.summary["skipped"], 2);
}

#[test]
fn findings_go_to_a_file_and_wrong_usage_is_told() {
    let folder = folder(&[("NQ_2025-01-15.json", right("nq", "2025-01-15").as_bytes())]);
    let out = tempfile::tempdir().expect("a folder");
    let file = out.path().join("findings.jsonl");
    run(folder.path(), &["--findings", file.to_str().expect("UTF-8")]).ends(0);
    let written = std::fs::read_to_string(&file).expect("the findings");
    let line: serde_json::Value = serde_json::from_str(written.trim()).expect("a line of JSON");
    assert_eq!(line["findings"][0]["code"], "symbol_spelling");
    let missing = run(Path::new("/nowhere/at/all"), &[]).ends(2);
    assert!(missing.stderr.contains("/nowhere/at/all"), "{}", missing.stderr);
    run(folder.path(), &["--row-ticks", "0"]).ends(2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Each case runs the program; the reader's own properties are tried far more often beside its code.
    #[test]
    fn no_bytes_stop_it(files in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20), cut in 0usize..900) {
        let day = right("NQ", "2025-01-15");
        let named: Vec<(String, Vec<u8>)> = files
            .into_iter()
            .enumerate()
            .map(|(at, noise)| {
                // Noise alone, and noise in the middle of a record.
                let cut = cut.min(day.len());
                let bytes = if at.is_multiple_of(2) { noise } else { [&day.as_bytes()[..cut], &noise, &day.as_bytes()[cut..]].concat() };
                (format!("{at}.json"), bytes)
            })
            .collect();
        let borrowed: Vec<(&str, &[u8])> = named.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let folder = folder(&borrowed);
        let told = audit(folder.path());
        prop_assert!(told.records.len() >= named.len());
    }
}
