//! The captured document of one bar: the source's own texts and the reading that was declared for them, nothing worked out, so that
//! a rule that changes can be applied to it again. Printed by ingest, read by compaction.
//!
//! ```json
//! {"symbol":"SPY","timestamp":"2019-02-15 16:00:00","open":"277.27","high":"277.4","low":"277.19","close":"277.39",
//!  "volume":"2689895","reading":{"zone":"America/New_York","stamp":"end","volume":"bar","minutes":1}}
//! ```
//!
//! A source with a column for each has `date` and `time` in the place of `timestamp`; a bar of the hour that clocks show twice
//! says with `occurrence` which of the two it is.

use std::borrow::Cow;

use serde::Deserialize;

use super::Refusal;
use super::clock_change::{self, Occurrence};
use super::time::{self, Told};
use super::values::{self, Rules, Texts, Values};
use crate::bars::reading::{MOST_MINUTES, Reading, Stamp};
use crate::market::Symbol;

/// Where a source tells the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeTexts<'a> {
    One(Option<&'a str>),
    /// A date and a time of day.
    Two(Option<&'a str>, Option<&'a str>),
}

impl TimeTexts<'_> {
    /// # Errors
    /// As [`time::read`].
    pub fn read(self) -> Result<Told, Refusal> {
        match self {
            Self::One(text) => time::read(text.unwrap_or_default()),
            Self::Two(date, time) => time::read_pair(date.unwrap_or_default(), time.unwrap_or_default()),
        }
    }
}

/// Appends what a bar says, as the inside of a JSON object.
pub fn print_fields(time: TimeTexts<'_>, texts: &Texts<'_>, out: &mut Vec<u8>) {
    let times = match time {
        TimeTexts::One(text) => [("timestamp", text), ("time", None)],
        TimeTexts::Two(date, time) => [("date", date), ("time", time)],
    };
    let numbers = [
        ("open", texts.open),
        ("high", texts.high),
        ("low", texts.low),
        ("close", texts.close),
        ("volume", texts.volume),
    ];
    let mut first = true;
    for (name, text) in times.into_iter().chain(numbers) {
        let Some(text) = text else { continue };
        out.extend_from_slice(if first { b"\"" } else { b",\"" });
        first = false;
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
    }
}

/// Appends the whole document; `fields` are those of [`print_fields`].
pub fn print(symbol: &Symbol, fields: &[u8], which: Option<Occurrence>, reading: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"symbol\":\"");
    out.extend_from_slice(symbol.as_str().as_bytes());
    out.extend_from_slice(b"\",");
    out.extend_from_slice(fields);
    if let Some(which) = which {
        let which = if which == Occurrence::First { "first" } else { "second" };
        out.extend_from_slice(format!(",\"occurrence\":\"{which}\"").as_bytes());
    }
    out.extend_from_slice(b",\"reading\":");
    out.extend_from_slice(reading.as_bytes());
    out.push(b'}');
}

/// What one captured bar says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarSaid {
    /// Minutes from 1970-01-01T00:00Z.
    pub start_minute: i64,
    pub values: Values,
    pub reading: Reading,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    #[serde(borrow, default)]
    timestamp: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    date: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    time: Option<Cow<'a, str>>,
    #[serde(default)]
    occurrence: Option<Occurrence>,
    #[serde(borrow, default)]
    open: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    high: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    low: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    close: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    volume: Option<Cow<'a, str>>,
    reading: Reading,
}

/// Reads a captured document by today's rules.
///
/// # Errors
/// Why it would be refused today.
pub fn read(json: &[u8], symbol: &Symbol, rules: &Rules) -> Result<BarSaid, Refusal> {
    let document: Document<'_> = serde_json::from_slice(json)
        .map_err(|error| Refusal::new("not_json", None, format!("a captured bar cannot be read: {error}")))?;
    if document.symbol != symbol.as_str() {
        let reason = format!("it is a bar of {} and lies among those of {symbol}", document.symbol);
        return Err(Refusal::new("wrong_type", "symbol", reason));
    }
    let reading = document.reading;
    let time = match &document.timestamp {
        Some(text) => TimeTexts::One(Some(text)),
        None => TimeTexts::Two(document.date.as_deref(), document.time.as_deref()),
    };
    let stamped = clock_change::minute(time.read()?, reading.zone, document.occurrence)?;
    let texts = Texts {
        open: document.open.as_deref(),
        high: document.high.as_deref(),
        low: document.low.as_deref(),
        close: document.close.as_deref(),
        volume: document.volume.as_deref(),
    };
    Ok(BarSaid {
        start_minute: start_minute(stamped, reading.stamp, reading.minutes)?,
        values: values::read(&texts, reading.volume, rules)?,
        reading,
    })
}

