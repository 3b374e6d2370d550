//! What the generator assumes about an underlying: price level, volatility, strike spacing, how much is traded. Called by
//! [`super::day`]; synthetic throughout, never a source of market facts for anything else.

use libm::exp;

use super::random::RunKey;

/// Assumptions about one underlying.
#[derive(Debug, Clone, PartialEq)]
pub struct Underlying {
    /// Price at the first open of the run.
    pub spot: f64,
    /// Long-run annual volatility of the spot, as a fraction.
    pub volatility: f64,
    /// Continuous dividend yield a year, as a fraction.
    pub dividend_yield: f64,
    /// Open contracts of one side in a typical weekly expiration.
    pub contracts: f64,
    /// Whether options expire on every session date, not only on Fridays.
    pub expires_daily: bool,
}

/// Continuously compounded, a year.
pub const RATE: f64 = 0.043;

struct Known {
    symbol: &'static str,
    /// Near the middle of January 2025.
    level: f64,
    volatility: f64,
    dividend_yield: f64,
    contracts: f64,
    expires_daily: bool,
}

const fn known(
    symbol: &'static str,
    level: f64,
    volatility: f64,
    dividend_yield: f64,
    contracts: f64,
    expires_daily: bool,
) -> Known {
    Known { symbol, level, volatility, dividend_yield, contracts, expires_daily }
}

const KNOWN: &[Known] = &[
    known("SPY", 588.0, 0.13, 0.012, 400e3, true),
    known("QQQ", 517.0, 0.17, 0.006, 300e3, true),
    known("IWM", 224.0, 0.19, 0.011, 150e3, true),
    known("DIA", 432.0, 0.12, 0.015, 20e3, false),
    known("SPX", 5_900.0, 0.13, 0.013, 150e3, true),
    known("NDX", 21_200.0, 0.17, 0.007, 10e3, true),
    known("RUT", 2_260.0, 0.19, 0.013, 15e3, true),
    known("AAPL", 238.0, 0.24, 0.004, 150e3, false),
    known("MSFT", 426.0, 0.22, 0.007, 60e3, false),
    known("NVDA", 136.0, 0.48, 0.0, 400e3, false),
    known("TSLA", 428.0, 0.58, 0.0, 200e3, false),
    known("AMZN", 223.0, 0.28, 0.0, 120e3, false),
    known("META", 617.0, 0.30, 0.003, 60e3, false),
    known("ES", 5_950.0, 0.13, 0.013, 40e3, true),
    known("NQ", 21_300.0, 0.17, 0.007, 8e3, true),
    known("BTC-USD", 97_000.0, 0.50, 0.0, 5e3, true),
    known("ETH-USD", 3_300.0, 0.60, 0.0, 5e3, true),
];

impl Underlying {
    /// Assumptions for `symbol` at a run that begins `years` after the middle of January 2025. A symbol that is not in the
    /// table gets a price and a volatility drawn from the run's seed.
    pub fn assume(symbol: &str, years: f64, run: &RunKey) -> Self {
        let mut draws = run.stream("underlying");
        let (level_draw, volatility_draw, drift_draw) = (draws.uniform(), draws.uniform(), draws.normal());
        // Near the reference date the level is the known one; a long way from it, it only has to stay plausible.
        let spread = 0.002 + 0.02 * years.abs().min(2.0);
        let drift = exp(0.09 * years.clamp(-12.0, 12.0) + spread * drift_draw);
        match KNOWN.iter().find(|known| is_of(symbol, known.symbol)) {
            Some(known) => Self {
                spot: cents(known.level * drift),
                volatility: known.volatility,
                dividend_yield: known.dividend_yield,
                contracts: known.contracts,
                expires_daily: known.expires_daily,
            },
            None => Self {
                spot: cents((40.0 + 360.0 * level_draw) * drift),
                volatility: 0.25 + 0.3 * volatility_draw,
                dividend_yield: 0.0,
                contracts: 20e3,
                expires_daily: false,
            },
        }
    }
}

/// `ESZ5` and `ESH2026` are contracts of `ES`.
fn is_of(symbol: &str, root: &str) -> bool {
    let Some(rest) = symbol.strip_prefix(root) else { return false };
    let mut rest = rest.bytes();
    match rest.next() {
        None => true,
        Some(month) => b"FGHJKMNQUVXZ".contains(&month) && rest.len() > 0 && rest.all(|byte| byte.is_ascii_digit()),
    }
}

/// Rounded to the cent, the unit in which captures carry a spot.
pub fn cents(price: f64) -> f64 {
    (price * 100.0).round_ties_even() / 100.0
}

/// `count` ascending strikes centred on `spot`, all positive, at the spacing that suits the price level.
pub fn strikes(spot: f64, count: usize) -> (Vec<f64>, f64) {
    let mut spacing = match spot {
        level if level < 30.0 => 0.5,
        level if level < 1_000.0 => 1.0,
        level if level < 10_000.0 => 5.0,
        level if level < 50_000.0 => 25.0,
        _ => 500.0,
    };
    while count as f64 * spacing * 0.5 > 0.8 * spot {
        spacing *= 0.5;
    }
    let centre = (spot / spacing).round_ties_even();
    let lowest = (centre - (count / 2) as f64).max(1.0);
    ((0..count).map(|step| (lowest + step as f64) * spacing).collect(), spacing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_are_a_dollar_apart_and_centred() {
        let (strikes, spacing) = strikes(588.31, 300);
        assert_eq!((strikes.len(), spacing), (300, 1.0));
        assert_eq!((strikes[0], strikes[150], strikes[299]), (438.0, 588.0, 737.0));
    }

    #[test]
    fn strikes_of_a_cheap_stock_stay_positive() {
        let (strikes, spacing) = strikes(12.0, 300);
        assert!(strikes[0] > 0.0 && spacing < 0.5, "{} {spacing}", strikes[0]);
    }

    #[test]
    fn futures_contracts_belong_to_their_root() {
        assert!(is_of("ESZ5", "ES") && is_of("SPY", "SPY") && is_of("NQH2026", "NQ"));
        assert!(!is_of("ESTC", "ES") && !is_of("ESZ", "ES") && !is_of("SPYG", "SPY"));
    }
}
