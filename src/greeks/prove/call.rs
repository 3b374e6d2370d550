//! Reads an API call anew: the question that its path and query ask, apart from the routes' own reading, so that a slip there
//! shows. What the API refuses is refused by the API; here only what cannot be proved is. Pure.

use std::sync::Arc;

use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Utc};

use super::Days;
use crate::greeks::query::By;
use crate::greeks::record::{GREEKS, GREEKS_BY_MINUTE, Greek};
use crate::http::params::Params;
use crate::market::{Instrument, Instruments, Symbol, TradingDate};
use crate::{Error, Result};

/// A call whose answer can be proved.
#[derive(Debug, Clone)]
pub struct Call {
    pub symbol: Symbol,
    pub(super) instrument: Arc<Instrument>,
    pub(super) asked: Asked,
}

/// What a path is.
#[derive(Debug, Clone)]
pub enum Reading {
    Provable(Box<Call>),
    /// A call that the API may well answer, but not with rows of this room's files.
    NotProvable(String),
    /// For the API to refuse: a path, symbol or parameter that it does not know.
    Wrong,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Asked {
    Slice { date: TradingDate, filter: Filter },
    LastMinute { filter: Filter },
    Sums { date: TradingDate, by: By, filter: Filter },
    Statistics { start: TradingDate, end: TradingDate, greeks: Vec<Greek> },
    Minutes { start: TradingDate, end: TradingDate, greeks: Vec<Greek>, expiration: Option<TradingDate> },
    Screen { start: TradingDate, end: TradingDate, screen: Screen },
    Export { start: TradingDate, end: TradingDate, filter: Filter },
}

/// Which rows and greeks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Filter {
    pub strike: Option<f64>,
    pub strike_min: Option<f64>,
    pub strike_max: Option<f64>,
    pub expiration: Option<TradingDate>,
    /// The exchange's wall clock, inclusive.
    pub start_time: Option<NaiveTime>,
    /// Exclusive.
    pub end_time: Option<NaiveTime>,
    /// The minute of it, in the place of both.
    pub at: Option<NaiveTime>,
    /// In the order of the schema; `None` for all that the files have.
    pub greeks: Option<Vec<Greek>>,
}

/// Days on which a greek's total was beyond a threshold at any minute.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Screen {
    pub greek: Greek,
    /// True for above, false for below.
    pub above: bool,
    pub threshold: f64,
    pub first: bool,
}

const ALL: [(&str, Greek); 3] = [("gamma", Greek::Gamma), ("vanna", Greek::Vanna), ("charm", Greek::Charm)];
const OF_STRIKES: [&str; 6] = ["strike", "strike_min", "strike_max", "expiration", "greeks", "format"];
const OF_TIME: [&str; 3] = ["start_time", "end_time", "at"];
const MINUTE_US: i64 = 60_000_000;
const SPAN: [&str; 2] = ["start", "end"];

impl Call {
    /// Reads `path` and the raw query behind it.
    ///
    /// # Errors
    /// `Invalid` for a query that the API answered and this version cannot read.
    pub fn read(path: &str, query: Option<&str>, instruments: &Instruments) -> Result<Reading> {
        let not = |what: &str| Ok(Reading::NotProvable(what.to_owned()));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (dataset, symbol, rest) = match parts.as_slice() {
            ["api", "v1", "datasets" | "symbols"] => return not("a list of what there is"),
            ["health" | "metrics" | "openapi.json" | "docs", ..] => return not("an answer about the server"),
            ["api", "v1", dataset, symbol, rest @ ..] => (*dataset, *symbol, rest),
            _ => return Ok(Reading::Wrong),
        };
        match rest {
            ["coverage" | "files" | "changes"] => return not("an answer about partitions, not of their rows"),
            ["live"] => return not("a stream without an end"),
            _ if dataset != GREEKS => return Ok(Reading::Wrong),
            _ => {}
        }
        let query = query.unwrap_or_default();
        if query.split('&').any(|pair| pair.split('=').next() == Some("as_of")) {
            return not("what was known at an instant: the lake's files hold the present");
        }
        let symbol = percent_encoding::percent_decode_str(symbol).decode_utf8_lossy();
        let Some(instrument) = instruments.resolve(&symbol) else { return Ok(Reading::Wrong) };
        match asked(rest, query) {
            Some(asked) => {
                let (symbol, instrument) = (instrument.symbol.clone(), Arc::clone(instrument));
                Ok(Reading::Provable(Box::new(Call { symbol, instrument, asked: asked? })))
            }
            None => Ok(Reading::Wrong),
        }
    }

