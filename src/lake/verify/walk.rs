//! Goes through the lake: lists it once, then reads one day of one symbol after the other, a few at a time. Holds no opinion
//! about what is wrong; a writer may be at work meanwhile, so what looks wrong is read a second time before it is told.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::inventory::{DayObjects, Inventory, YearObjects};
use super::partition::{self, Checked, Stored};
use super::{Code, DayView, Finding, Report, Standing, Tenant, Told, YearView, capture, catalog, index};
use crate::lake::catalog::Catalog;
use crate::lake::dataset::{Cut, Dataset};
use crate::lake::layout::{Key, PartitionId};
use crate::lake::manifest::{Content, Manifest};
use crate::lake::store::Store;
use crate::lake::year_index::{DayEntry, YearIndex};
use crate::market::{Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};

/// Days in memory at once; a full one takes about 60 MB.
const DAYS_AT_ONCE: usize = 3;
/// Manifests of a year fetched at once.
const MANIFESTS_AT_ONCE: usize = 16;

/// What to verify; `None` stands for everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub symbol: Option<Symbol>,
}

/// Re-reads what the selection admits, of all rooms that live in the lake. `told` hears of each finding as it is made; the report holds all of them.
///
/// # Errors
/// Those of the store: what cannot be read cannot be judged. Damage is no error but a finding.
pub async fn verify(
    store: &Store,
    tenants: &[Tenant],
    selection: &Selection,
    told: &dyn Fn(Told<'_>),
) -> Result<Report> {
    let datasets: Vec<&'static Dataset> = tenants.iter().flat_map(|tenant| tenant.claim.datasets).copied().collect();
    let mut inventory = Inventory::default();
    let mut listing = store.list("");
    while let Some(object) = listing.try_next().await? {
        inventory.take(&object.key, &datasets, selection.symbol.as_ref());
    }
    let tenants: Arc<[Tenant]> = tenants.into();
    let walk = Walk { store, datasets: &datasets, tenants, told, done: Cell::new(0), of: inventory.days() };
    let mut report = Report { findings: std::mem::take(&mut inventory.findings), ..Report::default() };
    report.findings.iter().for_each(|finding| told(Told::Found(finding)));
    for ((symbol, year), objects) in &inventory.years {
        report.add(walk.year(symbol, *year, objects).await?);
    }
    // A catalog is of the whole lake: against one symbol's part of it everything else would look made up.
    if selection.symbol.is_none() {
        for dataset in &datasets {
            report.add(walk.catalog(dataset, &inventory).await?);
        }
    }
    for key in &inventory.rejected {
        report.add(walk.rejected(key).await?);
    }
    Ok(report)
}

struct Walk<'a> {
    store: &'a Store,
    datasets: &'a [&'static Dataset],
    tenants: Arc<[Tenant]>,
    told: &'a dyn Fn(Told<'_>),
    done: Cell<u64>,
    of: u64,
}

/// What the partitions of a day or the tables of a year gave.
#[derive(Default)]
struct Partitions {
    report: Report,
    /// What is known of each dataset's partition.
    contents: BTreeMap<&'static str, Option<Content>>,
}

