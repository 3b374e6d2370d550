//! The record of one partition: what it was made from, what is in it, how far to trust it.
//!
//! [`Content`] is everything that compaction knows and lives in the Parquet footer too; [`Manifest`] adds what only
//! publishing knows: sha256, size, revision, time. Rooms put their own findings under `details`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::layout::{PartitionId, Period};
use crate::market::{Symbol, TradingDate};
use crate::{Error, Result};

/// The Parquet footer's key for [`Content`].
pub const FOOTER_KEY: &str = "pitlake.manifest";

/// How far a partition can be trusted, in one word. The reasons say why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Complete as far as the checks can tell.
    Available,
    /// Served, but something is wrong with it: see the reasons.
    Degraded,
    /// The session is still open (or has not been compacted since it closed).
    Pending,
    /// A session was held and nothing is stored.
    Missing,
    /// No session that day.
    Closed,
}

impl Condition {
    pub fn as_str(self) -> &'static str {
        match self {
            Condition::Available => "available",
            Condition::Degraded => "degraded",
            Condition::Pending => "pending",
            Condition::Missing => "missing",
            Condition::Closed => "closed",
        }
    }

    /// The condition of this name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Available, Self::Degraded, Self::Pending, Self::Missing, Self::Closed];
        all.into_iter().find(|condition| condition.as_str() == name)
    }
}

/// One named finding. `degrades` findings make the condition `degraded`; the others are told all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reason {
    /// A stable name, such as `missing_minutes`.
    pub code: String,
    /// How many minutes, rows or lines.
    pub count: u64,
    pub degrades: bool,
    /// One sentence for a person.
    pub detail: String,
}

/// A capture that went into a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureRef {
    pub dataset: String,
    pub id: String,
    /// Documents taken from it.
    pub documents: u64,
    /// Rows those documents held.
    pub rows: u64,
    pub first_received_at: Option<DateTime<Utc>>,
    pub last_received_at: Option<DateTime<Utc>>,
}

/// A run of session minutes without a row. `start` inclusive, `end` exclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Gap {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    pub minutes: u32,
    /// `no_data_received`, or `refused_input` when refused documents fall into it.
    pub cause: String,
}

/// What became of every row and document: rows in = rows out + duplicates, refused documents never became rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counts {
    pub documents: u64,
    pub rows_in: u64,
    pub duplicates: u64,
    pub refused: u64,
    pub outside_session: u64,
    pub late_documents: u64,
}

/// The session that the partition's minutes are counted against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSpan {
    pub kind: String,
    pub open: DateTime<Utc>,
    pub close: DateTime<Utc>,
    pub early_close: bool,
}

/// What made the numbers: change any of it and the partition is made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calculation {
    /// For example `greeks-1`.
    pub version: String,
    /// Fingerprint of the instrument's settings.
    pub settings: String,
    /// Whether the session had closed when the partition was made.
    pub session_closed: bool,
}

/// Everything compaction knows of a partition; the same input gives the same content, byte for byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    pub dataset: String,
    pub symbol: Symbol,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<TradingDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<i32>,
    pub condition: Condition,
    pub reasons: Vec<Reason>,
    pub rows: u64,
    pub minutes_expected: u32,
    pub minutes_seen: u32,
    pub gaps: Vec<Gap>,
    pub counts: Counts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionSpan>,
    pub calculation: Calculation,
    /// The captures it was made from; none for a year table, whose days are under `details.days`.
    pub captures: Vec<CaptureRef>,
    /// Findings in the room's own words.
    pub details: serde_json::Value,
}

impl Content {
    pub fn id(&self) -> Result<PartitionId> {
        let period = match (self.date, self.year) {
            (Some(date), None) => Period::Day(date),
            (None, Some(year)) => Period::Year(year),
            _ => return Err(Error::corrupt("a manifest must name either a date or a year")),
        };
        Ok(PartitionId { dataset: self.dataset.clone(), symbol: self.symbol.clone(), period })
    }
}

/// What a revision changed against the one before it: the answer to "why did my number move?".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Change {
    pub from_revision: u32,
    /// Rows with a key that was not there before. Null, like the other two counts, when the old file could not be read any
    /// more: then what moved is not known.
    pub rows_added: Option<u64>,
    /// Rows with the same key and other values.
    pub rows_changed: Option<u64>,
    /// Rows whose key is there no more.
    pub rows_removed: Option<u64>,
    /// Captures that this revision was made from and the one before it was not, as `dataset/id`.
    pub captures_added: Vec<String>,
    /// Captures that only the one before was made from.
    pub captures_removed: Vec<String>,
    /// Whether formula, settings or the session's having closed differ.
    pub calculation_changed: bool,
}

/// The published record of one partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub path: String,
    pub revision: u32,
    pub published_at: DateTime<Utc>,
    pub sha256: String,
    pub bytes: u64,
    /// None for the first revision, while the day is open, and where the record of the revision before was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    #[serde(flatten)]
    pub content: Content,
}

impl Manifest {
    pub fn parse(bytes: &[u8], key: &str) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::corrupt(format!("{key} is not a manifest ({error}); `pitlake verify --repair` rebuilds it"))
        })
    }

    /// The stored form: indented, so that a person can read it.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        pretty_json(self)
    }
}

/// Indented JSON with a final newline.
pub fn pretty_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::internal("a record could not be written as JSON").caused_by(error))?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A small record of 2025-01-15, for the tests of this folder.
    pub fn content() -> Content {
        Content {
            dataset: "greeks".to_owned(),
            symbol: "SPY".parse().unwrap(),
            date: Some("2025-01-15".parse().unwrap()),
            year: None,
            condition: Condition::Available,
            reasons: Vec::new(),
            rows: 0,
            minutes_expected: 390,
            minutes_seen: 390,
            gaps: Vec::new(),
            counts: Counts::default(),
            session: None,
            calculation: Calculation { version: "greeks-1".to_owned(), settings: "0".to_owned(), session_closed: true },
            captures: Vec::new(),
            details: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_manifest_comes_back_and_a_torn_one_is_corrupt() {
        let manifest = Manifest {
            path: "greeks/symbol=SPY/date=2025-01-15/part-0.parquet".to_owned(),
            revision: 3,
            published_at: DateTime::from_timestamp(1_736_980_000, 0).unwrap(),
            sha256: "ab".repeat(32),
            bytes: 17,
            change: None,
            content: content(),
        };
        let json = manifest.to_json().unwrap();
        assert_eq!(Manifest::parse(&json, "k").unwrap(), manifest);
        let error = Manifest::parse(&json[..json.len() / 2], "the/key").unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
        assert!(error.detail().contains("the/key"));
    }
}
