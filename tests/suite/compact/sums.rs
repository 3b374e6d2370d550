//! The rollups against sums made here from the JSON lines, and against numbers worked by hand.

use std::collections::BTreeMap;

use pitlake::greeks::generate::Settings;
use serde_json::Value;

use crate::pitlake_binary::{Lake, days, generated, instant, micros, nested, on_every_store};

on_every_store!(
    minute_sums_and_day_statistics_are_those_of_the_lines,
    the_strikes_that_mattered_by_hand,
    of_several_flips_the_nearest_to_spot,
    a_greek_that_nobody_sent_stays_unknown,
);

/// (instant, expiration) to spot, sums and strikes.
type Sums = BTreeMap<(i64, i32), (Option<f64>, [i64; 3], i64)>;

/// The lines of a clean day, added up.
fn added_up(lines: &str) -> Sums {
    let mut sums = Sums::new();
    for line in lines.lines() {
        let document: Value = serde_json::from_str(line).expect("JSON");
        let text = |name: &str| document[name].as_str().expect("a text");
        let sum = sums.entry((micros(text("timestamp")), days(text("expiration")))).or_default();
        sum.0 = document["spot"].as_f64();
        for strike in document["strikes"].as_array().expect("a list") {
            for (at, name) in ["gamma", "vanna", "charm"].iter().enumerate() {
                sum.1[at] += strike[name].as_i64().expect("whole dollars");
            }
            sum.2 += 1;
        }
    }
    sums
}

fn minute_sums_and_day_statistics_are_those_of_the_lines(lake: &Lake) {
    let date = "2025-01-15".parse().expect("a date");
    let (bytes, _) = generated(&Settings { expirations: 4, strikes: 50, seed: 21, ..Settings::full_day("SPY", date) });
    lake.ingest(&lake.file("day.jsonl", &bytes));
    lake.compact(&[]);
    let expected = added_up(std::str::from_utf8(&bytes).expect("UTF-8"));
    let found: Sums = lake
        .minutes("SPY", "2025-01-15")
        .into_iter()
        .map(|row| ((row.at, row.expiration), (row.spot, row.greeks.map(|greek| greek.expect("known")), row.strikes)))
        .collect();
    assert_eq!(expected.len(), 390 * 4);
    assert!(found == expected);

    let mut totals: BTreeMap<i64, [i64; 3]> = BTreeMap::new();
    for ((at, _), (_, sums, _)) in &expected {
        let total = totals.entry(*at).or_default();
        (0..3).for_each(|greek| total[greek] += sums[greek]);
    }
    let day = lake.day("SPY", "2025-01-15");
    let spots: Vec<f64> = expected.values().filter_map(|(spot, ..)| *spot).collect();
    assert_eq!((day["minutes_expected"].as_str(), day["minutes_seen"].as_str()), ("390", "390"));
    assert_eq!(day["spot_open"].parse(), Ok(spots[0]));
    assert_eq!(day["spot_close"].parse(), Ok(spots[spots.len() - 1]));
    for (greek, name) in ["gamma", "vanna", "charm"].into_iter().enumerate() {
        let levels: Vec<(i64, i64)> = totals.iter().map(|(at, total)| (*at, total[greek])).collect();
        let lowest = levels.iter().min_by_key(|(_, level)| *level).expect("minutes");
        let highest = levels.iter().rev().max_by_key(|(_, level)| *level).expect("minutes");
        let cell = |column: &str| day[&format!("{name}_{column}")].clone();
        assert_eq!(cell("open"), levels[0].1.to_string());
        assert_eq!(cell("close"), levels[389].1.to_string());
        assert_eq!((cell("min"), cell("min_at")), (lowest.1.to_string(), instant(lowest.0)));
        assert_eq!((cell("max"), cell("max_at")), (highest.1.to_string(), instant(highest.0)));
        let mean = levels.iter().map(|(_, level)| i128::from(*level)).sum::<i128>() as f64 / 390.0;
        let found: f64 = cell("mean").parse().expect("a number");
        assert!((found - mean).abs() <= mean.abs() * 1e-12, "{name}: {found} for {mean}");
    }
    lake.is_sound();
}

