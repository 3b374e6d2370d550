//! A day's exposures added up over strikes, expirations or both: DuckDB's work.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::{StreamExt, TryStreamExt};

use super::asked::{FILTERS, filter};
use super::{envelope, past};
use crate::ErrorKind;
use crate::greeks::as_of::AsOf;
use crate::greeks::pair;
use crate::greeks::query::{Aggregate, By};
use crate::greeks::record::GREEKS;
use crate::http::asked::Asked;
use crate::http::auth::Access;
use crate::http::context::Context;
use crate::http::etag::ETagBuilder;
use crate::http::format::{Answer, Rows, Slice, respond};
use crate::http::problem::{Problem, ProblemDocument};
use crate::http::stored::distrust;
use crate::lake::head::ReadyPartition;
use crate::market::{Instrument, TradingDate};

/// One day's exposures, summed.
///
/// By minute (the default), by expiration or by strike; always per timestamp, since an exposure is a level and never
/// summed over time. `strikes` counts the rows that were added up, `spot` is the underlying's price at that minute.
#[utoipa::path(
    get,
    path = "/api/v1/greeks/{symbol}/{date}/aggregate",
    tag = "greeks",
    params(
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "SPY"),
        ("date" = String, Path, description = "Trading date, YYYY-MM-DD", example = "2025-01-15"),
        ("by" = Option<String>, Query, description = "minute (default), expiration or strike"),
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
        (status = 200, description = "Rows: the keys, the sums, strikes, spot"),
        (status = 304, description = "The client has this answer already"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn aggregate(
    State(context): State<Context>,
    Extension(as_of): Extension<AsOf>,
    access: Access,
    Path((symbol, date)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let allowed: Vec<&str> = FILTERS.into_iter().chain(["by", past::AS_OF]).collect();
    let asked = Asked::of(&context, &access, (GREEKS, &symbol), (query.as_deref(), &allowed), &headers)?;
    let Asked { params, wanted, instrument } = asked;
    let date = context.date(&date)?;
    let by = params.one_of("by", &By::CHOICES)?.unwrap_or(By::Minute);
    let aggregate = Aggregate { by, filter: filter(&params, &instrument, date)? };
    let (day, minutes, instant) = match past::asked(&params, &context)? {
        Some(at) => {
            let (both, instant) = past::open(&context, &as_of, &instrument, date, at).await?;
            (both.rows.clone(), both.minutes.clone(), Some(instant))
        }
        None => {
            let (day, minutes) = open_both(&context, &instrument, date).await?;
            (day, minutes, None)
        }
    };
    // The record of the strike level is the day's: the sums were made with it.
    let head = &day.head;

    let version = instant.map_or_else(|| head.revision.to_string(), |instant| instant.text());
    let tag = ETagBuilder::of_content(day.file().sha256())
        .part("minutes", minutes.file().sha256())
        .part("revision", &version)
        .part("format", wanted.format.name())
        .part("encoding", wanted.encoding.name())
        .part("query", &format!("aggregate;{}", params.canonical()))
        .part("times", &format!("{:?} {:?}", aggregate.filter.from_us, aggregate.filter.to_us))
        .finish();
    let mut response = if tag.is_known_to(&headers) {
        tag.not_modified()
    } else {
        let strikes = (!aggregate.from_minutes()).then(|| Arc::clone(day.file()));
        let distrust = distrust(&context, &[day.file(), minutes.file()]);
        let found = context.engine.query(aggregate.question(strikes, Arc::clone(minutes.file()))).await;
        let found = found.inspect_err(&distrust)?;
        let schema = Arc::clone(found.schema());
        let rows = if found.is_whole() {
            Rows::Ready(found.collect().await.inspect_err(distrust)?.into_iter().map(Slice::whole).collect())
        } else {
            Rows::Stream(found.map(|batch| batch.map(Slice::whole)).inspect_err(distrust).boxed())
        };
        let mut members = envelope(&instrument, date, head);
        members.push(("by", by.name().into()));
        if let Some(instant) = instant {
            instant.tell_in(&mut members);
        }
        respond(Answer { schema, envelope: members, rows }, wanted.format, wanted.encoding).await?
    };
    tag.put_on(response.headers_mut());
    wanted.put_head(&mut response, head, &format!("greeks-{}-{date}-by-{}", instrument.symbol, by.name()));
    if let Some(instant) = instant {
        instant.tell_on(response.headers_mut());
    }
    Ok(response)
}

/// Strike level and minute sums made from the same captures, or the right 404.
async fn open_both(
    context: &Context,
    instrument: &Instrument,
    date: TradingDate,
) -> Result<(ReadyPartition, ReadyPartition), Problem> {
    let freshness = context.freshness(instrument, date);
    let found = pair::open(&context.partitions, &context.cache, (&instrument.symbol, date), freshness, ATTEMPTS).await;
    let pair = found.map_err(|error| match error.kind() {
        ErrorKind::NotFound => context.no_such_day(GREEKS, instrument, date),
        _ => error.into(),
    })?;
    Ok((pair.day, pair.minutes))
}

/// How often two files that do not belong together are fetched again before the caller is told to come back.
const ATTEMPTS: u32 = 4;
