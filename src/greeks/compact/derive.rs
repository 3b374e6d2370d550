//! The pure heart of compaction: a day's captures, parsed, to the bytes and the record of its two partitions. Called by the
//! compactor, and by answers as of an instant in the past: both make the very same bytes.

use std::sync::Arc;

use super::batches;
use super::parsed::ParsedCapture;
use crate::greeks::day::statistics;
use crate::greeks::formula::FormulaReport;
use crate::greeks::quality::{self, Findings};
use crate::greeks::record::{BY_MINUTE, CALCULATION, GREEKS, GREEKS_BY_MINUTE, STRIKES};
use crate::greeks::rollup;
use crate::greeks::rows::{Piece, Row, Said, Sorted, SpotSaid, sort};
use crate::lake::compact::Derived;
use crate::lake::manifest::{Calculation, CaptureRef, Condition, Content, Counts, SessionSpan};
use crate::lake::partition;
use crate::market::{Instrument, Session, TradingDate};
use crate::{Error, Result};

/// What made the numbers of this instrument.
pub fn calculation(instrument: &Instrument, session_closed: bool) -> Calculation {
    Calculation { version: CALCULATION.to_owned(), settings: instrument.settings_fingerprint(), session_closed }
}

/// Strike level and minute sums of one day from all its captures, in the order in which they are read. `parts` are let go as
/// soon as their rows are dealt out.
///
/// # Errors
/// `Internal` when an invariant does not hold: then nothing is published.
pub fn assemble(
    instrument: &Instrument,
    date: TradingDate,
    parts: Vec<Arc<ParsedCapture>>,
    calculation: &Calculation,
) -> Result<(Derived, Derived)> {
    let (said, captures, Sorted { rows, duplicates }) = together(&parts)?;
    drop(parts);
    let session_closed = calculation.session_closed;
    let rows_in: u64 = captures.iter().map(|capture| capture.rows).sum();
    let session = instrument.session(date);
    let inside = |minute: i64| session.as_ref().is_some_and(|session| rollup::is_inside(session, minute));
    let only_outside = !rows.iter().any(|row| inside(row.minute()));
    let sums = rollup::by_minute(&rows, &said.spots, |minute| only_outside || inside(minute))?;
    let findings = quality::check(&said, &rows, duplicates, &sums, session.as_ref(), session_closed);
    let counts = Counts {
        documents: said.documents,
        rows_in,
        duplicates,
        refused: quality::refused(&said),
        outside_session: findings.outside_session,
        late_documents: said.late_documents,
    };
    invariants(&rows, &sums, &counts, date, |minute| only_outside || inside(minute))?;
    let details = details(&said, &rows, &sums, &findings)?;
    let make = |dataset: &str, rows: u64, details| Content {
        dataset: dataset.to_owned(),
        symbol: instrument.symbol.clone(),
        date: Some(date),
        year: None,
        condition: condition(&findings, session_closed),
        reasons: findings.reasons.clone(),
        rows,
        minutes_expected: findings.minutes_expected,
        minutes_seen: findings.minutes_seen,
        gaps: findings.gaps.clone(),
        counts: counts.clone(),
        session: session.as_ref().map(span),
        calculation: calculation.clone(),
        captures: captures.clone(),
        details,
    };
    let strikes = make(GREEKS, rows.len() as u64, details);
    let minutes = make(GREEKS_BY_MINUTE, sums.len() as u64, serde_json::Value::Null);
    let batches = batches::strikes(&rows)?;
    drop(rows);
    let strikes = Derived { data: partition::encode(&STRIKES, &batches, &strikes)?, content: strikes };
    drop(batches);
    let minutes =
        Derived { data: partition::encode(&BY_MINUTE, &[batches::minutes(&sums)?], &minutes)?, content: minutes };
    Ok((strikes, minutes))
}

fn condition(findings: &Findings, session_closed: bool) -> Condition {
    match session_closed {
        false => Condition::Pending,
        true if findings.reasons.iter().any(|reason| reason.degrades) => Condition::Degraded,
        true => Condition::Available,
    }
}

fn span(session: &Session) -> SessionSpan {
    SessionSpan {
        kind: session.kind.as_str().to_owned(),
        open: session.open,
        close: session.close,
        early_close: session.early_close,
    }
}

fn details(said: &Said, rows: &[Row], sums: &[rollup::MinuteSum], findings: &Findings) -> Result<serde_json::Value> {
    let day = statistics(sums, rows)?;
    let mut details = serde_json::json!({
        "day": day,
        "outliers": findings.outliers,
        "strike_coverage": findings.coverage,
    });
    if !said.formulas.is_empty() {
        details["formula"] = serde_json::json!(FormulaReport::merged(&said.formulas));
    }
    Ok(details)
}

/// What the captures said, one after the other: a line's place is its place among the lines of all of them.
fn together(parts: &[Arc<ParsedCapture>]) -> Result<(Said, Vec<CaptureRef>, Sorted)> {
    let mut said = Said::default();
    let mut captures = Vec::with_capacity(parts.len());
    let mut pieces = Vec::new();
    let mut lines: u64 = 0;
    for part in parts {
        let lines_before = u32::try_from(lines).map_err(|_| Error::invalid("more than four billion lines"))?;
        lines += part.lines;
        captures.push(part.capture.clone());
        said.documents += part.capture.documents;
        said.late_documents += part.late_documents;
        said.notes.extend_from_slice(&part.notes);
        said.formulas.extend_from_slice(&part.formulas);
        let placed = |spot: &SpotSaid| SpotSaid { sequence: spot.sequence.saturating_add(lines_before), ..*spot };
        said.spots.extend(part.spots.iter().map(placed));
        pieces.extend(part.rows.iter().map(|rows| Piece { rows, lines_before }));
    }
    Ok((said, captures, sort(&pieces)))
}

/// The numbered invariants that hold before anything is published.
fn invariants(
    rows: &[Row],
    sums: &[rollup::MinuteSum],
    counts: &Counts,
    date: TradingDate,
    summed: impl Fn(i64) -> bool,
) -> Result<()> {
    let broken =
        |number: u8, what: &str| Error::internal(format!("invariant {number} does not hold for {date}: {what}"));
    // 1. Nothing is lost and nothing is made up.
    if counts.rows_in != rows.len() as u64 + counts.duplicates {
        return Err(broken(1, "rows in = rows out + duplicates"));
    }
    // 2. Each (expiration, strike, minute) once, in the order of the file.
    let place = |row: &Row| (row.expiration(), row.strike().to_bits(), row.minute());
    if !rows.is_sorted_by(|a, b| place(a) < place(b)) {
        return Err(broken(2, "rows are sorted and each is there once"));
    }
    // 3. The sums are sums of these rows.
    let added_up = rows.iter().filter(|row| summed(row.minute())).count();
    if sums.iter().map(|sum| sum.strikes).sum::<i64>() != i64::try_from(added_up).unwrap_or(-1) {
        return Err(broken(3, "the strikes of the minute sums add up to the rows"));
    }
    for at in 0..3 {
        let summed_rows = rows.iter().filter(|row| summed(row.minute()));
        let of_rows: i128 = summed_rows.filter_map(|row| row.greek(at)).map(i128::from).sum();
        let of_sums: i128 = sums.iter().filter_map(|sum| sum.greeks[at]).map(i128::from).sum();
        if of_rows != of_sums {
            return Err(broken(3, "minute sums equal the sums of their rows"));
        }
    }
    Ok(())
}
