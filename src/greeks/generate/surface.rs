//! The implied-volatility surface and how it moves. Called by [`super::day`] for every row of every minute.
//!
//! At the money the variance to an expiration is the mean of a variance that reverts to its long-run level (Heston 1993,
//! equation for the expected average variance). Around it the smile depends on log-moneyness in standard deviations, so
//! that it travels with the spot ("sticky delta"); it is a bounded parabola: far wings stay finite.

use libm::{exp, sqrt};

use super::path::Moment;
use super::underlying::RATE;

/// Implied volatility lies above the realized one on average.
const PREMIUM: f64 = 1.12;
/// The long end lies above the short one on average.
const LONG_END: f64 = 1.18;
/// Reversion of variance a year.
const REVERSION: f64 = 5.0;
/// Change of volatility per standard deviation of moneyness, relative to at the money.
const SLOPE: f64 = -0.11;
const CURVATURE: f64 = 0.028;
/// Where the wings bend over, in standard deviations.
const WING: f64 = 4.0;

/// The smile of one expiration at one minute.
#[derive(Debug, Clone, Copy)]
pub struct Smile {
    at_the_money: f64,
    log_forward: f64,
    /// 1 / standard deviation of the log return to expiry.
    inverse_width: f64,
    slope: f64,
}

impl Smile {
    /// `volatility` is the long-run annual one of the spot, `years` the time to expiry, `bump` the relative richness
    /// of this expiration.
    pub fn new(moment: &Moment, volatility: f64, dividend_yield: f64, years: f64, bump: f64) -> Self {
        let now = PREMIUM * PREMIUM * volatility * volatility * moment.variance;
        let later = LONG_END * LONG_END * volatility * volatility;
        let horizon = REVERSION * years;
        let weight = (1.0 - exp(-horizon)) / horizon;
        let at_the_money = bump * sqrt(later + (now - later) * weight);
        Self {
            at_the_money,
            log_forward: libm::log(moment.spot) + (RATE - dividend_yield) * years,
            inverse_width: 1.0 / (at_the_money * sqrt(years)),
            slope: SLOPE * moment.skew,
        }
    }

    /// Implied volatility, as a fraction a year, at a strike given by its natural logarithm.
    pub fn volatility(&self, log_strike: f64) -> f64 {
        let deviations = (log_strike - self.log_forward) * self.inverse_width;
        let scaled = deviations / WING;
        let bounded = deviations / sqrt(1.0 + scaled * scaled);
        self.at_the_money * (1.0 + bounded * (self.slope + CURVATURE * bounded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Moment = Moment { spot: 588.0, variance: 0.8, skew: 1.0 };

    fn at(moment: &Moment, years: f64, strike: f64) -> f64 {
        Smile::new(moment, 0.13, 0.012, years, 1.0).volatility(libm::log(strike))
    }

    #[test]
    fn puts_cost_more_than_calls_and_calm_markets_slope_up() {
        assert!(at(&CALM, 0.1, 550.0) > at(&CALM, 0.1, 588.0));
        assert!(at(&CALM, 0.1, 550.0) > at(&CALM, 0.1, 626.0));
        assert!(at(&CALM, 1.0, 588.0) > at(&CALM, 0.01, 588.0));
        let stressed = Moment { variance: 4.0, ..CALM };
        assert!(at(&stressed, 1.0, 588.0) < at(&stressed, 0.01, 588.0));
    }

    #[test]
    fn the_smile_travels_with_the_spot() {
        let up = Moment { spot: 588.0 * 1.02, ..CALM };
        assert!((at(&CALM, 0.1, 570.0) - at(&up, 0.1, 570.0 * 1.02)).abs() < 1e-12);
    }

    #[test]
    fn volatility_stays_positive_and_bounded_in_the_far_wings() {
        for strike in [1.0, 50.0, 400.0, 800.0, 5_000.0] {
            let volatility = at(&CALM, 30.0 / 60.0 / 24.0 / 365.0, strike);
            assert!((0.05..0.6).contains(&volatility), "{strike}: {volatility}");
        }
    }
}
