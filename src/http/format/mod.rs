//! Answers in the form the caller wants: rows in, bytes on the wire out, streamed in constant memory. Called by every
//! route that answers with rows; knows Arrow schemas and nothing of what the columns mean.
//!
//! [`answer`] puts a response together, [`text`] is the hot path (JSON, NDJSON, CSV), [`binary`] wraps Arrow IPC and Parquet,
//! [`encoding`] compresses, [`nested`] writes lists, [`one_line`] is for events.

mod answer;
mod binary;
mod encoding;
mod nested;
mod one_line;
mod text;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

pub use answer::{Answer, Rows, Slice, document, respond};
pub use encoding::Encoding;
pub use one_line::rows_on_one_line;

use super::params::Params;
use super::problem::{Problem, ProblemType};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Json,
    Ndjson,
    Csv,
    Arrow,
    Parquet,
}

const CHOICES: [(&str, Format); 5] = [
    ("json", Format::Json),
    ("ndjson", Format::Ndjson),
    ("csv", Format::Csv),
    ("arrow", Format::Arrow),
    ("parquet", Format::Parquet),
];

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
            Format::Arrow => "arrow",
            Format::Parquet => "parquet",
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Ndjson => "application/x-ndjson",
            Format::Csv => "text/csv; charset=utf-8",
            Format::Arrow => "application/vnd.apache.arrow.stream",
            Format::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// `?format=` if given, else the best of `Accept`, else JSON.
    ///
    /// # Errors
    /// 400 for an unknown `format`, 406 when `Accept` admits none of ours.
    pub fn wanted(params: &Params, headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(format) = params.one_of("format", &CHOICES)? {
            return Ok(format);
        }
        let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
        if accept.is_empty() {
            return Ok(Format::Json);
        }
        best(&accept.join(",")).ok_or_else(|| {
            let ours: Vec<&str> = CHOICES.iter().map(|(_, format)| format.content_type()).collect();
            Problem::new(
                ProblemType::NotAcceptable,
                format!("Accept admits none of {}; or use ?format=", ours.join(", ")),
            )
        })
    }
}

/// The format of the media range with the highest quality, the first of equals; `*/*` is JSON.
fn best(accept: &str) -> Option<Format> {
    let mut best: Option<(f32, Format)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let format = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "*/*" | "application/*" | "application/json" => Format::Json,
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Format::Ndjson,
            "text/csv" | "text/*" => Format::Csv,
            "application/vnd.apache.arrow.stream" => Format::Arrow,
            "application/vnd.apache.parquet" => Format::Parquet,
            _ => continue,
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        if quality > 0.0 && best.is_none_or(|(known, _)| quality > known) {
            best = Some((quality, format));
        }
    }
    best.map(|(_, format)| format)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_is_weighed() {
        assert_eq!(best("text/csv;q=0.5, application/x-ndjson"), Some(Format::Ndjson));
        assert_eq!(best("text/html, */*;q=0.1"), Some(Format::Json));
        assert_eq!(best("application/vnd.apache.arrow.stream"), Some(Format::Arrow));
        assert_eq!(best("text/html"), None);
        assert_eq!(best("application/json;q=0"), None);
    }
}
