//! The two tables of a symbol's year: read together, merged, and published one after the other. Called by whoever has profiles:
//! compaction, recalculation, the migration of the old archive.
//!
//! The history goes first. Who dies between the two leaves a row that is still current and already kept, and the next one who
//! comes finishes; the other order could lose it. What cannot be read is never written over.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::columns;
use super::merge::{Bars, Fate, Grounds, Merged, Withdrawal, merge};
use super::record::{CALCULATION, is_newer};
use super::refusal::{self, Refusal};
use super::schema::{CURRENT, HISTORY};
use super::session_record::SessionRecord;
use crate::bars::record::BARS;
use crate::lake::dataset::Dataset;
use crate::lake::layout::PartitionId;
use crate::lake::manifest::{Calculation, Condition, Content, Counts};
use crate::lake::publish::{self, Before, Published, before, publish};
use crate::lake::store::Store;
use crate::lake::{catalog, interrupted, partition};
use crate::market::{Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};

/// How often a lost race is run again before it is told.
const ATTEMPTS: u32 = 20;
/// Manifests read at a time.
const AT_ONCE: usize = 16;

pub use super::merge::YearTables;

/// What became of what was to be put.
#[derive(Debug)]
pub struct Exchanged {
    /// One for each row, in its order.
    pub fates: Vec<Fate>,
    /// Of each withdrawal whether its session has no computed row now.
    pub withdrawn: Vec<bool>,
    /// Of both tables.
    pub published: Vec<Published>,
}

/// Reads what the lake has of the year.
///
/// # Errors
/// `Corrupt` when a table is damaged or gone while its manifest is there, those of the store.
pub async fn read(store: &Store, symbol: &Symbol, year: i32) -> Result<YearTables> {
    for _ in 0..ATTEMPTS {
        let standing = (standing(store, &HISTORY, symbol, year).await?, standing(store, &CURRENT, symbol, year).await?);
        if let (Some(history), Some(current)) = standing {
            return Ok(as_tables(&current, &history));
        }
    }
    Err(contended(symbol, year))
}

/// Takes `incoming`, profiles of this symbol and year, by the rules of [`merge`](super::merge), and publishes what changed.
/// What became of each is told in their order.
///
/// # Errors
/// `Invalid` when a later version of pitlake made a table, `Corrupt` when one cannot be read (then nothing is written),
/// `Conflict` when others kept publishing, those of the store.
pub async fn put(
    store: &Store,
    symbol: &Symbol,
    year: i32,
    incoming: Vec<SessionRecord>,
    now: DateTime<Utc>,
) -> Result<Vec<Fate>> {
    exchange(store, symbol, year, &incoming, &[], now).await.map(|exchanged| exchanged.fates)
}

/// As [`put`], and takes away sessions that are to have no computed row any more.
///
/// # Errors
/// As [`put`].
pub async fn exchange(
    store: &Store,
    symbol: &Symbol,
    year: i32,
    incoming: &[SessionRecord],
    withdrawn: &[Withdrawal],
    now: DateTime<Utc>,
) -> Result<Exchanged> {
    if let Some(stranger) = incoming.iter().find(|record| record.symbol != *symbol || record.date.year() != year) {
        let place = format!("{} {} is not a profile of {symbol} {year}", stranger.symbol, stranger.date);
        return Err(Error::internal(place));
    }
    let mut kept: Vec<Fate> = Vec::new();
    for _ in 0..ATTEMPTS {
        let Some(history) = standing(store, &HISTORY, symbol, year).await? else { continue };
        let Some(current) = standing(store, &CURRENT, symbol, year).await? else { continue };
        for table in [&history, &current] {
            replaceable(table)?;
        }
        if owes_record(store, &history, now).await? || owes_record(store, &current, now).await? {
            continue;
        }
        // After the tables: who publishes other bars from here on puts their profiles after this, or makes this attempt fail.
        let bars = bars(store, symbol, disputed(&current.records, incoming, withdrawn)).await?;
        let Merged { tables, mut fates, withdrawn } =
            merge(as_tables(&current, &history), incoming.to_vec(), withdrawn, &bars);
        // What an attempt that lost the second race brought into the history was not there before this call.
        for (fate, before) in fates.iter_mut().zip(&kept) {
            if (*fate, *before) == (Fate::AlreadyThere, Fate::KeptInHistory) {
                *fate = Fate::KeptInHistory;
            }
        }
        match write(store, (history, current), &tables, symbol, year, now).await {
            Ok(published) => return Ok(Exchanged { fates, withdrawn, published }),
            Err(error) if error.kind() == ErrorKind::Conflict => kept = fates,
            Err(error) => return Err(error),
        }
    }
    Err(contended(symbol, year))
}

