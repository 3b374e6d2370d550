//! The generator against the calendar and the grid, and its faults against the checks that look for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::*;
use crate::bars::Bar;
use crate::bars::reading::Stamp;
use crate::market::{Grid, Instruments};

fn made(symbol: &str, start: &str, end: &str, minutes: u16, seed: u64) -> (Arc<Instrument>, Vec<GeneratedDay>) {
    let instrument = Arc::clone(Instruments::builtin().resolve(symbol).unwrap());
    let settings = Settings { start: start.parse().unwrap(), end: end.parse().unwrap(), minutes, seed };
    let days = days(&instrument, &settings).unwrap();
    (instrument, days)
}

#[test]
fn every_minute_of_every_session_on_the_grid() {
    for (symbol, minutes) in [("NQ", 1380), ("SPY", 390), ("BTC-USD", 1440), ("6E", 1380), ("ZB", 1380)] {
        let (instrument, days) = made(symbol, "2025-01-13", "2025-01-17", 1, 7);
        assert_eq!(days.len(), 5, "{symbol}");
        let grid = Grid::of(&instrument);
        for day in &days {
            assert_eq!(day.bars.len(), minutes, "{symbol} {}", day.date);
            assert!(day.bars.windows(2).all(|pair| pair[1].start_minute == pair[0].start_minute + 1));
            for row in &day.bars {
                let on_grid = |price: f64| grid.ticks(price).is_some_and(|on| on.exact);
                assert!([row.open, row.high, row.low, row.close].into_iter().all(on_grid), "{symbol} {row:?}");
                assert!(row.low <= row.open.min(row.close) && row.open.max(row.close) <= row.high && row.low > 0.0);
                assert!(row.volume >= 1.0 && row.volume.fract() == 0.0);
                let bar: Option<Bar> = row.in_ticks(grid);
                assert!(bar.is_some());
            }
        }
    }
    // 2025-11-28 closes at 13:00.
    let (_, days) = made("SPY", "2025-11-26", "2025-11-28", 1, 7);
    assert_eq!(days.iter().map(|day| day.bars.len()).collect::<Vec<_>>(), [390, 210]);
}

#[test]
fn coarser_bars_are_the_finer_ones_together() {
    let (_, ones) = made("NQ", "2025-01-15", "2025-01-15", 1, 3);
    let (_, thirties) = made("NQ", "2025-01-15", "2025-01-15", 30, 3);
    assert_eq!(thirties[0].bars.len(), 46);
    for (thirty, ones) in thirties[0].bars.iter().zip(ones[0].bars.chunks(30)) {
        assert_eq!((thirty.start_minute, thirty.minutes, thirty.open), (ones[0].start_minute, 30, ones[0].open));
        assert_eq!(thirty.high, ones.iter().map(|bar| bar.high).fold(0.0, f64::max));
        assert_eq!(thirty.low, ones.iter().map(|bar| bar.low).fold(f64::MAX, f64::min));
        assert_eq!(thirty.volume, ones.iter().map(|bar| bar.volume).sum::<f64>());
    }
}

#[test]
fn a_year_has_days_of_every_shape_and_the_same_seed_makes_it_again() {
    let (_, year) = made("SPY", "2025-01-01", "2025-12-31", 30, 7);
    assert_eq!(year.len(), 250, "NYSE held 250 sessions in 2025");
    let shapes: BTreeSet<DayShape> = year.iter().map(|day| day.shape).collect();
    assert_eq!(shapes.len(), DayShape::ALL.len());
    assert!(year == made("SPY", "2025-01-01", "2025-12-31", 30, 7).1);
    assert!(year != made("SPY", "2025-01-01", "2025-12-31", 30, 8).1);
    // A price that runs away or stands still would be of no use.
    let closes: Vec<f64> = year.iter().filter_map(|day| day.bars.last()).map(|bar| bar.close).collect();
    assert!(closes.iter().all(|close| (250.0..1500.0).contains(close)));
    let steps = year
        .windows(2)
        .map(|pair| (pair[1].bars[0].open / pair[0].bars.last().map_or(1.0, |bar| bar.close) - 1.0).abs());
    assert!(steps.fold(0.0, f64::max) < 0.03, "a day opens where the one before it closed, or near it");
}

#[test]
fn what_cannot_be_generated_is_refused() {
    let instruments = Instruments::builtin();
    let spy = instruments.resolve("SPY").unwrap();
    let settings = |start: &str, end: &str, minutes| Settings {
        start: start.parse().unwrap(),
        end: end.parse().unwrap(),
        minutes,
        seed: 1,
    };
    for (settings, told) in [
        (settings("2025-01-16", "2025-01-15", 1), "swap"),
        (settings("2025-01-15", "2025-01-15", 7), "hour"),
        (settings("2025-01-18", "2025-01-20", 1), "2025-01-21"),
    ] {
        assert!(days(spy, &settings).unwrap_err().detail().contains(told));
    }
}

#[test]
fn each_fault_is_there_and_told() {
    let (spy, days) = made("SPY", "2025-01-13", "2025-01-14", 1, 7);
    let settings = Settings { start: days[0].date, end: days[1].date, minutes: 1, seed: 7 };
    let spelling = Spelling { kind: Kind::Csv, stamp: Stamp::End, zone: spy.time_zone, defects: true };
    let mut text = Vec::new();
    let truth = write(&days, &spy, &settings, spelling, &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text.lines().count() as u64, truth.rows + 1);
    let codes = |at: usize| -> BTreeMap<&str, u32> {
        let planted = &truth.days[&days[at].date].planted;
        planted.iter().fold(BTreeMap::new(), |mut sums, planted| {
            *sums.entry(planted.code.as_str()).or_default() += planted.count;
            sums
        })
    };
    let usual = BTreeMap::from([
        ("missing_minutes", 7),
        ("duplicates", 1),
        ("conflicting_duplicates", 1),
        ("ohlc_order", 1),
        ("not_a_number", 1),
        ("negative_volume", 1),
        ("field_missing", 1),
        ("off_tick", 1),
        ("price_jump", 1),
        ("outside_session", 1),
    ]);
    assert_eq!(codes(1), usual);
    let mut monday = usual.clone();
    monday.insert("closed_day", 1);
    monday.insert("outside_session", 2);
    assert_eq!(codes(0), monday);
    // 390 − 7 missing − 4 refused + 1 after hours, with two that are there twice.
    let tuesday = &truth.days[&days[1].date];
    assert_eq!((tuesday.rows, tuesday.rows_in, tuesday.duplicates, tuesday.missing_minutes), (380, 382, 2, 11));
}