    pub fn days(&self) -> Days {
        match &self.asked {
            Asked::Slice { date, .. } | Asked::Sums { date, .. } => Days::One(*date),
            Asked::LastMinute { .. } => Days::Last,
            Asked::Statistics { start, end, .. }
            | Asked::Minutes { start, end, .. }
            | Asked::Screen { start, end, .. }
            | Asked::Export { start, end, .. } => Days::Between(*start, *end),
        }
    }

    /// The datasets that the SQL reads.
    pub(super) fn datasets(&self) -> &'static [&'static str] {
        match &self.asked {
            Asked::Sums { .. } | Asked::Statistics { .. } | Asked::Minutes { .. } => &[GREEKS, GREEKS_BY_MINUTE],
            Asked::Slice { .. } | Asked::LastMinute { .. } | Asked::Screen { .. } | Asked::Export { .. } => &[GREEKS],
        }
    }
}

/// `None` for a path that is none of this room's.
fn asked(rest: &[&str], query: &str) -> Option<Result<Asked>> {
    let date = |text: &str| text.parse::<TradingDate>().ok();
    let read = |lists: &[&[&str]]| Reader::of(query, &lists.concat());
    Some(match rest {
        ["latest"] => read(&[&OF_STRIKES]).and_then(|query| Ok(Asked::LastMinute { filter: query.strikes()? })),
        ["range"] => read(&[&SPAN, &["by", "expiration", "greeks", "format"]]).and_then(|query| {
            let (start, end) = query.span()?;
            let greeks = query.greeks()?.unwrap_or_else(|| Greek::ALL.to_vec());
            match (query.text("by"), query.parsed("expiration")?) {
                (None | Some("day"), None) => Ok(Asked::Statistics { start, end, greeks }),
                (Some("minute"), expiration) => Ok(Asked::Minutes { start, end, greeks, expiration }),
                _ => Err(unreadable("by")),
            }
        }),
        ["screen"] => read(&[&SPAN, &["greek", "above", "below", "first", "format"]]).and_then(|query| {
            let (start, end) = query.span()?;
            Ok(Asked::Screen { start, end, screen: query.screen()? })
        }),
        ["export"] => read(&[&SPAN, &OF_STRIKES, &OF_TIME]).and_then(|query| {
            let (start, end) = query.span()?;
            Ok(Asked::Export { start, end, filter: query.strikes_and_times()? })
        }),
        [day] => {
            let date = date(day)?;
            read(&[&OF_STRIKES, &OF_TIME])
                .and_then(|query| Ok(Asked::Slice { date, filter: query.strikes_and_times()? }))
        }
        [day, "aggregate"] => {
            let date = date(day)?;
            read(&[&OF_STRIKES, &OF_TIME, &["by"]]).and_then(|query| {
                let by = match query.text("by") {
                    None | Some("minute") => By::Minute,
                    Some("expiration") => By::Expiration,
                    Some("strike") => By::Strike,
                    Some(_) => return Err(unreadable("by")),
                };
                Ok(Asked::Sums { date, by, filter: query.strikes_and_times()? })
            })
        }
        _ => return None,
    })
}

struct Reader(Params);

