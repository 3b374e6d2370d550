//! What the lake holds at a glance, read from catalogs, year indexes and the newest manifests: never from partitions. Called by
//! `pitlake status`. `holding` sums up one symbol of one dataset, `lag` says how far behind it is; both are pure.

mod holding;
mod lag;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

pub use holding::{Conditions, Holding};
pub use lag::Lag;

use super::catalog::Catalog;
use super::dataset::{Cut, Dataset};
use super::layout::{PartitionId, prefix};
use super::manifest::Manifest;
use super::publish;
use super::store::Store;
use super::year_index::{self, YearIndex};
use crate::market::{Instrument, Instruments, Symbol};
use crate::{ErrorKind, Result};

/// Symbols read side by side.
const AT_ONCE: usize = 8;

/// What to look at, and what it is judged by.
pub struct Asked<'a> {
    /// Each with the calculation that compaction would use today.
    pub datasets: Vec<(&'a Dataset, &'a str)>,
    pub symbol: Option<Symbol>,
    pub instruments: &'a Instruments,
    pub now: DateTime<Utc>,
}

/// One dataset with what is stored of it, by symbol.
#[derive(Debug, Serialize)]
pub struct Stored {
    pub dataset: &'static str,
    #[serde(skip)]
    pub cut: Cut,
    pub symbols: Vec<Holding>,
}

/// Captures of one dataset, as they lie under `raw/`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct Captures {
    pub dataset: String,
    pub count: u64,
    pub bytes: u64,
    pub rejected_count: u64,
    pub rejected_bytes: u64,
}

/// Reads what is asked for; symbols of which nothing is stored are left out.
///
/// # Errors
/// Those of the store; `Corrupt` when a record is damaged.
pub async fn read(store: &Store, asked: &Asked<'_>) -> Result<Vec<Stored>> {
    let mut all = Vec::new();
    for (dataset, calculation) in &asked.datasets {
        let key = Catalog::key(dataset.name);
        let catalog = match store.get(&key).await {
            Ok(object) => Catalog::parse(&object.bytes, &key)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Catalog::default(),
            Err(error) => return Err(error),
        };
        let wanted = catalog.symbols.keys().filter(|symbol| asked.symbol.as_ref().is_none_or(|only| only == *symbol));
        let symbols: Vec<Option<Holding>> = stream::iter(wanted)
            .map(|symbol| holding(store, asked, (dataset, calculation), &catalog, symbol))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        all.push(Stored { dataset: dataset.name, cut: dataset.cut, symbols: symbols.into_iter().flatten().collect() });
    }
    Ok(all)
}

async fn holding(
    store: &Store,
    asked: &Asked<'_>,
    (dataset, calculation): (&Dataset, &str),
    catalog: &Catalog,
    symbol: &Symbol,
) -> Result<Option<Holding>> {
    if dataset.cut == Cut::Year {
        let mut manifests = Vec::new();
        for year in catalog.years(symbol) {
            manifests.extend(found(publish::manifest(store, &PartitionId::year(dataset.name, symbol, year)).await)?);
        }
        return Ok(Holding::of_years(symbol, &manifests, calculation));
    }
    let mut years: Vec<YearIndex> = Vec::new();
    for year in catalog.years(symbol) {
        years.extend(found(year_index::read(store, dataset.name, symbol, year).await)?);
    }
    let instrument = asked.instruments.resolve(symbol.as_str()).map(AsRef::as_ref);
    let Some(mut holding) = Holding::of_days(symbol, &years, instrument, calculation, asked.now) else {
        return Ok(None);
    };
    if let (Some(instrument), Some(newest)) = (instrument, years.iter().rev().find_map(|year| year.days.last())) {
        let id = PartitionId::day(dataset.name, symbol, newest.date);
        holding.newest = found(publish::manifest(store, &id).await)?.map(|manifest| lag(&manifest, instrument, asked));
    }
    Ok(Some(holding))
}

fn lag(manifest: &Manifest, instrument: &Instrument, asked: &Asked<'_>) -> Lag {
    Lag::of(manifest, instrument, asked.now)
}

fn found<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Counts captures and refused input of a dataset, of one symbol or of all (refused input knows no symbol). Lists them, which
/// takes a request for every thousand.
///
/// # Errors
/// Those of the store.
pub async fn captures(store: &Store, dataset: &str, symbol: Option<&Symbol>) -> Result<Captures> {
    let under = symbol.map_or_else(|| prefix::captures(dataset), |symbol| prefix::captures_of(dataset, symbol));
    let (count, bytes) = sizes(store, &under).await?;
    let (rejected_count, rejected_bytes) = sizes(store, &prefix::rejected(dataset)).await?;
    Ok(Captures { dataset: dataset.to_owned(), count, bytes, rejected_count, rejected_bytes })
}

async fn sizes(store: &Store, under: &str) -> Result<(u64, u64)> {
    store
        .list(under)
        .try_fold((0, 0), |(count, bytes), object| async move { Ok((count + 1, bytes + object.size)) })
        .await
}
