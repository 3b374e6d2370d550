//! A bar as the domain counts it: whole ticks, whole minutes. What calculations take; they know nothing of files.

use chrono::{DateTime, Utc};

use crate::market::Ticks;

/// What was traded from one minute to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// Minutes from 1970-01-01T00:00Z to its start.
    pub start_minute: i64,
    /// How long it is: 1 to 60.
    pub minutes: u16,
    pub open: Ticks,
    pub high: Ticks,
    pub low: Ticks,
    pub close: Ticks,
    /// Shares or contracts, or whatever the source counts; not negative.
    pub volume: f64,
}

impl Bar {
    pub fn start(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.start_minute * 60, 0).unwrap_or_default()
    }

    /// The first minute after it.
    pub fn end_minute(&self) -> i64 {
        self.start_minute + i64::from(self.minutes)
    }
}
