//! An audit for people: inventory, verdicts, findings, missing sessions, eras. Writes text, decides nothing.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use super::audit::Judged;
use super::code::{Code, Severity, Verdict};
use super::summary::{Counts, Summary};
use crate::market::{SessionKind, TradingDate};

/// Runs of missing sessions shown in full; `--json` has all.
const RUNS_SHOWN: usize = 20;

/// One record as `--json` and `--findings` show it.
#[derive(Debug, Serialize)]
pub struct RecordLine<'j> {
    file: &'j str,
    line: u64,
    index: u32,
    symbol: Option<&'j str>,
    date: Option<TradingDate>,
    session: Option<SessionKind>,
    verdict: Verdict,
    findings: Vec<FindingLine<'j>>,
}

#[derive(Debug, Serialize)]
struct FindingLine<'j> {
    code: Code,
    severity: Severity,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'j str,
    evidence: &'j str,
    fix: &'static str,
}

impl<'j> From<&'j Judged> for RecordLine<'j> {
    fn from(judged: &'j Judged) -> Self {
        let finding = |finding: &'j super::code::Finding| FindingLine {
            code: finding.code,
            severity: finding.severity(),
            field: finding.field,
            evidence: &finding.evidence,
            fix: finding.code.fix(),
        };
        Self {
            file: &judged.original.file,
            line: judged.original.line,
            index: judged.original.index,
            symbol: judged.identity.instrument.as_ref().map(|instrument| instrument.symbol.as_str()),
            date: judged.identity.date,
            session: judged.identity.session.map(|session| session.kind),
            verdict: judged.verdict,
            findings: judged.findings.iter().map(finding).collect(),
        }
    }
}

/// Writes the report.
///
/// # Errors
/// Those of `out`.
pub fn write(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    let Summary { files, other_files, skipped, counts, .. } = summary;
    let counted = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (records, read) = (counted(counts.records, "record"), counted(files - other_files, "file"));
    writeln!(out, "{records} in {read}; {}, {skipped} skipped", counted(*other_files, "other file"))?;
    for unread in &summary.unread {
        writeln!(out, "CANNOT BE READ: {unread}")?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "{:<12} {:>6} {:>9} {:>9} {:>11} {:>12} {:>9}",
        "symbol", "year", "records", "valid", "suspicious", "recalculate", "rejected"
    )?;
    let row = |symbol: &str, year: &str, counts: &Counts| {
        let Counts { records, valid, suspicious, recalculate, rejected } = counts;
        format!("{symbol:<12} {year:>6} {records:>9} {valid:>9} {suspicious:>11} {recalculate:>12} {rejected:>9}")
    };
    for line in &summary.inventory {
        writeln!(out, "{}", row(&line.symbol, &line.year.to_string(), &line.counts))?;
    }
    writeln!(out, "{}", row("all", "", counts))?;
    for severity in [Severity::Rejected, Severity::Recalculate, Severity::Suspicious, Severity::Note] {
        let mut tallies = summary.findings.iter().filter(|tally| tally.severity == severity).peekable();
        if tallies.peek().is_some() {
            writeln!(out, "\n{}", severity.as_str())?;
        }
        for tally in tallies {
            writeln!(out, "{:>9}  {:<28} {}", tally.records, tally.code, tally.about)?;
            writeln!(out, "{:>9}  {:<28} {}", "", "", tally.example)?;
        }
    }
    missing(summary, out)?;
    if !summary.eras.is_empty() {
        writeln!(out, "\neras of other logic")?;
    }
    for era in &summary.eras {
        let (symbol, fields, share) = (&era.symbol, era.fields.join(", "), era.differing);
        writeln!(
            out,
            "  {symbol:<12} {} … {}  {fields}: differ in {share} of {} records",
            era.first, era.last, era.records
        )?;
    }
    Ok(())
}

fn missing(summary: &Summary, out: &mut dyn Write) -> io::Result<()> {
    if summary.missing.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\nmissing sessions: {} by the calendar, between first and last date of each symbol",
        summary.missing_sessions
    )?;
    for run in summary.missing.iter().take(RUNS_SHOWN) {
        let mut span = run.first.to_string();
        if run.first != run.last {
            // Writing to a string cannot fail.
            let _ = write!(span, " … {}", run.last);
        }
        writeln!(out, "  {:<12} {:<9} {span} ({})", run.symbol, run.session, run.sessions)?;
    }
    if let Some(more) = summary.missing.len().checked_sub(RUNS_SHOWN).filter(|more| *more > 0) {
        writeln!(out, "  and {more} more runs; --json has them all")?;
    }
    Ok(())
}
