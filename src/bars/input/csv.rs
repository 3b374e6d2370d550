//! Tables of text: commas, semicolons or tabs between the cells, with a header or with columns named by number.

use std::io::{BufRead, BufReader, Read};

use ::csv::{ByteRecord, ReaderBuilder, Trim};

use super::columns::{Columns, Named, Role};
use super::{Cells, Place, TakeRow, unreadable};
use crate::bars::capture::Refusal;
use crate::bars::reading::VolumeKind;
use crate::{Error, Result};

/// A header is on the first line, which is not longer.
const FIRST_LINE: usize = 1 << 16;
const TOLD_EVERY: u64 = 1 << 14;

pub fn read(
    mut input: BufReader<impl Read>,
    named: &Named,
    volume: VolumeKind,
    progress: &(dyn Fn(u64) + Send + Sync),
    taker: &mut dyn TakeRow,
) -> Result<()> {
    let start = input.fill_buf().map_err(|error| unreadable(&error))?;
    let first = start[..start.len().min(FIRST_LINE)].trim_ascii_start().split(|byte| *byte == b'\n').next();
    let mark = separator(first.unwrap_or_default())?;
    let mut source =
        ReaderBuilder::new().delimiter(mark).flexible(true).has_headers(false).trim(Trim::All).from_reader(input);
    let mut record = ByteRecord::new();
    let mut columns: Option<(Columns, usize)> = None;
    let mut row = 0_u64;
    loop {
        let line = source.position().line();
        if !source.read_byte_record(&mut record).map_err(|error| unreadable(&error))? {
            return Ok(());
        }
        let (known, width) = match &columns {
            Some(known) => known,
            None => {
                let (found, is_header) = first_row(&record, named, volume)?;
                taker.columns(found.has());
                let known = columns.insert((found, record.len()));
                if is_header {
                    continue;
                }
                known
            }
        };
        row += 1;
        take(&record, known, *width, Place { what: "row", number: row, line }, mark, taker)?;
        if row.is_multiple_of(TOLD_EVERY) {
            progress(source.position().byte());
        }
    }
}

/// What stands between the cells: the mark that the first line has most of.
fn separator(line: &[u8]) -> Result<u8> {
    let count = |mark: u8| line.iter().filter(|byte| **byte == mark).count();
    let most = [b'\t', b';', b','].into_iter().max_by_key(|mark| (count(*mark), *mark == b','));
    most.filter(|mark| count(*mark) > 0).ok_or_else(|| {
        let start: String = String::from_utf8_lossy(line).chars().take(60).collect();
        Error::invalid(format!(
            "this is neither JSON nor Parquet nor a table with commas, semicolons or tabs; it begins {start:?}"
        ))
    })
}

/// The columns, and whether the first row is a header.
fn first_row(record: &ByteRecord, named: &Named, volume: VolumeKind) -> Result<(Columns, bool)> {
    let cells: Vec<String> = record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
    let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
    let is_number = |cell: &&str| cell.parse::<f64>().is_ok();
    if named.by_number() {
        let price = [Role::Open, Role::High, Role::Low, Role::Close].into_iter().find_map(|role| named.number_of(role));
        let is_header = !price.and_then(|at| cells.get(at)).is_some_and(is_number);
        let nothing = vec![""; cells.len()];
        let columns = Columns::find(if is_header { &cells } else { &nothing }, named, volume)?;
        return Ok((columns, is_header));
    }
    if cells.iter().filter(|cell| is_number(cell)).count() >= 3 {
        return Err(Error::invalid(
            "the file has no header: number its columns, counting from 1, as in --columns \
             timestamp=1,open=2,high=3,low=4,close=5,volume=6 (date=1,time=2,… when they are two)",
        ));
    }
    Ok((Columns::find(&cells, named, volume)?, true))
}

fn take(
    record: &ByteRecord,
    columns: &Columns,
    width: usize,
    place: Place,
    mark: u8,
    taker: &mut dyn TakeRow,
) -> Result<()> {
    let text = || record.iter().collect::<Vec<_>>().join(&mark);
    let beyond = record.iter().skip(width).any(|cell| !cell.is_empty());
    if beyond || record.len() < width.min(columns.places().into_iter().flatten().max().map_or(0, |last| last + 1)) {
        let reason = format!("the row has {} cells and the first one has {width}", record.len());
        taker.torn(place, Refusal::new("row_length", None, reason), &text());
        return Ok(());
    }
    let mut cells: Cells<'_> = [None; Role::COUNT];
    for (cell, at) in cells.iter_mut().zip(columns.places()) {
        let Some(bytes) = at.and_then(|at| record.get(at)) else { continue };
        match std::str::from_utf8(bytes) {
            Ok(text) => *cell = Some(text),
            Err(_) => {
                taker.torn(place, Refusal::new("not_utf8", None, "the row is not UTF-8"), &text());
                return Ok(());
            }
        }
    }
    taker.row(place, &cells, &text)
}
