//! A file in the cache, as its readers hold it: while any of them keeps the `Arc`, the file stays on disk; the last
//! one to let go after eviction deletes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::folder::Folder;

/// One version of one object of the lake, on local disk, complete and never changed again.
#[derive(Debug)]
pub struct CachedFile {
    pub(super) folder: Arc<Folder>,
    pub(super) path: PathBuf,
    pub(super) key: String,
    pub(super) etag: String,
    pub(super) sha256: String,
    pub(super) size: u64,
    pub(super) distrusted: AtomicBool,
}

impl CachedFile {
    /// Where it lies: absolute, UTF-8, without a character that a glob would read. Differs for every version.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The object's key in the lake.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The store's ETag of this version, as the store spells it.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// SHA-256 of the bytes as they were brought in, in lower-case hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it still lies there whole and no reader reported it. One `stat`.
    pub fn is_sound(&self) -> bool {
        !self.distrusted.load(Ordering::Relaxed) && self.is_intact()
    }

    /// Whether a file of the right length still lies there. One `stat`.
    pub(super) fn is_intact(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|found| found.len() == self.size)
    }
}

impl Drop for CachedFile {
    fn drop(&mut self) {
        // A file that somebody else deleted already is where it should be.
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "a file let go by the cache could not be deleted");
        }
        self.folder.shrank_by(self.size);
    }
}
