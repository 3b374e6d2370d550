//! Brings files from the store into the cache's folder: downloaded, or linked where the lake is on this machine, under
//! a temporary name until whole. [`super::shelf`] decides when; this only does it. Must never give the final name to
//! a file that is not complete.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc};

use super::file::CachedFile;
use super::folder::{Folder, unusable};
use super::shelf::{Fetched, Supply};
use crate::lake::store::{ObjectMeta, Store};
use crate::{Error, ErrorKind, Result};

/// Downloads at a time: enough to fill the line, few enough that their buffers stay small.
const DOWNLOADS: usize = 8;
/// Pieces of a download that wait to be written.
const PIECES_WAITING: usize = 4;
/// How often linking is tried again when the lake's file is replaced at that very moment.
const LINK_TRIES: usize = 8;
const COPY_BUFFER_BYTES: usize = 256 * 1024;

/// The supply of the shelf of files.
pub(super) struct Files {
    store: Store,
    folder: Arc<Folder>,
    downloads: Semaphore,
}

impl Files {
    pub(super) fn new(store: Store, folder: Arc<Folder>) -> Self {
        Self { store, folder, downloads: Semaphore::new(DOWNLOADS) }
    }
}

impl Supply for Files {
    type Item = Arc<CachedFile>;

    async fn fetch(&self, key: &str, held: Option<Self::Item>) -> Result<Fetched<Self::Item>> {
        let brought = if let Some(path) = self.store.local_path(key) {
            self.link(key, path, held).await
        } else if let Some(file) = held {
            self.revalidate(key, &file).await
        } else {
            self.download(key).await.map(Fetched::Changed)
        };
        match brought {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Fetched::Missing),
            other => other,
        }
    }

    fn bytes(&self, item: &Self::Item) -> u64 {
        item.size
    }

    fn in_use(&self, item: &Self::Item) -> bool {
        Arc::strong_count(item) > 1
    }

    fn is_intact(&self, item: &Self::Item) -> bool {
        item.is_intact()
    }
}

impl Files {
    async fn download(&self, key: &str) -> Result<Arc<CachedFile>> {
        let _turn = self.downloads.acquire().await.map_err(|_| Error::internal("the cache was closed"))?;
        let (meta, mut pieces) = self.store.get_stream(key).await?;
        let (sender, receiver) = mpsc::channel(PIECES_WAITING);
        let arrival = Arrival::new(&self.folder, key, &meta.etag);
        let size = meta.size;
        let writer = tokio::task::spawn_blocking(move || arrival.write(receiver, size));
        while let Some(piece) = pieces.next().await {
            // When the store breaks off, dropping the sender early makes the writer see too few bytes and give up.
            if sender.send(piece?).await.is_err() {
                break;
            }
        }
        drop(sender);
        joined(writer.await)
    }

    async fn revalidate(&self, key: &str, held: &CachedFile) -> Result<Fetched<Arc<CachedFile>>> {
        let Some(object) = self.store.get_if_changed(key, &held.etag).await? else {
            return Ok(Fetched::Unchanged);
        };
        let (sender, receiver) = mpsc::channel(1);
        let arrival = Arrival::new(&self.folder, key, &object.etag);
        let size = object.size;
        let _ = sender.try_send(object.bytes);
        drop(sender);
        joined(tokio::task::spawn_blocking(move || arrival.write(receiver, size)).await).map(Fetched::Changed)
    }

