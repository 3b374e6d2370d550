//! A synthetic archive held against the audit: every planted fault is found, and nothing in what is right.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::checks::{Measure, Recompute, Recomputed};
use super::super::row_height::RowHeight;
use super::super::summary::Adding;
use super::super::{Archive as Folder, Audit, Judged, Summary, Verdict};
use super::*;
use crate::bars::Bar;
use crate::market::Session;
use crate::profile::{Question, Shape, profile, settings::Settings as ProfileSettings};

/// Files in a folder, bars by date.
struct Made {
    folder: tempfile::TempDir,
    bars: BTreeMap<TradingDate, Vec<Bar>>,
    instruments: Arc<Instruments>,
    symbol: String,
}

impl Taking for Made {
    fn file(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let path: PathBuf = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        assert!(!path.exists(), "{path:?} is written twice");
        std::fs::write(path, bytes).unwrap();
        Ok(())
    }

    fn bars(&mut self, lines: &str) -> Result<()> {
        let instrument = self.instruments.resolve(&self.symbol).unwrap();
        let grid = Grid::of(instrument);
        for line in lines.lines().filter(|line| !line.starts_with("timestamp")) {
            let cells: Vec<&str> = line.split(',').collect();
            let starts = DateTime::parse_from_rfc3339(cells[0]).unwrap();
            let [open, high, low, close] = [1, 2, 3, 4].map(|at| grid.ticks(cells[at].parse().unwrap()).unwrap().ticks);
            let bar = Bar {
                start_minute: starts.timestamp() / 60,
                minutes: 1,
                open,
                high,
                low,
                close,
                volume: cells[5].parse().unwrap(),
            };
            self.bars.entry(starts.date_naive().into()).or_default().push(bar);
        }
        Ok(())
    }
}

impl Recompute for Made {
    fn session(&self, instrument: &Instrument, session: Session) -> Result<Measure> {
        let settings = ProfileSettings::default();
        let shape = Shape { row_ticks: 1, ..Shape::of(instrument, &settings) };
        let question = Question { instrument, session, shape, settings: &settings, until: None };
        let bars = self.bars.get(&session.date).map_or(&[][..], Vec::as_slice);
        let made = profile(&question, bars)?.map(|profile| Recomputed { profile, degraded: None, row_ticks: 1 });
        Ok(made.map_or(Measure::Nothing, |made| Measure::Made(Box::new(made))))
    }

    fn rows(&self) -> RowHeight {
        RowHeight::default()
    }
}

fn made(symbol: &str, start: &str, end: &str, seed: u64, defects: bool) -> (Made, Truth) {
    let instruments = Instruments::builtin();
    let settings =
        Settings { symbol: symbol.to_owned(), start: start.parse().unwrap(), end: end.parse().unwrap(), seed, defects };
    let folder = tempfile::tempdir().unwrap();
    let mut made = Made { folder, bars: BTreeMap::new(), instruments: instruments.clone(), symbol: symbol.to_owned() };
    let truth = generate(&settings, &instruments, &mut made).unwrap();
    (made, truth)
}

fn audited(made: &Made, with_bars: bool) -> (Vec<Judged>, Summary) {
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let folder = Folder::open(made.folder.path()).unwrap();
    let (files, skipped) = (folder.files().len() as u64, folder.skipped().len() as u64);
    let audit = Audit::survey(folder, made.instruments.clone(), now, &|_| {});
    let mut adding = Adding::default();
    let mut all = Vec::new();
    let bars = with_bars.then_some(made as &dyn Recompute);
    audit
        .each(bars, &|_| {}, &mut |judged| {
            adding.add(&judged);
            all.push(judged);
            Ok(())
        })
        .unwrap();
    (all, adding.finish(files, audit.other_files().count() as u64, skipped))
}

