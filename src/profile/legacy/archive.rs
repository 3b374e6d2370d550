//! The files of an archive, listed once. Reads folders, follows links out of it and none in a circle; a folder that cannot be
//! read is told, never the end of it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A folder of old records.
#[derive(Debug, Clone)]
pub struct Archive {
    root: PathBuf,
    files: Vec<ArchiveFile>,
    skipped: Vec<Skipped>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveFile {
    /// Relative to the folder, with `/` between its parts.
    pub name: String,
    /// As it lies there; 0 when that cannot be told.
    pub bytes: u64,
    path: PathBuf,
}

/// What is in the folder and was not read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    pub name: String,
    pub why: &'static str,
    /// Whether there may be records in it: it was to be read and could not be.
    pub is_fault: bool,
}

impl Archive {
    /// Lists every file below `root`, sorted by name. `root` may be a single file.
    ///
    /// # Errors
    /// `NotFound` when there is nothing at `root`, `Unavailable` when it cannot be read.
    pub fn open(root: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::not_found(format!("{} is not there: name the folder of the archive", root.display()))
            }
            _ => Error::unavailable(format!("{} cannot be read ({error})", root.display())).caused_by(error),
        };
        let real = fs::canonicalize(root).map_err(failed)?;
        let mut archive = Self { root: real.clone(), files: Vec::new(), skipped: Vec::new() };
        if real.is_file() {
            let name = real.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            archive.files.push(ArchiveFile::new(name, real));
            return Ok(archive);
        }
        fs::read_dir(&real).map_err(failed)?;
        archive.walk();
        archive.files.sort_by(|a, b| a.name.cmp(&b.name));
        archive.skipped.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(archive)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn files(&self) -> &[ArchiveFile] {
        &self.files
    }

    /// Hidden files, links back into the archive, folders that cannot be read.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    fn walk(&mut self) {
        let mut seen = HashSet::from([self.root.clone()]);
        let mut left = vec![(self.root.clone(), String::new())];
        while let Some((folder, name)) = left.pop() {
            let Ok(entries) = fs::read_dir(&folder) else {
                self.fault(name, "the folder cannot be read");
                continue;
            };
            for entry in entries {
                let Ok(entry) = entry else {
                    self.fault(name.clone(), "an entry of the folder cannot be read");
                    continue;
                };
                let path = entry.path();
                let own = entry.file_name().to_string_lossy().into_owned();
                let name = if name.is_empty() { own.clone() } else { format!("{name}/{own}") };
                if own.starts_with('.') {
                    self.skip(name, "hidden");
                    continue;
                }
                let Ok(kind) = entry.file_type() else {
                    self.fault(name, "its kind cannot be told");
                    continue;
                };
                if kind.is_dir() {
                    left.push((path, name));
                } else if kind.is_file() {
                    self.files.push(ArchiveFile::new(name, path));
                } else if kind.is_symlink() {
                    self.link(path, name, &mut seen, &mut left);
                } else {
                    self.skip(name, "neither file nor folder");
                }
            }
        }
    }

    fn link(&mut self, path: PathBuf, name: String, seen: &mut HashSet<PathBuf>, left: &mut Vec<(PathBuf, String)>) {
        let Ok(target) = fs::canonicalize(&path) else {
            // A record may have been here: reading it says that it is gone.
            self.files.push(ArchiveFile::new(name, path));
            return;
        };
        let known = seen.iter().any(|folder| target.starts_with(folder));
        if known || self.root.starts_with(&target) {
            self.skip(name, "a link to what is read anyway");
        } else if target.is_dir() {
            seen.insert(target.clone());
            left.push((target, name));
        } else if target.is_file() {
            seen.insert(target.clone());
            self.files.push(ArchiveFile::new(name, target));
        } else {
            self.skip(name, "neither file nor folder");
        }
    }

    fn skip(&mut self, name: String, why: &'static str) {
        self.skipped.push(Skipped { name, why, is_fault: false });
    }

    fn fault(&mut self, name: String, why: &'static str) {
        self.skipped.push(Skipped { name, why, is_fault: true });
    }
}

impl ArchiveFile {
    fn new(name: String, path: PathBuf) -> Self {
        let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Self { name, bytes, path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}
