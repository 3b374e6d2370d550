//! What becomes of one record, from what the audit found in it and what the lake has of its session. Pure.

use serde::Serialize;

use crate::profile::legacy::{Code, Finding, Severity, Verdict};
use crate::profile::session_record::SessionRecord;

/// Each record of the archive has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// A row of version `legacy` now. It is the session's current row unless a computed one is there.
    Imported,
    /// The lake has that row from an earlier run.
    AlreadyImported,
    /// Bars make the same session: the computed row is current, the record is in the history.
    Confirmed,
    /// Bars make another session, or the record contradicts itself: the computed row is current, the record is a capture only.
    Recalculated,
    /// Not to be trusted, and there are no bars to decide: kept, with reasons, and no row.
    Quarantined,
    /// Says the same as another record of the archive, which brought the row.
    Duplicate,
    /// Says something else than what was imported for this session before: kept, and no row.
    Conflict,
    /// Not a session that can be told: kept, with reasons.
    Rejected,
    /// Of a symbol that was not asked for.
    NotAsked,
}

impl Fate {
    pub const ALL: [Self; 9] = [
        Self::Imported,
        Self::AlreadyImported,
        Self::Confirmed,
        Self::Recalculated,
        Self::Quarantined,
        Self::Duplicate,
        Self::Conflict,
        Self::Rejected,
        Self::NotAsked,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::AlreadyImported => "already_imported",
            Self::Confirmed => "confirmed_by_bars",
            Self::Recalculated => "recalculated",
            Self::Quarantined => "quarantined",
            Self::Duplicate => "duplicate",
            Self::Conflict => "conflict",
            Self::Rejected => "rejected",
            Self::NotAsked => "not_asked",
        }
    }

    /// For people.
    pub fn about(self) -> &'static str {
        match self {
            Self::Imported => "became a row of version legacy",
            Self::AlreadyImported => "were imported by an earlier run",
            Self::Confirmed => "agree with bars: the computed row is current, the record in the history",
            Self::Recalculated => "were wrong or doubtful: the row computed from bars is current",
            Self::Quarantined => "are doubtful and have no bars: kept under raw/_rejected with reasons, no row",
            Self::Duplicate => "say the same as another record, which brought the row",
            Self::Conflict => "contradict what was imported before: kept under raw/_rejected, no row",
            Self::Rejected => "are no session that can be told: kept under raw/_rejected",
            Self::NotAsked => "are of other symbols, or of none that can be told",
        }
    }

    /// Whether the record itself becomes a row.
    pub fn brings_row(self) -> bool {
        matches!(self, Self::Imported | Self::AlreadyImported | Self::Confirmed)
    }

    /// Whether its text goes under `raw/_rejected` with the reasons.
    pub fn is_set_aside(self) -> bool {
        matches!(self, Self::Quarantined | Self::Conflict | Self::Rejected)
    }
}

/// What is known when a record's turn comes.
#[derive(Debug, Clone, Copy)]
pub struct Known<'k> {
    pub verdict: Verdict,
    pub findings: &'k [Finding],
    /// The record as a row; `None` when it lacks something that a row needs.
    pub row: Option<&'k SessionRecord>,
    /// The `legacy` row of its session, from an earlier run or an earlier record of this one.
    pub there: Option<&'k SessionRecord>,
    /// Whether a record of this run stands for that row: it brought it, or says the same and came before.
    pub from_this_run: bool,
    /// Whether bars make a profile of its session.
    pub has_bars: bool,
    /// Whether the record was held against them.
    pub is_compared: bool,
}

pub fn decide(known: Known<'_>) -> Fate {
    let Known { verdict, findings, row, there, from_this_run, has_bars, is_compared } = known;
    if verdict == Verdict::Rejected {
        return Fate::Rejected;
    }
    match there {
        Some(there) if row.is_some_and(|row| says_the_same(there, row)) => {
            return if from_this_run { Fate::Duplicate } else { Fate::AlreadyImported };
        }
        Some(_) if from_this_run && has_bars => return Fate::Recalculated,
        Some(_) => return Fate::Conflict,
        None => {}
    }
    let besides = |code| findings.iter().all(|finding| finding.severity() == Severity::Note || finding.code == code);
    let is_valid = verdict == Verdict::Valid;
    // Bars have a say in copies, as they show the right one; that a record differs from a day with gaps, or could be compared with
    // nothing, says little of it.
    let is_confirmed = has_bars && is_compared && (is_valid || besides(Code::DuplicateConflict));
    let is_clean = is_valid || besides(Code::NotComparable) || (has_bars && besides(Code::DiffersFromDegradedBars));
    match row {
        Some(_) if is_confirmed => Fate::Confirmed,
        Some(_) if is_clean => Fate::Imported,
        _ if has_bars => Fate::Recalculated,
        _ => Fate::Quarantined,
    }
}

/// Whether two rows are of the same values, in whatever spelling the originals had them.
pub fn says_the_same(one: &SessionRecord, other: &SessionRecord) -> bool {
    SessionRecord { source_sha256: other.source_sha256.clone(), ..one.clone() } == *other
}
