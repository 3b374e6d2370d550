//! Raw greeks input to captures: reads a file, standard input or a post of any shape, as a stream. Called by the command line
//! ([`ingest`] into the journal) and by [`super::post`] ([`collect`] for the spool); what is good is handed on, what is not
//! is kept with its place and reason.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rayon::prelude::*;

use super::capture::{DOCUMENT_BYTES, Home, Piece, Reader, Refusal, Splitter, Table};
use super::record::GREEKS;
use crate::lake::journal::{Counts, Note, Writer, decompress, unreadable};
use crate::lake::store::Store;
use crate::market::{Clock, Instrument, Instruments, Symbol, TradingDate};
use crate::{Error, Result};

/// CSV rows are handed on in batches of this many.
const CSV_ROWS: usize = 20_000;
/// What is read and not yet taken: a taker that has enough of it stops before much more is made.
const TOGETHER: usize = 4096;

/// Where what was read goes.
pub trait Take {
    /// A good document: JSON without line breaks.
    fn document(
        &mut self,
        symbol: &Symbol,
        date: TradingDate,
        received_at: DateTime<Utc>,
        document: &[u8],
        rows: u64,
    ) -> Result<()>;

    /// A refused one, and where it would have gone as far as it can be read.
    fn refuse(
        &mut self,
        home: Option<(&Symbol, TradingDate)>,
        received_at: DateTime<Utc>,
        note: Note,
        text: &[u8],
    ) -> Result<()>;
}

impl Take for Writer {
    fn document(
        &mut self,
        symbol: &Symbol,
        date: TradingDate,
        received_at: DateTime<Utc>,
        document: &[u8],
        rows: u64,
    ) -> Result<()> {
        Writer::document(self, symbol, date, received_at, document, rows)
    }

    fn refuse(
        &mut self,
        home: Option<(&Symbol, TradingDate)>,
        received_at: DateTime<Utc>,
        note: Note,
        text: &[u8],
    ) -> Result<()> {
        Writer::refuse(self, home, received_at, note, text)
    }
}

/// One good document, without what ingest does not need.
struct Good {
    instrument: Arc<Instrument>,
    date: TradingDate,
    rows: u64,
}

/// One refused document and the partition it would have gone to, as far as it can be read.
struct Bad {
    refusal: Refusal,
    home: Option<Home>,
}

/// Reads all of `input` and stores its captures. `progress` is told the bytes of JSON or CSV read so far.
///
/// # Errors
/// `Invalid` when the input cannot be read at all (damaged compression, a CSV without the needed columns); what single
/// documents lack is counted as refused instead. Store errors as they come.
pub async fn ingest(
    input: Box<dyn Read + Send>,
    instruments: Arc<Instruments>,
    clock: Arc<dyn Clock>,
    store: &Store,
    progress: Box<dyn Fn(u64) + Send + Sync>,
) -> Result<Counts> {
    let collected = move || {
        let mut writer = Writer::new(GREEKS)?;
        collect(decompress(input)?, &instruments, clock.as_ref(), progress.as_ref(), &mut writer)?;
        Ok::<_, Error>(writer)
    };
    let writer = tokio::task::spawn_blocking(collected)
        .await
        .map_err(|error| Error::internal("ingest stopped").caused_by(error))??;
    writer.finish(store).await
}

/// Reads all of `input`, which is not compressed (any more), and hands on what is in it. Blocks.
///
/// # Errors
/// As [`ingest`], and those of `taker`.
pub fn collect(
    input: impl Read,
    instruments: &Instruments,
    clock: &dyn Clock,
    progress: &(dyn Fn(u64) + Send + Sync),
    taker: &mut dyn Take,
) -> Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let start = input.fill_buf().map_err(unreadable)?;
    if is_csv(start) {
        collect_csv(input, instruments, clock, progress, taker)
    } else {
        collect_json(input, instruments, clock, progress, taker)
    }
}

/// CSV starts with a header line that names a timestamp column; everything else is taken for JSON.
fn is_csv(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    let header = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = header.first().copied().unwrap_or(b'{');
    let names = String::from_utf8_lossy(header).to_ascii_lowercase();
    first != b'{'
        && first != b'['
        && names.contains(',')
        && names
            .split(',')
            .any(|name| matches!(name.trim().trim_matches('"'), "timestamp" | "symbol" | "expiration" | "strike"))
}

fn collect_json(
    input: impl Read,
    instruments: &Instruments,
    clock: &dyn Clock,
    progress: &(dyn Fn(u64) + Send + Sync),
    taker: &mut dyn Take,
) -> Result<()> {
    let mut splitter = Splitter::new(input);
    let mut bytes = 0;
    while let Some(batch) = splitter.next_batch()? {
        let received_at = clock.now();
        for pieces in batch.pieces.chunks(TOGETHER) {
            let outcomes: Vec<Result<Good, Bad>> = pieces
                .par_iter()
                .with_min_len(16)
                .map_init(
                    || Reader::new(instruments),
                    |reader, piece| read_piece(reader, piece, &batch.text[piece.range.clone()]),
                )
                .collect();
            for (piece, outcome) in pieces.iter().zip(outcomes) {
                keep(taker, piece, &batch.text[piece.range.clone()], outcome, received_at)?;
            }
        }
        bytes += batch.text.len() as u64;
        progress(bytes);
    }
    Ok(())
}

