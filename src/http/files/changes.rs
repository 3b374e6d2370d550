//! Which partitions were republished since an instant, and what each revision changed: what keeps a mirror up to date.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::http::auth::Access;
use crate::http::context::Context;
use crate::http::format::{Answer, Encoding, Format, Rows, Slice, respond};
use crate::http::keys::Scope;
use crate::http::params::Params;
use crate::http::problem::{Problem, ProblemDocument};
use crate::lake::dataset::{Cut, Dataset};
use crate::lake::manifest::{Change, Condition};
use crate::lake::records::{self, Record};
use crate::market::TradingDate;
use crate::{Error, Result};

/// Which partitions were published since an instant, and what changed.
///
/// Rows are in order of `published_at`. `since` is exclusive and is held against `listed_at`, the moment from which lists
/// showed the revision: a compaction that died before the list was written leaves that to the next one, so an older
/// `published_at` may come after a newer one. Ask next with `until` (the header `Pitlake-Until` in other formats): it stays a
/// few minutes behind so that nothing is missed, and what is told twice has the same `sha256`. `change` is null for a first
/// revision and while the day is open; csv, arrow and parquet have its members as columns.
#[utoipa::path(
    get,
    path = "/api/v1/{dataset}/{symbol}/changes",
    tag = "lake",
    params(
        ("dataset" = String, Path, description = "A dataset", example = "greeks"),
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "SPY"),
        ("since" = String, Query, description = "An instant with its zone (RFC 3339), exclusive", example = "2025-01-15T14:32:00Z"),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, arrow or parquet"),
    ),
    responses(
        (status = 200, description = "Rows: date (or year), path, revision, condition, published_at, listed_at, bytes, rows, sha256, change"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn changes(
    context: Context,
    access: Access,
    dataset: &'static Dataset,
    symbol: String,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let params = Params::parse(query, &["since", "format"])?;
    let format = Format::wanted(&params, headers)?;
    let instrument = context.instrument(&symbol)?;
    access.require(Scope::Read, dataset.name, &instrument.symbol)?;
    params.required("since", "an instant with its zone, such as 2025-01-15T14:32:00Z")?;
    let since = params.instant("since")?.unwrap_or_default();
    // The clock before the indexes: what is listed after this moment may be missing from them.
    let now = context.clock.now();
    if since > now {
        let detail =
            format!("{since} has not come yet; give the `until` of the answer before, or an instant of the past");
        return Err(Problem::parameter("since", detail));
    }
    let until = records::next_since(now, Some(since));
    let found = records::changes(&context.indexes, dataset, &instrument.symbol, since).await?;
    let mut response = match format {
        Format::Json => {
            let data: Vec<ChangeRow> = found.iter().map(ChangeRow::of).collect();
            let (symbol, dataset, count) = (instrument.symbol.as_str(), dataset.name, data.len());
            Json(ChangeList { symbol, dataset, since, until, data, count }).into_response()
        }
        Format::Ndjson => lines(&found)?,
        Format::Csv | Format::Arrow | Format::Parquet => {
            let batch = batch(dataset.cut, &found)
                .map_err(|error| Error::internal("a list of changes has no table form").caused_by(error))?;
            let answer =
                Answer { schema: batch.schema(), envelope: vec![], rows: Rows::Ready(vec![Slice::whole(batch)]) };
            respond(answer, format, Encoding::wanted(headers)).await?
        }
    };
    super::put_until(&mut response, until);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// One republished partition in JSON, here and on the command line.
#[derive(Debug, Serialize)]
pub struct ChangeRow<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<TradingDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    year: Option<i32>,
    path: String,
    revision: u32,
    condition: Condition,
    published_at: DateTime<Utc>,
    listed_at: DateTime<Utc>,
    bytes: u64,
    rows: u64,
    sha256: &'a str,
    change: Option<&'a Change>,
}

impl<'a> ChangeRow<'a> {
    pub fn of(record: &'a Record) -> Self {
        let date = record.id.period.day();
        Self {
            date,
            year: date.is_none().then(|| record.id.period.year()),
            path: record.id.data_key(),
            revision: record.revision,
            condition: record.condition,
            published_at: record.published_at,
            listed_at: record.listed_at,
            bytes: record.bytes,
            rows: record.rows,
            sha256: &record.sha256,
            change: record.change.as_ref(),
        }
    }

    /// One line of JSON.
    ///
    /// # Errors
    /// `Internal` when it cannot be written.
    pub fn to_line(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::internal("a change could not be written as JSON").caused_by(error))
    }
}

#[derive(Serialize)]
struct ChangeList<'a> {
    symbol: &'a str,
    dataset: &'a str,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    data: Vec<ChangeRow<'a>>,
    count: usize,
}

