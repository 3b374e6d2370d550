//! One session's profile as files keep it and answers show it: the old API's fields with their names and shapes, and what is new
//! beside them. Prices are doubles here, the nearest to their ticks; calculations never see this form.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::record::{Bias, LEGACY, SessionType, ValueAreaMethod};
use crate::lake::manifest::Condition;
use crate::market::{SessionKind, Symbol, TradingDate};

/// The profile of one (symbol, date, session) by one calculation. Serializes to the bare object of `/api/v1/tpo`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    pub symbol: Symbol,
    pub date: TradingDate,
    pub session: SessionKind,
    /// `tpo-1`, or `legacy` for what was brought in from the old archive.
    pub calculation_version: String,
    /// The revision of the day's bars that it was made from; 1 for what was brought in.
    pub revision: u32,
    pub condition: Condition,
    /// Names of what is wrong or worth knowing, such as `missing_minutes`.
    pub reasons: Vec<String>,
    pub session_type: SessionType,
    pub bias: Bias,
    /// The lowest price of the highest row of the value area.
    pub value_area_high: f64,
    /// The lowest price of the lowest row of the value area.
    pub value_area_low: f64,
    /// The lowest price of the row with the most TPOs.
    pub poc: f64,
    pub initial_balance_high: f64,
    pub initial_balance_low: f64,
    pub session_high: f64,
    pub session_low: f64,
    /// `[low, high]` of each run of rows that one period alone traded at: the lowest price of its lowest row and of its
    /// highest one.
    pub single_prints: Vec<[f64; 2]>,
    pub poor_high: bool,
    pub poor_low: bool,
    pub excess_high: bool,
    pub excess_low: bool,
    pub tpo_structure: Periods,
    #[serde(serialize_with = "whole_as_integer")]
    pub volume: f64,
    /// Last price of the regular hours over their first, less one. Null in a session without regular hours.
    pub cash_session_return: Option<f64>,

    pub session_open: Option<f64>,
    pub session_close: Option<f64>,
    /// Opening and close of the session by the calendar.
    pub opens_at: Option<DateTime<Utc>>,
    pub closes_at: Option<DateTime<Utc>>,
    pub value_area_method: Option<ValueAreaMethod>,
    /// The share of all TPOs that the value area had to reach: 0.7.
    pub value_area_share: Option<f64>,
    pub tick_size: Option<f64>,
    pub row_ticks: Option<u32>,
    pub tpo_period_minutes: Option<u32>,
    pub tpo_counts: Option<TpoCounts>,
    /// Price units beyond the initial balance on either side; 0 when there is none.
    pub range_extension_up: Option<f64>,
    pub range_extension_down: Option<f64>,
    /// `[low, high]` of the single prints at the top (selling tail) and at the bottom (buying tail), if any.
    pub tail_high: Option<[f64; 2]>,
    pub tail_low: Option<[f64; 2]>,
    pub rotation_factor: Option<i32>,
    pub volume_poc: Option<f64>,
    pub volume_value_area_high: Option<f64>,
    pub volume_value_area_low: Option<f64>,
    pub minutes_expected: Option<u32>,
    pub minutes_seen: Option<u32>,
    /// Up to when a developing profile looks; null for that of a whole session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// sha256 of the bars partition it was made from; of the original record for what was brought in.
    pub source_sha256: String,
    /// Fingerprint of what it was computed with besides the bars: the instrument's entry and the thresholds. Null for what was
    /// brought in.
    #[serde(default)]
    pub settings: Option<String>,
}

impl SessionRecord {
    /// Whether it was computed here, and not brought in from the old archive.
    pub fn is_computed(&self) -> bool {
        self.calculation_version != LEGACY
    }
}

/// TPOs of a session: one per row and period that traded there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TpoCounts {
    pub total: u32,
    pub above_poc: u32,
    pub below_poc: u32,
    /// Of these, inside the value area.
    pub value_area: u32,
}

/// A period's range.
#[derive(Debug, Clone, PartialEq)]
pub struct Period {
    /// `A` … `Z`, `a` … `z`, then `A2` and so on.
    pub letter: String,
    pub high: f64,
    pub low: f64,
}

/// Periods in their order, as an object: `{"A":[high,low],…}`. A period without trades is left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Periods(pub Vec<Period>);

impl Serialize for Periods {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for period in &self.0 {
            map.serialize_entry(&period.letter, &[period.high, period.low])?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Periods {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Periods;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of [high, low] by letter")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Periods, A::Error> {
                let mut periods = Vec::new();
                while let Some((letter, [high, low])) = map.next_entry::<String, [f64; 2]>()? {
                    periods.push(Period { letter, high, low });
                }
                Ok(Periods(periods))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The name of the period `at` (0 is the first): `A` … `Z`, `a` … `z`, and from the fifty-third on the same with a number.
pub fn letter(at: usize) -> String {
    const LETTERS: &[u8; 52] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let letter = char::from(LETTERS[at % LETTERS.len()]);
    match at / LETTERS.len() {
        0 => letter.to_string(),
        round => format!("{letter}{}", round + 1),
    }
}

/// Contracts and shares are whole, and were written so; only what trades in fractions has a point.
fn whole_as_integer<S: Serializer>(volume: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if volume.fract() == 0.0 && volume.abs() < 9e15 {
        serializer.serialize_i64(*volume as i64)
    } else {
        serializer.serialize_f64(*volume)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_fit_a_day_and_go_on_after_it() {
        assert_eq!([0, 25, 26, 51, 52, 104].map(letter), ["A", "Z", "a", "z", "A2", "A3"]);
    }

    #[test]
    fn periods_are_an_object_in_their_order() {
        let json = r#"{"B":[2.5,1.25],"A":[3.0,2.0],"a":[4.0,4.0]}"#;
        let periods: Periods = serde_json::from_str(json).unwrap();
        assert_eq!(periods.0[0], Period { letter: "B".into(), high: 2.5, low: 1.25 });
        assert_eq!(serde_json::to_string(&periods).unwrap(), json);
        assert!(serde_json::from_str::<Periods>(r#"{"A":[1.0]}"#).is_err());
    }
}
