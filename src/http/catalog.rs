//! Routes about the lake itself: which datasets, which symbols, and day by day what there is and how far to trust it. They read
//! indexes only, never partitions, and never list.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Schema};
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::json;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Access;
use super::context::Context;
use super::format::{Answer, Encoding, Format, Rows, Slice, respond};
use super::keys::Scope;
use super::params::Params;
use super::problem::{Problem, ProblemDocument};
use super::span::{MOST_DAYS, in_order, too_many};
use crate::lake::cache::Freshness;
use crate::lake::dataset::{Cut, Dataset};
use crate::lake::manifest::Condition;
use crate::lake::unstored::{Unstored, unstored};
use crate::lake::year_index::YearIndex;
use crate::market::{Instrument, TradingDate};

/// The routes for `datasets`.
pub fn router(datasets: &'static [&'static Dataset]) -> OpenApiRouter<Context> {
    let mut coverages = Router::new();
    for dataset in datasets.iter().filter(|dataset| dataset.cut == Cut::Day) {
        let name = dataset.name;
        coverages = coverages.route(
            &format!("/api/v1/{name}/{{symbol}}/coverage"),
            axum::routing::get(move |state, access, Path(symbol): Path<String>, query, headers| {
                coverage(state, access, Path((name.to_owned(), symbol)), query, headers)
            }),
        );
    }
    OpenApiRouter::with_openapi(CoverageDocument::openapi())
        .routes(routes!(datasets_list))
        .routes(routes!(symbols_list))
        .merge(coverages.into())
        .layer(axum::Extension(datasets))
}

/// `coverage` is one handler behind a route per dataset, so it enters the document by itself.
#[derive(OpenApi)]
#[openapi(paths(coverage))]
struct CoverageDocument;

#[derive(Serialize)]
struct List<T> {
    count: usize,
    data: Vec<T>,
}

impl<T: Serialize> List<T> {
    fn of(data: Vec<T>) -> Json<Self> {
        Json(Self { count: data.len(), data })
    }
}

/// The datasets of this lake, with the columns of their files.
#[utoipa::path(
    get, path = "/api/v1/datasets", tag = "lake",
    responses((status = 200, description = "`data`: name, about, partitioned by, sorted by, columns, symbols that have it"))
)]
async fn datasets_list(
    State(context): State<Context>,
    access: Access,
    RawQuery(query): RawQuery,
    axum::Extension(datasets): axum::Extension<&'static [&'static Dataset]>,
) -> Result<Json<List<serde_json::Value>>, Problem> {
    Params::parse(query.as_deref(), &[])?;
    access.require_scope(Scope::Read)?;
    let mut list = Vec::new();
    for dataset in datasets.iter().filter(|dataset| access.allows_dataset(dataset.name)) {
        let schema = (dataset.schema)();
        let columns: Vec<_> = schema
            .fields()
            .iter()
            .map(|field| json!({"name": field.name(), "type": type_name(field.data_type()), "nullable": field.is_nullable()}))
            .collect();
        let catalog = context.indexes.catalog(dataset.name).await?;
        let symbols: Vec<_> = catalog.symbols.keys().filter(|symbol| access.allows_symbol(symbol)).collect();
        list.push(json!({
            "name": dataset.name,
            "about": dataset.about,
            "partitioned_by": ["symbol", if dataset.cut == Cut::Day { "date" } else { "year" }],
            "sorted_by": dataset.sorted_by,
            "columns": columns,
            "symbols": symbols,
        }));
    }
    Ok(List::of(list))
}

/// A column's type as the documents spell it.
pub fn type_name(kind: &DataType) -> String {
    let name = match kind {
        DataType::Timestamp(..) => "timestamp(µs, UTC)",
        DataType::Date32 => "date32",
        DataType::Float64 => "double",
        DataType::Int64 => "int64",
        DataType::Int32 => "int32",
        DataType::Utf8 => "string",
        DataType::Boolean => "boolean",
        DataType::List(element) => return format!("list<{}>", type_name(element.data_type())),
        DataType::Struct(members) => {
            let member =
                |member: &arrow::datatypes::FieldRef| format!("{} {}", member.name(), type_name(member.data_type()));
            return format!("struct<{}>", members.iter().map(member).collect::<Vec<_>>().join(", "));
        }
        _ => "other",
    };
    name.to_owned()
}

