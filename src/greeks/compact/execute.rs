//! Carries out a plan: fetches captures, derives on the blocking pool, publishes. Holds no opinion of its own about what to
//! compact or what the rows are.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::derive::{Captured, assemble, calculation};
use super::parsed::{ParsedCapture, parse};
use super::plan::{Day, Selection, outdated, plan, replaceable, stale};
use super::shelf::Shelf;
use super::year;
use crate::greeks::record::{BY_MINUTE, CHAINS, GREEKS, GREEKS_BY_MINUTE, STRIKES};
use crate::lake::interrupted;
use crate::lake::layout::{Key, PartitionId, prefix};
use crate::lake::manifest::{Condition, Content, Manifest};
use crate::lake::publish::{Published, before, publish};
use crate::lake::store::Store;
use crate::market::{Instrument, Instruments, SharedClock, Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};

/// Captures that greeks partitions are made from, in the order they are read.
pub(super) const SOURCES: [&str; 2] = [CHAINS, GREEKS];
/// How often a lost race is run again before it is told.
const ATTEMPTS: u32 = 20;
/// Days looked at concurrently; most need two requests and no work.
const LOOKED_AT: usize = 32;
/// What a day takes while it is compacted, per compressed byte of its captures (measured: a full SPY day's 12 MB take
/// about 260 MB), and the least that is reserved for it.
const MEMORY_PER_BYTE: u64 = 24;
const LEAST_MEMORY: u64 = 16 << 20;

/// How much compaction may do at once.
#[derive(Debug, Clone, Copy)]
pub struct CompactOptions {
    /// Days of which the estimated memory fits into this are compacted in parallel; one day always fits.
    pub memory_bytes: u64,
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self { memory_bytes: 400 << 20 }
    }
}

/// What became of one partition: one line of `compact --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    pub dataset: String,
    pub symbol: Symbol,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<TradingDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub year: Option<i32>,
    /// `written` or `unchanged`.
    pub action: &'static str,
    pub revision: u32,
    pub condition: Condition,
    pub rows: u64,
    pub bytes: u64,
}

impl Outcome {
    pub(super) fn of(published: &Published) -> Self {
        let manifest = published.manifest();
        Self {
            dataset: manifest.content.dataset.clone(),
            symbol: manifest.content.symbol.clone(),
            date: manifest.content.date,
            year: manifest.content.year,
            action: if matches!(published, Published::Written(_)) { "written" } else { "unchanged" },
            revision: manifest.revision,
            condition: manifest.content.condition,
            rows: manifest.content.rows,
            bytes: manifest.bytes,
        }
    }
}

/// Compacts the greeks of one lake.
#[derive(Clone)]
pub struct Compactor {
    pub store: Store,
    pub instruments: Arc<Instruments>,
    pub clock: SharedClock,
    pub options: CompactOptions,
}

