//! What verification can find, in one list: every code with how bad it is and what to do about it.

use serde::Serialize;

use crate::lake::layout::Key;

/// Whether readers can be told something wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Stored bytes contradict each other, or something is not there that must be.
    Damage,
    /// Worth knowing, nothing is wrong with the lake.
    Note,
}

/// A stable name of a kind of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    NoManifest,
    NoData,
    PartitionMissing,
    ManifestUnreadable,
    ManifestBehind,
    Misplaced,
    SizeDiffers,
    Sha256Differs,
    Unreadable,
    FooterDiffers,
    SchemaDiffers,
    NotSorted,
    CountsDiffer,
    RollupDiffers,
    RollupAhead,
    DayDiffers,
    LevelsDiffer,
    IndexDiffers,
    IndexMissingDay,
    CatalogDiffers,
    CaptureDamaged,
    CaptureMissing,
    RejectedDamaged,
    StrayObject,
    UnknownObject,
    NotCompacted,
    SettingsChanged,
    ProfileStale,
    Newer,
    Degraded,
    Pending,
}

const REBUILD: &str = "run `pitlake verify --repair`: it makes the day again from its captures";
const REBUILD_YEAR: &str = "run `pitlake verify --repair`: it makes the year's table again from its days; what no day holds any more, as superseded profiles, comes back from a copy only (an older version in the bucket, a mirror)";
const FROM_FOOTER: &str = "run `pitlake verify --repair`: it writes the manifest again from the file's footer";
const YEAR: &str = "run `pitlake verify --repair`: it makes the year's index and table again from the day manifests";
const FROM_COPY: &str = "captures cannot be made again: bring the object back from a backup or an older version in the bucket, or ingest the source again";

impl Code {
    /// As it is written in JSON.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    pub fn severity(self) -> Severity {
        self.row().1
    }

    /// What to do about it.
    pub fn hint(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, Severity, &'static str) {
        use Severity::{Damage, Note};
        match self {
            Code::NoManifest => ("no_manifest", Damage, FROM_FOOTER),
            Code::NoData => ("no_data", Damage, REBUILD),
            Code::PartitionMissing => ("partition_missing", Damage, REBUILD),
            Code::ManifestUnreadable => ("manifest_unreadable", Damage, FROM_FOOTER),
            Code::ManifestBehind => (
                "manifest_behind",
                Damage,
                "a publication was interrupted: run `pitlake compact`, or `pitlake verify --repair`",
            ),
            Code::Misplaced => ("misplaced", Damage, REBUILD),
            Code::SizeDiffers => ("size_differs", Damage, REBUILD),
            Code::Sha256Differs => ("sha256_differs", Damage, REBUILD),
            Code::Unreadable => ("unreadable", Damage, REBUILD),
            Code::FooterDiffers => ("footer_differs", Damage, FROM_FOOTER),
            Code::SchemaDiffers => ("schema_differs", Damage, REBUILD),
            Code::NotSorted => ("not_sorted", Damage, REBUILD),
            Code::CountsDiffer => ("counts_differ", Damage, REBUILD),
            Code::RollupDiffers => ("rollup_differs", Damage, REBUILD),
            Code::RollupAhead => (
                "rollup_ahead",
                Damage,
                "a publication was interrupted: run `pitlake compact`, or `pitlake verify --repair`",
            ),
            Code::DayDiffers => ("day_differs", Damage, REBUILD),
            Code::LevelsDiffer => (
                "levels_differ",
                Damage,
                "run `pitlake verify --repair`: it makes the year's profiles again from their bars",
            ),
            Code::ProfileStale => (
                "profile_stale",
                Note,
                "run `pitlake compact`; `pitlake recalculate --stale` shows first what will change",
            ),
            Code::IndexDiffers => ("index_differs", Damage, YEAR),
            Code::IndexMissingDay => ("index_missing_day", Damage, YEAR),
            Code::CatalogDiffers => (
                "catalog_differs",
                Damage,
                "run `pitlake verify --repair`: it makes the list of symbols again from the manifests",
            ),
            Code::CaptureDamaged => ("capture_damaged", Damage, FROM_COPY),
            Code::CaptureMissing => ("capture_missing", Damage, FROM_COPY),
            Code::RejectedDamaged => ("rejected_damaged", Damage, FROM_COPY),
            Code::StrayObject => (
                "stray_object",
                Damage,
                "no path of the lake looks like this; readers that take all files would read it: move it out of the lake",
            ),
            Code::UnknownObject => ("unknown_object", Note, "not an object of the lake; pitlake never reads it"),
            Code::NotCompacted => ("not_compacted", Note, "run `pitlake compact`"),
            Code::SettingsChanged => {
                ("settings_changed", Note, "run `pitlake compact`: it makes the day again with today's settings")
            }
            Code::Newer => (
                "newer",
                Note,
                "this version reads it and does not replace it; `pitlake compact` of the version that made it does",
            ),
            Code::Degraded => {
                ("degraded", Note, "the input was like this; ingest what is missing, if it can still be had")
            }
            Code::Pending => ("pending", Note, "run `pitlake compact` when the session has closed"),
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    /// The object it is about.
    pub key: String,
    /// The evidence, in one sentence.
    pub detail: String,
    /// What to do.
    pub hint: &'static str,
}

impl Finding {
    pub fn new(code: Code, key: impl Into<String>, detail: impl Into<String>) -> Self {
        let key = key.into();
        let is_of_year = || match key.parse() {
            Ok(Key::Partition(id) | Key::Manifest(id)) => id.period.day().is_none(),
            _ => false,
        };
        let hint = if code.hint() == REBUILD && is_of_year() { REBUILD_YEAR } else { code.hint() };
        Self { code, severity: code.severity(), key, detail: detail.into(), hint }
    }

    pub fn is_damage(&self) -> bool {
        self.severity == Severity::Damage
    }
}

/// What was read and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Parquet files read whole.
    pub partitions: u64,
    /// Captures and files of refused input read whole.
    pub captures: u64,
    /// Rows of all partitions.
    pub rows: u64,
    /// Bytes of all partitions and captures, as stored.
    pub bytes: u64,
    pub findings: Vec<Finding>,
}

impl Report {
    pub fn damaged(&self) -> bool {
        self.findings.iter().any(Finding::is_damage)
    }

    /// Findings that are damage.
    pub fn damage(&self) -> usize {
        self.findings.iter().filter(|finding| finding.is_damage()).count()
    }

    pub(super) fn add(&mut self, part: Report) {
        self.partitions += part.partitions;
        self.captures += part.captures;
        self.rows += part.rows;
        self.bytes += part.bytes;
        self.findings.extend(part.findings);
    }
}

/// What verification says while it works.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    Found(&'a Finding),
    /// So many of all symbol days are done.
    Days {
        done: u64,
        of: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_written_as_it_is_called() {
        for code in [Code::Sha256Differs, Code::NoManifest, Code::IndexMissingDay, Code::Pending] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
