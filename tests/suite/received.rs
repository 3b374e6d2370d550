//! Captures of SPY received at times of the test's choosing, written by the journal itself: what `ingest` would store if the
//! clock stood where the test says.

use chrono::{DateTime, Utc};
use pitlake::lake::journal::Writer;

use crate::pitlake_binary::Lake;

/// An RFC 3339 instant.
pub fn at(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).expect("an instant").with_timezone(&Utc)
}

/// Stores one capture of documents, each with when it was received.
pub fn received<T: AsRef<str>>(lake: &Lake, date: &str, documents: &[(DateTime<Utc>, T)]) {
    received_of(lake, "SPY", date, documents);
}

/// The same of another symbol.
pub fn received_of<T: AsRef<str>>(lake: &Lake, symbol: &str, date: &str, documents: &[(DateTime<Utc>, T)]) {
    let mut writer = Writer::new("greeks").expect("a writer");
    let (symbol, date) = (symbol.parse().expect("a symbol"), date.parse().expect("a date"));
    for (received_at, document) in documents {
        writer.document(&symbol, date, *received_at, document.as_ref().as_bytes(), 1).expect("written");
    }
    let stored = block_on(async { writer.finish(&lake.store().await).await }).expect("stored");
    assert_eq!(stored.captures, 1, "a capture that was not there yet");
}

/// Runs a future of the library to its end.
pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(work)
}
