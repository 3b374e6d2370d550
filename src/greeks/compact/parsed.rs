//! One capture, parsed: everything the compaction of its day needs of it. Parsing is most of the work of compacting, and a
//! capture never changes, so whoever compacts a day again and again keeps this. Pure.

use std::sync::mpsc::sync_channel;

use chrono::{DateTime, Utc};
use rayon::prelude::*;

use crate::greeks::capture::{Reader, whole_dollars};
use crate::greeks::chain_capture::ChainDocument;
use crate::greeks::formula::FormulaReport;
use crate::greeks::record::CHAINS;
use crate::greeks::rows::{Arrival, Row, SpotSaid, late};
use crate::lake::compact::Captured;
use crate::lake::journal::{Body, Line, Note, chunks, parse_line};
use crate::lake::manifest::CaptureRef;
use crate::market::{Instrument, Instruments, TradingDate};
use crate::{Error, Result};

/// Lines parsed by one worker at a time.
const LINES_AT_ONCE: usize = 64;

/// What a capture says of its day. Rows and spots carry their line's place in the capture.
#[derive(Debug)]
pub struct ParsedCapture {
    pub capture: CaptureRef,
    /// In order of receipt, in the pieces they were parsed in: one growing list would be copied again and again.
    pub(super) rows: Vec<Vec<Row>>,
    pub(super) spots: Vec<SpotSaid>,
    pub(super) notes: Vec<Note>,
    pub(super) formulas: Vec<FormulaReport>,
    /// Refusals among them.
    pub(super) lines: u64,
    pub(super) late_documents: u64,
}

impl ParsedCapture {
    /// About how much memory it takes.
    pub fn memory_bytes(&self) -> u64 {
        let rows = self.rows.iter().map(Vec::capacity).sum::<usize>() * size_of::<Row>();
        let rest = self.spots.capacity() * size_of::<SpotSaid>() + self.formulas.len() * size_of::<FormulaReport>();
        (rows + rest + self.notes.len() * 4 * size_of::<Note>() + size_of::<Self>()) as u64
    }
}

/// Parses one capture; with `until`, only the lines received by then, as if the others had never come.
///
/// # Errors
/// `Corrupt` when the capture is damaged, `Invalid` when it holds what no longer can be read.
pub fn parse(
    captured: &Captured,
    date: TradingDate,
    instrument: &Instrument,
    instruments: &Instruments,
    until: Option<DateTime<Utc>>,
) -> Result<ParsedCapture> {
    let place = Place { dataset: &captured.dataset, date, instrument, instruments, until };
    let mut part = Part::default();
    // Decompression runs ahead on a thread of its own while this one parses with rayon.
    std::thread::scope(|scope| {
        let (send, receive) = sync_channel(2);
        let bytes = captured.bytes.clone();
        scope.spawn(move || chunks(bytes).try_for_each(|chunk| send.send(chunk)));
        for chunk in receive {
            read_chunk(&chunk?, &place, &mut part)?;
        }
        Ok::<(), Error>(())
    })
    .map_err(|error| error.while_doing(format!("capture {} of {} {date}", captured.id, instrument.symbol)))?;
    let mut parsed = ParsedCapture {
        capture: CaptureRef {
            dataset: captured.dataset.clone(),
            id: captured.id.clone(),
            documents: part.documents,
            rows: part.rows.iter().map(Vec::len).sum::<usize>() as u64,
            first_received_at: part.received.map(|(first, _)| first),
            last_received_at: part.received.map(|(_, last)| last),
        },
        late_documents: late(&part.arrivals),
        rows: part.rows,
        spots: part.spots,
        notes: part.notes,
        formulas: part.formulas,
        lines: part.lines,
    };
    parsed.rows.iter_mut().for_each(Vec::shrink_to_fit);
    parsed.spots.shrink_to_fit();
    Ok(parsed)
}

/// Where the lines of a capture must belong, and which of them are wanted.
struct Place<'a> {
    dataset: &'a str,
    date: TradingDate,
    instrument: &'a Instrument,
    instruments: &'a Instruments,
    until: Option<DateTime<Utc>>,
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
    received: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

fn read_chunk(chunk: &[u8], place: &Place<'_>, whole: &mut Part) -> Result<()> {
    let lines: Vec<&[u8]> = chunk.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let start = u32::try_from(whole.lines).map_err(|_| Error::invalid("more than four billion lines"))?;
    whole.lines += lines.len() as u64;
    let parts: Vec<Part> = lines
        .par_chunks(LINES_AT_ONCE)
        .enumerate()
        .map(|(at, lines)| {
            let mut part = Part::default();
            let mut reader = Reader::new(place.instruments);
            for (line_at, line) in lines.iter().enumerate() {
                let at = u32::try_from(at * LINES_AT_ONCE + line_at).unwrap_or(u32::MAX);
                let sequence = start.saturating_add(at);
                let line = parse_line(line)?;
                if place.until.is_some_and(|until| line.received_at > until) {
                    continue;
                }
                let received = part.received.map_or(line.received_at, |(first, _)| first.min(line.received_at));
                let last = part.received.map_or(line.received_at, |(_, last)| last.max(line.received_at));
                part.received = Some((received, last));
                match (&line.body, place.dataset) {
                    (Body::Refused(note), _) => part.notes.push(note.clone()),
                    (Body::Document(json), CHAINS) => {
                        let document: ChainDocument = serde_json::from_slice(json)
                            .map_err(|error| Error::corrupt("a chain in a capture cannot be read").caused_by(error))?;
                        take_chain(&document, &line, sequence, place, &mut part)?;
                    }
                    (Body::Document(json), _) => {
                        take_document(json, &line, sequence, place, &mut reader, &mut part)?;
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
    place: &Place<'_>,
    reader: &mut Reader<'_>,
    part: &mut Part,
) -> Result<()> {
    let parsed = reader.read(json).map_err(|refusal| {
        Error::invalid(format!(
            "a document that was taken is refused now ({}: {}); were the instrument's settings changed?",
            refusal.code, refusal.reason
        ))
    })?;
    if parsed.date != place.date || parsed.instrument.symbol != place.instrument.symbol {
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
    place: &Place<'_>,
    part: &mut Part,
) -> Result<()> {
    let derived = document.derive(place.instruments)?;
    let chain = &derived.chain;
    let home = place.instruments.get(&chain.symbol);
    if home.is_none_or(|instrument| instrument.trading_date_of(chain.at) != place.date) {
        return Err(Error::invalid(format!(
            "a chain of {} at {} does not belong to {} any more",
            chain.symbol, chain.at, place.date
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
