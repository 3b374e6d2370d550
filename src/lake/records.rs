//! The partitions of one dataset and symbol, each as its record says: what lists of files and of changes are made from.
//! Reads indexes and manifests through the cache, never a partition, and never lists.
//!
//! # Missing nothing
//! A day's file is put first, its manifest second, its line in the year's index last, by a step that may come much later
//! when a compaction dies in between. So a mirror cannot go by `published_at`: an old one may become visible after a newer
//! one. It goes by `listed_at`, which the index gives to a line when it is written and which only grows within one index. Between
//! indexes of several years two writers may be under way at once; [`next_since`] therefore stays [`LAG`] behind the clock,
//! which covers a put that takes its time, what the cache repeats, and clocks that differ. What a mirror is then told
//! twice it recognises by its sha256.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};

use super::cache::Freshness;
use super::dataset::{Cut, Dataset};
use super::indexes::Indexes;
use super::layout::PartitionId;
use super::manifest::{Change, Condition, Manifest};
use super::year_index::{DayEntry, YearIndex};
use crate::market::{Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};

/// How far the instant to ask from next stays behind the clock.
pub const LAG: TimeDelta = TimeDelta::minutes(5);
/// Spans of so many days are answered from the manifests themselves: who asks for one day wants to know what the file is
/// now, even while the year's index is still to be written.
const FROM_MANIFESTS_DAYS: usize = 7;
/// Objects read at a time.
const READS: usize = 8;

/// One partition as its record says.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub id: PartitionId,
    pub bytes: u64,
    pub rows: u64,
    /// Of the file, in lower-case hex.
    pub sha256: String,
    pub revision: u32,
    pub condition: Condition,
    pub published_at: DateTime<Utc>,
    /// When the revision could be seen in lists.
    pub listed_at: DateTime<Utc>,
    /// `None` for first revisions and for days still open.
    pub change: Option<Change>,
}

impl Record {
    fn of_day(index: &YearIndex, day: &DayEntry) -> Self {
        Self {
            id: PartitionId::day(&index.dataset, &index.symbol, day.date),
            bytes: day.bytes,
            rows: day.rows,
            sha256: day.sha256.clone(),
            revision: day.revision,
            condition: day.condition,
            published_at: day.published_at,
            listed_at: index.listed_at(day),
            change: day.change.clone(),
        }
    }

    fn of_manifest(id: PartitionId, manifest: Manifest) -> Self {
        Self {
            id,
            bytes: manifest.bytes,
            rows: manifest.content.rows,
            sha256: manifest.sha256,
            revision: manifest.revision,
            condition: manifest.content.condition,
            published_at: manifest.published_at,
            listed_at: manifest.published_at,
            change: manifest.change,
        }
    }
}

/// Which days are asked for, both ends inclusive; without one, from the first or to the last that is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    pub start: Option<TradingDate>,
    pub end: Option<TradingDate>,
}

impl Span {
    fn has_day(&self, date: TradingDate) -> bool {
        self.start.is_none_or(|start| start <= date) && self.end.is_none_or(|end| date <= end)
    }

    /// Whether some day of the year may be in it.
    fn touches(&self, year: i32) -> bool {
        self.start.is_none_or(|start| start.year() <= year) && self.end.is_none_or(|end| year <= end.year())
    }

    /// Whether a partition is in it, a year's when it holds one of the days.
    pub fn has(&self, id: &PartitionId) -> bool {
        id.period.day().map_or_else(|| self.touches(id.period.year()), |date| self.has_day(date))
    }

    /// All its days, when they are few.
    fn few_days(&self) -> Option<Vec<TradingDate>> {
        let (start, end) = (self.start?, self.end?);
        let mut days = Vec::new();
        let mut date = start;
        while date <= end {
            if days.len() == FROM_MANIFESTS_DAYS {
                return None;
            }
            days.push(date);
            date = date.next_day();
        }
        Some(days)
    }
}

/// Every partition of the span that the lake records, in order of time.
///
/// # Errors
/// Those of the store; `Corrupt` when an index or a manifest is damaged.
pub async fn records(indexes: &Indexes, dataset: &Dataset, symbol: &Symbol, span: Span) -> Result<Vec<Record>> {
    if dataset.cut == Cut::Day
        && let Some(days) = span.few_days()
    {
        let ids = days.into_iter().map(|date| PartitionId::day(dataset.name, symbol, date));
        return from_manifests(indexes, ids.collect()).await;
    }
    listed(indexes, dataset, symbol, span).await
}

