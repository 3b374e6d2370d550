//! Open interest: how many contracts are open at each strike. Called by [`super::day`] once per expiration and session.
//!
//! It clusters at round strikes and around the spot, calls above and puts below it, puts farther out than calls. A
//! strike keeps its own luck from day to day; the total grows as the expiration comes near.

use libm::{exp, sqrt};

use super::random::Draws;

/// What kind of expiration it is decides how much is open in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Daily,
    Weekly,
    Monthly,
    Leap,
}

/// Contracts open at each strike.
#[derive(Debug, Clone, PartialEq)]
pub struct Interest {
    pub calls: Vec<f64>,
    pub puts: Vec<f64>,
}

/// What open interest depends on.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub kind: Kind,
    /// Whole days to expiration.
    pub days: f64,
    /// Opening spot of the session.
    pub spot: f64,
    /// Annual volatility of the spot.
    pub volatility: f64,
    /// Contracts of one side in a typical weekly expiration.
    pub contracts: f64,
    /// Distance of neighbouring strikes.
    pub spacing: f64,
}

/// Open contracts at `strikes` (ascending, multiples of the spacing). `draws` belongs to the expiration alone.
pub fn open_interest(setting: &Setting, strikes: &[f64], mut draws: Draws) -> Interest {
    let spread = (1.3 * setting.volatility * sqrt((setting.days + 1.0) / 365.0)).clamp(0.012, 0.22);
    let mut calls = Vec::with_capacity(strikes.len());
    let mut puts = Vec::with_capacity(strikes.len());
    for &strike in strikes {
        let step = (strike / setting.spacing).round_ties_even() as u64;
        draws.enter(step);
        let roundness = roundness(step, setting.kind);
        let moneyness = libm::log(strike / setting.spot);
        calls.push(bell(moneyness - 0.6 * spread, spread) * roundness * exp(0.45 * draws.normal()));
        puts.push(bell(moneyness + 0.9 * spread, 1.4 * spread) * roundness * exp(0.45 * draws.normal()));
    }
    let total = setting.contracts * size(setting.kind) * ageing(setting.days);
    scale_to(&mut calls, total);
    // More puts than calls are open on an index.
    scale_to(&mut puts, 1.35 * total);
    Interest { calls, puts }
}

/// A bell with heavy tails: far strikes hold little, but not nothing.
fn bell(distance: f64, spread: f64) -> f64 {
    let square = distance * distance / (spread * spread);
    let shoulder = 1.0 + square;
    1.0 / (shoulder * sqrt(shoulder))
}

/// How much more is open at a round strike than at its neighbours; `step` counts strikes from zero.
fn roundness(step: u64, kind: Kind) -> f64 {
    let base = match step {
        _ if step.is_multiple_of(50) => 6.0,
        _ if step.is_multiple_of(25) => 4.2,
        _ if step.is_multiple_of(10) => 3.2,
        _ if step.is_multiple_of(5) => 2.2,
        _ => 1.0,
    };
    // Long-dated positions gather at round strikes even more.
    if matches!(kind, Kind::Monthly | Kind::Leap) { base * sqrt(base) } else { base }
}

fn size(kind: Kind) -> f64 {
    match kind {
        Kind::Daily => 0.6,
        Kind::Weekly => 1.0,
        Kind::Monthly => 3.0,
        Kind::Leap => 1.5,
    }
}

fn ageing(days: f64) -> f64 {
    0.5 + 0.5 * exp(-days / 45.0)
}

fn scale_to(weights: &mut [f64], total: f64) {
    let sum: f64 = weights.iter().sum();
    for weight in weights {
        *weight = (*weight / sum * total).round_ties_even();
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::RunKey;
    use super::*;

    #[test]
    fn interest_clusters_at_round_strikes_calls_above_puts_below() {
        let setting =
            Setting { kind: Kind::Weekly, days: 9.0, spot: 588.0, volatility: 0.13, contracts: 400e3, spacing: 1.0 };
        let strikes: Vec<f64> = (438..738).map(f64::from).collect();
        let interest = open_interest(&setting, &strikes, RunKey::new(7, "SPY", "2025-01-15").stream("interest"));
        let sum = |side: &[f64], wanted: &dyn Fn(f64) -> bool| -> f64 {
            strikes.iter().zip(side).filter(|(strike, _)| wanted(**strike)).map(|(_, contracts)| contracts).sum()
        };
        assert!(sum(&interest.calls, &|k| k > 588.0) > 2.0 * sum(&interest.calls, &|k| k < 588.0));
        assert!(sum(&interest.puts, &|k| k < 588.0) > 2.0 * sum(&interest.puts, &|k| k > 588.0));
        let fives = sum(&interest.calls, &|k| k % 5.0 == 0.0) / 60.0;
        let others = sum(&interest.calls, &|k| k % 5.0 != 0.0) / 240.0;
        assert!(fives > 1.8 * others, "{fives} {others}");
        let total: f64 = interest.calls.iter().sum();
        // 400 000 × (0.5 + 0.5 e^(−9/45)) = 363 746, up to rounding of 300 strikes.
        assert!((total - 363_746.0).abs() < 151.0, "{total}");
    }
}
