//! Both shapes, CSV, every packing and every layout of the same rows are the same rows.

use std::io::Write;

use serde_json::json;

use crate::pitlake_binary::{Lake, StrikeRow, days, micros, nested, on_every_store, without_footer};

on_every_store!(
    both_shapes_and_csv_make_the_same_rows,
    every_packing_is_the_same_capture,
    every_layout_is_the_same_capture,
    another_spelling_of_a_symbol_is_its_instrument,
    a_source_time_is_floored_to_its_minute,
);

const NESTED: &str = r#"{"timestamp":"2025-01-15T14:32:00-05:00","symbol":"SPY","expiration":"2025-01-17","spot":588.12,"strikes":[{"strike":580.0,"gamma":-52000000,"vanna":12000000,"charm":-4500000},{"strike":585,"gamma":1500000.5,"vanna":null}]}
{"timestamp":"2025-01-15T14:33:00-05:00","symbol":"SPY","expiration":"2025-01-19","spot":588.2,"strikes":[{"strike":580.0,"charm":77}]}
"#;
const FLAT: &str = r#"{"timestamp":"2025-01-15T19:32:00Z","symbol":"SPY","expiration":"2025-01-17","spot":588.12,"strike":580.0,"gamma_exposure":-52000000,"vanna_exposure":12000000,"charm_exposure":-4500000}
{"timestamp":"2025-01-15T19:32:00Z","symbol":"SPY","expiration":"2025-01-17","spot":588.12,"strike":585.0,"gamma_exposure":1500000.5}
{"timestamp":"2025-01-15T19:33:00Z","symbol":"SPY","expiration":"2025-01-19","spot":588.2,"strike":580,"gamma_exposure":null,"vanna_exposure":null,"charm_exposure":77}
"#;
const CSV: &str = "\
symbol,timestamp,expiration,strike,charm_exposure,gamma_exposure,vanna_exposure,spot
SPY,2025-01-15T19:33:00Z,2025-01-19,580,77,,,588.2
SPY,2025-01-15T14:32:00-05:00,2025-01-17,580.0,-4500000,-52000000,12000000,588.12
SPY,2025-01-15T14:32:00-05:00,2025-01-17,585,,1500000.5,,588.12
";
const DATASETS: [&str; 3] = ["greeks/", "greeks_by_minute/", "greeks_by_day/"];

