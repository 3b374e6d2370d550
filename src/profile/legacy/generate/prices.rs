//! Synthetic one-minute bars of one session, in ticks. Pure.

use super::random::Draws;
use crate::market::{Session, TradingDate};

/// Where the first session opens, in ticks: 15,000 points of NQ.
pub(super) const START: i64 = 60_000;
const LOWEST: i64 = 40_000;
const HIGHEST: i64 = 90_000;

/// A bar of one minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Minute {
    /// Seconds since 1970 to its start.
    pub starts: i64,
    pub open: i64,
    pub high: i64,
    pub low: i64,
    pub close: i64,
    pub volume: i64,
}

/// The minutes of a session that opens near `open`.
pub(super) fn minutes(seed: u64, symbol: &str, session: &Session, open: i64) -> Vec<Minute> {
    let mut draws = Draws::new(seed, symbol, &format!("path {}", session.date));
    let mut price = open.clamp(LOWEST, HIGHEST);
    // Some days drift, most do not.
    let drift = [0, 0, 0, 1, -1, 2, -2][draws.below(7)];
    let starts = session.open.timestamp();
    (0..i64::from(session.minutes()))
        .map(|minute| {
            let open = price + draws.step(1);
            let close = open + draws.step(4) + if minute % 2 == 0 { drift } else { 0 };
            let high = open.max(close) + draws.below(4) as i64;
            let low = open.min(close) - draws.below(4) as i64;
            price = close;
            Minute { starts: starts + 60 * minute, open, high, low, close, volume: 300 + draws.below(2400) as i64 }
        })
        .collect()
}

/// Where the next session opens.
pub(super) fn next_open(seed: u64, symbol: &str, date: TradingDate, close: i64) -> i64 {
    let pull = (START - close) / 50;
    close + pull + Draws::new(seed, symbol, &format!("open {date}")).step(20)
}
