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

/// Field and reason of a refusal quote the input: not more of it than this, in characters.
const QUOTED: usize = 300;

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
    /// Long fields and reasons are cut: they live on in notes and answers, and a document may be as long as it likes.
    pub fn new(code: &'static str, field: impl Into<Option<String>>, reason: impl Into<String>) -> Self {
        Self { code, field: field.into().map(cut), reason: cut(reason.into()) }
    }

    /// The note that goes into captures: names document, line and field.
    pub fn note(&self, place: String, timestamp: Option<DateTime<Utc>>) -> Note {
        Note { code: self.code.to_owned(), place, field: self.field.clone(), timestamp, reason: self.reason.clone() }
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Instruments;

    #[test]
    fn what_a_refusal_quotes_is_cut() {
        let instruments = Instruments::builtin();
        let mut reader = Reader::new(&instruments);
        let refused = |reader: &mut Reader<'_>, json: String| reader.read(json.as_bytes()).expect_err("refused");
        let fraction = "1".repeat(1 << 20);
        let long_fraction = format!(
            r#"{{"timestamp":"1970-01-15T14:32:00.{fraction}Z","symbol":"SPY","expiration":"2025-01-17","strike":1,"gamma_exposure":1}}"#
        );
        let refusal = refused(&mut reader, long_fraction);
        assert_eq!(refusal.code, "timestamp_malformed");
        assert_eq!(refusal.reason.chars().count(), 301);
        assert!(refusal.reason.starts_with("timestamp '1970-01-15T14:32:00.11") && refusal.reason.ends_with("1…"));
        let long_field = format!(r#"{{"{}":1e999}}"#, "é".repeat(1 << 20));
        let refusal = refused(&mut reader, long_field);
        assert_eq!(refusal.code, "number_out_of_range");
        assert_eq!(refusal.field, Some(format!("{}…", "é".repeat(300))));
        assert_eq!(refusal.reason.chars().count(), 301);
        let short = Refusal::new("not_json", "x".repeat(300), "é".repeat(300));
        assert_eq!((short.field, short.reason), (Some("x".repeat(300)), "é".repeat(300)));
    }
}
