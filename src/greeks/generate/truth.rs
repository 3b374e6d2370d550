//! What a generated file holds and what is wrong with it, in the terms a quality report uses. Written beside the file
//! by the command line; tests hold the report against it. Every list is there even when it is empty.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::market::{Session, TradingDate};

/// The truth about one generated file. Instants are UTC; an instant named `timestamp` is the start of a minute.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    pub symbol: String,
    pub seed: u64,
    /// `nested` or `flat`: a document is one line, with all strikes or with one.
    pub shape: String,
    /// Lines in the file: documents taken and refused ones.
    pub lines: u64,
    /// Documents that are in order.
    pub documents: u64,
    /// Rows in those documents, those that are superseded included.
    pub rows_in: u64,
    /// Documents that must be refused, in the order of the file.
    pub refused: Vec<Refused>,
    /// By trading date, each as its partition should come out.
    pub days: BTreeMap<TradingDate, DayTruth>,
}

/// One partition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DayTruth {
    /// Rows after compaction, those outside the session included: `rows_in - duplicates`.
    pub rows: u64,
    pub rows_in: u64,
    pub documents: u64,
    pub minutes_expected: u32,
    pub minutes_seen: u32,
    /// Every run of session minutes without a row.
    pub gaps: Vec<Gap>,
    /// Rows that another row of the same minute, expiration and strike supersedes.
    pub duplicates: u64,
    /// Rows, not minutes or documents.
    pub outside_session: u64,
    pub late_documents: u64,
    pub outliers: Vec<Outlier>,
    pub strike_coverage: Vec<Coverage>,
    pub planted: Planted,
}

/// Where each of the other defects is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Planted {
    /// Gaps made on purpose; the rest of [`DayTruth::gaps`] was never generated.
    pub gaps: Vec<Gap>,
    /// Documents that appear a second time, unchanged.
    pub repeats: Vec<Repeat>,
    /// Documents sent again with a later second of the same minute.
    pub corrections: Vec<Correction>,
    pub late: Vec<Late>,
    pub outside: Vec<Repeat>,
    /// In the partition that lines were misdated into.
    pub wrong_day: Vec<WrongDay>,
}

/// A run of minutes: `start` inclusive, `end` exclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub minutes: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    pub timestamp: DateTime<Utc>,
    pub expiration: NaiveDate,
    pub rows: u64,
}

/// The rows sent at `source_time` win, whether they come first in the file or last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correction {
    pub timestamp: DateTime<Utc>,
    pub source_time: DateTime<Utc>,
    pub expiration: NaiveDate,
    pub rows: u64,
    /// Whether the correction stands before what it corrects.
    pub comes_first: bool,
    /// One strike of it, to look the winner up by.
    pub strike: f64,
    pub gamma: i64,
}

/// A document that comes after those of `after`, a later minute of the same expiration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    pub timestamp: DateTime<Utc>,
    pub expiration: NaiveDate,
    pub after: DateTime<Utc>,
    pub documents: u64,
    pub rows: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongDay {
    pub timestamp: DateTime<Utc>,
    pub expiration: NaiveDate,
    pub rows: u64,
    /// The instant of the document that it is a copy of.
    pub copy_of: DateTime<Utc>,
}

/// One value multiplied by `factor`, while the minutes and strikes around it are as they should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outlier {
    pub timestamp: DateTime<Utc>,
    pub expiration: NaiveDate,
    pub strike: f64,
    /// `gamma`, `vanna` or `charm`.
    pub greek: String,
    pub value: i64,
    pub should_be: i64,
    pub factor: f64,
}

/// A minute of an expiration that has fewer strikes than usual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    pub timestamp: DateTime<Utc>,
    pub expiration: NaiveDate,
    pub strikes: u64,
    pub usual: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// In the file, from 1.
    pub line: u64,
    pub code: String,
    /// Of the document that it is a spoilt copy of.
    pub timestamp: DateTime<Utc>,
    pub date: TradingDate,
    pub expiration: NaiveDate,
    /// The strike that is spoilt; null when the fault is not at a strike.
    pub strike: Option<f64>,
}

/// The runs of `session`'s minutes that are not in `seen`.
pub fn gaps(session: &Session, seen: &BTreeSet<DateTime<Utc>>) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    let minute = TimeDelta::minutes(1);
    let mut instant = session.open;
    while instant < session.close {
        let end = instant + minute;
        if !seen.contains(&instant) {
            match gaps.last_mut() {
                Some(gap) if gap.end == instant => {
                    gap.end = end;
                    gap.minutes += 1;
                }
                _ => gaps.push(Gap { start: instant, end, minutes: 1 }),
            }
        }
        instant = end;
    }
    gaps
}
