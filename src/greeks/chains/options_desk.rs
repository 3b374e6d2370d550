//! The JSON of an options desk: one object, `symbol`, `updated`, `underlyingPrice` and `quotes`. The instant is `updated`,
//! never a file's name. Numbers are read from their own text, so that no digit is lost on the way.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::document::{Document, rfc3339};
use super::row::{Row, cell};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Desk<'a> {
    #[serde(borrow)]
    symbol: Option<Cow<'a, str>>,
    #[serde(borrow)]
    updated: Option<Cow<'a, str>>,
    #[serde(borrow)]
    underlying_price: Option<&'a RawValue>,
    #[serde(borrow)]
    quotes: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    #[serde(borrow)]
    symbol: Option<&'a RawValue>,
    #[serde(borrow)]
    expiration: Option<&'a RawValue>,
    #[serde(borrow)]
    side: Option<&'a RawValue>,
    #[serde(borrow)]
    strike: Option<&'a RawValue>,
    #[serde(borrow)]
    open_interest: Option<&'a RawValue>,
    #[serde(borrow)]
    iv: Option<&'a RawValue>,
    #[serde(borrow)]
    gamma: Option<&'a RawValue>,
}

pub(super) fn looks_like(text: &str) -> bool {
    text.trim_start().starts_with('{') && text.contains("\"quotes\"")
}

pub(super) fn read(text: &str) -> Result<Document> {
    let desk: Desk<'_> = serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!("not the JSON of an options desk (symbol, updated, underlyingPrice, quotes): {error}"))
            .caused_by(error)
    })?;
    let mut document = Document::default();
    if let Some(symbol) = desk.symbol.as_deref().and_then(cell) {
        document.says_symbol(&symbol);
    }
    if let Some(updated) = desk.updated.as_deref().and_then(cell) {
        document.says_instant(&updated, rfc3339(&updated));
    }
    if let Some(spot) = json_cell(desk.underlying_price) {
        document.says_spot(&spot);
    }
    for (place, quote) in (1..).zip(desk.quotes) {
        let text = Cow::Borrowed(quote.get());
        match serde_json::from_str::<Listed<'_>>(quote.get()) {
            Ok(listed) => document.takes(&Row {
                place,
                contract: json_cell(listed.symbol),
                root: None,
                expiration: json_cell(listed.expiration),
                side: json_cell(listed.side),
                strike: json_cell(listed.strike),
                open_interest: json_cell(listed.open_interest),
                implied_volatility: json_cell(listed.iv),
                gamma: json_cell(listed.gamma),
                text,
            }),
            Err(error) => {
                let row = Row { place, text, ..Row::default() };
                document.refuses(row.refuse(
                    "quotes",
                    "not_a_quote",
                    format!("not an object with an option's fields: {error}"),
                    None,
                ));
            }
        }
    }
    Ok(document)
}

/// The text of a JSON scalar: a string's content, a number's own digits.
fn json_cell(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let text = value?.get();
    if text.starts_with('"') {
        let content: String = serde_json::from_str(text).ok()?;
        return cell(&content).map(|content| Cow::Owned(content.into_owned()));
    }
    cell(text)
}
