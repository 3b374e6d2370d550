//! The sessions of many days: stored ones from the years' tables, of another method or row size computed day by day.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::{StreamExt, TryStreamExt, stream};

use super::answer::json;
use super::computed::{Wanted, compute};
use super::question::{Version, method, row_ticks, session, version};
use super::years::{Year, Years};
use crate::bars::record::BARS;
use crate::http::asked::Asked;
use crate::http::auth::Access;
use crate::http::context::Context;
use crate::http::etag::ETagBuilder;
use crate::http::format::{Answer, Format, Rows, Slice, document, respond};
use crate::http::keys::Scope;
use crate::http::many::{ASKED_AT_ONCE, put_span, span_members};
use crate::http::problem::{Problem, ProblemDocument, ProblemType};
use crate::http::span::{Span, SpanDays};
use crate::lake::manifest::Condition;
use crate::market::{Instrument, SessionKind, TradingDate};
use crate::profile::columns;
use crate::profile::record::{PROFILES, PROFILES_HISTORY, ValueAreaMethod};
use crate::profile::schema::{CURRENT, HISTORY};
use crate::profile::session_record::SessionRecord;
use crate::{Error, Result};

/// Sessions that one question may have computed: each takes a few milliseconds.
const MOST_COMPUTED: usize = 600;
/// Computed at a time.
const COMPUTED_AT_ONCE: usize = 4;

/// The market profiles of many days, one session each.
///
/// `data` is a list of the objects that the day's route answers; `days` says of every date of the span what there is, so that a
/// missing day never looks like one that was left out. The other formats have the columns of the dataset `profiles`.
#[utoipa::path(
    get,
    path = "/api/v1/tpo/{symbol}/range",
    operation_id = "tpo_range",
    tag = "tpo",
    params(
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "NQ"),
        ("start" = String, Query, description = "First trading date, inclusive", example = "2025-01-13"),
        ("end" = String, Query, description = "Last trading date, inclusive", example = "2025-01-17"),
        ("session" = Option<String>, Query, description = "rth, overnight or full, as the instrument has them; its default session without"),
        ("method" = Option<String>, Query, description = "Value area method: one-row or two-row; at most 600 sessions are computed at once"),
        ("row_ticks" = Option<u32>, Query, description = "Ticks in one row, 1 to 10000"),
        ("version" = Option<String>, Query, description = "What is stored under this version, current or not: legacy, tpo-1"),
        ("revision" = Option<u32>, Query, description = "Of that version, what was made from this revision of the bars"),
        ("settings" = Option<String>, Query, description = "Of that version, what was made with these settings"),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, arrow or parquet"),
    ),
    responses(
        (status = 200, description = "`days`, symbol, start, end, session, `data`: sessions, count"),
        (status = 304, description = "The client has this answer already"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "No session of the span is stored"),
        (status = 413, body = ProblemDocument, content_type = "application/problem+json", description = "Too many sessions to compute"),
    )
)]
pub async fn range(
    State(context): State<Context>,
    Extension(years): Extension<Years>,
    access: Access,
    Path(symbol): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    const ALLOWED: [&str; 9] =
        ["start", "end", "session", "method", "row_ticks", "version", "revision", "settings", "format"];
    let asked = Asked::of(&context, &access, (PROFILES, &symbol), (query.as_deref(), &ALLOWED), &headers)?;
    let Asked { params, wanted, instrument } = asked;
    let span = Span::of(&params)?;
    let kind = session(&params, &instrument)?;
    let (method, row_ticks, version) = (method(&params)?, row_ticks(&params)?, version(&params)?);
    for (name, given) in [("method", method.is_some()), ("row_ticks", row_ticks.is_some())] {
        if given && version.is_some() {
            let detail = format!("a version is answered as it was stored; leave out {name}, or version");
            return Err(Problem::parameter(name, detail));
        }
    }
    if version.is_some() {
        access.require(Scope::Read, PROFILES_HISTORY, &instrument.symbol)?;
    }
    let stored = stored(&context, &years, &instrument, (span, kind), version.as_ref()).await?;
    let records = if method.is_some() || row_ticks.is_some() {
        let (method, row_ticks) = (method, row_ticks);
        if !stored.iter().all(|record| is_as_stored(record, method, row_ticks)) {
            access.require(Scope::Read, BARS, &instrument.symbol)?;
        }
        computed(&context, &instrument, stored, (method, row_ticks)).await?
    } else {
        stored
    };
    let told = records.iter().map(|record| (record.date, record.condition, record.revision));
    let days = SpanDays::told(&context, &instrument, span, told);
    if records.is_empty() {
        return Err(nothing(&instrument, span, kind, &days));
    }
    let tag = records.iter().fold(ETagBuilder::of_content("tpo"), |tag, record| {
        let version = format!("{} {}", record.calculation_version, record.settings.as_deref().unwrap_or_default());
        tag.part("bars", &record.source_sha256).part("version", &version).part("state", record.condition.as_str())
    });
    let tag = tag
        .part("session", kind.as_str())
        .part("days", &days.member().1.to_string())
        .part("format", wanted.format.name())
        .part("encoding", wanted.encoding.name())
        .part("query", &format!("range;{}", params.canonical()))
        .finish();
    let mut response = if tag.is_known_to(&headers) {
        tag.not_modified()
    } else {
        let mut members = span_members(&instrument, span, &days);
        members.push(("session", kind.as_str().into()));
        let format = wanted.format;
        let written = tokio::task::spawn_blocking(move || written(&records, &members, format));
        match written.await.map_err(|error| Error::internal("writing profiles stopped").caused_by(error))?? {
            Written::Text(body) => document(format.content_type(), body, wanted.encoding)?,
            Written::Rows(batch) => {
                let schema = batch.schema();
                let rows = Rows::Ready(vec![Slice::whole(batch)]);
                respond(Answer { schema, envelope: Vec::new(), rows }, format, wanted.encoding).await?
            }
        }
    };
    tag.put_on(response.headers_mut());
    put_span(&mut response, wanted, &days, ("tpo", &instrument, span), kind.as_str());
    Ok(response)
}

