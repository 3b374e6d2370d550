//! Carries out a plan: days side by side within a bound of memory, then the years they lie in. What becomes of one day is
//! [`super::day`]'s, of one year [`super::year`]'s.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::plan::{Day, Selection, plan};
use super::recipe::Recipe;
use super::shelf::Shelf;
use super::year::{Scope, YearStep};
use crate::lake::layout::{Key, prefix};
use crate::lake::manifest::{Condition, Manifest};
use crate::lake::publish::Published;
use crate::lake::store::Store;
use crate::market::{Instruments, SharedClock, Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};

/// How often a lost race is run again before it is told.
const ATTEMPTS: u32 = 20;
/// Days looked at concurrently; most need two requests and no work.
const LOOKED_AT: usize = 32;
/// The least memory that is reserved for a day.
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
    /// Of what was published, or stood there already.
    pub fn of(published: &Published) -> Self {
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

/// Compacts one room's captures in one lake.
#[derive(Clone)]
pub struct Compactor {
    pub recipe: Arc<dyn Recipe>,
    pub store: Store,
    pub instruments: Arc<Instruments>,
    pub clock: SharedClock,
    pub options: CompactOptions,
    /// What other rooms make of the days, in order.
    pub(super) then: Vec<Arc<dyn YearStep>>,
}

impl Compactor {
    pub fn new(
        recipe: Arc<dyn Recipe>,
        store: Store,
        instruments: Arc<Instruments>,
        clock: SharedClock,
        options: CompactOptions,
    ) -> Self {
        Self { recipe, store, instruments, clock, options, then: Vec::new() }
    }

    /// The same, with what another room makes of a year after its days.
    pub fn then(mut self, step: Arc<dyn YearStep>) -> Self {
        self.then.push(step);
        self
    }

    /// Days with captures that the selection admits.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn plan(&self, selection: &Selection) -> Result<Vec<(Day, u64)>> {
        let mut keys = Vec::new();
        for dataset in self.recipe.sources() {
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
                Ok(published) => {
                    outcomes.extend(published.iter().map(|published| Ok(Outcome::of(published))));
                    add_to_years(&mut years, &day, &published);
                }
                Err(error) => outcomes.push(Err(error)),
            }
        }
        for ((symbol, year), manifests) in years {
            let of_year = self.year(&symbol, year, &manifests).await;
            of_year.iter().for_each(told);
            outcomes.extend(of_year);
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
    ) -> Vec<(Day, Result<Vec<Published>>)> {
        let budget = Arc::new(Semaphore::new(self.permits(u64::MAX) as usize));
        stream::iter(days)
            .map(|(day, bytes)| {
                let budget = Arc::clone(&budget);
                async move { (day.clone(), self.day(day, *bytes, &budget, shelf).await) }
            })
            .buffer_unordered(LOOKED_AT)
            .inspect(|(day, result)| match result {
                Ok(published) => published.iter().for_each(|published| told(&Ok(Outcome::of(published)))),
                Err(error) => {
                    tracing::warn!(symbol = %day.symbol, date = %day.date, %error, "a day was not compacted");
                    told(&Err(copy(error)));
                }
            })
            .collect()
            .await
    }

    /// The second step: the year's indexes and tables, after the days of `manifests` were looked at.
    pub(super) async fn year(&self, symbol: &Symbol, year: i32, manifests: &[Manifest]) -> Vec<Result<Outcome>> {
        let (done, failed) = self.bring_year(symbol, year, manifests, Scope::LookedAt).await;
        let failed = failed.into_iter().map(|error| Err(error.while_doing(format!("the year {year} of {symbol}"))));
        done.iter().map(|published| Ok(Outcome::of(published))).chain(failed).collect()
    }

    fn permits(&self, bytes: u64) -> u32 {
        let all = u32::try_from(self.options.memory_bytes >> 20).unwrap_or(u32::MAX).max(1);
        u32::try_from(bytes >> 20).unwrap_or(u32::MAX).clamp(1, all)
    }

    async fn day(&self, day: &Day, bytes: u64, budget: &Semaphore, shelf: Option<&Shelf>) -> Result<Vec<Published>> {
        let wanted = bytes.saturating_mul(self.recipe.memory_per_byte()).max(LEAST_MEMORY);
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
}

/// Manifests of the days that were looked at, by symbol and year.
pub(super) type Years = BTreeMap<(Symbol, i32), Vec<Manifest>>;

pub(super) fn add_to_years(years: &mut Years, day: &Day, published: &[Published]) {
    let manifests = years.entry((day.symbol.clone(), day.date.year())).or_default();
    manifests.extend(published.iter().map(|published| published.manifest().clone()));
}

/// An error to tell somebody else about; the original keeps its cause.
pub(super) fn copy(error: &Error) -> Error {
    Error::new(error.kind(), error.detail())
}
