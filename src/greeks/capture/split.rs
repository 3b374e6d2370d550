//! Cuts a stream of JSON into documents without holding more of it than one batch: one document a line, documents
//! pretty-printed one after the other, or one array of them. A broken document costs itself, not its neighbours.

use std::io::Read;
use std::ops::Range;

use crate::{Error, Result};

/// Batches are about this large: enough documents to keep every core busy.
const BATCH_BYTES: usize = 4 << 20;
/// A batch has at most so many documents: input of next to empty ones would be many times larger in memory than it is.
const BATCH_DOCUMENTS: usize = 1 << 16;
/// A document beyond this is refused; real ones are a thousand times smaller.
pub const DOCUMENT_BYTES: usize = 64 << 20;

/// One candidate document in a batch, with its place in the input (both counted from 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub range: Range<usize>,
    pub document: u64,
    pub line: u64,
    /// The range is only the start of a line that is too long to be read; the rest of it was passed over.
    pub too_large: bool,
}

impl Piece {
    pub fn place(&self) -> String {
        format!("document {}, line {}", self.document, self.line)
    }
}

/// Text and the documents found in it.
#[derive(Debug, Default)]
pub struct Batch {
    pub text: Vec<u8>,
    pub pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// One document a line.
    Lines,
    /// Documents found by their braces: pretty-printed, or the elements of one array.
    Braces,
}

/// Reads batches of documents from decompressed input.
pub struct Splitter<R> {
    source: R,
    rest: Vec<u8>,
    mode: Option<Mode>,
    ended: bool,
    /// The start of the current line was refused as too large: what follows up to its end is not a document.
    passing_over: bool,
    documents: u64,
    lines: u64,
}

impl<R: Read> Splitter<R> {
    pub fn new(source: R) -> Self {
        Self { source, rest: Vec::new(), mode: None, ended: false, passing_over: false, documents: 0, lines: 0 }
    }

    /// The next documents, `None` at the end of the input.
    ///
    /// # Errors
    /// `Invalid` when the input cannot be read (a damaged compressed file, say).
    pub fn next_batch(&mut self) -> Result<Option<Batch>> {
        let mut text = std::mem::take(&mut self.rest);
        self.pass_over(&mut text)?;
        let mut wanted = BATCH_BYTES;
        loop {
            self.read_up_to(&mut text, wanted)?;
            if text.is_empty() {
                return Ok(None);
            }
            if self.mode.is_none() && !self.find_mode(&text) {
                wanted *= 2;
                continue;
            }
            let (pieces, used) = match self.mode {
                Some(Mode::Lines) => self.cut_lines(&text),
                _ => self.cut_braces(&text),
            };
            if used == 0 && !self.ended && text.len() < DOCUMENT_BYTES {
                wanted = text.len() * 2;
                continue;
            }
            self.passing_over = used == 0 && self.mode == Some(Mode::Lines);
            let pieces = if self.passing_over { Vec::from([trim(&text)]) } else { pieces };
            let used = if used == 0 { text.len() } else { used };
            let pieces = self.number(pieces, &text[..used]);
            self.rest = text.split_off(used);
            return Ok(Some(Batch { text, pieces }));
        }
    }

    /// Drops the rest of a line that was too large, up to its end.
    fn pass_over(&mut self, text: &mut Vec<u8>) -> Result<()> {
        while self.passing_over {
            self.read_up_to(text, BATCH_BYTES)?;
            match memchr::memchr(b'\n', text) {
                Some(at) => {
                    text.drain(..=at);
                    self.lines += 1;
                    self.passing_over = false;
                }
                None => {
                    text.clear();
                    self.passing_over = !self.ended;
                }
            }
        }
        Ok(())
    }

    fn read_up_to(&mut self, text: &mut Vec<u8>, wanted: usize) -> Result<()> {
        while !self.ended && text.len() < wanted {
            let ask = (wanted - text.len()) as u64;
            let got = (&mut self.source).take(ask).read_to_end(text).map_err(|error| {
                Error::invalid(format!("the input cannot be read to its end ({error}); nothing of it was taken"))
                    .caused_by(error)
            })?;
            self.ended = got == 0;
        }
        Ok(())
    }

    /// Decides by the first line that is not blank; false when it is not all there yet.
    fn find_mode(&mut self, text: &[u8]) -> bool {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        let Some(first) = lines.find(|line| !line.trim_ascii().is_empty()) else { return self.ended };
        if !first.ends_with(b"\n") && !self.ended && text.len() < DOCUMENT_BYTES {
            return false;
        }
        let trimmed = first.trim_ascii();
        let whole = trimmed.first() == Some(&b'{') && serde_json::from_slice::<serde::de::IgnoredAny>(trimmed).is_ok();
        // A broken first line of a line-by-line file must not turn the whole file into one unreadable document.
        let mut next_is_whole = || {
            lines.find(|line| !line.trim_ascii().is_empty()).map(|line| line.trim_ascii()).is_some_and(|line| {
                line.first() == Some(&b'{') && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
            })
        };
        // One line that is not whole because it is too large costs itself alone, too.
        let too_large =
            !first.ends_with(b"\n") && !self.ended && trimmed.first() == Some(&b'{') && balanced(trimmed).is_none();
        let lines_mode = whole || too_large || (trimmed.first() != Some(&b'[') && trimmed.len() > 1 && next_is_whole());
        self.mode = Some(if lines_mode { Mode::Lines } else { Mode::Braces });
        true
    }