fn both_shapes_and_csv_make_the_same_rows(lake: &Lake) {
    let lakes = [lake.another(), lake.another(), lake.another()];
    for (lake, (name, text, documents)) in
        lakes.iter().zip([("nested.jsonl", NESTED, 2), ("flat.jsonl", FLAT, 3), ("rows.csv", CSV, 3)])
    {
        let counts = lake.ingest(&lake.file(name, text));
        assert_eq!(
            counts,
            json!({"captures": 1, "documents": documents, "rows": 3, "duplicates": 0, "refused": 0}),
            "{name}"
        );
        lake.compact(&[]);
        lake.is_sound();
    }
    let row = |at: &str, expiration: &str, strike, greeks| StrikeRow {
        at: micros(at),
        expiration: days(expiration),
        strike,
        greeks,
    };
    let by_hand = [
        row("2025-01-15T19:32:00Z", "2025-01-17", 580.0, [Some(-52_000_000), Some(12_000_000), Some(-4_500_000)]),
        row("2025-01-15T19:32:00Z", "2025-01-17", 585.0, [Some(1_500_000), None, None]),
        row("2025-01-15T19:33:00Z", "2025-01-19", 580.0, [None, None, Some(77)]),
    ];
    for lake in &lakes {
        assert_eq!(lake.strikes("SPY", "2025-01-15"), by_hand);
    }
    let parts = |lake: &Lake| -> Vec<Vec<u8>> {
        let all = lake.objects();
        let of_datasets = all.iter().filter(|(key, _)| DATASETS.iter().any(|dataset| key.starts_with(dataset)));
        of_datasets.map(|(_, bytes)| without_footer(bytes).to_vec()).collect()
    };
    let [first, others @ ..] = &lakes;
    assert_eq!(parts(first).len(), 3);
    for other in others {
        assert!(parts(first) == parts(other), "all but the footers, which name the captures, is the same to the byte");
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("gzip");
    encoder.finish().expect("gzip")
}

fn every_packing_is_the_same_capture(lake: &Lake) {
    let halves = NESTED.split_inclusive('\n').map(gzip).collect::<Vec<_>>().concat();
    let packed: [(&str, Vec<u8>); 5] = [
        ("day.jsonl", NESTED.into()),
        ("day.jsonl.gz", gzip(NESTED)),
        ("day.jsonl.zst", zstd::encode_all(NESTED.as_bytes(), 5).expect("zstd")),
        // The packing is told by the bytes, not by the name; gzip members may follow one another.
        ("named_wrongly.json", gzip(NESTED)),
        ("two_members.gz", halves),
    ];
    let mut ids = Vec::new();
    for (name, bytes) in &packed {
        let lake = lake.another();
        let counts = lake.ingest(&lake.file(name, bytes));
        assert_eq!(counts, json!({"captures": 1, "documents": 2, "rows": 3, "duplicates": 0, "refused": 0}), "{name}");
        ids.push(lake.objects_under("raw/").into_keys().collect::<Vec<_>>());
        let counts = lake.run_with_input(&["ingest", "greeks", "--json", "-"], bytes).ends(0).json();
        assert_eq!(counts, json!({"captures": 0, "documents": 2, "rows": 0, "duplicates": 3, "refused": 0}), "{name}");
    }
    assert!(ids.iter().all(|id| *id == ids[0] && id.len() == 1), "{ids:?}");
}

fn every_layout_is_the_same_capture(lake: &Lake) {
    let pretty = NESTED.replace(',', " ,\n   ").replace('{', "{\n  ").replace('}', "\n}").replace("\":", "\" : ");
    let array = format!("[{}]", NESTED.trim().replace('\n', ","));
    let pretty_array = format!("[\n{}\n]\n", pretty.trim().replace("\n}\n{", "\n},\n{"));
    let windows = NESTED.replace('\n', "\r\n");
    let marked = format!("\u{feff}{NESTED}");
    let blank_lines = format!("\n\n{}\n", NESTED.replace('\n', "\n\n"));
    let layouts = [
        ("pretty", &pretty),
        ("array", &array),
        ("pretty array", &pretty_array),
        ("CRLF", &windows),
        ("BOM", &marked),
        ("blank lines", &blank_lines),
    ];
    assert_eq!(lake.ingest(&lake.file("lines", NESTED))["captures"], 1);
    let before = lake.objects();
    for (name, text) in layouts {
        let counts = lake.ingest(&lake.file("same", text));
        assert_eq!(counts, json!({"captures": 0, "documents": 2, "rows": 0, "duplicates": 3, "refused": 0}), "{name}");
    }
    let without_end = lake.ingest(&lake.file("same", NESTED.trim_end()));
    assert_eq!(without_end["duplicates"], 3, "a last line without its end");
    assert!(lake.objects() == before);
}

fn another_spelling_of_a_symbol_is_its_instrument(lake: &Lake) {
    let lines: Vec<String> = ["SPX", "SPXW", "^SPX"]
        .iter()
        .zip([580, 585, 590])
        .map(|(symbol, strike)| {
            format!(r#"{{"timestamp":"2025-01-15T19:32:00Z","symbol":"{symbol}","expiration":"2025-01-17","strike":{strike},"gamma_exposure":1}}"#)
        })
        .collect();
    assert_eq!(lake.ingest_lines(&lines)["captures"], 1);
    lake.compact(&[]);
    assert_eq!(lake.strikes("SPX", "2025-01-15").len(), 3);
    assert!(lake.objects().keys().all(|key| !key.contains("SPXW")));
}

fn a_source_time_is_floored_to_its_minute(lake: &Lake) {
    let lines = [
        nested("2025-01-15T14:32:59.999999-05:00", "2025-01-17", None, &[(580.0, 1, 1, 1)]),
        nested("2025-01-15T19:33:00.000001Z", "2025-01-17", None, &[(580.0, 2, 2, 2)]),
    ];
    lake.ingest_lines(&lines);
    lake.compact(&[]);
    let minutes: Vec<i64> = lake.strikes("SPY", "2025-01-15").iter().map(|row| row.at).collect();
    assert_eq!(minutes, [micros("2025-01-15T19:32:00Z"), micros("2025-01-15T19:33:00Z")]);
}
