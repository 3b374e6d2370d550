//! One snapshot (an expiration in one minute) and how it is spelled as JSON, in either raw shape, whole or spoilt. Called
//! by [`super::write`] for every snapshot, in parallel: a pure function of the day and the snapshot.

use std::io::Write;
use std::ops::Range;

use chrono::{DateTime, Days, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::day::{Day, Exposures, GREEKS};

/// The two raw shapes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A line per minute and expiration, with spot and all strikes; times with the exchange's offset.
    #[default]
    Nested,
    /// A line per minute, expiration and strike; times in UTC.
    Flat,
}

impl Shape {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nested => "nested",
            Self::Flat => "flat",
        }
    }

    /// Documents that `rows` rows of one snapshot take.
    pub fn documents(self, rows: usize) -> u64 {
        match self {
            Self::Nested => 1,
            Self::Flat => rows as u64,
        }
    }
}

/// Why a document must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    NotJson,
    FieldMissing,
    WrongType,
    NumberOutOfRange,
    StrikeNotPositive,
    TimestampWithoutZone,
    ExpirationBeforeDate,
    SymbolUnknown,
    NoGreek,
}

impl Fault {
    /// Every one but [`Fault::NotJson`].
    pub const IN_A_FIELD: [Self; 8] = [
        Self::FieldMissing,
        Self::WrongType,
        Self::NumberOutOfRange,
        Self::StrikeNotPositive,
        Self::TimestampWithoutZone,
        Self::ExpirationBeforeDate,
        Self::SymbolUnknown,
        Self::NoGreek,
    ];

    pub fn code(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::FieldMissing => "field_missing",
            Self::WrongType => "wrong_type",
            Self::NumberOutOfRange => "number_out_of_range",
            Self::StrikeNotPositive => "strike_not_positive",
            Self::TimestampWithoutZone => "timestamp_without_zone",
            Self::ExpirationBeforeDate => "expiration_before_date",
            Self::SymbolUnknown => "symbol_unknown",
            Self::NoGreek => "no_greek",
        }
    }

    pub fn is_at_a_strike(self) -> bool {
        matches!(self, Self::WrongType | Self::NumberOutOfRange | Self::StrikeNotPositive | Self::NoGreek)
    }
}

/// A fault and the strike it is at; in the flat shape only that strike's line is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spoilt {
    pub fault: Fault,
    pub strike: usize,
    /// How much of a torn line is left, as a fraction of it.
    pub left: f64,
}

/// One value of the snapshot multiplied by `factor`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spike {
    pub strike: usize,
    pub greek: usize,
    pub factor: f64,
}

/// One expiration in one minute.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub minute: usize,
    pub expiration: usize,
    /// The time it is stamped with.
    pub at: DateTime<Utc>,
    /// Multiplies every exposure.
    pub scale: f64,
    pub spike: Option<Spike>,
    /// Strikes that are left out.
    pub hole: Range<usize>,
    pub spoilt: Option<Spoilt>,
}

/// What a document that no instrument is known for says. Well-formed, and nobody's symbol.
const UNKNOWN_SYMBOL: &str = "ZZ.NOBODY";

impl Snapshot {
    /// As it should be.
    pub fn whole(day: &Day, minute: usize, expiration: usize) -> Self {
        Self { minute, expiration, at: day.instant(minute), scale: 1.0, spike: None, hole: 0..0, spoilt: None }
    }

    /// The exposures it says, by strike; those in the hole included.
    pub fn exposures(&self, day: &Day, rows: &mut Vec<Exposures>) {
        day.exposures(self.minute, self.expiration, rows);
        if self.scale != 1.0 {
            for value in rows.as_flattened_mut() {
                *value = scaled(*value, self.scale);
            }
        }
        if let Some(Spike { strike, greek, factor }) = self.spike {
            rows[strike][greek] = scaled(rows[strike][greek], factor);
        }
    }

