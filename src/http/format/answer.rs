//! Puts an answer together: small ones in one piece with their length, large ones as a stream whose memory is bounded by a
//! few pieces. A failure in the middle breaks the stream off; it never ends as if it were whole.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;

use super::Format;
use super::binary::BinaryRows;
use super::encoding::{Encoder, Encoding};
use super::text::{Style, TextRows};
use crate::http::problem::Problem;
use crate::{Error, Result};

/// Up to so many rows an answer is made at once, in one piece.
const SMALL_ROWS: usize = 8_192;
/// Rows rendered at a time: about 250 KB of JSON, which stays in a core's cache until it is on the wire.
const PIECE_ROWS: usize = 2_048;
/// Pieces rendered ahead of the socket.
const AHEAD: usize = 3;

/// Some rows of a batch, in order.
#[derive(Debug, Clone)]
pub struct Slice {
    pub batch: RecordBatch,
    pub ranges: Vec<Range<usize>>,
}

impl Slice {
    /// All rows of a batch.
    pub fn whole(batch: RecordBatch) -> Self {
        let ranges = vec![0..batch.num_rows()];
        Self { batch, ranges }
    }

    pub fn rows(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }

    /// Cuts into slices of at most `rows` rows.
    fn pieces(self, rows: usize) -> Vec<Slice> {
        let mut pieces = Vec::new();
        let mut piece: Vec<Range<usize>> = Vec::new();
        let mut room = rows;
        let mut ranges: VecDeque<Range<usize>> = self.ranges.into();
        while let Some(range) = ranges.pop_front() {
            let taken = range.start..range.end.min(range.start + room);
            if taken.end < range.end {
                ranges.push_front(taken.end..range.end);
            }
            room -= taken.len();
            piece.push(taken);
            if room == 0 {
                pieces.push(Slice { batch: self.batch.clone(), ranges: std::mem::take(&mut piece) });
                room = rows;
            }
        }
        if !piece.is_empty() {
            pieces.push(Slice { batch: self.batch, ranges: piece });
        }
        pieces
    }
}

