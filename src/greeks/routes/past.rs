//! `as_of` of the day's questions: answers from what had been received by an instant. Says in every format that the answer is
//! of the past, and from when on its captures are known.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, HeaderValue};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use crate::greeks::as_of::{AsOf, Compacted, DayAsOf, Past};
use crate::greeks::record::GREEKS;
use crate::http::context::Context;
use crate::http::params::Params;
use crate::http::problem::{Problem, ProblemType};
use crate::http::span::REVISION;
use crate::market::{Instrument, TradingDate};

/// The parameter's name.
pub const AS_OF: &str = "as_of";
const AS_OF_HEADER: HeaderName = HeaderName::from_static("pitlake-as-of");
const PROVISIONAL: HeaderName = HeaderName::from_static("pitlake-provisional");
const COMPACTED_AT: HeaderName = HeaderName::from_static("pitlake-compacted-at");

/// What an answer says of the instant it is for.
#[derive(Debug, Clone, Copy)]
pub struct Instant {
    at: DateTime<Utc>,
    compacted: Compacted,
}

impl Instant {
    /// The instant in UTC, as it is written everywhere.
    pub fn text(&self) -> String {
        self.at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }

    /// No published revision: the member is null, and the instant stands beside it.
    pub fn tell_in(&self, members: &mut Vec<(&'static str, Value)>) {
        if let Some(at) = members.iter().position(|(name, _)| *name == "revision") {
            members[at].1 = Value::Null;
            members.insert(at, (AS_OF, self.text().into()));
        }
    }

    /// When the captures were compacted last is told beside the answer, not in it: the answer stays the same.
    pub fn tell_on(&self, headers: &mut HeaderMap) {
        headers.remove(REVISION);
        let compacted = self.compacted.0.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        // What came by then may not have been compacted yet.
        let provisional = self.compacted.0.is_none_or(|at| at <= self.at).then(|| "true".to_owned());
        for (name, text) in [(AS_OF_HEADER, Some(self.text())), (COMPACTED_AT, compacted), (PROVISIONAL, provisional)] {
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
    }
}

/// The instant asked about, if one was.
///
/// # Errors
/// 400 for what is not an instant, or one that has not come yet.
pub fn asked(params: &Params, context: &Context) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(at) = params.instant(AS_OF)? else { return Ok(None) };
    let now = context.clock.now();
    if at > now {
        let now = now.to_rfc3339_opts(SecondsFormat::Secs, true);
        return Err(Problem::parameter(
            AS_OF,
            format!("{at} has not come yet: it is {now}; nobody knows what will be known then"),
        ));
    }
    Ok(Some(at))
}

/// The day as of that instant, or the right 404.
pub async fn open(
    context: &Context,
    as_of: &AsOf,
    instrument: &Arc<Instrument>,
    date: TradingDate,
    at: DateTime<Utc>,
) -> Result<(Arc<DayAsOf>, Instant), Problem> {
    match as_of.day(context, instrument, date, at).await? {
        Past::Day(day, compacted) => Ok((day, Instant { at, compacted })),
        Past::NoDay => Err(context.no_such_day(GREEKS, instrument, date)),
        Past::NotYet(first) => {
            let first = first.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            let detail = format!(
                "nothing of {} {date} had been received by then: the first of it came at {first}; ask as of that instant or later",
                instrument.symbol
            );
            Err(Problem::new(ProblemType::MissingDay, detail).with("first_received_at", first))
        }
    }
}
