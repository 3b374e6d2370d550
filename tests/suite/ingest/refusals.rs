//! Each kind of refusal: the exit code, the counts, the reason that names document, line and field, and the good
//! documents of the same file, which go in.

use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, nested, on_every_store};

on_every_store!(
    each_fault_is_refused_with_its_place_and_field,
    each_fault_of_a_csv_row_is_refused_with_its_place_and_field,
    an_unknown_symbol_says_how_to_add_it_and_adding_it_works,
    only_refused_input_leaves_no_capture_and_fails,
    strict_fails_on_any_refusal_and_still_takes_the_rest,
    a_csv_without_its_columns_is_not_read_at_all,
);

/// A document with one field replaced: `base` has each field once.
fn with(field: &str, value: &str) -> String {
    let fields = [
        ("timestamp", r#""2025-01-15T14:32:00Z""#),
        ("symbol", r#""SPY""#),
        ("expiration", r#""2025-01-17""#),
        ("strike", "580.5"),
        ("gamma_exposure", "1"),
        ("vanna_exposure", "2"),
        ("charm_exposure", "3"),
    ];
    let mut all: Vec<(&str, &str)> = fields.into_iter().filter(|(name, _)| *name != field).collect();
    if !value.is_empty() {
        all.push((field, value));
    }
    let all: Vec<String> = all.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", all.join(","))
}

fn strikes(rows: &str) -> String {
    format!(r#"{{"timestamp":"2025-01-15T14:32:00Z","symbol":"SPY","expiration":"2025-01-17","strikes":{rows}}}"#)
}

/// (document, code, field to blame): `None` where no field can be told.
fn faults() -> Vec<(String, &'static str, Option<&'static str>)> {
    let some = |document: String, code, field| (document, code, Some(field));
    let row = |row: &str| strikes(&format!(r#"[{{"strike":580,"gamma":1}},{row}]"#));
    vec![
        (with("symbol", r#""SPY"#), "not_json", None),
        (r#"{"timestamp":"2025-01-15T14:32:00Z","symbol":"SPY""#.into(), "not_json", None),
        ("hello there".into(), "not_json", None),
        (with("gamma_exposure", "NaN"), "not_json", None),
        (with("gamma_exposure", "-Infinity"), "not_json", None),
        ("17".into(), "wrong_type", None),
        (r#"["a","b"]"#.into(), "wrong_type", None),
        some(with("timestamp", ""), "field_missing", "timestamp"),
        some(with("symbol", ""), "field_missing", "symbol"),
        some(with("expiration", ""), "field_missing", "expiration"),
        some(with("strike", ""), "field_missing", "strikes"),
        some(row(r#"{"gamma":1}"#), "field_missing", "strikes[1].strike"),
        some(with("timestamp", "1736951520"), "wrong_type", "timestamp"),
        some(with("symbol", "5"), "wrong_type", "symbol"),
        some(with("expiration", "20250117"), "wrong_type", "expiration"),
        some(with("strike", r#""580""#), "wrong_type", "strike"),
        some(with("vanna_exposure", r#""2""#), "wrong_type", "vanna_exposure"),
        some(with("gamma_exposure", r#""NaN""#), "wrong_type", "gamma_exposure"),
        some(with("spot", "true"), "wrong_type", "spot"),
        some(strikes("{}"), "wrong_type", "strikes"),
        some(row("580"), "wrong_type", "strikes[1]"),
        some(row(r#"{"strike":581,"charm":[]}"#), "wrong_type", "strikes[1].charm"),
        some(with("charm_exposure", "9000000000000001"), "number_out_of_range", "charm_exposure"),
        some(with("charm_exposure", "-9.1e15"), "number_out_of_range", "charm_exposure"),
        some(row(r#"{"strike":581,"vanna":1e300}"#), "number_out_of_range", "strikes[1].vanna"),
        some(with("strike", "1e16"), "number_out_of_range", "strike"),
        some(with("spot", "1e16"), "number_out_of_range", "spot"),
        some(with("gamma_exposure", "1e400"), "number_out_of_range", "gamma_exposure"),
        some(with("spot", "-1e999"), "number_out_of_range", "spot"),
        some(row(r#"{"strike":581,"gamma":1,"charm":1e400}"#), "number_out_of_range", "strikes[1].charm"),
        some(with("strike", "0"), "strike_not_positive", "strike"),
        some(with("strike", "-0.0"), "strike_not_positive", "strike"),
        some(row(r#"{"strike":-580,"gamma":1}"#), "strike_not_positive", "strikes[1].strike"),
        some(with("spot", "0"), "spot_not_positive", "spot"),
        some(with("timestamp", r#""2025-01-15T14:32:00""#), "timestamp_without_zone", "timestamp"),
        some(with("timestamp", r#""2025-01-15 14:32""#), "timestamp_without_zone", "timestamp"),
        some(with("timestamp", r#""yesterday""#), "timestamp_malformed", "timestamp"),
        some(with("timestamp", r#""2025-02-30T14:32:00Z""#), "timestamp_malformed", "timestamp"),
        some(with("timestamp", r#""0001-01-01T00:00:00Z""#), "timestamp_malformed", "timestamp"),
        some(with("expiration", r#""17.01.2025""#), "expiration_malformed", "expiration"),
        some(with("expiration", r#""2025-02-30""#), "expiration_malformed", "expiration"),
        some(with("expiration", r#""2025-01-14""#), "expiration_before_date", "expiration"),
        some(with("symbol", r#""spy""#), "symbol_malformed", "symbol"),
        some(with("symbol", r#""../../etc""#), "symbol_malformed", "symbol"),
        some(with("symbol", r#""""#), "symbol_malformed", "symbol"),
        some(with("symbol", r#""NOSUCH""#), "symbol_unknown", "symbol"),
        some(row(r#"{"strike":581}"#), "no_greek", "strikes[1].strike"),
        some(row(r#"{"strike":581,"gamma":null,"vanna":null,"charm":null}"#), "no_greek", "strikes[1].strike"),
        some(strikes("[]"), "no_strikes", "strikes"),
        some(strikes(r#"[{"strike":1,"gamma":1}],"strike":580"#), "two_shapes", "strike"),
        some(with("symbol", r#""SPY","symbol":"QQQ""#), "field_twice", "symbol"),
        some(row(r#"{"strike":581,"gamma":1,"gamma":2}"#), "field_twice", "gamma"),
    ]
}

/// The refused lines that the lake keeps.
fn rejected(lake: &Lake) -> Vec<Value> {
    let kept = lake.objects_under("raw/_rejected/greeks/date=");
    let mut lines = Vec::new();
    for bytes in kept.values() {
        let text = zstd::decode_all(bytes.as_ref()).expect("zstd");
        let text = String::from_utf8(text).expect("UTF-8");
        lines.extend(text.lines().map(|line| serde_json::from_str(line).expect("JSON")));
    }
    lines
}

fn each_fault_is_refused_with_its_place_and_field(lake: &Lake) {
    let faults = faults();
    let good =
        |minute: usize| nested(&format!("2025-01-15T15:{minute:02}:00Z"), "2025-01-17", None, &[(580.0, 1, 2, 3)]);
    let mut lines = Vec::new();
    for (at, (document, ..)) in faults.iter().enumerate() {
        lines.push(good(at));
        lines.push(document.clone());
    }
    let good_ones = faults.len();
    let counts = lake.ingest_lines(&lines);
    let told = rejected(lake);
    for (at, (document, code, field)) in faults.iter().enumerate() {
        let Some(told) = told.get(at) else { panic!("{code} was not refused: {document}") };
        let place = format!("document {0}, line {0}", 2 * at + 2);
        assert_eq!((&told["text"], &told["place"]), (&json!(document), &json!(place)), "{told}");
        assert_eq!((&told["code"], told["field"].as_str()), (&json!(code), *field), "{told}");
        let reason = told["reason"].as_str().expect("a reason");
        assert!(reason.len() > 10, "{told}");
        assert!(told["received_at"].is_string());
    }
    let expected =
        json!({"captures": 1, "documents": good_ones, "rows": good_ones, "duplicates": 0, "refused": good_ones});
    assert_eq!(counts, expected);
    lake.compact(&[]);
    lake.is_sound();
    assert_eq!(lake.strikes("SPY", "2025-01-15").len(), good_ones);
    let manifest = lake.manifest("SPY", "2025-01-15");
    assert_eq!(manifest["counts"]["refused"], good_ones);
    assert_eq!(manifest["condition"], "degraded");
}

fn each_fault_of_a_csv_row_is_refused_with_its_place_and_field(lake: &Lake) {
    let rows = [
        ("2025-01-15T15:01:00Z,SPY,2025-01-17,580,1,2,3", None),
        ("2025-01-15T15:02:00Z,SPY,2025-01-17,580,1,2", Some(("row_length", None))),
        ("2025-01-15T15:03:00Z,SPY,2025-01-17,580,one,2,3", Some(("wrong_type", Some("gamma_exposure")))),
        ("2025-01-15T15:04:00Z,SPY,2025-01-17,580,NaN,2,3", Some(("number_out_of_range", Some("gamma_exposure")))),
        ("2025-01-15T15:05:00Z,SPY,2025-01-17,580,inf,2,3", Some(("number_out_of_range", Some("gamma_exposure")))),
        ("2025-01-15T15:06:00Z,SPY,2025-01-17,580,1e400,2,3", Some(("number_out_of_range", Some("gamma_exposure")))),
        ("2025-01-15T15:07:00Z,SPY,2025-01-17,,1,2,3", Some(("field_missing", Some("strikes")))),
        ("2025-01-15T15:08:00Z,SPY,2025-01-17,580,,,", Some(("no_greek", Some("strike")))),
        ("2025-01-15 15:09:00,SPY,2025-01-17,580,1,2,3", Some(("timestamp_without_zone", Some("timestamp")))),
        ("2025-01-15T15:10:00Z,SPY,2025-01-17,580,9e15,-9e15,", None),
        ("2025-01-15T15:11:00Z,NOSUCH,2025-01-17,580,1,2,3", Some(("symbol_unknown", Some("symbol")))),
    ];
    let mut text = "timestamp,symbol,expiration,strike,gamma_exposure,vanna_exposure,charm_exposure\n".to_owned();
    rows.iter().for_each(|(row, _)| text.extend([row, "\n"]));
    let counts = lake.ingest(&lake.file("rows.csv", text));
    let told = rejected(lake);
    let faults = rows.iter().enumerate().filter_map(|(at, (_, fault))| fault.map(|fault| (at, fault)));
    for ((at, (code, field)), told) in faults.zip(&told) {
        assert_eq!(told["place"], format!("document {}, line {}", at + 1, at + 2), "{told}");
        assert_eq!((&told["code"], told["field"].as_str()), (&json!(code), field), "{told}");
    }
    assert_eq!(counts, json!({"captures": 1, "documents": 2, "rows": 2, "duplicates": 0, "refused": 9}));
    assert_eq!(told.len(), 9);
    lake.compact(&[]);
    let greeks: Vec<_> = lake.strikes("SPY", "2025-01-15").iter().map(|row| row.greeks).collect();
    let most = 9_000_000_000_000_000;
    assert_eq!(greeks, [[Some(1), Some(2), Some(3)], [Some(most), Some(-most), None]]);
}

fn an_unknown_symbol_says_how_to_add_it_and_adding_it_works(lake: &Lake) {
    let line = r#"{"timestamp":"2025-01-15T15:00:00Z","symbol":"KO","expiration":"2025-01-17","strike":62.5,"gamma_exposure":5}"#;
    let file = lake.file("ko.jsonl", line);
    let ran = lake.run(&["ingest", "greeks", "--json", &file]).ends(1);
    assert_eq!(ran.json(), json!({"captures": 0, "documents": 0, "rows": 0, "duplicates": 0, "refused": 1}));
    let told = rejected(lake);
    assert!(told[0]["reason"].as_str().expect("a reason").contains("_config/instruments.toml"), "{}", told[0]);
    let entry = "[KO]\nname = \"Coca-Cola\"\nasset_class = \"stock\"\ntick_size = \"0.01\"\nrow_ticks = 10\ntpo_period_minutes = 30\n\
                 option_multiplier = 100\ntime_zone = \"America/New_York\"\ncalendar = \"nyse\"\n\
                 sessions = { rth = \"09:30-16:00\" }\ndefault_session = \"rth\"\n";
    lake.plant("_config/instruments.toml", entry);
    assert_eq!(lake.ingest(&file)["rows"], 1);
    lake.compact(&[]);
    assert_eq!(lake.strikes("KO", "2025-01-15").len(), 1);
    assert_eq!(lake.manifest("KO", "2025-01-15")["minutes_expected"], 390);
    lake.is_sound();
}

fn only_refused_input_leaves_no_capture_and_fails(lake: &Lake) {
    let file = lake.file("bad.jsonl", with("strike", "0") + "\n" + &with("symbol", ""));
    let ran = lake.run(&["ingest", "greeks", "--json", &file]).ends(1);
    assert_eq!(ran.json(), json!({"captures": 0, "documents": 0, "rows": 0, "duplicates": 0, "refused": 2}));
    assert_eq!(rejected(lake).len(), 2);
    assert!(lake.objects_under("raw/greeks/").is_empty());
    let kept = lake.objects();
    let again = lake.run(&["ingest", "greeks", "--json", &file]).ends(1);
    assert_eq!(again.json()["refused"], 2);
    assert!(lake.objects() == kept, "refused input is kept once");
}

fn strict_fails_on_any_refusal_and_still_takes_the_rest(lake: &Lake) {
    let file = lake.file("mixed.jsonl", with("strike", "580") + "\n" + &with("strike", "0"));
    let ran = lake.run(&["ingest", "greeks", "--json", "--strict", &file]).ends(1);
    assert_eq!(ran.json(), json!({"captures": 1, "documents": 1, "rows": 1, "duplicates": 0, "refused": 1}));
    lake.run(&["ingest", "greeks", &file]).ends(0);
    let clean = lake.file("clean.jsonl", with("strike", "590"));
    lake.run(&["ingest", "greeks", "--strict", &clean]).ends(0);
}

fn a_csv_without_its_columns_is_not_read_at_all(lake: &Lake) {
    for (header, says) in [
        ("timestamp,symbol,strike,gamma_exposure", "'expiration'"),
        ("timestamp,symbol,expiration,strike,strike,gamma_exposure", "two columns named 'strike'"),
    ] {
        let file = lake.file("rows.csv", format!("{header}\n1,2,3,4,5,6\n"));
        let ran = lake.run(&["ingest", "greeks", "--json", &file]).ends(1);
        assert!(ran.stderr.contains(says) && ran.stderr.contains("rows.csv"), "{}", ran.stderr);
    }
    assert!(lake.objects().is_empty());
}