impl Compactor {
    /// Days with captures that the selection admits.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn plan(&self, selection: &Selection) -> Result<Vec<(Day, u64)>> {
        let mut keys = Vec::new();
        for dataset in SOURCES {
            let under = selection
                .symbol
                .as_ref()
                .map_or_else(|| prefix::captures(dataset), |symbol| prefix::captures_of(dataset, symbol));
            let listed: Vec<_> = self.store.list(&under).try_collect().await?;
            keys.extend(listed.into_iter().filter_map(|object| Some((object.key.parse::<Key>().ok()?, object.size))));
        }
        Ok(plan(keys, selection))
    }

    /// Brings `days` up to date, then the years they lie in. `told` hears of each partition as it is done; the result
    /// holds all of them, failures among them.
    pub async fn run(&self, days: &[(Day, u64)], told: &(dyn Fn(&Result<Outcome>) + Sync)) -> Vec<Result<Outcome>> {
        let mut outcomes = Vec::new();
        let mut years = Years::new();
        for (day, result) in self.days(days, None, told).await {
            match result {
                Ok(both) => {
                    outcomes.extend([&both.0, &both.1].map(|published| Ok(Outcome::of(published))));
                    add_to_years(&mut years, &day, &both);
                }
                Err(error) => outcomes.push(Err(error)),
            }
        }
        for ((symbol, year), manifests) in years {
            let outcome = self.year(&symbol, year, &manifests).await;
            told(&outcome);
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Brings `days` up to date, side by side. What is parsed of a day that is still open is kept on `shelf`, and taken from
    /// there.
    pub(super) async fn days(
        &self,
        days: &[(Day, u64)],
        shelf: Option<&Shelf>,
        told: &(dyn Fn(&Result<Outcome>) + Sync),
    ) -> Vec<(Day, Result<(Published, Published)>)> {
        let budget = Arc::new(Semaphore::new(self.permits(u64::MAX) as usize));
        stream::iter(days)
            .map(|(day, bytes)| {
                let budget = Arc::clone(&budget);
                async move { (day.clone(), self.day(day, *bytes, &budget, shelf).await) }
            })
            .buffer_unordered(LOOKED_AT)
            .inspect(|(day, result)| match result {
                Ok((rows, minutes)) => {
                    [rows, minutes].into_iter().for_each(|published| told(&Ok(Outcome::of(published))))
                }
                Err(error) => {
                    tracing::warn!(symbol = %day.symbol, date = %day.date, %error, "a day was not compacted");
                    told(&Err(copy(error)));
                }
            })
            .collect()
            .await
    }

    /// The second step: the year's indexes and table, after the days of `manifests` were looked at.
    pub(super) async fn year(&self, symbol: &Symbol, year: i32, manifests: &[Manifest]) -> Result<Outcome> {
        let done = year::update(&self.store, symbol, year, manifests, self.clock.now()).await;
        done.map(|published| Outcome::of(&published))
            .map_err(|error| error.while_doing(format!("the year {year} of {symbol}")))
    }

    fn permits(&self, bytes: u64) -> u32 {
        let all = u32::try_from(self.options.memory_bytes >> 20).unwrap_or(u32::MAX).max(1);
        u32::try_from(bytes >> 20).unwrap_or(u32::MAX).clamp(1, all)
    }

    async fn day(
        &self,
        day: &Day,
        bytes: u64,
        budget: &Semaphore,
        shelf: Option<&Shelf>,
    ) -> Result<(Published, Published)> {
        let wanted = bytes.saturating_mul(MEMORY_PER_BYTE).max(LEAST_MEMORY);
        for _ in 0..ATTEMPTS {
            match self.try_day(day, self.permits(wanted), budget, shelf).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    tracing::debug!(symbol = %day.symbol, date = %day.date, "another compactor was first; reading again");
                }
                done => {
                    return done.map_err(|error| error.while_doing(format!("compacting {} {}", day.symbol, day.date)));
                }
            }
        }
        let detail = format!("{} {} is published by others all the time; run it again", day.symbol, day.date);
        Err(Error::new(ErrorKind::Conflict, detail))
    }

    async fn try_day(
        &self,
        day: &Day,
        permits: u32,
        budget: &Semaphore,
        shelf: Option<&Shelf>,
    ) -> Result<(Published, Published)> {
        let instrument = self.instrument(&day.symbol)?;
        // Read what stands there first and list the captures after it: so a partition made from fewer captures can
        // never replace one made from more.
        let rows_id = PartitionId::day(GREEKS, &day.symbol, day.date);
        let minutes_id = PartitionId::day(GREEKS_BY_MINUTE, &day.symbol, day.date);
        let rows_before = before(&self.store, &rows_id).await?;
        let minutes_before = before(&self.store, &minutes_id).await?;
        let captures = self.captures(day).await?;
        // What was closed stays closed: a clock that is behind must not open the day again.
        let settings = instrument.settings_fingerprint();
        let was_closed = [&rows_before, &minutes_before].into_iter().filter_map(|before| before.manifest.as_ref()).any(
            |(manifest, _)| {
                let made = &manifest.content.calculation;
                made.session_closed && made.settings == settings
            },
        );
        let by_clock = instrument.session(day.date).is_none_or(|session| session.close <= self.clock.now());
        let closed = by_clock || was_closed;
        let named: Vec<(&str, &str)> = captures.iter().map(|(dataset, id, _)| (*dataset, id.as_str())).collect();
        let calculation = calculation(&instrument, closed);
        if stale(&rows_before, &named, &calculation).is_none()
            && stale(&minutes_before, &named, &calculation).is_none()
            && let (Some((rows, _)), Some((minutes, _))) = (&rows_before.manifest, &minutes_before.manifest)
        {
            if closed && let Some(shelf) = shelf {
                shelf.forget(day);
            }
            return Ok((Published::Unchanged(rows.clone()), Published::Unchanged(minutes.clone())));
        }

        replaceable(&rows_before)?;
        replaceable(&minutes_before)?;
        // An open day keeps its revision whatever it holds.
        for (id, before) in [(&minutes_id, &minutes_before), (&rows_id, &rows_before)] {
            let is_made_again = |content: &Content| outdated(content, &named, &calculation).is_none();
            if closed && interrupted::record(&self.store, id, before, is_made_again, self.clock.now()).await? {
                return Err(Error::new(ErrorKind::Conflict, format!("{id} had been left without its record")));
            }
        }

        let _memory =
            budget.acquire_many(permits).await.map_err(|_| Error::internal("the memory budget was closed"))?;
        // Only an open day is made again every minute.
        let shelf = shelf.filter(|_| !closed || rows_before.manifest.as_ref().is_some_and(is_pending));
        let parts = self.parts(day, captures, &instrument, shelf).await?;
        let date = day.date;
        let (rows, minutes) = tokio::task::spawn_blocking(move || assemble(&instrument, date, parts, closed))
            .await
            .map_err(stopped)??;
        // The manifest of the strike level comes last: where it is up to date, everything before it is.
        let minutes =
            publish(&self.store, &minutes_before, &BY_MINUTE, minutes.content, minutes.data, self.clock.now()).await?;
        let rows = publish(&self.store, &rows_before, &STRIKES, rows.content, rows.data, self.clock.now()).await?;
        if closed && let Some(shelf) = shelf {
            shelf.forget(day);
        }
        Ok((rows, minutes))
    }

    /// The day's captures, parsed, in order: from the shelf, or fetched and parsed now.
    async fn parts(
        &self,
        day: &Day,
        captures: Vec<(&'static str, String, String)>,
        instrument: &Arc<Instrument>,
        shelf: Option<&Shelf>,
    ) -> Result<Vec<Arc<ParsedCapture>>> {
        let found: Vec<Option<Arc<ParsedCapture>>> =
            captures.iter().map(|(dataset, id, _)| shelf.and_then(|shelf| shelf.get(day, dataset, id))).collect();
        let missing = captures.into_iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(capture, _)| capture);
        let captured: Vec<Captured> = stream::iter(missing)
            .map(|(dataset, id, key)| async move {
                let bytes = self.store.get(&key).await?.bytes;
                Ok::<_, Error>(Captured { dataset: dataset.to_owned(), id, bytes })
            })
            .buffered(8)
            .try_collect()
            .await?;
        let (date, instrument, instruments) = (day.date, Arc::clone(instrument), Arc::clone(&self.instruments));
        let parsed: Vec<Arc<ParsedCapture>> = tokio::task::spawn_blocking(move || {
            let parsed = |captured: Captured| parse(&captured, date, &instrument, &instruments, None).map(Arc::new);
            captured.into_iter().map(parsed).collect::<Result<_>>()
        })
        .await
        .map_err(stopped)??;
        if let Some(shelf) = shelf {
            shelf.keep(day, parsed.iter().cloned());
        }
        let mut parsed = parsed.into_iter();
        Ok(found.into_iter().filter_map(|found| found.or_else(|| parsed.next())).collect())
    }

    fn instrument(&self, symbol: &Symbol) -> Result<Arc<Instrument>> {
        self.instruments.get(symbol).cloned().ok_or_else(|| {
            Error::invalid(format!(
                "there are captures of {symbol}, which is not known; add it to _config/instruments.toml"
            ))
        })
    }

    /// The day's captures in the order they are read: (dataset, id, key).
    async fn captures(&self, day: &Day) -> Result<Vec<(&'static str, String, String)>> {
        let mut captures = Vec::new();
        for dataset in SOURCES {
            let listed: Vec<_> =
                self.store.list(&prefix::captures_on(dataset, &day.symbol, day.date)).try_collect().await?;
            let mut ids: Vec<(&str, String, String)> = listed
                .into_iter()
                .filter_map(|object| match object.key.parse() {
                    Ok(Key::Capture { id, .. }) => Some((dataset, id, object.key)),
                    _ => None,
                })
                .collect();
            ids.sort();
            captures.append(&mut ids);
        }
        Ok(captures)
    }
}

/// Manifests of the days that were looked at, by symbol and year.
pub(super) type Years = BTreeMap<(Symbol, i32), Vec<Manifest>>;

pub(super) fn add_to_years(years: &mut Years, day: &Day, (rows, minutes): &(Published, Published)) {
    let manifests = years.entry((day.symbol.clone(), day.date.year())).or_default();
    manifests.extend([rows, minutes].map(|published| published.manifest().clone()));
}

fn is_pending((manifest, _): &(Manifest, String)) -> bool {
    manifest.content.condition == Condition::Pending
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::internal("compaction stopped").caused_by(error)
}

/// An error to tell somebody else about; the original keeps its cause.
pub(super) fn copy(error: &Error) -> Error {
    Error::new(error.kind(), error.detail())
}
