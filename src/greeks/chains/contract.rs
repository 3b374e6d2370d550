//! The OCC's name of a listed option (`SPXW260713C04800000`): root, expiration, side, strike in thousandths. Pure text;
//! it must never accept a name that is only nearly one.

use crate::greeks::bsm::Side;
use crate::market::TradingDate;

/// Source: OCC, *Options Symbology Initiative*: root up to six characters (padded with blanks in the 21-character form),
/// `yymmdd`, `C` or `P`, strike × 1000 in eight digits.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Contract {
    pub root: String,
    pub expiration: TradingDate,
    pub side: Side,
    pub strike: f64,
}

const TAIL: usize = 15;

impl Contract {
    pub(super) fn read(name: &str) -> Option<Self> {
        let name = name.trim().strip_prefix("O:").unwrap_or(name.trim());
        if !name.is_ascii() || name.len() <= TAIL {
            return None;
        }
        let (root, tail) = name.split_at(name.len() - TAIL);
        let root = root.trim_end();
        let (date, rest) = tail.split_at(6);
        let (side, strike) = rest.split_at(1);
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if root.is_empty() || root.len() > 6 || !root.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
            return None;
        }
        if !digits(date) || !digits(strike) {
            return None;
        }
        let number = |text: &str| text.parse::<u32>().ok();
        let expiration = TradingDate::from_ymd(
            2000 + i32::try_from(number(&date[0..2])?).ok()?,
            number(&date[2..4])?,
            number(&date[4..6])?,
        )?;
        let side = match side {
            "C" => Side::Call,
            "P" => Side::Put,
            _ => return None,
        };
        Some(Self { root: root.to_owned(), expiration, side, strike: f64::from(number(strike)?) / 1000.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_compact_and_padded_names() {
        let wanted = Contract {
            root: "SPXW".into(),
            expiration: TradingDate::from_ymd(2026, 7, 13).unwrap(),
            side: Side::Put,
            strike: 4807.5,
        };
        assert_eq!(Contract::read("SPXW260713P04807500"), Some(wanted.clone()));
        assert_eq!(Contract::read("SPXW  260713P04807500"), Some(wanted));
    }

    #[test]
    fn refuses_what_is_only_nearly_one() {
        for name in [
            "",
            "260713P04807500",
            "SPXW260713X04807500",
            "SPXW261313P04807500",
            "SPXW260713P0480750",
            "SPÄW260713P04807500",
        ] {
            assert_eq!(Contract::read(name), None, "{name}");
        }
    }
}
