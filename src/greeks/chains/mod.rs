//! Option chains as vendors and collectors save them, brought into one shape: [`parse`] is called by `pitlake ingest
//! chains`, and its [`Chain`] goes to [`super::formula`].
//!
//! One file per format, each only a reader; what a row must hold is judged once, in `row`, and what a document must
//! say (symbol, instant, spot) once, in `document`. A row is never mended by guessing: it is read as it stands, or
//! refused with its place, field and reason.

mod cboe_quote_table;
mod contract;
mod document;
mod named_columns;
mod options_desk;
mod plain_csv;
mod row;
mod yahoo_csv;

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use super::bsm::Side;
use crate::error::{Error, Result};
use crate::market::{Instruments, Symbol, TradingDate};

/// The formats that [`parse`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChainFormat {
    /// One JSON object: `symbol`, `updated` (RFC 3339), `underlyingPrice`, `quotes[]` with `symbol` (OCC), `expiration`,
    /// `side`, `strike`, `openInterest`, `iv`, `gamma`.
    OptionsDesk,
    /// CSV in Yahoo's words: `contractSymbol,expiry,type,strike,…,openInterest,impliedVolatility,…,spot`; no instant.
    YahooCsv,
    /// The quote table that CBOE's site exports: three header lines, calls left and puts right of `Strike`.
    CboeQuoteTable,
    /// CSV with named columns in any order: `expiration`, `side`, `strike` (or `contract` with the OCC symbol), `open_interest`,
    /// `iv` and/or `gamma`; optionally `symbol`, `root`, `spot`, `timestamp`. Usual synonyms are known.
    PlainCsv,
}

/// What the command line said; each overrides what the document says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChainContext {
    /// `--symbol`
    pub symbol: Option<Symbol>,
    /// `--at`: the instant that the chain describes.
    pub at: Option<DateTime<Utc>>,
    /// `--spot`: the underlying's price at that instant.
    pub spot: Option<f64>,
}

/// One option of a chain, as sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// Where the document says it: the record's number in JSON, the line's in text, both from 1.
    pub place: u64,
    /// The root of the OCC symbol (`SPXW` of `SPXW260713C04800000`), when the document gives one: it tells how the
    /// option settles.
    pub root: Option<String>,
    /// The last date of the option; it need not have a session.
    pub expiration: TradingDate,
    pub side: Side,
    /// > 0, in the currency of the spot.
    pub strike: f64,
    /// Contracts, ≥ 0; `None` when the document leaves it out.
    pub open_interest: Option<f64>,
    /// Annual implied volatility as a fraction, as sent (placeholders too).
    pub implied_volatility: Option<f64>,
    /// ∂²price/∂spot² per share, ≥ 0, as sent and as rounded by the sender.
    pub gamma: Option<f64>,
}

/// One row that could not be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// As [`Quote::place`].
    pub place: u64,
    /// The field that is to blame.
    pub field: &'static str,
    /// A stable name of the reason, such as `missing_strike`.
    pub code: &'static str,
    /// A sentence for a person.
    pub reason: String,
    /// The row as it stood, cut after [`Refused::TEXT_BYTES`].
    pub text: String,
    /// The (expiration, strike) whose sums are no longer known because this row is missing from them.
    pub leaves_unknown: Option<(TradingDate, f64)>,
}

/// One underlying's options at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// The instrument's own spelling, whatever the document called it.
    pub symbol: Symbol,
    pub at: DateTime<Utc>,
    /// > 0.
    pub spot: f64,
    /// In the document's order.
    pub quotes: Vec<Quote>,
    /// In the document's order; rows of `quotes` are never here.
    pub refused: Vec<Refused>,
}

impl ChainFormat {
    pub const ALL: [Self; 4] = [Self::OptionsDesk, Self::YahooCsv, Self::CboeQuoteTable, Self::PlainCsv];

    pub fn name(self) -> &'static str {
        match self {
            Self::OptionsDesk => "options-desk",
            Self::YahooCsv => "yahoo-csv",
            Self::CboeQuoteTable => "cboe-quote-table",
            Self::PlainCsv => "plain-csv",
        }
    }
}

impl fmt::Display for ChainFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ChainFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::invalid(format!("{name:?} is not a chain format; use one of {known}"))
        })
    }
}

impl fmt::Display for Quote {
    /// The quote's fields, for a refusal's text; what is absent is `-`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let side = if self.side == Side::Call { "call" } else { "put" };
        write!(
            f,
            "{} {} {} {side} open_interest={} iv={} gamma={}",
            self.root.as_deref().unwrap_or("-"),
            self.expiration,
            self.strike,
            number(self.open_interest),
            number(self.implied_volatility),
            number(self.gamma)
        )
    }
}

impl Refused {
    /// How much of a row is kept.
    pub const TEXT_BYTES: usize = 2_000;
}

/// The format of a document by its beginning; `None` when it is none of them.
pub fn detect(text: &str) -> Option<ChainFormat> {
    let text = text.trim_start_matches('\u{feff}');
    if options_desk::looks_like(text) {
        return Some(ChainFormat::OptionsDesk);
    }
    if cboe_quote_table::looks_like(text) {
        return Some(ChainFormat::CboeQuoteTable);
    }
    if yahoo_csv::looks_like(text) {
        return Some(ChainFormat::YahooCsv);
    }
    plain_csv::looks_like(text).then_some(ChainFormat::PlainCsv)
}

/// Reads one document.
///
/// # Errors
/// `Invalid` when the document as a whole cannot be used: it is not of this format, has no rows, its symbol is unknown,
/// it says no instant or no spot (the detail names `--at`, `--spot`) or several different ones, or its volatilities are
/// percentages. A row that cannot be used is not an error: it is in [`Chain::refused`].
pub fn parse(text: &str, format: ChainFormat, context: &ChainContext, instruments: &Instruments) -> Result<Chain> {
    let text = text.trim_start_matches('\u{feff}');
    let document = match format {
        ChainFormat::OptionsDesk => options_desk::read(text)?,
        ChainFormat::YahooCsv => yahoo_csv::read(text)?,
        ChainFormat::CboeQuoteTable => cboe_quote_table::read(text)?,
        ChainFormat::PlainCsv => plain_csv::read(text)?,
    };
    document.into_chain(context, instruments)
}

#[cfg(test)]
mod tests;
