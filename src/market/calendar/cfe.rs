//! Cboe Futures Exchange's days (VX): closed when the stock market is, early closes at 13:15 New York time.
//!
//! Source: CFE Rule 1202 (VX trading hours) and CFE's yearly holiday notice. Left out: the shortened overnight hours
//! that CFE keeps on most stock-market holidays, which no published record gave for all years.

use chrono::NaiveDate;

use super::{TradingDay, nyse};

pub(super) fn day(date: NaiveDate) -> TradingDay {
    match nyse::day(date) {
        TradingDay::Short { reason, .. } => TradingDay::Short { close_minute: 13 * 60 + 15, reason },
        day => day,
    }
}
