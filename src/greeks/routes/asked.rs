//! The question in a query string, read strictly: what cannot be meant is refused with the parameter's name.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

use crate::greeks::record::Greek;
use crate::greeks::select::Filter;
use crate::http::params::{Params, wrong};
use crate::http::problem::Problem;
use crate::market::{Instrument, TradingDate};

/// The filters that every question about one day takes.
pub const FILTERS: [&str; 9] =
    ["strike", "strike_min", "strike_max", "expiration", "start_time", "end_time", "at", "greeks", "format"];

const GREEKS: [(&str, Greek); 3] = [("gamma", Greek::Gamma), ("vanna", Greek::Vanna), ("charm", Greek::Charm)];

/// Reads the filters; times are wall-clock times of the instrument's exchange on that trading date.
///
/// # Errors
/// 400 that names the parameter.
pub fn filter(params: &Params, instrument: &Instrument, date: TradingDate) -> Result<Filter, Problem> {
    let (from, to) = times(params, instrument, date)?;
    Ok(Filter {
        from_us: from.map(|time| time.timestamp_micros()),
        to_us: to.map(|time| time.timestamp_micros()),
        ..day_filter(params)?
    })
}

/// Reads the filters that do not speak of time.
///
/// # Errors
/// 400 that names the parameter.
pub fn day_filter(params: &Params) -> Result<Filter, Problem> {
    let strike = |name: &str| -> Result<Option<f64>, Problem> {
        match params.f64(name)? {
            Some(strike) if strike <= 0.0 => Err(wrong(name, &strike.to_string(), "a strike above 0")),
            strike => Ok(strike),
        }
    };
    let (strike_min, strike_max) = (strike("strike_min")?, strike("strike_max")?);
    if let (Some(low), Some(high)) = (strike_min, strike_max)
        && low > high
    {
        return Err(Problem::parameter(
            "strike_max",
            format!("strike_max {high} is below strike_min {low}; swap them"),
        ));
    }
    Ok(Filter {
        strike: strike("strike")?,
        strike_min,
        strike_max,
        expiration: params.date("expiration")?.map(TradingDate::days_since_epoch),
        from_us: None,
        to_us: None,
        greeks: greeks(params)?,
    })
}

/// The greeks to answer with; `None` is all of them.
///
/// # Errors
/// 400 that names the parameter.
pub fn greeks(params: &Params) -> Result<Option<Vec<Greek>>, Problem> {
    params.list_of("greeks", &GREEKS)
}

/// The one greek that a question is about.
///
/// # Errors
/// 400 that names the parameter.
pub fn greek(params: &Params) -> Result<Greek, Problem> {
    params.required("greek", "one of gamma, vanna, charm")?;
    params.one_of("greek", &GREEKS)?.ok_or_else(|| Problem::parameter("greek", "greek is missing"))
}

type Times = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

fn times(params: &Params, instrument: &Instrument, date: TradingDate) -> Result<Times, Problem> {
    let instant = |name: &str| -> Result<Option<DateTime<Utc>>, Problem> {
        params.time(name)?.map(|time| wall_clock(instrument, date, time)).transpose()
    };
    let (start, end, at) = (instant("start_time")?, instant("end_time")?, instant("at")?);
    if let Some(at) = at {
        if start.is_some() || end.is_some() {
            return Err(Problem::parameter(
                "at",
                "'at' names one minute; give it, or start_time and end_time, not both",
            ));
        }
        let minute = crate::market::floor_minute(at);
        return Ok((Some(minute), Some(minute + TimeDelta::minutes(1))));
    }
    if let (Some(start), Some(end)) = (start, end)
        && end <= start
    {
        let detail = "end_time must be after start_time: the start is inclusive, the end exclusive";
        return Err(Problem::parameter("end_time", detail));
    }
    Ok((start, end))
}

/// A wall-clock time of a trading date. Where the session opens on the evening before, times from its opening on are that
/// evening's.
fn wall_clock(instrument: &Instrument, date: TradingDate, time: NaiveTime) -> Result<DateTime<Utc>, Problem> {
    let on = match instrument.session(date).map(|session| session.open.with_timezone(&instrument.time_zone)) {
        Some(open) if open.date_naive() < date.naive() && time >= open.time() => TradingDate::from(open.date_naive()),
        _ => date,
    };
    Ok(instrument.local_to_utc(on, time)?)
}
