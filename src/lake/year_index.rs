//! The index of one dataset, symbol and year: one entry a day, made from the day manifests, so that coverage and file lists of a
//! year read one object. Written by a second step after the days, one task per symbol and year.

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::layout::PartitionId;
use super::manifest::{Change, Condition, Manifest, Reason, pretty_json};
use super::publish;
use super::store::{PutWhen, Store};
use crate::market::{Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};

/// How often a lost race is run again before it is told.
const ATTEMPTS: u32 = 20;

/// What the index keeps of a day's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayEntry {
    pub date: TradingDate,
    pub condition: Condition,
    pub reasons: Vec<Reason>,
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
    pub revision: u32,
    pub published_at: DateTime<Utc>,
    pub minutes_expected: u32,
    pub minutes_seen: u32,
    pub calculation_version: String,
    /// What this revision changed, from the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// The room's statistics of the day, from the manifest's `details.day`.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub day: serde_json::Value,
}

impl DayEntry {
    /// `None` for the manifest of something that is not a day.
    pub fn of(manifest: &Manifest) -> Option<Self> {
        let content = &manifest.content;
        Some(Self {
            date: content.date?,
            condition: content.condition,
            reasons: content.reasons.clone(),
            rows: content.rows,
            bytes: manifest.bytes,
            sha256: manifest.sha256.clone(),
            revision: manifest.revision,
            published_at: manifest.published_at,
            minutes_expected: content.minutes_expected,
            minutes_seen: content.minutes_seen,
            calculation_version: content.calculation.version.clone(),
            change: manifest.change.clone(),
            day: content.details.get("day").cloned().unwrap_or_default(),
        })
    }
}

/// All days of one year that have a partition, in order of date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct YearIndex {
    pub dataset: String,
    pub symbol: Symbol,
    pub year: i32,
    pub days: Vec<DayEntry>,
    /// When the index came to say what it says of a day, which may be long after `published_at`: a compaction that died
    /// between the two leaves the index to the next one. Later in each version than in all before it, so that who asks for
    /// what came after an instant misses nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub listed_at: BTreeMap<TradingDate, DateTime<Utc>>,
}

impl YearIndex {
    /// # Errors
    /// `Corrupt` when the bytes are not an index.
    pub fn parse(bytes: &[u8], key: &str) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::corrupt(format!("{key} is not a year's index ({error}); `pitlake verify --repair` rebuilds it"))
        })
    }

    pub fn day(&self, date: TradingDate) -> Option<&DayEntry> {
        self.days.binary_search_by_key(&date, |day| day.date).ok().map(|at| &self.days[at])
    }

    /// When readers of the index could know of the day's revision; its publication for days that are older than this record.
    pub fn listed_at(&self, day: &DayEntry) -> DateTime<Utc> {
        self.listed_at.get(&day.date).map_or(day.published_at, |listed| day.published_at.max(*listed))
    }

    /// Dates the days that differ from `before`: now, and later than anything `before` told, whatever the clocks of two
    /// writers say.
    fn date_changes(&mut self, before: &YearIndex, now: DateTime<Utc>) {
        let latest = before.days.iter().map(|day| before.listed_at(day)).max();
        let now = latest.map_or(now, |latest| now.max(latest + TimeDelta::microseconds(1)));
        let now = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
        self.listed_at.clone_from(&before.listed_at);
        self.listed_at.retain(|date, _| self.days.binary_search_by_key(date, |day| day.date).is_ok());
        for day in self.days.iter().filter(|day| before.day(day.date) != Some(*day)) {
            self.listed_at.insert(day.date, now);
        }
    }
}