/// Makes the current table anew: `computed` rows, and where there is none what the history has of the old archive. For a
/// table that is damaged, lost or in doubt; the history is read and not touched, and one that cannot be read is an error.
///
/// # Errors
/// As [`put`].
pub async fn rebuild(
    store: &Store,
    symbol: &Symbol,
    year: i32,
    (computed, refused): (Vec<SessionRecord>, Vec<Refusal>),
    now: DateTime<Utc>,
) -> Result<Option<Published>> {
    for _ in 0..ATTEMPTS {
        let before = before(store, &PartitionId::year(CURRENT.name, symbol, year)).await?;
        let Some(history) = standing(store, &HISTORY, symbol, year).await? else { continue };
        let originals = history.records.iter().filter(|record| !record.is_computed()).cloned();
        let incoming = originals.chain(computed.iter().cloned()).collect();
        let emptied = YearTables { current: Vec::new(), history: history.records.clone(), refused: refused.clone() };
        let YearTables { current, refused, .. } = merge(emptied, incoming, &[], &Bars::new()).tables;
        if current.is_empty() && refused.is_empty() && before.data.is_none() && before.manifest.is_none() {
            return Ok(None);
        }
        catalog::add(store, CURRENT.name, symbol, year).await?;
        match publish_table(store, &CURRENT, &before, (symbol, year), (&current, &refused), now).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            published => return published.map(Some),
        }
    }
    Err(contended(symbol, year))
}

