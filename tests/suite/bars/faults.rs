//! Rows that are no bars, and the generator's faults: each is refused or flagged, with its code, and none is lost.

use std::collections::BTreeMap;

use pitlake::bars::generate::Truth;
use serde_json::{Value, json};

use super::{HEADER, NEW_YORK, counts, manifest, take, told};
use crate::pitlake_binary::{Lake, on_every_store};

on_every_store!(each_planted_fault_is_found, what_is_no_bar_is_kept_with_its_reason);

const REFUSED: [&str; 4] = ["ohlc_order", "not_a_number", "negative_volume", "field_missing"];

fn each_planted_fault_is_found(lake: &Lake) {
    for (symbol, more, ending) in
        [("SPY", &[][..], "parquet"), ("NQ", &NEW_YORK[..], "csv.gz"), ("BTC-USD", &[], "jsonl.zst")]
    {
        let lake = lake.another();
        let out = format!("bars.{ending}");
        let generate = [
            "generate",
            "bars",
            "--symbol",
            symbol,
            "--start",
            "2025-01-10",
            "--end",
            "2025-01-14",
            "--stamp",
            "end",
            "--defects",
            "--out",
            &out,
        ];
        lake.run(&generate).ends(0);
        let truth = std::fs::read(lake.work().join(format!("{out}.truth.json"))).expect("the truth");
        let truth: Truth = serde_json::from_slice(&truth).expect("the truth");
        let ingest = [&["ingest", "bars", "--json", "--symbol", symbol, "--stamp", "end"], more, &[&out[..]]].concat();
        let counted = lake.run(&ingest).ends(0).json();
        assert_eq!(
            counted["documents"].as_u64().zip(counted["refused"].as_u64()).map(|(a, b)| a + b),
            Some(truth.rows)
        );
        lake.compact(&["bars"]);
        for (date, day) in &truth.days {
            let manifest = manifest(&lake, symbol, &date.to_string());
            let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
            for planted in &day.planted {
                let code =
                    if REFUSED.contains(&planted.code.as_str()) { "refused_input" } else { planted.code.as_str() };
                *expected.entry(code).or_default() += u64::from(planted.count);
            }
            expected.insert("missing_minutes", day.missing_minutes.into());
            let reasons = manifest["reasons"].as_array().expect("a list").iter();
            let found: BTreeMap<&str, u64> = reasons
                .map(|reason| (reason["code"].as_str().expect("a code"), reason["count"].as_u64().expect("a count")))
                .collect();
            assert_eq!(found, expected, "{symbol} {date}");
            assert_eq!(
                (manifest["rows"].as_u64(), manifest["counts"]["rows_in"].as_u64()),
                (Some(day.rows), Some(day.rows_in))
            );
            for planted in &day.planted {
                let flagged = &manifest["details"]["flagged"][&planted.code];
                let at = planted.timestamp.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
                let named = flagged.as_array().is_none_or(|bars| bars.iter().any(|bar| bar["timestamp"] == json!(at)));
                assert!(named, "{symbol} {date} {}: {flagged}", planted.code);
            }
        }
    }
}

fn what_is_no_bar_is_kept_with_its_reason(lake: &Lake) {
    let good = |minute: u32| format!("2025-01-15 09:{minute}:00,100,101,99,100,5\n");
    let bad = [
        ("2025-01-15 09:31:00,100,99,101,100,5", "ohlc_order"),
        ("2025-01-15 09:32:00,100,101,99,102,5", "ohlc_order"),
        ("2025-01-15 09:33:00,100,101,99,,5", "field_missing"),
        ("2025-01-15 09:34:00,100,101,99,1OO,5", "not_a_number"),
        ("2025-01-15 09:35:00,100,inf,99,100,5", "not_a_number"),
        ("2025-01-15 09:36:00,100,101,0,100,5", "price_not_positive"),
        ("2025-01-15 09:37:00,100,101,99,100,-5", "negative_volume"),
        ("2025-01-15 09:38:30,100,101,99,100,5", "not_a_minute"),
        ("15/01/2025 09:39,100,101,99,100,5", "not_a_time"),
        ("2025-01-15 09:40:00,\"1,000\",101,99,100,5", "not_a_number"),
        ("2025-01-15 09:41:00,1,000,101,99,100,5", "row_length"),
    ];
    let rows: String = bad.iter().map(|(row, _)| format!("{row}\n")).collect();
    let file = format!("{HEADER}{}{rows}{}{}", good(30), good(50), good(51));
    assert_eq!(take(lake, "SPY", &["--tz", "America/New_York", "--interval", "1m"], file), counts(1, 3, 3, 0, 11));
    let kept = lake.objects_under("raw/_rejected/bars/");
    let kept = zstd::decode_all(&kept.values().next().expect("one")[..]).expect("zstd");
    let kept: Vec<Value> =
        String::from_utf8(kept).expect("text").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for (at, (line, (row, code))) in kept.iter().zip(bad).enumerate() {
        assert_eq!(line["code"], code, "{row}");
        assert_eq!(line["place"], format!("row {}, line {}", at + 2, at + 3), "{row}");
        assert_eq!(line["text"].as_str().expect("a text").replace(',', ""), row.replace([',', '"'], ""), "{row}");
        assert!(line["reason"].as_str().is_some_and(|reason| reason.len() > 10), "{row}");
    }
    lake.compact(&["bars"]);
    let manifest = manifest(lake, "SPY", "2025-01-15");
    assert_eq!((told(&manifest, "refused_input"), &manifest["condition"]), (11, &json!("degraded")));
    assert_eq!(manifest["gaps"][0]["cause"], "refused_input");
}

#[test]
fn strict_fails_on_any_refusal_and_nothing_good_fails_always() {
    let lake = Lake::in_folder();
    let good = lake.file(
        "good.csv",
        format!("{HEADER}2025-01-15 09:30:00,1,1,1,1,1\n2025-01-15 09:31:00,1,1,1,1,1\nx,1,1,1,1,1\n"),
    );
    let bad = lake.file("bad.csv", format!("{HEADER}x,1,1,1,1,1\n"));
    let empty = lake.file("empty.csv", "");
    let run =
        |more: &[&str]| lake.run(&[&["ingest", "bars", "--symbol", "SPY", "--tz", "America/New_York"], more].concat());
    run(&["--strict", &good]).ends(1);
    run(&[&good]).ends(0);
    run(&[&bad]).ends(1);
    let ran = run(&[&empty]).ends(1);
    assert!(ran.stderr.contains("no document"), "{}", ran.stderr);
}
