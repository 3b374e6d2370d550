//! The days of CME Group's Globex markets. On most US holidays Globex halts at midday instead of closing, and reopens at
//! 18:00 New York time for the next date; such a day is a date of its own here, cut short (CME's clearing books it to
//! the next business day, chart vendors and we do not).
//!
//! Sources: CME Group's holiday calendar (cmegroup.com/tools-information/holiday-calendar.html, one schedule per
//! holiday), and its notices for Hurricane Sandy (2012-10-29), 2018-12-02 and 2024-12-30 for the days of mourning.
//! Central times there, New York times (one hour later) here. Approximate, because no machine-readable record was at
//! hand: currencies before 2020, energy and metals before 2022, and Friday 15:15 closes of interest rates before 2016
//! (left out).

use chrono::{Datelike, NaiveDate, Weekday};

use super::holidays::{Eve, Holiday, eve, holiday, is_payrolls_good_friday, is_weekend, yyyymmdd};
use super::{OneOff, TradingDay, one_off};

const AT_0915: i16 = 9 * 60 + 15;
const AT_0930: i16 = 9 * 60 + 30;
const AT_1115: i16 = 11 * 60 + 15;
const AT_1130: i16 = 11 * 60 + 30;
const AT_1200: i16 = 12 * 60;
const AT_1300: i16 = 13 * 60;
const AT_1315: i16 = 13 * 60 + 15;
const AT_1345: i16 = 13 * 60 + 45;
const AT_1430: i16 = 14 * 60 + 30;
const AT_1445: i16 = 14 * 60 + 45;

const SANDY: &str = "Hurricane Sandy";
const BUSH: &str = "National Day of Mourning for George H. W. Bush";
const CARTER: &str = "National Day of Mourning for Jimmy Carter";

const EQUITY_ONE_OFFS: &[OneOff] = &[
    (20_121_029, short(AT_0915, SANDY)),
    (20_121_030, short(AT_0915, SANDY)),
    (20_181_205, short(AT_0930, BUSH)),
    (20_250_109, short(AT_0930, CARTER)),
];

const RATES_ONE_OFFS: &[OneOff] = &[
    (20_121_029, short(AT_1200, SANDY)),
    (20_181_205, TradingDay::Closed(BUSH)),
    (20_250_109, short(AT_1315, CARTER)),
];

/// CME's 2026 schedule, an hour later than in other years.
const ENERGY_AND_METALS_ONE_OFFS: &[OneOff] = &[(20_261_127, short(AT_1445, "day after Thanksgiving"))];

const fn short(close_minute: i16, reason: &'static str) -> TradingDay {
    TradingDay::Short { close_minute, reason }
}

/// Equity-index futures: midday halt at 13:00, until Presidents' Day 2014 at 11:30; eves stop at 13:15; on a Good
/// Friday with a payrolls report 09:15.
pub(super) fn equity_day(date: NaiveDate) -> TradingDay {
    let halt = if yyyymmdd(date) < 20_140_301 { AT_1130 } else { AT_1300 };
    globex_day(date, EQUITY_ONE_OFFS, AT_0915, |_| Some(halt), |_| Some(AT_1315))
}

/// Interest-rate futures: halt at 13:00; no early stop before Independence Day, the other eves 13:15; on a Good Friday
/// with a payrolls report 11:15.
pub(super) fn rates_day(date: NaiveDate) -> TradingDay {
    let eves = |eve| (eve != Eve::Independence).then_some(AT_1315);
    globex_day(date, RATES_ONE_OFFS, AT_1115, |_| Some(AT_1300), eves)
}

/// Currency futures: as interest rates until 2021; since 2022 the midday halts are gone.
pub(super) fn fx_day(date: NaiveDate) -> TradingDay {
    let halts = date.year() < 2022;
    let eves = |eve| (eve != Eve::Independence).then_some(AT_1315);
    globex_day(date, &[], AT_1115, |_| halts.then_some(AT_1300), eves)
}

/// Energy and metals: closed on every Good Friday; halt at 13:00 until 2021, since 2022 at 14:30, or 13:00 when the
/// holiday is a Friday and ends the week; the day after Thanksgiving and Christmas Eve stop at 13:45.
pub(super) fn energy_and_metals_day(date: NaiveDate) -> TradingDay {
    if is_payrolls_good_friday(date) {
        return TradingDay::Closed(Holiday::GoodFriday.name());
    }
    let late = date.year() >= 2022 && date.weekday() != Weekday::Fri;
    let halt = if late { AT_1430 } else { AT_1300 };
    let eves = |eve| (eve != Eve::Independence).then_some(AT_1345);
    globex_day(date, ENERGY_AND_METALS_ONE_OFFS, 0, |_| Some(halt), eves)
}

/// The common shape: weekends, New Year, Good Friday and Christmas are closed, other holidays are halted at what `halt`
/// says (`None`: they trade on), eves at what `eve_close` says.
fn globex_day(
    date: NaiveDate,
    one_offs: &[OneOff],
    payrolls_close: i16,
    halt: impl Fn(Holiday) -> Option<i16>,
    eve_close: impl Fn(Eve) -> Option<i16>,
) -> TradingDay {
    if is_weekend(date) {
        return TradingDay::Closed("weekend");
    }
    if let Some(day) = one_off(one_offs, date) {
        return day;
    }
    match holiday(date) {
        Some(kept @ Holiday::GoodFriday) if is_payrolls_good_friday(date) => short(payrolls_close, kept.name()),
        Some(kept @ (Holiday::NewYear | Holiday::GoodFriday | Holiday::Christmas)) => TradingDay::Closed(kept.name()),
        Some(kept) => halt(kept).map_or(TradingDay::Regular, |minute| short(minute, kept.name())),
        None => match eve(date) {
            Some(eve) => eve_close(eve).map_or(TradingDay::Regular, |minute| short(minute, eve.name())),
            None => TradingDay::Regular,
        },
    }
}
