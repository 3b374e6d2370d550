//! Reads captures back, in chunks of whole lines, so that a day of any size takes constant memory.

use std::collections::HashSet;
use std::io::Read;

use bytes::{Buf, Bytes};

use super::line::{Body, parse_line};
use super::{DocumentDigest, digest};
use crate::{Error, Result};

const CHUNK_BYTES: usize = 4 << 20;

/// Whole lines of one capture, each with its newline.
pub type Chunk = Vec<u8>;

/// Decompresses a capture chunk by chunk.
///
/// # Errors
/// Each item is `Corrupt` when the capture cannot be decompressed or ends in the middle of a line.
pub fn chunks(compressed: Bytes) -> impl Iterator<Item = Result<Chunk>> + Send {
    let mut decoder = Some(zstd::Decoder::with_buffer(compressed.reader()).map_err(damaged));
    let mut rest = Vec::new();
    std::iter::from_fn(move || {
        let source = match decoder.as_mut()? {
            Ok(source) => source,
            Err(_) => return decoder.take().and_then(Result::err).map(Err),
        };
        match fill(source, &mut rest) {
            Ok(Some(chunk)) => Some(Ok(chunk)),
            Ok(None) => {
                decoder = None;
                (!rest.is_empty()).then(|| Err(Error::corrupt("a capture ends in the middle of a line")))
            }
            Err(error) => {
                decoder = None;
                Some(Err(error))
            }
        }
    })
}

/// Reads until `CHUNK_BYTES` and at least one whole line are there; what follows the last newline waits in `rest`.
fn fill(source: &mut impl Read, rest: &mut Vec<u8>) -> Result<Option<Chunk>> {
    let mut chunk = std::mem::take(rest);
    chunk.reserve(CHUNK_BYTES);
    loop {
        let wanted = CHUNK_BYTES.saturating_sub(chunk.len()).max(CHUNK_BYTES / 4);
        let got = source.take(wanted as u64).read_to_end(&mut chunk).map_err(damaged)?;
        let full = chunk.len() >= CHUNK_BYTES || got < wanted;
        if full && let Some(end) = memchr::memrchr(b'\n', &chunk) {
            rest.extend_from_slice(&chunk[end + 1..]);
            chunk.truncate(end + 1);
            return Ok(Some(chunk));
        }
        if got == 0 {
            *rest = chunk;
            return Ok(None);
        }
    }
}

fn damaged(error: std::io::Error) -> Error {
    Error::corrupt("a capture cannot be decompressed").caused_by(error)
}

/// What each document of a capture hashes to.
///
/// # Errors
/// `Corrupt` when the capture is damaged.
pub fn digests(compressed: Bytes) -> Result<HashSet<DocumentDigest>> {
    let mut digests = HashSet::new();
    for chunk in chunks(compressed) {
        for line in chunk?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if let Body::Document(document) = parse_line(line)?.body {
                digests.insert(digest(document));
            }
        }
    }
    Ok(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compress(text: &[u8]) -> Bytes {
        Bytes::from(zstd::encode_all(text, 1).unwrap())
    }

    #[test]
    fn chunks_cut_at_line_ends_and_lose_nothing() {
        let text: Vec<u8> =
            (0..200_000).flat_map(|at| format!("line number {at} with some text behind it\n").into_bytes()).collect();
        let chunks: Vec<Chunk> = chunks(compress(&text)).collect::<Result<_>>().unwrap();
        assert!(chunks.len() > 1);
        assert!(chunks.iter().all(|chunk| chunk.ends_with(b"\n")));
        assert_eq!(chunks.concat(), text);
    }

    #[test]
    fn a_line_longer_than_a_chunk_stays_whole() {
        let mut text = vec![b'x'; CHUNK_BYTES * 2 + 17];
        text.push(b'\n');
        text.extend_from_slice(b"short\n");
        let chunks: Vec<Chunk> = chunks(compress(&text)).collect::<Result<_>>().unwrap();
        assert_eq!(chunks.concat(), text);
    }

    #[test]
    fn a_torn_capture_is_corrupt() {
        let whole = compress(b"one\ntwo\n");
        let torn = whole.slice(..whole.len() - 3);
        assert!(chunks(torn).any(|chunk| chunk.is_err()));
        assert!(chunks(compress(b"one\ntw")).any(|chunk| chunk.is_err()));
        assert!(chunks(Bytes::from_static(b"not zstd at all")).any(|chunk| chunk.is_err()));
    }

    #[test]
    fn an_empty_capture_has_no_chunks() {
        assert_eq!(chunks(compress(b"")).count(), 0);
    }
}
