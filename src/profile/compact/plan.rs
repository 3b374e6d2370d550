//! Which dates have to be computed, and why. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::lake::year_index::DayEntry;
use crate::market::{SessionKind, TradingDate};
use crate::profile::merge::YearTables;
use crate::profile::record::{CALCULATION, LEGACY, is_newer};
use crate::profile::session_record::SessionRecord;

/// Why the profiles of a date have to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// There are bars, and no profile at all.
    New,
    /// There is only what was brought in from the old archive.
    LegacyOnly,
    /// They were made from another revision of the bars.
    BarsChanged,
    /// The lake has no bars of the date any more.
    BarsGone,
    /// There is one of a session that the instrument has no more.
    SessionGone,
    /// They are of an older calculation.
    VersionOlder,
    /// They were made with other thresholds or another entry of the instrument.
    SettingsChanged,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Why::New => "new",
            Why::LegacyOnly => "legacy_only",
            Why::BarsChanged => "bars_changed",
            Why::BarsGone => "bars_gone",
            Why::SessionGone => "session_gone",
            Why::VersionOlder => "version_older",
            Why::SettingsChanged => "settings_changed",
        }
    }

    /// Whether compaction does it by itself. What the same bars gave by an older calculation or other settings stays until
    /// somebody asks for it, because published numbers would change.
    pub fn is_for_compaction(self) -> bool {
        matches!(self, Why::New | Why::LegacyOnly | Why::BarsChanged | Why::BarsGone | Why::SessionGone)
    }

    /// Whether there is a computed profile that is out of date.
    pub fn is_stale(self) -> bool {
        !matches!(self, Why::New | Why::LegacyOnly)
    }
}

/// A date whose profiles have to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub date: TradingDate,
    pub why: Why,
}

/// By what a profile made now would be made.
#[derive(Debug, Clone)]
pub struct Present {
    /// Fingerprint of the settings.
    pub settings: String,
    /// The sessions that the instrument has.
    pub sessions: Vec<SessionKind>,
}

/// The dates of a year that are due, in order. `bars` are the days of the bars' index, `tables` what stands of profiles.
///
/// All sessions of a date are made from its bars at once. So one computed row from these bars, or one session that these bars
/// were found to allow no profile of, settles that the others of its date either stand there or had no bars. A date that a later
/// calculation made is left to it.
pub fn plan(bars: &[DayEntry], tables: &YearTables, present: &Present) -> Vec<Due> {
    let mut rows: BTreeMap<TradingDate, Vec<&SessionRecord>> = BTreeMap::new();
    for row in &tables.current {
        rows.entry(row.date).or_default().push(row);
    }
    let none = Vec::new();
    let of_bars = bars.iter().filter_map(|day| {
        let rows = rows.get(&day.date).unwrap_or(&none);
        let is_refused = tables.refused.iter().any(|refusal| {
            (refusal.date, refusal.source_sha256.as_str()) == (day.date, day.sha256.as_str())
                && (refusal.calculation_version.as_str(), &refusal.settings) == (CALCULATION, &present.settings)
        });
        Some(Due { date: day.date, why: why(day, rows, is_refused, present)? })
    });
    let known: BTreeSet<TradingDate> = bars.iter().map(|day| day.date).collect();
    let is_ours = |row: &&SessionRecord| row.is_computed() && !is_newer(&row.calculation_version);
    let without = rows.iter().filter(|(date, rows)| !known.contains(date) && rows.iter().any(is_ours));
    let mut due: Vec<Due> = of_bars.chain(without.map(|(date, _)| Due { date: *date, why: Why::BarsGone })).collect();
    due.sort_unstable_by_key(|due| due.date);
    due
}

