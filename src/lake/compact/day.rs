//! One day of one symbol: what stands there, which captures there are, and what has to be made of them. Holds no opinion of its
//! own about what the rows are.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::Semaphore;

use super::compactor::Compactor;
use super::plan::{Day, outdated, replaceable, stale};
use super::recipe::{Captured, Derived, Parsed, Parts};
use super::shelf::Shelf;
use crate::lake::dataset::Dataset;
use crate::lake::interrupted;
use crate::lake::layout::{Key, PartitionId, prefix};
use crate::lake::manifest::{Calculation, Condition, Content};
use crate::lake::publish::{Before, Published, before, publish};
use crate::market::{Instrument, Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};

/// Captures fetched ahead.
const FETCHED_AHEAD: usize = 8;

/// A partition of the day and what stands there.
pub(super) struct Standing {
    pub dataset: &'static Dataset,
    pub id: PartitionId,
    pub before: Before,
}

/// A capture of the day: its dataset, id and key.
type Named = (&'static str, String, String);

impl Compactor {
    /// One try: `Conflict` says that somebody was first.
    pub(super) async fn try_day(
        &self,
        day: &Day,
        permits: u32,
        budget: &Semaphore,
        shelf: Option<&Shelf>,
    ) -> Result<Vec<Published>> {
        let recipe = &*self.recipe;
        let instrument = self.instrument(&day.symbol)?;
        // Read what stands there first and list the captures after it: so a partition made from fewer captures can
        // never replace one made from more.
        let standing = self.standing(&day.symbol, day.date).await?;
        let captures = self.captures(day).await?;
        let calculation = self.calculation(&instrument, day.date, &standing);
        let closed = calculation.session_closed;
        let named: Vec<(&str, &str)> = captures.iter().map(|(dataset, id, _)| (*dataset, id.as_str())).collect();
        let as_it_is = |standing: &Standing| match &standing.before.manifest {
            Some((manifest, _)) if stale(&standing.before, &named, &calculation, recipe).is_none() => {
                Some(Published::Unchanged(manifest.clone()))
            }
            _ => None,
        };
        if let Some(unchanged) = standing.iter().map(as_it_is).collect() {
            if closed && let Some(shelf) = shelf {
                shelf.forget(day);
            }
            return Ok(unchanged);
        }

        standing.iter().try_for_each(|standing| replaceable(&standing.before, recipe))?;
        // An open day keeps its revision whatever it holds.
        for Standing { id, before, .. } in standing.iter().rev() {
            let is_made_again = |content: &Content| outdated(content, &named, &calculation, recipe).is_none();
            if closed && interrupted::record(&self.store, id, before, is_made_again, self.clock.now()).await? {
                return Err(Error::new(ErrorKind::Conflict, format!("{id} had been left without its record")));
            }
        }

        let _memory =
            budget.acquire_many(permits).await.map_err(|_| Error::internal("the memory budget was closed"))?;
        // Only an open day is made again every minute.
        let shelf = shelf.filter(|_| !closed || standing.first().is_some_and(is_pending));
        let parts = self.parts(day, captures, &instrument, shelf).await?;
        let (date, recipe) = (day.date, Arc::clone(&self.recipe));
        let derived = tokio::task::spawn_blocking(move || recipe.assemble(&instrument, date, parts, &calculation))
            .await
            .map_err(stopped)??;
        let mut published = Vec::with_capacity(standing.len());
        // The record of the leading dataset comes last: where it is up to date, everything before it is.
        for (Standing { dataset, before, .. }, derived) in matched(&standing, derived)?.into_iter().rev() {
            let Derived { data, content } = derived;
            published.push(publish(&self.store, before, dataset, content, data, self.clock.now()).await?);
        }
        published.reverse();
        if closed && let Some(shelf) = shelf {
            shelf.forget(day);
        }
        Ok(published)
    }

    /// The day's partitions as they stand there, the leading one first.
    pub(super) async fn standing(&self, symbol: &Symbol, date: TradingDate) -> Result<Vec<Standing>> {
        let mut standing = Vec::new();
        for dataset in self.recipe.days() {
            let id = PartitionId::day(dataset.name, symbol, date);
            let before = before(&self.store, &id).await?;
            standing.push(Standing { dataset, id, before });
        }
        Ok(standing)
    }

    /// What would make the day's numbers now.
    pub(super) fn calculation(&self, instrument: &Instrument, date: TradingDate, standing: &[Standing]) -> Calculation {
        let mut calculation = Calculation {
            version: self.recipe.version().to_owned(),
            settings: self.recipe.settings(instrument),
            session_closed: self.recipe.is_closed(instrument, date, self.clock.now()),
        };
        // What was closed stays closed: a clock that is behind must not open the day again.
        calculation.session_closed |=
            standing.iter().filter_map(|standing| standing.before.manifest.as_ref()).any(|(manifest, _)| {
                let made = &manifest.content.calculation;
                made.session_closed && made.settings == calculation.settings
            });
        calculation
    }

    /// The day's captures, parsed, in order: from the shelf, or fetched and parsed now.
    async fn parts(
        &self,
        day: &Day,
        captures: Vec<Named>,
        instrument: &Arc<Instrument>,
        shelf: Option<&Shelf>,
    ) -> Result<Parts> {
        let found: Vec<Option<Arc<dyn Parsed>>> =
            captures.iter().map(|(dataset, id, _)| shelf.and_then(|shelf| shelf.get(day, dataset, id))).collect();
        let missing = captures.into_iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(capture, _)| capture);
        let captured: Vec<Captured> = stream::iter(missing)
            .map(|(dataset, id, key)| async move {
                let bytes = self.store.get(&key).await?.bytes;
                Ok::<_, Error>(Captured { dataset: dataset.to_owned(), id, bytes })
            })
            .buffered(FETCHED_AHEAD)
            .try_collect()
            .await?;
        let parsed = self.parsed(captured, day.date, instrument).await?;
        if let Some(shelf) = shelf {
            shelf.keep(day, parsed.iter().cloned());
        }
        let mut parsed = parsed.into_iter();
        Ok(Parts::new(found.into_iter().filter_map(|found| found.or_else(|| parsed.next())).collect()))
    }

    /// Parses captures, in order, on the blocking pool; each one's bytes are let go when it is parsed.
    pub(super) async fn parsed(
        &self,
        captured: Vec<Captured>,
        date: TradingDate,
        instrument: &Arc<Instrument>,
    ) -> Result<Vec<Arc<dyn Parsed>>> {
        let (recipe, instrument) = (Arc::clone(&self.recipe), Arc::clone(instrument));
        let instruments = Arc::clone(&self.instruments);
        tokio::task::spawn_blocking(move || {
            let parsed = |captured: Captured| recipe.parse(&captured, date, &instrument, &instruments);
            captured.into_iter().map(parsed).collect()
        })
        .await
        .map_err(stopped)?
    }

    /// # Errors
    /// `Invalid`, with what to do about it.
    pub(super) fn instrument(&self, symbol: &Symbol) -> Result<Arc<Instrument>> {
        self.instruments.get(symbol).cloned().ok_or_else(|| {
            Error::invalid(format!(
                "there are captures of {symbol}, which is not known; add it to _config/instruments.toml"
            ))
        })
    }

    /// The day's captures in the order they are read.
    pub(super) async fn captures(&self, day: &Day) -> Result<Vec<Named>> {
        let mut captures = Vec::new();
        for &dataset in self.recipe.sources() {
            let listed: Vec<_> =
                self.store.list(&prefix::captures_on(dataset, &day.symbol, day.date)).try_collect().await?;
            let mut ids: Vec<Named> = listed
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

/// Each partition with what was derived for it.
///
/// # Errors
/// `Internal` when the recipe did not make what it says that it makes.
pub(super) fn matched(standing: &[Standing], derived: Vec<Derived>) -> Result<Vec<(&Standing, Derived)>> {
    let made = derived.iter().map(|derived| derived.content.dataset.as_str());
    if !made.eq(standing.iter().map(|standing| standing.dataset.name)) {
        return Err(Error::internal("a recipe made other datasets than it names; nothing was published"));
    }
    Ok(standing.iter().zip(derived).collect())
}

fn is_pending(standing: &Standing) -> bool {
    let manifest = standing.before.manifest.as_ref();
    manifest.is_some_and(|(manifest, _)| manifest.content.condition == Condition::Pending)
}

pub(super) fn stopped(error: tokio::task::JoinError) -> Error {
    Error::internal("compaction stopped").caused_by(error)
}