/// Takes every row that was brought in from the old archive out of both tables; gives how many sessions had one. The current table
/// goes first: who dies between the two leaves rows in the history, where the next one finds them.
///
/// # Errors
/// As [`put`].
pub async fn take_back_originals(store: &Store, symbol: &Symbol, year: i32, now: DateTime<Utc>) -> Result<u64> {
    let mut sessions = BTreeSet::new();
    for dataset in [&CURRENT, &HISTORY] {
        let mut attempts = 0;
        loop {
            attempts += 1;
            if attempts > ATTEMPTS {
                return Err(contended(symbol, year));
            }
            let Some(table) = standing(store, dataset, symbol, year).await? else { continue };
            replaceable(&table)?;
            if owes_record(store, &table, now).await? {
                continue;
            }
            let (computed, originals): (Vec<_>, Vec<_>) =
                table.records.into_iter().partition(SessionRecord::is_computed);
            sessions.extend(originals.iter().map(|record| (record.date, record.session)));
            if originals.is_empty() {
                break;
            }
            let rows = (computed.as_slice(), table.refused.as_slice());
            match publish_table(store, dataset, &table.before, (symbol, year), rows, now).await {
                Ok(_) => break,
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(sessions.len() as u64)
}

/// One table with what a publisher has to know of it.
struct Standing {
    id: PartitionId,
    before: Before,
    records: Vec<SessionRecord>,
    refused: Vec<Refusal>,
}

fn as_tables(current: &Standing, history: &Standing) -> YearTables {
    YearTables { current: current.records.clone(), history: history.records.clone(), refused: current.refused.clone() }
}

/// Dates of which the merge has to know the bars: a computed row comes in where one of other bars stands, or is withdrawn.
fn disputed(current: &[SessionRecord], incoming: &[SessionRecord], withdrawn: &[Withdrawal]) -> BTreeSet<TradingDate> {
    let standing: BTreeMap<_, &str> = current
        .iter()
        .filter(|record| record.is_computed())
        .map(|record| ((record.date, record.session.as_str()), record.source_sha256.as_str()))
        .collect();
    let is_disputed = |record: &&SessionRecord| {
        let known = standing.get(&(record.date, record.session.as_str()));
        record.is_computed() && known.is_some_and(|known| *known != record.source_sha256)
    };
    let of_bars = withdrawn.iter().filter(|withdrawal| withdrawal.grounds != Grounds::NoSession);
    incoming.iter().filter(is_disputed).map(|record| record.date).chain(of_bars.map(|of| of.date)).collect()
}

/// The bars of these dates as their manifests, which alone are the truth, name them.
async fn bars(store: &Store, symbol: &Symbol, dates: BTreeSet<TradingDate>) -> Result<Bars> {
    let of_date = |date| async move {
        match publish::manifest(store, &PartitionId::day(BARS, symbol, date)).await {
            Ok(manifest) => Ok(Some((date, manifest.sha256))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    };
    let found: Vec<_> = stream::iter(dates).map(of_date).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// The table as it is; `None` when it was replaced while it was being read.
async fn standing(store: &Store, dataset: &Dataset, symbol: &Symbol, year: i32) -> Result<Option<Standing>> {
    let id = PartitionId::year(dataset.name, symbol, year);
    let before = before(store, &id).await?;
    let Some(data) = &before.data else {
        if before.manifest.is_some() {
            return Err(Error::corrupt(format!(
                "{} is gone while its manifest is there; run `pitlake verify`, and bring it back from a copy",
                id.data_key()
            )));
        }
        return Ok(Some(Standing { id, before, records: Vec::new(), refused: Vec::new() }));
    };
    let object = match store.get(&id.data_key()).await {
        Ok(object) if object.etag == data.etag => object,
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => return Ok(None),
    };
    let mut records = Vec::new();
    for batch in partition::read(object.bytes, dataset.row_group_rows, &id.data_key())? {
        records.append(&mut columns::records(&batch, symbol).map_err(|error| error.while_doing(id.data_key()))?);
    }
    let details = before.manifest.as_ref().map(|(manifest, _)| &manifest.content.details);
    let refused = details.map(refusal::remembered).unwrap_or_default();
    Ok(Some(Standing { id, before, records, refused }))
}

/// Whether an interrupted publication's record had to be written first.
async fn owes_record(store: &Store, table: &Standing, now: DateTime<Utc>) -> Result<bool> {
    match interrupted::record(store, &table.id, &table.before, |_| false, now).await {
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(true),
        recorded => recorded,
    }
}

/// Refuses to replace what a later version of pitlake made.
fn replaceable(table: &Standing) -> Result<()> {
    match &table.before.manifest {
        Some((manifest, _)) if is_newer(&manifest.content.calculation.version) => Err(Error::invalid(format!(
            "{} was made by calculation {}, which is later than this program's {CALCULATION} and may have columns that it \
             does not know; update pitlake and run it again. Readers go on with what is there",
            manifest.path, manifest.content.calculation.version
        ))),
        _ => Ok(()),
    }
}

/// Publishes the history, then the current table, each if it is not the same already.
async fn write(
    store: &Store,
    (history, current): (Standing, Standing),
    tables: &YearTables,
    symbol: &Symbol,
    year: i32,
    now: DateTime<Utc>,
) -> Result<Vec<Published>> {
    let mut published = Vec::new();
    let of_history = (tables.history.as_slice(), [].as_slice());
    let of_current = (tables.current.as_slice(), tables.refused.as_slice());
    for (dataset, table, (rows, refused)) in [(&HISTORY, history, of_history), (&CURRENT, current, of_current)] {
        let recorded = table.before.manifest.as_ref().map(|(manifest, _)| manifest);
        let recorded = recorded.filter(|manifest| manifest.revision > 0);
        if (rows, refused) == (&table.records, &table.refused)
            && let Some(manifest) = recorded
        {
            published.push(Published::Unchanged(manifest.clone()));
            continue;
        }
        if rows.is_empty() && refused.is_empty() && table.before.data.is_none() {
            continue;
        }
        catalog::add(store, dataset.name, symbol, year).await?;
        published.push(publish_table(store, dataset, &table.before, (symbol, year), (rows, refused), now).await?);
    }
    Ok(published)
}

async fn publish_table(
    store: &Store,
    dataset: &'static Dataset,
    before: &Before,
    (symbol, year): (&Symbol, i32),
    (rows, refused): (&[SessionRecord], &[Refusal]),
    now: DateTime<Utc>,
) -> Result<Published> {
    let content = content(dataset, (symbol, year), rows, refused);
    let data = partition::encode(dataset, &[columns::batch(rows)?], &content)?;
    publish(store, before, dataset, content, data, now).await
}

/// The record of a table. `details.days` names each row: date, revision of the bars, sha256 of what it was made from, condition,
/// session, calculation, settings; `details.refused` each session that its bars allow no profile of.
pub fn content(
    dataset: &Dataset,
    (symbol, year): (&Symbol, i32),
    rows: &[SessionRecord],
    refused: &[Refusal],
) -> Content {
    let is_current = dataset.name == CURRENT.name;
    let any = |condition| is_current && rows.iter().any(|row| row.condition == condition);
    let condition = match () {
        () if any(Condition::Pending) => Condition::Pending,
        () if any(Condition::Degraded) => Condition::Degraded,
        () => Condition::Available,
    };
    let day = |row: &SessionRecord| {
        json!([
            row.date,
            row.revision,
            row.source_sha256,
            row.condition,
            row.session,
            row.calculation_version,
            row.settings
        ])
    };
    let days: Vec<_> = rows.iter().map(day).collect();
    let mut details = json!({ "days": days, "rows_sha256": fingerprint(rows) });
    refusal::remember(&mut details, refused);
    let sum = |minutes: fn(&SessionRecord) -> Option<u32>| rows.iter().filter_map(minutes).sum();
    Content {
        dataset: dataset.name.to_owned(),
        symbol: symbol.clone(),
        date: None,
        year: Some(year),
        condition,
        reasons: Vec::new(),
        rows: rows.len() as u64,
        minutes_expected: sum(|row| row.minutes_expected),
        minutes_seen: sum(|row| row.minutes_seen),
        gaps: Vec::new(),
        counts: Counts::default(),
        session: None,
        calculation: Calculation {
            version: CALCULATION.to_owned(),
            settings: String::new(),
            session_closed: condition != Condition::Pending,
        },
        captures: Vec::new(),
        details,
    }
}

/// Of the rows themselves, so that two tables of the same days and other numbers are told apart.
fn fingerprint(rows: &[SessionRecord]) -> String {
    let mut digest = Sha256::new();
    for row in rows {
        // Serializing a record of plain fields cannot fail; were it to, two tables would look alike and nothing be lost.
        digest.update(serde_json::to_vec(row).unwrap_or_default());
        digest.update(b"\n");
    }
    hex::encode(digest.finalize())
}

fn contended(symbol: &Symbol, year: i32) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("profiles of {symbol} {year} are published by others all the time; run it again"),
    )
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
