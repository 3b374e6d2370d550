//! Answers from one stored partition: a day's file or the right 404, the newest day, the members that every such answer
//! begins with, and what happens to a file that turns out to be damaged. Called by the rooms' routes.

use std::sync::Arc;

use arrow::array::RecordBatch;
use serde_json::Value;

use super::context::Context;
use super::problem::{Problem, ProblemType};
use crate::lake::cache::CachedFile;
use crate::lake::head::{Head, ReadyPartition};
use crate::lake::layout::PartitionId;
use crate::market::{Instrument, TradingDate};
use crate::{Error, ErrorKind, Result};

/// The partition of a day, or the right 404.
///
/// # Errors
/// 404 `closed-day` or `missing-day`; those of the store.
pub async fn open_day(
    context: &Context,
    dataset: &str,
    instrument: &Instrument,
    date: TradingDate,
) -> Result<ReadyPartition, Problem> {
    let id = PartitionId::day(dataset, &instrument.symbol, date);
    context.partitions.open(&id, context.freshness(instrument, date)).await.map_err(|error| match error.kind() {
        ErrorKind::NotFound => context.no_such_day(dataset, instrument, date),
        _ => error.into(),
    })
}

/// The last day that the lake has of a dataset. `ingested` is what `pitlake ingest` takes it, or what it is made from, as.
///
/// # Errors
/// [`no_day_at_all`]; those of the store.
pub async fn newest_day(
    context: &Context,
    (dataset, ingested): (&str, &str),
    instrument: &Instrument,
) -> Result<TradingDate, Problem> {
    let today = instrument.trading_date_of(context.clock.now());
    let newest = context.indexes.newest_day(dataset, &instrument.symbol, today).await?;
    newest.ok_or_else(|| no_day_at_all((dataset, ingested), instrument))
}

/// The 404 for a symbol of which nothing is stored.
pub fn no_day_at_all((dataset, ingested): (&str, &str), instrument: &Instrument) -> Problem {
    let detail = format!(
        "the lake has no {dataset} of {} at all; `pitlake ingest {ingested}` and `pitlake compact` bring some in",
        instrument.symbol
    );
    Problem::new(ProblemType::MissingDay, detail)
}

/// The members of a JSON answer from a day's partition, before `data` and what the room adds.
pub fn day_members(instrument: &Instrument, date: TradingDate, head: &Head) -> Vec<(&'static str, Value)> {
    vec![
        ("symbol", instrument.symbol.as_str().into()),
        ("date", date.to_string().into()),
        ("revision", head.revision.into()),
        ("condition", head.condition.as_str().into()),
        ("calculation_version", head.calculation_version.as_str().into()),
    ]
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

/// For `inspect_err`: damage that is found while these files are read is told to the cache, so that the next question gets
/// new copies. An answer on its way breaks off.
pub fn distrust(context: &Context, files: &[&Arc<CachedFile>]) -> impl Fn(&Error) + Send + 'static + use<> {
    let (cache, files): (_, Vec<_>) = (context.cache.clone(), files.iter().map(|file| Arc::clone(file)).collect());
    move |error| {
        if error.kind() == ErrorKind::Corrupt {
            files.iter().for_each(|file| cache.distrust(file));
        }
    }
}