    /// Appends its lines to `text`; `rows` is room to work in.
    pub fn print(&self, day: &Day, shape: Shape, rows: &mut Vec<Exposures>, text: &mut Vec<u8>) {
        self.exposures(day, rows);
        let start = text.len();
        match shape {
            Shape::Nested => self.print_nested(day, rows, text),
            Shape::Flat => self.print_flat(day, rows, text),
        }
        if let Some(Spoilt { fault: Fault::NotJson, left, .. }) = self.spoilt {
            let kept = ((text.len() - start) as f64 * left) as usize;
            text.truncate(start + kept.max(2));
            text.push(b'\n');
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.spoilt.is_some_and(|spoilt| spoilt.fault == fault)
    }

    fn has_at(&self, fault: Fault, strike: usize) -> bool {
        self.spoilt.is_some_and(|spoilt| spoilt.fault == fault && spoilt.strike == strike)
    }

    fn print_nested(&self, day: &Day, rows: &[Exposures], text: &mut Vec<u8>) {
        self.print_head(day, Shape::Nested, text);
        print(text, format_args!("\"spot\":{:.2},\"strikes\":[", day.spot(self.minute)));
        let mut separator: &[u8] = b"{";
        for (index, row) in rows.iter().enumerate() {
            if self.hole.contains(&index) {
                continue;
            }
            text.extend_from_slice(separator);
            separator = b",{";
            self.print_row(day, index, row, ["\"gamma\":", ",\"vanna\":", ",\"charm\":"], text);
        }
        text.extend_from_slice(b"]}\n");
    }

    fn print_flat(&self, day: &Day, rows: &[Exposures], text: &mut Vec<u8>) {
        let mut head = Vec::with_capacity(96);
        self.print_head(day, Shape::Flat, &mut head);
        for (index, row) in rows.iter().enumerate() {
            if self.hole.contains(&index) || self.spoilt.is_some_and(|spoilt| spoilt.strike != index) {
                continue;
            }
            text.extend_from_slice(&head);
            let names = ["\"gamma_exposure\":", ",\"vanna_exposure\":", ",\"charm_exposure\":"];
            self.print_row(day, index, row, names, text);
            text.push(b'\n');
        }
    }

    /// From the opening brace up to and with the comma after `expiration`.
    fn print_head(&self, day: &Day, shape: Shape, text: &mut Vec<u8>) {
        let local = self.at.with_timezone(&day.zone);
        let symbol = if self.has(Fault::SymbolUnknown) { UNKNOWN_SYMBOL } else { &day.symbol };
        text.extend_from_slice(b"{\"timestamp\":\"");
        match shape {
            _ if self.has(Fault::TimestampWithoutZone) => {
                print(text, format_args!("{}", local.format("%Y-%m-%dT%H:%M:%S")))
            }
            Shape::Nested => print(text, format_args!("{}", local.to_rfc3339_opts(SecondsFormat::Secs, true))),
            Shape::Flat => print(text, format_args!("{}", self.at.to_rfc3339_opts(SecondsFormat::Secs, true))),
        }
        print(text, format_args!("\",\"symbol\":\"{symbol}\","));
        if self.has(Fault::FieldMissing) {
            return;
        }
        let trading_date = day.session.date.naive();
        let expiration = if self.has(Fault::ExpirationBeforeDate) {
            trading_date.checked_sub_days(Days::new(7)).unwrap_or(trading_date)
        } else {
            day.expirations[self.expiration].date
        };
        print(text, format_args!("\"expiration\":\"{expiration}\","));
    }

    /// From `strike` up to and with the closing brace.
    fn print_row(&self, day: &Day, index: usize, row: &Exposures, names: [&str; GREEKS.len()], text: &mut Vec<u8>) {
        let strike = &day.strikes[index].text;
        text.extend_from_slice(b"\"strike\":");
        match () {
            () if self.has_at(Fault::WrongType, index) => print(text, format_args!("\"{strike}\"")),
            () if self.has_at(Fault::StrikeNotPositive, index) => print(text, format_args!("-{strike}")),
            () => text.extend_from_slice(strike.as_bytes()),
        }
        if !self.has_at(Fault::NoGreek, index) {
            text.push(b',');
            let mut digits = itoa::Buffer::new();
            for (name, &value) in names.iter().zip(row) {
                text.extend_from_slice(name.as_bytes());
                text.extend_from_slice(digits.format(value).as_bytes());
            }
            if self.has_at(Fault::NumberOutOfRange, index) {
                let last = digits.format(row[GREEKS.len() - 1]).len();
                text.truncate(text.len() - last);
                text.extend_from_slice(b"1e17");
            }
        }
        text.push(b'}');
    }
}

/// `value · factor`, rounded half to even.
pub fn scaled(value: i64, factor: f64) -> i64 {
    (value as f64 * factor).round_ties_even() as i64
}

fn print(text: &mut Vec<u8>, words: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = text.write_fmt(words);
}
