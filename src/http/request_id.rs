//! The name of one request in the log and in the answer's `X-Request-Id`: the client's own if it is a sane one, else
//! made from the process's start and a counter. No randomness, and unique among processes that start apart.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use chrono::{DateTime, Utc};

/// The header in which a request's id arrives and leaves.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client.
const LONGEST_CHARS: usize = 64;

/// The id of one request, in its extensions for whoever logs about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Gives ids: the process's start in microseconds and its number in hexadecimal, then 1, 2, 3 …
#[derive(Debug)]
pub struct RequestIds {
    process: String,
    given: AtomicU64,
}

impl RequestIds {
    pub fn new(started_at: DateTime<Utc>) -> Self {
        let process = format!("{:x}-{:x}", started_at.timestamp_micros(), std::process::id());
        Self { process, given: AtomicU64::new(0) }
    }

    /// The id that the client gave, or the next of our own.
    pub fn id_for(&self, headers: &HeaderMap) -> RequestId {
        match headers.get(X_REQUEST_ID) {
            Some(theirs) if is_sane(theirs) => RequestId(theirs.clone()),
            _ => {
                let number = self.given.fetch_add(1, Ordering::Relaxed) + 1;
                let text = format!("{}-{number}", self.process);
                RequestId(HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("unnamed")))
            }
        }
    }
}

/// Letters, digits and `.`, `_`, `-`: nothing that could forge a log line or a header.
fn is_sane(id: &HeaderValue) -> bool {
    let bytes = id.as_bytes();
    (1..=LONGEST_CHARS).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(id: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_bytes(id).unwrap())])
    }

    #[test]
    fn a_sane_id_is_kept_and_any_other_replaced() {
        let ids = RequestIds::new("2025-01-15T14:32:00Z".parse().unwrap());
        assert_eq!(ids.id_for(&asking(b"7f3c.A_b-1")).as_str(), "7f3c.A_b-1");
        let mut seen = std::collections::HashSet::new();
        for strange in [&b""[..], b"a b", b"a\"b", b"\xffid", "x".repeat(65).as_bytes()] {
            let id = ids.id_for(&asking(strange));
            // 2025-01-15T14:32:00Z is 1736951520 s, in microseconds and hexadecimal:
            assert!(id.as_str().starts_with("62bbf8a577800-"), "{}", id.as_str());
            assert!(seen.insert(id.as_str().to_owned()));
        }
        assert_eq!(seen.len(), 5);
    }
}
