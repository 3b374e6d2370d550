//! The declared, versioned formula that turns an option chain into dealer exposures. `ingest chains` calls
//! [`exposures`]; the [`FormulaReport`] travels with the numbers into manifest and answer, because vendors' exposures
//! differ by factors of hundreds and seldom say why.
//!
//! For one option, with Γ, vanna = ∂Δ/∂σ and charm = ∂Δ/∂t per share from [`super::bsm`], S the spot, OI the open
//! interest, m the contract multiplier and s = ±1 the dealers' side of it ([`Dealers`]):
//!
//! | exposure | formula | unit |
//! |---|---|---|
//! | gamma | s · Γ · OI · m · S² · 0.01 | change of the dealers' dollar delta when spot rises by 1 % |
//! | vanna | s · vanna · OI · m · S · 0.01 | change of their dollar delta when implied volatility rises by one point (0.01) |
//! | charm | s · charm / 365 · OI · m · S | change of their dollar delta as one calendar day passes |
//!
//! Vanna and charm are sometimes described as how *gamma* changes with volatility and with time. Those are other greeks:
//! ∂Γ/∂σ is zomma and ∂Γ/∂t is color (Haug, *The Complete Guide to Option Pricing Formulas*, chapter 2). This formula
//! computes neither.
//!
//! What else belongs to version 1, besides the fields of [`Formula`]:
//!
//! - **Gamma** is the source's own where it is sent and not 0, else the model's at the row's implied volatility (a
//!   source that rounds to four digits writes 0 for much that is not). Vanna and charm are always the model's: sources do
//!   not say their units. With [`GreeksSource::Model`] gamma is the model's throughout.
//! - **Time to expiry** is calendar time from the chain's instant to the expiry instant, over 365 days, and at least
//!   [`Formula::floor_hours`]. The expiry instant is 16:00 New York on the expiration date, or the close of the
//!   instrument's session when that is earlier (half days); 09:30 New York for the roots in [`Formula::am_settled_roots`].
//!   An option whose instant is not after the chain's is refused as `expired`.
//! - **Open interest** is taken as sent. Clearing houses publish it overnight, so it is the previous session's settlement: what
//!   was opened or closed on the day itself is not in it. No adjustment is made.
//! - **Outside the session** nothing is adjusted either: instant and spot are what the document (or the command line) says,
//!   and [`FormulaReport::outside_session`] says that it was so.
//! - **An implied volatility** at or below [`Formula::volatility_floor`] is a placeholder (`0`, `0.00001`), not a
//!   volatility. Such a row still gives its gamma as sent; its vanna and charm are unknown. With no gamma either, the row is
//!   refused as `no_iv_and_no_gamma`.
//! - **Unknown is not 0.** The sum at one (expiration, strike) is null for a greek that any row with open interest lacks
//!   there, and a strike where nothing is known is left out and counted in [`FormulaReport::strikes_unknown`]. A row with open
//!   interest 0 adds 0 and needs no greeks. A row that does not say its open interest is refused (`missing_open_interest`), and
//!   the other rows of its strike stand: sources leave the cell empty where nothing is open.
//! - **Beyond** 9 × 10¹⁵ dollars a row is refused as `beyond_range`: something in it is not what it says.
//! - **Order of addition** is expiration, strike, root, call before put, so that the order of a document cannot change
//!   a digit.

mod exposures;
mod report;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use exposures::{StrikeExposure, exposures};
pub use report::{FormulaReport, open_interest_near_zero};

use crate::error::{Error, Result};

/// On which side of the open interest dealers are taken to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dealers {
    /// Customers sell calls and buy puts: dealers are long every call and short every put.
    #[default]
    LongCallsShortPuts,
    /// Customers buy both: dealers are short every option.
    ShortBoth,
    /// Customers sell both: dealers are long every option.
    LongBoth,
}

/// Where gamma comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GreeksSource {
    /// As sent where present and not 0, else from implied volatility.
    #[default]
    AsSent,
    /// All from implied volatility.
    Model,
}

/// Everything that changes a number. Only `dealers` and `greeks` are for users to choose, and the report names both;
/// another value anywhere else is another formula and takes another [`Formula::VERSION`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Formula {
    pub dealers: Dealers,
    pub greeks: GreeksSource,
    /// Risk-free rate, continuously compounded, a year: one number for all, near US Treasury bills of 2023–2025 (3.6 to
    /// 5.4 %). Half a point more changes an at-the-money monthly gamma by less than 0.1 %.
    pub rate: f64,
    /// Dividend yields, continuously compounded, a year; a symbol that is not here has 0.
    pub dividend_yields: &'static [(&'static str, f64)],
    /// Days of a year: time is ACT/365.
    pub year_days: f64,
    /// The least time to expiry: at-the-money gamma grows without bound as the time goes to 0.
    pub floor_hours: f64,
    /// At or below it an implied volatility is a placeholder: shares and indices never are so quiet.
    pub volatility_floor: f64,
    /// OCC roots that settle on the opening of the expiration date.
    pub am_settled_roots: &'static [&'static str],
}

impl Formula {
    pub const NAME: &'static str = "pitlake-bsm";
    pub const VERSION: u32 = 1;

    pub fn new(dealers: Dealers, greeks: GreeksSource) -> Self {
        Self {
            dealers,
            greeks,
            rate: 0.04,
            dividend_yields: &[
                ("DIA", 0.016),
                ("IWM", 0.011),
                ("NDX", 0.007),
                ("QQQ", 0.005),
                ("RUT", 0.013),
                ("SPX", 0.013),
                ("SPY", 0.012),
                ("XSP", 0.013),
            ],
            year_days: 365.0,
            floor_hours: 1.0,
            volatility_floor: 0.01,
            am_settled_roots: &["DJX", "NDX", "RUT", "SPX", "VIX", "VIXW"],
        }
    }

    /// The yield of an instrument by its canonical symbol.
    pub fn dividend_yield(&self, symbol: &str) -> f64 {
        self.dividend_yields.iter().find(|(name, _)| *name == symbol).map_or(0.0, |(_, dividend_yield)| *dividend_yield)
    }
}

impl Default for Formula {
    fn default() -> Self {
        Self::new(Dealers::default(), GreeksSource::default())
    }
}

impl Dealers {
    pub const ALL: [Self; 3] = [Self::LongCallsShortPuts, Self::ShortBoth, Self::LongBoth];

    pub fn name(self) -> &'static str {
        match self {
            Self::LongCallsShortPuts => "long-calls-short-puts",
            Self::ShortBoth => "short-both",
            Self::LongBoth => "long-both",
        }
    }
}

impl GreeksSource {
    pub const ALL: [Self; 2] = [Self::AsSent, Self::Model];

    pub fn name(self) -> &'static str {
        match self {
            Self::AsSent => "as-sent",
            Self::Model => "model",
        }
    }
}

impl fmt::Display for Dealers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for GreeksSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dealers {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|dealers| dealers.name() == name).ok_or_else(|| {
            Error::invalid(format!(
                "{name:?} is not a dealers' side; use one of {}",
                Self::ALL.map(Self::name).join(", ")
            ))
        })
    }
}

impl FromStr for GreeksSource {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name).ok_or_else(|| {
            Error::invalid(format!(
                "{name:?} is not a source of greeks; use one of {}",
                Self::ALL.map(Self::name).join(", ")
            ))
        })
    }
}

#[cfg(test)]
mod tests;
