//! Values as SQL literals that every DuckDB reads alike: without parameters, without the ICU extension, whatever the session's
//! time zone. Pure.

use chrono::DateTime;

use crate::market::TradingDate;

/// Most digits of a decimal that turns into a double without rounding twice.
const EXACT_DIGITS: usize = 15;

/// The offset is spelled out, so that no session's time zone moves it.
pub fn instant(micros: i64) -> String {
    let instant = DateTime::from_timestamp_micros(micros).unwrap_or_default();
    let shape = if micros % 1_000_000 == 0 { "%Y-%m-%d %H:%M:%S" } else { "%Y-%m-%d %H:%M:%S%.6f" };
    format!("TIMESTAMPTZ '{}+00'", instant.format(shape))
}

pub fn date(date: TradingDate) -> String {
    format!("DATE '{date}'")
}

/// Short numbers as they are written; long ones with an exponent, which DuckDB reads as a double at once.
pub fn number(value: f64) -> String {
    let plain = value.to_string();
    if plain.bytes().filter(u8::is_ascii_digit).count() <= EXACT_DIGITS { plain } else { format!("{value:e}") }
}

/// The path of an object below `root`, quoted, with the characters of a pattern taken for themselves.
pub fn path(root: &str, key: &str) -> String {
    let mut text = String::from("'");
    for character in root.trim_end_matches('/').chars().chain(['/']).chain(key.chars()) {
        match character {
            '\'' => text.push_str("''"),
            '*' | '?' | '[' => text.extend(['[', character, ']']),
            other => text.push(other),
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spelled_for_any_session() {
        assert_eq!(instant(1_736_967_600_000_000), "TIMESTAMPTZ '2025-01-15 19:00:00+00'");
        assert_eq!(instant(1_736_967_600_000_123), "TIMESTAMPTZ '2025-01-15 19:00:00.000123+00'");
        assert_eq!(number(580.0), "580");
        assert_eq!(number(-0.25), "-0.25");
        assert_eq!(number(1.0 / 3.0), "3.333333333333333e-1");
        assert_eq!(number(9.007_199_254_740_993e18), "9.007199254740993e18");
        assert_eq!(path("/data/o'hare[1]/", "a/b"), "'/data/o''hare[[]1]/a/b'");
        assert_eq!(path("s3://prices/lake", "a/b"), "'s3://prices/lake/a/b'");
    }
}
