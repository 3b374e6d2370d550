//! The captures of bars that the lake holds on the dates of a file that comes in. Called by ingest, before it stores the file; reads only.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};

use super::capture::document::{self, BarSaid};
use super::capture::statement::Statement;
use super::capture::values::Rules;
use super::record::BARS;
use crate::Result;
use crate::lake::journal::{Body, Identity, chunks, parse_line};
use crate::lake::layout::{Key, prefix};
use crate::lake::store::Store;
use crate::market::{Instrument, SessionKind, Symbol, TradingDate};

/// Dates looked at, and captures fetched, at a time.
const AT_A_TIME: usize = 16;
/// No exchange rests for longer, in days.
const LONGEST_REST: u32 = 12;

/// Captures, by date and id, as they are stored.
pub type Fetched = BTreeMap<TradingDate, Vec<(String, Bytes)>>;

/// The dates of a file with the one before and the one after each: where another clock would have put its rows.
pub fn near(dates: &BTreeSet<TradingDate>, instrument: &Instrument) -> BTreeSet<TradingDate> {
    let is_open = |date| SessionKind::ALL.into_iter().any(|kind| instrument.session_of_kind(date, kind).is_some());
    let mut near = dates.clone();
    for &date in dates {
        for step in [TradingDate::next_day, TradingDate::prev_day] {
            let mut at = date;
            for _ in 0..LONGEST_REST {
                at = step(at);
                // A date that has no session today may have had one when it was captured.
                if !near.insert(at) || is_open(at) {
                    break;
                }
            }
        }
    }
    near
}

/// The captures of these dates; a date without any is not there.
///
/// # Errors
/// Those of the store.
pub async fn fetch(store: &Store, symbol: &Symbol, dates: BTreeSet<TradingDate>) -> Result<Fetched> {
    let listed: Vec<Vec<(TradingDate, String, String)>> = stream::iter(dates)
        .map(|date| async move {
            let objects: Vec<_> = store.list(&prefix::captures_on(BARS, symbol, date)).try_collect().await?;
            let named = objects.into_iter().filter_map(|object| match object.key.parse() {
                Ok(Key::Capture { id, .. }) => Some((date, id, object.key)),
                _ => None,
            });
            Ok::<_, crate::Error>(named.collect())
        })
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    let mut fetched = Fetched::new();
    let mut captures = stream::iter(listed.into_iter().flatten())
        .map(|(date, id, key)| async move { Ok::<_, crate::Error>((date, id, store.get(&key).await?.bytes)) })
        .buffered(AT_A_TIME);
    while let Some((date, id, bytes)) = captures.try_next().await? {
        fetched.entry(date).or_default().push((id, bytes));
    }
    Ok(fetched)
}

/// One capture that is there, read as far as ingest needs it.
pub struct Held {
    pub id: String,
    /// The id it would have without statements: the same rows read in the same way have the same.
    pub plain: String,
    pub received: Option<DateTime<Utc>>,
    pub withdraws: Vec<String>,
    /// Its bars' documents, as captured.
    pub documents: Vec<Vec<u8>>,
}

impl Held {
    /// # Errors
    /// `Corrupt` when the capture is damaged.
    pub fn read(id: &str, bytes: &Bytes) -> Result<Self> {
        let mut held = Self {
            id: id.to_owned(),
            plain: String::new(),
            received: None,
            withdraws: Vec::new(),
            documents: Vec::new(),
        };
        let mut identity = Identity::default();
        for chunk in chunks(bytes.clone()) {
            for line in chunk?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let line = parse_line(line)?;
                held.received = held.received.max(Some(line.received_at));
                match line.body {
                    Body::Refused(note) => identity.refused(&note),
                    Body::Document(document) => match Statement::read(document) {
                        Some(Statement::Withdraws(id)) => held.withdraws.push(id),
                        Some(Statement::Again(_)) => {}
                        None => {
                            identity.document(document);
                            held.documents.push(document.to_vec());
                        }
                    },
                }
            }
        }
        held.plain = identity.id();
        Ok(held)
    }

    /// Its bars by today's rules; what would be refused today is left out.
    pub fn bars(&self, instrument: &Instrument) -> Vec<BarSaid> {
        let rules = Rules::of(instrument);
        let read = |json: &Vec<u8>| document::read(json, &instrument.symbol, &rules).ok();
        self.documents.iter().filter_map(read).collect()
    }
}
