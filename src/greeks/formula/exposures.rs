//! The formula at work: chain in, dollars per (expiration, strike) out. Pure; the definitions are in the parent's docs.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::America::New_York;

use super::report::median;
use super::{Dealers, Formula, FormulaReport, GreeksSource};
use crate::greeks::bsm::{Greeks, Inputs, Side, greeks};
use crate::greeks::chains::{Chain, Quote, Refused};
use crate::market::{Instrument, TradingDate};

/// The most that an exposure may be, so that whole dollars are exact in a double; NaN is beyond it too.
const MOST_DOLLARS: f64 = 9e15;

/// The dealers' exposure at one strike, calls, puts and roots together, in unrounded dollars; `None` is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrikeExposure {
    pub expiration: TradingDate,
    pub strike: f64,
    /// Dollars of delta per 1 % of spot.
    pub gamma: Option<f64>,
    /// Dollars of delta per volatility point.
    pub vanna: Option<f64>,
    /// Dollars of delta per calendar day.
    pub charm: Option<f64>,
}

/// The exposures of a chain, sorted by expiration and strike; the account of how they were made; and every row that
/// is not in them: the reader's refusals and the formula's, in the document's order.
pub fn exposures(
    chain: &Chain,
    instrument: &Instrument,
    formula: &Formula,
) -> (Vec<StrikeExposure>, FormulaReport, Vec<Refused>) {
    let mut work = Work::new(chain, instrument, formula);
    let mut quotes: Vec<&Quote> = chain.quotes.iter().collect();
    quotes.sort_by(|a, b| order(a, b));
    for quote in quotes {
        work.take(quote);
    }
    work.finish()
}

fn order(a: &Quote, b: &Quote) -> Ordering {
    let side = |side| u8::from(side == Side::Put);
    (a.expiration.cmp(&b.expiration))
        .then(a.strike.total_cmp(&b.strike))
        .then_with(|| a.root.cmp(&b.root))
        .then(side(a.side).cmp(&side(b.side)))
        .then(a.place.cmp(&b.place))
}

/// What one row adds.
enum Adds {
    Nothing,
    Dollars { gamma: f64, vanna_charm: Option<(f64, f64)> },
}

struct Work<'a> {
    chain: &'a Chain,
    instrument: &'a Instrument,
    formula: &'a Formula,
    report: FormulaReport,
    refused: Vec<Refused>,
    strikes: Vec<StrikeExposure>,
    ratios: Vec<f64>,
    /// The expiry instants of the expiration at hand, opening and close.
    expiry: Option<(TradingDate, DateTime<Utc>, DateTime<Utc>)>,
}

impl<'a> Work<'a> {
    fn new(chain: &'a Chain, instrument: &'a Instrument, formula: &'a Formula) -> Self {
        let session = instrument.session(instrument.trading_date_of(chain.at));
        let said: Vec<f64> =
            chain.quotes.iter().filter_map(|quote| quote.open_interest).filter(|open| *open > 0.0).collect();
        let report = FormulaReport {
            name: Formula::NAME.to_owned(),
            version: Formula::VERSION,
            dealers: formula.dealers,
            greeks: formula.greeks,
            rate: formula.rate,
            dividend_yield: formula.dividend_yield(instrument.symbol.as_str()),
            option_multiplier: instrument.option_multiplier,
            chains: 1,
            outside_session: u64::from(!session.is_some_and(|session| session.contains(chain.at))),
            quotes: count(chain.quotes.len() + chain.refused.len()),
            quotes_used: 0,
            zero_open_interest: 0,
            gamma_as_sent: 0,
            gamma_from_model: 0,
            vanna_charm_unknown: 0,
            refused: 0,
            strikes: 0,
            strikes_unknown: 0,
            median_model_to_source_gamma: None,
            open_interest_total: said.iter().sum(),
            contracts_with_open_interest: count(said.len()),
        };
        let refused = chain.refused.clone();
        Self { chain, instrument, formula, report, refused, strikes: Vec::new(), ratios: Vec::new(), expiry: None }
    }

    fn take(&mut self, quote: &Quote) {
        match self.adds(quote) {
            Ok(adds) => {
                self.report.quotes_used += 1;
                let strike = self.strike(quote);
                match adds {
                    Adds::Nothing => {}
                    Adds::Dollars { gamma, vanna_charm } => {
                        add(&mut strike.gamma, Some(gamma));
                        add(&mut strike.vanna, vanna_charm.map(|(vanna, _)| vanna));
                        add(&mut strike.charm, vanna_charm.map(|(_, charm)| charm));
                    }
                }
            }
            Err(refused) => self.refused.push(refused),
        }
    }

    /// The sums at the quote's strike; the quotes come in order, so they are the last ones.
    fn strike(&mut self, quote: &Quote) -> &mut StrikeExposure {
        let Quote { expiration, strike, .. } = *quote;
        if self.strikes.last().is_none_or(|last| (last.expiration, last.strike) != (expiration, strike)) {
            let nothing = Some(0.0);
            self.strikes.push(StrikeExposure { expiration, strike, gamma: nothing, vanna: nothing, charm: nothing });
        }
        let last = self.strikes.len() - 1;
        &mut self.strikes[last]
    }

