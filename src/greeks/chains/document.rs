//! A document as its reader found it, and the step from there to a [`Chain`]: whose options these are, when, at what
//! spot; which rows belong to it. Called by [`super::parse`] alone; it must never choose between contradicting statements.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::row::{Row, number};
use super::{Chain, ChainContext, Quote, Refused};
use crate::error::{Error, Result};
use crate::greeks::bsm::Side;
use crate::market::{Instrument, Instruments, TradingDate};

/// A median above 500 % means percentages: the wildest of the real chains this was set on stands at 0.57, while a chain
/// written in percent lies above 5 for anything livelier than a bond fund.
const MEDIAN_VOLATILITY_LIMIT: f64 = 5.0;

/// What a reader found. `symbols`, `instants` and `spots` are the distinct statements of the document, in its order.
#[derive(Debug, Default)]
pub(super) struct Document {
    symbols: Vec<String>,
    instants: Vec<DateTime<Utc>>,
    spots: Vec<f64>,
    /// Statements that cannot be read: an error unless the command line says it better.
    unreadable_instant: Option<Error>,
    unreadable_spot: Option<Error>,
    quotes: Vec<(Quote, String)>,
    refused: Vec<Refused>,
}

impl Document {
    pub(super) fn says_symbol(&mut self, symbol: &str) {
        if !self.symbols.iter().any(|said| said == symbol) {
            self.symbols.push(symbol.to_owned());
        }
    }

    /// `instant` is `None` when `text` could not be read as one.
    pub(super) fn says_instant(&mut self, text: &str, instant: Option<DateTime<Utc>>) {
        match instant {
            None => {
                let unreadable =
                    || Error::invalid(format!("the chain's time {text:?} is not an instant with a zone: give --at"));
                self.unreadable_instant.get_or_insert_with(unreadable);
            }
            Some(instant) if self.instants.contains(&instant) => {}
            Some(instant) => self.instants.push(instant),
        }
    }

    pub(super) fn says_spot(&mut self, text: &str) {
        match number(text).filter(|spot| *spot > 0.0) {
            None => {
                let unreadable =
                    || Error::invalid(format!("the chain's spot {text:?} is not a positive number: give --spot"));
                self.unreadable_spot.get_or_insert_with(unreadable);
            }
            Some(spot) if self.spots.contains(&spot) => {}
            Some(spot) => self.spots.push(spot),
        }
    }

    pub(super) fn takes(&mut self, row: &Row<'_>) {
        match row.judge() {
            Ok(quote) => self.quotes.push((quote, row.text.clone().into_owned())),
            Err(refused) => self.refused.push(refused),
        }
    }

    pub(super) fn refuses(&mut self, refused: Refused) {
        self.refused.push(refused);
    }

    pub(super) fn into_chain(mut self, context: &ChainContext, instruments: &Instruments) -> Result<Chain> {
        if self.quotes.is_empty() && self.refused.is_empty() {
            return Err(Error::invalid("the chain has no options in it: check that the file is complete"));
        }
        if self.instants.len() > 1 {
            return Err(Error::invalid(format!(
                "the document holds several instants ({} and {}, …): one chain is one instant, so split it by time",
                self.instants[0], self.instants[1]
            )));
        }
        let instrument = self.instrument(context, instruments)?;
        let at = self.at(context)?;
        let spot = self.spot(context)?;
        self.refuse_foreign_roots(instrument, instruments);
        self.refuse_repetitions();
        self.refuse_percentages()?;
        self.refused.sort_by_key(|refused| refused.place);
        let quotes = self.quotes.into_iter().map(|(quote, _)| quote).collect();
        Ok(Chain { symbol: instrument.symbol.clone(), at, spot, quotes, refused: self.refused })
    }

