//! The second step of compaction: from day manifests to the year's indexes and the `greeks_by_day` table. One task per symbol
//! and year, so that parallel days never fight over one object.

use chrono::{DateTime, Utc};
use futures::TryStreamExt;

use super::batches;
use super::plan::replaceable;
use crate::greeks::record::{BY_DAY, CALCULATION, GREEKS, GREEKS_BY_DAY, GREEKS_BY_MINUTE, is_newer};
use crate::lake::catalog;
use crate::lake::interrupted;
use crate::lake::layout::{Key, PartitionId, prefix};
use crate::lake::manifest::{Calculation, Condition, Content, Counts, Manifest};
use crate::lake::partition;
use crate::lake::publish::{Published, before, publish};
use crate::lake::store::Store;
use crate::lake::year_index::{self, DayEntry, YearIndex};
use crate::market::Symbol;
use crate::{Error, ErrorKind, Result};

const ATTEMPTS: u32 = 20;

/// Brings the year's indexes and table up to date after the days of `manifests` were looked at.
///
/// # Errors
/// Those of the store; `Conflict` when others kept publishing the same year.
pub async fn update(
    store: &Store,
    symbol: &Symbol,
    year: i32,
    manifests: &[Manifest],
    now: DateTime<Utc>,
) -> Result<Published> {
    update_or_rebuild(store, symbol, year, manifests, false, now).await
}

/// Makes the year's indexes and table from the day manifests alone, whatever stands there.
///
/// # Errors
/// Those of the store; `Corrupt` when a day manifest is damaged.
pub async fn rebuild(store: &Store, symbol: &Symbol, year: i32, now: DateTime<Utc>) -> Result<Published> {
    let mut manifests = Vec::new();
    for dataset in [GREEKS, GREEKS_BY_MINUTE] {
        manifests.extend(day_manifests(store, dataset, symbol, year).await?);
    }
    update_or_rebuild(store, symbol, year, &manifests, true, now).await
}

async fn update_or_rebuild(
    store: &Store,
    symbol: &Symbol,
    year: i32,
    manifests: &[Manifest],
    all: bool,
    now: DateTime<Utc>,
) -> Result<Published> {
    let of = |dataset: &str| -> Vec<Manifest> {
        manifests.iter().filter(|manifest| manifest.content.dataset == dataset).cloned().collect()
    };
    // Named before the indexes are there: a mirror must never pass the instant at which an index came to say something in a year
    // that nobody knew of.
    for dataset in [GREEKS, GREEKS_BY_MINUTE, GREEKS_BY_DAY] {
        catalog::add(store, dataset, symbol, year).await?;
    }
    year_index::update(store, (GREEKS_BY_MINUTE, symbol, year), &of(GREEKS_BY_MINUTE), all, now).await?;
    for _ in 0..ATTEMPTS {
        // What stands there is read before the index, so that a table made from an older index can never replace one
        // made from a newer one.
        let id = PartitionId::year(GREEKS_BY_DAY, symbol, year);
        let before = before(store, &id).await?;
        let index = year_index::update(store, (GREEKS, symbol, year), &of(GREEKS), all, now).await?;
        let content = content(&index);
        if let Some((manifest, _)) = &before.manifest
            && is_newer(&manifest.content.calculation.version)
            && before.data.is_some()
            && manifest.content.details == content.details
        {
            return Ok(Published::Unchanged(manifest.clone()));
        }
        replaceable(&before)?;
        if interrupted::record(store, &id, &before, |footer| *footer == content, now).await? {
            continue;
        }
        let data = partition::encode(&BY_DAY, &[batches::days(&index.days)?], &content)?;
        match publish(store, &before, &BY_DAY, content, data, now).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
            Ok(published) => {
                return Ok(published);
            }
        }
    }
    Err(Error::new(ErrorKind::Conflict, format!("{symbol} {year} is published by others all the time; run it again")))
}

/// All manifests of a year's days.
async fn day_manifests(store: &Store, dataset: &str, symbol: &Symbol, year: i32) -> Result<Vec<Manifest>> {
    let listed: Vec<_> = store.list(&format!("{}/symbol={symbol}", prefix::manifests(dataset))).try_collect().await?;
    let mut manifests = Vec::new();
    for object in listed {
        if let Ok(Key::Manifest(id)) = object.key.parse::<Key>()
            && id.period.day().is_some_and(|date| date.year() == year)
        {
            manifests.push(Manifest::parse(&store.get(&object.key).await?.bytes, &object.key)?);
        }
    }
    Ok(manifests)
}

fn content(index: &YearIndex) -> Content {
    let worst = |wanted: Condition| index.days.iter().any(|day| day.condition == wanted);
    let condition = if worst(Condition::Pending) {
        Condition::Pending
    } else if worst(Condition::Degraded) {
        Condition::Degraded
    } else {
        Condition::Available
    };
    let day = |day: &DayEntry| serde_json::json!([day.date, day.revision, day.sha256, day.condition]);
    let days: Vec<_> = index.days.iter().map(day).collect();
    Content {
        dataset: GREEKS_BY_DAY.to_owned(),
        symbol: index.symbol.clone(),
        date: None,
        year: Some(index.year),
        condition,
        reasons: Vec::new(),
        rows: index.days.len() as u64,
        minutes_expected: index.days.iter().map(|day| day.minutes_expected).sum(),
        minutes_seen: index.days.iter().map(|day| day.minutes_seen).sum(),
        gaps: Vec::new(),
        counts: Counts::default(),
        session: None,
        calculation: Calculation {
            version: CALCULATION.to_owned(),
            settings: String::new(),
            session_closed: condition != Condition::Pending,
        },
        captures: Vec::new(),
        details: serde_json::json!({ "days": days }),
    }
}
