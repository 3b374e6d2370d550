//! Answers over many days: which days of a span are stored and as which revision they will be read, and the beginning and
//! the headers of every such answer. Called by the rooms' routes that take `start` and `end`.

use std::sync::Arc;

use axum::response::Response;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::asked::Wanted;
use super::context::Context;
use super::span::{Span, SpanDays};
use crate::Result;
use crate::lake::cache::Freshness;
use crate::lake::layout::PartitionId;
use crate::lake::promise::Promise;
use crate::lake::year_index::YearIndex;
use crate::market::{Instrument, TradingDate};

/// Objects asked for at a time: years' indexes, days that have to be opened before they can be promised.
pub const ASKED_AT_ONCE: usize = 8;

/// The days of the span that `dataset` has and `wanted` admits, in order, each with the revision that will be read. One object a
/// year is looked at, and only days that it does not settle are opened.
///
/// # Errors
/// Those of the store; `Corrupt` for a damaged index or partition.
pub async fn promises(
    context: &Context,
    (dataset, instrument): (&str, &Instrument),
    span: Span,
    freshness: impl Fn(i32) -> Freshness,
    wanted: impl Fn(TradingDate) -> bool,
) -> Result<Vec<Promise>> {
    let symbol = &instrument.symbol;
    let indexes: Vec<Option<Arc<YearIndex>>> = stream::iter(span.years())
        .map(|year| context.indexes.year(dataset, symbol, year, freshness(year)))
        .buffered(ASKED_AT_ONCE)
        .try_collect()
        .await?;
    let mut asked = Vec::new();
    for index in indexes.iter().flatten() {
        for entry in index.days.iter().filter(|entry| span.contains(entry.date) && wanted(entry.date)) {
            asked.push(context.partitions.promise(PartitionId::day(dataset, symbol, entry.date), entry));
        }
    }
    stream::iter(asked).buffered(ASKED_AT_ONCE).try_collect().await
}

/// The members of a JSON answer over many days before what the route adds.
pub fn span_members(instrument: &Instrument, span: Span, days: &SpanDays) -> Vec<(&'static str, Value)> {
    vec![
        days.member(),
        ("symbol", instrument.symbol.as_str().into()),
        ("start", span.start.to_string().into()),
        ("end", span.end.to_string().into()),
    ]
}

/// What every format says of the days, and a file name for those who save the answer: `greeks-SPY-2024-01-01-2024-12-31-what`.
pub fn put_span(
    response: &mut Response,
    wanted: Wanted,
    days: &SpanDays,
    (dataset, instrument, span): (&str, &Instrument, Span),
    what: &str,
) {
    days.put_on(response.headers_mut());
    wanted.put_name(response, &format!("{dataset}-{}-{}-{}-{what}", instrument.symbol, span.start, span.end));
}