/// The partitions whose revision was listed after `since`, in order of publication.
///
/// # Errors
/// As [`records`].
pub async fn changes(
    indexes: &Indexes,
    dataset: &Dataset,
    symbol: &Symbol,
    since: DateTime<Utc>,
) -> Result<Vec<Record>> {
    let mut records = listed(indexes, dataset, symbol, Span::default()).await?;
    records.retain(|record| record.listed_at > since);
    records.sort_by(|a, b| (a.published_at, &a.id).cmp(&(b.published_at, &b.id)));
    Ok(records)
}

/// What to give as the next `since` after an answer that was made from what was read after `now`. Never goes back.
pub fn next_since(now: DateTime<Utc>, since: Option<DateTime<Utc>>) -> DateTime<Utc> {
    let behind = now - LAG;
    let behind = behind.duration_trunc(TimeDelta::seconds(1)).unwrap_or(behind);
    since.map_or(behind, |since| since.max(behind))
}

async fn listed(indexes: &Indexes, dataset: &Dataset, symbol: &Symbol, span: Span) -> Result<Vec<Record>> {
    let catalog = indexes.catalog(dataset.name).await?;
    let years: Vec<i32> = catalog.years(symbol).filter(|year| span.touches(*year)).collect();
    if dataset.cut == Cut::Year {
        let ids = years.into_iter().map(|year| PartitionId::year(dataset.name, symbol, year));
        return from_manifests(indexes, ids.collect()).await;
    }
    let read = |year| indexes.year(dataset.name, symbol, year, Freshness::Open);
    let years: Vec<_> = stream::iter(years).map(read).buffered(READS).try_collect().await?;
    let mut records = Vec::new();
    for index in years.into_iter().flatten() {
        let days = index.days.iter().filter(|day| span.has_day(day.date));
        records.extend(days.map(|day| Record::of_day(&index, day)));
    }
    Ok(records)
}

/// Those of the partitions that have a manifest.
async fn from_manifests(indexes: &Indexes, ids: Vec<PartitionId>) -> Result<Vec<Record>> {
    let read = |id: PartitionId| async move {
        match indexes.manifest(&id).await {
            Ok(manifest) if manifest.content.id()? == id => Ok(Some(Record::of_manifest(id, manifest))),
            Ok(_) => {
                let key = id.manifest_key();
                Err(Error::corrupt(format!("{key} describes another partition; run `pitlake verify --repair`")))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    };
    let found: Vec<Option<Record>> = stream::iter(ids).map(read).buffered(READS).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_next_since_stays_behind_and_never_goes_back() {
        let now = instant("2025-01-15T15:00:00.7Z");
        assert_eq!(next_since(now, None), instant("2025-01-15T14:55:00Z"));
        assert_eq!(next_since(now, Some(instant("2025-01-01T00:00:00Z"))), instant("2025-01-15T14:55:00Z"));
        let later = instant("2025-01-15T14:59:00Z");
        assert_eq!(next_since(now, Some(later)), later);
    }

    #[test]
    fn a_span_has_its_ends() {
        let date = |text: &str| text.parse::<TradingDate>().unwrap();
        let span = |start: Option<&str>, end: Option<&str>| Span { start: start.map(date), end: end.map(date) };
        let both = span(Some("2024-12-30"), Some("2025-01-02"));
        assert!(both.has_day(date("2024-12-30")) && both.has_day(date("2025-01-02")));
        assert!(!both.has_day(date("2024-12-29")) && !both.has_day(date("2025-01-03")));
        assert!(both.touches(2024) && both.touches(2025) && !both.touches(2026) && !both.touches(2023));
        assert_eq!(both.few_days().map(|days| days.len()), Some(4));
        assert_eq!(span(Some("2025-01-01"), Some("2025-01-07")).few_days().map(|days| days.len()), Some(7));
        assert_eq!(span(Some("2025-01-01"), Some("2025-01-08")).few_days(), None);
        assert_eq!(span(Some("2025-01-01"), None).few_days(), None, "to the last stored");
        assert!(Span::default().touches(1999));
    }
}
