//! One session: of a date, or the newest.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::answer::of_session;
use super::computed::{Wanted, compute};
use super::question::{Question, Version, closed};
use super::years::{Year, Years};
use crate::bars::record::BARS;
use crate::http::auth::Access;
use crate::http::context::Context;
use crate::http::keys::Scope;
use crate::http::params::Params;
use crate::http::problem::{Problem, ProblemDocument, ProblemType};
use crate::lake::cache::Freshness;
use crate::market::{Instrument, SessionKind, TradingDate};
use crate::profile::record::{PROFILES, PROFILES_HISTORY};
use crate::profile::refusal::Refusal;
use crate::profile::schema::{CURRENT, HISTORY};
use crate::profile::session_record::SessionRecord;

/// One session's market profile (TPO): the bare object.
///
/// Stored are the instrument's own row size and the lake's own value area method. Another `method`, `row_ticks`, or a developing
/// profile (`at`) is computed from the day's bars and has the same shape; a key that is limited to datasets needs `bars` for it.
/// `calculation_version`, `revision` (of the bars it was made from) and `value_area_method` stand in every answer.
#[utoipa::path(
    get,
    path = "/api/v1/tpo/{symbol}/{date}",
    operation_id = "tpo_day",
    tag = "tpo",
    params(
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "NQ"),
        ("date" = String, Path, description = "Trading date, YYYY-MM-DD", example = "2025-01-15"),
        ("session" = Option<String>, Query, description = "rth, overnight or full, as the instrument has them; its default session without"),
        ("method" = Option<String>, Query, description = "Value area method: one-row or two-row"),
        ("row_ticks" = Option<u32>, Query, description = "Ticks in one row, 1 to 10000"),
        ("at" = Option<String>, Query, description = "Developing: up to this time of the exchange's wall clock, HH:MM; of a session that opened on the evening before, 22:00 means that evening"),
        ("version" = Option<String>, Query, description = "What is stored under this version, current or not: legacy, tpo-1"),
        ("revision" = Option<u32>, Query, description = "Of that version, what was made from this revision of the bars"),
        ("settings" = Option<String>, Query, description = "Of that version, what was made with these settings"),
        ("format" = Option<String>, Query, description = "json, or text: the letters, drawn"),
    ),
    responses(
        (status = 200, description = "symbol, date, session, session_type, bias, value_area_high, value_area_low, poc, initial_balance_high, initial_balance_low, session_high, session_low, single_prints [[low, high]], poor_high, poor_low, excess_high, excess_low, tpo_structure {letter: [high, low]}, volume, cash_session_return, calculation_version, revision, condition, reasons, and more"),
        (status = 304, description = "The client has this answer already"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json", description = "unknown-symbol, missing-day or closed-day"),
        (status = 503, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn day(
    State(context): State<Context>,
    Extension(years): Extension<Years>,
    access: Access,
    Path((symbol, date)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &Question::ALLOWED)?;
    let form = Question::form(&params, &headers)?;
    let instrument = context.instrument(&symbol)?;
    access.require(Scope::Read, PROFILES, &instrument.symbol)?;
    let date = context.date(&date)?;
    let question = Question::of(&params, &instrument, form, true)?;
    let record = find(&context, &years, &access, &instrument, date, &question).await?;
    of_session(&record, &instrument, &question, &headers)
}

/// The newest session that the lake has a profile of.
///
/// Takes the parameters of the day's route but those of versions. `date` says which day it is.
#[utoipa::path(
    get,
    path = "/api/v1/tpo/{symbol}/latest",
    operation_id = "tpo_latest",
    tag = "tpo",
    params(
        ("symbol" = String, Path, description = "Symbol or a provider's spelling of it", example = "NQ"),
        ("session" = Option<String>, Query, description = "rth, overnight or full, as the instrument has them"),
        ("method" = Option<String>, Query, description = "Value area method: one-row or two-row"),
        ("row_ticks" = Option<u32>, Query, description = "Ticks in one row, 1 to 10000"),
        ("at" = Option<String>, Query, description = "Developing: up to this time of the exchange's wall clock, HH:MM"),
        ("format" = Option<String>, Query, description = "json, or text: the letters, drawn"),
    ),
    responses(
        (status = 200, description = "As in the day's route"),
        (status = 400, body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
pub async fn latest(
    State(context): State<Context>,
    Extension(years): Extension<Years>,
    access: Access,
    Path(symbol): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let params = Params::parse(query.as_deref(), &Question::OF_LATEST)?;
    let form = Question::form(&params, &headers)?;
    let instrument = context.instrument(&symbol)?;
    access.require(Scope::Read, PROFILES, &instrument.symbol)?;
    let question = Question::of(&params, &instrument, form, false)?;
    let date = newest(&context, &years, &instrument, question.session).await?;
    let record = find(&context, &years, &access, &instrument, date, &question).await?;
    of_session(&record, &instrument, &question, &headers)
}

/// The last date that has the session, none after today's trading date.
async fn newest(
    context: &Context,
    years: &Years,
    instrument: &Instrument,
    kind: SessionKind,
) -> Result<TradingDate, Problem> {
    let today = instrument.trading_date_of(context.clock.now());
    let catalog = context.indexes.catalog(PROFILES).await?;
    for year in catalog.years(&instrument.symbol).rev().filter(|year| *year <= today.year()) {
        let table = years.get(context, &CURRENT, instrument, year, Freshness::Open).await?;
        let mut records = table.iter().flat_map(|table| table.records.iter());
        if let Some(record) = records.rfind(|record| record.session == kind && record.date <= today) {
            return Ok(record.date);
        }
    }
    let detail = format!(
        "the lake has no {kind} profile of {} at all; `pitlake ingest bars` and `pitlake compact` bring some in",
        instrument.symbol
    );
    Err(Problem::new(ProblemType::MissingDay, detail))
}

/// The session as it was asked for.
async fn find(
    context: &Context,
    years: &Years,
    access: &Access,
    instrument: &Arc<Instrument>,
    date: TradingDate,
    question: &Question,
) -> Result<SessionRecord, Problem> {
    let kind = question.session;
    let freshness = context.freshness(instrument, date);
    let current = years.get(context, &CURRENT, instrument, date.year(), freshness).await?;
    let stored = current.as_ref().and_then(|table| table.of(date, kind).next());
    if let Some(version) = &question.version {
        access.require(Scope::Read, PROFILES_HISTORY, &instrument.symbol)?;
        let history = years.get(context, &HISTORY, instrument, date.year(), freshness).await?;
        return of_version(instrument, date, kind, (stored, history.as_ref()), version);
    }
    let is_as_stored = |record: &&SessionRecord| {
        question.at.is_none()
            && question.method.is_none_or(|method| record.value_area_method == Some(method))
            && question.row_ticks.is_none_or(|ticks| record.row_ticks == Some(ticks))
    };
    if let Some(record) = stored.filter(is_as_stored) {
        return Ok(record.clone());
    }
    let Some(session) = instrument.session_of_kind(date, kind) else {
        return Err(closed(instrument, date, kind).unwrap_or_else(|| missing(instrument, date, kind)));
    };
    let is_original = stored.is_some_and(|record| !record.is_computed());
    if question.at.is_none() && question.method.is_none() && question.row_ticks.is_none() {
        let refusal = current.as_ref().and_then(|table| table.refusal(date, kind));
        return Err(refusal.map_or_else(|| missing(instrument, date, kind), |refusal| refused(instrument, refusal)));
    }
    access.require(Scope::Read, BARS, &instrument.symbol)?;
    let at = question.instant(instrument, &session, context.clock.now())?;
    let wanted = Wanted { session, method: question.method, row_ticks: question.row_ticks, at };
    compute(context, instrument, wanted, is_original).await
}

/// What is stored under a version: the current row if it is of it, else the latest one in the history.
fn of_version(
    instrument: &Instrument,
    date: TradingDate,
    kind: SessionKind,
    (current, history): (Option<&SessionRecord>, Option<&Year>),
    version: &Version,
) -> Result<SessionRecord, Problem> {
    let past = history.iter().flat_map(|history| history.of(date, kind));
    match version.pick(current, past)? {
        Some(record) => Ok(record.clone()),
        None => Err(closed(instrument, date, kind).unwrap_or_else(|| no_version(instrument, date, kind, version))),
    }
}

fn missing(instrument: &Instrument, date: TradingDate, kind: SessionKind) -> Problem {
    let symbol = &instrument.symbol;
    let detail = format!(
        "the lake has no {kind} profile of {symbol} for {date}; GET /api/v1/tpo/{symbol}/range shows which days it has, \
         `pitlake ingest bars` and `pitlake compact` bring more in"
    );
    Problem::new(ProblemType::MissingDay, detail)
}

/// There are bars, and they allow none.
fn refused(instrument: &Instrument, refusal: &Refusal) -> Problem {
    let Refusal { date, session, reason, .. } = refusal;
    let symbol = &instrument.symbol;
    Problem::new(ProblemType::MissingDay, format!("{symbol} has no {session} profile for {date}: {reason}"))
}

fn no_version(instrument: &Instrument, date: TradingDate, kind: SessionKind, version: &Version) -> Problem {
    let revision = version.revision.map_or_else(String::new, |revision| format!(" of revision {revision}"));
    let detail = format!(
        "no {} profile{revision} of the {kind} session of {} {date} is stored; without version the current one is answered",
        version.name, instrument.symbol
    );
    Problem::new(ProblemType::MissingDay, detail)
}
