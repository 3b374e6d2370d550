//! A CSV whose first line names its columns, in any order and any of several spellings: what `yahoo_csv` and
//! `plain_csv` share. Spellings are compared without case, blanks, `_` and `-`. Two columns of one meaning are an error,
//! never a choice.

use std::borrow::Cow;

use csv::{ReaderBuilder, StringRecord};

use super::contract::Contract;
use super::document::{Document, rfc3339};
use super::row::{Row, cell};
use crate::error::{Error, Result};

/// The spellings of each meaning; an empty list means that the format has no such column.
pub(super) struct Names {
    pub contract: &'static [&'static str],
    pub root: &'static [&'static str],
    pub symbol: &'static [&'static str],
    pub expiration: &'static [&'static str],
    pub side: &'static [&'static str],
    pub strike: &'static [&'static str],
    pub open_interest: &'static [&'static str],
    pub implied_volatility: &'static [&'static str],
    pub gamma: &'static [&'static str],
    pub spot: &'static [&'static str],
    pub timestamp: &'static [&'static str],
}

/// The columns of a document's first line, spelled alike.
pub(super) fn header(text: &str) -> Vec<String> {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => record.iter().map(plainly).collect(),
        _ => Vec::new(),
    }
}

fn plainly(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-') && !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

pub(super) fn has(header: &[String], spellings: &[&str]) -> bool {
    header.iter().any(|name| spellings.contains(&name.as_str()))
}

pub(super) fn read(text: &str, names: &Names) -> Result<Document> {
    let header = header(text);
    let column = |spellings: &[&str]| -> Result<Option<usize>> {
        let mut found = header.iter().enumerate().filter(|(_, name)| spellings.contains(&name.as_str()));
        match (found.next(), found.next()) {
            (Some((_, one)), Some((_, two))) => {
                Err(Error::invalid(format!("the columns {one:?} and {two:?} mean the same: keep one of them")))
            }
            (first, _) => Ok(first.map(|(index, _)| index)),
        }
    };
    let contract = column(names.contract)?;
    let root = column(names.root)?;
    let symbol = column(names.symbol)?;
    let expiration = column(names.expiration)?;
    let side = column(names.side)?;
    let strike = column(names.strike)?;
    let open_interest = column(names.open_interest)?;
    let implied_volatility = column(names.implied_volatility)?;
    let gamma = column(names.gamma)?;
    let spot = column(names.spot)?;
    let timestamp = column(names.timestamp)?;

    let named_by_contract = contract.is_some() || symbol.is_some();
    let required = [
        ("expiration", expiration, named_by_contract),
        ("side", side, named_by_contract),
        ("strike", strike, named_by_contract),
    ];
    for (name, found, otherwise) in required.into_iter().chain([("open_interest", open_interest, false)]) {
        if found.is_none() && !otherwise {
            return Err(Error::invalid(format!("no column {name} in the first line; it has: {}", header.join(", "))));
        }
    }
    if implied_volatility.is_none() && gamma.is_none() {
        return Err(Error::invalid(format!("neither iv nor gamma among the columns: {}", header.join(", "))));
    }

    let mut document = Document::default();
    let mut reader = ReaderBuilder::new().has_headers(true).flexible(true).from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    loop {
        let place = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(document),
            Ok(true) => {}
            Err(error) => return Err(Error::invalid(format!("line {place} is not CSV: {error}")).caused_by(error)),
        }
        let place = record.position().map_or(place, csv::Position::line);
        let at = |column: Option<usize>| column.and_then(|index| record.get(index)).and_then(cell);
        let mut row = Row {
            place,
            contract: at(contract),
            root: at(root),
            expiration: at(expiration),
            side: at(side),
            strike: at(strike),
            open_interest: at(open_interest),
            implied_volatility: at(implied_volatility),
            gamma: at(gamma),
            text: Cow::Owned(record.iter().collect::<Vec<_>>().join(",")),
        };
        if record.len() != header.len() {
            let reason = format!("{} cells under {} columns", record.len(), header.len());
            document.refuses(row.refuse("line", "wrong_width", reason, None));
            continue;
        }
        match at(symbol) {
            Some(name) if row.contract.is_none() && Contract::read(&name).is_some() => row.contract = Some(name),
            Some(name) => document.says_symbol(&name),
            None => {}
        }
        if let Some(instant) = at(timestamp) {
            document.says_instant(&instant, rfc3339(&instant));
        }
        if let Some(spot) = at(spot) {
            document.says_spot(&spot);
        }
        document.takes(&row);
    }
}
