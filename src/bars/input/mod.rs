//! Reads a file of bars, whatever it is, row by row as texts: what stands where is [`columns`]' to say, what it means is
//! [`super::capture`]'s. Called by ingest.

mod columns;
mod csv;
mod json;
mod parquet;

use std::fmt;
use std::io::{BufRead, BufReader, Read};

pub use columns::{Named, Role};

use super::capture::Refusal;
use super::reading::VolumeKind;
use crate::{Error, Result};

/// Parquet files begin so.
const PARQUET: &[u8] = b"PAR1";

/// What a row says, by [`Role`].
pub type Cells<'a> = [Option<&'a str>; Role::COUNT];

/// Where a row stands in its file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What rows are called there.
    what: &'static str,
    number: u64,
    /// 0 where there are no lines.
    line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.number)?;
        if self.line > 0 { write!(f, ", line {}", self.line) } else { Ok(()) }
    }
}

/// Takes the rows of a file in their order.
pub trait TakeRow {
    /// Told once, before the first row: which roles the file has columns for.
    fn columns(&mut self, has: [bool; Role::COUNT]);

    /// A row; `text` is what the source says, for those who keep it when it is refused.
    ///
    /// # Errors
    /// When the file as a whole cannot be taken.
    fn row(&mut self, place: Place, cells: &Cells<'_>, text: &dyn Fn() -> Vec<u8>) -> Result<()>;

    /// A row that cannot be told apart into cells.
    fn torn(&mut self, place: Place, refusal: Refusal, text: &[u8]);
}

/// Reads all of `input`, which is not compressed any more.
///
/// # Errors
/// `Invalid` when it cannot be read as a whole, with what to do.
pub fn read(
    input: impl Read,
    named: &Named,
    volume: VolumeKind,
    progress: &(dyn Fn(u64) + Send + Sync),
    taker: &mut dyn TakeRow,
) -> Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, input);
    let start = input.fill_buf().map_err(|error| unreadable(&error))?;
    if start.starts_with(PARQUET) {
        return parquet::read(input, named, volume, progress, taker);
    }
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    let marked = start.len() - text.len();
    let first = text.trim_ascii_start().first().copied();
    input.consume(marked);
    match first {
        None => Ok(()),
        Some(b'{' | b'[') => json::read(input, named, volume, progress, taker),
        Some(_) => csv::read(input, named, volume, progress, taker),
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> Error {
    Error::invalid(format!("the input cannot be read to its end ({error}); nothing of it was taken"))
}
