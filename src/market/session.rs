//! A session: the hours of one trading date in which an instrument trades. [`crate::market::Instrument`] makes them
//! from wall-clock hours and a calendar.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Timelike, Utc};
use serde::{Deserialize, Serialize};

use crate::market::TradingDate;
use crate::{Error, Result};

/// Which hours of a trading date are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionKind {
    /// Regular trading hours: the exchange's day session, or the old pit hours of a future.
    Rth,
    /// From the evening before up to the regular hours.
    Overnight,
    /// All hours of the trading date.
    Full,
}

impl SessionKind {
    pub const ALL: [Self; 3] = [Self::Rth, Self::Overnight, Self::Full];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rth => "rth",
            Self::Overnight => "overnight",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for SessionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SessionKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Error::invalid(format!("{text:?} is not a session: choose rth, overnight or full")))
    }
}

/// Wall-clock hours in minutes from the trading date's local midnight; an opening on the evening before is negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionHours {
    pub(super) open_minute: i16,
    pub(super) close_minute: i16,
}

impl SessionHours {
    /// The opening in minutes from the trading date's local midnight: -360 is 18:00 on the evening before.
    pub fn open_minute(self) -> i16 {
        self.open_minute
    }

    /// The close in minutes from the trading date's local midnight, at most 1440.
    pub fn close_minute(self) -> i16 {
        self.close_minute
    }
}

impl FromStr for SessionHours {
    type Err = Error;

    /// Takes `HH:MM-HH:MM`. Hours whose opening is not before their close open on the evening before (`18:00-17:00`);
    /// `24:00` is the midnight that ends the day.
    fn from_str(text: &str) -> Result<Self> {
        let hours = text.split_once('-').and_then(|(open, close)| {
            let (open, close) = (minute_of_day(open)?, minute_of_day(close)?);
            if open == 1440 || close == 0 {
                return None;
            }
            Some(Self { open_minute: if open < close { open } else { open - 1440 }, close_minute: close })
        });
        hours.ok_or_else(|| Error::invalid(format!("{text:?} are not session hours: write \"09:30-16:00\"")))
    }
}

impl fmt::Display for SessionHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = (self.open_minute.rem_euclid(1440), self.close_minute);
        write!(f, "{:02}:{:02}-{:02}:{:02}", open / 60, open % 60, close / 60, close % 60)
    }
}

/// `HH:MM` as minutes from midnight, 00:00 to 24:00.
pub(super) fn minute_of_day(text: &str) -> Option<i16> {
    let bytes = text.as_bytes();
    if bytes.len() != 5 || bytes[2] != b':' {
        return None;
    }
    let two = |at: usize| {
        let (tens, ones) = (bytes[at], bytes[at + 1]);
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| i16::from(tens - b'0') * 10 + i16::from(ones - b'0'))
    };
    let (hour, minute) = (two(0)?, two(3)?);
    (minute < 60 && hour * 60 + minute <= 1440).then_some(hour * 60 + minute)
}

/// One session of one trading date, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Session {
    pub date: TradingDate,
    pub kind: SessionKind,
    pub open: DateTime<Utc>,
    pub close: DateTime<Utc>,
    /// The exchange closed before this session's usual hour.
    pub early_close: bool,
}

impl Session {
    /// Whole minutes from open to close: 390 for a full day of SPY, 210 for a half day.
    pub fn minutes(&self) -> u32 {
        u32::try_from((self.close - self.open).num_minutes()).unwrap_or(0)
    }

    /// Whether `t` lies in `open <= t < close`.
    pub fn contains(&self, t: DateTime<Utc>) -> bool {
        self.open <= t && t < self.close
    }
}

/// The start of the minute that `t` lies in.
pub fn floor_minute(t: DateTime<Utc>) -> DateTime<Utc> {
    // Fields, not subtraction: a leap second is nanoseconds past 10^9 and belongs to the minute that it ends.
    t.with_nanosecond(0).and_then(|t| t.with_second(0)).unwrap_or(t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_say_when_they_open_the_evening_before() {
        for (text, open, close) in [
            ("09:30-16:00", 570, 960),
            ("18:00-17:00", -360, 1020),
            ("18:00-09:30", -360, 570),
            ("00:00-24:00", 0, 1440),
        ] {
            let hours: SessionHours = text.parse().unwrap();
            assert_eq!((hours.open_minute(), hours.close_minute()), (open, close));
            assert_eq!(hours.to_string(), text);
        }
        for text in
            ["", "09:30", "9:30-16:00", "09:60-16:00", "24:00-10:00", "10:00-24:01", "09:30-00:00", "a9:30-16:00"]
        {
            assert!(text.parse::<SessionHours>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_minute_starts_at_its_first_instant() {
        for (text, floor) in [
            ("2025-01-15T14:32:59.999999999Z", "2025-01-15T14:32:00Z"),
            ("2025-01-15T14:32:00Z", "2025-01-15T14:32:00Z"),
            ("2016-12-31T23:59:60.5Z", "2016-12-31T23:59:00Z"),
            ("1969-12-31T23:59:30.25Z", "1969-12-31T23:59:00Z"),
        ] {
            assert_eq!(floor_minute(text.parse().unwrap()), floor.parse::<DateTime<Utc>>().unwrap(), "{text}");
        }
    }
}