/// When a bar stamped at this minute starts.
///
/// # Errors
/// `bar_length` for one that is not 1 to 60 minutes long.
pub fn start_minute(stamped: i64, stamp: Stamp, minutes: u16) -> Result<i64, Refusal> {
    if !(1..=MOST_MINUTES).contains(&minutes) {
        return Err(Refusal::new("bar_length", "minutes", format!("a bar of {minutes} minutes: choose 1 to 60")));
    }
    Ok(match stamp {
        Stamp::Start => stamped,
        Stamp::End => stamped - i64::from(minutes),
    })
}

/// The inside of a captured document as [`print_fields`] printed it, and its reading as JSON: what tells whether the same row of a
/// source was read in another way. `None` when it was not printed by [`print()`].
pub fn fields_and_reading<'a>(json: &'a [u8], symbol: &Symbol) -> Option<(&'a [u8], &'a [u8])> {
    const READING: &[u8] = b",\"reading\":";
    let rest = json.strip_prefix(b"{\"symbol\":\"")?.strip_prefix(symbol.as_str().as_bytes())?;
    let rest = rest.strip_prefix(b"\",")?.strip_suffix(b"}")?;
    let end = memchr::memmem::rfind(rest, READING)?;
    let (fields, reading) = (&rest[..end], &rest[end + READING.len()..]);
    let which = [&b",\"occurrence\":\"first\""[..], b",\"occurrence\":\"second\""];
    Some((which.into_iter().find_map(|which| fields.strip_suffix(which)).unwrap_or(fields), reading))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Instruments;

    #[test]
    fn a_bar_comes_back_from_its_document() {
        let instruments = Instruments::builtin();
        let spy = instruments.resolve("SPY").unwrap();
        let texts = Texts {
            open: Some("277.27"),
            high: Some("277.40"),
            low: Some("277.19"),
            close: Some("277.39"),
            volume: Some("2689895"),
        };
        let mut fields = Vec::new();
        print_fields(TimeTexts::One(Some("2019-02-15 16:00:00")), &texts, &mut fields);
        let reading = r#"{"zone":"America/New_York","stamp":"end","volume":"bar","minutes":1}"#;
        let mut json = Vec::new();
        print(&spy.symbol, &fields, None, reading, &mut json);
        let spelled = r#"{"symbol":"SPY","timestamp":"2019-02-15 16:00:00","open":"277.27","high":"277.40","low":"277.19","close":"277.39","volume":"2689895","reading":{"zone":"America/New_York","stamp":"end","volume":"bar","minutes":1}}"#;
        assert_eq!(String::from_utf8(json.clone()).unwrap(), spelled);
        assert_eq!(fields_and_reading(&json, &spy.symbol), Some((&fields[..], reading.as_bytes())));
        let mut second = Vec::new();
        print(&spy.symbol, &fields, Some(Occurrence::Second), reading, &mut second);
        assert_eq!(fields_and_reading(&second, &spy.symbol), Some((&fields[..], reading.as_bytes())));
        let said = read(&json, &spy.symbol, &Rules::of(spy)).unwrap();
        // 2019-02-15T20:59Z is 1550264340 seconds after 1970 (date -d).
        assert_eq!(said.start_minute, 1_550_264_340 / 60);
        assert_eq!((said.values.high, said.values.volume), (277.4, 2_689_895.0));
        let other = instruments.resolve("QQQ").unwrap();
        assert_eq!(read(&json, &other.symbol, &Rules::of(other)).unwrap_err().code, "wrong_type");
    }
}
