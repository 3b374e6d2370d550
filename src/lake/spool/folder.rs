//! The folder of a spool: one process owns it, segments lie in it by number, and what must survive a crash is synced with
//! the folder that names it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, Result};

const ENDING: &str = ".segment";
const SPOILED: &str = ".spoiled";
const ANSWERS: &str = "answers";
const LOCK: &str = "lock";

/// The folder, owned until it is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Held by an advisory lock, which ends with the process however that ends.
    _lock: File,
}

/// A segment that is being written, at an exact place each time: what a failed write left is overwritten or cut.
pub trait Medium: Send {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// On disk, with the file's length.
    fn sync(&mut self) -> io::Result<()>;
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Medium for File {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.sync_data()
    }
}

impl Folder {
    /// Makes the folder if need be and takes it.
    ///
    /// # Errors
    /// `Conflict` when another process has it, `Unavailable` when it cannot be made or written.
    pub fn take(path: &Path) -> Result<Self> {
        make(path).map_err(|error| unusable(path, error))?;
        let lock = path.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock);
        let mut file = file.map_err(|error| unusable(&lock, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = fs::read_to_string(&lock).unwrap_or_default();
                let owner = owner.trim();
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "the spool {} is in use by another process (id {}); stop it first, or give this one a --spool of its own",
                        path.display(),
                        if owner.is_empty() { "unknown" } else { owner }
                    ),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(&lock, error)),
        }
        // For a person who wonders; the lock itself is the file's, not what it says.
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(|error| unusable(&lock, error))?;
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn segment(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:016}{ENDING}"))
    }

    /// Numbers of the segments that are there, oldest first.
    pub fn segments(&self) -> Result<Vec<u64>> {
        self.numbers(ENDING)
    }

    /// Numbers of those that were put aside, oldest first.
    pub fn spoiled(&self) -> Result<Vec<u64>> {
        self.numbers(SPOILED)
    }

    fn numbers(&self, ending: &str) -> Result<Vec<u64>> {
        let entries = fs::read_dir(&self.path).map_err(|error| unusable(&self.path, error))?;
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| unusable(&self.path, error))?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.strip_suffix(ending)?.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// A new segment, whose name survives a crash.
    pub fn create(&self, number: u64) -> io::Result<File> {
        let path = self.segment(number);
        let file = OpenOptions::new().create_new(true).write(true).open(&path)?;
        match self.sync() {
            Ok(()) => Ok(file),
            Err(error) => {
                fs::remove_file(&path)?;
                Err(error)
            }
        }
    }

    /// A segment's bytes; `None` when it is not there.
    pub fn read(&self, number: u64) -> Result<Option<Vec<u8>>> {
        let path = self.segment(number);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(|error| unusable(&path, error)),
        }
    }

    /// Cuts what a crash has torn off a segment's end, and removes a segment of which nothing is left.
    pub fn cut(&self, number: u64, length: u64) -> Result<()> {
        let path = self.segment(number);
        if length == 0 {
            return self.remove(number);
        }
        let cut = OpenOptions::new().write(true).open(&path).and_then(|mut file| Medium::cut(&mut file, length));
        cut.map_err(|error| unusable(&path, error))
    }

    /// Fine when it is gone already. A crash may bring it back: then it is sealed again, and nothing of it put twice.
    pub fn remove(&self, number: u64) -> Result<()> {
        let path = self.segment(number);
        self.gone(&path, fs::remove_file(&path))
    }

    /// Puts a segment aside in which a disk has spoiled something, for a person to look at.
    pub fn put_aside(&self, number: u64) -> Result<PathBuf> {
        let (path, aside) = (self.segment(number), self.path.join(format!("{number:016}{SPOILED}")));
        self.gone(&path, fs::rename(&path, &aside))?;
        Ok(aside)
    }

    fn gone(&self, path: &Path, done: io::Result<()>) -> Result<()> {
        match done {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(path, error)),
            _ => {}
        }
        if let Err(error) = self.sync() {
            tracing::warn!(%error, file = %path.display(), "the spool's folder could not be synced after a segment was removed");
        }
        Ok(())
    }

    /// The receipts that outlive their segments, as frames; nothing when there are none.
    pub fn answers(&self) -> Result<Vec<u8>> {
        let path = self.path.join(ANSWERS);
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read.map_err(|error| unusable(&path, error)),
        }
    }

    /// Replaces them, whole or not at all.
    pub fn keep_answers(&self, frames: &[u8]) -> Result<()> {
        let (path, new) = (self.path.join(ANSWERS), self.path.join(format!("{ANSWERS}.new")));
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(frames)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            self.sync()
        };
        write().map_err(|error| unusable(&path, error))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// Makes the folder and those above it, and syncs whatever names a new one: else a crash takes it away with all in it.
fn make(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let new: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(&path)?;
    new.iter().filter_map(|folder| folder.parent()).try_for_each(|parent| File::open(parent)?.sync_all())
}

pub fn unusable(path: &Path, error: io::Error) -> Error {
    Error::unavailable(format!("the spool cannot use {} ({error}); check space and rights", path.display()))
        .caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_is_made_with_those_above_it_and_taken_again() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("a/b/spool");
        drop(Folder::take(&path).unwrap());
        assert!(Folder::take(&path).unwrap().segments().unwrap().is_empty());
    }

    #[test]
    fn a_segment_that_is_gone_counts_as_removed_and_one_put_aside_keeps_its_number() {
        let above = tempfile::tempdir().unwrap();
        let folder = Folder::take(above.path()).unwrap();
        folder.create(3).unwrap();
        folder.remove(3).unwrap();
        folder.remove(3).unwrap();
        assert_eq!(folder.read(3).unwrap(), None);
        folder.create(4).unwrap();
        folder.put_aside(4).unwrap();
        folder.put_aside(4).unwrap();
        assert_eq!((folder.segments().unwrap(), folder.spoiled().unwrap()), (vec![], vec![4]));
    }
}
