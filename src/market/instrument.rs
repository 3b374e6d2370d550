//! An instrument: what a symbol is, when it trades, how its prices step. Compaction asks it for the trading date of
//! every row, so the paths from time to date allocate nothing and keep no cache.

use chrono::{DateTime, Datelike, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::market::calendar::CALENDARS_VERSION;
use crate::market::{CalendarId, Decimal, Session, SessionHours, SessionKind, Symbol, TradingDate, TradingDay};
use crate::{Error, Result};

/// No calendar here is closed for longer; past it the search for a session gives up.
const LONGEST_CLOSURE_DAYS: u32 = 31;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssetClass {
    Etf,
    Stock,
    Index,
    Future,
    Crypto,
}

impl AssetClass {
    pub const ALL: [Self; 5] = [Self::Etf, Self::Stock, Self::Index, Self::Future, Self::Crypto];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Etf => "etf",
            Self::Stock => "stock",
            Self::Index => "index",
            Self::Future => "future",
            Self::Crypto => "crypto",
        }
    }
}

/// A symbol with everything that a calculation needs to know about it.
#[derive(Debug, Clone)]
pub struct Instrument {
    pub symbol: Symbol,
    /// For people to read; changes no result.
    pub name: String,
    pub asset_class: AssetClass,
    /// The smallest price step, in price units.
    pub tick_size: Decimal,
    /// What one tick of one share or contract is worth in US dollars; `None` for what is not traded in dollars, or not
    /// traded itself (an index).
    pub tick_value_usd: Option<Decimal>,
    /// Ticks in one row of a market profile.
    pub row_ticks: u32,
    /// Length of one TPO letter, in minutes.
    pub tpo_period_minutes: u32,
    /// Units of the underlying in one option contract: 100 for US equity and index options.
    pub option_multiplier: f64,
    /// The zone of the exchange's wall clock; all session hours are local to it.
    pub time_zone: Tz,
    pub calendar: CalendarId,
    /// The session that [`Self::session`] answers for.
    pub default_session: SessionKind,
    /// Providers' own spellings.
    pub aliases: Vec<String>,
    /// By [`SessionKind`], in the order of [`SessionKind::ALL`].
    pub(super) hours: [Option<SessionHours>; 3],
    /// The evening opening (minutes from the date's midnight, negative) of a date that follows a weekend, where it
    /// differs from that of other dates.
    pub(super) week_open_minute: Option<i16>,
}

impl Instrument {
    /// The wall-clock hours of a session kind on a regular day; `None` when the instrument has no such session.
    pub fn hours(&self, kind: SessionKind) -> Option<SessionHours> {
        self.hours[kind as usize]
    }

    /// The trading date that a row of instant `t` belongs to.
    ///
    /// With an evening opening: local times from it on belong to the next calendar date, else the local date; in both
    /// cases the next date with a session when that one has none. So the pause between close and reopening belongs to
    /// the date that just ended.
    pub fn trading_date_of(&self, t: DateTime<Utc>) -> TradingDate {
        let local = self.local(t);
        let mut date = TradingDate::from(local.date());
        if let Some(rolls_at) = self.rolls_at_minute()
            && i64::from(local.num_seconds_from_midnight()) >= i64::from(rolls_at) * 60
        {
            date = date.next_day();
        }
        if self.trades_on(date) { date } else { self.next_date(date, |date| self.trades_on(date)) }
    }

    /// The default session of `date`, `None` when there is none that day.
    pub fn session(&self, date: TradingDate) -> Option<Session> {
        self.session_of_kind(date, self.default_session)
    }

    /// The session of that kind on `date`, cut short where the exchange closes early; `None` when the exchange is
    /// closed, closes before the session would open, or the instrument has no such session.
    pub fn session_of_kind(&self, date: TradingDate, kind: SessionKind) -> Option<Session> {
        let hours = self.hours(kind)?;
        let (close_minute, early_close) = match self.calendar.day(date) {
            TradingDay::Closed(_) => return None,
            TradingDay::Regular => (hours.close_minute, false),
            TradingDay::Short { close_minute, .. } => {
                (hours.close_minute.min(close_minute), close_minute < hours.close_minute)
            }
        };
        let open_minute = self.open_minute(hours, date);
        if close_minute <= open_minute {
            return None;
        }
        Some(Session {
            date,
            kind,
            open: self.instant(date, open_minute)?,
            close: self.instant(date, close_minute)?,
            early_close,
        })
    }

    /// Why there is no default session on `date`; `None` when there is one.
    pub fn closed_because(&self, date: TradingDate) -> Option<String> {
        self.no_session_because(date, self.default_session)
    }

    /// Why there is no session of that kind on `date`; `None` when there is one.
    pub fn no_session_because(&self, date: TradingDate, kind: SessionKind) -> Option<String> {
        if self.session_of_kind(date, kind).is_some() {
            return None;
        }
        Some(match self.calendar.day(date) {
            TradingDay::Closed(reason) => reason.to_owned(),
            TradingDay::Short { close_minute, reason } => {
                format!("{reason} (trading ends at {:02}:{:02})", close_minute / 60, close_minute % 60)
            }
            TradingDay::Regular => format!("no {kind} session"),
        })
    }