fn read_piece(reader: &mut Reader<'_>, piece: &Piece, json: &[u8]) -> Result<Good, Bad> {
    if piece.too_large {
        let reason =
            format!("the document is longer than {} MiB; real ones are a thousand times smaller", DOCUMENT_BYTES >> 20);
        return Err(Bad { refusal: Refusal::new("document_too_large", None, reason), home: reader.home(json) });
    }
    read(reader, json)
}

fn read(reader: &mut Reader<'_>, json: &[u8]) -> Result<Good, Bad> {
    match reader.read(json) {
        Ok(parsed) => Ok(Good { instrument: parsed.instrument, date: parsed.date, rows: parsed.strikes.len() as u64 }),
        Err(refusal) => Err(Bad { refusal, home: reader.home(json) }),
    }
}

fn keep(
    taker: &mut dyn Take,
    piece: &Piece,
    json: &[u8],
    outcome: Result<Good, Bad>,
    received_at: DateTime<Utc>,
) -> Result<()> {
    match outcome {
        Ok(good) if memchr::memchr2(b'\n', b'\r', json).is_some() => {
            taker.document(&good.instrument.symbol, good.date, received_at, &on_one_line(json), good.rows)
        }
        Ok(good) => taker.document(&good.instrument.symbol, good.date, received_at, json, good.rows),
        Err(bad) => {
            let home = bad.home.as_ref().map(|home| (&home.instrument.symbol, home.date));
            let stamped = bad.home.as_ref().map(|home| home.time);
            taker.refuse(home, received_at, bad.refusal.note(piece.place(), stamped), json)
        }
    }
}

/// The same JSON without white space between its tokens.
fn on_one_line(json: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for &byte in json {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = byte == b'"';
        }
        line.push(byte);
    }
    line
}

fn collect_csv(
    input: impl Read,
    instruments: &Instruments,
    clock: &dyn Clock,
    progress: &(dyn Fn(u64) + Send + Sync),
    taker: &mut dyn Take,
) -> Result<()> {
    let mut source = csv::ReaderBuilder::new().flexible(true).has_headers(true).from_reader(input);
    let header =
        source.headers().map_err(|error| Error::invalid(format!("the CSV header cannot be read ({error})")))?;
    let table = Table::new(header)?;
    let mut batch: Vec<(Piece, std::result::Result<csv::StringRecord, Refusal>)> = Vec::with_capacity(CSV_ROWS);
    let mut row = 0;
    loop {
        let line = source.position().line();
        let mut record = csv::StringRecord::new();
        let more = match source.read_record(&mut record) {
            Ok(more) => more.then_some(Ok(record)),
            Err(error) if error.is_io_error() => {
                return Err(Error::invalid(format!(
                    "the input cannot be read to its end ({error}); nothing of it was taken"
                )));
            }
            Err(error) => Some(Err(Refusal::new("not_utf8", None, format!("the row cannot be read: {error}")))),
        };
        let ended = more.is_none();
        if let Some(record) = more {
            row += 1;
            batch.push((Piece { range: 0..0, document: row, line, too_large: false }, record));
        }
        if batch.len() == CSV_ROWS || ended {
            let received_at = clock.now();
            for rows in batch.chunks(TOGETHER) {
                keep_rows(&table, instruments, received_at, rows, taker)?;
            }
            batch.clear();
            progress(source.position().byte());
        }
        if ended {
            return Ok(());
        }
    }
}

fn keep_rows(
    table: &Table,
    instruments: &Instruments,
    received_at: DateTime<Utc>,
    batch: &[(Piece, std::result::Result<csv::StringRecord, Refusal>)],
    taker: &mut dyn Take,
) -> Result<()> {
    type Row = (Vec<u8>, Result<Good, Bad>);
    let rows: Vec<Row> = batch
        .par_iter()
        .with_min_len(256)
        .map_init(
            || Reader::new(instruments),
            |reader, (_, record)| match record {
                Err(refusal) => (Vec::new(), Err(Bad { refusal: refusal.clone(), home: None })),
                Ok(record) => match table.document(record) {
                    Ok(json) => {
                        let outcome = read(reader, &json);
                        (json, outcome)
                    }
                    Err(refusal) => {
                        let text = record.iter().collect::<Vec<_>>().join(",");
                        let home = reader.home(&table.head(record));
                        (text.into_bytes(), Err(Bad { refusal, home }))
                    }
                },
            },
        )
        .collect();
    for ((piece, _), (text, outcome)) in batch.iter().zip(rows) {
        keep(taker, piece, &text, outcome, received_at)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_goes_only_between_tokens() {
        let pretty = b"{\n  \"a b\" : \"x \\\" y\",\r\n\t\"n\": 1.50 }";
        assert_eq!(on_one_line(pretty), br#"{"a b":"x \" y","n":1.50}"#);
    }

    #[test]
    fn csv_is_told_by_its_header() {
        assert!(is_csv(b"timestamp,symbol,expiration,strike,gamma_exposure\n"));
        assert!(is_csv(b"\xef\xbb\xbfSymbol,Timestamp\n"));
        assert!(!is_csv(b"{\"timestamp\":1,\"symbol\":2}\n"));
        assert!(!is_csv(b"[{\"timestamp\":1}]"));
        assert!(!is_csv(b"oops\n{\"timestamp\":1}\n"));
    }
}
