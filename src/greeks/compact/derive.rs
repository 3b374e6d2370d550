//! The pure heart of compaction: a day's captures to the bytes and the record of its two partitions.

use std::sync::mpsc::sync_channel;

use bytes::Bytes;
use rayon::prelude::*;

use super::batches;
use crate::greeks::capture::{Reader, whole_dollars};
use crate::greeks::chain_capture::ChainDocument;
use crate::greeks::day::statistics;
use crate::greeks::formula::FormulaReport;
use crate::greeks::quality::{self, Findings};
use crate::greeks::record::{BY_MINUTE, CALCULATION, CHAINS, GREEKS, GREEKS_BY_MINUTE, STRIKES};
use crate::greeks::rollup;
use crate::greeks::rows::{Arrival, Row, Said, Sorted, SpotSaid, late, sort};
use crate::lake::journal::{Body, Line, Note, chunks, parse_line};
use crate::lake::manifest::{Calculation, CaptureRef, Condition, Content, Counts, SessionSpan};
use crate::lake::partition;
use crate::market::{Instrument, Instruments, Session, TradingDate};
use crate::{Error, Result};

/// Lines parsed by one worker at a time.
const LINES_AT_ONCE: usize = 64;

/// One capture's bytes, compressed, as the store gave them.
#[derive(Debug, Clone)]
pub struct Captured {
    pub dataset: String,
    pub id: String,
    pub bytes: Bytes,
}

/// A partition ready to be published.
#[derive(Debug)]
pub struct Derived {
    pub data: Vec<u8>,
    pub content: Content,
}

/// What made the numbers of this instrument.
pub fn calculation(instrument: &Instrument, session_closed: bool) -> Calculation {
    Calculation { version: CALCULATION.to_owned(), settings: instrument.settings_fingerprint(), session_closed }
}

/// Strike level and minute sums of one day. `captures` must be in order of (dataset, id).
///
/// # Errors
/// `Corrupt` when a capture is damaged, `Invalid` when it holds what no longer can be read, `Internal` when an invariant does
/// not hold: then nothing is published.
pub fn derive(
    instrument: &Instrument,
    date: TradingDate,
    captures: &[Captured],
    session_closed: bool,
    instruments: &Instruments,
) -> Result<(Derived, Derived)> {
    let mut said = Said::default();
    for captured in captures {
        read(captured, date, instrument, instruments, &mut said)
            .map_err(|error| error.while_doing(format!("capture {} of {} {date}", captured.id, instrument.symbol)))?;
    }
    let rows_in = said.rows.iter().map(Vec::len).sum::<usize>() as u64;
    let Sorted { rows, duplicates } = sort(std::mem::take(&mut said.rows));
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
        calculation: calculation(instrument, session_closed),
        captures: said.captures.clone(),
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

fn read(
    captured: &Captured,
    date: TradingDate,
    instrument: &Instrument,
    instruments: &Instruments,
    said: &mut Said,
) -> Result<()> {
    let mut part = Part::default();
    let first_sequence = u32::try_from(said.lines).map_err(|_| Error::invalid("more than four billion lines"))?;
    // Decompression runs ahead on a thread of its own while this one parses with rayon.
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(2);
        let bytes = captured.bytes.clone();
        scope.spawn(move || chunks(bytes).try_for_each(|chunk| send.send(chunk)));
        for chunk in receive {
            read_chunk(&chunk?, captured, first_sequence, date, instrument, instruments, &mut part)?;
        }
        Ok::<(), Error>(())
    })?;
    said.captures.push(CaptureRef {
        dataset: captured.dataset.clone(),
        id: captured.id.clone(),
        documents: part.documents,
        rows: part.rows.iter().map(Vec::len).sum::<usize>() as u64,
        first_received_at: part.received.map(|(first, _)| first),
        last_received_at: part.received.map(|(_, last)| last),
    });
    said.documents += part.documents;
    said.lines += part.lines;
    said.late_documents += late(&part.arrivals);
    said.notes.append(&mut part.notes);
    said.spots.append(&mut part.spots);
    said.formulas.append(&mut part.formulas);
    said.rows.append(&mut part.rows);
    Ok(())
}

/// What some lines of a capture said.
#[derive(Default)]
struct Part {
    rows: Vec<Vec<Row>>,
    spots: Vec<SpotSaid>,
    notes: Vec<Note>,
    arrivals: Vec<Arrival>,
    formulas: Vec<FormulaReport>,
    documents: u64,
    /// Notes counted too: a line's number is its place in the order of receipt.
    lines: u64,
    received: Option<(chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::Utc>)>,
}