fn the_strikes_that_mattered_by_hand(lake: &Lake) {
    // At the last minute, over both expirations: 570: -40, 580: -10, 585: 60, 590: 60, 595: -40, 600: 5.
    // Cumulated: -40, -50, 10, 70, 30, 35: changes sign once, at 585. Largest 60 first at 585, smallest -40 first at 570.
    lake.ingest_lines(&[
        nested("2025-01-15T20:58:00Z", "2025-01-17", Some(588.0), &[(500.0, 9_000, 1, 1)]),
        nested(
            "2025-01-15T20:59:00Z",
            "2025-01-17",
            Some(588.0),
            &[(570.0, -40, 0, 0), (585.0, 100, 0, 0), (595.0, -40, 0, 0)],
        ),
        nested(
            "2025-01-15T20:59:00Z",
            "2025-01-24",
            None,
            &[(580.0, -10, 0, 0), (585.0, -40, 0, 0), (590.0, 60, 0, 0), (600.0, 5, 0, 0)],
        ),
        // After the close: kept, and no last minute.
        nested("2025-01-15T21:00:00Z", "2025-01-17", Some(700.0), &[(400.0, -1, 0, 0), (900.0, 100, 0, 0)]),
    ]);
    lake.compact(&[]);
    let day = lake.day("SPY", "2025-01-15");
    let strikes = ["gamma_flip_strike", "gamma_top_strike", "gamma_bottom_strike"].map(|name| day[name].as_str());
    assert_eq!(strikes, ["585.0", "585.0", "570.0"]);
    assert_eq!((day["gamma_open"].as_str(), day["gamma_close"].as_str()), ("9000", "35"));
    assert_eq!((day["spot_close"].as_str(), day["minutes_seen"].as_str()), ("588.0", "2"));
    assert_eq!(
        (day["gamma_min_at"].as_str(), day["gamma_max_at"].as_str()),
        ("2025-01-15T20:59:00Z", "2025-01-15T20:58:00Z")
    );
    assert_eq!(day["gamma_mean"].parse(), Ok((9_000.0 + 35.0) / 2.0));
}

fn of_several_flips_the_nearest_to_spot(lake: &Lake) {
    // Cumulated: -1, 1, -1, 1, 0, 3: flips at 590, 600, 610; 0 is no sign, so 620 and 630 are none.
    let rows =
        [(580.0, -1, 0, 0), (590.0, 2, 0, 0), (600.0, -2, 0, 0), (610.0, 2, 0, 0), (620.0, -1, 0, 0), (630.0, 3, 0, 0)];
    let lines = [
        nested("2025-01-13T20:00:00Z", "2025-01-17", Some(606.0), &rows),
        nested("2025-01-14T20:00:00Z", "2025-01-17", Some(500.0), &rows),
        nested("2025-01-15T20:00:00Z", "2025-01-17", None, &rows),
        nested("2025-01-16T20:00:00Z", "2025-01-17", Some(600.0), &rows[1..2]),
    ];
    lake.ingest_lines(&lines);
    lake.compact(&[]);
    let flips = ["2025-01-13", "2025-01-14", "2025-01-15", "2025-01-16"]
        .map(|date| lake.day("SPY", date)["gamma_flip_strike"].clone());
    assert_eq!(flips, ["610.0", "590.0", "", ""], "several and no spot, or none at all: no answer");
}

fn a_greek_that_nobody_sent_stays_unknown(lake: &Lake) {
    let line = |at: &str, rows: &str| {
        format!(r#"{{"timestamp":"{at}","symbol":"SPY","expiration":"2025-01-17","strikes":[{rows}]}}"#)
    };
    lake.ingest_lines(&[
        line("2025-01-15T15:00:00Z", r#"{"strike":580,"gamma":0},{"strike":585,"gamma":null,"charm":7}"#),
        line("2025-01-15T15:01:00Z", r#"{"strike":580,"charm":-9}"#),
    ]);
    lake.compact(&[]);
    let rows: Vec<_> = lake.strikes("SPY", "2025-01-15").iter().map(|row| row.greeks).collect();
    assert_eq!(rows, [[Some(0), None, None], [None, None, Some(-9)], [None, None, Some(7)]], "null is not 0");
    let sums: Vec<_> = lake.minutes("SPY", "2025-01-15").iter().map(|row| (row.greeks, row.spot)).collect();
    assert_eq!(sums, [([Some(0), None, Some(7)], None), ([None, None, Some(-9)], None)]);
    let day = lake.day("SPY", "2025-01-15");
    assert_eq!((day["gamma_close"].as_str(), day["vanna_open"].as_str(), day["vanna_mean"].as_str()), ("0", "", ""));
    assert_eq!(
        (day["charm_open"].as_str(), day["charm_close"].as_str(), day["charm_mean"].as_str()),
        ("7", "-9", "-1.0")
    );
    assert_eq!((day["spot_open"].as_str(), day["gamma_top_strike"].as_str()), ("", ""), "no gamma at the last minute");
    lake.is_sound();
}
