//! Samples of session records for the tests of this room.

use super::record::{Bias, CALCULATION, LEGACY, SessionType, ValueAreaMethod};
use super::session_record::{Period, Periods, SessionRecord, TpoCounts};
use crate::lake::manifest::Condition;

/// A computed profile of NQ with every field filled.
pub fn computed(date: &str, revision: u32) -> SessionRecord {
    SessionRecord {
        symbol: "NQ".parse().unwrap(),
        date: date.parse().unwrap(),
        session: crate::market::SessionKind::Rth,
        calculation_version: CALCULATION.to_owned(),
        revision,
        condition: Condition::Available,
        reasons: vec!["missing_minutes".into(), "outside_session".into()],
        session_type: SessionType::NormalVariation,
        bias: Bias::Up,
        value_area_high: 21_420.25,
        value_area_low: 21_380.0,
        poc: 21_401.5,
        initial_balance_high: 21_410.0,
        initial_balance_low: 21_375.25,
        session_high: 21_440.75,
        session_low: 21_370.0,
        single_prints: vec![[21_370.0, 21_372.25], [21_436.0, 21_440.75]],
        poor_high: false,
        poor_low: true,
        excess_high: true,
        excess_low: false,
        tpo_structure: Periods(vec![
            Period { letter: "A".into(), high: 21_410.0, low: 21_375.25 },
            Period { letter: "C".into(), high: 21_440.75, low: 21_370.0 },
        ]),
        volume: 412_345.0,
        cash_session_return: Some(-0.001_25),
        session_open: Some(21_380.25),
        session_close: Some(21_353.5),
        opens_at: Some("2025-01-15T14:30:00Z".parse().unwrap()),
        closes_at: Some("2025-01-15T21:00:00Z".parse().unwrap()),
        value_area_method: Some(ValueAreaMethod::OneRow),
        value_area_share: Some(0.7),
        tick_size: Some(0.25),
        row_ticks: Some(4),
        tpo_period_minutes: Some(30),
        tpo_counts: Some(TpoCounts { total: 900, above_poc: 400, below_poc: 470, value_area: 631 }),
        range_extension_up: Some(30.75),
        range_extension_down: Some(5.25),
        tail_high: Some([21_436.0, 21_440.75]),
        tail_low: None,
        rotation_factor: Some(-3),
        volume_poc: Some(21_400.0),
        volume_value_area_high: Some(21_422.0),
        volume_value_area_low: Some(21_381.0),
        minutes_expected: Some(390),
        minutes_seen: Some(388),
        at: None,
        source_sha256: format!("{revision:064x}"),
        settings: Some("7c4e21b09fd3a586".into()),
    }
}

/// A record of the old archive, which said little.
pub fn legacy(date: &str, original: char) -> SessionRecord {
    SessionRecord {
        calculation_version: LEGACY.to_owned(),
        revision: 1,
        reasons: Vec::new(),
        single_prints: Vec::new(),
        cash_session_return: None,
        session_open: None,
        session_close: None,
        opens_at: None,
        closes_at: None,
        value_area_method: None,
        value_area_share: None,
        tick_size: None,
        row_ticks: None,
        tpo_period_minutes: None,
        tpo_counts: None,
        range_extension_up: None,
        range_extension_down: None,
        tail_high: None,
        rotation_factor: None,
        volume_poc: None,
        volume_value_area_high: None,
        volume_value_area_low: None,
        minutes_expected: None,
        minutes_seen: None,
        source_sha256: original.to_string().repeat(64),
        settings: None,
        ..computed(date, 1)
    }
}
