//! What becomes of profiles that come in, against those that stand there. Pure; called by [`super::tables`] alone.
//!
//! `current` has one row of each (date, session), `history` every row that was current once and every one that was brought in.
//! A computed row stands before one that was brought in; of two computed ones the later calculation, then the later revision of
//! the bars. A row of a day that is still open is replaced without a trace: it said itself that it would be.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::record::number;
use super::session_record::SessionRecord;
use crate::lake::manifest::Condition;
use crate::market::{SessionKind, TradingDate};

/// What became of one row that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is the current one now.
    Current,
    /// It is kept in the history; a computed one is current.
    KeptInHistory,
    /// The very same row was there already, as the current one or in the history.
    AlreadyThere,
    /// A later calculation or later bars stand there; it was not taken.
    Older,
    /// Another original of the same date and session was brought in before; it was not taken.
    Conflict,
}

/// Both tables after the rows came in, each in its sort order.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    pub current: Vec<SessionRecord>,
    pub history: Vec<SessionRecord>,
    /// One for each row that came in, in its order.
    pub fates: Vec<Fate>,
}

type Key = (TradingDate, &'static str);
/// The sort order of the history, which no two of its rows share.
type PastKey = (Key, String, u32, String, Option<String>);

fn key(record: &SessionRecord) -> Key {
    (record.date, record.session.as_str())
}

fn past_key(record: &SessionRecord) -> PastKey {
    (
        key(record),
        record.calculation_version.clone(),
        record.revision,
        record.source_sha256.clone(),
        record.settings.clone(),
    )
}

/// Takes `incoming`, one after the other, then takes away what was `withdrawn`: sessions that later bars have nothing of.
pub fn merge(
    current: Vec<SessionRecord>,
    history: Vec<SessionRecord>,
    incoming: Vec<SessionRecord>,
    withdrawn: &[(TradingDate, SessionKind)],
) -> Merged {
    let mut tables = Tables {
        current: current.into_iter().map(|record| (key(&record), record)).collect(),
        history: history.into_iter().map(|record| (past_key(&record), record)).collect(),
    };
    let fates = incoming.into_iter().map(|record| tables.take(record)).collect();
    withdrawn.iter().for_each(|(date, session)| tables.withdraw((*date, session.as_str())));
    Merged { current: tables.current.into_values().collect(), history: tables.history.into_values().collect(), fates }
}

struct Tables {
    current: BTreeMap<Key, SessionRecord>,
    history: BTreeMap<PastKey, SessionRecord>,
}

impl Tables {
    fn take(&mut self, record: SessionRecord) -> Fate {
        if record.is_computed() { self.take_computed(record) } else { self.take_original(record) }
    }

    fn take_original(&mut self, record: SessionRecord) -> Fate {
        let key = key(&record);
        let known = self
            .history
            .values()
            .chain(self.current.get(&key))
            .find(|known| (known.date, known.session.as_str()) == key && !known.is_computed());
        let is_new = match known {
            Some(known) if *known != record => return Fate::Conflict,
            known => known.is_none(),
        };
        self.keep(record.clone());
        if self.current.contains_key(&key) {
            return if is_new { Fate::KeptInHistory } else { Fate::AlreadyThere };
        }
        self.current.insert(key, record);
        Fate::Current
    }

    fn take_computed(&mut self, record: SessionRecord) -> Fate {
        let key = key(&record);
        if let Some(known) = self.current.get(&key) {
            if *known == record {
                return Fate::AlreadyThere;
            }
            if stands_before(known, &record) {
                return if self.history.get(&past_key(&record)) == Some(&record) {
                    Fate::AlreadyThere
                } else {
                    Fate::Older
                };
            }
            // An original is in the history already, unless it was lost there.
            if known.condition != Condition::Pending {
                let known = known.clone();
                self.keep(known);
            }
        }
        self.current.insert(key, record);
        Fate::Current
    }

    /// A computed row goes to the history, and what the old archive said of the session is current again.
    fn withdraw(&mut self, key: Key) {
        let Some(record) = self.current.remove(&key) else { return };
        let is_original = |record: &&SessionRecord| !record.is_computed() && self::key(record) == key;
        if let Some(original) = self.history.values().find(is_original) {
            self.current.insert(key, original.clone());
        } else if !record.is_computed() {
            self.current.insert(key, record);
            return;
        }
        if record.condition != Condition::Pending {
            self.keep(record);
        }
    }

    /// What is in the history stays as it is.
    fn keep(&mut self, record: SessionRecord) {
        self.history.entry(past_key(&record)).or_insert(record);
    }
}

/// Whether the row that stands there must not be replaced by the other.
fn stands_before(known: &SessionRecord, other: &SessionRecord) -> bool {
    match rank(known).cmp(&rank(other)) {
        Ordering::Greater => true,
        Ordering::Less => false,
        // The day's bars keep their revision from its open hours to its close.
        Ordering::Equal => known.condition != Condition::Pending && other.condition == Condition::Pending,
    }
}

/// `legacy` has no number, which comes before every number.
fn rank(record: &SessionRecord) -> (Option<u32>, u32) {
    (number(&record.calculation_version), record.revision)
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
