//! Carries out what [`crate::lake::verify::repair::plan`] says: manifests from footers, days from captures, years from manifests. What
//! stands in the lake is replaced only by something whole, and nothing is deleted.

use std::sync::Arc;

use futures::TryStreamExt;
use serde::Serialize;

use crate::greeks::compact::{Captured, derive, replaceable, year};
use crate::greeks::record::{BY_MINUTE, CHAINS, GREEKS, GREEKS_BY_MINUTE, STRIKES};
use crate::lake::catalog::Catalog;
use crate::lake::layout::{Key, PartitionId, prefix};
use crate::lake::publish::{before, publish};
use crate::lake::store::Store;
use crate::lake::verify::repair::{Repair, catalog_from_manifests, manifest_from_footer, plan, restore_revision};
use crate::lake::verify::{Finding, check_capture};
use crate::lake::year_index;
use crate::market::{Instruments, SharedClock, Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};

/// What became of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Done {
    /// `manifest`, `catalog`, `day`, `year` or `impossible`.
    pub repair: &'static str,
    /// The object, or the symbol and day or year.
    pub key: String,
    pub done: bool,
    /// Why it could not be done; empty when it was.
    pub detail: String,
}

/// Repairs what can be repaired of `findings`; `told` hears of each step. A step that fails does not stop the others.
pub async fn repair(
    store: &Store,
    instruments: &Arc<Instruments>,
    clock: &SharedClock,
    findings: &[Finding],
    told: &mut dyn FnMut(&Done),
) -> Vec<Done> {
    let mut all = Vec::new();
    // A year is made from its days: while one of them is broken, making it would only forget that day.
    let mut broken: Vec<(Symbol, i32)> = Vec::new();
    for step in plan(findings) {
        let (repair, key, result) = match step {
            Repair::Manifest(id) => {
                let result = match (manifest_from_footer(store, &id, clock.now()).await, id.period.day()) {
                    (Err(error), Some(date)) if error.kind() == ErrorKind::Corrupt => {
                        make_day(store, instruments, clock, &id.symbol, date).await
                    }
                    (result, _) => result.map(drop),
                };
                if result.is_err() {
                    broken.push((id.symbol.clone(), id.period.year()));
                }
                ("manifest", id.manifest_key(), result)
            }
            Repair::Catalog(dataset) => {
                ("catalog", Catalog::key(&dataset), catalog_from_manifests(store, &dataset).await)
            }
            Repair::Day(symbol, date) => {
                let result = make_day(store, instruments, clock, &symbol, date).await;
                if result.is_err() {
                    broken.push((symbol.clone(), date.year()));
                }
                ("day", format!("{symbol} {date}"), result)
            }
            Repair::Year(symbol, year) if broken.contains(&(symbol.clone(), year)) => {
                ("year", format!("{symbol} {year}"), Err(Error::invalid("its days could not all be repaired")))
            }
            Repair::Year(symbol, year) => {
                let result = year::rebuild(store, &symbol, year, clock.now()).await.map(drop);
                ("year", format!("{symbol} {year}"), result)
            }
            Repair::Impossible { key, why } => ("impossible", key, Err(Error::invalid(why))),
        };
        let detail = result.as_ref().err().map(|error| error.detail().to_owned()).unwrap_or_default();
        let done = Done { repair, key, done: result.is_ok(), detail };
        told(&done);
        all.push(done);
    }
    all
}

/// Makes both partitions of a day again from its captures. Not the compactor's way, which leaves alone what looks up to
/// date: a damaged file may have the right size.
async fn make_day(
    store: &Store,
    instruments: &Arc<Instruments>,
    clock: &SharedClock,
    symbol: &Symbol,
    date: TradingDate,
) -> Result<()> {
    let instrument = instruments
        .get(symbol)
        .cloned()
        .ok_or_else(|| Error::invalid(format!("{symbol} is not known; add it to _config/instruments.toml")))?;
    let (rows_id, minutes_id) =
        (PartitionId::day(GREEKS, symbol, date), PartitionId::day(GREEKS_BY_MINUTE, symbol, date));
    let (rows_before, minutes_before) = (before(store, &rows_id).await?, before(store, &minutes_id).await?);
    replaceable(&rows_before)?;
    replaceable(&minutes_before)?;
    let (rows_known, minutes_known) =
        (year_index::remembered(store, &rows_id).await?, year_index::remembered(store, &minutes_id).await?);
    let captured = captures(store, symbol, date).await?;
    if captured.is_empty() {
        return Err(Error::invalid(format!(
            "there are no captures of {symbol} {date} to make it from; ingest them again"
        )));
    }
    let named = [&rows_before, &minutes_before].into_iter().flat_map(|before| &before.manifest);
    for capture in named.flat_map(|(manifest, _)| &manifest.content.captures) {
        if !captured.iter().any(|there| (&there.dataset, &there.id) == (&capture.dataset, &capture.id)) {
            return Err(Error::invalid(format!("the capture {} it was made from is missing", capture.id)));
        }
    }
    let closed = instrument.session(date).is_none_or(|session| session.close <= clock.now());
    let table = Arc::clone(instruments);
    let (rows, minutes) = tokio::task::spawn_blocking(move || derive(&instrument, date, &captured, closed, &table))
        .await
        .map_err(|error| Error::internal("compaction stopped").caused_by(error))??;
    if let Some(known) = rows_known.as_ref().filter(|known| known.rows > rows.content.rows) {
        return Err(Error::invalid(format!(
            "its captures give {} rows and the year's index remembers {}: some captures are missing",
            rows.content.rows, known.rows
        )));
    }
    let minutes = publish(store, &minutes_before, &BY_MINUTE, minutes.content, minutes.data, clock.now()).await?;
    restore_revision(store, minutes.manifest(), minutes_known.as_ref()).await?;
    let rows = publish(store, &rows_before, &STRIKES, rows.content, rows.data, clock.now()).await?;
    restore_revision(store, rows.manifest(), rows_known.as_ref()).await
}

/// The day's captures in the order in which compaction reads them, each checked against its name.
async fn captures(store: &Store, symbol: &Symbol, date: TradingDate) -> Result<Vec<Captured>> {
    let mut captured = Vec::new();
    for dataset in [CHAINS, GREEKS] {
        let listed: Vec<_> = store.list(&prefix::captures_on(dataset, symbol, date)).try_collect().await?;
        let mut found = Vec::new();
        for object in listed {
            if let Ok(Key::Capture { id, .. }) = object.key.parse() {
                let bytes = store.get(&object.key).await?.bytes;
                if let Some(damage) = check_capture(&object.key, &id, bytes.clone()) {
                    return Err(Error::corrupt(format!("{} is damaged: {}", object.key, damage.detail)));
                }
                found.push(Captured { dataset: dataset.to_owned(), id, bytes });
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        captured.append(&mut found);
    }
    Ok(captured)
}
