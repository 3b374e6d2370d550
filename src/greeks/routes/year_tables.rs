//! The years' tables of day statistics, as the daily range and the screen read them: one file a year, which also says which revision
//! and condition of each day its rows were made from.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Date32Type;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::distrust;
use super::many::ASKED_AT_ONCE;
use crate::greeks::record::{GREEKS, GREEKS_BY_DAY};
use crate::http::context::Context;
use crate::http::etag::ETagBuilder;
use crate::http::problem::Problem;
use crate::http::span::{Span, SpanDays};
use crate::lake::cache::{CachedFile, Freshness};
use crate::lake::head::ReadyPartition;
use crate::lake::layout::PartitionId;
use crate::lake::manifest::Condition;
use crate::market::{Instrument, TradingDate};
use crate::{Error, ErrorKind, Result};

/// One year's table, and its part of the span.
pub struct YearTable {
    pub batch: Arc<RecordBatch>,
    /// The rows of the span.
    pub rows: Range<usize>,
    ready: ReadyPartition,
    days: Vec<(TradingDate, Condition, u32)>,
}

impl YearTable {
    pub fn file(&self) -> &Arc<CachedFile> {
        self.ready.file()
    }
}

/// The tables of the span's years that have one, in order, and what they say of each day.
///
/// # Errors
/// 404 when no day of the span is in them; those of the store; `Corrupt` when a table contradicts its own record.
pub async fn open(
    context: &Context,
    instrument: &Instrument,
    span: Span,
    freshness: impl Fn(i32) -> Freshness,
) -> Result<(Vec<YearTable>, SpanDays), Problem> {
    let tables: Vec<Option<YearTable>> = stream::iter(span.years())
        .map(|year| open_year(context, instrument, span, year, freshness(year)))
        .buffered(ASKED_AT_ONCE)
        .try_collect()
        .await?;
    let tables: Vec<YearTable> = tables.into_iter().flatten().collect();
    let stored = tables.iter().flat_map(|table| table.days.iter().copied());
    let days = SpanDays::of(context, (GREEKS, instrument), span, stored)?;
    Ok((tables, days))
}

/// The beginning of an answer's tag: the tables, and what is said of each day, which the calendar may change without them.
pub fn tag(tables: &[YearTable], days: &SpanDays) -> ETagBuilder {
    let builder = ETagBuilder::of_content("years").part("days", &days.member().1.to_string());
    tables.iter().fold(builder, |builder, table| builder.part("year", table.file().sha256()))
}

async fn open_year(
    context: &Context,
    instrument: &Instrument,
    span: Span,
    year: i32,
    freshness: Freshness,
) -> Result<Option<YearTable>> {
    let id = PartitionId::year(GREEKS_BY_DAY, &instrument.symbol, year);
    let ready = match context.partitions.open(&id, freshness).await {
        Ok(ready) => ready,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let batch = rows_of(context, ready.file()).await?;
    let contradiction = || Error::corrupt(format!("{id} has other days than its record says; run `pitlake verify`"));
    let dates = batch.column_by_name("date").and_then(|column| column.as_primitive_opt::<Date32Type>());
    let dates = dates.ok_or_else(contradiction)?.values();
    let rows = dates.partition_point(|date| *date < span.start.days_since_epoch())
        ..dates.partition_point(|date| *date <= span.end.days_since_epoch());
    let days = days_of(context, instrument, year, &ready).await?;
    let days: Vec<_> = days.into_iter().filter(|(date, ..)| span.contains(*date)).collect();
    let told = days.iter().map(|(date, ..)| date.days_since_epoch());
    if !told.eq(dates[rows.clone()].iter().copied()) {
        return Err(contradiction());
    }
    Ok(Some(YearTable { batch, rows, ready, days }))
}

/// All rows of a small file, from memory if it was read before.
///
/// # Errors
/// `Corrupt` when it cannot be decoded; the cache is told.
pub async fn rows_of(context: &Context, file: &Arc<CachedFile>) -> Result<Arc<RecordBatch>> {
    let groups = context.partitions.row_groups().clone();
    if let Some(batch) = groups.held_whole(file) {
        return Ok(batch);
    }
    let reading = Arc::clone(file);
    tokio::task::spawn_blocking(move || groups.get_whole(&reading))
        .await
        .map_err(|error| Error::internal("the reader of a partition stopped").caused_by(error))?
        .inspect_err(distrust(context, &[file]))
}

/// A day of the table as its record names it. Tables of the first versions do not have the condition.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Whole(TradingDate, u32, IgnoredAny, Condition),
    WithoutCondition(TradingDate, u32, String),
}

async fn days_of(
    context: &Context,
    instrument: &Instrument,
    year: i32,
    ready: &ReadyPartition,
) -> Result<Vec<(TradingDate, Condition, u32)>> {
    let days = ready.head.content.details.get("days").unwrap_or(&serde_json::Value::Null);
    let named = Vec::<Named>::deserialize(days).map_err(|error| {
        Error::corrupt(format!("{} does not name its days; run `pitlake verify`", ready.file().key())).caused_by(error)
    })?;
    let mut index = None;
    let mut found = Vec::with_capacity(named.len());
    for day in named {
        match day {
            Named::Whole(date, revision, _, condition) => found.push((date, condition, revision)),
            Named::WithoutCondition(date, revision, sha256) => {
                if index.is_none() {
                    index = context.indexes.year(GREEKS, &instrument.symbol, year, Freshness::Open).await?;
                }
                let entry = index.as_ref().and_then(|index| index.day(date)).filter(|entry| entry.sha256 == sha256);
                let entry = entry.ok_or_else(|| {
                    Error::unavailable(format!(
                        "{date} is being republished; try again in a moment, or run `pitlake compact`"
                    ))
                })?;
                found.push((date, entry.condition, revision));
            }
        }
    }
    Ok(found)
}
