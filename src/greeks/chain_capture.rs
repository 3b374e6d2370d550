//! Option chains as captures: the document as it was saved, with what the command line said of it, so that a later version of
//! the formula can be applied to the same words. Written by `ingest chains`, read by compaction.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::capture::Refusal;
use super::chains::{Chain, ChainContext, ChainFormat, Refused, detect, parse};
use super::formula::{Dealers, Formula, FormulaReport, GreeksSource, StrikeExposure, exposures};
use super::record::CHAINS;
use crate::lake::journal::{Counts, Note, Writer};
use crate::lake::store::Store;
use crate::market::{Instruments, Symbol};
use crate::{Error, Result};

/// One chain in a capture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChainDocument {
    pub format: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<f64>,
    pub dealers: Dealers,
    pub greeks: GreeksSource,
    /// The chain, verbatim.
    pub text: String,
}

/// A chain with its exposures.
pub struct Derived {
    pub chain: Chain,
    pub exposures: Vec<StrikeExposure>,
    pub report: FormulaReport,
    pub refused: Vec<Refused>,
}

impl ChainDocument {
    /// # Errors
    /// `Invalid` when the chain cannot be read at all: unknown format, no time, no spot, unknown symbol.
    pub fn new(text: String, context: ChainContext, format: Option<ChainFormat>, formula: &Formula) -> Result<Self> {
        let format = format.or_else(|| detect(&text)).ok_or_else(|| {
            let names: Vec<&str> = ChainFormat::ALL.iter().map(|format| format.name()).collect();
            Error::invalid(format!("the chain's format is not one of {}; say which with --format", names.join(", ")))
        })?;
        Ok(Self {
            format: format.name().to_owned(),
            symbol: context.symbol,
            at: context.at,
            spot: context.spot,
            dealers: formula.dealers,
            greeks: formula.greeks,
            text,
        })
    }

    /// Reads the chain and applies the formula. Pure: the same document gives the same exposures anywhere.
    pub fn derive(&self, instruments: &Instruments) -> Result<Derived> {
        let context = ChainContext { symbol: self.symbol.clone(), at: self.at, spot: self.spot };
        let chain = parse(&self.text, self.format.parse()?, &context, instruments)?;
        let instrument = instruments
            .get(&chain.symbol)
            .ok_or_else(|| Error::internal(format!("{} was read but is not known", chain.symbol)))?;
        let (exposures, report, refused) = exposures(&chain, instrument, &Formula::new(self.dealers, self.greeks));
        Ok(Derived { chain, exposures, report, refused })
    }
}

/// Stores one chain as a capture. Rows that cannot be used are counted as refused and kept with their reason; the formula
/// counts them again at compaction, so they are not noted in the capture itself.
///
/// # Errors
/// `Invalid` when the chain cannot be read at all, or none of its rows can be used.
pub async fn ingest_chain(
    document: ChainDocument,
    instruments: &Instruments,
    received_at: DateTime<Utc>,
    store: &Store,
) -> Result<Counts> {
    let derived = document.derive(instruments)?;
    let instrument =
        instruments.get(&derived.chain.symbol).ok_or_else(|| Error::internal("the instrument vanished"))?;
    if derived.exposures.is_empty() {
        let first =
            derived.refused.first().map(|refused| format!("; the first: {}", refused.reason)).unwrap_or_default();
        let count = derived.refused.len();
        return Err(Error::invalid(format!("no row of the chain can be used, {count} were refused{first}")));
    }
    let date = instrument.trading_date_of(derived.chain.at);
    let json = serde_json::to_vec(&document)
        .map_err(|error| Error::internal("the chain could not be written down").caused_by(error))?;
    let mut writer = Writer::new(CHAINS)?;
    writer.document(&instrument.symbol, date, received_at, &json, derived.exposures.len() as u64)?;
    for refused in &derived.refused {
        let refusal = Refusal::new(refused.code, refused.field.to_owned(), refused.reason.clone());
        let note: Note = refusal.note(format!("record {}", refused.place), Some(derived.chain.at));
        writer.keep_refused(received_at, &note, refused.text.as_bytes())?;
    }
    writer.finish(store).await
}