/// The rows of an answer.
pub enum Rows {
    /// All there already.
    Ready(Vec<Slice>),
    /// On their way.
    Stream(BoxStream<'static, Result<Slice>>),
}

/// Everything an answer is made of, apart from headers that only the route knows.
pub struct Answer {
    pub schema: SchemaRef,
    /// Members of the JSON object before `data`; other formats do without.
    pub envelope: Vec<(&'static str, serde_json::Value)>,
    pub rows: Rows,
}

/// The response, with `Content-Type` and `Content-Encoding`.
///
/// # Errors
/// What fails before the first byte; a later failure breaks off the body.
pub async fn respond(answer: Answer, format: Format, encoding: Encoding) -> Result<Response, Problem> {
    let body = match answer.rows {
        Rows::Ready(slices) if slices.iter().map(Slice::rows).sum::<usize>() <= SMALL_ROWS => {
            Body::from(whole(&answer.schema, &answer.envelope, &slices, format, encoding)?)
        }
        Rows::Ready(slices) => {
            let slices = stream::iter(slices.into_iter().map(Ok)).boxed();
            Body::from_stream(streamed(answer.schema, &answer.envelope, slices, format, encoding)?)
        }
        Rows::Stream(slices) => Body::from_stream(streamed(answer.schema, &answer.envelope, slices, format, encoding)?),
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    if encoding != Encoding::Identity {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
    }
    Ok(response)
}

/// A small answer that is no list of rows: the whole body at once, compressed as the caller wants it.
///
/// # Errors
/// `Internal` when it cannot be compressed.
pub fn document(content_type: &'static str, body: Vec<u8>, encoding: Encoding) -> Result<Response> {
    let mut encoder = Encoder::new(encoding)?;
    let mut encoded = encoder.encode(body)?;
    encoded.append(&mut encoder.finish()?);
    let mut response = Response::new(Body::from(encoded));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if encoding != Encoding::Identity {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
    }
    Ok(response)
}

fn style(format: Format) -> Option<Style> {
    match format {
        Format::Json => Some(Style::Json),
        Format::Ndjson => Some(Style::Ndjson),
        Format::Csv => Some(Style::Csv),
        Format::Arrow | Format::Parquet => None,
    }
}

/// JSON up to the opening bracket of `data`.
fn opening(envelope: &[(&'static str, serde_json::Value)]) -> Vec<u8> {
    let mut out = String::from("{");
    for (name, value) in envelope {
        out.push_str(&format!("\"{name}\":{value},"));
    }
    out.push_str("\"data\":[");
    out.into_bytes()
}

fn closing(format: Format, count: u64) -> Vec<u8> {
    match format {
        Format::Json => format!("],\"count\":{count}}}\n").into_bytes(),
        _ => Vec::new(),
    }
}

fn whole(
    schema: &SchemaRef,
    envelope: &[(&'static str, serde_json::Value)],
    slices: &[Slice],
    format: Format,
    encoding: Encoding,
) -> Result<Bytes> {
    let rows: usize = slices.iter().map(Slice::rows).sum();
    let mut bytes = Vec::new();
    if let Some(style) = style(format) {
        let mut writer = TextRows::new(schema, style, rows)?;
        bytes = if format == Format::Json { opening(envelope) } else { writer.header(schema) };
        bytes.reserve(rows * 160 + 1024);
        let mut first = true;
        for slice in slices {
            writer.write(&slice.batch, &slice.ranges, first, &mut bytes)?;
            first = first && slice.rows() == 0;
        }
        bytes.append(&mut closing(format, rows as u64));
    } else {
        let mut writer = binary(schema, format)?;
        for slice in slices {
            writer.write(slice)?.iter().for_each(|part| bytes.extend_from_slice(part));
        }
        writer.finish()?.iter().for_each(|part| bytes.extend_from_slice(part));
    }
    if encoding == Encoding::Identity {
        return Ok(Bytes::from(bytes));
    }
    let mut encoder = Encoder::new(encoding)?;
    let mut encoded = encoder.encode(bytes)?;
    encoded.append(&mut encoder.finish()?);
    Ok(Bytes::from(encoded))
}

fn binary(schema: &SchemaRef, format: Format) -> Result<BinaryRows> {
    if format == Format::Parquet { BinaryRows::parquet(schema) } else { BinaryRows::arrow(schema) }
}

fn streamed(
    schema: SchemaRef,
    envelope: &[(&'static str, serde_json::Value)],
    slices: BoxStream<'static, Result<Slice>>,
    format: Format,
    encoding: Encoding,
) -> Result<BoxStream<'static, Result<Bytes>>> {
    let plain = match style(format) {
        Some(style) => text_stream(schema, envelope, slices, format, style)?,
        None => binary_stream(schema, slices, format)?,
    };
    Ok(if encoding == Encoding::Identity { plain } else { encoded_stream(plain, encoding)? })
}

/// Buffers and writers of one answer that go around: a fresh quarter megabyte for every piece would cost as much in page
/// faults as the rendering does.
struct Workshop {
    schema: SchemaRef,
    style: Style,
    writers: Mutex<Vec<TextRows>>,
    buffers: Mutex<Vec<Vec<u8>>>,
}

struct Lent {
    buffer: Vec<u8>,
    home: Arc<Workshop>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut buffers = self.home.buffers.lock();
        if buffers.len() <= AHEAD {
            buffers.push(buffer);
        }
    }
}

impl Workshop {
    fn render(self: Arc<Self>, piece: &Slice, first: bool) -> Result<Bytes> {
        let spare = self.writers.lock().pop();
        let mut writer = match spare {
            Some(writer) => writer,
            None => TextRows::new(&self.schema, self.style, PIECE_ROWS)?,
        };
        let mut buffer = self.buffers.lock().pop().unwrap_or_default();
        writer.write(&piece.batch, &piece.ranges, first, &mut buffer)?;
        self.writers.lock().push(writer);
        Ok(Bytes::from_owner(Lent { buffer, home: self }))
    }
}

fn text_stream(
    schema: SchemaRef,
    envelope: &[(&'static str, serde_json::Value)],
    slices: BoxStream<'static, Result<Slice>>,
    format: Format,
    style: Style,
) -> Result<BoxStream<'static, Result<Bytes>>> {
    let head = match format {
        Format::Json => opening(envelope),
        _ => TextRows::new(&schema, style, 1)?.header(&schema),
    };
    let workshop = Arc::new(Workshop { schema, style, writers: Mutex::default(), buffers: Mutex::default() });
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let rendered = slices
        .map_ok(|slice| stream::iter(slice.pieces(PIECE_ROWS).into_iter().map(Ok)))
        .try_flatten()
        .map(move |piece| {
            // Runs in order, though what it starts runs ahead: so each piece knows whether rows came before it.
            let piece: Result<Slice> = piece;
            let started = piece.map(|piece| {
                let before = counted.fetch_add(piece.rows() as u64, Ordering::Relaxed);
                let workshop = Arc::clone(&workshop);
                tokio::task::spawn_blocking(move || workshop.render(&piece, before == 0))
            });
            async move { started?.await.map_err(stopped)? }
        })
        .buffered(AHEAD);
    let tail = stream::once(async move { Ok(Bytes::from(closing(format, count.load(Ordering::Relaxed)))) });
    let head = stream::once(async move { Ok(Bytes::from(head)) });
    Ok(head.chain(rendered).chain(tail).try_filter(|piece| futures::future::ready(!piece.is_empty())).boxed())
}

fn binary_stream(
    schema: SchemaRef,
    slices: BoxStream<'static, Result<Slice>>,
    format: Format,
) -> Result<BoxStream<'static, Result<Bytes>>> {
    let writer = binary(&schema, format)?;
    let stream = stream::try_unfold((slices, Some(writer)), move |(mut slices, writer)| async move {
        let Some(mut writer) = writer else { return Ok(None) };
        let (parts, state) = match slices.try_next().await? {
            // An Arrow column is not copied, so there is nothing to move to another thread.
            Some(slice) if format == Format::Arrow && slice.ranges.len() == 1 => {
                let parts = writer.write(&slice)?;
                (parts, (slices, Some(writer)))
            }
            Some(slice) => {
                let written = tokio::task::spawn_blocking(move || {
                    let parts = writer.write(&slice)?;
                    Ok::<_, Error>((parts, writer))
                });
                let (parts, writer) = written.await.map_err(stopped)??;
                (parts, (slices, Some(writer)))
            }
            None => (writer.finish()?, (slices, None)),
        };
        Ok::<_, Error>(Some((stream::iter(parts.into_iter().map(Ok)), state)))
    });
    Ok(stream.try_flatten().try_filter(|piece| futures::future::ready(!piece.is_empty())).boxed())
}

fn encoded_stream(
    plain: BoxStream<'static, Result<Bytes>>,
    encoding: Encoding,
) -> Result<BoxStream<'static, Result<Bytes>>> {
    let encoder = Encoder::new(encoding)?;
    let stream = stream::try_unfold((plain, Some(encoder)), |(mut plain, encoder)| async move {
        let Some(mut encoder) = encoder else { return Ok(None) };
        match plain.try_next().await? {
            Some(piece) => {
                let encoded = tokio::task::spawn_blocking(move || {
                    let bytes = encoder.encode(piece.to_vec())?;
                    Ok::<_, Error>((bytes, encoder))
                });
                let (bytes, encoder) = encoded.await.map_err(stopped)??;
                Ok(Some((Bytes::from(bytes), (plain, Some(encoder)))))
            }
            None => Ok(Some((Bytes::from(encoder.finish()?), (plain, None)))),
        }
    });
    Ok(stream.try_filter(|piece| futures::future::ready(!piece.is_empty())).boxed())
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::internal("an answer's worker stopped").caused_by(error)
}
