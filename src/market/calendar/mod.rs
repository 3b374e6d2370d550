//! Which days an exchange trades, and which it cuts short. [`crate::market::Instrument`] asks here once per session;
//! the answer is arithmetic on the date plus short tables of one-off days, with no allocation and no state.
//!
//! Kept for 2010-01-01 to 2030-12-31. Outside of that the rules are carried on as they stand, one-off closures are not
//! known. All US calendars speak New York time.

mod cfe;
mod cme;
mod holidays;
mod ice_us;
mod nse;
mod nyse;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::market::TradingDate;
use crate::{Error, Result};

/// Raised whenever a rule or a table below changes, because it is part of every instrument's settings fingerprint.
pub(super) const CALENDARS_VERSION: u32 = 2;

/// What an exchange does on one date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TradingDay {
    Regular,
    /// Trading ends at this minute of the local day (780 is 13:00), for sessions that would run longer.
    Short {
        close_minute: i16,
        reason: &'static str,
    },
    Closed(&'static str),
}

/// The holiday calendars that instruments name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalendarId {
    /// New York Stock Exchange, and with it Nasdaq, Cboe's index options and the index publishers.
    Nyse,
    /// CME Globex, US equity-index futures.
    CmeEquity,
    /// CBOT Globex, interest-rate futures.
    CmeRates,
    /// CME Globex, currency futures.
    CmeFx,
    /// NYMEX and COMEX on Globex: energy and metals.
    NymexComex,
    /// Cboe Futures Exchange.
    Cfe,
    /// ICE Futures U.S., the dollar index.
    IceUs,
    /// National Stock Exchange of India.
    Nse,
    /// Every day, all day.
    Always,
}

impl CalendarId {
    pub const ALL: [Self; 9] = [
        Self::Nyse,
        Self::CmeEquity,
        Self::CmeRates,
        Self::CmeFx,
        Self::NymexComex,
        Self::Cfe,
        Self::IceUs,
        Self::Nse,
        Self::Always,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nyse => "nyse",
            Self::CmeEquity => "cme_equity",
            Self::CmeRates => "cme_rates",
            Self::CmeFx => "cme_fx",
            Self::NymexComex => "nymex_comex",
            Self::Cfe => "cfe",
            Self::IceUs => "ice_us",
            Self::Nse => "nse",
            Self::Always => "always",
        }
    }

    /// The zone in which the calendar's early closes are given; `None` when it has none.
    pub fn time_zone(self) -> Option<Tz> {
        match self {
            Self::Nse => Some(Tz::Asia__Kolkata),
            Self::Always => None,
            _ => Some(Tz::America__New_York),
        }
    }

    pub fn day(self, date: TradingDate) -> TradingDay {
        let date: NaiveDate = date.naive();
        match self {
            Self::Nyse => nyse::day(date),
            Self::CmeEquity => cme::equity_day(date),
            Self::CmeRates => cme::rates_day(date),
            Self::CmeFx => cme::fx_day(date),
            Self::NymexComex => cme::energy_and_metals_day(date),
            Self::Cfe => cfe::day(date),
            Self::IceUs => ice_us::day(date),
            Self::Nse => nse::day(date),
            Self::Always => TradingDay::Regular,
        }
    }
}

impl fmt::Display for CalendarId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for CalendarId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|id| id.as_str() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|id| id.as_str()).collect();
            Error::invalid(format!("{text:?} is not a calendar: choose one of {}", known.join(", ")))
        })
    }
}

/// A day that no rule foresees, as `yyyymmdd`, and what the exchange did. Tables of these are sorted by day.
type OneOff = (i32, TradingDay);

fn one_off(table: &[OneOff], date: NaiveDate) -> Option<TradingDay> {
    let key = holidays::yyyymmdd(date);
    table.binary_search_by_key(&key, |entry| entry.0).ok().map(|at| table[at].1)
}