    fn instrument<'a>(&self, context: &ChainContext, instruments: &'a Instruments) -> Result<&'a Instrument> {
        let resolve = |name: &str| {
            instruments.resolve(name).map(AsRef::as_ref).ok_or_else(|| {
                Error::invalid(format!(
                    "{name} is not a known instrument or alias: add it to _config/instruments.toml in the lake, or give --symbol"
                ))
            })
        };
        if let Some(symbol) = &context.symbol {
            return resolve(symbol.as_str());
        }
        if let [first, others @ ..] = self.symbols.as_slice() {
            let instrument = resolve(first)?;
            for other in others {
                if resolve(other)?.symbol != instrument.symbol {
                    return Err(Error::invalid(format!(
                        "the document holds options of {first} and of {other}: one chain is one underlying, so split it by symbol"
                    )));
                }
            }
            return Ok(instrument);
        }
        match self.quotes.iter().find_map(|(quote, _)| quote.root.as_deref()) {
            Some(root) => resolve(root),
            None => Err(Error::invalid("the chain does not name its underlying: give --symbol")),
        }
    }

    fn at(&mut self, context: &ChainContext) -> Result<DateTime<Utc>> {
        if let Some(at) = context.at {
            return Ok(at);
        }
        if let Some(unreadable) = self.unreadable_instant.take() {
            return Err(unreadable);
        }
        self.instants.first().copied().ok_or_else(|| {
            Error::invalid("the chain does not say when it was taken: give --at with a zone, such as --at 2026-08-19T10:58:00-04:00")
        })
    }

    fn spot(&mut self, context: &ChainContext) -> Result<f64> {
        if let (None, Some(unreadable)) = (context.spot, self.unreadable_spot.take()) {
            return Err(unreadable);
        }
        match (context.spot, self.spots.as_slice()) {
            (Some(spot), _) if spot.is_finite() && spot > 0.0 => Ok(spot),
            (Some(spot), _) => Err(Error::invalid(format!("--spot is {spot}, not a positive number"))),
            (None, [spot]) => Ok(*spot),
            (None, []) => Err(Error::invalid("the chain does not say the underlying's price: give --spot")),
            (None, [one, two, ..]) => Err(Error::invalid(format!(
                "the document holds several spots ({one} and {two}, …): give the one that belongs to its instant with --spot"
            ))),
        }
    }

    /// Options on something else, and adjusted contracts (`AAPL1`) whose deliverable is not the usual hundred shares.
    fn refuse_foreign_roots(&mut self, instrument: &Instrument, instruments: &Instruments) {
        let foreign = |quote: &Quote| {
            let root = quote.root.as_deref()?;
            let ours = instruments.resolve(root).is_some_and(|known| known.symbol == instrument.symbol);
            (!ours).then(|| {
                let reason = format!(
                    "the root {root} is not known to be {}: another underlying or an adjusted contract (if not, add it as an alias to _config/instruments.toml)",
                    instrument.symbol
                );
                ("contract", "foreign_root", reason, None)
            })
        };
        self.refuse_where(foreign);
    }

    /// The same option twice would be added twice.
    fn refuse_repetitions(&mut self) {
        type Key = (Option<String>, TradingDate, u64, Side);
        let mut seen: BTreeMap<Key, Quote> = BTreeMap::new();
        self.refuse_where(|quote| {
            let key = (quote.root.clone(), quote.expiration, quote.strike.to_bits(), quote.side);
            let Some(first) = seen.get(&key) else {
                seen.insert(key, quote.clone());
                return None;
            };
            if (Quote { place: first.place, ..quote.clone() }) == *first {
                let reason = format!("repeats {}, word for word", first.place);
                return Some(("contract", "repeated", reason, None));
            }
            let reason = format!("contradicts {}, which is the same option", first.place);
            Some(("contract", "repeated_differently", reason, Some((quote.expiration, quote.strike))))
        });
    }

    fn refuse_where(
        &mut self,
        mut wrong: impl FnMut(&Quote) -> Option<(&'static str, &'static str, String, Option<(TradingDate, f64)>)>,
    ) {
        let refused = &mut self.refused;
        self.quotes.retain(|(quote, text)| match wrong(quote) {
            None => true,
            Some((field, code, reason, leaves_unknown)) => {
                let row = Row { place: quote.place, text: text.as_str().into(), ..Row::default() };
                refused.push(row.refuse(field, code, reason, leaves_unknown));
                false
            }
        });
    }

    fn refuse_percentages(&self) -> Result<()> {
        let positive =
            self.quotes.iter().filter_map(|(quote, _)| quote.implied_volatility).filter(|value| *value > 0.01);
        let mut volatilities: Vec<f64> = positive.collect();
        volatilities.sort_by(f64::total_cmp);
        match volatilities.get(volatilities.len() / 2) {
            Some(median) if *median > MEDIAN_VOLATILITY_LIMIT => Err(Error::invalid(format!(
                "the median implied volatility is {median}: it looks like percent; write fractions (0.143) or percent signs (14.3%)"
            ))),
            _ => Ok(()),
        }
    }
}

/// An RFC 3339 instant; a blank may stand for the `T`.
pub(super) fn rfc3339(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim().replacen(' ', "T", 1);
    DateTime::parse_from_rfc3339(&text).ok().map(|instant| instant.with_timezone(&Utc))
}
