//! Drawings, line by line.

use super::computed::Source;
use super::draw::{Drawing, draw};
use super::scene::{Asked, bar, letters};
use super::session_record::SessionRecord;
use crate::lake::manifest::Condition;

const DRAWING: [(i64, i64); 7] =
    [(5907, 5920), (5908, 5919), (5909, 5918), (5910, 5917), (5911, 5916), (5912, 5915), (5913, 5914)];

fn source() -> Source {
    Source { revision: 2, sha256: "abc".into(), condition: Condition::Available, reasons: Vec::new() }
}

fn drawn(asked: &Asked, record: &SessionRecord, volumes: &[f64], split: bool) -> String {
    draw(&Drawing { record, instrument: &asked.instrument, volumes, split }).unwrap()
}

#[test]
fn the_textbook_drawing_looks_like_itself() {
    let asked = Asked::day();
    let record = asked.over(&letters(asked.session, 5912, &DRAWING, 5914)).into_record(&source());
    let expected = "\
TEST 2025-01-15 rth  09:30-16:00 America/New_York
normal, bias neutral  one-row value area of 70 %  30-minute letters  rows of 1 ticks
tpo-1 revision 2, available

5920  :s  A         1  IBH
5919  :   AB        2
5918  :   ABC       3
5917 |:   ABCD      4  VAH
5916 |:   ABCDE     5
5915 |:   ABCDEF    6
5914 >: # ABCDEFG   7  POC
5913 |:   ABCDEFG   7
5912 |: O ABCDEF    6
5911 |:   ABCDE     5  VAL
5910  :   ABCD      4
5909  :   ABC       3
5908  :   AB        2
5907  :s  A         1  IBL

> POC  | value area  : initial balance  t tail  s single print  O open  # last  @ both
POC 5914  VAH 5917  VAL 5911  TPOs 56, 40 in value, 21 above, 28 below
IB 5907-5920  extension up 0, down 0  rotation factor +0
open 5912  high 5920  low 5907  last 5914  cash session +0.03 %
top: neither tail nor poor  bottom: neither tail nor poor
single prints 5920, 5907
volume 700  volume POC 5914  VAH 5917  VAL 5911
210 of 390 minutes have bars
";
    // The volumes' levels are the engine's own affair here.
    let text = drawn(&asked, &record, &[], false);
    let without = |text: &str| text.lines().filter(|line| !line.starts_with("volume ")).collect::<Vec<_>>().join("\n");
    let without_names = |text: &str| without(text).replace(" vVAH", "").replace(" vPOC", "").replace(" vVAL", "");
    let trimmed: Vec<String> = without_names(&text).lines().map(|line| line.trim_end().to_owned()).collect();
    assert_eq!(trimmed.join("\n"), without(expected));
}

#[test]
fn split_letters_keep_their_columns_and_volume_has_bars() {
    let asked = Asked::day();
    let bars = [
        bar(asked.session, 0, 30, [100, 101, 100, 101], 20.0),
        bar(asked.session, 30, 30, [101, 102, 101, 102], 40.0),
        bar(asked.session, 60, 30, [102, 103, 102, 103], 0.0),
        bar(asked.session, 90, 30, [103, 103, 103, 103], 0.5),
    ];
    let profile = asked.over(&bars);
    let volumes = profile.row_volumes();
    let record = profile.into_record(&source());
    let text = drawn(&asked, &record, &volumes, true);
    let rows: Vec<&str> = text.lines().skip(4).take(4).collect();
    assert!(rows[0].starts_with("103      #   CD   2         0.50"), "{text}");
    assert!(rows[1].starts_with("102"), "{text}");
    assert!(rows[1].contains(" BC    2           20 ============="), "{text}");
    assert!(rows[2].contains("AB     2           30 ===================="), "{text}");
    assert!(rows[3].contains("A      1           10 =======              "), "{text}");
    assert!(draw(&Drawing { record: &record, instrument: &asked.instrument, volumes: &[1.0], split: true }).is_err());
}

#[test]
fn every_row_is_drawn_and_many_are_told() {
    let asked = Asked::day();
    let record = asked.over(&letters(asked.session, 0, &[(0, 499)], 499)).into_record(&source());
    let text = drawn(&asked, &record, &[], false);
    assert_eq!(text.lines().filter(|line| line.contains(" A ")).count(), 500);
    assert!(text.contains("500 rows; row_ticks=9 draws about 60"), "{text}");
}

#[test]
fn a_legacy_record_has_less_and_is_drawn() {
    let asked = Asked::day();
    let mut record = asked.over(&letters(asked.session, 100, &[(100, 105), (101, 104)], 104)).into_record(&source());
    record.calculation_version = "legacy".into();
    record.reasons = vec!["periods_missing".into()];
    (record.session_open, record.session_close, record.opens_at, record.closes_at) = (None, None, None, None);
    (record.value_area_method, record.value_area_share, record.tick_size, record.row_ticks) = (None, None, None, None);
    (record.tpo_period_minutes, record.tpo_counts, record.range_extension_up) = (None, None, None);
    (record.range_extension_down, record.rotation_factor, record.volume_poc) = (None, None, None);
    (record.minutes_expected, record.minutes_seen, record.cash_session_return) = (None, None, None);
    // A poc outside of everything is not drawn, and no reason to fail.
    record.poc = 5000.0;
    let text = drawn(&asked, &record, &[], false);
    assert!(text.contains("legacy revision 2, available: periods_missing"), "{text}");
    assert!(!text.contains('>') || text.contains("> POC"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("10")).count(), 6, "{text}");
    record.session_high = 1e9;
    let error =
        draw(&Drawing { record: &record, instrument: &asked.instrument, volumes: &[], split: false }).unwrap_err();
    assert!(error.detail().starts_with("too_many_rows"), "{}", error.detail());
    record.session_high = f64::NAN;
    let error =
        draw(&Drawing { record: &record, instrument: &asked.instrument, volumes: &[], split: false }).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Invalid);
}
