//! The second step of compaction: from day manifests to the year's indexes, the room's year table, and what other rooms make of
//! these days. One task per symbol and year, so that parallel days never fight over one object.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use futures::future::BoxFuture;

use super::compactor::Compactor;
use super::plan::replaceable;
use super::recipe::YearTable;
use crate::lake::catalog;
use crate::lake::dataset::Dataset;
use crate::lake::interrupted;
use crate::lake::layout::{Key, PartitionId, prefix};
use crate::lake::manifest::{Calculation, Condition, Content, Counts, Manifest};
use crate::lake::partition;
use crate::lake::publish::{Published, before, publish};
use crate::lake::store::Store;
use crate::lake::year_index::{self, DayEntry, YearIndex};
use crate::market::{Instruments, Symbol};
use crate::{Error, ErrorKind, Result};

const ATTEMPTS: u32 = 20;

/// What another room makes of a year's days once they are published: a year's table of its own, by whatever calculation. Run
/// after the indexes of the days; whatever fails here leaves the days as they are, and is run again with the next ones.
pub trait YearStep: Send + Sync {
    /// Datasets that it writes.
    fn datasets(&self) -> &'static [&'static Dataset];

    /// Brings its tables of the year up to date and gives what became of each, and what of the year failed.
    ///
    /// # Errors
    /// Its own; `Conflict` when others kept publishing the same year.
    fn year<'a>(&'a self, task: YearTask<'a>) -> BoxFuture<'a, Result<Brought>>;
}

/// What a step made of a year.
#[derive(Debug, Default)]
pub struct Brought {
    pub published: Vec<Published>,
    /// What failed of it; the rest was done.
    pub failed: Vec<Error>,
}

/// A year to bring up to date.
#[derive(Clone, Copy)]
pub struct YearTask<'a> {
    pub store: &'a Store,
    pub instruments: &'a Arc<Instruments>,
    pub symbol: &'a Symbol,
    pub year: i32,
    /// Manifests of the days that were looked at, of all datasets of the recipe.
    pub manifests: &'a [Manifest],
    /// Whether these are all there are, and nothing else that stands there is to be trusted.
    pub scope: Scope,
    pub now: DateTime<Utc>,
}

/// Which days of the year the manifests are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that were looked at; the others stand as they are.
    LookedAt,
    /// All.
    All,
}

impl Compactor {
    /// Brings the year up to date; gives what became of its tables, and what failed.
    pub(super) async fn bring_year(
        &self,
        symbol: &Symbol,
        year: i32,
        manifests: &[Manifest],
        scope: Scope,
    ) -> (Vec<Published>, Vec<Error>) {
        let mut done = Vec::new();
        let task = YearTask {
            store: &self.store,
            instruments: &self.instruments,
            symbol,
            year,
            manifests,
            scope,
            now: self.clock.now(),
        };
        match self.own_year(task).await {
            Ok(table) => done.extend(table),
            Err(error) => return (done, vec![error]),
        }
        let mut failed = Vec::new();
        for step in &self.then {
            match step.year(task).await {
                Ok(brought) => {
                    done.extend(brought.published);
                    failed.extend(brought.failed);
                }
                Err(error) => {
                    failed.push(error);
                    break;
                }
            }
        }
        (done, failed)
    }

    /// The indexes of the recipe's own datasets, and its table.
    async fn own_year(&self, task: YearTask<'_>) -> Result<Option<Published>> {
        let (days, table) = (self.recipe.days(), self.recipe.year_table());
        let YearTask { store, symbol, year, .. } = task;
        // Named before the indexes are there: a mirror must never pass the instant at which an index came to say something in a year
        // that nobody knew of.
        let tables = table.iter().map(|table| table.dataset);
        let later = self.then.iter().flat_map(|step| step.datasets());
        for dataset in days.iter().copied().chain(tables).chain(later.copied()) {
            catalog::add(store, dataset.name, symbol, year).await?;
        }
        let Some((leading, others)) = days.split_first() else { return Ok(None) };
        for dataset in others {
            index(task, dataset).await?;
        }
        match table {
            Some(table) => self.table(task, leading, table).await.map(Some),
            None => index(task, leading).await.map(|_| None),
        }
    }

    /// The room's table of the year, from the leading dataset's index.
    async fn table(&self, task: YearTask<'_>, leading: &Dataset, table: YearTable) -> Result<Published> {
        let YearTask { store, symbol, year, now, .. } = task;
        let recipe = &*self.recipe;
        for _ in 0..ATTEMPTS {
            // What stands there is read before the index, so that a table made from an older index can never replace one
            // made from a newer one.
            let id = PartitionId::year(table.dataset.name, symbol, year);
            let before = before(store, &id).await?;
            let index = index(task, leading).await?;
            let content = content(table.dataset, recipe.version(), &index);
            if let Some((manifest, _)) = &before.manifest
                && recipe.is_newer(&manifest.content.calculation.version)
                && before.data.is_some()
                && manifest.content.details == content.details
            {
                return Ok(Published::Unchanged(manifest.clone()));
            }
            replaceable(&before, recipe)?;
            if interrupted::record(store, &id, &before, |footer| *footer == content, now).await? {
                continue;
            }
            let data = partition::encode(table.dataset, &[(table.rows)(&index.days)?], &content)?;
            match publish(store, &before, table.dataset, content, data, now).await {
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                published => return published,
            }
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("{symbol} {year} is published by others all the time; run it again"),
        ))
    }

    /// All manifests of a year's days, of every dataset of the recipe.
    pub(super) async fn year_manifests(&self, symbol: &Symbol, year: i32) -> Result<Vec<Manifest>> {
        let mut manifests = Vec::new();
        for dataset in self.recipe.days() {
            let under = format!("{}/symbol={symbol}", prefix::manifests(dataset.name));
            let listed: Vec<_> = self.store.list(&under).try_collect().await?;
            for object in listed {
                if let Ok(Key::Manifest(id)) = object.key.parse::<Key>()
                    && id.period.day().is_some_and(|date| date.year() == year)
                {
                    manifests.push(Manifest::parse(&self.store.get(&object.key).await?.bytes, &object.key)?);
                }
            }
        }
        Ok(manifests)
    }
}

/// Brings one dataset's index of the year up to date.
async fn index(task: YearTask<'_>, dataset: &Dataset) -> Result<YearIndex> {
    let YearTask { store, symbol, year, manifests, scope, now, .. } = task;
    let own = manifests.iter().filter(|manifest| manifest.content.dataset == dataset.name);
    let own: Vec<Manifest> = own.cloned().collect();
    year_index::update(store, (dataset.name, symbol, year), &own, scope == Scope::All, now).await
}

fn content(dataset: &Dataset, version: &str, index: &YearIndex) -> Content {
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
        dataset: dataset.name.to_owned(),
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
            version: version.to_owned(),
            settings: String::new(),
            session_closed: condition != Condition::Pending,
        },
        captures: Vec::new(),
        details: serde_json::json!({ "days": days }),
    }
}
