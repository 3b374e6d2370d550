//! Raw input as it arrives, before anything is known of what is in it. Called by every room's ingest; it looks through
//! compression and judges nothing else.

use std::io::{BufRead, BufReader, Read};

use crate::{Error, Result};

/// Looks through gzip and zstd, told by their first bytes and not by the file's name.
///
/// # Errors
/// `Invalid` when the input cannot be read. Damage further inside is an `io::Error` of the reader: see [`unreadable`].
pub fn decompress(input: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let start = input.fill_buf().map_err(unreadable)?;
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(input).map_err(unreadable)?),
        _ => Box::new(input),
    })
}

/// What the reader of an input found, as the refusal of the whole input.
pub fn unreadable(error: std::io::Error) -> Error {
    Error::invalid(format!("the input cannot be read ({error})")).caused_by(error)
}
