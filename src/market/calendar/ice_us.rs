//! ICE Futures U.S.'s days for the dollar index (DX): closed on New Year, Good Friday and Christmas, 13:00 New York
//! time on the other US holidays.
//!
//! Source: ICE Futures U.S. yearly holiday hours. Left out: early stops on eves.

use chrono::NaiveDate;

use super::TradingDay;
use super::holidays::{Holiday, holiday, is_weekend};

pub(super) fn day(date: NaiveDate) -> TradingDay {
    if is_weekend(date) {
        return TradingDay::Closed("weekend");
    }
    match holiday(date) {
        None => TradingDay::Regular,
        Some(kept @ (Holiday::NewYear | Holiday::GoodFriday | Holiday::Christmas)) => TradingDay::Closed(kept.name()),
        Some(kept) => TradingDay::Short { close_minute: 13 * 60, reason: kept.name() },
    }
}