/// Holds an audit against the truth and gives the share of planted faults that it found.
fn recall(made: &Made, truth: &Truth, with_bars: bool) -> f64 {
    let (all, summary) = audited(made, with_bars);
    assert_eq!(all.len(), truth.records.len(), "every record is accounted for");
    let counts = summary.counts;
    assert_eq!(counts.records, counts.valid + counts.suspicious + counts.recalculate + counts.rejected);
    let (mut planted, mut found) = (0, 0);
    for (judged, truth) in all.iter().zip(&truth.records) {
        assert_eq!((&*judged.original.file, judged.original.index), (truth.file.as_str(), truth.index));
        let also: &[String] = if with_bars { &truth.planted_with_bars } else { &[] };
        let expected: Vec<&str> = truth.planted.iter().chain(also).map(String::as_str).collect();
        if expected.is_empty() || expected == ["duplicate_identical"] {
            assert_eq!(judged.verdict, Verdict::Valid, "{truth:?}: {:?}\n{}", judged.findings, judged.original.text);
        }
        for code in expected {
            planted += 1;
            match judged.findings.iter().any(|finding| finding.code.as_str() == code) {
                true => found += 1,
                false => eprintln!("not found: {code} in {truth:?}: {:?}\n{}", judged.findings, judged.original.text),
            }
        }
    }
    let missing: u32 = summary.missing.iter().map(|run| run.sessions).sum();
    assert_eq!(missing as usize, truth.missing.len(), "{:?}", summary.missing);
    f64::from(found) / f64::from(planted.max(1))
}

#[test]
fn every_planted_fault_is_found_and_nothing_else() {
    for (symbol, seed) in [("NQ", 7), ("NQ", 8), ("ES", 9), ("AAPL", 10), ("ZB", 11)] {
        let (made, truth) = made(symbol, "2023-01-03", "2024-12-31", seed, true);
        let planted = truth.records.iter().flat_map(|record| record.planted.iter().chain(&record.planted_with_bars));
        let kinds: BTreeSet<&String> = planted.collect();
        assert!(kinds.len() >= 44, "{symbol} {seed}: {kinds:?}");
        for with_bars in [false, true] {
            let recall = recall(&made, &truth, with_bars);
            assert!(recall >= 0.99, "{symbol} seed {seed}, bars {with_bars}: {recall}");
        }
    }
}

#[test]
fn an_archive_that_is_right_is_clean() {
    for (symbol, seed) in [("NQ", 1), ("SPY", 2), ("CL", 3), ("6E", 4), ("BTC-USD", 5)] {
        let (made, truth) = made(symbol, "2024-06-03", "2025-01-31", seed, false);
        assert!(truth.records.iter().all(|record| record.planted.is_empty()) && truth.missing.is_empty());
        for with_bars in [false, true] {
            let (all, summary) = audited(&made, with_bars);
            for judged in &all {
                assert_eq!(judged.verdict, Verdict::Valid, "{:?}\n{}", judged.findings, judged.original.text);
            }
            assert!(summary.is_clean() && summary.eras.is_empty());
            assert_eq!(all.len(), truth.records.len());
        }
    }
}

#[test]
fn an_era_of_wrong_logic_is_seen() {
    let (made, truth) = made("NQ", "2023-01-03", "2024-12-31", 7, true);
    let [first, last] = truth.era.unwrap();
    for with_bars in [false, true] {
        let (_, summary) = audited(&made, with_bars);
        let eras: Vec<_> = summary.eras.iter().filter(|era| era.fields.contains(&"value_area")).collect();
        assert_eq!(eras.len(), 1, "{:?}", summary.eras);
        let days = |a: TradingDate, b: TradingDate| (a.days_since_epoch() - b.days_since_epoch()).abs();
        assert!(days(eras[0].first, first) <= 15 && days(eras[0].last, last) <= 15, "{eras:?} {first} {last}");
        assert!(summary.eras.iter().any(|era| era.fields.contains(&"initial_balance")), "{:?}", summary.eras);
    }
}

#[test]
fn the_same_settings_give_the_same_archive() {
    let (a, truth_a) = made("NQ", "2024-01-02", "2024-09-30", 3, true);
    let (b, truth_b) = made("NQ", "2024-01-02", "2024-09-30", 3, true);
    assert_eq!(truth_a, truth_b);
    let names = |made: &Made| {
        let folder = Folder::open(made.folder.path()).unwrap();
        folder.files().iter().map(|file| (file.name.clone(), std::fs::read(file.path()).unwrap())).collect::<Vec<_>>()
    };
    assert!(names(&a) == names(&b));
    let (_, other) = made("NQ", "2024-01-02", "2024-09-30", 4, true);
    assert_ne!(truth_a, other);
}
