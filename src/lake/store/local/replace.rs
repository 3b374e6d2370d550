//! Replaces a file so that a reader sees the old content or the new one and a crash leaves one of them: written aside in
//! the same folder, fsynced, compared under the key's lock, renamed, the folder fsynced. [`super::LocalDisk`] calls it on
//! the blocking pool.
//!
//! A file system may give a new file the inode of one that was just replaced, within the same tick of its clock. So every
//! new version is made younger than the one before it, by the least step that the file system keeps, and no ETag returns.

use std::collections::HashMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path as FilePath, PathBuf};
use std::time::{Duration, SystemTime};

use object_store::path::Path;
use object_store::{Error, Result};
use parking_lot::Mutex;
use tempfile::NamedTempFile;

use super::failed;
use super::lock::KeyLock;
use super::version::Version;
use crate::lake::store::PutWhen;

const STAGED: &str = ".tmp-";
/// What a killed writer left is removed when it is older than this, measured by the ages of files alone.
const ABANDONED: Duration = Duration::from_secs(3600);
/// Folders whose last sweep is remembered; beyond it all are forgotten, which costs a few readings.
const FOLDERS: usize = 4096;

#[derive(Debug)]
pub(super) struct Writer {
    root: PathBuf,
    locks: PathBuf,
    swept: Mutex<HashMap<PathBuf, SystemTime>>,
}

