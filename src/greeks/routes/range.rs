//! A symbol's history: a row per day from the years' tables, or a row per minute from the days' minute sums.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::{StreamExt, TryStreamExt, stream};

use super::YEARS;
use super::asked::greeks;
use crate::greeks::record::{BY_DAY, GREEKS, GREEKS_BY_MINUTE, Greek};
use crate::greeks::{columns, totals};
use crate::http::asked::{Asked, Wanted};
use crate::http::auth::Access;
use crate::http::context::Context;
use crate::http::format::{Answer, Rows, Slice, respond};
use crate::http::many::{promises, put_span, span_members};
use crate::http::params::Params;
use crate::http::problem::{Problem, ProblemDocument};
use crate::http::span::{Span, SpanDays};
use crate::http::stored::distrust;
use crate::http::year_tables::{self, tag};
use crate::lake::promise::Promise;
use crate::market::{Instrument, TradingDate};
use crate::{Error, Result};

/// Days added up by one piece of work, and pieces at work: so many days' files may be on their way at once.
const DAYS_TOGETHER: usize = 8;
const PIECES_AHEAD: usize = 2;
/// Answers of no more days are gathered before the first byte, so that their failures are refusals and not broken streams.
const GATHERED_DAYS: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Day,
    Minute,
}

/// Exposures over many days.
///
/// By day (the default) the rows of `greeks_by_day`: each day's totals with open, close, extremes and mean. By minute one row per
/// timestamp, summed over all expirations (or one), with `strikes` and the spot of the nearest expiration that has one. `days`
/// says of every date in the span how far to trust it; the other formats say it in headers.
#[utoipa::path(
    get,
    path = "/api/v1/greeks/{symbol}/range",
    tag = "greeks",
    params(
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "SPY"),
        ("start" = String, Query, description = "First date, YYYY-MM-DD, inclusive", example = "2025-01-02"),
        ("end" = String, Query, description = "Last date, YYYY-MM-DD, inclusive", example = "2025-01-31"),
        ("by" = Option<String>, Query, description = "day (default) or minute"),
        ("expiration" = Option<String>, Query, description = "With by=minute: this expiration only, YYYY-MM-DD"),
        ("greeks" = Option<String>, Query, description = "Which of gamma, vanna, charm, with commas"),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, arrow or parquet"),
    ),
    responses(
        (status = 200, description = "Rows of greeks_by_day, or timestamp, the sums, strikes, spot. Headers: Pitlake-Condition, Pitlake-Revision, Pitlake-Missing-Days, Pitlake-Degraded-Days, Pitlake-Pending-Days, Pitlake-Closed-Days"),
        (status = 304, description = "The client has this answer already (by=day)"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "unknown-symbol, missing-day or closed-day"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn range(
    State(context): State<Context>,
    access: Access,
    Path(symbol): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::of(
        &context,
        &access,
        (GREEKS, &symbol),
        (query.as_deref(), &["start", "end", "by", "expiration", "greeks", "format"]),
        &headers,
    )?;
    let Asked { params, wanted, instrument } = asked;
    let span = Span::of(&params)?;
    let by = params.one_of("by", &[("day", By::Day), ("minute", By::Minute)])?.unwrap_or(By::Day);
    let greeks = greeks(&params)?;
    let expiration = params.date("expiration")?;
    match by {
        By::Day if expiration.is_some() => Err(Problem::parameter(
            "expiration",
            "a day's statistics are over all expirations; ask with by=minute for one of them",
        )),
        By::Day => by_day(&context, &instrument, span, greeks.as_deref(), (wanted, &params, &headers)).await,
        By::Minute => by_minute(&context, &instrument, span, expiration, greeks.as_deref(), wanted).await,
    }
}

async fn by_day(
    context: &Context,
    instrument: &Instrument,
    span: Span,
    greeks: Option<&[Greek]>,
    (wanted, params, headers): (Wanted, &Params, &HeaderMap),
) -> Result<Response, Problem> {
    let freshness = |year| span.freshness(context, instrument, year);
    let (tables, days) = year_tables::open(context, (YEARS, instrument), span, freshness).await?;
    let tag = tag(&tables, &days)
        .part("format", wanted.format.name())
        .part("encoding", wanted.encoding.name())
        .part("query", &format!("range;{}", params.canonical()))
        .finish();
    let mut response = if tag.is_known_to(headers) {
        tag.not_modified()
    } else {
        let union = columns::union(&(BY_DAY.schema)(), tables.iter().map(|table| table.batch.schema_ref()))?;
        let schema = Arc::new(columns::only(&union, |name| columns::of_days(name, greeks)));
        let slice = |table: &year_tables::YearTable| {
            let batch = columns::fit(&table.batch, &schema)?;
            Ok::<_, Error>(Slice { batch, ranges: vec![table.rows.clone()] })
        };
        let slices = tables.iter().map(slice).collect::<Result<_>>()?;
        let mut members = span_members(instrument, span, &days);
        members.push(("by", "day".into()));
        respond(Answer { schema, envelope: members, rows: Rows::Ready(slices) }, wanted.format, wanted.encoding).await?
    };
    tag.put_on(response.headers_mut());
    put_span(&mut response, wanted, &days, (GREEKS, instrument, span), "by-day");
    Ok(response)
}

async fn by_minute(
    context: &Context,
    instrument: &Instrument,
    span: Span,
    expiration: Option<TradingDate>,
    greeks: Option<&[Greek]>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let freshness = |year| span.freshness(context, instrument, year);
    let promised = promises(context, (GREEKS_BY_MINUTE, instrument), span, freshness, |_| true).await?;
    let stored = promised.iter().map(|day| (day.date, day.condition, day.revision));
    let days = SpanDays::of(context, (GREEKS, instrument), span, stored)?;
    let asked = |greek: &Greek| greeks.is_none_or(|greeks| greeks.contains(greek));
    let greeks: Arc<[Greek]> = Greek::ALL.into_iter().filter(asked).collect();
    let schema = totals::schema(&greeks);
    let few = promised.len() <= GATHERED_DAYS;
    let pieces: Vec<Vec<Promise>> = promised.chunks(DAYS_TOGETHER).map(<[Promise]>::to_vec).collect();
    let expiration = expiration.map(TradingDate::days_since_epoch);
    let slices = {
        let context = context.clone();
        stream::iter(pieces)
            .map(move |days| piece(context.clone(), days, expiration, Arc::clone(&greeks)))
            .buffered(PIECES_AHEAD)
    };
    let rows = if few { Rows::Ready(slices.try_collect().await?) } else { Rows::Stream(slices.boxed()) };
    let mut members = span_members(instrument, span, &days);
    members.push(("by", "minute".into()));
    let answer = Answer { schema, envelope: members, rows };
    let mut response = respond(answer, wanted.format, wanted.encoding).await?;
    put_span(&mut response, wanted, &days, (GREEKS, instrument, span), "by-minute");
    Ok(response)
}

/// The totals of a few days, in order.
async fn piece(context: Context, days: Vec<Promise>, expiration: Option<i32>, greeks: Arc<[Greek]>) -> Result<Slice> {
    let fetching = days.iter().map(|day| context.partitions.fetch(day));
    let files = futures::future::try_join_all(fetching).await?;
    let groups = context.partitions.row_groups().clone();
    let work = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        for file in &files {
            let day = groups.get_whole(file).and_then(|sums| totals::totals(&sums, expiration));
            all.append(&mut day.inspect_err(distrust(&context, &[file]))?);
        }
        totals::batch(&all, &greeks).map(Slice::whole)
    });
    work.await.map_err(|error| Error::internal("a worker of a range stopped").caused_by(error))?
}
