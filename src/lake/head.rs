//! A partition as readers see it: its file, opened, and the head of its record (revision, condition), belonging together. What
//! makes sure that nobody is caught between an old file and a new manifest, or served bytes that contradict their record.

use std::sync::Arc;

use moka::sync::Cache as Memo;

use super::cache::{Cache, CachedFile, Freshness};
use super::layout::PartitionId;
use super::manifest::{Condition, Content, Manifest};
use super::partition;
use super::row_groups::{OpenPartition, RowGroups};
use super::store::Store;
use crate::{Error, ErrorKind, Result};

const KEPT: u64 = 4096;
const ATTEMPTS: u32 = 4;

/// What answers say about the partition they come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub revision: u32,
    pub condition: Condition,
    pub calculation_version: String,
    pub content: Content,
}

/// A partition ready to be read.
#[derive(Clone)]
pub struct ReadyPartition {
    pub partition: OpenPartition,
    pub head: Arc<Head>,
}

impl ReadyPartition {
    pub fn file(&self) -> &Arc<CachedFile> {
        self.partition.file()
    }
}

/// Opens partitions and remembers the heads of their versions. Cloning is cheap.
#[derive(Clone)]
pub struct Partitions {
    store: Store,
    cache: Cache,
    row_groups: RowGroups,
    heads: Memo<(String, String), Arc<Head>>,
}

impl Partitions {
    pub fn new(store: Store, cache: Cache, row_groups: RowGroups) -> Self {
        Self { store, cache, row_groups, heads: Memo::new(KEPT) }
    }

    pub fn row_groups(&self) -> &RowGroups {
        &self.row_groups
    }

    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The partition's file and head.
    ///
    /// # Errors
    /// `NotFound` when there is no partition; `Corrupt` when its bytes contradict its record; those of the store.
    pub async fn open(&self, id: &PartitionId, freshness: Freshness) -> Result<ReadyPartition> {
        let key = id.data_key();
        let mut attempt = 0;
        loop {
            attempt += 1;
            // A version that is not here yet needs its manifest too: both are asked for at once. The manifest counts only if it
            // names this very file; else it is asked for again, after the file.
            let (file, early) = if attempt > 1 || self.cache.knows(&key, freshness) {
                (self.cache.file(&key, freshness).await?, None)
            } else {
                let (file, manifest) = tokio::join!(self.cache.file(&key, freshness), self.manifest(id));
                (file?, manifest.ok().flatten())
            };
            let partition = match self.open_file(&file).await {
                Ok(partition) => partition,
                Err(error) if error.kind() == ErrorKind::Corrupt && attempt < ATTEMPTS => {
                    self.cache.distrust(&file);
                    continue;
                }
                Err(error) => return Err(error),
            };
            // Each arrival of a file has a path of its own: the same bytes may come back under a later revision.
            let version = (key.clone(), file.path().to_string_lossy().into_owned());
            if let Some(head) = self.heads.get(&version) {
                return Ok(ReadyPartition { partition, head });
            }
            match self.head(id, &partition, early).await? {
                Verdict::Settled(head) => {
                    let head = Arc::new(head);
                    self.heads.insert(version, Arc::clone(&head));
                    return Ok(ReadyPartition { partition, head });
                }
                Verdict::Passing(head) => return Ok(ReadyPartition { partition, head: Arc::new(head) }),
                Verdict::Outdated | Verdict::Damaged if attempt < ATTEMPTS => self.cache.forget(&file),
                Verdict::Damaged => {
                    let detail = format!("{key} is not the file of its manifest; run `pitlake verify`");
                    return Err(Error::corrupt(detail));
                }
                Verdict::Outdated => {
                    return Err(Error::unavailable(format!(
                        "{id} is being republished all the time; try again in a moment"
                    )));
                }
            }
        }
    }

    async fn open_file(&self, file: &Arc<CachedFile>) -> Result<OpenPartition> {
        if let Some(open) = self.row_groups.already_open(file) {
            return Ok(open);
        }
        let (row_groups, file) = (self.row_groups.clone(), Arc::clone(file));
        tokio::task::spawn_blocking(move || row_groups.open(&file))
            .await
            .map_err(|error| Error::internal("opening a partition stopped").caused_by(error))?
    }

    async fn manifest(&self, id: &PartitionId) -> Result<Option<Manifest>> {
        let key = id.manifest_key();
        match self.store.get(&key).await {
            Ok(object) => Manifest::parse(&object.bytes, &key).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn head(&self, id: &PartitionId, partition: &OpenPartition, early: Option<Manifest>) -> Result<Verdict> {
        let file = partition.file();
        let footer = partition::content(partition.metadata(), file.key())?;
        // A sound file in another's place would be answered under a date that is not its own.
        if footer.id().ok().as_ref() != Some(id) {
            return Ok(Verdict::Damaged);
        }
        let manifest = match early {
            Some(manifest) if manifest.sha256 == file.sha256() => Some(manifest),
            _ => self.manifest(id).await?,
        };
        match manifest {
            Some(manifest) if manifest.sha256 == file.sha256() => {
                Ok(Verdict::Settled(head(manifest.revision, manifest.content)))
            }
            // Other bytes that say the same of themselves as the published ones are not another revision but damage.
            Some(manifest) if manifest.content == footer => Ok(Verdict::Damaged),
            other => {
                let stored = self.store.head(file.key()).await?;
                if stored.etag != file.etag() {
                    return Ok(Verdict::Outdated);
                }
                // Between the two puts of a publication: the footer says all but the revision, which the rule of
                // publishing gives.
                let revision = other.map_or(1, |old| {
                    if old.content.calculation.session_closed { old.revision + 1 } else { old.revision.max(1) }
                });
                Ok(Verdict::Passing(head(revision, footer)))
            }
        }
    }
}

enum Verdict {
    /// File and manifest belong together.
    Settled(Head),
    /// The file is newer than its manifest, for the moment.
    Passing(Head),
    /// The store has another file by now.
    Outdated,
    /// The bytes contradict the manifest.
    Damaged,
}

fn head(revision: u32, content: Content) -> Head {
    Head { revision, condition: content.condition, calculation_version: content.calculation.version.clone(), content }
}
