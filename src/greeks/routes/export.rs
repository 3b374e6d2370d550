//! The strike level over any span, streamed day after day.

use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::asked::{FILTERS, filter};
use crate::greeks::export::{Day, prepare};
use crate::greeks::record::GREEKS;
use crate::http::asked::Asked;
use crate::http::auth::Access;
use crate::http::context::Context;
use crate::http::format::{Answer, Rows, respond};
use crate::http::many::{promises, put_span, span_members};
use crate::http::problem::{Problem, ProblemDocument};
use crate::http::span::{Span, SpanDays};

/// The strike level of many days in one stream.
///
/// Rows are those of each day's own route, day after day, with the trading `date` as the first column: whoever is cut off asks
/// again from the last date received. Every filter of a day applies to each day; times are the exchange's wall clock. The
/// stream is of any length and never cut short: it ends whole or it breaks off. Each day is the revision that `days` names; one
/// that is republished on the way breaks the stream off.
#[utoipa::path(
    get,
    path = "/api/v1/greeks/{symbol}/export",
    tag = "greeks",
    params(
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "SPY"),
        ("start" = String, Query, description = "First date, YYYY-MM-DD, inclusive", example = "2025-01-02"),
        ("end" = String, Query, description = "Last date, YYYY-MM-DD, inclusive", example = "2025-01-31"),
        ("strike" = Option<f64>, Query, description = "This strike only"),
        ("strike_min" = Option<f64>, Query, description = "Strikes from here on"),
        ("strike_max" = Option<f64>, Query, description = "Strikes up to here"),
        ("expiration" = Option<String>, Query, description = "This expiration only, YYYY-MM-DD"),
        ("start_time" = Option<String>, Query, description = "Exchange's wall clock on each day, HH:MM, inclusive"),
        ("end_time" = Option<String>, Query, description = "Exchange's wall clock on each day, HH:MM, exclusive"),
        ("at" = Option<String>, Query, description = "One minute of each day, exchange's wall clock, HH:MM"),
        ("greeks" = Option<String>, Query, description = "Which of gamma, vanna, charm, with commas"),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, arrow or parquet"),
    ),
    responses(
        (status = 200, description = "Rows: date, timestamp, expiration, strike, gamma_exposure, vanna_exposure, charm_exposure. Headers as of range"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "unknown-symbol, missing-day or closed-day"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn export(
    State(context): State<Context>,
    access: Access,
    Path(symbol): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let allowed: Vec<&str> = FILTERS.into_iter().chain(["start", "end"]).collect();
    let asked = Asked::of(&context, &access, (GREEKS, &symbol), (query.as_deref(), &allowed), &headers)?;
    let Asked { params, wanted, instrument } = asked;
    let span = Span::of(&params)?;
    // Read for one day before the lake is asked, so that a wrong filter is a 400 even where nothing is stored. A day with a
    // session: on others a wall-clock time need not exist.
    if let Some(date) = span.dates().find(|date| instrument.session(*date).is_some()) {
        filter(&params, &instrument, date)?;
    }
    let freshness = |year| span.freshness(&context, &instrument, year);
    let promised = promises(&context, (GREEKS, &instrument), span, freshness, |_| true).await?;
    let stored = promised.iter().map(|day| (day.date, day.condition, day.revision));
    let days = SpanDays::of(&context, (GREEKS, &instrument), span, stored)?;
    let mut wanted_days = Vec::with_capacity(promised.len());
    for promise in promised {
        wanted_days.push(Day { filter: filter(&params, &instrument, promise.date)?, promise });
    }
    let export = prepare(&context.partitions, &wanted_days).await?;
    let answer = Answer {
        schema: export.schema().clone(),
        envelope: span_members(&instrument, span, &days),
        rows: Rows::Stream(export.rows(wanted_days)),
    };
    let mut response = respond(answer, wanted.format, wanted.encoding).await?;
    put_span(&mut response, wanted, &days, (GREEKS, &instrument, span), "export");
    Ok(response)
}