impl Walk<'_> {
    async fn year(&self, symbol: &Symbol, year: i32, objects: &YearObjects) -> Result<Report> {
        let mut report = Report::default();
        let mut doubtful = BTreeSet::new();
        let mut days = stream::iter(&objects.days)
            .map(|(date, objects)| async move { self.day(symbol, *date, objects).await.map(|part| (*date, part)) })
            .buffered(DAYS_AT_ONCE);
        while let Some((date, (part, damaged))) = days.try_next().await? {
            doubtful.extend(damaged.into_iter().map(|dataset| (dataset, date)));
            self.tell(&part);
            report.add(part);
            self.done.set(self.done.get() + 1);
            (self.told)(Told::Days { done: self.done.get(), of: self.of });
        }
        let mut whole = self.year_objects(symbol, year, objects, &doubtful).await?;
        if whole.damaged() {
            whole = self.year_objects(symbol, year, objects, &doubtful).await?;
        }
        self.tell(&whole);
        report.add(whole);
        Ok(report)
    }

    fn tell(&self, report: &Report) {
        report.findings.iter().for_each(|finding| (self.told)(Told::Found(finding)));
    }

    /// What one day gave, and the datasets whose partitions of it are in doubt.
    async fn day(
        &self,
        symbol: &Symbol,
        date: TradingDate,
        objects: &DayObjects,
    ) -> Result<(Report, BTreeSet<&'static str>)> {
        let mut found = self.partitions(symbol, date, &objects.datasets).await?;
        if found.report.damaged() {
            found = self.partitions(symbol, date, &objects.datasets).await?;
        }
        let doubtful = self.in_doubt(&found.report);
        let mut report = found.report;
        self.captures(symbol, date, objects, &found.contents, &mut report).await?;
        Ok((report, doubtful))
    }

    /// What is damaged of a room puts all that it made of the day in doubt, and nothing of other rooms.
    fn in_doubt(&self, report: &Report) -> BTreeSet<&'static str> {
        let damage = report.findings.iter().filter(|finding| finding.is_damage());
        let rooms = damage.flat_map(|finding| {
            let dataset = match finding.key.parse() {
                Ok(Key::Partition(id) | Key::Manifest(id)) => Some(id.dataset),
                _ => None,
            };
            let of = move |tenant: &&Tenant| dataset.as_ref().is_none_or(|dataset| tenant.claim.owns(dataset));
            self.tenants.iter().filter(of)
        });
        rooms.flat_map(|tenant| tenant.claim.datasets).map(|dataset| dataset.name).collect()
    }

    async fn partitions(
        &self,
        symbol: &Symbol,
        date: TradingDate,
        datasets: &BTreeSet<&'static str>,
    ) -> Result<Partitions> {
        let tenants = Arc::clone(&self.tenants);
        let wanted: Vec<_> =
            self.named(datasets).map(|dataset| (dataset, PartitionId::day(dataset.name, symbol, date))).collect();
        let stored = self.stored(wanted).await?;
        let mut view = DayView { symbol: symbol.clone(), date, partitions: BTreeMap::new() };
        blocking(move || {
            let mut found = Partitions::default();
            view.partitions = found.take(stored);
            found.report.findings.extend(tenants.iter().flat_map(|tenant| tenant.checks.day(&view)));
            found
        })
        .await
    }

    fn named(&self, names: &BTreeSet<&'static str>) -> impl Iterator<Item = &'static Dataset> {
        self.datasets.iter().copied().filter(|dataset| names.contains(dataset.name))
    }

    /// Fetches both objects of each partition; one that is gone since the listing is left out.
    async fn stored(
        &self,
        wanted: Vec<(&'static Dataset, PartitionId)>,
    ) -> Result<Vec<(&'static Dataset, PartitionId, Stored)>> {
        let mut stored = Vec::with_capacity(wanted.len());
        for (dataset, id) in wanted {
            let manifest = self.get(&id.manifest_key()).await?;
            let data = self.get(&id.data_key()).await?;
            if manifest.is_some() || data.is_some() {
                stored.push((dataset, id, Stored { manifest, data }));
            }
        }
        Ok(stored)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        match self.store.get(key).await {
            Ok(object) => Ok(Some(object.bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn captures(
        &self,
        symbol: &Symbol,
        date: TradingDate,
        objects: &DayObjects,
        contents: &BTreeMap<&'static str, Option<Content>>,
        report: &mut Report,
    ) -> Result<()> {
        let named: BTreeSet<(String, String)> = contents
            .values()
            .flatten()
            .flat_map(|content| &content.captures)
            .map(|capture| (capture.dataset.clone(), capture.id.clone()))
            .collect();
        // Where a record is lost nobody can say what was compacted; what no room makes days of never is.
        let judged = |source: &str| {
            let mut readers = self.tenants.iter().filter(|tenant| tenant.claim.reads(source)).peekable();
            readers.peek().is_some()
                && readers.all(|tenant| {
                    let mut own = contents.iter().filter(|(dataset, _)| tenant.claim.owns(dataset));
                    own.all(|(_, content)| content.is_some())
                })
        };
        for (dataset, id) in named.union(&objects.captures) {
            let key =
                Key::Capture { dataset: dataset.clone(), symbol: symbol.clone(), date, id: id.clone() }.to_string();
            let Some(bytes) = self.get(&key).await? else {
                let detail = format!("the manifests of {symbol} {date} say that they were made from it");
                report.findings.push(Finding::new(Code::CaptureMissing, key, detail));
                continue;
            };
            report.captures += 1;
            report.bytes += bytes.len() as u64;
            if judged(dataset) && !named.contains(&(dataset.clone(), id.clone())) {
                let detail = format!("no partition of {symbol} {date} was made from it");
                report.findings.push(Finding::new(Code::NotCompacted, key.clone(), detail));
            }
            let id = id.clone();
            report.findings.extend(blocking(move || capture::check_capture(&key, &id, bytes)).await?);
        }
        Ok(())
    }

    async fn catalog(&self, dataset: &'static Dataset, inventory: &Inventory) -> Result<Report> {
        let key = Catalog::key(dataset.name);
        let look = || async {
            let found = self.get(&key).await?;
            let found = found.map(|bytes| Catalog::parse(&bytes, &key).map_err(|error| error.detail().to_owned()));
            Ok::<_, Error>(catalog::check(dataset, found, inventory))
        };
        let found = if look().await?.is_some() { look().await? } else { None };
        let report = Report { findings: found.into_iter().collect(), ..Report::default() };
        self.tell(&report);
        Ok(report)
    }

    async fn rejected(&self, key: &str) -> Result<Report> {
        let mut report = Report::default();
        if let Some(bytes) = self.get(key).await? {
            report.captures = 1;
            report.bytes = bytes.len() as u64;
            let key = key.to_owned();
            report.findings.extend(blocking(move || capture::check_rejected(&key, bytes)).await?);
        }
        self.tell(&report);
        Ok(report)
    }

    /// The year's tables and indexes against the manifests of its days.
    async fn year_objects(
        &self,
        symbol: &Symbol,
        year: i32,
        objects: &YearObjects,
        doubtful: &BTreeSet<(&'static str, TradingDate)>,
    ) -> Result<Report> {
        let mut found = Partitions::default();
        let mut view = YearView {
            symbol: symbol.clone(),
            year,
            tables: BTreeMap::new(),
            days: BTreeMap::new(),
            doubtful: doubtful.clone(),
        };
        for dataset in self.datasets.iter().copied().filter(|dataset| dataset.cut == Cut::Day) {
            let id = PartitionId::year(dataset.name, symbol, year);
            let doubtful: BTreeSet<TradingDate> =
                doubtful.iter().filter(|(name, _)| *name == dataset.name).map(|(_, date)| *date).collect();
            let index: index::Found = self
                .get(&id.manifest_key())
                .await?
                .map(|bytes| YearIndex::parse(&bytes, &id.manifest_key()).map_err(|error| error.detail().to_owned()));
            let listed =
                |date: TradingDate| objects.days.get(&date).is_some_and(|day| day.datasets.contains(dataset.name));
            let only_in_index = index::known_only_here(&index, listed);
            let dates = objects.days.keys().copied().filter(|date| listed(*date)).chain(only_in_index.iter().copied());
            let dates: BTreeSet<TradingDate> = dates.filter(|date| !doubtful.contains(date)).collect();
            let entries = self.entries(dataset.name, symbol, dates).await?;
            for date in only_in_index {
                let id = PartitionId::day(dataset.name, symbol, date);
                if !entries.iter().any(|entry| entry.date == date) && !doubtful.contains(&date) {
                    let detail =
                        format!("{} names this day; neither its file nor its manifest is there", id.manifest_key());
                    found.report.findings.push(Finding::new(Code::PartitionMissing, id.data_key(), detail));
                    let room = self.tenants.iter().find(|tenant| tenant.claim.owns(dataset.name));
                    let beside = room.into_iter().flat_map(|tenant| tenant.claim.datasets);
                    view.doubtful.extend(beside.map(|dataset| (dataset.name, date)));
                }
            }
            found.report.findings.extend(index::check(&id, &index, &entries, &doubtful));
            view.days.insert(dataset.name, entries);
        }
        let tables =
            self.named(&objects.tables).map(|dataset| (dataset, PartitionId::year(dataset.name, symbol, year)));
        let stored = self.stored(tables.collect()).await?;
        let tenants = Arc::clone(&self.tenants);
        blocking(move || {
            view.tables = found.take(stored);
            found.report.findings.extend(tenants.iter().flat_map(|tenant| tenant.checks.year(&view)));
            found.report
        })
        .await
    }

    /// What the manifests of these days say. A day without a readable manifest is left out: that was told before.
    async fn entries(&self, dataset: &str, symbol: &Symbol, dates: BTreeSet<TradingDate>) -> Result<Vec<DayEntry>> {
        let found: Vec<Option<DayEntry>> = stream::iter(dates)
            .map(|date| async move {
                let key = PartitionId::day(dataset, symbol, date).manifest_key();
                let manifest = self.get(&key).await?.and_then(|bytes| Manifest::parse(&bytes, &key).ok());
                Ok::<_, Error>(manifest.as_ref().and_then(DayEntry::of))
            })
            .buffered(MANIFESTS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }
}

impl Partitions {
    fn take(&mut self, stored: Vec<(&'static Dataset, PartitionId, Stored)>) -> BTreeMap<&'static str, Standing> {
        let mut standings = BTreeMap::new();
        for (dataset, id, stored) in stored {
            let Checked { findings, content, standing, rows, bytes } = partition::check(dataset, &id, stored);
            self.report.findings.extend(findings);
            self.report.partitions += 1;
            self.report.rows += rows;
            self.report.bytes += bytes;
            self.contents.insert(dataset.name, content);
            standings.insert(dataset.name, standing);
        }
        standings
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal("verification stopped").caused_by(error))
}
