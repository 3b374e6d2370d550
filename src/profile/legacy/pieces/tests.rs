//! Which records are found in which text.

use proptest::prelude::*;

use super::*;

const NQ: &str = r#"{"symbol":"NQ","date":"2025-01-15","poc":3,"vah":4}"#;
const ES: &str = r#"{"symbol":"ES","date":"2025-01-16","poc":5,"vah":6}"#;

/// Each piece as `poc` of a record, or as the code of what is bad.
fn found(text: &str) -> Vec<String> {
    let pieces = pieces(text);
    for pair in pieces.windows(2) {
        assert!(pair[0].range.end <= pair[1].range.start, "{text}: {pair:?}");
    }
    let told = |piece: &Piece| match &piece.content {
        Content::Record(read) => read.record.poc.unwrap_or_default().to_string(),
        Content::Bad(finding) => finding.code.to_string(),
    };
    pieces.iter().map(told).collect()
}

#[test]
fn records_are_found_in_every_wrapping() {
    for text in [
        format!("[{NQ},{ES}]"),
        format!("[[{NQ}],[[{ES}]]]"),
        format!("{NQ}\n{ES}\n"),
        format!("{NQ}{ES}"),
        format!("{NQ},\n{ES},\n"),
        format!("\u{feff}// head\n{NQ} /* and */ {ES} // tail"),
        format!(r#"{{"data":[{NQ},{ES}]}}"#),
        format!(r#"{{"data":[{NQ},{ES},]}}"#),
        format!(r#"{{"count":2,"symbols":["NQ","ES"],"meta":{{"by":"me"}},"data":{{"sessions":[{NQ},{ES}]}}}}"#),
        format!(r#"{{"2025-01-15":{NQ},"2025-01-16":{ES}}}"#),
        format!(r#"{{"NQ":{{"2025-01-15":{NQ}}},"ES":[{ES}]}}"#),
    ] {
        assert_eq!(found(&text), ["3", "5"], "{text}");
    }
}

#[test]
fn what_is_around_a_record_is_kept() {
    let text = r#"{"symbol":"NQ","days":{"2025-01-15":{"poc":3,"vah":4}}}"#;
    let piece = pieces(text).remove(0);
    assert_eq!(piece.around.symbol.as_deref(), Some("NQ"));
    assert_eq!(piece.around.keys, ["days", "2025-01-15"]);
}

#[test]
fn what_is_broken_spoils_only_itself() {
    for (text, expected) in [
        (format!("[{NQ},{{\"symbol\":\"ES\",\"date\":\"2025"), vec!["3", "truncated"]),
        (format!("[{NQ},{ES}"), vec!["3", "5"]),
        (format!("{{\"data\":[{NQ},{ES}"), vec!["3", "5"]),
        (format!("{{\"data\":[{NQ},{{\"symbol\":\"ES\",\"date\":\"2025-01-16\",\"poc\":"), vec!["3", "truncated"]),
        (NQ[..40].to_owned(), vec!["truncated"]),
        (format!("{}\n{ES}\n", &NQ[..40]), vec!["truncated", "5"]),
        (format!("{NQ}\n{}\n{ES}\n", &NQ[..15]), vec!["3", "truncated", "5"]),
        (format!("{}\n{ES}\n", NQ.replace(":3", "::3")), vec!["not_json", "5"]),
        (format!("[{NQ},null,7,{ES}]"), vec!["3", "not_a_record", "not_a_record", "5"]),
        (format!(r#"{{"2025-01-15":{NQ},"2025-01-16":null}}"#), vec!["3", "not_a_record"]),
        (String::new(), vec!["empty_file"]),
        (" \n ".to_owned(), vec!["empty_file"]),
        ("[]".to_owned(), vec!["no_record"]),
        ("{}".to_owned(), vec!["no_record"]),
        (r#"{"version":1}"#.to_owned(), vec!["no_record"]),
        ("[{}]".to_owned(), vec!["not_a_record"]),
        ("// nothing".to_owned(), vec!["no_record"]),
        ("null".to_owned(), vec!["not_a_record"]),
        ("}".to_owned(), vec!["not_json"]),
        (format!("}}\n{NQ}"), vec!["not_json", "3"]),
    ] {
        assert_eq!(found(&text), expected, "{text}");
    }
}

#[test]
fn a_period_or_a_range_is_no_record() {
    let cut = "{\n\"symbol\": \"NQ\",\n\"date\": \"2025-01-15\",\n\"tpo_structure\": [\n{\"period\": \"A\", \"high\": 2, \"low\": 1},\n{\"period\": \"B\", \"hi";
    assert_eq!(found(cut), ["truncated"]);
    let beside = format!(r#"{{"symbol":"NQ","range":{{"high":1,"low":2}},"days":[{NQ}]}}"#);
    assert_eq!(found(&beside), ["3"]);
}

#[test]
fn lines_are_counted_for_what_is_bad() {
    let text = format!("[\n{NQ},\n\n{{\"symbol\":\"ES\",\n\"poc\":::1}},\n{ES}\n]");
    let told: Vec<String> = pieces(&text)
        .into_iter()
        .filter_map(|piece| match piece.content {
            Content::Bad(finding) => Some(finding.evidence),
            Content::Record(_) => None,
        })
        .collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("line 5: "), "{told:?}");
}

#[test]
fn deep_nesting_is_told() {
    assert_eq!(found(&"[".repeat(100_000)), ["truncated"]);
    assert_eq!(found(&("[".repeat(100) + &"]".repeat(100))), ["not_json"]);
    let deep = format!(r#"{{"poc":1,"vah":2,"x":{}1{}}}"#, "[".repeat(2000), "]".repeat(2000));
    assert_eq!(found(&deep), ["not_json"]);
}

#[test]
fn much_that_is_broken_takes_no_longer_than_it_should() {
    // A search behind every broken line to the end of the text would take hours.
    let text = "{\"symbol\":\"NQ\",\"date\":[\n".repeat(40_000);
    assert!(!found(&text).is_empty());
}

proptest! {
    #[test]
    fn any_text_has_pieces(text in "[\\[\\]{}\",:'/* \\\\a1\né\u{feff}]{0,80}") {
        prop_assert!(!pieces(&text).is_empty());
    }

    #[test]
    fn any_cut_of_an_archive_has_pieces(cut in 0usize..200, put in "[\\[\\]{}\",:'\\\\\n]{0,3}") {
        let text = format!("[\n{NQ},\n{ES}\n]");
        let cut = cut.min(text.len());
        let text = format!("{}{put}{}", &text[..cut], &text[(cut + 1).min(text.len())..]);
        prop_assert!(!found(&text).is_empty());
    }
}
