//! Strict reading of a query string, for every handler: a parameter that is unknown, repeated, badly encoded or of the
//! wrong kind is refused by name and never ignored, because an ignored filter is a wrong number that looks right.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveTime, Utc};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::problem::{Problem, ProblemType, shortened};
use crate::market::TradingDate;

/// How many characters of a client's value are quoted back.
const QUOTED_CHARS: usize = 40;
/// How many strange names are listed in one refusal.
const LISTED_NAMES: usize = 8;

/// The parameters of one request: each is known, given once, and valid UTF-8.
#[derive(Debug, Clone)]
pub struct Params {
    given: Vec<(String, String)>,
    allowed: Vec<String>,
}

impl Params {
    /// Reads the raw query (what follows `?`, still encoded) as `application/x-www-form-urlencoded`.
    ///
    /// # Errors
    /// `unknown-parameter` and `repeated-parameter` name all the culprits and list what is allowed;
    /// `invalid-parameter` for an encoding that is not UTF-8.
    pub fn parse(raw_query: Option<&str>, allowed: &[&str]) -> Result<Self, Problem> {
        let mut given: Vec<(String, String)> = Vec::new();
        let mut unknown: Vec<String> = Vec::new();
        let mut repeated: Vec<String> = Vec::new();
        for pair in raw_query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (raw_name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(raw_name).map_err(|fault| {
                let name = shortened(raw_name, QUOTED_CHARS);
                Problem::parameter(name.clone(), format!("the parameter name '{name}' {fault}"))
            })?;
            if !allowed.contains(&name.as_ref()) {
                note(&mut unknown, &name);
                continue;
            }
            let value = decode(raw_value)
                .map_err(|fault| Problem::parameter(name.clone(), format!("the value of '{name}' {fault}")))?;
            if given.iter().any(|(earlier, _)| *earlier == name) {
                note(&mut repeated, &name);
            } else {
                given.push((name.into_owned(), value.into_owned()));
            }
        }
        if let Some(first) = unknown.first() {
            return Err(Problem::new(ProblemType::UnknownParameter, unknown_detail(&unknown, allowed))
                .blaming(first.clone())
                .with("unknown", unknown.clone())
                .with("allowed", names(allowed)));
        }
        if let Some(first) = repeated.first() {
            let detail =
                format!("{} given more than once; give each parameter one time, a list with commas", quoted(&repeated));
            return Err(Problem::new(ProblemType::RepeatedParameter, detail)
                .blaming(first.clone())
                .with("repeated", repeated.clone())
                .with("allowed", names(allowed)));
        }
        Ok(Self { given, allowed: allowed.iter().map(|&name| name.to_owned()).collect() })
    }

    /// The decoded value, if the parameter was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(self.allowed.iter().any(|allowed| allowed == name), "'{name}' is read but not allowed");
        self.given.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// The decoded value of a parameter that must be given; `expected` says what belongs there.
    pub fn required(&self, name: &str, expected: &str) -> Result<&str, Problem> {
        self.get(name).ok_or_else(|| {
            let detail = format!("'{name}' is missing: give {expected}");
            Problem::new(ProblemType::MissingParameter, detail).blaming(name)
        })
    }

    /// The parameters given, sorted by name: equal for two spellings of one question. For an `ETag`.
    pub fn canonical(&self) -> String {
        let mut pairs: Vec<&(String, String)> = self.given.iter().collect();
        pairs.sort();
        let mut text = String::new();
        for (name, value) in pairs {
            text.push_str(&format!("{name}={}:{value};", value.len()));
        }
        text
    }

    /// Any type that reads itself from text; `expected` says what belongs there.
    pub fn parsed<T>(&self, name: &str, expected: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| wrong(name, value, expected))
    }

    /// A finite number.
    pub fn f64(&self, name: &str) -> Result<Option<f64>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(wrong(name, value, "a finite number such as 580 or 587.5")),
        }
    }

    /// A trading date as `YYYY-MM-DD`.
    pub fn date(&self, name: &str) -> Result<Option<TradingDate>, Problem> {
        self.parsed(name, "a date that exists, as YYYY-MM-DD, such as 2025-01-15")
    }

    /// A wall-clock time as `HH:MM` or `HH:MM:SS`; the instrument's exchange says in which zone.
    pub fn time(&self, name: &str) -> Result<Option<NaiveTime>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        wall_clock(value).map(Some).ok_or_else(|| {
            wrong(name, value, "a time of day from 00:00 to 23:59:59, as HH:MM or HH:MM:SS, such as 14:32")
        })
    }

    /// An instant with its zone (RFC 3339).
    pub fn instant(&self, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match DateTime::parse_from_rfc3339(value) {
            Ok(instant) => Ok(Some(instant.with_timezone(&Utc))),
            Err(_) if value.contains(' ') => Err(wrong(
                name,
                value,
                "an instant such as 2025-01-15T14:32:00Z, with 'T' in the middle and '+' of an offset written as %2B",
            )),
            Err(_) => Err(wrong(name, value, "an instant with its zone (RFC 3339), such as 2025-01-15T14:32:00Z")),
        }
    }

    /// One of the named choices.
    pub fn one_of<T: Clone>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        choice(name, value, choices).map(Some)
    }

    /// A list with commas, each item one of the named choices and none twice; in the order given.
    pub fn list_of<T: Clone>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<Vec<T>>, Problem> {
        let Some(items) = self.list(name)? else { return Ok(None) };
        items.into_iter().map(|item| choice(name, item, choices)).collect::<Result<_, _>>().map(Some)
    }

    /// A list with commas, no item empty and none twice; in the order given.
    pub fn list(&self, name: &str) -> Result<Option<Vec<&str>>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let items: Vec<&str> = value.split(',').collect();
        if items.iter().any(|item| item.is_empty()) {
            return Err(wrong(name, value, "a list with commas and nothing empty in it, such as gamma,charm"));
        }
        if let Some(twice) = items.iter().enumerate().find(|(at, item)| items[..*at].contains(item)) {
            let twice = shortened(twice.1, QUOTED_CHARS);
            return Err(Problem::parameter(name, format!("{name} names '{twice}' twice; name it once")));
        }
        Ok(Some(items))
    }

    /// `true` or `false`; absent is false.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(value) => Err(wrong(name, value, "true or false")),
        }
    }
}

