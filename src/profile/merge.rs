//! What becomes of profiles that come in, against those that stand there. Pure; called by [`super::tables`] alone.
//!
//! `current` has one row of each (date, session), `history` every row that was current once and every one that was brought in.
//! A computed row stands before one that was brought in; of two computed ones the later calculation, then that which was made from
//! the bars that stand in the lake now, and only where neither was the later revision: revisions start anew when bars are taken
//! away and brought in again. A row of a day that is still open is replaced without a trace: it said itself that it would be.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::record::{CALCULATION, number};
use super::refusal::Refusal;
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
    /// What stands there is of a later calculation, or of the bars that stand now, and this one is not; it was not taken.
    Older,
    /// Another original of the same date and session was brought in before; it was not taken.
    Conflict,
}

impl Fate {
    /// Whether the row, or the very same one, is in the tables now.
    pub fn is_taken(self) -> bool {
        !matches!(self, Fate::Older | Fate::Conflict)
    }
}

/// Both tables of a year, each in its sort order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct YearTables {
    pub current: Vec<SessionRecord>,
    pub history: Vec<SessionRecord>,
    /// Sessions without a computed profile because their bars allow none, by date and session.
    pub refused: Vec<Refusal>,
}

impl YearTables {
    /// The rows of one date: the current ones.
    pub fn on(&self, date: TradingDate) -> impl Iterator<Item = &SessionRecord> {
        self.current.iter().filter(move |record| record.date == date)
    }
}

/// Of each date the SHA-256 of the bars that stand in the lake now; a date without bars is not in it.
pub type Bars = BTreeMap<TradingDate, String>;

/// A session that is to have no computed row any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    pub date: TradingDate,
    pub session: SessionKind,
    pub grounds: Grounds,
}

/// Why a session is to have no computed row any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grounds {
    /// These bars have nothing of it, by these settings.
    Empty { sha256: String, settings: String },
    /// Its bars allow none.
    Refused(Refusal),
    /// The lake has no bars of the date any more.
    NoBars,
    /// The instrument has no such session any more.
    NoSession,
}

impl Grounds {
    /// The bars and the settings it was found by.
    fn origin(&self) -> Option<(&str, &str)> {
        match self {
            Grounds::Empty { sha256, settings } => Some((sha256, settings)),
            Grounds::Refused(refusal) => Some((&refusal.source_sha256, &refusal.settings)),
            Grounds::NoBars | Grounds::NoSession => None,
        }
    }

    /// Whether they hold of the bars that stand now. Who was slow and read earlier bars has nothing to say.
    fn hold(&self, bars: Option<&str>) -> bool {
        match self {
            Grounds::NoSession => true,
            Grounds::NoBars => bars.is_none(),
            Grounds::Empty { .. } | Grounds::Refused(_) => bars == self.origin().map(|(sha256, _)| sha256),
        }
    }
}

/// Both tables after the rows came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    pub tables: YearTables,
    /// One for each row that came in, in its order.
    pub fates: Vec<Fate>,
    /// Of each withdrawal whether its session has no computed row now.
    pub withdrawn: Vec<bool>,
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

/// Takes `incoming`, one after the other, then takes away what is `withdrawn`. `bars` must know the bars of every date at which a
/// computed row comes in where another one stands, and of every withdrawal.
pub fn merge(tables: YearTables, incoming: Vec<SessionRecord>, withdrawn: &[Withdrawal], bars: &Bars) -> Merged {
    let YearTables { current, history, refused } = tables;
    let mut tables = Tables {
        current: current.into_iter().map(|record| (key(&record), record)).collect(),
        history: history.into_iter().map(|record| (past_key(&record), record)).collect(),
        refused: refused.into_iter().map(|refusal| ((refusal.date, refusal.session.as_str()), refusal)).collect(),
    };
    let standing = |date: &TradingDate| bars.get(date).map(String::as_str);
    let fates = incoming
        .into_iter()
        .map(|record| {
            let bars = standing(&record.date);
            tables.take(record, bars)
        })
        .collect();
    let withdrawn =
        withdrawn.iter().map(|withdrawal| tables.withdraw(withdrawal, standing(&withdrawal.date))).collect();
    let tables = YearTables {
        current: tables.current.into_values().collect(),
        history: tables.history.into_values().collect(),
        refused: tables.refused.into_values().collect(),
    };
    Merged { tables, fates, withdrawn }
}

struct Tables {
    current: BTreeMap<Key, SessionRecord>,
    history: BTreeMap<PastKey, SessionRecord>,
    refused: BTreeMap<Key, Refusal>,
}

impl Tables {
    fn take(&mut self, record: SessionRecord, bars: Option<&str>) -> Fate {
        if record.is_computed() { self.take_computed(record, bars) } else { self.take_original(record) }
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

    fn take_computed(&mut self, record: SessionRecord, bars: Option<&str>) -> Fate {
        let key = key(&record);
        if let Some(known) = self.current.get(&key) {
            if *known == record {
                return Fate::AlreadyThere;
            }
            if stands_before(known, &record, bars) {
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
        self.refused.remove(&key);
        self.current.insert(key, record);
        Fate::Current
    }

    /// Whether the session has no computed row now. One that was made from the bars that stand now, by the settings of who
    /// withdraws, is not his to take away; nor is one of a later calculation.
    fn withdraw(&mut self, withdrawal: &Withdrawal, bars: Option<&str>) -> bool {
        let key = (withdrawal.date, withdrawal.session.as_str());
        if !withdrawal.grounds.hold(bars) {
            return false;
        }
        if let Some(known) = self.current.get(&key).filter(|known| known.is_computed()) {
            let origin = (known.source_sha256.as_str(), known.settings.as_deref().unwrap_or_default());
            if withdrawal.grounds.origin() == Some(origin) || number(&known.calculation_version) > number(CALCULATION) {
                return false;
            }
            self.take_away(key);
        }
        self.refused.remove(&key);
        if let Grounds::Refused(refusal) = &withdrawal.grounds {
            self.refused.insert(key, refusal.clone());
        }
        true
    }

    /// A computed row goes to the history, and what the old archive said of the session is current again.
    fn take_away(&mut self, key: Key) {
        let Some(record) = self.current.remove(&key) else { return };
        let is_original = |record: &&SessionRecord| !record.is_computed() && self::key(record) == key;
        if let Some(original) = self.history.values().find(is_original) {
            self.current.insert(key, original.clone());
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

/// Whether the row that stands there must not be replaced by the other. `bars` are those that stand now.
fn stands_before(known: &SessionRecord, other: &SessionRecord, bars: Option<&str>) -> bool {
    // `legacy` has no number, which comes before every number.
    let by_calculation = number(&known.calculation_version).cmp(&number(&other.calculation_version));
    let is_of_bars = |record: &SessionRecord| bars == Some(record.source_sha256.as_str());
    // The same bytes may have another revision when they came in again: that says nothing of which was made later.
    let by_revision = match known.source_sha256 == other.source_sha256 {
        true => Ordering::Equal,
        false => known.revision.cmp(&other.revision),
    };
    match by_calculation.then(is_of_bars(known).cmp(&is_of_bars(other))).then(by_revision) {
        Ordering::Greater => true,
        Ordering::Less => false,
        // The day's bars keep their revision from its open hours to its close.
        Ordering::Equal => known.condition != Condition::Pending && other.condition == Condition::Pending,
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
