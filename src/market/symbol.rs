//! The canonical name of an instrument, as it stands in paths, queries and rows. Parsing is the only way in, so a
//! [`Symbol`] can be put into a path without a second look.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

const MAX_CHARS: usize = 24;

/// `[A-Z0-9][A-Z0-9._-]{0,23}` with at least one letter and never `..`: `SPY`, `BRK.B`, `BTC-USD`, `ESZ5`.
/// Cloning copies a pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(Arc<str>);

impl Symbol {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Symbol {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match fault_of(text) {
            None => Ok(Self(text.into())),
            Some(fault) => {
                // A hostile request may carry megabytes here; the message shows only where it begins.
                let shown: String = text.chars().take(MAX_CHARS + 1).collect();
                Err(Error::invalid(format!("{shown:?} is not a symbol: {fault}")))
            }
        }
    }
}

fn fault_of(text: &str) -> Option<&'static str> {
    let bytes = text.as_bytes();
    if bytes.is_empty() {
        return Some("it is empty; write for example SPY");
    }
    if bytes.len() > MAX_CHARS {
        return Some("it is longer than 24 characters");
    }
    if bytes.iter().any(u8::is_ascii_lowercase) {
        return Some("write it in capitals, for example SPY");
    }
    if !bytes.iter().all(|&b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')) {
        return Some("only A-Z, 0-9, '.', '_' and '-' may stand in it");
    }
    if !(bytes[0].is_ascii_uppercase() || bytes[0].is_ascii_digit()) {
        return Some("it must begin with a letter or a digit");
    }
    if !bytes.iter().any(u8::is_ascii_uppercase) {
        return Some("it needs at least one letter");
    }
    if text.contains("..") {
        return Some("'..' may not stand in it");
    }
    None
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Symbol({})", self.0)
    }
}

impl AsRef<str> for Symbol {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Symbol {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for Symbol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Symbol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn takes_what_the_contract_names() {
        for text in ["SPY", "BRK.B", "BTC-USD", "ESZ5", "6E", "A", "ABCDEFGHIJKLMNOPQRSTUVWX", "X_1"] {
            assert_eq!(text.parse::<Symbol>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        let refused = [
            ("", "empty"),
            ("spy", "capitals"),
            ("123", "letter"),
            ("../ETC", "only"),
            ("A..B", "'..'"),
            (".A", "begin"),
            ("-A", "begin"),
            ("_A", "begin"),
            ("A/B", "only"),
            ("A B", "only"),
            ("^SPX", "only"),
            ("A\0", "only"),
            ("É", "only"),
            ("ABCDEFGHIJKLMNOPQRSTUVWXY", "24"),
        ];
        for (text, reason) in refused {
            let error = text.parse::<Symbol>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
            assert!(error.detail().contains(reason), "{text}: {}", error.detail());
        }
        assert!("A".repeat(10_000_000).parse::<Symbol>().unwrap_err().detail().len() < 200);
    }

    #[test]
    fn is_a_plain_string_in_json() {
        let symbol: Symbol = serde_json::from_str("\"BRK.B\"").unwrap();
        assert_eq!(serde_json::to_string(&symbol).unwrap(), "\"BRK.B\"");
        assert!(serde_json::from_str::<Symbol>("\"../x\"").is_err());
    }

    proptest! {
        #[test]
        fn whatever_parses_is_one_harmless_path_segment(text in "[A-Z0-9._/\\\\-]{0,30}") {
            if let Ok(symbol) = text.parse::<Symbol>() {
                prop_assert_eq!(std::path::Path::new(symbol.as_str()).components().count(), 1);
                prop_assert!(!symbol.as_str().contains(['/', '\\']) && !symbol.as_str().starts_with('.'));
            }
        }
    }
}
