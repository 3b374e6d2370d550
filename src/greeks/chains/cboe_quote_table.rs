//! The quote table that CBOE's site exports: name and last price, then date and quote, then the columns, calls left and
//! puts right of `Strike` under the same names. A side's column is therefore found by its place, never by its name alone.
//! The table does not spell the symbol; the options' own names do. `IV` 0 is its way to say that there is none.

use std::borrow::Cow;

use chrono::{FixedOffset, NaiveDateTime, TimeZone, Utc};
use chrono_tz::America::New_York;
use csv::{ReaderBuilder, StringRecord};

use super::document::Document;
use super::row::{Row, cell};
use crate::error::{Error, Result};

/// How far down the line of column names may be.
const HEADER_LINES: usize = 8;

pub(super) fn looks_like(text: &str) -> bool {
    text.lines().take(HEADER_LINES).any(is_header)
}

fn is_header(line: &str) -> bool {
    let has = |name: &str| line.split(',').any(|column| column.trim() == name);
    has("Expiration Date") && has("Calls") && has("Strike") && has("Puts")
}

/// The columns of one side.
struct Columns {
    contract: usize,
    open_interest: usize,
    volatility: usize,
    gamma: Option<usize>,
}

pub(super) fn read(text: &str) -> Result<Document> {
    let mut document = Document::default();
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut table: Option<(usize, usize, usize, Columns, Columns)> = None;
    loop {
        let more = reader
            .read_record(&mut record)
            .map_err(|error| Error::invalid(format!("not CSV: {error}")).caused_by(error))?;
        if !more {
            break;
        }
        let place = record.position().map_or(0, csv::Position::line);
        let Some((width, expiration, strike, calls, puts)) = &table else {
            if record.iter().any(|cell| cell.trim() == "Strike") {
                table = Some(columns(&record)?);
            } else {
                preamble(&record, &mut document);
            }
            continue;
        };
        if record.len() != *width {
            let row = Row { place, text: line(&record), ..Row::default() };
            let reason = format!("{} cells under {width} columns", record.len());
            document.refuses(row.refuse("line", "wrong_width", reason, None));
            continue;
        }
        for (side, columns) in [("call", calls), ("put", puts)] {
            let at = |index: usize| record.get(index).and_then(cell);
            document.takes(&Row {
                place,
                contract: at(columns.contract),
                root: None,
                expiration: at(*expiration),
                side: Some(Cow::Borrowed(side)),
                strike: at(*strike),
                open_interest: at(columns.open_interest),
                implied_volatility: at(columns.volatility),
                gamma: columns.gamma.and_then(at),
                text: line(&record),
            });
        }
    }
    if table.is_none() {
        return Err(Error::invalid(
            "no line of column names (Expiration Date, Calls, …, Strike, Puts, …): not a CBOE quote table",
        ));
    }
    Ok(document)
}

fn line(record: &StringRecord) -> Cow<'_, str> {
    Cow::Owned(record.iter().collect::<Vec<_>>().join(","))
}

fn columns(header: &StringRecord) -> Result<(usize, usize, usize, Columns, Columns)> {
    let find = |name: &str, from: usize, to: usize| {
        header.iter().enumerate().take(to).skip(from).find(|(_, column)| column.trim() == name).map(|(index, _)| index)
    };
    let need = |name: &str, from: usize, to: usize| {
        find(name, from, to)
            .ok_or_else(|| Error::invalid(format!("the quote table has no column {name:?} where it belongs")))
    };
    let end = header.len();
    let strike = need("Strike", 0, end)?;
    let side = |name: &str, from: usize, to: usize| -> Result<Columns> {
        Ok(Columns {
            contract: need(name, from, to)?,
            open_interest: need("Open Interest", from, to)?,
            volatility: need("IV", from, to)?,
            gamma: find("Gamma", from, to),
        })
    };
    Ok((end, need("Expiration Date", 0, strike)?, strike, side("Calls", 0, strike)?, side("Puts", strike, end)?))
}

/// The lines above the column names: `…,Last: 450.81,…` and `Date: September 14, 2023 at 4:31 PM EDT,…`.
fn preamble(record: &StringRecord, document: &mut Document) {
    for cell in record {
        if let Some(last) = cell.trim().strip_prefix("Last:") {
            document.says_spot(last);
        }
        if let Some(date) = cell.trim().strip_prefix("Date:") {
            document.says_instant(date, instant(date.trim()));
        }
    }
}

fn instant(text: &str) -> Option<chrono::DateTime<Utc>> {
    let (local, zone) = text.rsplit_once(' ')?;
    let local = NaiveDateTime::parse_from_str(local, "%B %d, %Y at %I:%M %p").ok()?;
    let hours_west = match zone {
        "ET" => return New_York.from_local_datetime(&local).single().map(|at| at.with_timezone(&Utc)),
        "EDT" => 4,
        "EST" | "CDT" => 5,
        "CST" => 6,
        "UTC" | "GMT" => 0,
        _ => return None,
    };
    let zone = FixedOffset::west_opt(hours_west * 3600)?;
    zone.from_local_datetime(&local).single().map(|at| at.with_timezone(&Utc))
}
