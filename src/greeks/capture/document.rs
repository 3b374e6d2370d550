//! One JSON document of either shape to rows. The fast path is one typed parse; only when that fails is the document
//! walked again to find the field to blame.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::Refusal;
use super::blame::blame;
use crate::market::{Instrument, Instruments, TradingDate, floor_minute};

/// The largest magnitude a number may have; below 2^53, so that every whole dollar up to it is exact.
pub const LARGEST: f64 = 9e15;

/// One strike of one document, exposures in whole US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StrikeRow {
    pub strike: f64,
    pub greeks: [Option<i64>; 3],
}

/// A good document.
#[derive(Debug, Clone)]
pub struct Parsed {
    pub instrument: Arc<Instrument>,
    pub date: TradingDate,
    /// As the source said it.
    pub source_time: DateTime<Utc>,
    /// Floored to the minute.
    pub minute: DateTime<Utc>,
    pub expiration: TradingDate,
    pub spot: Option<f64>,
    pub strikes: Vec<StrikeRow>,
}

/// The partition that a refused document would have gone to.
#[derive(Debug, Clone)]
pub struct Home {
    pub instrument: Arc<Instrument>,
    pub date: TradingDate,
    pub time: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    #[serde(borrow)]
    expiration: Cow<'a, str>,
    spot: Option<f64>,
    strikes: Option<Vec<Strike>>,
    strike: Option<f64>,
    gamma_exposure: Option<f64>,
    vanna_exposure: Option<f64>,
    charm_exposure: Option<f64>,
}

#[derive(Deserialize)]
struct Strike {
    strike: f64,
    gamma: Option<f64>,
    vanna: Option<f64>,
    charm: Option<f64>,
}

/// Reads documents. Holds the instruments and remembers the last symbol, time and date, since they come in runs.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    instruments: &'a Instruments,
    symbol: Option<(String, Arc<Instrument>)>,
    time: Option<(String, DateTime<Utc>)>,
    expiration: Option<(String, TradingDate)>,
    dated: Option<(DateTime<Utc>, Arc<Instrument>, TradingDate)>,
}

impl<'a> Reader<'a> {
    pub fn new(instruments: &'a Instruments) -> Self {
        Self { instruments, symbol: None, time: None, expiration: None, dated: None }
    }

    /// # Errors
    /// The refusal, naming the field; the document is refused whole.
    pub fn read(&mut self, json: &[u8]) -> Result<Parsed, Refusal> {
        let text = std::str::from_utf8(json)
            .map_err(|_| Refusal::new("not_utf8", None, "the document is not UTF-8 text; convert the file to UTF-8"))?;
        let document: Document = serde_json::from_str(text).map_err(|error| blame(text, &error))?;
        self.check(document)
    }

