//! One record of a segment: framed, checked, found again after a crash. Pure.
//!
//! ```text
//! magic 4 | length of head u32 | length of body u32 | sha256 of body, 16 bytes | check, 16 bytes | head, JSON | body
//! ```
//!
//! Numbers are little-endian. The check is the start of a sha256 over the segment's number, the frame's place in it, both
//! lengths, the body's digest and the head: a frame is intact only where it was written, so that no document can pass
//! for a frame by what it says.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Document, Home, PostKey, Refused};
use crate::lake::journal::{DocumentDigest, Note, digest};
use crate::market::{Symbol, TradingDate};
use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"\x9ePL1";
const PREFIX: usize = 4 + 4 + 4 + 16 + 16;

/// What a record is, without its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    Document {
        home: Home,
        received_at: DateTime<Utc>,
        rows: u64,
    },
    Refused {
        dataset: Arc<str>,
        home: Option<(Symbol, TradingDate)>,
        received_at: DateTime<Utc>,
        note: Note,
    },
    /// The body is the receipt that was given.
    Answered {
        #[serde(with = "hex_of_32")]
        id: [u8; 32],
        #[serde(with = "hex_of_32")]
        body: [u8; 32],
        at: DateTime<Utc>,
    },
}

/// A record as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame<'a> {
    pub head: Head,
    pub body: &'a [u8],
    pub digest: DocumentDigest,
}

impl Head {
    pub fn answered(key: &PostKey, at: DateTime<Utc>) -> Self {
        Head::Answered { id: key.id, body: key.body, at }
    }
}

/// Appends records to a buffer that will stand at `start` of the segment.
pub struct Framer<'a> {
    pub segment: u64,
    pub start: u64,
    pub out: &'a mut Vec<u8>,
}

impl Framer<'_> {
    pub fn document(&mut self, document: &Document) -> Result<()> {
        let Document { home, received_at, rows, digest, bytes } = document;
        let head = Head::Document { home: home.clone(), received_at: *received_at, rows: *rows };
        self.push(&head, bytes, *digest)
    }

    pub fn refused(&mut self, refused: &Refused) -> Result<()> {
        let Refused { dataset, home, received_at, note, text } = refused;
        let head = Head::Refused {
            dataset: Arc::clone(dataset),
            home: home.clone(),
            received_at: *received_at,
            note: note.clone(),
        };
        self.push(&head, text, digest(text))
    }

    pub fn answered(&mut self, head: &Head, receipt: &[u8]) -> Result<()> {
        self.push(head, receipt, digest(receipt))
    }

    fn push(&mut self, head: &Head, body: &[u8], digest: DocumentDigest) -> Result<()> {
        let head = serde_json::to_vec(head)
            .map_err(|error| Error::internal("a record's head could not be written").caused_by(error))?;
        let (Ok(head_bytes), Ok(body_bytes)) = (u32::try_from(head.len()), u32::try_from(body.len())) else {
            return Err(Error::invalid("a document beyond 4 GiB cannot be written down"));
        };
        let at = self.start + self.out.len() as u64;
        self.out.reserve(PREFIX + head.len() + body.len());
        self.out.extend_from_slice(MAGIC);
        self.out.extend_from_slice(&head_bytes.to_le_bytes());
        self.out.extend_from_slice(&body_bytes.to_le_bytes());
        self.out.extend_from_slice(&digest);
        self.out.extend_from_slice(&check(self.segment, at, head_bytes, body_bytes, &digest, &head));
        self.out.extend_from_slice(&head);
        self.out.extend_from_slice(body);
        Ok(())
    }
}

fn check(segment: u64, at: u64, head_bytes: u32, body_bytes: u32, digest: &DocumentDigest, head: &[u8]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(segment.to_le_bytes());
    hash.update(at.to_le_bytes());
    hash.update(head_bytes.to_le_bytes());
    hash.update(body_bytes.to_le_bytes());
    hash.update(digest);
    hash.update(head);
    let mut check = [0; 16];
    check.copy_from_slice(&hash.finalize()[..16]);
    check
}

/// The intact records of a segment, in order. What is damaged is passed over: a torn end, and between two intact records
/// what a disk has spoiled.
pub struct Frames<'a> {
    segment: u64,
    bytes: &'a [u8],
    at: usize,
    intact_until: usize,
    spoiled: usize,
}

impl<'a> Frames<'a> {
    pub fn new(segment: u64, bytes: &'a [u8]) -> Self {
        Self { segment, bytes, at: 0, intact_until: 0, spoiled: 0 }
    }

    /// Where the last intact record found so far ends.
    pub fn intact_until(&self) -> usize {
        self.intact_until
    }

    /// Bytes that were passed over before an intact record.
    pub fn spoiled(&self) -> usize {
        self.spoiled
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        loop {
            if let Some((frame, length)) = frame_at(self.segment, self.bytes, self.at) {
                self.spoiled += self.at - self.intact_until;
                self.at += length;
                self.intact_until = self.at;
                return Some(frame);
            }
            let from = (self.at + 1).min(self.bytes.len());
            self.at = from + memchr::memmem::find(&self.bytes[from..], MAGIC)?;
        }
    }
}

fn frame_at(segment: u64, bytes: &[u8], at: usize) -> Option<(Frame<'_>, usize)> {
    let frame = bytes.get(at..)?;
    let (prefix, rest) = frame.split_at_checked(PREFIX)?;
    let number = |from: usize| Some(u32::from_le_bytes(prefix[from..from + 4].try_into().ok()?));
    let (head_bytes, body_bytes) = (number(4)?, number(8)?);
    let (digest, checked): (DocumentDigest, &[u8]) = (prefix[12..28].try_into().ok()?, &prefix[28..44]);
    let (head, rest) = rest.split_at_checked(head_bytes as usize)?;
    let body = rest.get(..body_bytes as usize)?;
    let intact = &prefix[..4] == MAGIC
        && check(segment, at as u64, head_bytes, body_bytes, &digest, head) == checked
        && super::super::journal::digest(body) == digest;
    let head = intact.then(|| serde_json::from_slice(head).ok()).flatten()?;
    Some((Frame { head, body, digest }, PREFIX + head_bytes as usize + body_bytes as usize))
}

mod hex_of_32 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(D::Error::custom)?;
        Ok(bytes)
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