    /// Why that session ends early; `None` when it does not.
    pub fn early_close_because(&self, session: &Session) -> Option<&'static str> {
        match self.calendar.day(session.date) {
            TradingDay::Short { reason, .. } if session.early_close => Some(reason),
            _ => None,
        }
    }

    /// The first date strictly after `after` that has a default session.
    pub fn next_session_date(&self, after: TradingDate) -> TradingDate {
        self.next_date(after, |date| self.session(date).is_some())
    }

    /// The instant at which the exchange's wall clock shows `time` on the calendar date `date`.
    ///
    /// A time that the clock shows twice (autumn) is the first of the two; one that it skips (spring) is the instant of
    /// the jump, so that a range over skipped times is empty and one across them is whole. Fails with `Invalid` only
    /// outside the range of dates that a timestamp can hold.
    pub fn local_to_utc(&self, date: TradingDate, time: NaiveTime) -> Result<DateTime<Utc>> {
        self.wall_clock(date.naive().and_time(time))
            .ok_or_else(|| Error::invalid(format!("{date} {time} is outside the range of dates that pitlake keeps")))
    }

    /// 16 hex digits of SHA-256 over everything here that changes a result: all but name and aliases, and the version
    /// of the calendars' rules. The release of the time-zone database is not part of it.
    pub fn settings_fingerprint(&self) -> String {
        let mut text = format!(
            "pitlake instrument 1\n{}\n{}\n{}\n{}\n{}\n{}\n{:016x}\n{}\n{} {}\n{}\n",
            self.symbol,
            self.asset_class.as_str(),
            self.tick_size,
            self.tick_value_usd.map_or_else(String::new, |value| value.to_string()),
            self.row_ticks,
            self.tpo_period_minutes,
            self.option_multiplier.to_bits(),
            self.time_zone.name(),
            self.calendar,
            CALENDARS_VERSION,
            self.default_session,
        );
        for kind in SessionKind::ALL {
            if let Some(hours) = self.hours(kind) {
                text.push_str(&format!("{kind} {hours}\n"));
            }
        }
        text.push_str(&format!("{:?}\n", self.week_open_minute));
        hex::encode(&Sha256::digest(text.as_bytes())[..8])
    }

    fn local(&self, t: DateTime<Utc>) -> NaiveDateTime {
        let utc = t.naive_utc();
        let offset = self.time_zone.offset_from_utc_datetime(&utc).fix();
        utc.checked_add_offset(offset).unwrap_or(utc)
    }

    /// The local minute of the day from which times belong to the next calendar date.
    fn rolls_at_minute(&self) -> Option<i16> {
        let earliest = self.hours.iter().flatten().map(|hours| hours.open_minute).chain(self.week_open_minute).min()?;
        (earliest < 0).then_some(earliest + 1440)
    }

    fn open_minute(&self, hours: SessionHours, date: TradingDate) -> i16 {
        match self.week_open_minute {
            Some(minute) if hours.open_minute < 0 && date.naive().weekday() == Weekday::Mon => minute,
            _ => hours.open_minute,
        }
    }

    /// Whether any session of the instrument takes place on `date`.
    fn trades_on(&self, date: TradingDate) -> bool {
        match self.calendar.day(date) {
            TradingDay::Closed(_) => false,
            TradingDay::Regular => true,
            TradingDay::Short { close_minute, .. } => {
                self.hours.iter().flatten().any(|&hours| self.open_minute(hours, date) < close_minute)
            }
        }
    }

    fn next_date(&self, after: TradingDate, is_wanted: impl Fn(TradingDate) -> bool) -> TradingDate {
        let mut date = after.next_day();
        for _ in 0..LONGEST_CLOSURE_DAYS {
            if is_wanted(date) {
                break;
            }
            date = date.next_day();
        }
        date
    }

    fn instant(&self, date: TradingDate, minute: i16) -> Option<DateTime<Utc>> {
        let midnight = date.naive().and_time(NaiveTime::MIN);
        self.wall_clock(midnight.checked_add_signed(TimeDelta::minutes(i64::from(minute)))?)
    }

    fn wall_clock(&self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        if let Some(found) = self.time_zone.from_local_datetime(&local).earliest() {
            return Some(found.with_timezone(&Utc));
        }
        let zone = self.time_zone;
        let offset_at = |utc: NaiveDateTime| zone.offset_from_utc_datetime(&utc).fix();
        // The skipped time read with the offset before the jump lies after it, and with the one after the jump before
        // it; the jump itself is a whole minute in between.
        let day = TimeDelta::days(1);
        let before = offset_at(local.checked_sub_signed(day)?);
        let after = offset_at(local.checked_add_signed(day)?);
        let mut late = local.checked_sub_offset(before)?;
        let mut early = local.checked_sub_offset(after)?;
        while late - early > TimeDelta::minutes(1) {
            let middle = early + (late - early) / 2;
            if offset_at(middle) == before { early = middle } else { late = middle }
        }
        let jump = late.with_second(0)?.with_nanosecond(0)?;
        Some(jump.and_utc())
    }
}
