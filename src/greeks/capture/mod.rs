//! Raw greeks to rows: reads both shapes of the raw input and refuses what it must, with a reason that names the
//! field. Called by ingest, which decides what is kept, and by compaction, which reads captures back. Pure.

mod blame;
mod document;
mod split;
mod table;

pub use document::{Home, Parsed, Reader, StrikeRow, whole_dollars};
pub use split::{DOCUMENT_BYTES, Piece, Splitter};
pub use table::Table;

use chrono::{DateTime, Utc};

use crate::lake::journal::Note;

/// Why a document is refused. The place in the input is added by whoever knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A stable name: `not_json`, `field_missing`, `wrong_type`, `number_out_of_range`, `strike_not_positive`,
    /// `spot_not_positive`, `timestamp_without_zone`, `timestamp_malformed`, `expiration_malformed`,
    /// `expiration_before_date`, `symbol_malformed`, `symbol_unknown`, `no_greek`, `no_strikes`, `two_shapes`,
    /// `field_twice`, `row_length`, `document_too_large`, `not_utf8`.
    pub code: &'static str,
    /// The field to blame, `strikes[3].gamma` for one inside the list.
    pub field: Option<String>,
    /// What is wrong and what to do.
    pub reason: String,
}

impl Refusal {
    pub fn new(code: &'static str, field: impl Into<Option<String>>, reason: impl Into<String>) -> Self {
        Self { code, field: field.into(), reason: reason.into() }
    }

    /// The note that goes into captures: names document, line and field.
    pub fn note(&self, place: String, timestamp: Option<DateTime<Utc>>) -> Note {
        Note { code: self.code.to_owned(), place, field: self.field.clone(), timestamp, reason: self.reason.clone() }
    }
}
