//! The generated file as a reader sees it: its bytes are fixed, its rows are counted by plain code that knows nothing of
//! the generator, and one row is held against mpmath.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;
use crate::ErrorKind;

fn settings(date: &str) -> Settings {
    Settings { expirations: 4, strikes: 40, ..Settings::full_day("SPY", date.parse().unwrap()) }
}

fn made(settings: &Settings) -> (String, Option<Truth>) {
    let mut bytes = Vec::new();
    let truth = generate(settings, &Instruments::builtin(), &mut bytes).unwrap();
    (String::from_utf8(bytes).unwrap(), truth)
}

fn sha256(settings: &Settings) -> String {
    hex::encode(Sha256::digest(made(settings).0))
}

#[test]
fn the_same_settings_give_the_same_bytes_on_every_machine() {
    let nested = Settings { minutes: Some(20), ..settings("2025-01-15") };
    assert_eq!(sha256(&nested), "369f8c6150948ea50b3604e8f0614e3c63d9d523d529acb8699907368cba7b4c");
    let flat = Settings { shape: Shape::Flat, days: 2, symbol: "SPX".to_owned(), ..nested.clone() };
    assert_eq!(sha256(&flat), "de4557ac4b94e2a0e8302b8a64ae9bef762488349eb8f90e5950ea9d4d5cb8cb");
    let spoilt = Settings { defects: true, minutes: None, ..nested.clone() };
    assert_eq!(sha256(&spoilt), "433f83d699c96822563242b2518aba01d1c84b8a8ee6576f5f4f961167ac4862");
    assert_ne!(sha256(&Settings { seed: 8, ..nested.clone() }), sha256(&nested));
}

#[test]
fn the_days_of_a_run_do_not_change_when_more_are_asked_for() {
    let one = Settings { minutes: Some(5), ..settings("2025-01-15") };
    let (first, _) = made(&one);
    let (three, _) = made(&Settings { days: 3, ..one });
    assert!(three.starts_with(&first));
    let dates: BTreeSet<&str> = three.lines().map(|line| &line[14..24]).collect();
    assert_eq!(dates.into_iter().collect::<Vec<_>>(), ["2025-01-15", "2025-01-16", "2025-01-17"]);
    // A new day's opening is near the old day's close, and strikes are centred on it.
    let spot = |line: &str| serde_json::from_str::<Value>(line).unwrap()["spot"].as_f64().unwrap();
    let spots: Vec<f64> = three.lines().map(spot).collect();
    assert!(spots.windows(2).all(|pair| (pair[1] / pair[0] - 1.0).abs() < 0.03));
    assert!((spots[0] - 588.0).abs() < 10.0, "{}", spots[0]);
}