fn lines(found: &[Record]) -> Result<Response> {
    let mut text = String::new();
    for record in found {
        text.push_str(&ChangeRow::of(record).to_line()?);
        text.push('\n');
    }
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static(Format::Ndjson.content_type());
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

fn batch(cut: Cut, records: &[Record]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let instant = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let item = Arc::new(Field::new("item", DataType::Utf8, false));
    let (period, of_period) = super::period_column(cut, records.iter().map(|record| &record.id.period));
    let schema = Schema::new(vec![
        period,
        Field::new("path", DataType::Utf8, false),
        Field::new("revision", DataType::Int32, false),
        Field::new("condition", DataType::Utf8, false),
        Field::new("published_at", instant(), false),
        Field::new("listed_at", instant(), false),
        Field::new("bytes", DataType::Int64, false),
        Field::new("rows", DataType::Int64, false),
        Field::new("sha256", DataType::Utf8, false),
        Field::new("from_revision", DataType::Int32, true),
        Field::new("rows_added", DataType::Int64, true),
        Field::new("rows_changed", DataType::Int64, true),
        Field::new("rows_removed", DataType::Int64, true),
        Field::new("captures_added", DataType::List(Arc::clone(&item)), true),
        Field::new("captures_removed", DataType::List(Arc::clone(&item)), true),
        Field::new("calculation_changed", DataType::Boolean, true),
    ]);
    let long = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let short = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let instants = |of: fn(&Record) -> DateTime<Utc>| {
        let micros = records.iter().map(|record| of(record).timestamp_micros());
        Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC")) as ArrayRef
    };
    let changes = || records.iter().map(|record| record.change.as_ref());
    let rows = |of: fn(&Change) -> Option<u64>| {
        Arc::new(Int64Array::from_iter(changes().map(|change| change.and_then(of).map(long)))) as ArrayRef
    };
    let captures = |of: fn(&Change) -> &[String]| {
        let mut list = ListBuilder::new(StringBuilder::new()).with_field(Arc::clone(&item));
        for change in changes() {
            change.into_iter().flat_map(of).for_each(|capture| list.values().append_value(capture));
            list.append(change.is_some());
        }
        Arc::new(list.finish()) as ArrayRef
    };
    let columns: Vec<ArrayRef> = vec![
        of_period,
        Arc::new(StringArray::from_iter_values(records.iter().map(|record| record.id.data_key()))),
        Arc::new(Int32Array::from_iter_values(records.iter().map(|record| short(record.revision)))),
        Arc::new(StringArray::from_iter_values(records.iter().map(|record| record.condition.as_str()))),
        instants(|record| record.published_at),
        instants(|record| record.listed_at),
        Arc::new(Int64Array::from_iter_values(records.iter().map(|record| long(record.bytes)))),
        Arc::new(Int64Array::from_iter_values(records.iter().map(|record| long(record.rows)))),
        Arc::new(StringArray::from_iter_values(records.iter().map(|record| record.sha256.as_str()))),
        Arc::new(Int32Array::from_iter(changes().map(|change| change.map(|change| short(change.from_revision))))),
        rows(|change| change.rows_added),
        rows(|change| change.rows_changed),
        rows(|change| change.rows_removed),
        captures(|change| &change.captures_added),
        captures(|change| &change.captures_removed),
        Arc::new(BooleanArray::from_iter(changes().map(|change| change.map(|change| change.calculation_changed)))),
    ];
    RecordBatch::try_new(Arc::new(schema), columns)
}
