//! Checks captures and files of refused input: they decompress, every line parses, a capture's content is the one its name
//! says. Pure, a few MiB at a time.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Code, Finding};
use crate::Result;
use crate::lake::journal::{Body, Note, chunks, parse_line};

/// A line of refused input, as far as it is checked.
#[derive(Deserialize)]
struct Refused {
    #[serde(rename = "received_at")]
    _received_at: DateTime<Utc>,
    #[serde(flatten)]
    _note: Note,
    #[serde(rename = "text")]
    _text: String,
}

/// What is wrong with the capture at `key`, whose name says `id`.
pub fn check_capture(key: &str, id: &str, compressed: Bytes) -> Option<Finding> {
    let detail = match identity(compressed) {
        Ok(found) if found == id => return None,
        Ok(found) => format!("its content has the id {found}"),
        Err(error) => error.detail().to_owned(),
    };
    Some(Finding::new(Code::CaptureDamaged, key, detail))
}

/// The id of a capture from what it says: the start of a sha256 over the sha256 of each document and note in turn. When
/// things were received is no part of it.
fn identity(compressed: Bytes) -> Result<String> {
    let mut identity = Sha256::new();
    for chunk in chunks(compressed) {
        for line in chunk?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            identity.update(match parse_line(line)?.body {
                Body::Document(document) => Sha256::digest(document),
                Body::Refused(note) => Sha256::digest(format!("refused {} {}", note.code, note.place)),
            });
        }
    }
    Ok(hex::encode(&identity.finalize()[..16]))
}

/// What is wrong with a file of refused input. Its id is not checked: long texts are kept in part only.
pub fn check_rejected(key: &str, compressed: Bytes) -> Option<Finding> {
    let mut line_number = 0u64;
    for chunk in chunks(compressed) {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(error) => return Some(Finding::new(Code::RejectedDamaged, key, error.detail())),
        };
        for line in chunk.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            line_number += 1;
            if let Err(error) = serde_json::from_slice::<Refused>(line) {
                let detail = format!("line {line_number} is not a refused document ({error})");
                return Some(Finding::new(Code::RejectedDamaged, key, detail));
            }
        }
    }
    None
}
