//! A share of a whole, exact to a millionth: how much of all TPOs a value area must hold, how wide a distribution must be. Used by
//! settings, questions and the histogram command; a double would put a value area's edge one row off.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

const WHOLE: u32 = 1_000_000;

/// A number from 0 to 1 in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

impl Share {
    /// The part that a value area holds unless somebody asks for another.
    pub const SEVENTY_PERCENT: Self = Self(700_000);

    /// `None` above one whole.
    pub const fn from_millionths(millionths: u32) -> Option<Self> {
        if millionths <= WHOLE { Some(Self(millionths)) } else { None }
    }

    /// The share nearest to `number`; `None` outside 0 to 1 or with more than six decimals.
    pub fn from_f64(number: f64) -> Option<Self> {
        let millionths = (number * f64::from(WHOLE)).round();
        let is_one = (0.0..=f64::from(WHOLE)).contains(&millionths) && (number * 1e6 - millionths).abs() < 1e-6;
        is_one.then_some(Self(millionths as u32))
    }

    pub const fn millionths(self) -> u32 {
        self.0
    }

    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub fn to_f64(self) -> f64 {
        f64::from(self.0) / f64::from(WHOLE)
    }

    /// The smallest whole number that is at least this share of `total`.
    pub const fn of(self, total: u128) -> u128 {
        let (whole, share) = (WHOLE as u128, self.0 as u128);
        total / whole * share + (total % whole * share).div_ceil(whole)
    }

    /// Whether `part` is at least this share of `total`, both in one unit.
    pub const fn is_reached(self, part: u128, total: u128) -> bool {
        part >= self.of(total)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_f64())
    }
}

impl FromStr for Share {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().ok().and_then(Self::from_f64).ok_or_else(|| {
            let shown: String = text.chars().take(32).collect();
            Error::invalid(format!("{shown:?} is no share: write a number from 0 to 1 with six decimals at most"))
        })
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.to_f64())
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        Self::from_f64(number).ok_or_else(|| {
            serde::de::Error::custom(format!("{number} is no share: a number from 0 to 1 with six decimals at most"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seventy_percent_of_ninety_is_sixty_three() {
        for (share, total, least) in
            [("0.7", 90, 63), ("0.7", 10, 7), ("0.7", 101, 71), ("0.55", 100, 55), ("1", 7, 7), ("0.000001", 1, 1)]
        {
            let share: Share = share.parse().unwrap();
            assert_eq!(share.of(total), least, "{share} of {total}");
            assert!(share.is_reached(least, total) && !share.is_reached(least - 1, total));
        }
        let many = u128::MAX / 2;
        assert_eq!(Share::from_millionths(500_000).unwrap().of(many), many.div_ceil(2));
    }

    #[test]
    fn refuses_what_is_no_share() {
        for text in ["", "1.1", "-0.1", "NaN", "inf", "0.7000001", "seventy"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert_eq!("0.70".parse::<Share>().unwrap(), Share::SEVENTY_PERCENT);
        assert_eq!(Share::SEVENTY_PERCENT.to_string(), "0.7");
    }
}
