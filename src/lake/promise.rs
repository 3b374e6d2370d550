//! Days that an answer names, with revision and condition, before it reads them: many at a time, most of them without a request of
//! their own. Called by routes over many days. What is read is the promised revision or an error, never another one.
//!
//! A year's index names each day's sha256, so a file with that sha256 is the indexed revision, whoever fetched it and when. Only
//! where that does not settle it (the day is still pending, or what lies in the cache is another version than the index says)
//! is the partition opened before it is promised, and held until it is read.

use std::sync::Arc;

use super::cache::{CachedFile, Freshness};
use super::head::{Partitions, ReadyPartition};
use super::layout::PartitionId;
use super::manifest::Condition;
use super::year_index::DayEntry;
use crate::market::TradingDate;
use crate::{Error, ErrorKind, Result};

/// One day's partition as it will be read.
#[derive(Clone)]
pub struct Promise {
    pub date: TradingDate,
    pub revision: u32,
    pub condition: Condition,
    id: PartitionId,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// By the index: the file with this sha256.
    Indexed(Arc<str>),
    Pinned(ReadyPartition),
}

impl Promise {
    /// The file, when it is held already.
    pub fn pinned(&self) -> Option<&ReadyPartition> {
        match &self.kind {
            Kind::Pinned(ready) => Some(ready),
            Kind::Indexed(_) => None,
        }
    }
}

impl Partitions {
    /// Settles which revision of a day will be read. `entry` is its place in a fresh index.
    ///
    /// # Errors
    /// Those of [`Partitions::open`], where it has to be opened.
    pub async fn promise(&self, id: PartitionId, entry: &DayEntry) -> Result<Promise> {
        let as_indexed = entry.condition != Condition::Pending
            && self.cache().held(&id.data_key()).is_none_or(|file| file.sha256() == entry.sha256);
        if as_indexed {
            let kind = Kind::Indexed(entry.sha256.as_str().into());
            return Ok(Promise { date: entry.date, revision: entry.revision, condition: entry.condition, id, kind });
        }
        let ready = self.open(&id, Freshness::Open).await.map_err(|error| gone(error, &id))?;
        let (revision, condition) = (ready.head.revision, ready.head.condition);
        Ok(Promise { date: entry.date, revision, condition, id, kind: Kind::Pinned(ready) })
    }

    /// The promised file, when nothing has to be asked for it.
    pub fn held(&self, promise: &Promise) -> Option<Arc<CachedFile>> {
        match &promise.kind {
            Kind::Pinned(ready) => Some(Arc::clone(ready.file())),
            Kind::Indexed(sha256) => {
                self.cache().held(&promise.id.data_key()).filter(|file| file.sha256() == &**sha256)
            }
        }
    }

    /// The promised file: the one held, the one in the cache if it is the same, else the store's.
    ///
    /// # Errors
    /// `Unavailable` when the day was republished since it was promised; else those of the store.
    pub async fn fetch(&self, promise: &Promise) -> Result<Arc<CachedFile>> {
        if let Some(file) = self.held(promise) {
            return Ok(file);
        }
        let Kind::Indexed(sha256) = &promise.kind else {
            return Err(Error::internal("a pinned day is not held"));
        };
        let file = self
            .cache()
            .file(&promise.id.data_key(), Freshness::Open)
            .await
            .map_err(|error| gone(error, &promise.id))?;
        if file.sha256() != &**sha256 {
            let id = &promise.id;
            return Err(Error::unavailable(format!(
                "{id} is not revision {} any more: it was republished while this answer was made; ask again",
                promise.revision
            )));
        }
        Ok(file)
    }
}

/// A day that is in the index and not in the store is on its way in or out.
fn gone(error: Error, id: &PartitionId) -> Error {
    if error.kind() == ErrorKind::NotFound {
        return Error::unavailable(format!(
            "{id} is in the year's index and its file is not there; `pitlake verify` says more"
        ))
        .caused_by(error);
    }
    error
}
