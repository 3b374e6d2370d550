//! The US market holidays as rules, shared by the calendars of the US exchanges. What an exchange does on one of
//! them (close, halt early, trade on) is that calendar's own business.
//!
//! Source of the observed-day rules: NYSE Rule 7.2 (a holiday on a Saturday is kept on the Friday before, unless a
//! monthly or yearly accounting period ends that day, which spares 31 December; one on a Sunday is kept on Monday).

use chrono::{Datelike, NaiveDate, Weekday};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holiday {
    NewYear,
    MartinLutherKing,
    Presidents,
    GoodFriday,
    Memorial,
    Juneteenth,
    Independence,
    Labor,
    Thanksgiving,
    Christmas,
}

impl Holiday {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NewYear => "New Year's Day",
            Self::MartinLutherKing => "Martin Luther King Jr. Day",
            Self::Presidents => "Presidents' Day",
            Self::GoodFriday => "Good Friday",
            Self::Memorial => "Memorial Day",
            Self::Juneteenth => "Juneteenth",
            Self::Independence => "Independence Day",
            Self::Labor => "Labor Day",
            Self::Thanksgiving => "Thanksgiving Day",
            Self::Christmas => "Christmas Day",
        }
    }
}

/// The days that are often cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Eve {
    Independence,
    AfterThanksgiving,
    Christmas,
}

impl Eve {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Independence => "day before Independence Day",
            Self::AfterThanksgiving => "day after Thanksgiving",
            Self::Christmas => "Christmas Eve",
        }
    }
}

pub(super) fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

/// The holiday that is observed on `date`, a weekday.
pub(super) fn holiday(date: NaiveDate) -> Option<Holiday> {
    use Weekday::{Fri, Mon, Thu};
    let (day, weekday) = (date.day(), date.weekday());
    let kept_for =
        |fixed: u32| day == fixed || (weekday == Fri && day + 1 == fixed) || (weekday == Mon && day == fixed + 1);
    match date.month() {
        1 if day == 1 || (day == 2 && weekday == Mon) => Some(Holiday::NewYear),
        1 if weekday == Mon && (15..=21).contains(&day) => Some(Holiday::MartinLutherKing),
        2 if weekday == Mon && (15..=21).contains(&day) => Some(Holiday::Presidents),
        3 | 4 if weekday == Fri && is_good_friday(date) => Some(Holiday::GoodFriday),
        5 if weekday == Mon && day >= 25 => Some(Holiday::Memorial),
        6 if date.year() >= 2022 && kept_for(19) => Some(Holiday::Juneteenth),
        7 if kept_for(4) => Some(Holiday::Independence),
        9 if weekday == Mon && day <= 7 => Some(Holiday::Labor),
        11 if weekday == Thu && (22..=28).contains(&day) => Some(Holiday::Thanksgiving),
        12 if kept_for(25) => Some(Holiday::Christmas),
        _ => None,
    }
}

/// The eve that `date`, a weekday and no holiday, is: only when the feast itself falls on the next day and that is a
/// weekday, for then nothing is moved.
pub(super) fn eve(date: NaiveDate) -> Option<Eve> {
    use Weekday::Fri;
    let weekday = date.weekday();
    match (date.month(), date.day()) {
        (7, 3) if weekday != Fri => Some(Eve::Independence),
        (11, 23..=29) if weekday == Fri => Some(Eve::AfterThanksgiving),
        (12, 24) if weekday != Fri => Some(Eve::Christmas),
        _ => None,
    }
}

fn is_good_friday(friday: NaiveDate) -> bool {
    let (month, day) = easter(friday.year());
    NaiveDate::from_ymd_opt(friday.year(), month, day).is_some_and(|easter| (easter - friday).num_days() == 2)
}

/// Month and day of Easter Sunday in the Gregorian calendar: the "anonymous" algorithm of *Nature*, 20 April 1876, as
/// printed in J. Meeus, *Astronomical Algorithms*, chapter 8.
fn easter(year: i32) -> (u32, u32) {
    let (a, b, c) = (year.rem_euclid(19), year.div_euclid(100), year.rem_euclid(100));
    let (d, e) = (b / 4, b % 4);
    let f = (b + 8) / 25;
    let g = (b - f + 1) / 3;
    let h = (19 * a + b - d - g + 15).rem_euclid(30);
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k).rem_euclid(7);
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    (n.unsigned_abs() / 31, n.unsigned_abs() % 31 + 1)
}

/// The Good Fridays on which the US payrolls report came out (its third Friday after the week of 12 March): the futures
/// exchanges then open overnight and stop after the report.
pub(super) fn is_payrolls_good_friday(date: NaiveDate) -> bool {
    matches!(yyyymmdd(date), 20_100_402 | 20_120_406 | 20_150_403 | 20_210_402 | 20_230_407 | 20_260_403)
}

/// The date as one number that orders as dates do; far outside four-digit years it only has to exist.
pub(super) fn yyyymmdd(date: NaiveDate) -> i32 {
    date.year().clamp(0, 9999) * 10_000 + date.month0().cast_signed() * 100 + 100 + date.day().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easter_falls_where_the_published_tables_say() {
        for (year, month, day) in [
            (1818, 3, 22),
            (1943, 4, 25),
            (1991, 3, 31),
            (2000, 4, 23),
            (2008, 3, 23),
            (2024, 3, 31),
            (2025, 4, 20),
            (2030, 4, 21),
            (2038, 4, 25),
        ] {
            assert_eq!(easter(year), (month, day), "{year}");
        }
    }
}
