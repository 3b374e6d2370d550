//! The pure heart of compaction: a day's captures, parsed, to the bytes and the record of its partition. Called by the compactor and
//! by repair: both make the very same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::parsed::ParsedCapture;
use super::resolve::{Kept, Resolved, resolve, withdrawn};
use crate::bars::quality::{self, Findings, widest_session};
use crate::bars::record::{BAR_ROWS, BARS, BarRow, batch};
use crate::lake::compact::Derived;
use crate::lake::journal::Note;
use crate::lake::manifest::{Calculation, CaptureRef, Condition, Content, Counts, SessionSpan};
use crate::lake::partition;
use crate::market::{Instrument, Session, SessionKind, TradingDate};
use crate::{Error, Result};

/// When the last session of a date ends, whichever it is.
pub fn last_close(instrument: &Instrument, date: TradingDate) -> Option<DateTime<Utc>> {
    let sessions = SessionKind::ALL.into_iter().filter_map(|kind| instrument.session_of_kind(date, kind));
    sessions.map(|session| session.close).max()
}

/// The partition of one day from its captures, which are in order of their ids. `calculation` goes into the record as it is.
///
/// # Errors
/// `Internal` when an invariant does not hold: then nothing is published.
pub fn assemble(
    instrument: &Instrument,
    date: TradingDate,
    parts: &[Arc<ParsedCapture>],
    calculation: &Calculation,
) -> Result<Derived> {
    let resolved = resolve(parts, instrument);
    let withdrawn = withdrawn(parts);
    let counting = parts.iter().filter(|part| !withdrawn.contains(part.capture.id.as_str()));
    let notes: Vec<Note> = counting.flat_map(|part| part.notes.iter().cloned()).collect();
    let captures: Vec<CaptureRef> = parts.iter().map(|part| part.capture.clone()).collect();
    let closed = calculation.session_closed;
    let findings = quality::check(&resolved, &notes, instrument, date, closed);
    let counts = Counts {
        documents: captures.iter().map(|capture| capture.documents).sum(),
        rows_in: captures.iter().map(|capture| capture.rows).sum(),
        duplicates: resolved.settled.rows(),
        refused: notes.len() as u64,
        outside_session: findings.outside_session,
        late_documents: 0,
    };
    invariants(&resolved.rows, &counts, instrument, date)?;
    let content = Content {
        dataset: BARS.to_owned(),
        symbol: instrument.symbol.clone(),
        date: Some(date),
        year: None,
        condition: condition(&findings, closed),
        reasons: findings.reasons.clone(),
        rows: resolved.rows.len() as u64,
        minutes_expected: findings.minutes_expected,
        minutes_seen: findings.minutes_seen,
        gaps: findings.gaps.clone(),
        counts,
        session: widest_session(instrument, date).as_ref().map(span),
        calculation: calculation.clone(),
        captures,
        details: details(&resolved, &findings, instrument.session(date).as_ref(), &withdrawn),
    };
    let rows: Vec<BarRow> = resolved.rows.iter().map(|kept| kept.row).collect();
    let batches = rows.chunks(BAR_ROWS.row_group_rows).map(batch).collect::<Result<Vec<_>>>()?;
    Ok(Derived { data: partition::encode(&BAR_ROWS, &batches, &content)?, content })
}

fn condition(findings: &Findings, closed: bool) -> Condition {
    match closed {
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

/// In the room's own words: the default session's prices, the lengths of bars, how they were read, and what was flagged.
fn details(
    resolved: &Resolved,
    findings: &Findings,
    session: Option<&Session>,
    withdrawn: &BTreeSet<&str>,
) -> serde_json::Value {
    let rows = &resolved.rows;
    let mut lengths: BTreeMap<String, u64> = BTreeMap::new();
    rows.iter().for_each(|kept| *lengths.entry(kept.row.minutes.to_string()).or_default() += 1);
    let mut readings = Vec::new();
    for kept in rows {
        if !readings.contains(&kept.reading) {
            readings.push(kept.reading);
        }
    }
    let inside = || rows.iter().filter(|kept| session.is_some_and(|session| session.contains(quality::start(kept))));
    let day = inside().next().zip(inside().next_back()).map(|(first, last)| {
        json!({
            "open": first.row.open,
            "high": inside().map(|kept| kept.row.high).fold(first.row.high, f64::max),
            "low": inside().map(|kept| kept.row.low).fold(first.row.low, f64::min),
            "close": last.row.close,
            "volume": inside().map(|kept| kept.row.volume).sum::<f64>(),
        })
    });
    json!({
        "day": day,
        "bars_by_minutes": lengths,
        "readings": readings,
        "flagged": findings.flagged,
        "withdrawn": { "captures": withdrawn, "rows": resolved.settled.withdrawn },
    })
}

/// The numbered invariants that hold before anything is published.
fn invariants(rows: &[Kept], counts: &Counts, instrument: &Instrument, date: TradingDate) -> Result<()> {
    let broken =
        |number: u8, what: &str| Error::internal(format!("invariant {number} does not hold for {date}: {what}"));
    // 1. Nothing is lost and nothing is made up.
    if counts.rows_in != rows.len() as u64 + counts.duplicates {
        return Err(broken(1, "rows in = rows out + those that others stand for"));
    }
    // 2. Each instant once, in order.
    if !rows.is_sorted_by(|a, b| a.row.start_minute < b.row.start_minute) {
        return Err(broken(2, "rows are sorted and each start is there once"));
    }
    // 3. All of one trading date.
    if rows.iter().any(|kept| instrument.trading_date_of(quality::start(kept)) != date) {
        return Err(broken(3, "every bar starts on the trading date"));
    }
    // 4. Every bar is one: ordered prices, a volume, a length.
    let is_bar = |row: &BarRow| {
        let within = |price: f64| row.low <= price && price <= row.high;
        within(row.open) && within(row.close) && row.volume >= 0.0 && row.minutes > 0
    };
    if !rows.iter().all(|kept| is_bar(&kept.row)) || !quality::are_prices(rows, instrument) {
        return Err(broken(4, "low ≤ open, close ≤ high; volume ≥ 0"));
    }
    Ok(())
}
