//! Checks at their edges; that each finds its fault, and nothing in what is right, is shown by [`super::super::generate`]'s tests.

use std::sync::Arc;

use super::super::code::{Code, Finding};
use super::super::pieces::{Content, pieces};
use super::super::record::LegacyRecord;
use super::super::survey::OfArchive;
use super::*;
use crate::market::{Instrument, Instruments, SessionKind};

/// Two periods overlap from 10 to 12; A alone is above, B alone below.
const HALF: &str = r#"{"poc":11,"value_area_high":12,"value_area_low":10,"session_high":14,"session_low":8,
    "initial_balance_high":14,"initial_balance_low":8,"tpo_structure":{"A":[14,10],"B":[12,8]}}"#;

fn read(text: &str) -> LegacyRecord {
    match pieces(text).remove(0).content {
        Content::Record(read) => read.record,
        Content::Bad(finding) => panic!("{finding:?}"),
    }
}

fn instrument(symbol: &str) -> Arc<Instrument> {
    Instruments::builtin().resolve(symbol).unwrap().clone()
}

fn found(record: &LegacyRecord, symbol: &str, date: &str) -> Vec<Finding> {
    let instrument = instrument(symbol);
    let session = instrument.session_of_kind(date.parse().unwrap(), SessionKind::Rth).unwrap();
    let mut findings = Vec::new();
    check(&Subject::new(record, &instrument, session), &OfArchive::default(), None, &mut findings).unwrap();
    findings
}

fn evidence(findings: &[Finding], code: Code) -> Option<&str> {
    findings.iter().find(|finding| finding.code == code).map(|finding| finding.evidence.as_str())
}

#[test]
fn periods_are_those_of_the_calendar_that_day() {
    let record = read(HALF);
    // A whole day of SPY has thirteen periods, the day before Independence Day seven.
    assert_eq!(evidence(&found(&record, "SPY", "2024-07-02"), Code::PeriodsMissing), Some("11 of 13: C–M"));
    assert_eq!(evidence(&found(&record, "SPY", "2024-07-03"), Code::PeriodsMissing), Some("5 of 7: C–G"));
    let mut late = record;
    late.tpo_structure.as_mut().unwrap()[1].letter = "H".into();
    let findings = found(&late, "SPY", "2024-07-03");
    assert_eq!(evidence(&findings, Code::PeriodsUnexpected), Some("H; the session has 7, it closed early"));
}

#[test]
fn a_range_may_be_wider_than_the_periods_that_are_left_and_never_narrower() {
    let mut record = read(HALF);
    record.session_high = Some(15.0);
    assert_eq!(evidence(&found(&record, "SPY", "2024-07-02"), Code::SessionRangeMismatch), None);
    record.session_high = Some(13.0);
    let findings = found(&record, "SPY", "2024-07-02");
    assert_eq!(
        evidence(&findings, Code::SessionRangeMismatch),
        Some("8 to 13; the periods make 8 to 14"),
        "{findings:?}"
    );
}

#[test]
fn one_mistake_is_one_finding() {
    let mut record = read(HALF);
    (record.value_area_high, record.value_area_low) = (record.value_area_low, record.value_area_high);
    let codes: Vec<Code> = found(&record, "SPY", "2024-07-02").iter().map(|finding| finding.code).collect();
    assert!(codes.contains(&Code::SwappedHighLow) && !codes.contains(&Code::ValueAreaOrder), "{codes:?}");
}

#[test]
fn oil_has_traded_below_zero_and_stocks_have_not() {
    let text = r#"{"poc":-5.5,"value_area_high":1,"value_area_low":-20,"session_high":18,"session_low":-40.25}"#;
    let record = read(text);
    assert_eq!(evidence(&found(&record, "CL", "2020-04-20"), Code::ImpossiblePrice), None);
    let findings = found(&record, "SPY", "2020-04-20");
    let shown = evidence(&findings, Code::ImpossiblePrice).unwrap();
    assert!(shown.contains("session_low -40.25") && shown.contains("poc -5.5"), "{shown}");
}

#[test]
fn a_doubles_noise_is_no_fault_and_half_a_tick_is_one() {
    let mut record = read(r#"{"poc":600.0299999999999,"value_area_high":600.07,"value_area_low":599.015}"#);
    let spy = instrument("SPY");
    record.snap(crate::market::Grid::of(&spy));
    assert_eq!(record.poc, Some(600.03));
    assert_eq!(
        evidence(&found(&record, "SPY", "2024-07-02"), Code::OffTickGrid),
        Some("value_area_low 599.015; the tick is 0.01")
    );
}

#[test]
fn a_return_is_held_against_the_range() {
    let mut record = read(HALF);
    // From 8 to 14 is 75 % at the most, from 14 to 8 the loss of 42.9 %.
    for (change, possible) in [(0.75, true), (0.76, false), (-0.42, true), (-0.44, false)] {
        record.cash_session_return = Some(change);
        let findings = found(&record, "SPY", "2024-07-02");
        assert_eq!(evidence(&findings, Code::ImpossibleReturn).is_none(), possible, "{change}");
    }
}

#[test]
fn volume_is_whole_but_for_coins() {
    let mut record = read(HALF);
    record.volume = Some(10.5);
    assert!(evidence(&found(&record, "SPY", "2024-07-02"), Code::ImpossibleVolume).is_some());
    let coins = instrument("BTC-USD");
    let session = coins.session("2024-07-06".parse().unwrap()).unwrap();
    let mut findings = Vec::new();
    check(&Subject::new(&record, &coins, session), &OfArchive::default(), None, &mut findings).unwrap();
    assert_eq!(evidence(&findings, Code::ImpossibleVolume), None);
}
