//! The exchange's date of a session. Paths, queries and manifests carry it; it is never the UTC date of a timestamp
//! (ask [`crate::market::Instrument::trading_date_of`] for that).

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

/// A calendar date as an exchange counts them, written `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TradingDate(NaiveDate);

impl TradingDate {
    /// Years that are written and read.
    pub const YEARS: std::ops::RangeInclusive<i32> = 1900..=2199;

    /// `None` when there is no such day, or when the year is outside 1900..=2199.
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Self> {
        if !Self::YEARS.contains(&year) {
            return None;
        }
        NaiveDate::from_ymd_opt(year, month, day).map(Self)
    }

    pub fn naive(self) -> NaiveDate {
        self.0
    }

    pub fn year(self) -> i32 {
        self.0.year()
    }

    /// The calendar day after this one; at the end of chrono's range the day itself.
    #[must_use]
    pub fn next_day(self) -> Self {
        Self(self.0.succ_opt().unwrap_or(self.0))
    }

    /// The calendar day before this one; at the start of chrono's range the day itself.
    #[must_use]
    pub fn prev_day(self) -> Self {
        Self(self.0.pred_opt().unwrap_or(self.0))
    }

    /// Days since 1970-01-01, as Arrow's `date32` counts them.
    pub fn days_since_epoch(self) -> i32 {
        self.0.to_epoch_days()
    }
}

impl From<NaiveDate> for TradingDate {
    fn from(date: NaiveDate) -> Self {
        Self(date)
    }
}

impl FromStr for TradingDate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_strictly(text).ok_or_else(|| {
            let shown: String = text.chars().take(20).collect();
            Error::invalid(format!(
                "{shown:?} is not a date: write YYYY-MM-DD with a day that exists, years 1900 to 2199"
            ))
        })
    }
}

fn parse_strictly(text: &str) -> Option<TradingDate> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0_u32, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
    };
    TradingDate::from_ymd(i32::try_from(number(0..4)?).ok()?, number(5..7)?, number(8..10)?)
}

impl fmt::Display for TradingDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for TradingDate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TradingDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_only_the_full_form_of_a_day_that_exists() {
        assert_eq!("2024-02-29".parse::<TradingDate>().unwrap(), TradingDate::from_ymd(2024, 2, 29).unwrap());
        for text in [
            "2025-1-5",
            "2025-02-30",
            "2023-02-29",
            "2025/01/05",
            "20250105",
            "2025-01-05 ",
            " 2025-01-05",
            "+025-01-05",
            "1899-12-31",
            "2200-01-01",
            "2025-13-01",
            "2025-00-01",
            "٢٠٢٥-01",
            "today",
            "",
        ] {
            assert!(text.parse::<TradingDate>().is_err(), "{text}");
        }
    }

    #[test]
    fn counts_days_as_date32_does() {
        // `date -u -d 2025-01-15 +%s` is 1736899200, which is 20103 days.
        assert_eq!("2025-01-15".parse::<TradingDate>().unwrap().days_since_epoch(), 20_103);
        assert_eq!("1969-12-31".parse::<TradingDate>().unwrap().days_since_epoch(), -1);
    }

    proptest! {
        #[test]
        fn prints_what_it_parses(days in -25_567_i32..=84_005) {
            let date = TradingDate::from(NaiveDate::from_epoch_days(days).unwrap());
            prop_assert_eq!(date.to_string().parse::<TradingDate>().unwrap(), date);
            prop_assert_eq!(date.next_day().prev_day(), date);
            prop_assert_eq!(date.next_day().days_since_epoch(), days + 1);
            let json = serde_json::to_string(&date).unwrap();
            prop_assert_eq!(serde_json::from_str::<TradingDate>(&json).unwrap(), date);
        }
    }
}
