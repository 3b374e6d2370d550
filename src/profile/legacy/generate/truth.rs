//! What was planted in a synthetic archive, for whoever holds an audit against it.

use serde::{Deserialize, Serialize};

use crate::market::TradingDate;

/// Everything that is not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    pub symbol: String,
    /// Every record, the right ones too, by file and place in it.
    pub records: Vec<TrueRecord>,
    /// Sessions between the first and the last that have no record that can be told.
    pub missing: Vec<TradingDate>,
    /// First and last date of the wrong logic.
    pub era: Option<[TradingDate; 2]>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrueRecord {
    pub file: String,
    pub index: u32,
    /// The session that it is of, whatever it says itself.
    pub date: TradingDate,
    /// Codes that must be found; none for a record that is right.
    pub planted: Vec<String>,
    /// Codes that must be found as well where bars are known.
    pub planted_with_bars: Vec<String>,
}
