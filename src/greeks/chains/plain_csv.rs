//! CSV with named columns of one's own: the format for chains from anywhere else. Needed: `expiration`, `side`, `strike` (or
//! `contract` with the OCC symbol, which says all three), `open_interest`, and `iv` or `gamma` or both. Optional: `symbol`,
//! `root` (how it settles), `spot`, `timestamp` (RFC 3339), the same on every line. `NAMES` lists the synonyms.

use super::document::Document;
use super::named_columns::{Names, has, header, read as read_columns};
use crate::error::Result;

const NAMES: Names = Names {
    contract: &["contract", "contractsymbol", "optionsymbol", "occsymbol", "osi", "option"],
    root: &["root", "occroot", "optionroot"],
    symbol: &["symbol", "underlying", "underlyingsymbol", "ticker"],
    expiration: &["expiration", "expiry", "expirationdate", "expirydate", "exp"],
    side: &["side", "type", "optiontype", "right", "callput", "putcall", "cp"],
    strike: &["strike", "strikeprice"],
    open_interest: &["openinterest", "oi"],
    implied_volatility: &["iv", "impliedvolatility", "impliedvol", "volatility"],
    gamma: &["gamma"],
    spot: &["spot", "underlyingprice", "spotprice", "underlyinglast"],
    timestamp: &["timestamp", "time", "at", "asof", "updated"],
};

pub(super) fn looks_like(text: &str) -> bool {
    let header = header(text);
    let stated = [NAMES.expiration, NAMES.side, NAMES.strike].iter().all(|names| has(&header, names));
    let named = has(&header, NAMES.contract) || has(&header, NAMES.symbol);
    let valued = has(&header, NAMES.implied_volatility) || has(&header, NAMES.gamma);
    (stated || named) && has(&header, NAMES.open_interest) && valued
}

pub(super) fn read(text: &str) -> Result<Document> {
    read_columns(text, &NAMES)
}