#[test]
fn a_half_day_has_210_minutes_and_a_closed_date_is_refused_with_the_next_session() {
    // 3 July 2024: New York closes at 13:00 (NYSE's calendar); 4 hours ahead in summer.
    let (text, _) = made(&Settings { strikes: 3, ..settings("2024-07-03") });
    assert_eq!(text.lines().count(), 210 * 4);
    assert!(text.starts_with("{\"timestamp\":\"2024-07-03T09:30:00-04:00\",\"symbol\":\"SPY\""), "{}", &text[..80]);
    assert!(text.lines().last().unwrap().contains("2024-07-03T12:59:00-04:00"));
    // 18 January 2025 is a Saturday, and the Monday after it Martin Luther King Day.
    let error = generate(&settings("2025-01-18"), &Instruments::builtin(), &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.detail().contains("2025-01-21"), "{error}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let good = settings("2025-01-15");
    let bad = [
        Settings { strikes: 0, ..good.clone() },
        Settings { expirations: 61, ..good.clone() },
        Settings { days: 0, ..good.clone() },
        Settings { minutes: Some(0), ..good.clone() },
        Settings { symbol: "NO-SUCH".to_owned(), ..good },
    ];
    for settings in bad {
        let error = generate(&settings, &Instruments::builtin(), &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
}

#[test]
fn one_row_agrees_with_mpmath() {
    // mpmath 1.4.1, 50 digits, from the inputs below: delta of the call = e^(-qT) N(d1), of the put that - e^(-qT); gamma,
    // vanna and charm by numerical differentiation of delta by spot, volatility and -T, not by a formula. It gives
    // 50200182.574, 5744965.740 and -4990039.821 dollars.
    let instruments = Instruments::builtin();
    let instrument = instruments.resolve("SPY").unwrap();
    let run = RunKey::new(7, "SPY", "2025-01-15");
    let underlying = Underlying::assume("SPY", 0.0, &run);
    let mut walk = Walk::new(run.stream("path"), underlying.spot, underlying.volatility);
    let session = instrument.session("2025-01-15".parse().unwrap()).unwrap();
    let extent = Extent { expirations: 10, strikes: 300, minutes: None };
    let day = Day::open(instrument, session, extent, &underlying, &mut walk, &run).unwrap();
    let (inputs, calls, puts, multiplier) = day.ingredients(122, 4, 160);
    let mut rows = Vec::new();
    day.exposures(122, 4, &mut rows);
    assert_eq!((inputs.spot, inputs.strike, multiplier), (585.81, 596.0, 100.0));
    assert_eq!(
        (inputs.years, inputs.volatility, calls, puts),
        (0.025167427701674277, 0.14622390877867636, 9_345.0, 2_985.0)
    );
    assert_eq!((inputs.rate, inputs.dividend_yield), (0.043, 0.012));
    assert_eq!(rows[160], [50_200_183, 5_744_966, -4_990_040]);
}

/// What a plain reader makes of one line.
struct Document {
    minute: i64,
    source_time: i64,
    expiration: String,
    rows: Vec<(f64, [i64; 3])>,
}

fn read(line: &str) -> Result<Document, &'static str> {
    let value: Value = serde_json::from_str(line).map_err(|_| "not_json")?;
    let text = |name: &str| value.get(name).and_then(Value::as_str).ok_or("field_missing");
    let stamp = text("timestamp")?;
    let expiration = text("expiration")?;
    if text("symbol")? != "SPY" {
        return Err("symbol_unknown");
    }
    let source_time = chrono::DateTime::parse_from_rfc3339(stamp).map_err(|_| "timestamp_without_zone")?.timestamp();
    if expiration < &stamp[..10] {
        return Err("expiration_before_date");
    }
    let nested = value.get("strikes").and_then(Value::as_array);
    let mut rows = Vec::new();
    for row in nested.map_or(std::slice::from_ref(&value), Vec::as_slice) {
        let strike = row["strike"].as_f64().ok_or("wrong_type")?;
        if strike <= 0.0 {
            return Err("strike_not_positive");
        }
        let greeks = ["gamma", "vanna", "charm"]
            .map(|greek| row.get(greek).or_else(|| row.get(format!("{greek}_exposure"))).and_then(Value::as_f64));
        if greeks.iter().all(Option::is_none) {
            return Err("no_greek");
        }
        if greeks.iter().flatten().any(|value| value.abs() > 9e15) {
            return Err("number_out_of_range");
        }
        rows.push((strike, greeks.map(|value| value.unwrap() as i64)));
    }
    Ok(Document { minute: source_time.div_euclid(60), source_time, expiration: expiration.to_owned(), rows })
}

/// Minute, expiration, strike in cents.
type Key = (i64, String, i64);

#[derive(Default)]
struct Counted {
    documents: u64,
    rows_in: u64,
    refused: Vec<(u64, String)>,
    late: BTreeMap<String, u64>,
    duplicates: BTreeMap<String, u64>,
    rows: BTreeMap<Key, (i64, [i64; 3])>,
}

/// For New York's winter, when the UTC date is the trading date.
fn utc_date(minute: i64) -> String {
    chrono::DateTime::from_timestamp(minute * 60, 0).unwrap().date_naive().to_string()
}

fn count(text: &str) -> Counted {
    let mut counted = Counted::default();
    let mut newest: BTreeMap<(String, String), i64> = BTreeMap::new();
    for (line, at) in text.lines().zip(1..) {
        let document = match read(line) {
            Ok(document) => document,
            Err(code) => {
                counted.refused.push((at, code.to_owned()));
                continue;
            }
        };
        let date = utc_date(document.minute);
        counted.documents += 1;
        counted.rows_in += document.rows.len() as u64;
        let newest = newest.entry((date.clone(), document.expiration.clone())).or_insert(document.minute);
        if document.minute < *newest {
            *counted.late.entry(date.clone()).or_default() += 1;
        }
        *newest = document.minute.max(*newest);
        for (strike, greeks) in document.rows {
            let key = (document.minute, document.expiration.clone(), (strike * 100.0) as i64);
            let row = (document.source_time, greeks);
            let kept = counted.rows.entry(key).and_modify(|kept| {
                *counted.duplicates.entry(date.clone()).or_default() += 1;
                if row.0 >= kept.0 {
                    *kept = row;
                }
            });
            kept.or_insert(row);
        }
    }
    counted
}

fn minutes_of(session: &Session) -> std::ops::Range<i64> {
    session.open.timestamp() / 60..session.close.timestamp() / 60
}

fn hold_truth_against_the_lines(settings: &Settings) {
    let (text, truth) = made(settings);
    let truth = truth.unwrap();
    let (clean, _) = made(&Settings { defects: false, ..settings.clone() });
    let (found, clean) = (count(&text), count(&clean));
    let instruments = Instruments::builtin();
    let instrument = instruments.resolve("SPY").unwrap();

    assert_eq!(truth.lines, text.lines().count() as u64);
    assert_eq!((truth.documents, truth.rows_in), (found.documents, found.rows_in));
    let refused: Vec<_> = truth.refused.iter().map(|refused| (refused.line, refused.code.clone())).collect();
    assert_eq!(refused, found.refused);
    let codes: BTreeSet<_> = truth.refused.iter().map(|refused| refused.code.as_str()).collect();
    assert_eq!(codes.len(), 9, "{codes:?}");
    for refused in truth.refused.iter().filter(|refused| refused.code == "not_json") {
        let lines: Vec<_> = text.lines().skip(refused.line as usize - 1).take(2).collect();
        assert!(lines[1].starts_with(lines[0]), "a torn line is followed by its whole document");
    }

    let dates: BTreeSet<String> = found.rows.keys().map(|key| utc_date(key.0)).collect();
    assert_eq!(dates, truth.days.keys().map(ToString::to_string).collect());
    assert_eq!(truth.days.len(), 2 * settings.days as usize, "every day misdates into one of its own");
    let mut spikes = 0;
    for (date, day) in &truth.days {
        let name = date.to_string();
        let span = minutes_of(&instrument.session(*date).unwrap());
        let rows: Vec<_> = found.rows.iter().filter(|(key, _)| utc_date(key.0) == name).collect();
        assert_eq!(day.rows, rows.len() as u64);
        assert_eq!(day.duplicates, found.duplicates.get(&name).copied().unwrap_or(0));
        assert_eq!(day.late_documents, found.late.get(&name).copied().unwrap_or(0));
        assert_eq!(day.outside_session, rows.iter().filter(|(key, _)| !span.contains(&key.0)).count() as u64);
        let seen: BTreeSet<i64> = rows.iter().map(|(key, _)| key.0).filter(|minute| span.contains(minute)).collect();
        assert_eq!((day.minutes_expected, day.minutes_seen), (390, seen.len() as u32));
        let missing: BTreeSet<i64> = span.clone().filter(|minute| !seen.contains(minute)).collect();
        let told: Vec<i64> =
            day.gaps.iter().flat_map(|gap| gap.start.timestamp() / 60..gap.end.timestamp() / 60).collect();
        assert_eq!(told, missing.into_iter().collect::<Vec<_>>());
        assert_eq!(told.len() as u32, day.gaps.iter().map(|gap| gap.minutes).sum::<u32>());

        let mut strikes: BTreeMap<(i64, &str), u64> = BTreeMap::new();
        rows.iter().for_each(|(key, _)| *strikes.entry((key.0, &key.1)).or_default() += 1);
        let few: Vec<_> = strikes.into_iter().filter(|(_, count)| *count < settings.strikes as u64).collect();
        let expirations: Vec<_> = day.strike_coverage.iter().map(|hole| hole.expiration.to_string()).collect();
        let holes = day.strike_coverage.iter().zip(&expirations);
        let told =
            holes.map(|(hole, expiration)| ((hole.timestamp.timestamp() / 60, expiration.as_str()), hole.strikes));
        assert_eq!(few, told.collect::<Vec<_>>());

        let outliers: BTreeSet<_> = day
            .outliers
            .iter()
            .map(|outlier| {
                let key = (
                    outlier.timestamp.timestamp() / 60,
                    outlier.expiration.to_string(),
                    (outlier.strike * 100.0) as i64,
                );
                assert!(span.start < key.0 && key.0 < span.end - 1);
                (key, outlier.greek.clone(), outlier.should_be, outlier.value)
            })
            .collect();
        spikes += outliers.len();
        let mut changed = BTreeSet::new();
        for (key, (_, values)) in &rows {
            let Some((_, should_be)) = clean.rows.get(*key) else { continue };
            for (greek, (value, should_be)) in ["gamma", "vanna", "charm"].iter().zip(values.iter().zip(should_be)) {
                if should_be.abs() > 1_000 && value.abs() > 2 * should_be.abs() {
                    changed.insert(((*key).clone(), (*greek).to_owned(), *should_be, *value));
                }
            }
        }
        assert_eq!(changed, outliers);
        for correction in &day.planted.corrections {
            let key = (
                correction.timestamp.timestamp() / 60,
                correction.expiration.to_string(),
                (correction.strike * 100.0) as i64,
            );
            let (source_time, values) = found.rows[&key];
            assert_eq!((source_time, values[0]), (correction.source_time.timestamp(), correction.gamma));
            assert_ne!(values[0], clean.rows[&key].1[0]);
        }
        if clean.rows.keys().any(|key| utc_date(key.0) == name) {
            assert!((2..=3).contains(&day.planted.gaps.len()), "{:?}", day.planted.gaps);
            let lengths = [day.planted.repeats.len(), day.planted.corrections.len(), day.strike_coverage.len()];
            assert_eq!(lengths, [6, 6, 4]);
            assert!(day.planted.late.len() >= 6 && !day.planted.outside.is_empty());
        } else {
            assert_eq!(day.planted.wrong_day.len(), 3);
        }
    }
    assert!(spikes >= 6 * settings.days as usize, "{spikes}");
}

#[test]
fn truth_agrees_with_a_plain_count_of_the_nested_lines() {
    hold_truth_against_the_lines(&Settings { defects: true, days: 2, ..settings("2025-01-15") });
}

#[test]
fn truth_agrees_with_a_plain_count_of_the_flat_lines() {
    hold_truth_against_the_lines(&Settings { defects: true, shape: Shape::Flat, ..settings("2025-01-15") });
}

#[test]
fn a_session_too_short_for_a_defect_leaves_its_list_empty() {
    let (text, truth) = made(&Settings { defects: true, minutes: Some(3), ..settings("2025-01-15") });
    let truth = truth.unwrap();
    let day = &truth.days[&"2025-01-15".parse().unwrap()];
    assert!(day.outliers.is_empty() && day.planted.gaps.is_empty() && truth.refused.is_empty());
    assert_eq!(
        day.gaps,
        [Gap {
            start: "2025-01-15T14:33:00Z".parse().unwrap(),
            end: "2025-01-15T21:00:00Z".parse().unwrap(),
            minutes: 387
        }]
    );
    assert_eq!(truth.lines, text.lines().count() as u64);
    let json = serde_json::to_value(&truth).unwrap();
    assert_eq!(json["days"]["2025-01-15"]["outliers"], Value::Array(Vec::new()));
}
