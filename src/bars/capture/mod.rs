//! What a source says of one bar, from texts to numbers: times, clock changes, prices, the captured document. Called by ingest, which
//! decides what is kept, and by compaction, which reads captures back by the same rules. Pure.

pub mod clock_change;
pub mod document;
pub mod statement;
pub mod time;
pub mod values;

use chrono::{DateTime, Utc};

use crate::lake::journal::Note;

/// A reason quotes the input: not more of it than this, in characters.
const QUOTED: usize = 300;

/// Why a row is refused. The place in the input is added by whoever knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A stable name: `field_missing`, `not_a_number`, `out_of_range`, `price_not_positive`, `negative_volume`, `ohlc_order`,
    /// `not_a_time`, `not_a_minute`, `ambiguous_time`, `nonexistent_time`, `row_length`, `not_json`, `not_utf8`, `wrong_type`,
    /// `bar_length`.
    pub code: &'static str,
    /// The field to blame, when it is one.
    pub field: Option<&'static str>,
    /// What is wrong and what to do.
    pub reason: String,
}

impl Refusal {
    /// Long reasons are cut: they live on in notes.
    pub fn new(code: &'static str, field: impl Into<Option<&'static str>>, reason: impl Into<String>) -> Self {
        Self { code, field: field.into(), reason: cut(reason.into()) }
    }

    /// The note that goes into captures.
    pub fn note(&self, place: String, timestamp: Option<DateTime<Utc>>) -> Note {
        let field = self.field.map(str::to_owned);
        Note { code: self.code.to_owned(), place, field, timestamp, reason: self.reason.clone() }
    }
}

fn cut(text: String) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
