//! One lock per key, held across processes while an object is compared and replaced. [`super::replace`] takes it.
//!
//! The lock is a file under `.locks/`, removed by whoever holds it. A removed file can still be waited for by others, so
//! whoever gets the lock looks whether it is still the file of that name. What a killed process leaves is taken over by
//! the next writer of the key, or swept.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

/// Writers hold the lock for an fsync and a rename; a lock that is held longer belongs to a process that stands still.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct KeyLock {
    file: File,
    path: PathBuf,
    keep: bool,
}

impl KeyLock {
    /// Waits for the key's lock. Blocks.
    ///
    /// # Errors
    /// `TimedOut` after ten seconds.
    pub(super) fn acquire(folder: &Path, key: &str) -> io::Result<Self> {
        let path = folder.join(format!("{}.lock", hex::encode(Sha256::digest(key))));
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            let file = match OpenOptions::new().create(true).truncate(false).write(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::create_dir_all(folder)?;
                    continue;
                }
                opened => opened?,
            };
            match file.try_lock() {
                Ok(()) if is_at(&file, &path)? => return Ok(Self { file, path, keep: false }),
                Ok(()) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if began.elapsed() > PATIENCE => {
                    let text = format!("another process has held the lock {} for {PATIENCE:?}", path.display());
                    return Err(io::Error::new(io::ErrorKind::TimedOut, text));
                }
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
            }
        }
    }

    /// No version of the key, past or present, is younger than this.
    pub(super) fn floor(&self) -> io::Result<SystemTime> {
        self.file.metadata()?.modified()
    }

    /// Leaves the lock's file behind with the age of the deleted version, so that the next one can be told from it.
    pub(super) fn remember(&mut self, deleted: SystemTime) -> io::Result<()> {
        let floor = self.floor()?.max(deleted);
        self.file.set_modified(floor)?;
        self.keep = true;
        Ok(())
    }

    /// Removes the lock files in `folder` that nobody holds and that are older than `before`.
    pub(super) fn sweep(folder: &Path, before: SystemTime) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let Ok(file) = File::open(&path) else { continue };
            if file.metadata()?.modified()? < before && file.try_lock().is_ok() && is_at(&file, &path)? {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }
}

impl Drop for KeyLock {
    fn drop(&mut self) {
        // Removed while held: whoever opened it before finds that it is gone, and opens the next one.
        if !self.keep
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "a lock file stays behind");
        }
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let there = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        there => there?,
    };
    let ours = file.metadata()?;
    Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_removed_lock_that_others_wait_for_lets_only_one_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let (inside, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let lock = KeyLock::acquire(folder.path(), "a/key").expect("the lock");
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two are in at once");
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
        assert_eq!(done.into_inner(), 1600);
        assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0, "no lock file stays");
    }
}
