//! The years' tables that are made from a dataset of days: one file a year, whose record also says which revision and
//! condition of each day its rows were made from (`details.days`). Read by the rooms' routes over many days.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Date32Type;
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::context::Context;
use super::etag::ETagBuilder;
use super::many::ASKED_AT_ONCE;
use super::problem::Problem;
use super::span::{Span, SpanDays};
use super::stored::rows_of;
use crate::lake::cache::{CachedFile, Freshness};
use crate::lake::head::ReadyPartition;
use crate::lake::layout::PartitionId;
use crate::lake::manifest::Condition;
use crate::market::{Instrument, TradingDate};
use crate::{Error, ErrorKind, Result};

/// A dataset cut by years, and the one cut by days that it is made from. Its `date` column rises.
#[derive(Debug, Clone, Copy)]
pub struct MadeFrom {
    pub table: &'static str,
    pub days: &'static str,
}

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
    (made, instrument): (MadeFrom, &Instrument),
    span: Span,
    freshness: impl Fn(i32) -> Freshness,
) -> Result<(Vec<YearTable>, SpanDays), Problem> {
    let tables: Vec<Option<YearTable>> = stream::iter(span.years())
        .map(|year| open_year(context, (made, instrument), span, year, freshness(year)))
        .buffered(ASKED_AT_ONCE)
        .try_collect()
        .await?;
    let tables: Vec<YearTable> = tables.into_iter().flatten().collect();
    let stored = tables.iter().flat_map(|table| table.days.iter().copied());
    let days = SpanDays::of(context, (made.days, instrument), span, stored)?;
    Ok((tables, days))
}

/// The beginning of an answer's tag: the tables, and what is said of each day, which the calendar may change without them.
pub fn tag(tables: &[YearTable], days: &SpanDays) -> ETagBuilder {
    let builder = ETagBuilder::of_content("years").part("days", &days.member().1.to_string());
    tables.iter().fold(builder, |builder, table| builder.part("year", table.file().sha256()))
}

async fn open_year(
    context: &Context,
    (made, instrument): (MadeFrom, &Instrument),
    span: Span,
    year: i32,
    freshness: Freshness,
) -> Result<Option<YearTable>> {
    let id = PartitionId::year(made.table, &instrument.symbol, year);
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
    let days = days_of(context, (made, instrument), year, &ready).await?;
    let days: Vec<_> = days.into_iter().filter(|(date, ..)| span.contains(*date)).collect();
    let told = days.iter().map(|(date, ..)| date.days_since_epoch());
    // A day may have several rows: a table of sessions.
    if !told.eq(dates[rows.clone()].chunk_by(|a, b| a == b).map(|rows| rows[0])) {
        return Err(contradiction());
    }
    Ok(Some(YearTable { batch, rows, ready, days }))
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
    (made, instrument): (MadeFrom, &Instrument),
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
                    index = context.indexes.year(made.days, &instrument.symbol, year, Freshness::Open).await?;
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