fn read_chunk(
    chunk: &[u8],
    captured: &Captured,
    first_sequence: u32,
    date: TradingDate,
    instrument: &Instrument,
    instruments: &Instruments,
    whole: &mut Part,
) -> Result<()> {
    let lines: Vec<&[u8]> = chunk.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let start = first_sequence.saturating_add(u32::try_from(whole.lines).unwrap_or(u32::MAX));
    whole.lines += lines.len() as u64;
    let parts: Vec<Part> = lines
        .par_chunks(LINES_AT_ONCE)
        .enumerate()
        .map(|(at, lines)| {
            let mut part = Part::default();
            let mut reader = Reader::new(instruments);
            for (line_at, line) in lines.iter().enumerate() {
                let sequence = start + u32::try_from(at * LINES_AT_ONCE + line_at).unwrap_or(u32::MAX);
                let line = parse_line(line)?;
                let received = part.received.map_or(line.received_at, |(first, _)| first.min(line.received_at));
                let last = part.received.map_or(line.received_at, |(_, last)| last.max(line.received_at));
                part.received = Some((received, last));
                match (&line.body, captured.dataset.as_str()) {
                    (Body::Refused(note), _) => part.notes.push(note.clone()),
                    (Body::Document(json), CHAINS) => {
                        let document: ChainDocument = serde_json::from_slice(json)
                            .map_err(|error| Error::corrupt("a chain in a capture cannot be read").caused_by(error))?;
                        take_chain(&document, &line, sequence, date, instruments, &mut part)?;
                    }
                    (Body::Document(json), _) => {
                        take_document(json, &line, sequence, date, instrument, &mut reader, &mut part)?;
                    }
                }
            }
            Ok(part)
        })
        .collect::<Result<_>>()?;
    for mut part in parts {
        whole.rows.append(&mut part.rows);
        whole.spots.append(&mut part.spots);
        whole.notes.append(&mut part.notes);
        whole.arrivals.append(&mut part.arrivals);
        whole.formulas.append(&mut part.formulas);
        whole.documents += part.documents;
        whole.received = match (whole.received, part.received) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (known, None) => known,
            (None, new) => new,
        };
    }
    Ok(())
}

/// The piece that a worker's rows go into.
fn rows_of(part: &mut Part) -> &mut Vec<Row> {
    if part.rows.is_empty() {
        part.rows.push(Vec::new());
    }
    &mut part.rows[0]
}

fn take_document(
    json: &[u8],
    line: &Line<'_>,
    sequence: u32,
    date: TradingDate,
    instrument: &Instrument,
    reader: &mut Reader<'_>,
    part: &mut Part,
) -> Result<()> {
    let parsed = reader.read(json).map_err(|refusal| {
        Error::invalid(format!(
            "a document that was taken is refused now ({}: {}); were the instrument's settings changed?",
            refusal.code, refusal.reason
        ))
    })?;
    if parsed.date != date || parsed.instrument.symbol != instrument.symbol {
        return Err(Error::invalid(format!(
            "a document belongs to {} {} by today's settings; ingest the source again after changing an instrument",
            parsed.instrument.symbol, parsed.date
        )));
    }
    part.documents += 1;
    let minute = parsed.minute.timestamp() / 60;
    let expiration = parsed.expiration.days_since_epoch();
    part.arrivals.push(Arrival {
        minute,
        expiration,
        first_strike: parsed.strikes.first().map_or(0, |row| row.strike.to_bits()),
    });
    if let Some(spot) = parsed.spot {
        let (source_us, received_us) = (parsed.source_time.timestamp_micros(), line.received_at.timestamp_micros());
        part.spots.push(SpotSaid { minute, expiration, source_us, received_us, sequence, spot });
    }
    rows_of(part).extend(parsed.strikes.iter().map(|row| {
        Row::new(
            parsed.expiration,
            row.strike,
            parsed.minute,
            parsed.source_time,
            line.received_at,
            sequence,
            row.greeks,
        )
    }));
    Ok(())
}

fn take_chain(
    document: &ChainDocument,
    line: &Line<'_>,
    sequence: u32,
    date: TradingDate,
    instruments: &Instruments,
    part: &mut Part,
) -> Result<()> {
    let derived = document.derive(instruments)?;
    let chain = &derived.chain;
    if instruments.get(&chain.symbol).is_none_or(|instrument| instrument.trading_date_of(chain.at) != date) {
        return Err(Error::invalid(format!(
            "a chain of {} at {} does not belong to {date} any more",
            chain.symbol, chain.at
        )));
    }
    part.documents += 1;
    let at = crate::market::floor_minute(chain.at);
    let (minute, source_us) = (at.timestamp() / 60, chain.at.timestamp_micros());
    let received_us = line.received_at.timestamp_micros();
    let mut last = None;
    for row in &derived.exposures {
        if last.replace(row.expiration) != Some(row.expiration) {
            let expiration = row.expiration.days_since_epoch();
            part.spots.push(SpotSaid { minute, expiration, source_us, received_us, sequence, spot: chain.spot });
        }
        let greeks = [row.gamma, row.vanna, row.charm].map(|greek| greek.map(whole_dollars));
        rows_of(part).push(Row::new(row.expiration, row.strike, at, chain.at, line.received_at, sequence, greeks));
    }
    part.formulas.push(derived.report);
    Ok(())
}
