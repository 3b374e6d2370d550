//! Realistic synthetic bars, seeded: the same settings give the same bars on every machine. `pitlake generate bars` calls it, and
//! so do the demo, the benchmarks and tests. With defects it also tells what it planted, so that what the checks find can be
//! measured.
//!
//! [`days`] gives the bars themselves; [`write()`] spells them as a file of the kind that `pitlake ingest bars` reads.

mod day;
mod defects;
mod random;
mod shape;
mod truth;
mod write;

#[cfg(test)]
mod tests;

pub use day::GeneratedDay;
pub use shape::DayShape;
pub use truth::{Planted, Truth};
pub use write::{Kind, Spelling, write};

use day::{Assumed, Walk};
use random::Draws;

use crate::market::{AssetClass, Instrument, Session, SessionKind, TradingDate};
use crate::{Error, Result};

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// First and last trading date; dates without a session are left out.
    pub start: TradingDate,
    pub end: TradingDate,
    /// Length of a bar: 1 to 60, a divisor of 60.
    pub minutes: u16,
    pub seed: u64,
}

/// The bars of every trading date from `start` to `end`: the widest session of the instrument, no minute missing, every price on
/// the tick grid, each date opening where the one before it ended. Pure.
///
/// # Errors
/// `Invalid` for dates the wrong way round, a span without a session or bars of a length that does not divide an hour.
pub fn days(instrument: &Instrument, settings: &Settings) -> Result<Vec<GeneratedDay>> {
    let Settings { start, end, minutes, seed } = *settings;
    if end < start {
        return Err(Error::invalid(format!("--end {end} is before --start {start}; swap them")));
    }
    if minutes == 0 || 60 % minutes != 0 {
        return Err(Error::invalid(format!(
            "bars of {minutes} minutes do not fill an hour: choose 1m, 5m, 15m, 30m, 1h …"
        )));
    }
    let symbol = instrument.symbol.as_str();
    let mut walk = Walk::new(instrument, assume(instrument));
    let mut days = Vec::new();
    let mut date = start;
    while date <= end {
        if let Some(session) = widest_session(instrument, date) {
            days.push(walk.day(instrument, session, minutes, &mut Draws::of(seed, symbol, &format!("path {date}"))));
        }
        date = date.next_day();
    }
    if days.is_empty() {
        let next = instrument.next_session_date(end);
        return Err(Error::invalid(format!(
            "{symbol} has no session from {start} to {end}: the next one is on {next}"
        )));
    }
    Ok(days)
}

fn widest_session(instrument: &Instrument, date: TradingDate) -> Option<Session> {
    instrument.session_of_kind(date, SessionKind::Full).or_else(|| instrument.session(date))
}

/// Price levels of January 2025, only so that numbers look familiar.
fn assume(instrument: &Instrument) -> Assumed {
    let (price, volatility, volume) = match instrument.symbol.as_str() {
        "NQ" => (21_400.0, 0.20, 1_100.0),
        "ES" => (5_950.0, 0.15, 2_800.0),
        "YM" => (43_200.0, 0.14, 250.0),
        "RTY" => (2_250.0, 0.21, 380.0),
        "CL" => (78.0, 0.33, 450.0),
        "GC" => (2_690.0, 0.15, 280.0),
        "SI" => (31.0, 0.28, 90.0),
        "HG" => (4.35, 0.22, 70.0),
        "ZB" => (114.0, 0.11, 420.0),
        "VX" => (17.0, 0.75, 150.0),
        "DX" => (109.0, 0.07, 25.0),
        "6E" => (1.03, 0.08, 260.0),
        "SPY" => (593.0, 0.15, 110_000.0),
        "QQQ" => (516.0, 0.20, 80_000.0),
        "AAPL" => (236.0, 0.25, 130_000.0),
        "TSLA" => (420.0, 0.60, 230_000.0),
        "NVDA" => (134.0, 0.50, 550_000.0),
        "SPX" => (5_950.0, 0.15, 0.0),
        "NIFTY" => (23_200.0, 0.14, 30_000.0),
        "BTC-USD" => (97_000.0, 0.50, 12.0),
        _ => match instrument.asset_class {
            AssetClass::Future => (1_000.0, 0.20, 300.0),
            AssetClass::Crypto => (1_000.0, 0.60, 100.0),
            AssetClass::Index => (2_000.0, 0.15, 0.0),
            AssetClass::Etf | AssetClass::Stock => (150.0, 0.25, 50_000.0),
        },
    };
    Assumed { price, volatility, volume }
}