/// A parameter whose value is not what belongs there. Public for the checks a room makes itself.
pub fn wrong(name: &str, value: &str, expected: &str) -> Problem {
    let given = if value.is_empty() {
        format!("{name} is empty")
    } else {
        format!("{name}={}", shortened(value, QUOTED_CHARS))
    };
    Problem::parameter(name, format!("{given} cannot be used: expected {expected}")).with("expected", expected)
}

fn choice<T: Clone>(name: &str, value: &str, choices: &[(&str, T)]) -> Result<T, Problem> {
    if let Some((_, chosen)) = choices.iter().find(|(spelling, _)| *spelling == value) {
        return Ok(chosen.clone());
    }
    let spellings: Vec<&str> = choices.iter().map(|(spelling, _)| *spelling).collect();
    let hint = nearest(value, &spellings).map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
    Err(wrong(name, value, &format!("one of {}{hint}", spellings.join(", "))).with("allowed", names(&spellings)))
}

/// Two digits, a colon, two digits, and so for the seconds: nothing looser, `9:30` may be a slip of `19:30`.
fn wall_clock(text: &str) -> Option<NaiveTime> {
    let digits = |from: usize| -> Option<u32> {
        let pair = text.as_bytes().get(from..from + 2)?;
        pair.iter().all(u8::is_ascii_digit).then(|| u32::from(pair[0] - b'0') * 10 + u32::from(pair[1] - b'0'))
    };
    let colon = |at: usize| text.as_bytes().get(at) == Some(&b':');
    match text.len() {
        5 if colon(2) => NaiveTime::from_hms_opt(digits(0)?, digits(3)?, 0),
        8 if colon(2) && colon(5) => NaiveTime::from_hms_opt(digits(0)?, digits(3)?, digits(6)?),
        _ => None,
    }
}

/// Decodes `%XX` and `+`. `percent_encoding` alone would let a broken `%zz` through as text.
fn decode(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    let bytes = raw.as_bytes();
    for at in memchr::memchr_iter(b'%', bytes) {
        let hex = bytes.get(at + 1..at + 3);
        if !hex.is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit)) {
            return Err("has a '%' that is not followed by two hexadecimal digits; write a percent sign as %25");
        }
    }
    let not_utf8 = "is not UTF-8 once its %XX are decoded; encode the text as UTF-8 first";
    if !raw.contains('+') {
        return percent_decode_str(raw).decode_utf8().map_err(|_| not_utf8);
    }
    let spaced = raw.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(|text| Cow::Owned(text.into_owned())).map_err(|_| not_utf8)
}

fn note(found: &mut Vec<String>, name: &str) {
    let name = shortened(name, QUOTED_CHARS);
    if found.len() < LISTED_NAMES && !found.contains(&name) {
        found.push(name);
    }
}

fn names(allowed: &[&str]) -> Value {
    allowed.iter().map(|&name| Value::from(name)).collect()
}

fn quoted(names: &[String]) -> String {
    let listed: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("{} {}", listed.join(", "), if names.len() == 1 { "is" } else { "are" })
}

fn unknown_detail(unknown: &[String], allowed: &[&str]) -> String {
    let hints: Vec<String> = unknown
        .iter()
        .filter_map(|name| nearest(name, allowed).map(|near| format!("did you mean '{near}' for '{name}'?")))
        .collect();
    let known =
        if allowed.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", allowed.join(", ")) };
    let mut detail = format!("{} not known here: {known}", quoted(unknown));
    if !hints.is_empty() {
        detail = format!("{detail}; {}", hints.join(" "));
    }
    detail
}

/// The known name that a slip of the finger would turn into the given one: at most a third of it differs.
fn nearest<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    let given = given.to_ascii_lowercase().replace('-', "_");
    known
        .iter()
        .map(|&name| (edits(&given, name), name))
        .filter(|(edits, name)| *edits <= name.len().max(given.len()) / 3)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// Levenshtein's distance: the fewest insertions, deletions and replacements of a character.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, left) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, right) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
#[path = "params_tests.rs"]
mod tests;
