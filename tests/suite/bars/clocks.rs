//! Whose clock a time is, which end of a bar it stamps, and the two nights on which clocks change.

use super::{HEADER, manifest, row, rows, take, told};
use crate::pitlake_binary::{Lake, on_every_store};

on_every_store!(both_ends_of_a_bar, a_sunday_evening_belongs_to_monday, both_hours_of_an_autumn_night);

const PRICES: [f64; 4] = [100.0, 101.0, 99.0, 100.0];

fn bar(time: &str) -> String {
    format!("{time},100,101,99,100,7\n")
}

fn both_ends_of_a_bar(lake: &Lake) {
    let file = format!("{HEADER}{}{}", bar("2025-01-15 09:35:00"), bar("2025-01-15 09:40:00"));
    let at = |lake: &Lake| -> Vec<String> { rows(lake, "SPY", "2025-01-15").into_iter().map(|row| row.at).collect() };
    take(lake, "SPY", &["--tz", "America/New_York"], &file);
    lake.compact(&["bars"]);
    assert_eq!(at(lake), ["2025-01-15T14:35:00Z", "2025-01-15T14:40:00Z"]);
    assert_eq!(rows(lake, "SPY", "2025-01-15")[0], row("2025-01-15T14:35:00Z", PRICES, 7.0, 5));
    // The same file again, the other way: it replaces what was made of the same rows.
    take(lake, "SPY", &["--tz", "America/New_York", "--stamp", "end"], &file);
    lake.compact(&["bars"]);
    assert_eq!(at(lake), ["2025-01-15T14:30:00Z", "2025-01-15T14:35:00Z"]);
    assert_eq!(told(&manifest(lake, "SPY", "2025-01-15"), "withdrawn"), 2);
}

fn a_sunday_evening_belongs_to_monday(lake: &Lake) {
    // 18:00 in New York is 23:00 UTC in winter and 22:00 in summer; an end-stamped 18:00 would be the hour's break.
    let times = ["2025-01-12 23:01:00", "2025-01-12 23:02:00", "2025-07-13 22:01:00", "2025-07-13 22:02:00"];
    let file = format!("{HEADER}{}", times.map(bar).concat());
    take(lake, "NQ", &["--tz", "UTC", "--stamp", "end"], file);
    lake.compact(&["bars"]);
    for (date, open) in [("2025-01-13", "2025-01-12T23:00:00Z"), ("2025-07-14", "2025-07-13T22:00:00Z")] {
        assert_eq!(rows(lake, "NQ", date)[0].at, open);
        let manifest = manifest(lake, "NQ", date);
        assert_eq!((manifest["session"]["open"].as_str(), told(&manifest, "outside_session")), (Some(open), 0));
        assert_eq!(manifest["minutes_expected"], 1380);
    }
}

fn both_hours_of_an_autumn_night(lake: &Lake) {
    // Bitcoin by a New York clock, half hours of 2024-11-03: 00:30 EDT is 04:30 UTC, and 01:00 comes twice.
    let night =
        ["00:30", "01:00", "01:30", "01:00", "01:30", "02:00"].map(|time| bar(&format!("2024-11-03 {time}:00")));
    let at = ["04:30", "05:00", "05:30", "06:00", "06:30", "07:00"].map(|time| format!("2024-11-03T{time}:00Z"));
    let new_york = ["--tz", "America/New_York", "--interval", "30m"];
    for night in [night.concat(), night.iter().rev().map(String::as_str).collect()] {
        let lake = lake.another();
        take(&lake, "BTC-USD", &new_york, format!("{HEADER}{night}"));
        lake.compact(&["bars"]);
        let found: Vec<String> = rows(&lake, "BTC-USD", "2024-11-03").into_iter().map(|row| row.at).collect();
        assert_eq!(found, at);
    }
    // One of the hours alone could be either, and 02:30 of the spring night is never shown.
    let file = format!(
        "{HEADER}{}{}",
        [&night[0], &night[1], &night[2], &night[5]].map(String::as_str).concat(),
        bar("2024-03-10 02:30:00")
    );
    let counted = take(lake, "BTC-USD", &new_york, file);
    assert_eq!((counted["documents"].as_u64(), counted["refused"].as_u64()), (Some(2), Some(3)));
    let kept = lake.objects_under("raw/_rejected/bars/");
    let kept = zstd::decode_all(&kept.values().next().expect("one")[..]).expect("zstd");
    let kept = String::from_utf8(kept).expect("text");
    assert_eq!(kept.matches("\"code\":\"ambiguous_time\"").count(), 2, "{kept}");
    assert_eq!(kept.matches("\"code\":\"nonexistent_time\"").count(), 1, "{kept}");
    lake.compact(&["bars"]);
    assert_eq!(told(&manifest(lake, "BTC-USD", "2024-11-03"), "refused_input"), 3, "told where the rows around it are");
}

#[test]
fn the_wrong_end_is_warned_about() {
    let lake = Lake::in_folder();
    let minutes = (571..=960).map(|minute| bar(&format!("2025-01-15 {:02}:{:02}:00", minute / 60, minute % 60)));
    let file = lake.file("ends.csv", format!("{HEADER}{}", minutes.collect::<String>()));
    let ran = lake.run(&["ingest", "bars", "--symbol", "SPY", "--tz", "America/New_York", &file]).ends(0);
    assert!(ran.stderr.contains("--stamp end"), "{}", ran.stderr);
    lake.compact(&["bars"]);
    let manifest = manifest(&lake, "SPY", "2025-01-15");
    assert_eq!((told(&manifest, "stamp_contradicted"), manifest["condition"].as_str()), (390, Some("degraded")));
    let right = lake.another();
    let ran =
        right.run(&["ingest", "bars", "--symbol", "SPY", "--tz", "America/New_York", "--stamp", "end", &file]).ends(0);
    assert_eq!(ran.stderr, "");
    right.compact(&["bars"]);
    assert_eq!(super::manifest(&right, "SPY", "2025-01-15")["condition"], "available");
}
