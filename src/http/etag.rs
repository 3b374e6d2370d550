//! Strong entity tags and conditional requests (RFC 9110 §8.8, §13.1.2). Handlers build one per answer from everything
//! that its bytes depend on; a tag must never be equal for two answers that differ.

use std::fmt;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

/// Says of every answer what its bytes depend on, so that no cache between us and the caller gives one caller's answer, or one
/// format, to another.
pub async fn vary(mut response: Response) -> Response {
    response.headers_mut().entry(header::VARY).or_insert(VARY);
    response
}

/// The request headers that an answer's bytes depend on, for `Vary`.
pub const VARY: HeaderValue = HeaderValue::from_static("accept, accept-encoding, authorization, x-api-key");

/// Gathers what an answer's bytes depend on.
#[derive(Debug, Clone)]
pub struct ETagBuilder(Sha256);

impl ETagBuilder {
    /// `content` names the stored bytes that the answer is made from, best the store's own ETag of the partition.
    pub fn of_content(content: &str) -> Self {
        // The program's version is part of it: another version may write the same rows in other bytes.
        Self(Sha256::new()).part("pitlake", env!("CARGO_PKG_VERSION")).part("content", content)
    }

    /// Adds one thing the bytes depend on. Name and value are framed by their lengths, so that no two lists of parts
    /// run together.
    #[must_use]
    pub fn part(mut self, name: &str, value: &str) -> Self {
        for text in [name, value] {
            self.0.update((text.len() as u64).to_le_bytes());
            self.0.update(text.as_bytes());
        }
        self
    }

    pub fn finish(self) -> ETag {
        let digest: [u8; 32] = self.0.finalize().into();
        ETag(hex::encode(&digest[..16]))
    }
}

/// A strong entity tag: equal tags mean equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ETag(String);

impl ETag {
    /// The tag of an answer made from one partition: what is stored, how it is written, and what was asked.
    ///
    /// `encoding` is the content coding of the body as sent (`identity`, `gzip`, `zstd`); `query` the normalised
    /// question, see `Params::canonical`.
    pub fn of_answer(content: &str, format: &str, encoding: &str, query: &str) -> Self {
        ETagBuilder::of_content(content).part("format", format).part("encoding", encoding).part("query", query).finish()
    }

    /// The tag of a partition's own file, byte for byte: its sha256 in lower-case hex, so that whoever knows what the file
    /// should be can ask for exactly that.
    pub fn of_file(sha256: &str) -> Self {
        ETag(sha256.to_owned())
    }

    /// The value of the `ETag` header.
    pub fn header_value(&self) -> HeaderValue {
        // Thirty-two hexadecimal digits in quotes are always a valid header value.
        HeaderValue::try_from(self.to_string()).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
    }

    /// Whether the client's `If-None-Match` names this tag, so that 304 is the answer. Compared weakly, as RFC 9110
    /// §13.1.2 asks: a proxy that re-compressed our answer may have put `W/` before the tag.
    pub fn is_known_to(&self, request: &HeaderMap) -> bool {
        request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .any(|line| line.trim() == "*" || tags(line).any(|tag| tag == self.0))
    }

    /// Whether `If-Match`, when it was sent, names this tag: else the answer is 412 (RFC 9110 §13.1.1, compared strongly).
    pub fn is_what_is_wanted(&self, request: &HeaderMap) -> bool {
        let mut lines = request.get_all(header::IF_MATCH).iter().peekable();
        let wanted = self.to_string();
        lines.peek().is_none()
            || lines
                .filter_map(|line| line.to_str().ok())
                .any(|line| line.split(',').map(str::trim).any(|tag| tag == "*" || tag == wanted))
    }

    /// Whether a `Range` may be honoured: `If-Range` was not sent, or names this tag (strongly, RFC 9110 §13.1.5; a date
    /// never does, since these answers have none).
    pub fn may_be_continued(&self, request: &HeaderMap) -> bool {
        request.get(header::IF_RANGE).is_none_or(|given| given.to_str().is_ok_and(|given| given == self.to_string()))
    }

