//! How long an answer of the store may be repeated without asking again (contract §4). Pure: [`super::shelf`] brings
//! the times and acts on the verdict. It must never call a thing fresh because a clock went backwards.

use chrono::{DateTime, TimeDelta, Utc};

/// Whether what is asked for may still change by the minute. Only the caller knows: it has the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// The day (or year, or config object) is done; it changes when a correction is published.
    Settled,
    /// The trading day is still open: its partition is replaced every minute or so.
    Open,
}

/// The three windows, each a time since the store was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// A settled object is served this long without asking.
    pub fresh_for: TimeDelta,
    /// An object of an open day is served this long without asking.
    pub fresh_for_open_day: TimeDelta,
    /// "Not there" is repeated this long; on an open day never longer than `fresh_for_open_day`.
    pub missing_for: TimeDelta,
}

impl Windows {
    /// True when what was learnt by a request sent at `asked_at` may be served at `now`. The end of a window is
    /// exclusive: exactly `fresh_for` later the store is asked again. A time of asking that lies in the future means
    /// that the clock was set back, and then the store is asked.
    pub(super) fn still_good(
        &self,
        there: bool,
        asked_at: DateTime<Utc>,
        now: DateTime<Utc>,
        freshness: Freshness,
    ) -> bool {
        let window = match (freshness, there) {
            (Freshness::Settled, true) => self.fresh_for,
            (Freshness::Settled, false) => self.missing_for,
            (Freshness::Open, true) => self.fresh_for_open_day,
            (Freshness::Open, false) => self.missing_for.min(self.fresh_for_open_day),
        };
        let age = now.signed_duration_since(asked_at);
        age >= TimeDelta::zero() && age < window
    }
}

impl Default for Windows {
    /// The contract's: 30 s, 2 s on an open day, 30 s for what is missing.
    fn default() -> Self {
        Self {
            fresh_for: TimeDelta::seconds(30),
            fresh_for_open_day: TimeDelta::seconds(2),
            missing_for: TimeDelta::seconds(30),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good_after_ms(there: bool, freshness: Freshness, age_ms: i64) -> bool {
        let asked_at = DateTime::from_timestamp(1_736_951_520, 0).expect("a valid instant");
        Windows::default().still_good(there, asked_at, asked_at + TimeDelta::milliseconds(age_ms), freshness)
    }

    #[test]
    fn the_windows_of_the_contract() {
        for there in [true, false] {
            assert!(good_after_ms(there, Freshness::Settled, 0));
            assert!(good_after_ms(there, Freshness::Settled, 29_999));
            assert!(!good_after_ms(there, Freshness::Settled, 30_000));
            assert!(good_after_ms(there, Freshness::Open, 1_999));
            assert!(!good_after_ms(there, Freshness::Open, 2_000));
        }
    }

    #[test]
    fn a_clock_set_back_asks_the_store() {
        assert!(!good_after_ms(true, Freshness::Settled, -1));
        assert!(!good_after_ms(false, Freshness::Open, -3_600_000));
    }
}
