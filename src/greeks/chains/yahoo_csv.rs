//! CSV in Yahoo's words, as collectors of its chains save it: `contractSymbol,expiry,type,strike,…,openInterest,
//! impliedVolatility,…,spot`. It holds no greeks and no instant (`lastTradeDate` is each option's own last trade, `session`
//! the date of the open interest), so `--at` is always needed; its `spot` may be the previous close, so `--spot` often is.

use super::document::Document;
use super::named_columns::{Names, has, header, read as read_columns};
use crate::error::Result;

const NAMES: Names = Names {
    contract: &["contractsymbol"],
    root: &[],
    symbol: &["symbol", "underlying"],
    expiration: &["expiry", "expiration", "expirationdate"],
    side: &["type", "side", "optiontype"],
    strike: &["strike"],
    open_interest: &["openinterest"],
    implied_volatility: &["impliedvolatility"],
    gamma: &[],
    spot: &["spot", "underlyingprice"],
    timestamp: &[],
};

pub(super) fn looks_like(text: &str) -> bool {
    let header = header(text);
    [NAMES.contract, NAMES.strike, NAMES.open_interest, NAMES.implied_volatility]
        .iter()
        .all(|names| has(&header, names))
}

pub(super) fn read(text: &str) -> Result<Document> {
    read_columns(text, &NAMES)
}
