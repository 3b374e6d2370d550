//! The ETag of a file: inode, modification time in nanoseconds, size. [`super::replace`] takes care that no two contents
//! of a key ever share one.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    inode: u64,
    modified_ns: u128,
    size: u64,
}

impl Version {
    pub(super) fn of(metadata: &Metadata) -> io::Result<Self> {
        let modified: SystemTime = metadata.modified()?;
        let modified_ns = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Ok(Self { inode: metadata.ino(), modified_ns, size: metadata.len() })
    }

    pub(super) fn etag(&self) -> String {
        format!("\"{:x}-{:x}-{:x}\"", self.inode, self.modified_ns, self.size)
    }

    /// Bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}
