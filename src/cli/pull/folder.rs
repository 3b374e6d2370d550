//! The folder that files are pulled into: which of them are right already, where a file lies until it is whole, and how it
//! takes its place. One process at a time uses it. Must never give a file its name before its sha256 was right.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::remote::Listed;
use crate::{Error, Result};

const STATE: &str = ".pitlake-pull.json";
const LOCK: &str = ".pitlake-pull.lock";
const PARTIAL: &str = ".partial";
/// Files settled between two writes of what is remembered; a killed run hashes at most so many again.
const REMEMBERED_EVERY: usize = 64;
const BUFFER_BYTES: usize = 256 << 10;

/// What a file was when its sha256 was last right. Trusted only as long as size and time of change are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    sha256: String,
    bytes: u64,
    modified_ns: i64,
}

/// The folder, locked.
pub struct Folder {
    root: PathBuf,
    known: Mutex<BTreeMap<String, Known>>,
    unsaved: Mutex<usize>,
    /// The lock goes with the handle, however the process ends.
    _lock: File,
}

impl Folder {
    /// Makes the folder when it is not there, and takes it.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be used or another pull is at work in it.
    pub fn open(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(|error| unusable(root, &error))?;
        let place = root.join(LOCK);
        let lock = File::options().create(true).append(true).open(&place).map_err(|error| unusable(&place, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::unavailable(format!(
                    "another pitlake pull is at work in {}; wait for it, or give another folder",
                    root.display()
                )));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(&place, &error)),
        }
        // What is remembered only saves time: a file that cannot be read is as good as none.
        let known = fs::read(root.join(STATE)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let known = Mutex::new(known.unwrap_or_default());
        Ok(Self { root: root.to_owned(), known, unsaved: Mutex::new(0), _lock: lock })
    }

    pub fn path(&self, of: &str) -> PathBuf {
        self.root.join(of)
    }

    /// Where the file gathers until it is whole: named by what it will be, so that a later run continues with the same
    /// revision or not at all.
    pub fn partial(&self, file: &Listed) -> PathBuf {
        let path = self.path(&file.path);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        path.with_file_name(format!(".{name}.{}{PARTIAL}", &file.sha256[..16]))
    }

    /// Whether the file is there and right. Blocks: hashes what is not remembered, and with `verify` everything.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be read.
    pub fn has(&self, file: &Listed, verify: bool) -> Result<bool> {
        let path = self.path(&file.path);
        let found = match stamp(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(unusable(&path, &error)),
        };
        if found.0 != file.bytes {
            return Ok(false);
        }
        let known =
            self.known.lock().get(&file.path).filter(|known| (known.bytes, known.modified_ns) == found).cloned();
        if let Some(known) = known.filter(|_| !verify) {
            return Ok(known.sha256 == file.sha256);
        }
        let mut content = Content::default();
        content.read(&path).map_err(|error| unusable(&path, &error))?;
        let sha256 = content.sha256();
        let right = sha256 == file.sha256;
        self.remember(&file.path, Known { sha256, bytes: found.0, modified_ns: found.1 })?;
        Ok(right)
    }

    /// Whether what is remembered of the file says that it is this one. Looks at nothing on disk but size and time.
    pub fn remembers(&self, path: &str, sha256: &str) -> bool {
        let known = self.known.lock().get(path).cloned();
        known.is_some_and(|known| {
            known.sha256 == sha256
                && stamp(&self.path(path)).is_ok_and(|found| found == (known.bytes, known.modified_ns))
        })
    }

    /// Gives the whole and right partial file its name, durably, and removes what older attempts left. Blocks.
    ///
    /// # Errors
    /// `Unavailable` when the disk fails.
    pub fn settle(&self, file: &Listed) -> Result<()> {
        let (partial, path) = (self.partial(file), self.path(&file.path));
        let place = path.parent().unwrap_or(&self.root);
        let settled = File::open(&partial)
            .and_then(|whole| whole.sync_all())
            .and_then(|()| fs::rename(&partial, &path))
            .and_then(|()| File::open(place)?.sync_all())
            .and_then(|()| stamp(&path));
        let (bytes, modified_ns) = settled.map_err(|error| unusable(&path, &error))?;
        let start = partial_start(&path);
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&start) && name.ends_with(PARTIAL) {
                // Of a revision that has been replaced; if it stays, it only takes room.
                fs::remove_file(entry.path()).ok();
            }
        }
        self.remember(&file.path, Known { sha256: file.sha256.clone(), bytes, modified_ns })
    }

    fn remember(&self, path: &str, known: Known) -> Result<()> {
        self.known.lock().insert(path.to_owned(), known);
        let mut unsaved = self.unsaved.lock();
        *unsaved += 1;
        if *unsaved < REMEMBERED_EVERY {
            return Ok(());
        }
        *unsaved = 0;
        self.write()
    }

    /// Writes down what is remembered. Blocks.
    ///
    /// # Errors
    /// `Unavailable` when the disk fails.
    pub fn save(&self) -> Result<()> {
        let mut unsaved = self.unsaved.lock();
        if *unsaved == 0 {
            return Ok(());
        }
        *unsaved = 0;
        self.write()
    }

    fn write(&self) -> Result<()> {
        let bytes = serde_json::to_vec(&*self.known.lock())
            .map_err(|error| Error::internal("what was pulled cannot be written as JSON").caused_by(error))?;
        let (path, temporary) = (self.root.join(STATE), self.root.join(format!("{STATE}.new")));
        fs::write(&temporary, bytes)
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|error| unusable(&path, &error))
    }
}