/// Every symbol that is known, with what is stored of it.
#[utoipa::path(
    get, path = "/api/v1/symbols", tag = "lake",
    responses((status = 200, description = "`data`: symbol, name, asset_class, tick_size, time_zone, aliases, and per dataset the years stored"))
)]
async fn symbols_list(
    State(context): State<Context>,
    access: Access,
    RawQuery(query): RawQuery,
    axum::Extension(datasets): axum::Extension<&'static [&'static Dataset]>,
) -> Result<Json<List<serde_json::Value>>, Problem> {
    Params::parse(query.as_deref(), &[])?;
    access.require_scope(Scope::Read)?;
    let mut catalogs = Vec::new();
    for dataset in datasets.iter().filter(|dataset| access.allows_dataset(dataset.name)) {
        catalogs.push((dataset.name, context.indexes.catalog(dataset.name).await?));
    }
    let known = context.instruments.iter().filter(|instrument| access.allows_symbol(&instrument.symbol));
    let list = known
        .map(|instrument| {
            let stored: serde_json::Map<String, serde_json::Value> = catalogs
                .iter()
                .map(|(name, catalog)| (*name, catalog.years(&instrument.symbol).collect::<Vec<_>>()))
                .filter(|(_, years)| !years.is_empty())
                .map(|(name, years)| (name.to_owned(), json!(years)))
                .collect();
            json!({
                "symbol": instrument.symbol,
                "name": instrument.name,
                "asset_class": instrument.asset_class.as_str(),
                "tick_size": instrument.tick_size.to_string(),
                "time_zone": instrument.time_zone.name(),
                "aliases": instrument.aliases,
                "years": stored,
            })
        })
        .collect();
    Ok(List::of(list))
}