/// The stored sessions of the span, in order.
async fn stored(
    context: &Context,
    years: &Years,
    instrument: &Instrument,
    (span, kind): (Span, SessionKind),
    version: Option<&Version>,
) -> Result<Vec<SessionRecord>, Problem> {
    let tables: Vec<(Option<Year>, Option<Year>)> = stream::iter(span.years())
        .map(|year| async move {
            let freshness = span.freshness(context, instrument, year);
            let current = years.get(context, &CURRENT, instrument, year, freshness).await?;
            let history = match version {
                Some(_) => years.get(context, &HISTORY, instrument, year, freshness).await?,
                None => None,
            };
            Ok::<_, Error>((current, history))
        })
        .buffered(ASKED_AT_ONCE)
        .try_collect()
        .await?;
    let mut records = Vec::new();
    for (current, history) in &tables {
        let of_span = |record: &&SessionRecord| record.session == kind && span.contains(record.date);
        let Some(version) = version else {
            let current = current.iter().flat_map(|table| table.records.iter()).filter(of_span);
            records.extend(current.cloned());
            continue;
        };
        let both = [current, history].into_iter().flatten();
        let mut dates: Vec<TradingDate> =
            both.flat_map(|table| table.records.iter()).filter(of_span).map(|record| record.date).collect();
        dates.sort_unstable();
        dates.dedup();
        for date in dates {
            let current = current.as_ref().and_then(|table| table.of(date, kind).next());
            let past = history.iter().flat_map(|table| table.of(date, kind));
            records.extend(version.pick(current, past)?.cloned());
        }
    }
    Ok(records)
}

fn is_as_stored(record: &SessionRecord, method: Option<ValueAreaMethod>, row_ticks: Option<u32>) -> bool {
    method.is_none_or(|method| record.value_area_method == Some(method))
        && row_ticks.is_none_or(|ticks| record.row_ticks == Some(ticks))
}

/// The same sessions by another method or row size. One of the old archive that has no bars is left out: it cannot be computed,
/// and `days` says that it is not there.
async fn computed(
    context: &Context,
    instrument: &Arc<Instrument>,
    stored: Vec<SessionRecord>,
    (method, row_ticks): (Option<ValueAreaMethod>, Option<u32>),
) -> Result<Vec<SessionRecord>, Problem> {
    let many = stored.iter().filter(|record| !is_as_stored(record, method, row_ticks)).count();
    if many > MOST_COMPUTED {
        let detail = format!(
            "{many} sessions would have to be computed, and one question may have {MOST_COMPUTED}; ask for fewer days at once, \
             or take the bars by GET /api/v1/bars/{}/files",
            instrument.symbol
        );
        return Err(Problem::new(ProblemType::TooLarge, detail));
    }
    let made: Vec<Option<SessionRecord>> = stream::iter(stored)
        .map(|record| async move {
            if is_as_stored(&record, method, row_ticks) {
                return Ok(Some(record));
            }
            let Some(session) = instrument.session_of_kind(record.date, record.session) else { return Ok(None) };
            let wanted = Wanted { session, method, row_ticks, at: None };
            match compute(context, instrument, wanted, !record.is_computed()).await {
                Ok(record) => Ok(Some(record)),
                Err(problem) if problem.kind() == ProblemType::MissingDay => Ok(None),
                Err(problem) => Err(problem),
            }
        })
        .buffered(COMPUTED_AT_ONCE)
        .try_collect()
        .await?;
    Ok(made.into_iter().flatten().collect())
}

enum Written {
    Text(Vec<u8>),
    Rows(arrow::array::RecordBatch),
}

/// JSON and NDJSON have the objects of the day's route, the others the table's columns.
fn written(
    records: &[SessionRecord],
    members: &[(&'static str, serde_json::Value)],
    format: Format,
) -> Result<Written> {
    let mut body = Vec::new();
    match format {
        Format::Ndjson => {
            for record in records {
                body.append(&mut json(record)?);
            }
        }
        Format::Json => {
            body.push(b'{');
            for (name, value) in members {
                body.extend_from_slice(format!("\"{name}\":{value},").as_bytes());
            }
            body.extend_from_slice(b"\"data\":[");
            for (at, record) in records.iter().enumerate() {
                body.extend_from_slice(if at == 0 { b"" } else { b"," });
                body.append(&mut json(record)?);
            }
            body.extend_from_slice(format!("],\"count\":{}}}\n", records.len()).as_bytes());
        }
        Format::Csv | Format::Arrow | Format::Parquet => return columns::batch(records).map(Written::Rows),
    }
    Ok(Written::Text(body))
}

fn nothing(instrument: &Instrument, span: Span, kind: SessionKind, days: &SpanDays) -> Problem {
    let (symbol, Span { start, end }) = (&instrument.symbol, span);
    if days.iter().all(|day| day.condition == Condition::Closed) {
        let next = instrument.next_session_date(end);
        let detail = format!("{symbol} has no session from {start} to {end}; the next one is {next}");
        return Problem::new(ProblemType::ClosedDay, detail).with("next_session", next.to_string());
    }
    let detail = format!(
        "the lake has no such {kind} profile of {symbol} from {start} to {end}; `pitlake status --dataset {PROFILES}` tells what it has, \
         `pitlake ingest bars` and `pitlake compact` bring more in"
    );
    Problem::new(ProblemType::MissingDay, detail)
}
