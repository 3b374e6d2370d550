//! One capture of bars, parsed: everything the compaction of its day needs of it. Pure.

use crate::bars::capture::document::{self, BarSaid};
use crate::bars::capture::statement::Statement;
use crate::bars::capture::values::Rules;
use crate::lake::compact::Captured;
use crate::lake::journal::{Body, Note, chunks, parse_line};
use crate::lake::manifest::CaptureRef;
use crate::market::{Instrument, TradingDate};
use crate::{Error, Result};
use chrono::{DateTime, Utc};

/// One bar as one capture has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowSaid {
    pub said: BarSaid,
    pub received_us: i64,
    /// Its line's place in the capture.
    pub line: u32,
}

/// What a capture says of its day.
#[derive(Debug)]
pub struct ParsedCapture {
    pub capture: CaptureRef,
    pub rows: Vec<RowSaid>,
    /// Refused at ingest, or by a rule that has changed since.
    pub notes: Vec<Note>,
    /// Ids of captures of the same date whose documents do not count any more.
    pub withdraws: Vec<String>,
}

impl ParsedCapture {
    /// About how much memory it takes.
    pub fn memory_bytes(&self) -> u64 {
        (self.rows.capacity() * size_of::<RowSaid>() + self.notes.len() * 4 * size_of::<Note>() + size_of::<Self>())
            as u64
    }
}

/// Parses one capture.
///
/// # Errors
/// `Corrupt` when the capture is damaged, `Invalid` when its bars belong to another date by today's settings.
pub fn parse(captured: &Captured, date: TradingDate, instrument: &Instrument) -> Result<ParsedCapture> {
    read(captured, date, instrument)
        .map_err(|error| error.while_doing(format!("capture {} of {} {date}", captured.id, instrument.symbol)))
}

fn read(captured: &Captured, date: TradingDate, instrument: &Instrument) -> Result<ParsedCapture> {
    let rules = Rules::of(instrument);
    let (mut rows, mut notes, mut withdraws) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lines, mut documents) = (0_u32, 0_u64);
    let mut received: Option<(DateTime<Utc>, DateTime<Utc>)> = None;
    for chunk in chunks(captured.bytes.clone()) {
        for line in chunk?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line = parse_line(line)?;
            let at = line.received_at;
            received = Some(received.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
            lines = lines.checked_add(1).ok_or_else(|| Error::invalid("more than four billion lines"))?;
            match line.body {
                Body::Refused(note) => notes.push(note),
                Body::Document(json) => {
                    documents += 1;
                    if let Some(statement) = Statement::read(json) {
                        if let Statement::Withdraws(id) = statement {
                            withdraws.push(id);
                        }
                        continue;
                    }
                    match document::read(json, &instrument.symbol, &rules) {
                        Ok(said) => {
                            belongs(&said, date, instrument)?;
                            rows.push(RowSaid { said, received_us: at.timestamp_micros(), line: lines });
                        }
                        Err(refusal) => notes.push(refusal.note(format!("line {lines} of the capture"), None)),
                    }
                }
            }
        }
    }
    rows.shrink_to_fit();
    let capture = CaptureRef {
        dataset: captured.dataset.clone(),
        id: captured.id.clone(),
        documents,
        rows: rows.len() as u64,
        first_received_at: received.map(|(first, _)| first),
        last_received_at: received.map(|(_, last)| last),
    };
    Ok(ParsedCapture { capture, rows, notes, withdraws })
}

fn belongs(said: &BarSaid, date: TradingDate, instrument: &Instrument) -> Result<()> {
    let start = DateTime::from_timestamp(said.start_minute * 60, 0).unwrap_or_default();
    let home = instrument.trading_date_of(start);
    if home == date {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "a bar that starts at {start} belongs to {home} by today's settings; ingest the source again after changing an instrument"
    )))
}
