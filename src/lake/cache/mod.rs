//! Hot objects near their readers: whole partitions as files on local disk, small objects in memory. The rooms'
//! queries ask here, never the store; the engine reads the files.
//!
//! What is asked for is served without a request while it is fresh ([`Freshness`], contract §4), then revalidated by
//! one conditional GET (on a local lake, one look at the file). However many ask at once, there is one request per
//! key. When the store cannot be asked and the freshness has run out, the answer is the store's error: stale data is
//! never served, for nobody could tell it from the present.
//!
//! A file is one version of one object: its ETag is part of its name, it arrives under a temporary name, and it is
//! never changed after. Whoever holds its `Arc` may read it; it is deleted when it was let go *and* nobody holds it. So
//! the bytes on disk exceed `max_bytes` only by what readers still use and by what is arriving. Every hit checks that a
//! file of the right length lies there; a reader who finds damage inside says so ([`Cache::distrust`]), and the next
//! one gets a new copy.
//!
//! The parts: [`freshness`] and [`policy`] decide (pure), [`shelf`] asks and keeps, [`fill`] and [`small`] bring in,
//! [`folder`] keeps processes apart.

mod file;
mod fill;
mod folder;
mod freshness;
mod policy;
mod shelf;
mod small;
mod stats;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use file::CachedFile;
pub use freshness::{Freshness, Windows};
pub use small::SmallObject;
pub use stats::CacheStats;

use crate::lake::store::Store;
use crate::market::SharedClock;
use crate::{Error, Result};
use fill::Files;
use folder::Folder;
use policy::Budget;
use shelf::Shelf;
use small::SmallObjects;
use stats::Counters;

/// More entries than this on a shelf, "not there" included, are let go however small they are.
const MOST_ENTRIES: usize = 65_536;

/// Where the cache lies and how much it may hold.
#[derive(Debug, Clone)]
pub struct CacheOptions {
    /// May be shared by several processes; each uses a subfolder of its own. Made when it is not there.
    pub folder: PathBuf,
    /// The most that files may take, in bytes. A file larger than that is served and not kept.
    pub max_bytes: u64,
    /// The most that small objects may take in memory, in bytes.
    pub max_small_bytes: u64,
    /// The contract's times by default.
    pub windows: Windows,
}

impl CacheOptions {
    /// The contract's times of freshness, 64 MiB for small objects.
    pub fn new(folder: impl Into<PathBuf>, max_bytes: u64) -> Self {
        Self { folder: folder.into(), max_bytes, max_small_bytes: 64 << 20, windows: Windows::default() }
    }
}

/// The cache of one process. Cloning is cheap; clones share everything.
#[derive(Clone)]
pub struct Cache(Arc<Shelves>);

struct Shelves {
    files: Shelf<Files>,
    small: Shelf<SmallObjects>,
    folder: Arc<Folder>,
    counters: Arc<Counters>,
}

impl Cache {
    /// Opens the cache in `options.folder`, empty; what dead processes left there is removed.
    ///
    /// # Errors
    /// `Unavailable` when the folder cannot be used, `Invalid` when its path could be read as a pattern.
    pub async fn open(store: Store, options: CacheOptions, clock: SharedClock) -> Result<Self> {
        let CacheOptions { folder, max_bytes, max_small_bytes, windows } = options;
        let opened = tokio::task::spawn_blocking(move || Folder::open(&folder)).await;
        let folder = opened.map_err(|error| Error::internal("opening the cache broke off").caused_by(error))??;
        let folder = Arc::new(folder);
        let counters = Arc::new(Counters::default());
        let budget = |bytes| Budget { bytes, entries: MOST_ENTRIES };
        let files = Files::new(store.clone(), Arc::clone(&folder));
        let files = Shelf::new(files, windows, budget(max_bytes), Arc::clone(&clock), Arc::clone(&counters));
        let small = SmallObjects { store };
        let small = Shelf::new(small, windows, budget(max_small_bytes), clock, Arc::clone(&counters));
        Ok(Self(Arc::new(Shelves { files, small, folder, counters })))
    }

    /// The object as a file on local disk; hold the `Arc` as long as the file is read.
    ///
    /// # Errors
    /// `NotFound` when the lake has no such object (remembered, see [`Windows::missing_for`]); else the store's, and
    /// `Unavailable` when the disk fails.
    pub async fn file(&self, key: &str, freshness: Freshness) -> Result<Arc<CachedFile>> {
        self.0.files.get(key, freshness).await?.ok_or_else(|| not_there(key))
    }

    /// The file that lies here under `key` already, however long ago the store was asked; no request is made. Whoever takes it
    /// must know from a fresh record that it is the right version: compare its sha256.
    pub fn held(&self, key: &str) -> Option<Arc<CachedFile>> {
        self.0.files.held(key)
    }

    /// Whether [`Cache::file`] would answer without asking the store, be it with "not there".
    pub fn knows(&self, key: &str, freshness: Freshness) -> bool {
        self.0.files.knows(key, freshness)
    }

    /// The object's bytes, from memory.
    ///
    /// # Errors
    /// As [`Cache::file`].
    pub async fn small(&self, key: &str, freshness: Freshness) -> Result<Arc<SmallObject>> {
        self.0.small.get(key, freshness).await?.ok_or_else(|| not_there(key))
    }

    /// Puts `bytes` that were made here into the folder as a file, for readers that read files: the engine may read nothing else.
    /// The cache does not keep it and nobody finds it by `name`: it lies there as long as the caller, who must see to a bound,
    /// or any reader holds it. Blocks on the disk.
    ///
    /// # Errors
    /// `Unavailable` when the disk fails.
    pub fn adopt(&self, name: &str, bytes: &[u8]) -> Result<Arc<CachedFile>> {
        fill::adopt(&self.0.folder, name, bytes)
    }

    /// Reports that `file` could not be read or contradicts its record. Nobody gets it again; who asks next gets a new
    /// copy from the store.
    pub fn distrust(&self, file: &CachedFile) {
        file.distrusted.store(true, std::sync::atomic::Ordering::Relaxed);
        if self.0.files.forget_if(file.key(), |held| held.path() == file.path()) {
            Counters::one_more(&self.0.counters.damaged);
            tracing::warn!(key = file.key(), path = %file.path().display(), "a cached file was reported as damaged");
        }
    }

    /// Lets go of `file`, which its reader knows to be outdated: who asks next asks the store.
    pub fn forget(&self, file: &CachedFile) {
        self.0.files.forget_if(file.key(), |held| held.path() == file.path());
    }

    /// Forgets that `key` was not there: its reader knows that by now it must be.
    pub fn forget_missing(&self, key: &str) {
        self.0.files.forget_missing(key);
    }

    /// The folder that all its files lie in: absolute, and the one that the engine is allowed to read.
    pub fn folder(&self) -> &Path {
        self.0.folder.path()
    }

    pub fn stats(&self) -> CacheStats {
        CacheStats {
            files: self.0.files.entries(),
            file_bytes: self.0.files.bytes(),
            disk_bytes: self.0.folder.bytes(),
            small_objects: self.0.small.entries(),
            small_bytes: self.0.small.bytes(),
            ..self.0.counters.read()
        }
    }
}

fn not_there(key: &str) -> Error {
    Error::not_found(format!("the lake has no {key}"))
}