impl Writer {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { locks: root.join(".locks"), root, swept: Mutex::default() }
    }

    /// Puts what `fill` writes at the key, if `when` holds.
    pub(super) fn put(
        &self,
        key: &Path,
        when: &PutWhen,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<Version> {
        let target = self.root.join(key.as_ref());
        // Looked at without the lock first: a put that cannot win need not write its bytes.
        expect(key, when, look(&target).map_err(disk)?.as_ref())?;
        let staged = self.stage(&target, fill).map_err(disk)?;

        let lock = KeyLock::acquire(&self.locks, key.as_ref()).map_err(disk)?;
        let there = look(&target).map_err(disk)?;
        expect(key, when, there.as_ref())?;
        let version = (|| {
            let floor = there.map_or(Ok(SystemTime::UNIX_EPOCH), |there| there.modified())?.max(lock.floor()?);
            make_younger(staged.as_file(), floor)?;
            staged.as_file().sync_all()?;
            Version::of(&staged.as_file().metadata()?)
        })()
        .map_err(disk)?;
        let renamed = match when {
            PutWhen::Absent => staged.persist_noclobber(&target),
            PutWhen::Matches(_) => staged.persist(&target),
        };
        let renamed = match renamed {
            Ok(file) => file,
            Err(lost) if lost.error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(key)),
            Err(lost) => return Err(disk(lost.error)),
        };
        let folder = parent(&target);
        sync_folder(folder).map_err(disk)?;
        drop(lock);
        if let Ok(now) = renamed.metadata().and_then(|metadata| metadata.modified()) {
            self.sweep(folder, now);
        }
        Ok(version)
    }

    /// Removes the key's file, for good.
    pub(super) fn delete(&self, key: &Path) -> Result<()> {
        let target = self.root.join(key.as_ref());
        (|| {
            if look(&target)?.is_none() {
                return Err(io::ErrorKind::NotFound.into());
            }
            let mut lock = KeyLock::acquire(&self.locks, key.as_ref())?;
            let there = look(&target)?.ok_or(io::ErrorKind::NotFound)?;
            lock.remember(there.modified()?)?;
            fs::remove_file(&target)?;
            sync_folder(parent(&target))
        })()
        .map_err(|error| failed(key, error))
    }

    /// A new file beside the target, locked for as long as this process writes it.
    fn stage(&self, target: &FilePath, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<NamedTempFile> {
        let folder = parent(target);
        self.make_folders(folder)?;
        let mut staged = tempfile::Builder::new();
        let mut staged = staged.prefix(STAGED).permissions(Permissions::from_mode(0o666)).tempfile_in(folder)?;
        // A file system without locks leaves the age alone to tell an abandoned file.
        let _ = staged.as_file().try_lock();
        fill(staged.as_file_mut())?;
        Ok(staged)
    }

    fn make_folders(&self, folder: &FilePath) -> io::Result<()> {
        if folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent() {
            self.make_folders(above)?;
        }
        match fs::create_dir(folder) {
            Ok(()) => match sync_folder(parent(folder)) {
                // Above the lake it may be forbidden to look, and is not ours to care for.
                Err(_) if !parent(folder).starts_with(&self.root) => Ok(()),
                synced => synced,
            },
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Err(_) if folder.is_dir() => Ok(()),
            Err(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Removes what killed writers left in the folder and among the locks, at most once an hour each. Its failure is no
    /// failure of the put.
    fn sweep(&self, folder: &FilePath, now: SystemTime) {
        let Some(before) = now.checked_sub(ABANDONED) else { return };
        for (folder, staged) in [(folder, true), (self.locks.as_path(), false)] {
            {
                let mut swept = self.swept.lock();
                if swept.get(folder).is_some_and(|last| *last > before) {
                    continue;
                }
                if swept.len() >= FOLDERS {
                    swept.clear();
                }
                swept.insert(folder.to_owned(), now);
            }
            let done = if staged { sweep_staged(folder, before) } else { KeyLock::sweep(folder, before) };
            if let Err(error) = done
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, folder = %folder.display(), "leftovers of killed writers stay");
            }
        }
    }
}

/// Removes staged files older than `before` whose writer no longer holds them.
fn sweep_staged(folder: &FilePath, before: SystemTime) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(STAGED.as_bytes()) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.modified()? < before && file.try_lock().is_ok() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Sets the file's modification time after `floor` if it is not already, by the smallest step that the file system keeps.
fn make_younger(file: &File, floor: SystemTime) -> io::Result<()> {
    let steps = [Duration::from_micros(1), Duration::from_millis(1), Duration::from_secs(1), Duration::from_secs(2)];
    let mut steps = steps.into_iter();
    while file.metadata()?.modified()? <= floor {
        let step = steps.next().ok_or_else(|| io::Error::other("the file system does not keep modification times"))?;
        file.set_modified(floor + step)?;
    }
    Ok(())
}

fn expect(key: &Path, when: &PutWhen, there: Option<&fs::Metadata>) -> Result<()> {
    match (when, there) {
        (PutWhen::Absent, None) => Ok(()),
        (PutWhen::Absent, Some(_)) => Err(exists(key)),
        (PutWhen::Matches(etag), there) => {
            let found = there.map(Version::of).transpose().map_err(disk)?.map(|version| version.etag());
            if found.as_ref() == Some(etag) {
                return Ok(());
            }
            let found = found.unwrap_or_else(|| "no object".into());
            Err(Error::Precondition { path: key.to_string(), source: format!("{etag} expected, {found} there").into() })
        }
    }
}

/// The file's metadata; `None` when there is none.
fn look(target: &FilePath) -> io::Result<Option<fs::Metadata>> {
    match fs::metadata(target) {
        Ok(metadata) if metadata.is_file() => Ok(Some(metadata)),
        Ok(_) => Err(io::ErrorKind::IsADirectory.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn sync_folder(folder: &FilePath) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn parent(path: &FilePath) -> &FilePath {
    path.parent().unwrap_or(path)
}

fn exists(key: &Path) -> Error {
    Error::AlreadyExists { path: key.to_string(), source: "an object has this key already".into() }
}

/// An I/O error of a write: never "not found", which would mean that the object is not there.
fn disk(error: io::Error) -> Error {
    let error = match error.kind() {
        io::ErrorKind::NotFound => io::Error::other(format!("the folder vanished while it was written to ({error})")),
        _ => error,
    };
    super::generic(Box::new(error))
}
