//! What the cache did and holds, for `/metrics` and `status`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the cache was opened, and what it holds now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Answered without asking the store.
    pub hits: u64,
    /// "Not there", answered without asking the store.
    pub missing_hits: u64,
    /// Requests begun, conditional ones included.
    pub asked: u64,
    /// Of these: the store said "unchanged".
    pub unchanged: u64,
    /// Of these: new bytes were brought in.
    pub filled: u64,
    /// Of these: the store could not answer.
    pub failed: u64,
    /// Entries let go to stay within the bounds.
    pub evicted: u64,
    /// Files found changed or gone on disk, or reported unreadable.
    pub damaged: u64,
    /// Files and "not there" entries held.
    pub files: usize,
    /// Bytes of the files that the cache holds; at most `max_bytes`.
    pub file_bytes: u64,
    /// Bytes on disk: `file_bytes`, and files let go that a reader still uses.
    pub disk_bytes: u64,
    /// Small objects held in memory, "not there" entries included.
    pub small_objects: usize,
    /// Bytes of these.
    pub small_bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub hits: AtomicU64,
    pub missing_hits: AtomicU64,
    pub asked: AtomicU64,
    pub unchanged: AtomicU64,
    pub filled: AtomicU64,
    pub failed: AtomicU64,
    pub evicted: AtomicU64,
    pub damaged: AtomicU64,
}

impl Counters {
    pub(super) fn one_more(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> CacheStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStats {
            hits: of(&self.hits),
            missing_hits: of(&self.missing_hits),
            asked: of(&self.asked),
            unchanged: of(&self.unchanged),
            filled: of(&self.filled),
            failed: of(&self.failed),
            evicted: of(&self.evicted),
            damaged: of(&self.damaged),
            ..CacheStats::default()
        }
    }
}
