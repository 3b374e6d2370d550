//! What waits in the spool, and what has passed through it: for `/health`, metrics and the bound on its size. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Home;

/// What waits to become captures.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Backlog {
    /// Files, the open one among them.
    pub segments: u64,
    pub bytes: u64,
    pub documents: u64,
    /// When the oldest of it was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<DateTime<Utc>>,
    /// Why the last attempt to put it into the store failed; absent once one has worked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_error: Option<String>,
    /// What the spool's own disk did wrong at the last attempt: something stays in the spool, or is not there any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_error: Option<String>,
    /// Damaged segments put aside as `.spoiled`: found at the start, and since.
    pub spoiled: u64,
}

/// One segment's part of it.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    /// Written and synced. What the file has beyond it was acknowledged to nobody.
    pub bytes: u64,
    pub documents: u64,
    pub oldest: Option<DateTime<Utc>>,
    pub homes: BTreeSet<Home>,
}

/// All segments, by number; the open one is the last.
#[derive(Debug, Default)]
pub struct Segments {
    pub waiting: BTreeMap<u64, Waiting>,
    pub open: Option<u64>,
    pub store_error: Option<String>,
    pub disk_error: Option<String>,
    pub spoiled: u64,
}

impl Segments {
    pub fn bytes(&self) -> u64 {
        self.waiting.values().map(|segment| segment.bytes).sum()
    }

    pub fn backlog(&self) -> Backlog {
        Backlog {
            segments: self.waiting.len() as u64,
            bytes: self.bytes(),
            documents: self.waiting.values().map(|segment| segment.documents).sum(),
            oldest: self.waiting.values().filter_map(|segment| segment.oldest).min(),
            store_error: self.store_error.clone(),
            disk_error: self.disk_error.clone(),
            spoiled: self.spoiled,
        }
    }

    /// Closed segments but for `stuck` ones, oldest first, as many as have at most `most_bytes` together, and at least one.
    pub fn closed(&self, most_bytes: u64, stuck: &BTreeSet<u64>) -> Vec<(u64, Waiting)> {
        let mut bytes = 0;
        let closed = self.waiting.iter().filter(|(number, _)| self.open != Some(**number) && !stuck.contains(number));
        closed
            .take_while(|(_, segment)| {
                let fits = bytes == 0 || bytes + segment.bytes <= most_bytes;
                bytes += segment.bytes;
                fits
            })
            .map(|(number, segment)| (*number, segment.clone()))
            .collect()
    }
}

/// What has passed through since the process began. Only grows.
#[derive(Debug, Default)]
pub struct Tally {
    pub posts: AtomicU64,
    pub syncs: AtomicU64,
    pub documents: AtomicU64,
    pub rows: AtomicU64,
    pub duplicate_rows: AtomicU64,
    pub refused: AtomicU64,
    pub turned_away: AtomicU64,
    pub failed_writes: AtomicU64,
    pub captures: AtomicU64,
    pub failed_seals: AtomicU64,
}

impl Tally {
    pub fn add(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }

    pub fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_segments_come_oldest_first_within_a_bound() {
        let mut segments = Segments::default();
        for (number, bytes) in [(1, 10), (2, 20), (3, 30), (4, 5)] {
            segments.waiting.insert(number, Waiting { bytes, ..Waiting::default() });
        }
        segments.open = Some(4);
        let numbers = |most: u64| {
            segments.closed(most, &BTreeSet::new()).into_iter().map(|(number, _)| number).collect::<Vec<_>>()
        };
        assert_eq!(numbers(5), [1]);
        assert_eq!(numbers(30), [1, 2]);
        assert_eq!(numbers(1_000), [1, 2, 3]);
        assert_eq!(
            segments.closed(35, &BTreeSet::from([2])).iter().map(|(number, _)| *number).collect::<Vec<_>>(),
            [1]
        );
        assert_eq!((segments.backlog().segments, segments.backlog().bytes), (4, 65));
    }
}
