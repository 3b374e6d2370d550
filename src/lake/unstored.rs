//! What the calendar says of a day that has no partition. Called by routes and commands that go through days; pure.

use chrono::{DateTime, Utc};

use super::manifest::Condition;
use crate::market::{Instrument, TradingDate};

/// A day without a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unstored {
    /// Closed, missing, or pending while its session is open or ahead.
    pub condition: Condition,
    /// Why the exchange is closed, else a code.
    pub reasons: Vec<String>,
    pub minutes_expected: u32,
}

/// Judges a day at `now`.
pub fn unstored(instrument: &Instrument, date: TradingDate, now: DateTime<Utc>) -> Unstored {
    let session = instrument.session(date);
    let (condition, reasons) = match &session {
        None => (Condition::Closed, instrument.closed_because(date).into_iter().collect()),
        Some(session) if session.open > now => (Condition::Pending, vec!["session_ahead".to_owned()]),
        Some(session) if session.close > now => (Condition::Pending, vec!["session_open".to_owned()]),
        Some(_) => (Condition::Missing, vec!["no_partition".to_owned()]),
    };
    Unstored { condition, reasons, minutes_expected: session.map_or(0, |session| session.minutes()) }
}
