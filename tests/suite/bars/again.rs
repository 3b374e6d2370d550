//! A file that comes in again: read otherwise, on other dates, after something that contradicts it.

use serde_json::{Value, json};

use super::{HEADER, counts, manifest, rows, take, told};
use crate::pitlake_binary::{Lake, on_every_store};

on_every_store!(
    a_file_read_otherwise_takes_the_place_of_its_first_reading,
    a_patch_with_another_stamp_takes_nothing_away,
    a_wrong_clock_leaves_no_bars_on_the_date_beside,
    the_same_file_after_something_that_contradicts_it_counts_again,
);

const START: [&str; 4] = ["--tz", "America/New_York", "--interval", "1m"];
const END: [&str; 6] = ["--tz", "America/New_York", "--interval", "1m", "--stamp", "end"];

/// Bars of 2025-01-15, one a minute from 10:00 on unless another minute is said, each with its own price.
fn file(from: u32, closes: &[f64]) -> String {
    let bar = |(at, close): (u32, &f64)| {
        let minute = 600 + from + at;
        format!("2025-01-15 {:02}:{:02}:00,{close},{close},{close},{close},{}\n", minute / 60, minute % 60, 100 + at)
    };
    (0..).zip(closes).map(bar).fold(HEADER.to_owned(), |text, bar| text + &bar)
}

/// When each bar of SPY's 2025-01-15 starts, in UTC, and its close.
fn bars(lake: &Lake) -> Vec<(String, f64)> {
    lake.compact(&["bars"]);
    rows(lake, "SPY", "2025-01-15").into_iter().map(|row| (row.at[11..16].to_owned(), row.prices[3])).collect()
}

fn at(bars: &[(&str, f64)]) -> Vec<(String, f64)> {
    bars.iter().map(|(time, close)| ((*time).to_owned(), *close)).collect()
}

fn captures(lake: &Lake) -> usize {
    lake.objects_under("raw/bars/").len()
}

fn a_file_read_otherwise_takes_the_place_of_its_first_reading(lake: &Lake) {
    let file = file(0, &[590.0, 591.0, 592.0]);
    let started = at(&[("15:00", 590.0), ("15:01", 591.0), ("15:02", 592.0)]);
    let ended = at(&[("14:59", 590.0), ("15:00", 591.0), ("15:01", 592.0)]);
    assert_eq!(take(lake, "SPY", &START, &file), counts(1, 3, 3, 0, 0));
    assert_eq!(bars(lake), started);
    assert_eq!(take(lake, "SPY", &END, &file), counts(1, 3, 3, 0, 0));
    assert_eq!(bars(lake), ended);
    let record = manifest(lake, "SPY", "2025-01-15");
    assert_eq!((told(&record, "withdrawn"), told(&record, "mixed_readings")), (3, 0));
    assert_eq!((&record["counts"]["rows_in"], &record["counts"]["duplicates"]), (&json!(6), &json!(3)));
    // Nothing changes by saying it twice.
    assert_eq!(take(lake, "SPY", &END, &file), counts(0, 3, 0, 3, 0));
    assert_eq!(captures(lake), 2);
    // And back: the very first reading counts again.
    let said =
        lake.run(&[&["ingest", "bars", "--symbol", "SPY"][..], &START, &[&lake.file("bars", &file)]].concat()).ends(0);
    assert!(said.stderr.contains("withdrawn on 2025-01-15") && said.stderr.contains("stamp end"), "{}", said.stderr);
    assert_eq!(bars(lake), started);
    assert_eq!(take(lake, "SPY", &START, &file), counts(0, 3, 0, 3, 0));
    assert_eq!(captures(lake), 3);
    // The kind of volume is a reading as well: 100, then 101 − 100 … of a count that begins after the opening.
    let counted = [&START[..], &["--volume", "cumulative"]].concat();
    take(lake, "SPY", &counted, &file);
    assert_eq!(bars(lake), started);
    let volumes: Vec<f64> = rows(lake, "SPY", "2025-01-15").iter().map(|row| row.volume).collect();
    assert_eq!(volumes, [0.0, 1.0, 1.0]);
    assert_eq!(told(&manifest(lake, "SPY", "2025-01-15"), "volume_unknown"), 1);
    lake.is_sound();
}

