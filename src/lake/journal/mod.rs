//! The capture journal: writes down what a source said, as it said it, before anything is derived from it.
//!
//! A capture is one zstd-compressed file of JSON lines for one symbol and trading date:
//!
//! ```text
//! {"received_at":"2025-01-15T19:32:01.000123Z","document":{…as sent…}}
//! {"received_at":"2025-01-15T19:32:01.000123Z","refused":{"code":"not_json","place":"document 17, line 17",…}}
//! ```
//!
//! Its id is the start of a sha256 over what was said, not over when it was received, so that saying the same thing
//! twice changes nothing. [`Writer`] and [`decompress`] are used by rooms' ingest, [`read`] by their compaction.

mod identity;
mod input;
mod line;
mod read;
mod spill;
mod write;

pub use identity::Identity;
pub use input::{decompress, unreadable};
pub use line::{Body, Line, Note, parse_line};
pub use read::{Chunk, chunks, digests};
pub use write::{Counts, Stored, Writer};

/// What one document hashes to; 128 bits of a sha256 are enough to tell documents apart.
pub type DocumentDigest = [u8; 16];

/// The digest of one document as it stands in a capture.
pub fn digest(document: &[u8]) -> DocumentDigest {
    use sha2::Digest as _;
    let mut digest = [0; 16];
    digest.copy_from_slice(&sha2::Sha256::digest(document)[..16]);
    digest
}