    fn adds(&mut self, quote: &Quote) -> Result<Adds, Refused> {
        let expiry = self.expiry(quote);
        if expiry <= self.chain.at {
            let reason = format!("expired at {expiry}, before the chain's instant {}", self.chain.at);
            return Err(refuse(quote, "expiration", "expired", reason, false));
        }
        let Some(open_interest) = quote.open_interest else {
            let reason = "open interest is missing".to_owned();
            return Err(refuse(quote, "open_interest", "missing_open_interest", reason, false));
        };
        if open_interest == 0.0 {
            self.report.zero_open_interest += 1;
            return Ok(Adds::Nothing);
        }
        let sent = quote.gamma.filter(|gamma| *gamma != 0.0);
        let model = self.model(quote, expiry);
        let (gamma, as_sent) = match (self.formula.greeks, sent, model) {
            (GreeksSource::AsSent, Some(sent), _) => (sent, true),
            (_, _, Some(model)) => (model.gamma, false),
            (GreeksSource::AsSent, None, None) => {
                let reason = "neither a usable implied volatility nor a gamma other than 0".to_owned();
                return Err(refuse(quote, "iv", "no_iv_and_no_gamma", reason, true));
            }
            (GreeksSource::Model, _, None) => {
                let reason = "no usable implied volatility to recompute gamma from".to_owned();
                return Err(refuse(quote, "iv", "no_usable_iv", reason, true));
            }
        };

        let spot = self.chain.spot;
        let shares = self.sign(quote.side) * open_interest * self.instrument.option_multiplier;
        let gamma = gamma * shares * spot * spot * 0.01;
        let vanna_charm = model
            .map(|model| (model.vanna * shares * spot * 0.01, model.charm / self.formula.year_days * shares * spot));
        let (vanna, charm) = vanna_charm.unwrap_or_default();
        if ![gamma, vanna, charm].iter().all(|dollars| dollars.abs() <= MOST_DOLLARS) {
            let reason =
                format!("its exposure is beyond {MOST_DOLLARS:e} dollars: check open interest, gamma, iv and spot");
            return Err(refuse(quote, "open_interest", "beyond_range", reason, true));
        }

        if let (Some(sent), Some(model)) = (sent, model) {
            self.ratios.push(model.gamma / sent);
        }
        self.report.gamma_as_sent += u64::from(as_sent);
        self.report.gamma_from_model += u64::from(!as_sent);
        self.report.vanna_charm_unknown += u64::from(model.is_none());
        Ok(Adds::Dollars { gamma, vanna_charm })
    }

    fn sign(&self, side: Side) -> f64 {
        match (self.formula.dealers, side) {
            (Dealers::LongBoth, _) | (Dealers::LongCallsShortPuts, Side::Call) => 1.0,
            (Dealers::ShortBoth, _) | (Dealers::LongCallsShortPuts, Side::Put) => -1.0,
        }
    }

    /// The model's greeks, when the row has a usable implied volatility.
    fn model(&self, quote: &Quote, expiry: DateTime<Utc>) -> Option<Greeks> {
        let volatility = quote.implied_volatility.filter(|volatility| *volatility > self.formula.volatility_floor)?;
        let hours = seconds(expiry - self.chain.at) / 3600.0;
        let inputs = Inputs {
            spot: self.chain.spot,
            strike: quote.strike,
            years: hours.max(self.formula.floor_hours) / (24.0 * self.formula.year_days),
            volatility,
            rate: self.formula.rate,
            dividend_yield: self.report.dividend_yield,
        };
        inputs.in_domain().then(|| greeks(&inputs, quote.side))
    }

    fn expiry(&mut self, quote: &Quote) -> DateTime<Utc> {
        let (opening, close) = match self.expiry {
            Some((date, opening, close)) if date == quote.expiration => (opening, close),
            _ => {
                let opening = new_york(quote.expiration, 9, 30);
                let usual = new_york(quote.expiration, 16, 0);
                let close = self.instrument.session(quote.expiration).map_or(usual, |session| usual.min(session.close));
                self.expiry = Some((quote.expiration, opening, close));
                (opening, close)
            }
        };
        let in_the_morning = quote.root.as_deref().is_some_and(|root| self.formula.am_settled_roots.contains(&root));
        if in_the_morning { opening } else { close }
    }

    fn finish(mut self) -> (Vec<StrikeExposure>, FormulaReport, Vec<Refused>) {
        self.refused.sort_by_key(|refused| refused.place);
        let mut unknown: Vec<(TradingDate, f64)> =
            self.refused.iter().filter_map(|refused| refused.leaves_unknown).collect();
        unknown.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        unknown.dedup();
        self.strikes.retain(|strike| {
            let known = |(expiration, at): &(TradingDate, f64)| {
                expiration.cmp(&strike.expiration).then(at.total_cmp(&strike.strike))
            };
            unknown.binary_search_by(known).is_err()
        });
        self.report.refused = count(self.refused.len());
        self.report.strikes = count(self.strikes.len());
        self.report.strikes_unknown = count(unknown.len());
        self.report.median_model_to_source_gamma = median(self.ratios);
        (self.strikes, self.report, self.refused)
    }
}

fn add(sum: &mut Option<f64>, dollars: Option<f64>) {
    *sum = sum.zip(dollars).map(|(sum, dollars)| sum + dollars);
}

fn refuse(quote: &Quote, field: &'static str, code: &'static str, reason: String, leaves_unknown: bool) -> Refused {
    Refused {
        place: quote.place,
        field,
        code,
        reason,
        text: quote.to_string(),
        leaves_unknown: leaves_unknown.then_some((quote.expiration, quote.strike)),
    }
}

fn new_york(date: TradingDate, hour: u32, minute: u32) -> DateTime<Utc> {
    let time = NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or_default();
    let local = date.naive().and_time(time);
    // New York's clock changes at two in the morning, so that no hour of the day session is missing or doubled.
    New_York.from_local_datetime(&local).earliest().map_or_else(|| local.and_utc(), |at| at.with_timezone(&Utc))
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a few decades are exact in a double")]
fn seconds(span: TimeDelta) -> f64 {
    span.num_seconds() as f64 + f64::from(span.subsec_nanos()) * 1e-9
}

fn count(rows: usize) -> u64 {
    rows as u64
}
