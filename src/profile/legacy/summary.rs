//! What an audit found, added up: inventory, verdicts, findings by code, missing sessions, eras of wrong logic. Pure; serializes to
//! the last object of `--json`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::audit::Judged;
use super::code::{Code, Severity, Verdict};
use super::eras::{self, Differing, Era};
use crate::market::{Instrument, SessionKind, TradingDate};

/// Records by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub records: u64,
    pub valid: u64,
    pub suspicious: u64,
    pub recalculate: u64,
    pub rejected: u64,
}

impl Counts {
    fn add(&mut self, verdict: Verdict) {
        self.records += 1;
        match verdict {
            Verdict::Valid => self.valid += 1,
            Verdict::Suspicious => self.suspicious += 1,
            Verdict::Recalculate => self.recalculate += 1,
            Verdict::Rejected => self.rejected += 1,
        }
    }
}

/// Findings of one code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub code: Code,
    pub severity: Severity,
    pub records: u64,
    pub about: &'static str,
    pub fix: &'static str,
    /// Where the first one is, and its evidence.
    pub example: String,
}

/// Sessions of one symbol that the archive lacks, one behind the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    pub symbol: String,
    pub session: SessionKind,
    pub first: TradingDate,
    pub last: TradingDate,
    pub sessions: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inventory {
    pub symbol: String,
    pub year: i32,
    #[serde(flatten)]
    pub counts: Counts,
}

/// All of an audit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub files: u64,
    /// Neither JSON nor named like it.
    pub other_files: u64,
    /// Hidden files, links back into the archive, folders that cannot be read.
    pub skipped: u64,
    /// Folders that were to be read and could not be, and why: nobody knows what records are in them.
    pub unread: Vec<String>,
    #[serde(flatten)]
    pub counts: Counts,
    /// By symbol and year; rejected records that have neither are in the sum alone.
    pub inventory: Vec<Inventory>,
    /// The gravest first.
    pub findings: Vec<Tally>,
    pub missing_sessions: u64,
    pub missing: Vec<Missing>,
    pub eras: Vec<Era>,
}

impl Summary {
    /// Whether anything is there to be done: a record above a note, or a session that is missing.
    pub fn is_clean(&self) -> bool {
        self.counts.valid == self.counts.records && self.missing.is_empty() && self.unread.is_empty()
    }
}

/// Adds up records as they are judged.
#[derive(Debug, Default)]
pub struct Adding {
    counts: Counts,
    inventory: BTreeMap<(String, i32), Counts>,
    tallies: BTreeMap<Code, (u64, String)>,
    series: BTreeMap<(String, SessionKind), Series>,
}

#[derive(Debug, Default)]
struct Series {
    instrument: Option<Arc<Instrument>>,
    dates: BTreeSet<TradingDate>,
    differing: Vec<Differing>,
}

impl Adding {
    pub fn add(&mut self, judged: &Judged) {
        self.counts.add(judged.verdict);
        if let (Some(instrument), Some(date)) = (&judged.identity.instrument, judged.identity.date) {
            self.inventory.entry((instrument.symbol.to_string(), date.year())).or_default().add(judged.verdict);
        }
        let mut told = BTreeSet::new();
        for finding in judged.findings.iter().filter(|finding| told.insert(finding.code)) {
            let tally = self.tallies.entry(finding.code).or_insert_with(|| (0, example(judged, finding)));
            tally.0 += 1;
        }
        if let (Some((symbol, date, kind)), true) = (judged.identity.key(), judged.verdict != Verdict::Rejected) {
            let series = self.series.entry((symbol.to_owned(), kind)).or_default();
            series.instrument.clone_from(&judged.identity.instrument);
            series.dates.insert(date);
            series.differing.push(Differing { date, fields: eras::differing(&judged.findings) });
        }
    }

    /// The sum, with the numbers of files that the archive knows.
    pub fn finish(self, files: u64, other_files: u64, skipped: u64) -> Summary {
        let inventory = self.inventory.into_iter();
        let mut findings: Vec<Tally> = self
            .tallies
            .into_iter()
            .map(|(code, (records, example))| Tally {
                code,
                severity: code.severity(),
                records,
                about: code.about(),
                fix: code.fix(),
                example,
            })
            .collect();
        findings.sort_by_key(|tally| (std::cmp::Reverse(tally.severity), std::cmp::Reverse(tally.records), tally.code));
        let mut missing = Vec::new();
        let mut eras = Vec::new();
        for ((symbol, kind), mut series) in self.series {
            if let Some(instrument) = &series.instrument {
                missing.extend(missing_of(&symbol, kind, instrument, &series.dates));
            }
            series.differing.sort_by_key(|differing| differing.date);
            eras.extend(eras::eras(&symbol, kind, &series.differing));
        }
        Summary {
            files,
            other_files,
            skipped,
            unread: Vec::new(),
            counts: self.counts,
            inventory: inventory.map(|((symbol, year), counts)| Inventory { symbol, year, counts }).collect(),
            findings,
            missing_sessions: missing.iter().map(|run| u64::from(run.sessions)).sum(),
            missing,
            eras,
        }
    }
}

fn example(judged: &Judged, finding: &super::code::Finding) -> String {
    let original = &judged.original;
    let field = if finding.field.is_empty() { String::new() } else { format!(" {}", finding.field) };
    let evidence = if finding.evidence.is_empty() { String::new() } else { format!(": {}", finding.evidence) };
    format!("{}:{}{field}{evidence}", original.file, original.line)
}

/// Sessions by the calendar between the first and the last date that have no record.
fn missing_of(symbol: &str, kind: SessionKind, instrument: &Instrument, dates: &BTreeSet<TradingDate>) -> Vec<Missing> {
    let mut runs: Vec<Missing> = Vec::new();
    let (Some(first), Some(last)) = (dates.first(), dates.last()) else { return runs };
    let mut date = *first;
    let mut goes_on = false;
    while date < *last {
        date = date.next_day();
        if dates.contains(&date) {
            goes_on = false;
        } else if instrument.session_of_kind(date, kind).is_some() {
            match runs.last_mut() {
                Some(run) if goes_on => (run.last, run.sessions) = (date, run.sessions + 1),
                _ => runs.push(Missing { symbol: symbol.into(), session: kind, first: date, last: date, sessions: 1 }),
            }
            goes_on = true;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Instruments;

    #[test]
    fn missing_sessions_are_folded_over_weekends_and_holidays() {
        let instruments = Instruments::builtin();
        let spy = instruments.resolve("SPY").unwrap();
        let dates = ["2025-01-02", "2025-01-03", "2025-01-08", "2025-01-13", "2025-01-15"];
        let dates = dates.iter().map(|date| date.parse().unwrap()).collect();
        let runs = missing_of("SPY", SessionKind::Rth, spy, &dates);
        let shown: Vec<_> = runs.iter().map(|run| format!("{} {} {}", run.first, run.last, run.sessions)).collect();
        // The 9th of January 2025 was a day of mourning; the 10th a Friday.
        assert_eq!(shown, ["2025-01-06 2025-01-07 2", "2025-01-10 2025-01-10 1", "2025-01-14 2025-01-14 1"]);
    }
}