impl Reader {
    fn of(query: &str, allowed: &[&str]) -> Result<Self> {
        Params::parse(Some(query), allowed)
            .map(Self)
            .map_err(|problem| Error::invalid(format!("prove cannot read this query: {}", problem.detail())))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>> {
        self.text(name).map(|text| text.parse().map_err(|_| unreadable(name))).transpose()
    }

    fn needed<T: std::str::FromStr>(&self, name: &str) -> Result<T> {
        self.parsed(name)?.ok_or_else(|| Error::invalid(format!("prove needs '{name}': give it")))
    }

    fn span(&self) -> Result<(TradingDate, TradingDate)> {
        Ok((self.needed("start")?, self.needed("end")?))
    }

    fn greeks(&self) -> Result<Option<Vec<Greek>>> {
        let Some(list) = self.text("greeks") else { return Ok(None) };
        let named: Vec<&str> = list.split(',').collect();
        if named.iter().any(|name| ALL.iter().all(|(known, _)| known != name)) {
            return Err(unreadable("greeks"));
        }
        Ok(Some(ALL.iter().filter(|(name, _)| named.contains(name)).map(|(_, greek)| *greek).collect()))
    }

    fn strikes(&self) -> Result<Filter> {
        Ok(Filter {
            strike: self.parsed("strike")?,
            strike_min: self.parsed("strike_min")?,
            strike_max: self.parsed("strike_max")?,
            expiration: self.parsed("expiration")?,
            greeks: self.greeks()?,
            ..Filter::default()
        })
    }

    fn strikes_and_times(&self) -> Result<Filter> {
        let time = |name: &str| -> Result<Option<NaiveTime>> {
            let Some(text) = self.text(name) else { return Ok(None) };
            let shape = if text.len() == 5 { "%H:%M" } else { "%H:%M:%S" };
            NaiveTime::parse_from_str(text, shape).map(Some).map_err(|_| unreadable(name))
        };
        let (start_time, end_time, at) = (time("start_time")?, time("end_time")?, time("at")?);
        Ok(Filter { start_time, end_time, at, ..self.strikes()? })
    }

    fn screen(&self) -> Result<Screen> {
        let greek = self.needed::<String>("greek")?;
        let (_, greek) = *ALL.iter().find(|(name, _)| *name == greek).ok_or_else(|| unreadable("greek"))?;
        let (above, threshold) = match (self.parsed::<f64>("above")?, self.parsed::<f64>("below")?) {
            (Some(threshold), None) => (true, threshold),
            (None, Some(threshold)) => (false, threshold),
            _ => return Err(Error::invalid("prove needs either 'above' or 'below'")),
        };
        Ok(Screen { greek, above, threshold, first: self.text("first") == Some("true") })
    }
}

fn unreadable(name: &str) -> Error {
    Error::invalid(format!("prove cannot read '{name}' of this query"))
}

impl Filter {
    pub fn has_times(&self) -> bool {
        self.start_time.is_some() || self.end_time.is_some() || self.at.is_some()
    }

    /// The times on one trading date, in microseconds since 1970-01-01T00:00Z: from (inclusive) and to (exclusive).
    ///
    /// # Errors
    /// `Invalid` for a time that the clock change of that date skips or has twice.
    pub fn times(&self, instrument: &Instrument, date: TradingDate) -> Result<(Option<i64>, Option<i64>)> {
        let on = |time: Option<NaiveTime>| -> Result<Option<i64>> {
            let Some(time) = time else { return Ok(None) };
            let instant = instant(instrument, date, time);
            let unclear = || Error::invalid(format!("{time} is no one moment of {date} for {}", instrument.symbol));
            instant.map(|instant| Some(instant.timestamp_micros())).ok_or_else(unclear)
        };
        if let Some(at) = on(self.at)? {
            let minute = at - at.rem_euclid(MINUTE_US);
            return Ok((Some(minute), Some(minute + MINUTE_US)));
        }
        Ok((on(self.start_time)?, on(self.end_time)?))
    }
}

/// The exchange's wall clock on a trading date. A session that opened on the evening before has its evening there.
fn instant(instrument: &Instrument, date: TradingDate, time: NaiveTime) -> Option<DateTime<Utc>> {
    let zone = instrument.time_zone;
    let mut on = date.naive();
    if let Some(session) = instrument.session(date) {
        let opens = session.open.with_timezone(&zone).naive_local();
        let evening_before = on - TimeDelta::days(1);
        if opens.date() == evening_before && evening_before.and_time(time) >= opens {
            on = evening_before;
        }
    }
    zone.from_local_datetime(&on.and_time(time)).single().map(|local| local.with_timezone(&Utc))
}
