//! The Black-Scholes-Merton greeks of one European option: pure arithmetic on numbers, called by [`super::formula`] for
//! real chains and by the generator for synthetic ones.
//!
//! Exponential, logarithm and error function come from the `libm` crate, never from the platform, so that a given input
//! has the same result to the last bit on any machine. It must never guess: an input outside the model's domain gives
//! NaN in every field, not a number that looks right.
//!
//! Sources: J. C. Hull, *Options, Futures, and Other Derivatives*, chapters on Black-Scholes-Merton and on the greek
//! letters (price, delta, gamma, vega with a continuous dividend yield); E. G. Haug, *The Complete Guide to Option
//! Pricing Formulas*, chapter 2 (`DdeltaDvol`, here `vanna`; `DdeltaDtime`, here `charm`; b = r − q).

use libm::{erfc, exp, log, sqrt};

/// 1/√(2π)
const NORMAL_DENSITY_AT_ZERO: f64 = 0.398_942_280_401_432_7;

/// What the model needs to know about one option and its underlying.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inputs {
    /// Price of the underlying, > 0.
    pub spot: f64,
    /// > 0, in the same currency as `spot`.
    pub strike: f64,
    /// Time to expiry in years, > 0.
    pub years: f64,
    /// Annual volatility of the underlying's log return as a fraction (0.20 is 20 %), > 0.
    pub volatility: f64,
    /// Risk-free rate, continuously compounded, as a fraction a year.
    pub rate: f64,
    /// Dividend yield, continuously compounded, as a fraction a year.
    pub dividend_yield: f64,
}

/// Which right the option gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Call,
    Put,
}

/// Price and sensitivities of one option on one unit of the underlying (no contract multiplier).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Greeks {
    /// In the currency of `spot`.
    pub price: f64,
    /// ∂price/∂spot.
    pub delta: f64,
    /// ∂delta/∂spot, per 1.00 of spot; the same for call and put.
    pub gamma: f64,
    /// ∂price/∂volatility, per 1.00 of volatility (100 points); the same for call and put.
    pub vega: f64,
    /// ∂delta/∂volatility, per 1.00 of volatility (100 points); the same for call and put.
    pub vanna: f64,
    /// ∂delta/∂t a year as calendar time goes forward, that is −∂delta/∂(time to expiry).
    pub charm: f64,
}

impl Inputs {
    /// Whether the model is defined here: spot, strike, years and volatility positive, everything finite.
    pub fn in_domain(&self) -> bool {
        let positive = [self.spot, self.strike, self.years, self.volatility];
        positive.iter().all(|value| value.is_finite() && *value > 0.0)
            && self.rate.is_finite()
            && self.dividend_yield.is_finite()
    }
}

impl Greeks {
    const UNDEFINED: Self =
        Self { price: f64::NAN, delta: f64::NAN, gamma: f64::NAN, vega: f64::NAN, vanna: f64::NAN, charm: f64::NAN };
}

/// Price and greeks of one option; every field is NaN when `inputs` is not [`Inputs::in_domain`].
pub fn greeks(inputs: &Inputs, side: Side) -> Greeks {
    let (call, put) = call_and_put(inputs);
    match side {
        Side::Call => call,
        Side::Put => put,
    }
}

/// The call and the put of one strike together, at the cost of little more than one of them.
pub fn call_and_put(inputs: &Inputs) -> (Greeks, Greeks) {
    if !inputs.in_domain() {
        return (Greeks::UNDEFINED, Greeks::UNDEFINED);
    }
    let Inputs { spot, strike, years, volatility, rate, dividend_yield } = *inputs;
    let root = sqrt(years);
    let deviation = volatility * root;
    let carry = rate - dividend_yield;
    let d1 = (log(spot / strike) + (carry + 0.5 * volatility * volatility) * years) / deviation;
    let d2 = d1 - deviation;
    let carried = exp(-dividend_yield * years);
    let discounted_strike = strike * exp(-rate * years);
    let density = carried * NORMAL_DENSITY_AT_ZERO * exp(-0.5 * d1 * d1);

    let gamma = density / (spot * deviation);
    let vega = spot * density * root;
    let vanna = -density * d2 / volatility;
    let drift = density * (2.0 * carry * years - d2 * deviation) / (2.0 * years * deviation);

    let (above, below) = (normal(d1), normal(-d1));
    let call = Greeks {
        price: spot * carried * above - discounted_strike * normal(d2),
        delta: carried * above,
        gamma,
        vega,
        vanna,
        charm: dividend_yield * carried * above - drift,
    };
    let put = Greeks {
        price: discounted_strike * normal(-d2) - spot * carried * below,
        delta: -carried * below,
        gamma,
        vega,
        vanna,
        charm: -dividend_yield * carried * below - drift,
    };
    (call, put)
}

/// The standard normal distribution function, by the complementary error function so that far tails keep their digits.
fn normal(x: f64) -> f64 {
    0.5 * erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests;