fn why(day: &DayEntry, rows: &[&SessionRecord], is_refused: bool, present: &Present) -> Option<Why> {
    let computed: Vec<_> = rows.iter().filter(|row| row.calculation_version != LEGACY).collect();
    if computed.is_empty() {
        return (!is_refused).then_some(if rows.is_empty() { Why::New } else { Why::LegacyOnly });
    }
    if computed.iter().any(|row| is_newer(&row.calculation_version)) {
        return None;
    }
    if computed.iter().any(|row| row.source_sha256 != day.sha256) {
        return Some(Why::BarsChanged);
    }
    if computed.iter().any(|row| !present.sessions.contains(&row.session)) {
        return Some(Why::SessionGone);
    }
    if computed.iter().any(|row| row.calculation_version != CALCULATION) {
        return Some(Why::VersionOlder);
    }
    computed.iter().any(|row| row.settings.as_deref() != Some(&present.settings)).then_some(Why::SettingsChanged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::manifest::{Condition, Manifest};
    use crate::profile::sample::{computed, legacy};

    const SETTINGS: &str = "7c4e21b09fd3a586";

    fn bars(date: &str, revision: u32) -> DayEntry {
        let mut content = crate::lake::manifest::tests::content();
        content.date = Some(date.parse().unwrap());
        content.condition = Condition::Available;
        let manifest = Manifest {
            path: String::new(),
            revision,
            published_at: "2025-01-16T00:00:00Z".parse().unwrap(),
            // As the sample's rows name their source.
            sha256: format!("{revision:064x}"),
            bytes: 0,
            change: None,
            content,
        };
        DayEntry::of(&manifest).unwrap()
    }

    fn tables(current: Vec<SessionRecord>) -> YearTables {
        YearTables { current, ..YearTables::default() }
    }

    fn present() -> Present {
        Present { settings: SETTINGS.into(), sessions: vec![SessionKind::Rth, SessionKind::Overnight] }
    }

    fn why_of(row: Option<SessionRecord>) -> Option<Why> {
        let rows: Vec<SessionRecord> = row.into_iter().collect();
        let due = plan(&[bars("2025-01-15", 2)], &tables(rows), &present());
        due.first().map(|due| due.why)
    }

    #[test]
    fn each_reason_by_itself() {
        let date = "2025-01-15";
        assert_eq!(why_of(None), Some(Why::New));
        assert_eq!(why_of(Some(legacy(date, 'a'))), Some(Why::LegacyOnly));
        assert_eq!(why_of(Some(computed(date, 1))), Some(Why::BarsChanged));
        assert_eq!(why_of(Some(computed(date, 2))), None);
        let of = |version: &str| SessionRecord { calculation_version: version.into(), ..computed(date, 2) };
        assert_eq!(why_of(Some(of("tpo-0"))), Some(Why::VersionOlder));
        assert_eq!(why_of(Some(of("tpo-2"))), None, "a later calculation's row is not ours to replace");
        let other = SessionRecord { settings: Some("00".into()), ..computed(date, 2) };
        assert_eq!(why_of(Some(other)), Some(Why::SettingsChanged));
    }

    #[test]
    fn a_date_is_judged_as_a_whole_and_others_are_left_alone() {
        let overnight = SessionRecord { session: crate::market::SessionKind::Overnight, ..computed("2025-01-15", 1) };
        let rows = [overnight, computed("2025-01-15", 2), computed("2025-01-16", 1)];
        let days = [bars("2025-01-14", 1), bars("2025-01-15", 2), bars("2025-01-16", 1)];
        let due = plan(&days, &tables(rows.into()), &present());
        let told: Vec<(String, Why)> = due.iter().map(|due| (due.date.to_string(), due.why)).collect();
        assert_eq!(told, [("2025-01-14".into(), Why::New), ("2025-01-15".into(), Why::BarsChanged)]);
    }

    #[test]
    fn rows_without_bars_or_without_a_session_are_due_and_originals_are_not() {
        let full = SessionRecord { session: SessionKind::Full, ..computed("2025-01-16", 1) };
        let rows = vec![computed("2025-01-14", 1), legacy("2025-01-15", 'a'), computed("2025-01-16", 1), full];
        let due = plan(&[bars("2025-01-16", 1)], &tables(rows), &present());
        let told: Vec<(String, Why)> = due.iter().map(|due| (due.date.to_string(), due.why)).collect();
        assert_eq!(told, [("2025-01-14".into(), Why::BarsGone), ("2025-01-16".into(), Why::SessionGone)]);
    }

    #[test]
    fn what_these_bars_were_found_to_allow_no_profile_of_is_not_due_again() {
        let refusal = |revision: u32, settings: &str| crate::profile::refusal::Refusal {
            date: "2025-01-15".parse().unwrap(),
            session: SessionKind::Rth,
            source_sha256: format!("{revision:064x}"),
            reason: "bars_too_coarse".into(),
            calculation_version: CALCULATION.into(),
            settings: settings.into(),
        };
        let why_of = |refusal, rows| {
            let tables = YearTables { refused: vec![refusal], ..tables(rows) };
            plan(&[bars("2025-01-15", 2)], &tables, &present()).first().map(|due| due.why)
        };
        assert_eq!(why_of(refusal(2, SETTINGS), vec![]), None);
        assert_eq!(why_of(refusal(2, SETTINGS), vec![legacy("2025-01-15", 'a')]), None);
        assert_eq!(why_of(refusal(1, SETTINGS), vec![]), Some(Why::New), "other bars");
        assert_eq!(why_of(refusal(2, "00"), vec![]), Some(Why::New), "other settings may allow one");
        assert_eq!(why_of(refusal(2, SETTINGS), vec![computed("2025-01-15", 1)]), Some(Why::BarsChanged));
    }
}
