//! One byte range of a file (RFC 9110 §14): what the client's `Range` comes to, and the head of a 206. Only this file
//! answers 206.

use std::ops::Range;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use crate::http::problem::{Problem, ProblemType};

/// What to send of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no range was asked for, several were, or it is none that we can read; RFC 9110 lets a server ignore it.
    Whole,
    Part(Range<u64>),
    /// A range without a byte of the file.
    Nothing,
}

/// What `Range` asks of a file of `size` bytes.
pub fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let mut lines = headers.get_all(header::RANGE).iter();
    match (lines.next().and_then(|line| line.to_str().ok()), lines.next()) {
        (Some(line), None) => of(line, size).unwrap_or(Wanted::Whole),
        _ => Wanted::Whole,
    }
}

fn of(line: &str, size: u64) -> Option<Wanted> {
    let (unit, range) = line.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let part = match (number(first)?, number(last)?) {
        (None, None) => return None,
        (None, Some(suffix)) => size.saturating_sub(suffix)..size,
        (Some(first), None) => first..size,
        (Some(first), Some(last)) if last < first => return None,
        (Some(first), Some(last)) => first..last.saturating_add(1).min(size),
    };
    Some(if part.is_empty() { Wanted::Nothing } else { Wanted::Part(part) })
}

/// Digits, or nothing at all; one that is too large for any file is as good as the largest.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

/// Makes a part's body the 206 that says which part it is.
pub fn put_partial(response: &mut Response, range: &Range<u64>, size: u64) {
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    put_content_range(response.headers_mut(), &format!("{}-{}", range.start, range.end - 1), size);
}

/// The 416 for a range beyond the file's end.
pub fn not_satisfiable(size: u64) -> Problem {
    let detail =
        format!("the file has {size} bytes and none of them is in the range; ask for one that begins before its end");
    let problem = Problem::new(ProblemType::RangeNotSatisfiable, detail);
    match HeaderValue::try_from(format!("bytes */{size}")) {
        Ok(value) => problem.with_header(header::CONTENT_RANGE, value),
        Err(_) => problem,
    }
}

fn put_content_range(headers: &mut HeaderMap, part: &str, size: u64) {
    if let Ok(value) = HeaderValue::try_from(format!("bytes {part}/{size}")) {
        headers.insert(header::CONTENT_RANGE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 9110 §14.1.2 for a file of 10,000 bytes, and what lies around them.
    #[test]
    fn ranges_as_the_rfc_reads_them() {
        let cases = [
            ("bytes=0-499", Wanted::Part(0..500)),
            ("bytes=500-999", Wanted::Part(500..1000)),
            ("bytes=-500", Wanted::Part(9500..10_000)),
            ("bytes=9500-", Wanted::Part(9500..10_000)),
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=9999-", Wanted::Part(9999..10_000)),
            ("Bytes=0-", Wanted::Part(0..10_000)),
            ("bytes=9000-20000", Wanted::Part(9000..10_000)),
            ("bytes=-20000", Wanted::Part(0..10_000)),
            ("bytes=0-99999999999999999999999", Wanted::Part(0..10_000)),
            ("bytes=10000-", Wanted::Nothing),
            ("bytes=10000-10001", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=0-0,-1", Wanted::Whole),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes", Wanted::Whole),
            ("rows=0-4", Wanted::Whole),
            ("", Wanted::Whole),
        ];
        for (line, expected) in cases {
            let headers = HeaderMap::from_iter([(header::RANGE, line.parse().unwrap())]);
            assert_eq!(wanted(&headers, 10_000), expected, "{line}");
        }
        assert_eq!(wanted(&HeaderMap::new(), 10_000), Wanted::Whole);
        let first = HeaderMap::from_iter([(header::RANGE, "bytes=0-".parse().unwrap())]);
        assert_eq!(wanted(&first, 0), Wanted::Nothing, "an empty file has no first byte");
    }
}
