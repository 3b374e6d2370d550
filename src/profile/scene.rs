//! An instrument and bars for the tests of the profile engine: one tick is one point, rows are one tick, letters are half-hours of
//! New York's day session.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::compute::{Question, Shape, profile};
use super::computed::Profile;
use super::settings::Settings;
use crate::Result;
use crate::bars::Bar;
use crate::market::{Instrument, Instruments, Session, SessionKind, Ticks};

const ENTRIES: &str = r#"
[TEST]
name = "a future of one-point ticks"
asset_class = "future"
tick_size = "1"
tick_value_usd = "1"
row_ticks = 1
tpo_period_minutes = 30
option_multiplier = 1
time_zone = "America/New_York"
calendar = "cme_equity"
sessions = { rth = "09:30-16:00", overnight = "18:00-09:30", full = "18:00-17:00" }
default_session = "rth"

[ALWAYS]
name = "around the clock, by New York's"
asset_class = "crypto"
tick_size = "0.01"
row_ticks = 5
tpo_period_minutes = 30
option_multiplier = 1
time_zone = "America/New_York"
calendar = "always"
sessions = { full = "00:00-24:00" }
default_session = "full"
"#;

/// TEST, ALWAYS, or a built-in one.
pub fn instrument(symbol: &str) -> Arc<Instrument> {
    let instruments = Instruments::with_overrides(ENTRIES, "test").unwrap();
    instruments.resolve(symbol).unwrap().clone()
}

pub fn session(instrument: &Instrument, date: &str, kind: SessionKind) -> Session {
    instrument.session_of_kind(date.parse().unwrap(), kind).unwrap()
}

/// A plain Wednesday's day session.
pub const DAY: &str = "2025-01-15";

/// A bar of so many minutes, by its place in minutes from the session's opening.
pub fn bar(session: Session, at: i64, minutes: u16, [open, high, low, close]: [i64; 4], volume: f64) -> Bar {
    Bar {
        start_minute: session.open.timestamp() / 60 + at,
        minutes,
        open: Ticks(open),
        high: Ticks(high),
        low: Ticks(low),
        close: Ticks(close),
        volume,
    }
}

/// One bar a period: `(low, high)` of A, B, …; the session opens at `open` and closes at `close`.
pub fn letters(session: Session, open: i64, ranges: &[(i64, i64)], close: i64) -> Vec<Bar> {
    let last = ranges.len() - 1;
    let one = |(at, &(low, high)): (usize, &(i64, i64))| {
        let open = if at == 0 { open } else { low };
        let close = if at == last { close } else { high };
        bar(session, at as i64 * 30, 30, [open, high, low, close], 100.0)
    };
    ranges.iter().enumerate().map(one).collect()
}

pub struct Asked {
    pub instrument: Arc<Instrument>,
    pub session: Session,
    pub settings: Settings,
    pub shape: Shape,
    pub until: Option<DateTime<Utc>>,
}

impl Asked {
    pub fn of(symbol: &str, date: &str, kind: SessionKind) -> Self {
        let instrument = instrument(symbol);
        let session = session(&instrument, date, kind);
        let settings = Settings::default();
        let shape = Shape::of(&instrument, &settings);
        Self { instrument, session, settings, shape, until: None }
    }

    /// The day session of TEST.
    pub fn day() -> Self {
        Self::of("TEST", DAY, SessionKind::Rth)
    }

    pub fn try_over(&self, bars: &[Bar]) -> Result<Option<Profile>> {
        let Self { instrument, session, settings, shape, until } = self;
        profile(&Question { instrument, session: *session, shape: *shape, settings, until: *until }, bars)
    }

    #[track_caller]
    pub fn over(&self, bars: &[Bar]) -> Profile {
        self.try_over(bars).unwrap().expect("bars in the session")
    }
}
