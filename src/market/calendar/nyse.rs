//! The New York Stock Exchange's days. Sources: NYSE Rule 7.2 (holidays and their observance), the exchange's yearly
//! "holidays and trading hours" notices (13:00 closes), and its notices for the one-off closures named below.

use chrono::NaiveDate;

use super::holidays::{eve, holiday, is_weekend};
use super::{OneOff, TradingDay, one_off};

const ONE_OFFS: &[OneOff] = &[
    (20_121_029, TradingDay::Closed("Hurricane Sandy")),
    (20_121_030, TradingDay::Closed("Hurricane Sandy")),
    (20_181_205, TradingDay::Closed("National Day of Mourning for George H. W. Bush")),
    (20_250_109, TradingDay::Closed("National Day of Mourning for Jimmy Carter")),
];

const ONE_PM: i16 = 13 * 60;

pub(super) fn day(date: NaiveDate) -> TradingDay {
    if is_weekend(date) {
        return TradingDay::Closed("weekend");
    }
    if let Some(day) = one_off(ONE_OFFS, date) {
        return day;
    }
    if let Some(holiday) = holiday(date) {
        return TradingDay::Closed(holiday.name());
    }
    match eve(date) {
        Some(eve) => TradingDay::Short { close_minute: ONE_PM, reason: eve.name() },
        None => TradingDay::Regular,
    }
}
