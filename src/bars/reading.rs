//! How a source's bars are to be read, as declared when they came in: whose clock, which end is stamped, what volume means, how long
//! a bar is. Every captured bar carries it, so that a capture says by itself what it means.

use std::fmt;
use std::str::FromStr;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The longest bar.
pub const MOST_MINUTES: u16 = 60;

/// Which end of a bar its time is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stamp {
    #[default]
    Start,
    End,
}

/// What a bar's volume is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeKind {
    /// Traded in this bar.
    #[default]
    Bar,
    /// Traded on this day up to the end of this bar.
    Cumulative,
    /// The source has none; it counts as 0.
    None,
}

/// The declared reading of one bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The clock of times that name no zone themselves; left out where they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<Tz>,
    pub stamp: Stamp,
    pub volume: VolumeKind,
    /// Length of the bar.
    pub minutes: u16,
}

/// One of a few words, or a refusal that lists them.
fn one_of<T: Copy>(text: &str, what: &str, words: &[(&str, T)]) -> Result<T> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Error::invalid(format!("{text:?} is not {what}: choose {}", words.join(" or ")))
    })
}

impl FromStr for Stamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        one_of(text, "an end of a bar", &[("start", Self::Start), ("end", Self::End)])
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Start => "start",
            Self::End => "end",
        })
    }
}

impl FromStr for VolumeKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let words = [("bar", Self::Bar), ("cumulative", Self::Cumulative), ("none", Self::None)];
        one_of(text, "a kind of volume", &words)
    }
}

impl fmt::Display for VolumeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bar => "bar",
            Self::Cumulative => "cumulative",
            Self::None => "none",
        })
    }
}

/// A bar's length as a person writes it: `1m`, `15m`, `1h`, `60` (minutes).
///
/// # Errors
/// `Invalid` for what is not 1 to 60 whole minutes.
pub fn minutes(text: &str) -> Result<u16> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = lower.split_at(lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len()));
    let factor = match unit.trim() {
        "" | "m" | "min" | "minute" | "minutes" => 1,
        "h" | "hour" => 60,
        _ => 0,
    };
    let minutes = number.parse::<u16>().ok().and_then(|number| number.checked_mul(factor));
    minutes.filter(|minutes| (1..=MOST_MINUTES).contains(minutes)).ok_or_else(|| {
        Error::invalid(format!(
            "{text:?} is no length of a bar: write 1m, 5m, 15m, 30m or 1h; longer ones are not taken"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_one_minute_to_one_hour() {
        for (text, is) in [("1m", 1), ("5min", 5), ("30", 30), ("1h", 60), ("60m", 60), ("15 minutes", 15)] {
            assert_eq!(minutes(text).unwrap(), is, "{text}");
        }
        for text in ["", "0m", "61m", "2h", "1d", "m", "1.5m", "-1m", "99999999m"] {
            assert!(minutes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_reading_is_spelled_as_it_is_declared() {
        let reading = Reading {
            zone: Some(Tz::America__New_York),
            stamp: Stamp::End,
            volume: VolumeKind::Cumulative,
            minutes: 5,
        };
        let json = r#"{"zone":"America/New_York","stamp":"end","volume":"cumulative","minutes":5}"#;
        assert_eq!(serde_json::to_string(&reading).unwrap(), json);
        assert_eq!(serde_json::from_str::<Reading>(json).unwrap(), reading);
    }
}
