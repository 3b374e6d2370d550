//! The list of a dataset's files: where each can be fetched, and what it must be when it has arrived.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::UNTIL;
use crate::http::auth::Access;
use crate::http::context::Context;
use crate::http::format::{Answer, Encoding, Format, Rows, Slice, respond};
use crate::http::keys::Scope;
use crate::http::params::{Params, wrong};
use crate::http::problem::{Problem, ProblemDocument, ProblemType};
use crate::http::span::{Span as WholeSpan, SpanDays, in_order};
use crate::lake::dataset::{Cut, Dataset};
use crate::lake::records::{self, Record, Span};
use crate::lake::store::LONGEST_SIGNED;
use crate::market::Instrument;
use crate::{Error, Result};

const SHORTEST_SECS: u64 = 60;
const USUAL_SECS: u64 = 3600;
/// URLs signed between two pauses for others: one takes some twenty microseconds.
const SIGNED_AT_ONCE: usize = 64;

/// Where to fetch the files of a dataset, and the sha256 that each must have.
///
/// On S3 `url` is presigned: it opens this one file to whoever has it, until `expires_at`, which is earlier than was asked when
/// the server's own credentials end earlier. On a local lake it is a URL of this server, which wants the key, and `expires_at`
/// is null. Give `until` (the header `Pitlake-Until` in other formats) as `since` to `/changes` to hear what came after this list.
#[utoipa::path(
    get,
    path = "/api/v1/{dataset}/{symbol}/files",
    tag = "lake",
    params(
        ("dataset" = String, Path, description = "A dataset", example = "greeks"),
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "SPY"),
        ("start" = Option<String>, Query, description = "First date, YYYY-MM-DD, inclusive"),
        ("end" = Option<String>, Query, description = "Last date, YYYY-MM-DD, inclusive"),
        ("expires_in" = Option<u64>, Query, description = "Seconds that presigned URLs shall live, 60 to 604800; 3600 by default"),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, arrow or parquet"),
    ),
    responses(
        (status = 200, description = "Rows: date (or year), path, url, bytes, rows, sha256, revision, condition, expires_at"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn files(
    context: Context,
    access: Access,
    dataset: &'static Dataset,
    symbol: String,
    (uri, query): (&Uri, Option<&str>),
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let params = Params::parse(query, &["start", "end", "expires_in", "format"])?;
    let format = Format::wanted(&params, headers)?;
    let instrument = context.instrument(&symbol)?;
    access.require(Scope::Read, dataset.name, &instrument.symbol)?;
    let span = span(&params)?;
    let expires_in = expires_in(&params)?;
    let until = records::next_since(context.clock.now(), None);
    let found = records::records(&context.indexes, dataset, &instrument.symbol, span).await?;
    let mut rows = Vec::with_capacity(found.len());
    for (at, record) in found.into_iter().enumerate() {
        if at % SIGNED_AT_ONCE == SIGNED_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        let path = record.id.data_key();
        let signed = context.store.signed_url(&path, expires_in, context.clock.now()).await?;
        let (url, expires_at) = match signed {
            Some(signed) => (signed.url, Some(signed.expires_at)),
            None => (format!("{}{}", origin(uri, headers)?, route(&record)), None),
        };
        rows.push(FileRow { record, path, url, expires_at });
    }
    let batch = batch(dataset.cut, &rows)
        .map_err(|error| Error::internal("a list of files has no table form").caused_by(error))?;
    let days = days_of(&context, dataset, &instrument, span, &rows)?;
    let mut envelope: Vec<_> = days.iter().map(SpanDays::member).collect();
    envelope.extend([("symbol", json!(instrument.symbol)), ("dataset", json!(dataset.name)), ("until", json!(until))]);
    let answer = Answer { schema: batch.schema(), envelope, rows: Rows::Ready(vec![Slice::whole(batch)]) };
    let mut response = respond(answer, format, Encoding::wanted(headers)).await?;
    super::put_until(&mut response, until);
    if let Some(days) = days {
        days.put_on(response.headers_mut());
    }
    // Whoever has a presigned URL has the file: no cache between us and the caller may keep the list.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    debug_assert!(response.headers().contains_key(UNTIL));
    Ok(response)
}

/// Every day of a span that has both its ends: a list of files must not make a missing day look like one without a session.
fn days_of(
    context: &Context,
    dataset: &Dataset,
    instrument: &Instrument,
    span: Span,
    rows: &[FileRow],
) -> Result<Option<SpanDays>, Problem> {
    let (Some(start), Some(end), Cut::Day) = (span.start, span.end, dataset.cut) else { return Ok(None) };
    let span = WholeSpan::between(start, end)?;
    let stored =
        rows.iter().filter_map(|row| Some((row.record.id.period.day()?, row.record.condition, row.record.revision)));
    Ok(Some(SpanDays::told(context, instrument, span, stored)))
}

/// `start` and `end`.
fn span(params: &Params) -> Result<Span, Problem> {
    let (start, end) = (params.date("start")?, params.date("end")?);
    if let (Some(start), Some(end)) = (start, end) {
        in_order(start, end)?;
    }
    Ok(Span { start, end })
}

fn expires_in(params: &Params) -> Result<Duration, Problem> {
    let longest = LONGEST_SIGNED.as_secs();
    let expected = format!("whole seconds from {SHORTEST_SECS} to {longest} (seven days)");
    let seconds = params.parsed::<u64>("expires_in", &expected)?.unwrap_or(USUAL_SECS);
    if !(SHORTEST_SECS..=longest).contains(&seconds) {
        return Err(wrong("expires_in", &seconds.to_string(), &expected));
    }
    Ok(Duration::from_secs(seconds))
}

fn route(record: &Record) -> String {
    format!("/api/v1/{}/{}/files/{}", record.id.dataset, record.id.symbol, record.id.period)
}

/// This server as the client named it, so that what we hand out works where the client is. A proxy that speaks TLS for us says
/// so in `X-Forwarded-Proto`: without it the next request, and the key in it, would go unencrypted.
fn origin(uri: &Uri, headers: &HeaderMap) -> Result<String, Problem> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = uri.authority().map(|authority| authority.as_str()).or(host);
    let named = host.filter(|host| !host.contains('@') && host.parse::<axum::http::uri::Authority>().is_ok());
    let Some(host) = named else {
        let detail = "the files of this lake have URLs of this server, made from the Host header; send one such as lake.example:8080";
        return Err(Problem::new(ProblemType::InvalidHeader, detail));
    };
    let secure =
        headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    Ok(format!("{}://{host}", if secure { "https" } else { "http" }))
}

struct FileRow {
    record: Record,
    path: String,
    url: String,
    expires_at: Option<DateTime<Utc>>,
}

fn batch(cut: Cut, rows: &[FileRow]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let (period, of_period): (Field, ArrayRef) =
        super::period_column(cut, rows.iter().map(|row| &row.record.id.period));
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let schema = Schema::new(vec![
        period,
        Field::new("path", DataType::Utf8, false),
        Field::new("url", DataType::Utf8, false),
        Field::new("bytes", DataType::Int64, false),
        Field::new("rows", DataType::Int64, false),
        Field::new("sha256", DataType::Utf8, false),
        Field::new("revision", DataType::Int32, false),
        Field::new("condition", DataType::Utf8, false),
        Field::new("expires_at", instant, true),
    ]);
    let text = |of: fn(&FileRow) -> &str| Arc::new(StringArray::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let count = |of: fn(&FileRow) -> u64| {
        let counts = rows.iter().map(|row| i64::try_from(of(row)).unwrap_or(i64::MAX));
        Arc::new(Int64Array::from_iter_values(counts)) as ArrayRef
    };
    let revisions = rows.iter().map(|row| i32::try_from(row.record.revision).unwrap_or(i32::MAX));
    let ends = rows.iter().map(|row| row.expires_at.map(|end| end.timestamp_micros()));
    let columns: Vec<ArrayRef> = vec![
        of_period,
        text(|row| &row.path),
        text(|row| &row.url),
        count(|row| row.record.bytes),
        count(|row| row.record.rows),
        text(|row| &row.record.sha256),
        Arc::new(Int32Array::from_iter_values(revisions)),
        text(|row| row.record.condition.as_str()),
        Arc::new(TimestampMicrosecondArray::from_iter(ends).with_timezone("UTC")),
    ];
    RecordBatch::try_new(Arc::new(schema), columns)
}