/// Day by day: is it there, and how far to trust it.
///
/// Without `start` and `end` from the first to the last day stored. A day of a session that is not stored is `missing`, a day
/// without a session `closed`; a day is `pending` until its session closes, days to come included.
#[utoipa::path(
    get,
    path = "/api/v1/{dataset}/{symbol}/coverage",
    tag = "lake",
    params(
        ("dataset" = String, Path, description = "A dataset that is partitioned by date", example = "greeks"),
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "SPY"),
        ("start" = Option<String>, Query, description = "First date, YYYY-MM-DD, inclusive"),
        ("end" = Option<String>, Query, description = "Last date, YYYY-MM-DD, inclusive"),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, arrow or parquet"),
    ),
    responses(
        (status = 200, description = "Rows: date, condition, reasons, rows, minutes_expected, minutes_seen, revision"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
async fn coverage(
    State(context): State<Context>,
    access: Access,
    Path((dataset, symbol)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &["start", "end", "format"])?;
    let format = Format::wanted(&params, &headers)?;
    let instrument = context.instrument(&symbol)?;
    access.require(Scope::Read, &dataset, &instrument.symbol)?;
    let (start, end) = (params.date("start")?, params.date("end")?);
    if let (Some(start), Some(end)) = (start, end) {
        in_order(start, end)?;
    }
    let days = days(&context, &dataset, &instrument, start, end).await?;
    let batch = batch(&days).map_err(|error| crate::Error::internal("coverage has no table form").caused_by(error))?;
    let envelope = vec![("symbol", json!(instrument.symbol)), ("dataset", json!(dataset))];
    let answer = Answer { schema: batch.schema(), envelope, rows: Rows::Ready(vec![Slice::whole(batch)]) };
    respond(answer, format, Encoding::wanted(&headers)).await
}

struct Day {
    date: TradingDate,
    condition: Condition,
    reasons: Vec<String>,
    rows: i64,
    minutes_expected: i32,
    minutes_seen: i32,
    revision: Option<i32>,
}

async fn days(
    context: &Context,
    dataset: &str,
    instrument: &Instrument,
    start: Option<TradingDate>,
    end: Option<TradingDate>,
) -> Result<Vec<Day>, Problem> {
    let catalog = context.indexes.catalog(dataset).await?;
    let mut indexes: Vec<Arc<YearIndex>> = Vec::new();
    for year in catalog.years(&instrument.symbol) {
        if start.is_none_or(|start| start.year() <= year) && end.is_none_or(|end| year <= end.year()) {
            indexes.extend(context.indexes.year(dataset, &instrument.symbol, year, Freshness::Open).await?);
        }
    }
    let mut stored = indexes.iter().flat_map(|index| &index.days);
    let today = instrument.trading_date_of(context.clock.now());
    let first = start.or_else(|| stored.clone().next().map(|day| day.date)).unwrap_or(today);
    let last = end.or_else(|| stored.next_back().map(|day| day.date)).unwrap_or(first);
    let mut days = Vec::new();
    let mut date = first;
    while date <= last && (end.is_some() || start.is_some() || !indexes.is_empty()) {
        if days.len() == MOST_DAYS {
            return Err(too_many());
        }
        let entry = indexes.iter().find(|index| index.year == date.year()).and_then(|index| index.day(date));
        days.push(match entry {
            Some(entry) => Day {
                date,
                condition: entry.condition,
                reasons: entry.reasons.iter().map(|reason| reason.code.clone()).collect(),
                rows: i64::try_from(entry.rows).unwrap_or(i64::MAX),
                minutes_expected: i32::try_from(entry.minutes_expected).unwrap_or(i32::MAX),
                minutes_seen: i32::try_from(entry.minutes_seen).unwrap_or(i32::MAX),
                revision: i32::try_from(entry.revision).ok(),
            },
            None => not_stored(context, instrument, date),
        });
        date = date.next_day();
    }
    Ok(days)
}

/// A day without a partition, by the calendar.
fn not_stored(context: &Context, instrument: &Instrument, date: TradingDate) -> Day {
    let Unstored { condition, reasons, minutes_expected } = unstored(instrument, date, context.clock.now());
    let minutes_expected = i32::try_from(minutes_expected).unwrap_or(i32::MAX);
    Day { date, condition, reasons, rows: 0, minutes_expected, minutes_seen: 0, revision: None }
}

fn batch(days: &[Day]) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
    let item = Arc::new(Field::new("item", DataType::Utf8, false));
    let mut reasons = ListBuilder::new(StringBuilder::new()).with_field(Arc::clone(&item));
    for day in days {
        day.reasons.iter().for_each(|reason| reasons.values().append_value(reason));
        reasons.append(true);
    }
    let schema = Schema::new(vec![
        Field::new("date", DataType::Date32, false),
        Field::new("condition", DataType::Utf8, false),
        Field::new("reasons", DataType::List(item), false),
        Field::new("rows", DataType::Int64, false),
        Field::new("minutes_expected", DataType::Int32, false),
        Field::new("minutes_seen", DataType::Int32, false),
        Field::new("revision", DataType::Int32, true),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from_iter_values(days.iter().map(|day| day.date.days_since_epoch()))),
        Arc::new(StringArray::from_iter_values(days.iter().map(|day| day.condition.as_str()))),
        Arc::new(reasons.finish()),
        Arc::new(Int64Array::from_iter_values(days.iter().map(|day| day.rows))),
        Arc::new(Int32Array::from_iter_values(days.iter().map(|day| day.minutes_expected))),
        Arc::new(Int32Array::from_iter_values(days.iter().map(|day| day.minutes_seen))),
        Arc::new(Int32Array::from_iter(days.iter().map(|day| day.revision))),
    ];
    RecordBatch::try_new(Arc::new(schema), columns)
}
