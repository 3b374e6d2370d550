//! A day's strike level and its latest minute: slices of the day's file.

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::TimeDelta;
use futures::{StreamExt, TryStreamExt};

use super::asked::{FILTERS, filter};
use super::{envelope, past};
use crate::greeks::as_of::AsOf;
use crate::greeks::record::GREEKS;
use crate::greeks::select::{Filter, last_minute, select};
use crate::http::asked::{Asked, Wanted};
use crate::http::auth::Access;
use crate::http::context::Context;
use crate::http::etag::ETagBuilder;
use crate::http::files::body;
use crate::http::format::{Answer, Format, Rows, respond};
use crate::http::params::Params;
use crate::http::problem::{Problem, ProblemDocument};
use crate::http::stored::{distrust, newest_day, open_day};
use crate::lake::head::ReadyPartition;
use crate::market::{Instrument, TradingDate};

/// One day's dealer exposures at strike level.
///
/// Rows are sorted by expiration, strike and timestamp; exposures are whole US dollars. Without filters and as Parquet the
/// answer is the partition's own file.
#[utoipa::path(
    get,
    path = "/api/v1/greeks/{symbol}/{date}",
    tag = "greeks",
    params(
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "SPY"),
        ("date" = String, Path, description = "Trading date, YYYY-MM-DD", example = "2025-01-15"),
        ("strike" = Option<f64>, Query, description = "This strike only"),
        ("strike_min" = Option<f64>, Query, description = "Strikes from here on"),
        ("strike_max" = Option<f64>, Query, description = "Strikes up to here"),
        ("expiration" = Option<String>, Query, description = "This expiration only, YYYY-MM-DD"),
        ("start_time" = Option<String>, Query, description = "Exchange's wall clock, HH:MM, inclusive"),
        ("end_time" = Option<String>, Query, description = "Exchange's wall clock, HH:MM, exclusive"),
        ("at" = Option<String>, Query, description = "One minute, exchange's wall clock, HH:MM"),
        ("greeks" = Option<String>, Query, description = "Which of gamma, vanna, charm, with commas"),
        ("as_of" = Option<String>, Query, description = "Answer from what had been received by this instant (RFC 3339): `revision` is null then, `as_of` names the instant, and the header Pitlake-Compacted-At says up to when captures are known"),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, arrow or parquet"),
    ),
    responses(
        (status = 200, description = "Rows: timestamp, expiration, strike, gamma_exposure, vanna_exposure, charm_exposure"),
        (status = 304, description = "The client has this answer already"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "unknown-symbol, missing-day or closed-day"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn day(
    State(context): State<Context>,
    Extension(as_of): Extension<AsOf>,
    access: Access,
    Path((symbol, date)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let allowed: Vec<&str> = FILTERS.into_iter().chain([past::AS_OF]).collect();
    let asked = Asked::of(&context, &access, (GREEKS, &symbol), (query.as_deref(), &allowed), &headers)?;
    let Asked { params, wanted, instrument } = asked;
    let date = context.date(&date)?;
    let filter = filter(&params, &instrument, date)?;
    let (ready, instant) = match past::asked(&params, &context)? {
        Some(at) => {
            let (day, instant) = past::open(&context, &as_of, &instrument, date, at).await?;
            (day.rows.clone(), Some(instant))
        }
        None => (open_day(&context, GREEKS, &instrument, date).await?, None),
    };
    answer(&context, ready, (&instrument, date), filter, &params, wanted, &headers, instant).await
}

/// The last minute the lake has of a symbol, all strikes.
///
/// Takes the filters of the day's route but those of time. `date` in the answer says which day it was.
#[utoipa::path(
    get,
    path = "/api/v1/greeks/{symbol}/latest",
    tag = "greeks",
    params(
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "SPY"),
        ("strike" = Option<f64>, Query, description = "This strike only"),
        ("strike_min" = Option<f64>, Query, description = "Strikes from here on"),
        ("strike_max" = Option<f64>, Query, description = "Strikes up to here"),
        ("expiration" = Option<String>, Query, description = "This expiration only, YYYY-MM-DD"),
        ("greeks" = Option<String>, Query, description = "Which of gamma, vanna, charm, with commas"),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, arrow or parquet"),
    ),
    responses(
        (status = 200, description = "Rows of one minute, as in the day's route"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn latest(
    State(context): State<Context>,
    access: Access,
    Path(symbol): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let allowed: Vec<&str> =
        FILTERS.into_iter().filter(|name| !["start_time", "end_time", "at"].contains(name)).collect();
    let asked = Asked::of(&context, &access, (GREEKS, &symbol), (query.as_deref(), &allowed), &headers)?;
    let Asked { params, wanted, instrument } = asked;
    let date = newest_day(&context, (GREEKS, GREEKS), &instrument).await?;
    let mut filter = super::asked::day_filter(&params)?;
    let ready = open_day(&context, GREEKS, &instrument, date).await?;
    filter.from_us = last_minute(&ready.partition);
    filter.to_us = filter.from_us.map(|minute| minute + TimeDelta::minutes(1).num_microseconds().unwrap_or(0));
    answer(&context, ready, (&instrument, date), filter, &params, wanted, &headers, None).await
}

#[expect(clippy::too_many_arguments, reason = "everything an answer depends on")]
async fn answer(
    context: &Context,
    ready: ReadyPartition,
    (instrument, date): (&Instrument, TradingDate),
    filter: Filter,
    params: &Params,
    wanted: Wanted,
    headers: &HeaderMap,
    instant: Option<past::Instant>,
) -> Result<Response, Problem> {
    let head = &ready.head;
    let version = instant.map_or_else(|| head.revision.to_string(), |instant| instant.text());
    let tag = ETagBuilder::of_content(ready.file().sha256())
        .part("revision", &version)
        .part("format", wanted.format.name())
        .part("encoding", wanted.encoding.name())
        .part("query", &params.canonical())
        .part("times", &format!("{:?} {:?}", filter.from_us, filter.to_us))
        .finish();
    let mut response = if tag.is_known_to(headers) {
        tag.not_modified()
    } else if wanted.format == Format::Parquet && filter == Filter::default() {
        body::whole(&context.cache, ready.file()).await?
    } else {
        let distrust = distrust(context, &[ready.file()]);
        let found = select(context.partitions.row_groups(), &ready.partition, filter).await;
        let (schema, rows) = found.inspect_err(&distrust)?;
        let rows = match rows {
            Rows::Stream(slices) => Rows::Stream(slices.inspect_err(distrust).boxed()),
            ready => ready,
        };
        let mut members = envelope(instrument, date, head);
        if let Some(instant) = instant {
            instant.tell_in(&mut members);
        }
        respond(Answer { schema, envelope: members, rows }, wanted.format, wanted.encoding).await?
    };
    tag.put_on(response.headers_mut());
    wanted.put_head(&mut response, head, &format!("greeks-{}-{date}", instrument.symbol));
    if let Some(instant) = instant {
        instant.tell_on(response.headers_mut());
    }
    Ok(response)
}
