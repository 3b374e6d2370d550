//! A day's bars and the last one.

use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::asked::{FILTERS, Filter};
use crate::bars::record::BARS;
use crate::http::asked::{Asked, Wanted};
use crate::http::auth::Access;
use crate::http::context::Context;
use crate::http::etag::ETagBuilder;
use crate::http::files::body;
use crate::http::format::{Answer, Format, Rows, Slice, respond};
use crate::http::params::Params;
use crate::http::problem::{Problem, ProblemDocument};
use crate::http::stored::{day_members, newest_day, open_day, rows_of};
use crate::lake::head::ReadyPartition;
use crate::market::{Instrument, TradingDate};

/// One trading date's bars, all sessions.
///
/// A bar is told by the instant at which it starts; `minutes` is its length. `volume` is what was traded in it, whatever the
/// source counted. Without filters and as Parquet the answer is the partition's own file.
#[utoipa::path(
    get,
    path = "/api/v1/bars/{symbol}/{date}",
    operation_id = "bars_day",
    tag = "bars",
    params(
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "NQ"),
        ("date" = String, Path, description = "Trading date, YYYY-MM-DD", example = "2025-01-15"),
        ("start_time" = Option<String>, Query, description = "Bars that start from then on: exchange's wall clock, HH:MM; times from an evening opening on are those of the evening before"),
        ("end_time" = Option<String>, Query, description = "Bars that start before it, HH:MM"),
        ("at" = Option<String>, Query, description = "The bar that holds this minute, HH:MM"),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, arrow or parquet"),
    ),
    responses(
        (status = 200, description = "Rows: timestamp, open, high, low, close, volume, minutes"),
        (status = 304, description = "The client has this answer already"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "unknown-symbol, missing-day or closed-day"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn day(
    State(context): State<Context>,
    access: Access,
    Path((symbol, date)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::of(&context, &access, (BARS, &symbol), (query.as_deref(), &FILTERS), &headers)?;
    let Asked { params, wanted, instrument } = asked;
    let date = context.date(&date)?;
    let filter = Filter::of(&params, &instrument, date)?;
    let ready = open_day(&context, BARS, &instrument, date).await?;
    answer(&context, &ready, (&instrument, date), Which::Those(filter), &params, wanted, &headers).await
}

/// The last bar that the lake has of a symbol.
///
/// `date` in the answer says which trading date it belongs to.
#[utoipa::path(
    get,
    path = "/api/v1/bars/{symbol}/latest",
    operation_id = "bars_latest",
    tag = "bars",
    params(
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "NQ"),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, arrow or parquet"),
    ),
    responses(
        (status = 200, description = "One row, as in the day's route"),
        (status = 304, description = "The client has this answer already"),
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
    let asked = Asked::of(&context, &access, (BARS, &symbol), (query.as_deref(), &["format"]), &headers)?;
    let Asked { params, wanted, instrument } = asked;
    let date = newest_day(&context, (BARS, BARS), &instrument).await?;
    let ready = open_day(&context, BARS, &instrument, date).await?;
    answer(&context, &ready, (&instrument, date), Which::Last, &params, wanted, &headers).await
}

/// Which bars of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Those(Filter),
    Last,
}

async fn answer(
    context: &Context,
    ready: &ReadyPartition,
    (instrument, date): (&Instrument, TradingDate),
    which: Which,
    params: &Params,
    wanted: Wanted,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let head = &ready.head;
    let tag = ETagBuilder::of_content(ready.file().sha256())
        .part("revision", &head.revision.to_string())
        .part("format", wanted.format.name())
        .part("encoding", wanted.encoding.name())
        .part("query", &params.canonical())
        .part("which", &format!("{which:?}"))
        .finish();
    let mut response = if tag.is_known_to(headers) {
        tag.not_modified()
    } else if wanted.format == Format::Parquet && which == Which::Those(Filter::default()) {
        body::whole(&context.cache, ready.file()).await?
    } else {
        let batch = rows_of(context, ready.file()).await?;
        let ranges = match which {
            Which::Those(filter) => filter.rows(&batch)?,
            Which::Last => vec![batch.num_rows().saturating_sub(1)..batch.num_rows()],
        };
        let schema = batch.schema();
        let rows = Rows::Ready(vec![Slice { batch: batch.as_ref().clone(), ranges }]);
        let envelope = day_members(instrument, date, head);
        respond(Answer { schema, envelope, rows }, wanted.format, wanted.encoding).await?
    };
    tag.put_on(response.headers_mut());
    wanted.put_head(&mut response, head, &format!("{BARS}-{}-{date}", instrument.symbol));
    Ok(response)
}
