//! One line of a capture: printed by the writer, parsed by every reader.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

const RECEIVED: &str = r#"{"received_at":""#;
const DOCUMENT: &str = r#"","document":"#;
const REFUSED: &str = r#"","refused":"#;
/// `2025-01-15T19:32:01.000123Z`
const INSTANT_LEN: usize = 27;

/// A note that a document was refused near this place; the document itself lies under `raw/_rejected`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// A stable name of the kind of fault, such as `not_json`.
    pub code: String,
    /// Document and line in the input.
    pub place: String,
    /// The field to blame, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The time the document was stamped with, as far as it can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DateTime<Utc>>,
    /// One sentence for a person.
    pub reason: String,
}

/// What a line holds besides its time of receipt.
#[derive(Debug, Clone, PartialEq)]
pub enum Body<'a> {
    /// The bytes of one JSON document, as sent.
    Document(&'a [u8]),
    Refused(Note),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    pub received_at: DateTime<Utc>,
    pub body: Body<'a>,
}

/// Appends one document line, newline included. `document` must be JSON without line breaks.
pub fn print_document(received_at: DateTime<Utc>, document: &[u8], out: &mut Vec<u8>) {
    print(received_at, DOCUMENT, document, out);
}

/// Appends one refusal line.
pub fn print_note(received_at: DateTime<Utc>, note: &Note, out: &mut Vec<u8>) -> Result<()> {
    let json =
        serde_json::to_vec(note).map_err(|error| Error::internal("a note could not be written").caused_by(error))?;
    print(received_at, REFUSED, &json, out);
    Ok(())
}

fn print(received_at: DateTime<Utc>, field: &str, body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(RECEIVED.as_bytes());
    out.extend_from_slice(received_at.to_rfc3339_opts(SecondsFormat::Micros, true).as_bytes());
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(b"}\n");
}

/// Parses one line without its newline.
///
/// # Errors
/// `Corrupt` when it is not a line of a capture.
pub fn parse_line(line: &[u8]) -> Result<Line<'_>> {
    let damaged = || {
        let start = String::from_utf8_lossy(&line[..line.len().min(60)]).into_owned();
        Error::corrupt(format!("not a line of a capture: {start}…"))
    };
    let rest = line.strip_prefix(RECEIVED.as_bytes()).ok_or_else(damaged)?;
    let (instant, rest) = rest.split_at_checked(INSTANT_LEN).ok_or_else(damaged)?;
    let received_at = std::str::from_utf8(instant)
        .ok()
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
        .ok_or_else(damaged)?
        .with_timezone(&Utc);
    let rest = rest.strip_suffix(b"}").ok_or_else(damaged)?;
    if let Some(document) = rest.strip_prefix(DOCUMENT.as_bytes()) {
        return Ok(Line { received_at, body: Body::Document(document) });
    }
    let note = rest.strip_prefix(REFUSED.as_bytes()).ok_or_else(damaged)?;
    let note = serde_json::from_slice(note).map_err(|error| damaged().caused_by(error))?;
    Ok(Line { received_at, body: Body::Refused(note) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2025-01-15T14:32:01.000123-05:00").unwrap().with_timezone(&Utc)
    }

    #[test]
    fn a_document_comes_back_as_it_was_sent() {
        let mut out = Vec::new();
        print_document(instant(), br#"{"strike": 580.10}"#, &mut out);
        assert_eq!(out, b"{\"received_at\":\"2025-01-15T19:32:01.000123Z\",\"document\":{\"strike\": 580.10}}\n");
        let line = parse_line(&out[..out.len() - 1]).unwrap();
        assert_eq!(line.received_at, instant());
        assert_eq!(line.body, Body::Document(br#"{"strike": 580.10}"#));
    }

    #[test]
    fn a_note_comes_back() {
        let note = Note {
            code: "not_json".into(),
            place: "document 2, line 2".into(),
            field: None,
            timestamp: None,
            reason: "x".into(),
        };
        let mut out = Vec::new();
        print_note(instant(), &note, &mut out).unwrap();
        assert_eq!(parse_line(&out[..out.len() - 1]).unwrap().body, Body::Refused(note));
    }

    #[test]
    fn a_torn_line_is_corrupt() {
        let mut out = Vec::new();
        print_document(instant(), b"{}", &mut out);
        for cut in [0, 5, 20, 45] {
            assert_eq!(parse_line(&out[..cut]).unwrap_err().kind(), crate::ErrorKind::Corrupt, "cut at {cut}");
        }
    }
}
