//! The cache's folder on local disk: each process (each [`super::Cache`]) has a numbered subfolder of its own under a
//! lock that the system releases when the process dies, so that nobody deletes another's files and what a killed
//! process left behind is removed by the next one. Must never touch anything outside the folder it was given.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use crate::{Error, ErrorKind, Result};

/// More processes than this on one folder is taken for a mistake.
const MOST_PROCESSES: usize = 256;

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Held as long as any cached file lives, each of which keeps its folder.
    _lock: File,
    next: AtomicU64,
    bytes: AtomicU64,
}

impl Folder {
    /// Takes the first free subfolder under `root`, empties it, and removes what dead processes left in others.
    ///
    /// # Errors
    /// `Invalid` when the path cannot serve (not UTF-8, or with a character that DuckDB reads as a pattern),
    /// `Unavailable` when the folder cannot be made or locked.
    pub(super) fn open(root: &Path) -> Result<Self> {
        let cannot = |error| unusable(root, error);
        refuse_patterns(root)?;
        fs::create_dir_all(root).map_err(cannot)?;
        let root = root.canonicalize().map_err(cannot)?;
        refuse_patterns(&root)?;
        let mut own = None;
        for number in 0..MOST_PROCESSES {
            let path = root.join(format!("process-{number}"));
            let lock_path = root.join(format!("process-{number}.lock"));
            if own.is_some() && !lock_path.exists() {
                break;
            }
            let Some(lock) = try_lock(&lock_path).map_err(cannot)? else { continue };
            if path.exists() {
                fs::remove_dir_all(&path).map_err(cannot)?;
            }
            if own.is_none() {
                fs::create_dir(&path).map_err(cannot)?;
                own = Some((path, lock));
            }
        }
        let Some((path, lock)) = own else {
            return Err(Error::unavailable(format!(
                "{MOST_PROCESSES} processes use the cache folder {} already; give this one another folder",
                root.display()
            )));
        };
        Ok(Self { path, _lock: lock, next: AtomicU64::new(0), bytes: AtomicU64::new(0) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn grew_by(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn shrank_by(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// A name that no file of this process had before: the key's digest, the ETag, a running number. The number keeps
    /// a file that is fetched again apart from its damaged forerunner, which a reader may still hold.
    pub(super) fn name_for(&self, key: &str, etag: &str) -> PathBuf {
        let digest = hex::encode(&Sha256::digest(key.as_bytes())[..8]);
        let etag: String =
            etag.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(80).collect();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let extension = Path::new(key).extension().and_then(|e| e.to_str()).unwrap_or("bin");
        let extension: String = extension.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        self.path.join(format!("{digest}.{etag}.{number}.{extension}"))
    }
}

fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn refuse_patterns(root: &Path) -> Result<()> {
    match root.to_str() {
        Some(text) if !text.contains(['*', '?', '[', ']', '{', '}']) => Ok(()),
        _ => Err(Error::invalid(format!(
            "the cache folder {} must be UTF-8 and have none of * ? [ ] {{ }} in its path; choose another",
            root.display()
        ))),
    }
}

/// What a failing file operation in `path` means to the caller.
pub(super) fn unusable(path: &Path, error: io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: free some space or lower the cache's size"
        }
        io::ErrorKind::PermissionDenied => "this user may not write there: change its owner or choose another folder",
        _ => "check the disk and the folder's permissions",
    };
    Error::new(ErrorKind::Unavailable, format!("the cache cannot use {}: {error}; {advice}", path.display()))
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_on_one_folder_keep_apart_and_the_next_one_cleans_up() {
        let root = tempfile::tempdir().unwrap();
        let first = Folder::open(root.path()).unwrap();
        let second = Folder::open(root.path()).unwrap();
        assert_ne!(first.path(), second.path());
        let kept = second.path().join("in-use.parquet");
        fs::write(&kept, b"x").unwrap();
        let left_behind = first.path().join("left-behind.parquet");
        fs::write(&left_behind, b"x").unwrap();
        drop(first);

        let third = Folder::open(root.path()).unwrap();
        assert!(!left_behind.exists(), "what the first left behind is removed");
        assert!(kept.exists(), "what the second uses is not");
        drop(second);
        let fourth = Folder::open(root.path()).unwrap();
        assert!(!kept.exists());
        assert_ne!(third.path(), fourth.path());
    }

    #[test]
    fn leftovers_of_a_higher_number_are_removed_by_the_first() {
        let root = tempfile::tempdir().unwrap();
        let folders: Vec<_> = (0..3).map(|_| Folder::open(root.path()).unwrap()).collect();
        let orphan = folders[2].path().join("orphan.parquet");
        fs::write(&orphan, b"x").unwrap();
        drop(folders);
        let _only = Folder::open(root.path()).unwrap();
        assert!(!orphan.exists());
    }

    #[test]
    fn names_hold_the_etag_and_nothing_that_a_path_or_pattern_could_use() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let key = "greeks/symbol=SPY/date=2025-01-15/part-0.parquet";
        let one = folder.name_for(key, "\"../d41d8*\"");
        let two = folder.name_for(key, "\"../d41d8*\"");
        assert_ne!(one, two);
        assert_eq!(one.parent(), Some(folder.path()));
        let name = one.file_name().unwrap().to_str().unwrap();
        assert!(name.contains("____d41d8__"), "{name}");
        assert!(name.ends_with(".0.parquet"), "{name}");
        assert!(!name.contains(['=', '*', '/']), "{name}");
    }

    #[test]
    fn a_folder_that_reads_as_a_pattern_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let refused = Folder::open(&root.path().join("a[1]")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }
}