/// What the index remembers of a day; nothing when there is no index that can be read.
///
/// # Errors
/// Those of the store.
pub async fn remembered(store: &Store, id: &PartitionId) -> Result<Option<DayEntry>> {
    let Some(date) = id.period.day() else { return Ok(None) };
    match read(store, &id.dataset, &id.symbol, date.year()).await {
        Ok(index) => Ok(index.day(date).cloned()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a year's index.
///
/// # Errors
/// `NotFound` when the year has none.
pub async fn read(store: &Store, dataset: &str, symbol: &Symbol, year: i32) -> Result<YearIndex> {
    let key = PartitionId::year(dataset, symbol, year).manifest_key();
    YearIndex::parse(&store.get(&key).await?.bytes, &key)
}

/// Brings the index up to date with `manifests` (of this dataset and symbol) and returns it; other days stay as they are.
///
/// Where the index says something else of a day, or where it is rebuilt and `manifests` do not name a day it has, the day's
/// manifest is read again: it may have been published since `manifests` were read, and it alone is the truth. `now` dates
/// what changes.
///
/// # Errors
/// Those of the store; `Conflict` when the race was lost too often. A damaged index is an error, unless `rebuild`.
pub async fn update(
    store: &Store,
    (dataset, symbol, year): (&str, &Symbol, i32),
    manifests: &[Manifest],
    rebuild: bool,
    now: DateTime<Utc>,
) -> Result<YearIndex> {
    let key = PartitionId::year(dataset, symbol, year).manifest_key();
    let given: BTreeMap<TradingDate, DayEntry> = manifests
        .iter()
        .filter_map(DayEntry::of)
        .filter(|entry| entry.date.year() == year)
        .map(|entry| (entry.date, entry))
        .collect();
    for _ in 0..ATTEMPTS {
        let empty = || YearIndex {
            dataset: dataset.to_owned(),
            symbol: symbol.clone(),
            year,
            days: Vec::new(),
            listed_at: BTreeMap::new(),
        };
        let (before, when) = match store.get(&key).await {
            Ok(object) => match YearIndex::parse(&object.bytes, &key) {
                Err(_) if rebuild => (empty(), PutWhen::Matches(object.etag)),
                parsed => (parsed?, PutWhen::Matches(object.etag)),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => (empty(), PutWhen::Absent),
            Err(error) => return Err(error),
        };
        let mut days: BTreeMap<TradingDate, DayEntry> = before.days.iter().map(|day| (day.date, day.clone())).collect();
        let doubtful: Vec<TradingDate> = days
            .values()
            .filter(|known| given.get(&known.date).map_or(rebuild, |entry| entry != *known))
            .map(|known| known.date)
            .collect();
        days.extend(given.iter().map(|(date, entry)| (*date, entry.clone())));
        for date in doubtful {
            match publish::manifest(store, &PartitionId::day(dataset, symbol, date)).await {
                Ok(manifest) => days.extend(DayEntry::of(&manifest).map(|entry| (date, entry))),
                Err(error) if error.kind() == ErrorKind::NotFound => drop(days.remove(&date)),
                Err(error) => return Err(error),
            }
        }
        let mut after = YearIndex { days: days.into_values().collect(), ..empty() };
        after.date_changes(&before, now);
        if after == before {
            return Ok(after);
        }
        match store.put(&key, Bytes::from(pretty_json(&after)?), when).await {
            Ok(_) => return Ok(after),
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(ErrorKind::Conflict, format!("{key} is changed by others all the time; run the command again")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::manifest::tests::content;

    fn entry(date: &str, published_at: &str) -> DayEntry {
        let manifest = Manifest {
            path: String::new(),
            revision: 1,
            published_at: published_at.parse().unwrap(),
            sha256: String::new(),
            bytes: 0,
            change: None,
            content: content(),
        };
        DayEntry { date: date.parse().unwrap(), ..DayEntry::of(&manifest).unwrap() }
    }

    fn index(days: &[DayEntry]) -> YearIndex {
        let symbol = "SPY".parse().unwrap();
        YearIndex { dataset: "greeks".into(), symbol, year: 2025, days: days.to_vec(), listed_at: BTreeMap::new() }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_that_is_told_late_is_dated_when_it_is_told() {
        let first = entry("2025-01-14", "2025-01-14T22:00:00Z");
        // Published before the first was listed, by somebody who died before the index.
        let late = entry("2025-01-13", "2025-01-14T21:59:00Z");
        let mut before = index(std::slice::from_ref(&first));
        before.date_changes(&index(&[]), at("2025-01-14T22:00:05Z"));
        assert_eq!(before.listed_at(&first), at("2025-01-14T22:00:05Z"));
        let mut after = index(&[late.clone(), first.clone()]);
        after.date_changes(&before, at("2025-01-16T08:00:00Z"));
        assert_eq!(after.listed_at(&late), at("2025-01-16T08:00:00Z"));
        assert_eq!(after.listed_at(&first), at("2025-01-14T22:00:05Z"), "what did not change keeps its time");
    }

    #[test]
    fn a_slow_clock_does_not_date_a_change_before_what_was_told() {
        let first = entry("2025-01-14", "2025-01-14T22:00:00Z");
        let mut before = index(std::slice::from_ref(&first));
        before.date_changes(&index(&[]), at("2025-01-14T22:00:05Z"));
        let second = entry("2025-01-15", "2025-01-14T21:00:00Z");
        let mut after = index(&[first, second.clone()]);
        after.date_changes(&before, at("2025-01-14T21:00:01Z"));
        assert_eq!(after.listed_at(&second), at("2025-01-14T22:00:05.000001Z"));
    }

    #[test]
    fn an_index_without_times_goes_by_publication() {
        let day = entry("2025-01-14", "2025-01-14T22:00:00Z");
        assert_eq!(index(std::slice::from_ref(&day)).listed_at(&day), day.published_at);
    }
}