fn a_patch_with_another_stamp_takes_nothing_away(lake: &Lake) {
    take(lake, "SPY", &START, file(0, &[590.0, 591.0, 592.0, 593.0]));
    // Another source stamps the end: its 10:02 is the bar of 10:01.
    take(lake, "SPY", &END, file(2, &[591.0, 592.5]));
    assert_eq!(bars(lake), at(&[("15:00", 590.0), ("15:01", 591.0), ("15:02", 592.5), ("15:03", 593.0)]));
    let record = manifest(lake, "SPY", "2025-01-15");
    assert_eq!((told(&record, "withdrawn"), told(&record, "mixed_readings")), (0, 2));
    assert_eq!(record["condition"], "degraded");
    // One by Chicago's clock: 10:00 there is 11:00 in New York.
    take(lake, "SPY", &["--tz", "America/Chicago", "--interval", "1m"], file(0, &[595.0, 596.0]));
    let with_patch =
        [("15:00", 590.0), ("15:01", 591.0), ("15:02", 592.5), ("15:03", 593.0), ("16:00", 595.0), ("16:01", 596.0)];
    assert_eq!(bars(lake), at(&with_patch));
    lake.is_sound();
}

fn a_wrong_clock_leaves_no_bars_on_the_date_beside(lake: &Lake) {
    // Bitcoin's dates are days of UTC. 2025-01-15 23:00 and 23:01 in New York are 04:00 and 04:01 of the 16th.
    let file = format!("{HEADER}2025-01-15 23:00:00,5,5,5,5,1\n2025-01-15 23:01:00,6,6,6,6,1\n");
    let on = |lake: &Lake, date: &str| -> Vec<String> {
        rows(lake, "BTC-USD", date).into_iter().map(|row| row.at).collect()
    };
    take(lake, "BTC-USD", &["--tz", "UTC"], &file);
    lake.compact(&["bars"]);
    assert_eq!(on(lake, "2025-01-15").len(), 2);
    take(lake, "BTC-USD", &["--tz", "America/New_York"], &file);
    lake.compact(&["bars"]);
    assert!(on(lake, "2025-01-15").is_empty());
    let record: Value = manifest(lake, "BTC-USD", "2025-01-15");
    assert_eq!((&record["condition"], &record["rows"], told(&record, "withdrawn")), (&json!("degraded"), &json!(0), 2));
    // All minutes of the day.
    assert_eq!(told(&record, "missing_minutes"), 1440);
    let moved: Vec<String> = on(lake, "2025-01-16");
    assert_eq!(moved.len(), 2);
    assert!(moved[0].starts_with("2025-01-16T04:00") && moved[1].starts_with("2025-01-16T04:01"), "{moved:?}");
    assert_eq!(take(lake, "BTC-USD", &["--tz", "America/New_York"], &file), counts(0, 2, 0, 2, 0));
    lake.is_sound();
    // Back to the first clock: it is said once more, and the other date is left.
    take(lake, "BTC-USD", &["--tz", "UTC"], &file);
    lake.compact(&["bars"]);
    assert_eq!((on(lake, "2025-01-15").len(), on(lake, "2025-01-16").len()), (2, 0));
    lake.is_sound();
}

fn the_same_file_after_something_that_contradicts_it_counts_again(lake: &Lake) {
    let good = file(0, &[590.0, 591.0, 592.0]);
    let bad = file(0, &[590.0, 599.0, 592.0]);
    let close = |lake: &Lake| bars(lake)[1].1;
    take(lake, "SPY", &START, &good);
    assert_eq!(close(lake), 591.0);
    assert_eq!(take(lake, "SPY", &START, &bad), counts(1, 3, 1, 2, 0));
    assert_eq!(close(lake), 599.0);
    assert_eq!(take(lake, "SPY", &START, &good), counts(1, 3, 0, 3, 0));
    assert_eq!(close(lake), 591.0);
    assert_eq!(take(lake, "SPY", &START, &good), counts(0, 3, 0, 3, 0));
    take(lake, "SPY", &START, &bad);
    assert_eq!(close(lake), 599.0);
    assert_eq!(captures(lake), 4);
    lake.is_sound();
}