    /// Where a refused document would have gone, as far as it can be read: the text need not be whole JSON, since a
    /// torn document mostly still has its head.
    pub fn home(&mut self, json: &[u8]) -> Option<Home> {
        let instrument = self.instrument(string_after(json, br#""symbol""#)?).ok()?;
        let time = self.timestamp(string_after(json, br#""timestamp""#)?).ok()?;
        let date = self.trading_date(&instrument, time)?;
        Some(Home { instrument, date, time })
    }

    fn check(&mut self, document: Document) -> Result<Parsed, Refusal> {
        let instrument = self.instrument(&document.symbol)?;
        let source_time = self.timestamp(&document.timestamp)?;
        let expiration = self.expiration(&document.expiration)?;
        let Some(date) = self.trading_date(&instrument, source_time) else {
            let reason = format!("timestamp '{}' belongs to a session after 2199", document.timestamp);
            return Err(Refusal::new("timestamp_malformed", "timestamp".to_owned(), reason));
        };
        if expiration < date {
            return Err(Refusal::new(
                "expiration_before_date",
                "expiration".to_owned(),
                format!("expiration {expiration} is before the trading date {date} of the timestamp"),
            ));
        }
        let spot = match document.spot {
            Some(spot) if spot.is_nan() || spot <= 0.0 => {
                let reason = format!("spot {spot} is not positive; leave the field out when it is unknown");
                return Err(Refusal::new("spot_not_positive", "spot".to_owned(), reason));
            }
            Some(spot) => Some(in_range(spot, "spot")?),
            None => None,
        };
        let strikes = strikes(&document)?;
        Ok(Parsed { instrument, date, source_time, minute: floor_minute(source_time), expiration, spot, strikes })
    }

    fn instrument(&mut self, symbol: &str) -> Result<Arc<Instrument>, Refusal> {
        if let Some((known, instrument)) = &self.symbol
            && known == symbol
        {
            return Ok(Arc::clone(instrument));
        }
        let Some(instrument) = self.instruments.resolve(symbol) else {
            return Err(match symbol.parse::<crate::market::Symbol>() {
                Ok(_) => Refusal::new(
                    "symbol_unknown",
                    "symbol".to_owned(),
                    format!("symbol '{symbol}' is not known; add it to _config/instruments.toml of the lake"),
                ),
                Err(error) => Refusal::new("symbol_malformed", "symbol".to_owned(), error.detail()),
            });
        };
        self.symbol = Some((symbol.to_owned(), Arc::clone(instrument)));
        Ok(Arc::clone(instrument))
    }

    fn timestamp(&mut self, text: &str) -> Result<DateTime<Utc>, Refusal> {
        if let Some((known, time)) = &self.time
            && known == text
        {
            return Ok(*time);
        }
        let time = DateTime::parse_from_rfc3339(text).map_err(|error| timestamp_refusal(text, &error))?;
        let time = time.with_timezone(&Utc);
        // Outside these years a microsecond count or a trading date would not fit what the files can hold.
        if !(1990..2200).contains(&chrono::Datelike::year(&time)) {
            let reason = format!("timestamp '{text}' is not between 1990 and 2199; milliseconds read as seconds?");
            return Err(Refusal::new("timestamp_malformed", "timestamp".to_owned(), reason));
        }
        self.time = Some((text.to_owned(), time));
        Ok(time)
    }

    fn expiration(&mut self, text: &str) -> Result<TradingDate, Refusal> {
        if let Some((known, date)) = &self.expiration
            && known == text
        {
            return Ok(*date);
        }
        let date = text.parse().map_err(|error: crate::Error| {
            Refusal::new("expiration_malformed", "expiration".to_owned(), error.detail())
        })?;
        self.expiration = Some((text.to_owned(), date));
        Ok(date)
    }

    /// `None` when the session is of a year that no path or file can name.
    fn trading_date(&mut self, instrument: &Arc<Instrument>, time: DateTime<Utc>) -> Option<TradingDate> {
        if let Some((known, of, date)) = &self.dated
            && *known == time
            && Arc::ptr_eq(of, instrument)
        {
            return Some(*date);
        }
        let date = Some(instrument.trading_date_of(time)).filter(|date| TradingDate::YEARS.contains(&date.year()))?;
        self.dated = Some((time, Arc::clone(instrument), date));
        Some(date)
    }
}

/// The string value that follows a quoted name.
fn string_after<'a>(json: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let at = memchr::memmem::find(json, name)? + name.len();
    let value = json[at..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
    std::str::from_utf8(&value[..memchr::memchr(b'"', value)?]).ok()
}

fn timestamp_refusal(text: &str, error: &chrono::ParseError) -> Refusal {
    let field = "timestamp".to_owned();
    let zoneless = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .any(|format| chrono::NaiveDateTime::parse_from_str(text, format).is_ok());
    if zoneless {
        let reason = format!("timestamp '{text}' has no zone; write 2025-01-15T14:32:00-05:00 or …Z");
        return Refusal::new("timestamp_without_zone", field, reason);
    }
    let shown: String = text.chars().take(40).collect();
    Refusal::new("timestamp_malformed", field, format!("timestamp '{shown}' is not RFC 3339 ({error})"))
}

fn strikes(document: &Document) -> Result<Vec<StrikeRow>, Refusal> {
    match (&document.strikes, document.strike) {
        (Some(_), Some(_)) => Err(Refusal::new(
            "two_shapes",
            "strike".to_owned(),
            "a document has either 'strikes' (a list) or 'strike' with its exposures, not both",
        )),
        (None, None) => Err(Refusal::new(
            "field_missing",
            "strikes".to_owned(),
            "neither 'strikes' (a list) nor 'strike' with its exposures is there",
        )),
        (None, Some(strike)) => {
            let greeks = [document.gamma_exposure, document.vanna_exposure, document.charm_exposure];
            let names = ["gamma_exposure", "vanna_exposure", "charm_exposure"];
            Ok(vec![strike_row(strike, greeks, |at| at.map_or("strike", |at| names[at]).to_owned())?])
        }
        (Some(list), None) if list.is_empty() => {
            Err(Refusal::new("no_strikes", "strikes".to_owned(), "'strikes' is an empty list"))
        }
        (Some(list), None) => {
            let names = ["gamma", "vanna", "charm"];
            list.iter()
                .enumerate()
                .map(|(index, row)| {
                    strike_row(row.strike, [row.gamma, row.vanna, row.charm], |at| {
                        format!("strikes[{index}].{}", at.map_or("strike", |at| names[at]))
                    })
                })
                .collect()
        }
    }
}

fn strike_row(
    strike: f64,
    greeks: [Option<f64>; 3],
    name: impl Fn(Option<usize>) -> String,
) -> Result<StrikeRow, Refusal> {
    if strike.is_nan() || strike <= 0.0 {
        let reason = format!("strike {strike} is not positive");
        return Err(Refusal::new("strike_not_positive", name(None), reason));
    }
    if strike > LARGEST {
        return Err(out_of_range(strike, name(None)));
    }
    if greeks.iter().all(Option::is_none) {
        let reason = format!("strike {strike} has none of gamma, vanna and charm");
        return Err(Refusal::new("no_greek", name(None), reason));
    }
    let mut dollars = [None; 3];
    for (at, greek) in greeks.into_iter().enumerate() {
        if let Some(value) = greek {
            if value.is_nan() || value.abs() > LARGEST {
                return Err(out_of_range(value, name(Some(at))));
            }
            dollars[at] = Some(whole_dollars(value));
        }
    }
    Ok(StrikeRow { strike, greeks: dollars })
}

/// Whole US dollars, half to even. `value` must be within ±[`LARGEST`].
pub fn whole_dollars(value: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "the caller keeps it within ±9e15, which i64 holds")]
    let dollars = value.round_ties_even() as i64;
    dollars
}

fn in_range(value: f64, field: &str) -> Result<f64, Refusal> {
    if value.abs() <= LARGEST { Ok(value) } else { Err(out_of_range(value, field.to_owned())) }
}

fn out_of_range(value: f64, field: String) -> Refusal {
    Refusal::new("number_out_of_range", field, format!("{value:e} is beyond ±9e15, the largest number taken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_beyond_the_last_year_is_refused_and_is_nobodys_home() {
        let instruments = Instruments::builtin();
        let document = |timestamp: &str| {
            format!(
                r#"{{"symbol":"ES","timestamp":"{timestamp}","expiration":"2199-12-31","strikes":[{{"strike":1,"gamma":1}}]}}"#
            )
        };
        let mut reader = Reader::new(&instruments);
        // A Tuesday evening in Chicago, after the day has rolled over; the next session is of 2200.
        let late = document("2199-12-31T23:30:00Z");
        assert!(reader.home(late.as_bytes()).is_none());
        let refusal = reader.read(late.as_bytes()).expect_err("no file can name that day");
        assert_eq!(refusal.code, "timestamp_malformed");
        let home = reader.home(document("2199-12-31T16:30:00Z").as_bytes()).expect("a home");
        assert_eq!(home.date.to_string(), "2199-12-31");
    }
}
