//! An exact decimal number for what an exchange fixes by rule: tick sizes and tick values. Not for arithmetic on
//! market data; the domain counts in integer ticks.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::{Error, Result};

/// `units × 10^-scale`, kept without trailing zeros so that equal numbers are equal values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Decimal {
    units: i64,
    scale: u8,
}

impl Decimal {
    /// `None` when `scale` is above 12.
    pub fn new(mut units: i64, mut scale: u8) -> Option<Self> {
        if scale > 12 {
            return None;
        }
        while scale > 0 && units % 10 == 0 {
            units /= 10;
            scale -= 1;
        }
        Some(Self { units, scale })
    }

    /// The number without its decimal point: 0.25 has 25.
    pub fn units(self) -> i64 {
        self.units
    }

    /// How many decimals there are: 0.25 has 2.
    pub fn scale(self) -> u8 {
        self.scale
    }

    pub fn is_positive(self) -> bool {
        self.units > 0
    }

    /// The nearest double, for output and for the edges where prices are doubles.
    pub fn to_f64(self) -> f64 {
        // Both operands are exact doubles below 2^53, so the quotient is rounded once.
        self.units as f64 / 10_f64.powi(i32::from(self.scale))
    }
}

impl FromStr for Decimal {
    type Err = Error;

    /// Takes `-?digits[.digits]` with at most 15 digits in all, 12 of them after the point.
    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| {
            let shown: String = text.chars().take(32).collect();
            Error::invalid(format!("{shown:?} is not a decimal number: write it like \"0.25\", 15 digits at most"))
        })
    }
}

fn parse(text: &str) -> Option<Decimal> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = match digits.split_once('.') {
        Some((_, "")) => return None,
        Some((whole, fraction)) => (whole, fraction),
        None => (digits, ""),
    };
    if whole.is_empty() || whole.len() + fraction.len() > 15 {
        return None;
    }
    let mut units = 0_i64;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        units = units * 10 + i64::from(byte - b'0');
    }
    Decimal::new(if negative { -units } else { units }, u8::try_from(fraction.len()).ok()?)
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scale == 0 {
            return write!(f, "{}", self.units);
        }
        let divisor = 10_u64.pow(u32::from(self.scale));
        let magnitude = self.units.unsigned_abs();
        let sign = if self.units < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:0width$}", magnitude / divisor, magnitude % divisor, width = usize::from(self.scale))
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_digit() {
        for (text, units, scale, double) in [
            ("0.03125", 3125, 5, 1.0 / 32.0),
            ("0.25", 25, 2, 0.25),
            ("0.0005", 5, 4, 0.0005),
            ("-12.5", -125, 1, -12.5),
            ("5", 5, 0, 5.0),
        ] {
            let number: Decimal = text.parse().unwrap();
            assert_eq!((number.units(), number.scale(), number.to_f64()), (units, scale, double));
            assert_eq!(number.to_string(), text);
        }
        assert_eq!("5.00".parse::<Decimal>().unwrap(), "5".parse().unwrap());
        assert_eq!("0.00".parse::<Decimal>().unwrap().to_string(), "0");
    }

    #[test]
    fn refuses_what_is_not_a_plain_decimal() {
        for text in ["", ".", "1.", ".5", "1e3", "1,000", "NaN", "--1", "1.2.3", "1234567890123456", "0.1234567890123"]
        {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }
}
