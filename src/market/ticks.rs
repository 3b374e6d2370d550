//! Prices as whole ticks, which is how the domain counts, and the grid between them and the doubles of the outside. Called
//! wherever a price comes in or goes out; nothing here rounds a price up.

use std::ops::{Add, Sub};

use super::{Decimal, Instrument};

/// Largest number of ticks either way: every price up to it is exact as a double.
const MOST: f64 = 1e15;
/// What may lie between a double and the tick it stands for. Sub-penny prints have four decimals, which is 0.01 of a tick.
const NOISE: f64 = 1e-5;

/// A price, or a distance between two, in ticks of its instrument.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(pub i64);

impl Add for Ticks {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Ticks {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

/// A price that was put on the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnGrid {
    /// The price itself, or the tick below it.
    pub ticks: Ticks,
    /// Whether the price was a multiple of the tick.
    pub exact: bool,
}

/// The prices an instrument may have: multiples of its tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    tick: Decimal,
}

impl Grid {
    pub fn of(instrument: &Instrument) -> Self {
        Self { tick: instrument.tick_size }
    }

    /// `tick` must be above zero.
    pub fn new(tick: Decimal) -> Option<Self> {
        tick.is_positive().then_some(Self { tick })
    }

    /// The tick at or right below `price`; `None` for what is not a number of at most 10^15 ticks either way.
    pub fn ticks(self, price: f64) -> Option<OnGrid> {
        let ticks = price * scale(self.tick) / self.tick.units() as f64;
        if !ticks.is_finite() || ticks.abs() > MOST {
            return None;
        }
        let nearest = ticks.round();
        let exact = (ticks - nearest).abs() <= NOISE;
        let whole = if exact { nearest } else { ticks.floor() };
        Some(OnGrid { ticks: Ticks(whole as i64), exact })
    }

    /// The double nearest to the price of so many ticks.
    pub fn price(self, ticks: Ticks) -> f64 {
        // Whole numbers below 2^53 over a power of ten: rounded once.
        (ticks.0 * self.tick.units()) as f64 / scale(self.tick)
    }

    /// The tick itself, as a price.
    pub fn tick(self) -> Decimal {
        self.tick
    }
}

fn scale(tick: Decimal) -> f64 {
    10_f64.powi(i32::from(tick.scale()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid(tick: &str) -> Grid {
        Grid::new(tick.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_price_between_two_ticks_counts_at_the_lower_one() {
        for (tick, price, ticks, exact) in [
            ("0.01", 277.22, 27722, true),
            ("0.01", 277.2201, 27722, false),
            ("0.01", 277.1999, 27719, false),
            ("0.25", 21415.75, 85663, true),
            ("0.25", 21415.8, 85663, false),
            ("0.00005", 1.10785, 22157, true),
            ("0.05", 10331.95, 206_639, true),
            ("0.03125", 118.96875, 3807, true),
            ("1", -3.0, -3, true),
            ("1", -3.5, -4, false),
        ] {
            assert_eq!(grid(tick).ticks(price), Some(OnGrid { ticks: Ticks(ticks), exact }), "{price} by {tick}");
        }
        for price in [f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(grid("0.01").ticks(price), None);
        }
    }

    #[test]
    fn prices_come_back_as_they_are_written() {
        for (tick, ticks, price) in [("0.01", 27722, 277.22), ("0.00005", 22157, 1.10785), ("0.05", 206_639, 10331.95)]
        {
            assert_eq!(grid(tick).price(Ticks(ticks)), price);
        }
    }

    proptest! {
        #[test]
        fn every_tick_is_found_again(ticks in -1_000_000_000_i64..1_000_000_000, tick in prop::sample::select(vec!["1", "0.25", "0.1", "0.05", "0.01", "0.005", "0.0005", "0.00005", "0.03125"])) {
            let grid = grid(tick);
            prop_assert_eq!(grid.ticks(grid.price(Ticks(ticks))), Some(OnGrid { ticks: Ticks(ticks), exact: true }));
        }
    }
}
