//! What a pull tells: a bar on a terminal, a line a file elsewhere, and the sums at the end.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write};

use indicatif::ProgressBar;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;

use super::remote::Listed;
use crate::cli::{line, progress};
use crate::{Error, Result};

/// The sums of a pull, as `--json` ends with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Files listed.
    pub files: usize,
    /// Of these, brought.
    pub downloaded: usize,
    /// Of these, there and right already.
    pub unchanged: usize,
    /// Bytes of files that came over the line, those of broken attempts included.
    pub bytes: u64,
    /// Files that could not be brought.
    pub failed: usize,
}

/// Counts while the pull runs; shared by all its downloads.
pub struct Report {
    json: bool,
    plain: bool,
    bar: ProgressBar,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    files: BTreeSet<String>,
    failed: BTreeSet<String>,
    downloaded: usize,
    unchanged: usize,
    bytes: u64,
}

impl Report {
    pub fn new(json: bool) -> Self {
        let plain = !std::io::stderr().is_terminal();
        Self { json, plain, bar: progress::transfer("pulling"), counts: Mutex::default() }
    }

    /// More files to look at.
    pub fn expects(&self, files: &[Listed]) {
        self.bar.inc_length(files.iter().map(|file| file.bytes).sum());
        self.counts.lock().files.extend(files.iter().map(|file| file.path.clone()));
    }

    pub fn received(&self, bytes: u64) {
        self.counts.lock().bytes += bytes;
        self.bar.inc(bytes);
    }

    /// Bytes received so far.
    pub fn moved(&self) -> u64 {
        self.counts.lock().bytes
    }

    pub fn unchanged(&self, file: &Listed) {
        self.bar.inc(file.bytes);
        let mut counts = self.counts.lock();
        counts.unchanged += 1;
        counts.failed.remove(&file.path);
    }

    pub fn downloaded(&self, file: &Listed, out: &mut dyn Write) -> Result<()> {
        {
            let mut counts = self.counts.lock();
            counts.downloaded += 1;
            counts.failed.remove(&file.path);
        }
        let Listed { path, bytes, sha256, revision, .. } = file;
        if self.json {
            let told = json!({"path": path, "revision": revision, "bytes": bytes, "sha256": sha256});
            self.bar.suspend(|| line(out, &told.to_string()))
        } else if self.plain {
            line(out, &format!("{path}  revision {revision}, {bytes} bytes"))
        } else {
            Ok(())
        }
    }

    pub fn failed(&self, path: &str, error: &Error) {
        self.counts.lock().failed.insert(path.to_owned());
        let cause = std::error::Error::source(error).map(|cause| format!(" ({cause})")).unwrap_or_default();
        self.bar.suspend(|| eprintln!("{path}: {}{cause}", error.detail()));
    }

    /// A remark on standard error.
    pub fn says(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    pub fn sums(&self) -> Sums {
        let Counts { files, failed, downloaded, unchanged, bytes } = &*self.counts.lock();
        Sums { files: files.len(), downloaded: *downloaded, unchanged: *unchanged, bytes: *bytes, failed: failed.len() }
    }

    /// The last words.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn finish(&self, out: &mut dyn Write) -> Result<Sums> {
        self.bar.finish_and_clear();
        let sums = self.sums();
        let text = if self.json {
            serde_json::to_string(&sums).map_err(|error| Error::internal("no sums").caused_by(error))?
        } else {
            let Sums { files, downloaded, unchanged, bytes, failed } = sums;
            let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
            format!("{files} files: {downloaded} downloaded ({bytes} bytes), {unchanged} unchanged{failed}")
        };
        line(out, &text)?;
        Ok(sums)
    }
}