    fn cut_lines(&self, text: &[u8]) -> (Vec<Range<usize>>, usize) {
        let end = if self.ended { text.len() } else { memchr::memrchr(b'\n', text).map_or(0, |at| at + 1) };
        let mut pieces = Vec::new();
        let mut start = 0;
        for stop in memchr::memchr_iter(b'\n', &text[..end]).chain((end > 0).then_some(end)) {
            let line = &text[start..stop.min(end)];
            let trimmed = trim(line);
            if !trimmed.is_empty() {
                pieces.push(start + trimmed.start..start + trimmed.end);
            }
            start = (stop + 1).min(end);
            if pieces.len() == BATCH_DOCUMENTS {
                return (pieces, start);
            }
        }
        (pieces, end)
    }

    fn cut_braces(&self, text: &[u8]) -> (Vec<Range<usize>>, usize) {
        let mut pieces = Vec::new();
        let mut used = 0;
        let mut at = 0;
        while at < text.len() {
            if pieces.len() >= BATCH_DOCUMENTS {
                return (pieces, used);
            }
            match text[at] {
                b'{' => match balanced(&text[at..]) {
                    Some(length) => {
                        salvage(text, at..at + length, &mut pieces);
                        at += length;
                        used = at;
                    }
                    None if self.ended || text.len() - at >= DOCUMENT_BYTES => {
                        salvage(text, at..text.len(), &mut pieces);
                        return (pieces, text.len());
                    }
                    None => return (pieces, used),
                },
                b'[' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf => at += 1,
                // Anything else between documents is refused up to where the next one may start.
                _ => {
                    let end = memchr::memchr2(b'{', b'\n', &text[at..]).map(|length| at + length);
                    let Some(end) = end.or(self.ended.then_some(text.len())) else { return (pieces, used) };
                    pieces.push(at..at + text[at..end].trim_ascii_end().len());
                    at = end;
                    used = at;
                }
            }
        }
        (pieces, text.len())
    }

    fn number(&mut self, ranges: Vec<Range<usize>>, text: &[u8]) -> Vec<Piece> {
        let mut seen = 0;
        let pieces = ranges
            .into_iter()
            .map(|range| {
                self.lines += memchr::memchr_iter(b'\n', &text[seen..range.start]).count() as u64;
                seen = range.start;
                self.documents += 1;
                Piece { range, document: self.documents, line: self.lines + 1, too_large: self.passing_over }
            })
            .collect();
        self.lines += memchr::memchr_iter(b'\n', &text[seen..]).count() as u64;
        pieces
    }
}

fn trim(line: &[u8]) -> Range<usize> {
    let line_start = line.strip_prefix(b"\xef\xbb\xbf").map_or(0, |_| 3);
    let body = &line[line_start..];
    let start = line_start + (body.len() - body.trim_ascii_start().len());
    start..start + line[start..].trim_ascii_end().len()
}

/// The length of the object that `text` starts with, when its braces close.
fn balanced(text: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => at += string_length(&text[at..])? - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn string_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', &text[at..])?;
        match text[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
        if at > text.len() {
            return None;
        }
    }
}

/// Pushes the object at `range`; when it is not JSON, a fault in it may have swallowed good documents behind it, so
/// those are looked for at the start of each line.
fn salvage(text: &[u8], range: Range<usize>, pieces: &mut Vec<Range<usize>>) {
    if serde_json::from_slice::<serde::de::IgnoredAny>(&text[range.clone()]).is_ok() {
        pieces.push(range);
        return;
    }
    let mut broken_from = range.start;
    let mut at = range.start;
    while let Some(length) = memchr::memchr(b'\n', &text[at..range.end]) {
        let line = at + length + 1;
        let start = line + (text[line..range.end].len() - text[line..range.end].trim_ascii_start().len());
        at = line;
        if text.get(start) != Some(&b'{') || start >= range.end {
            continue;
        }
        let Some(length) = document_length(&text[start..range.end]) else { continue };
        if start > broken_from {
            push_trimmed(text, broken_from..start, pieces);
        }
        pieces.push(start..start + length);
        at = start + length;
        broken_from = at;
    }
    push_trimmed(text, broken_from..range.end, pieces);
}

fn push_trimmed(text: &[u8], range: Range<usize>, pieces: &mut Vec<Range<usize>>) {
    let is_filler = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
    let part = &text[range.clone()];
    let start = part.iter().position(|byte| !is_filler(byte));
    let end = part.iter().rposition(|byte| !is_filler(byte));
    if let (Some(start), Some(end)) = (start, end)
        && !part[start..=end].iter().all(|byte| matches!(byte, b']' | b'}' | b' ' | b'\n' | b','))
    {
        pieces.push(range.start + start..range.start + end + 1);
    }
}

/// The length of the document that `text` starts with: an object with a `timestamp` of its own.
fn document_length(text: &[u8]) -> Option<usize> {
    #[derive(serde::Deserialize)]
    struct Stamped {
        #[serde(rename = "timestamp")]
        _timestamp: serde::de::IgnoredAny,
    }
    let mut documents = serde_json::Deserializer::from_slice(text).into_iter::<Stamped>();
    documents.next()?.ok()?;
    Some(documents.byte_offset())
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