    /// Puts `ETag` and `Vary` on an answer.
    pub fn put_on(&self, headers: &mut HeaderMap) {
        headers.insert(header::ETAG, self.header_value());
        headers.insert(header::VARY, VARY);
    }

    /// The answer to a client that has the bytes already.
    pub fn not_modified(&self) -> Response {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        self.put_on(response.headers_mut());
        response
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// The opaque parts of a list of entity tags. A comma may stand inside the quotes; what is not a tag ends the list.
fn tags(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let quoted = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (tag, after) = quoted.split_once('"')?;
        rest = after;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (header::IF_NONE_MATCH, line.parse().unwrap())).collect()
    }

    #[test]
    fn a_tag_differs_by_each_part() {
        let base = ETag::of_answer("e1", "json", "identity", "strike=3:580;");
        assert_eq!(base, ETag::of_answer("e1", "json", "identity", "strike=3:580;"));
        for other in [
            ETag::of_answer("e2", "json", "identity", "strike=3:580;"),
            ETag::of_answer("e1", "csv", "identity", "strike=3:580;"),
            ETag::of_answer("e1", "json", "zstd", "strike=3:580;"),
            ETag::of_answer("e1", "json", "identity", ""),
            // The same letters cut elsewhere.
            ETag::of_answer("e1j", "son", "identity", "strike=3:580;"),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(base.header_value().len(), 34);
    }

    #[test]
    fn if_none_match_is_read_as_a_list() {
        let tag = ETag("abc".to_owned());
        for known in [
            &["\"abc\""][..],
            &["W/\"abc\""],
            &["*"],
            &["\"x\", \"abc\""],
            &["\"x,\\\",W/\"abc\""],
            &["\"x\"", "\"abc\""],
            &["\"x,y\" , \"abc\""],
        ] {
            assert!(tag.is_known_to(&asking(known)), "{known:?}");
        }
        for other in [&[][..], &["\"abcd\""], &["abc"], &["\"ABC\""], &["\"x,abc\""], &["\"abc"], &["\"*\""], &[""]] {
            assert!(!tag.is_known_to(&asking(other)), "{other:?}");
        }
    }

    #[test]
    fn if_match_and_if_range_are_strong() {
        let tag = ETag::of_file("abc");
        let with = |name: header::HeaderName, value: &str| HeaderMap::from_iter([(name, value.parse().unwrap())]);
        assert!(tag.is_what_is_wanted(&HeaderMap::new()) && tag.may_be_continued(&HeaderMap::new()));
        for good in ["\"abc\"", "*", "\"x\", \"abc\""] {
            assert!(tag.is_what_is_wanted(&with(header::IF_MATCH, good)), "{good}");
        }
        for bad in ["\"abcd\"", "W/\"abc\"", "abc", ""] {
            assert!(!tag.is_what_is_wanted(&with(header::IF_MATCH, bad)), "{bad}");
            assert!(!tag.may_be_continued(&with(header::IF_RANGE, bad)), "{bad}");
        }
        assert!(tag.may_be_continued(&with(header::IF_RANGE, "\"abc\"")));
        assert!(!tag.may_be_continued(&with(header::IF_RANGE, "Wed, 15 Jan 2025 14:32:00 GMT")));
    }

    #[test]
    fn not_modified_carries_the_tag_and_vary_and_nothing_else() {
        let response = ETag("abc".to_owned()).not_modified();
        assert_eq!(response.status(), 304);
        assert_eq!(response.headers()[header::ETAG], "\"abc\"");
        assert!(response.headers()[header::VARY].to_str().unwrap().contains("accept-encoding"));
        assert!(!response.headers().contains_key(header::CONTENT_TYPE));
    }
}