fn partial_start(path: &Path) -> String {
    format!(".{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// Size, and time of change in nanoseconds since 1970.
fn stamp(path: &Path) -> io::Result<(u64, i64)> {
    let found = fs::metadata(path)?;
    let since = found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((found.len(), i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)))
}

/// A running sha256 with the count of its bytes.
#[derive(Clone, Default)]
pub struct Content {
    digest: Sha256,
    pub bytes: u64,
}

impl Content {
    pub fn add(&mut self, piece: &[u8]) {
        self.digest.update(piece);
        self.bytes += piece.len() as u64;
    }

    /// Adds a whole file. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn read(&mut self, path: &Path) -> io::Result<()> {
        let mut file = File::open(path)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                read => self.add(&buffer[..read]),
            }
        }
    }

    pub fn sha256(self) -> String {
        hex::encode(self.digest.finalize())
    }
}

/// What to do about a disk that fails.
pub fn unusable(path: &Path, error: &io::Error) -> Error {
    let place = path.display();
    let detail = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("no room is left for {place}; make some, then run the same command: it goes on where it stopped")
        }
        io::ErrorKind::PermissionDenied => format!("{place} may not be written; give another folder with --to"),
        _ => format!("{place} cannot be used"),
    };
    Error::unavailable(detail).caused_by(DiskFault(error.to_string()))
}

/// Marks what waiting for the server does not mend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct DiskFault(String);

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    const PATH: &str = "greeks/symbol=SPY/date=2025-01-15/part-0.parquet";

    /// `bytes` are "hello", whose sha256 is in every textbook.
    fn listed(sha256: &str) -> Listed {
        let crate::lake::layout::Key::Partition(id) = PATH.parse().unwrap() else { panic!("a partition") };
        let url = Url::parse("http://127.0.0.1/x").unwrap();
        Listed { id, path: PATH.to_owned(), url, bytes: 5, sha256: sha256.to_owned(), revision: 1 }
    }

    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn place(root: &Path, name: &str, bytes: &[u8]) {
        let path = root.join(PATH).with_file_name(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_file_takes_its_place_whole_and_older_attempts_go() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let file = listed(HELLO);
        place(root.path(), ".part-0.parquet.2cf24dba5fb0a30e.partial", b"hello");
        place(root.path(), ".part-0.parquet.0000000000000000.partial", b"old");
        place(root.path(), "notes.txt", b"mine");
        assert!(!folder.has(&file, false).unwrap());
        folder.settle(&file).unwrap();
        assert!(folder.has(&file, false).unwrap() && folder.remembers(PATH, HELLO));
        let mut names: Vec<_> = fs::read_dir(root.path().join(PATH).parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["notes.txt", "part-0.parquet"]);
    }

    #[test]
    fn what_is_remembered_is_not_trusted_when_the_file_changed() {
        let root = tempfile::tempdir().unwrap();
        place(root.path(), "part-0.parquet", b"hello");
        let file = listed(HELLO);
        let folder = Folder::open(root.path()).unwrap();
        assert!(folder.has(&file, false).unwrap());
        folder.save().unwrap();
        drop(folder);
        let folder = Folder::open(root.path()).unwrap();
        assert!(folder.remembers(PATH, HELLO), "from the run before");
        place(root.path(), "part-0.parquet", b"jello");
        let path = root.path().join(PATH);
        let later = fs::metadata(&path).unwrap().modified().unwrap() + std::time::Duration::from_secs(2);
        File::options().append(true).open(&path).unwrap().set_modified(later).unwrap();
        assert!(!folder.has(&file, false).unwrap());
        assert!(!folder.remembers(PATH, HELLO));
    }

    #[test]
    fn verify_looks_inside_whatever_is_remembered() {
        let root = tempfile::tempdir().unwrap();
        place(root.path(), "part-0.parquet", b"hello");
        let folder = Folder::open(root.path()).unwrap();
        let file = listed(HELLO);
        assert!(folder.has(&file, false).unwrap());
        let path = root.path().join(PATH);
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, b"jello").unwrap();
        File::options().append(true).open(&path).unwrap().set_modified(before).unwrap();
        assert!(folder.has(&file, false).unwrap(), "size and time are the same");
        assert!(!folder.has(&file, true).unwrap());
    }

    #[test]
    fn one_pull_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let first = Folder::open(root.path()).unwrap();
        let error = Folder::open(root.path()).err().expect("taken");
        assert!(error.detail().contains("another pitlake pull"), "{error}");
        drop(first);
        Folder::open(root.path()).unwrap();
    }
}
