//! The days on which a total was beyond a threshold: from the years' tables alone, and from the hit days' minute sums when the first
//! crossing is asked for.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::{StreamExt, TryStreamExt, stream};

use super::YEARS;
use super::asked;
use crate::greeks::record::{GREEKS, GREEKS_BY_MINUTE, Greek, instant};
use crate::greeks::screen::{Beyond, Hit, first_crossing, hits};
use crate::greeks::totals::totals;
use crate::http::asked::Asked;
use crate::http::auth::Access;
use crate::http::context::Context;
use crate::http::format::{Answer, Rows, Slice, respond};
use crate::http::many::{ASKED_AT_ONCE, promises, put_span, span_members};
use crate::http::params::Params;
use crate::http::problem::{Problem, ProblemDocument, ProblemType};
use crate::http::span::{Span, SpanDays};
use crate::http::stored::{distrust, rows_of};
use crate::http::year_tables::{self, YearTable, tag};
use crate::lake::cache::Freshness;
use crate::lake::promise::Promise;
use crate::market::{Instrument, TradingDate};
use crate::{Error, Result};

/// How often tables and minute sums that do not belong together are read again before the caller is told to come back.
const ATTEMPTS: u32 = 4;

/// The days whose total in any minute was strictly beyond a threshold.
///
/// `value` is the day's extreme on that side and `timestamp` its minute. With `first=true` also the first minute beyond the
/// threshold: `first_timestamp` and `first_value`. Totals are over all strikes and expirations.
#[utoipa::path(
    get,
    path = "/api/v1/greeks/{symbol}/screen",
    tag = "greeks",
    params(
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "SPY"),
        ("start" = String, Query, description = "First date, YYYY-MM-DD, inclusive", example = "2025-01-02"),
        ("end" = String, Query, description = "Last date, YYYY-MM-DD, inclusive", example = "2025-01-31"),
        ("greek" = String, Query, description = "gamma, vanna or charm", example = "gamma"),
        ("above" = Option<f64>, Query, description = "US dollars; this or below", example = 1_000_000_000.0),
        ("below" = Option<f64>, Query, description = "US dollars; this or above"),
        ("first" = Option<bool>, Query, description = "Whether to tell the first crossing too"),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, arrow or parquet"),
    ),
    responses(
        (status = 200, description = "Rows: date, value, timestamp; with first=true first_timestamp, first_value. Headers as of range"),
        (status = 304, description = "The client has this answer already (without first=true)"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "unknown-symbol, missing-day or closed-day"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn screen(
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
        (query.as_deref(), &["start", "end", "greek", "above", "below", "first", "format"]),
        &headers,
    )?;
    let Asked { params, wanted, instrument } = asked;
    let span = Span::of(&params)?;
    let (greek, beyond) = (asked::greek(&params)?, beyond(&params)?);
    let first = params.flag("first")?;
    let (tables, days, found) = find(&context, &instrument, span, (greek, beyond), first).await?;
    // A first crossing comes from other files too, which the tables do not name.
    let tag = (!first).then(|| {
        tag(&tables, &days)
            .part("format", wanted.format.name())
            .part("encoding", wanted.encoding.name())
            .part("query", &format!("screen;{}", params.canonical()))
            .finish()
    });
    let mut response = match tag.as_ref().filter(|tag| tag.is_known_to(&headers)) {
        Some(tag) => tag.not_modified(),
        None => {
            let batch = batch(&found, first)?;
            let mut members = span_members(&instrument, span, &days);
            members.push(("greek", greek.name().into()));
            members.push((beyond.name(), whole_if_it_is(beyond.threshold())));
            let rows = Rows::Ready(vec![Slice::whole(batch.clone())]);
            let answer = Answer { schema: batch.schema(), envelope: members, rows };
            respond(answer, wanted.format, wanted.encoding).await?
        }
    };
    if let Some(tag) = tag {
        tag.put_on(response.headers_mut());
    }
    let what = format!("{}-{}-{}", greek.name(), beyond.name(), beyond.threshold());
    put_span(&mut response, wanted, &days, (GREEKS, &instrument, span), &what);
    Ok(response)
}

fn beyond(params: &Params) -> Result<Beyond, Problem> {
    match (params.f64("above")?, params.f64("below")?) {
        (Some(above), None) => Ok(Beyond::Above(above)),
        (None, Some(below)) => Ok(Beyond::Below(below)),
        (None, None) => params.required("above", "above or below, US dollars such as 1e9").map(|_| Beyond::Above(0.0)),
        (Some(_), Some(_)) => {
            Err(Problem::parameter("below", "give above or below, not both: ask twice for both sides"))
        }
    }
}

/// A hit, with the first crossing as (microseconds since 1970, total) if it was asked for.
type Found = (Hit, Option<(i64, i64)>);

async fn find(
    context: &Context,
    instrument: &Instrument,
    span: Span,
    (greek, beyond): (Greek, Beyond),
    first: bool,
) -> Result<(Vec<YearTable>, SpanDays, Vec<Found>), Problem> {
    for attempt in 0..ATTEMPTS {
        // What did not fit together is asked for again, however fresh it seemed.
        let freshness = |year| if attempt == 0 { span.freshness(context, instrument, year) } else { Freshness::Open };
        let (tables, days) = year_tables::open(context, (YEARS, instrument), span, freshness).await?;
        let mut found = Vec::new();
        for table in &tables {
            let hits = hits(&table.batch, table.rows.clone(), greek, beyond);
            found.append(&mut hits.inspect_err(distrust(context, &[table.file()]))?);
        }
        if !first {
            return Ok((tables, days, found.into_iter().map(|hit| (hit, None)).collect()));
        }
        let hit_on = |date: TradingDate| found.binary_search_by_key(&date.days_since_epoch(), |hit| hit.date).is_ok();
        let promised = promises(context, (GREEKS_BY_MINUTE, instrument), span, freshness, hit_on).await?;
        let same_days = promised.iter().map(|day| day.date.days_since_epoch()).eq(found.iter().map(|hit| hit.date));
        if same_days && let Some(found) = crossings(context, found, promised, (greek, beyond)).await? {
            return Ok((tables, days, found));
        }
        tables.iter().for_each(|table| context.cache.forget(table.file()));
    }
    let detail = format!("{} is being republished; try again in a moment", instrument.symbol);
    Err(Problem::new(ProblemType::Unavailable, detail))
}

/// The first crossing of each hit; `None` when a day's minute sums are not those its statistics were taken over.
async fn crossings(
    context: &Context,
    hits: Vec<Hit>,
    promised: Vec<Promise>,
    (greek, beyond): (Greek, Beyond),
) -> Result<Option<Vec<Found>>> {
    let crossing = |(hit, day): (Hit, Promise)| async move {
        let file = context.partitions.fetch(&day).await?;
        let sums = rows_of(context, &file).await?;
        let totals = totals(&sums, None).inspect_err(distrust(context, &[&file]))?;
        let crossing = first_crossing(&totals, greek, beyond, hit.levels);
        Ok::<_, Error>(crossing.map(|crossing| (hit, Some(crossing))))
    };
    let found: Vec<Option<Found>> =
        stream::iter(hits.into_iter().zip(promised)).map(crossing).buffered(ASKED_AT_ONCE).try_collect().await?;
    Ok(found.into_iter().collect())
}

fn batch(found: &[Found], first: bool) -> Result<RecordBatch> {
    let instants = |values: Vec<i64>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
    };
    let mut fields = vec![
        Field::new("date", DataType::Date32, false),
        Field::new("value", DataType::Int64, false),
        Field::new("timestamp", instant(), false),
    ];
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from_iter_values(found.iter().map(|(hit, _)| hit.date))),
        Arc::new(Int64Array::from_iter_values(found.iter().map(|(hit, _)| hit.value))),
        instants(found.iter().map(|(hit, _)| hit.timestamp_us).collect()),
    ];
    if first {
        fields.push(Field::new("first_timestamp", instant(), false));
        fields.push(Field::new("first_value", DataType::Int64, false));
        let crossings = || found.iter().filter_map(|(_, crossing)| *crossing);
        columns.push(instants(crossings().map(|(timestamp, _)| timestamp).collect()));
        columns.push(Arc::new(Int64Array::from_iter_values(crossings().map(|(_, value)| value))));
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|error| Error::internal("hits do not fit their columns").caused_by(error))
}

/// A threshold as it is usually written: whole dollars without a fraction, and no minus before zero.
fn whole_if_it_is(dollars: f64) -> serde_json::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if dollars.fract() == 0.0 && dollars.abs() < EXACT { (dollars as i64).into() } else { dollars.into() }
}