    /// A linked file stays as it is when the lake replaces its own by rename. The ETag is asked for before and after
    /// linking, so that what was linked is surely the version it names.
    async fn link(&self, key: &str, path: PathBuf, held: Option<Arc<CachedFile>>) -> Result<Fetched<Arc<CachedFile>>> {
        let mut before = self.store.head(key).await?;
        if held.is_some_and(|file| file.etag == before.etag) {
            return Ok(Fetched::Unchanged);
        }
        for _ in 0..LINK_TRIES {
            let arrival = Arrival::new(&self.folder, key, &before.etag);
            let source = path.clone();
            let linked = joined(tokio::task::spawn_blocking(move || arrival.link(source)).await)?;
            let after: ObjectMeta = self.store.head(key).await?;
            match linked {
                Some(file) if after.etag == before.etag && file.size == after.size => {
                    return Ok(Fetched::Changed(file));
                }
                _ => before = after,
            }
        }
        Err(Error::unavailable(format!("{key} is being replaced faster than it can be read; ask again")))
    }
}

fn joined<T>(outcome: Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    outcome.map_err(|error| Error::internal("writing into the cache broke off; ask again").caused_by(error))?
}

/// A file on its way in: it has its final name reserved and lies under a temporary one.
struct Arrival {
    folder: Arc<Folder>,
    key: String,
    etag: String,
    path: PathBuf,
    temporary: PathBuf,
}

impl Arrival {
    fn new(folder: &Arc<Folder>, key: &str, etag: &str) -> Self {
        let path = folder.name_for(key, etag);
        let temporary = path.with_extension("arriving");
        Self { folder: Arc::clone(folder), key: key.into(), etag: etag.into(), path, temporary }
    }

    fn write(self, mut pieces: mpsc::Receiver<Bytes>, size: u64) -> Result<Arc<CachedFile>> {
        let mut digest = Sha256::new();
        let mut written = 0_u64;
        let mut file = File::create(&self.temporary).map_err(|error| unusable(&self.temporary, error))?;
        while let Some(piece) = pieces.blocking_recv() {
            digest.update(&piece);
            file.write_all(&piece).map_err(|error| unusable(&self.temporary, error))?;
            written += piece.len() as u64;
        }
        if written != size {
            return Err(Error::unavailable(format!(
                "{} broke off after {written} of {size} bytes; ask again",
                self.key
            )));
        }
        self.settle(hex::encode(digest.finalize()), size)
    }

    /// Links (or on another file system copies) `source`; `None` when it is not there at this moment.
    fn link(self, source: PathBuf) -> Result<Option<Arc<CachedFile>>> {
        // A file system that cannot link says so in many ways; copying tells whether the file can be read at all.
        let linked = fs::hard_link(&source, &self.temporary);
        let brought = linked.or_else(|_| fs::copy(&source, &self.temporary).map(|_| ()));
        match brought {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&source, error)),
        }
        let (sha256, size) = digest_of(&self.temporary).map_err(|error| unusable(&self.temporary, error))?;
        self.settle(sha256, size).map(Some)
    }

    fn settle(self, sha256: String, size: u64) -> Result<Arc<CachedFile>> {
        fs::rename(&self.temporary, &self.path).map_err(|error| unusable(&self.path, error))?;
        self.folder.grew_by(size);
        Ok(Arc::new(CachedFile {
            folder: Arc::clone(&self.folder),
            path: self.path.clone(),
            key: self.key.clone(),
            etag: self.etag.clone(),
            sha256,
            size,
            distrusted: false.into(),
        }))
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        // Gone already when it arrived; else what is left of a failed arrival.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Writes bytes that were made here, and are no object of the lake, into the folder. Blocks.
pub(super) fn adopt(folder: &Arc<Folder>, name: &str, bytes: &[u8]) -> Result<Arc<CachedFile>> {
    let sha256 = hex::encode(Sha256::digest(bytes));
    let arrival = Arrival::new(folder, name, &sha256);
    fs::write(&arrival.temporary, bytes).map_err(|error| unusable(&arrival.temporary, error))?;
    arrival.settle(sha256, bytes.len() as u64)
}

fn digest_of(path: &PathBuf) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0_u8; COPY_BUFFER_BYTES];
    let mut size = 0;
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok((hex::encode(digest.finalize()), size)),
            n => {
                digest.update(&buffer[..n]);
                size += n as u64;
            }
        }
    }
}
