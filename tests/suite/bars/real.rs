//! The real files of bars, which are not part of the project: skipped, and told so, without `PITLAKE_REAL_DATA`. Expected numbers were
//! worked out with Python's csv, datetime and zoneinfo from the files alone.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{counts, manifest, rows, told};
use crate::pitlake_binary::Lake;

/// The file of this name among the real data, or `None` and a word about it.
fn real_data(file: &str) -> Option<String> {
    let Some(root) = std::env::var_os("PITLAKE_REAL_DATA").filter(|root| !root.is_empty()) else {
        println!("skipped: PITLAKE_REAL_DATA is not set, so there are no real bars");
        return None;
    };
    // A relative one is meant from the project's folder.
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(root).join(file);
    assert!(path.is_file(), "PITLAKE_REAL_DATA is set and {} is not there", path.display());
    Some(path.to_str().expect("UTF-8").to_owned())
}

#[track_caller]
fn taken(lake: &Lake, arguments: &[&str]) -> Value {
    let counted = lake.run(&[&["ingest", "bars", "--json", "--strict"], arguments].concat()).ends(0).json();
    lake.compact(&["bars"]);
    counted
}

fn volume(lake: &Lake, symbol: &str, date: &str) -> f64 {
    rows(lake, symbol, date).iter().map(|row| row.volume).sum()
}

#[test]
fn stocks_stamped_at_the_end_newest_first() {
    let lake = Lake::in_folder();
    // symbol, rows, 2019-02-14: rows, volume, first open, last close, bars off the cent
    let files: [(&str, u64, usize, f64, f64, f64, u64); 4] = [
        ("SPY", 1950, 390, 77_228_120.0, 273.77, 274.36, 125),
        ("QQQ", 1948, 388, 27_767_754.0, 170.39, 171.17, 135),
        ("AAPL", 1948, 388, 18_664_303.0, 169.8, 170.79, 160),
        ("TSLA", 1946, 388, 5_096_099.0, 303.0075, 303.83, 159),
    ];
    for (symbol, all, of_day, sum, open, close, off_tick) in files {
        let Some(file) = real_data(&format!("masonblier_eqker_1min/{symbol}_1min.csv")) else { return };
        let counted = taken(&lake, &["--symbol", symbol, "--tz", "America/New_York", "--stamp", "end", &file]);
        assert_eq!(counted, counts(5, all, all, 0, 0), "{symbol}");
        let day = rows(&lake, symbol, "2019-02-14");
        let (first, last) = (&day[0], &day[day.len() - 1]);
        assert_eq!((first.at.as_str(), last.at.as_str()), ("2019-02-14T14:30:00Z", "2019-02-14T20:59:00Z"), "{symbol}");
        assert_eq!((day.len(), first.prices[0], last.prices[3]), (of_day, open, close), "{symbol}");
        assert_eq!(volume(&lake, symbol, "2019-02-14"), sum, "{symbol}");
        let manifest = manifest(&lake, symbol, "2019-02-14");
        assert_eq!(
            (told(&manifest, "off_tick"), manifest["condition"].as_str()),
            (off_tick, Some("available")),
            "{symbol}"
        );
        assert_eq!(told(&manifest, "missing_minutes"), 390 - of_day as u64, "{symbol}");
    }
    assert_eq!(volume(&lake, "SPY", "2019-02-11"), 59_654_300.0);
    assert_eq!(rows(&lake, "SPY", "2019-02-11").len(), 390);
}

#[test]
fn a_future_with_a_cumulative_volume() {
    let Some(file) = real_data("beinghorizontal_nifty1m/history.txt") else { return };
    let lake = Lake::in_folder();
    let counted = taken(&lake, &["--symbol", "NIFTY", "--tz", "Asia/Kolkata", "--volume", "cumulative", &file]);
    assert_eq!(counted, counts(23, 8612, 8612, 0, 0));
    let day = rows(&lake, "NIFTY", "2020-06-30");
    // 84450; 342675 − 84450; 446400 − 342675.
    let first: Vec<f64> = day.iter().take(3).map(|row| row.volume).collect();
    assert_eq!(first, [84_450.0, 258_225.0, 103_725.0]);
    assert_eq!((day.len(), day[0].at.as_str()), (376, "2020-06-30T03:45:00Z"));
    assert_eq!(volume(&lake, "NIFTY", "2020-06-30"), 15_373_200.0, "the last count of the day");
    let manifest_of = |date| manifest(&lake, "NIFTY", date);
    let whole = manifest_of("2020-06-30");
    assert_eq!((told(&whole, "outside_session"), told(&whole, "off_tick")), (1, 0), "15:30 is after the close");
    assert_eq!((&whole["condition"], &whole["minutes_seen"]), (&json!("available"), &json!(375)));
    let thin = manifest_of("2020-07-27");
    assert_eq!((told(&thin, "missing_minutes"), &thin["condition"]), (18, &json!("degraded")));
}

#[test]
fn a_currency_future_around_the_clock() {
    let Some(file) = real_data("nautilus/6EH4.XCME_1min_bars_20240101_20240131.csv.gz") else { return };
    let lake = Lake::in_folder();
    let counted = taken(&lake, &["--symbol", "6E", "--tz", "UTC", "--stamp", "end", &file]);
    assert_eq!(counted, counts(23, 29_996, 29_996, 0, 0));
    for (date, all, sum) in
        [("2024-01-02", 1366, 202_411.0), ("2024-01-16", 1369, 264_711.0), ("2024-01-31", 1369, 328_839.0)]
    {
        let day = rows(&lake, "6E", date);
        assert_eq!((day.len(), volume(&lake, "6E", date)), (all, sum), "{date}");
        let manifest = manifest(&lake, "6E", date);
        assert_eq!((&manifest["minutes_expected"], &manifest["minutes_seen"]), (&json!(1380), &json!(all)));
        assert_eq!((told(&manifest, "off_tick"), told(&manifest, "outside_session")), (0, 0));
    }
    assert_eq!(rows(&lake, "6E", "2024-01-02")[0].at, "2024-01-01T23:00:00Z");
}

#[test]
fn bitcoin_by_the_minute_and_by_the_hour() {
    let (Some(minutes), Some(hours)) =
        (real_data("nautilus/btc-perp-20211231-20220201_1m.csv"), real_data("darwinia_btc1h/btc_1h.csv"))
    else {
        return;
    };
    let lake = Lake::in_folder();
    let counted = taken(&lake, &["--symbol", "BTC-USD", "--tz", "UTC", "--stamp", "end", &minutes]);
    assert_eq!(counted, counts(33, 45_031, 45_031, 0, 0));
    assert_eq!(rows(&lake, "BTC-USD", "2022-01-15").len(), 1440);
    assert_eq!(rows(&lake, "BTC-USD", "2021-12-31")[0].volume, 2_300_413.729_5);
    assert_eq!(manifest(&lake, "BTC-USD", "2022-01-15")["condition"], "available");
    let counted = taken(&lake, &["--symbol", "BTC-USD", &hours]);
    assert_eq!(counted, counts(457, 10_946, 10_945, 1, 0));
    let day = rows(&lake, "BTC-USD", "2025-01-01");
    assert_eq!((day.len(), day[0].at.as_str(), day[0].minutes), (24, "2025-01-01T00:00:00Z", 60));
    let manifest = manifest(&lake, "BTC-USD", "2025-01-01");
    assert_eq!((told(&manifest, "duplicates"), &manifest["minutes_seen"]), (1, &json!(1440)));
}
