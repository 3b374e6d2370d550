//! Which column is what: by the names that sources use, or as the user says.

use std::str::FromStr;

use crate::bars::reading::VolumeKind;
use crate::{Error, Result};

/// What a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Timestamp,
    Date,
    Time,
    Open,
    High,
    Low,
    Close,
    Volume,
    /// Length of the bar.
    Minutes,
    /// Held to be the same in all rows.
    Symbol,
}

impl Role {
    pub const COUNT: usize = 10;
    const ALL: [Self; Self::COUNT] = [
        Self::Timestamp,
        Self::Date,
        Self::Time,
        Self::Open,
        Self::High,
        Self::Low,
        Self::Close,
        Self::Volume,
        Self::Minutes,
        Self::Symbol,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Time => "time",
            Self::Open => "open",
            Self::High => "high",
            Self::Low => "low",
            Self::Close => "close",
            Self::Volume => "volume",
            Self::Minutes => "minutes",
            Self::Symbol => "symbol",
        }
    }

    /// The names that sources use, in small letters with `_` for spaces.
    fn usual(self) -> &'static [&'static str] {
        match self {
            Self::Timestamp => &[
                "timestamp",
                "datetime",
                "date_time",
                "timestamp_utc",
                "datetime_utc",
                "open_time",
                "start_time",
                "bar_time",
                "ts",
                "ts_event",
                "unix",
                "unix_time",
                "epoch",
                "t",
                "__index_level_0__",
            ],
            Self::Date => &["date", "day"],
            Self::Time => &["time"],
            Self::Open => &["open", "o", "open_price"],
            Self::High => &["high", "h", "high_price"],
            Self::Low => &["low", "l", "low_price"],
            Self::Close => &["close", "c", "last", "close_price"],
            Self::Volume => &["volume", "vol", "v", "total_volume"],
            Self::Minutes => &["minutes"],
            Self::Symbol => &["symbol", "ticker"],
        }
    }
}

/// A column as the user names it: `timestamp=Date` or, counting from 1, `timestamp=3`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Name(String),
    Number(usize),
}

/// The columns that the user names; empty when they are to be found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named(Vec<(Role, Place)>);

impl FromStr for Named {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut named = Vec::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let wrong = || {
                let roles: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
                Error::invalid(format!(
                    "{part:?} names no column: write timestamp=NAME,open=NAME,… or numbers from 1; what can be named is {}",
                    roles.join(", ")
                ))
            };
            let (role, place) = part.split_once('=').ok_or_else(wrong)?;
            let role = role.trim().to_ascii_lowercase();
            let role = Role::ALL.into_iter().find(|known| known.name() == role).ok_or_else(wrong)?;
            let place = place.trim();
            if place.is_empty() || place == "0" || named.iter().any(|(known, _)| *known == role) {
                return Err(wrong());
            }
            named.push((role, place.parse().map_or_else(|_| Place::Name(place.to_owned()), Place::Number)));
        }
        Ok(Self(named))
    }
}

impl Named {
    /// Whether columns are named by number, so that the file may be without a header.
    pub fn by_number(&self) -> bool {
        self.0.iter().any(|(_, place)| matches!(place, Place::Number(_)))
    }

    /// The place of a column that was given a number, from 0.
    pub fn number_of(&self, role: Role) -> Option<usize> {
        self.0.iter().find_map(|(known, place)| match place {
            Place::Number(number) if *known == role => Some(number - 1),
            _ => None,
        })
    }
}

/// The place of each role among a file's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    at: [Option<usize>; Role::COUNT],
}

impl Columns {
    /// Finds the columns by the header, or by number in a file without one (`header` then names nothing).
    ///
    /// # Errors
    /// `Invalid` that says which column is missing or there twice, and how to name it.
    pub fn find(header: &[&str], named: &Named, volume: VolumeKind) -> Result<Self> {
        let mut at = [None; Role::COUNT];
        for (role, place) in &named.0 {
            at[*role as usize] = Some(match place {
                Place::Number(number) if *number <= header.len() => number - 1,
                Place::Number(number) => {
                    return Err(Error::invalid(format!(
                        "--columns {}={number}: there are only {} columns",
                        role.name(),
                        header.len()
                    )));
                }
                Place::Name(name) => exactly(header, name).ok_or_else(|| {
                    Error::invalid(format!(
                        "--columns {}={name}: there is no such column among {}",
                        role.name(),
                        list(header)
                    ))
                })?,
            });
        }
        let names: Vec<String> = header.iter().map(|name| usual_form(name)).collect();
        // Times that were named stand for all of the time.
        let time_named = [Role::Timestamp, Role::Date, Role::Time].iter().any(|role| at[*role as usize].is_some());
        for role in Role::ALL {
            let is_time = matches!(role, Role::Timestamp | Role::Date | Role::Time);
            if at[role as usize].is_none() && !(is_time && time_named) {
                at[role as usize] = found(&names, role, header)?;
            }
        }
        let columns = Self { at }.with_one_time();
        columns.complete(header, volume)?;
        Ok(columns)
    }

    /// A time that stands alone is the timestamp, whatever its name; beside a timestamp, date and time are told twice.
    fn with_one_time(mut self) -> Self {
        let [timestamp, date, time] = [Role::Timestamp, Role::Date, Role::Time].map(|role| self.at[role as usize]);
        let (timestamp, date, time) = match (timestamp, date, time) {
            (None, Some(date), Some(time)) => (None, Some(date), Some(time)),
            (timestamp, date, time) => (timestamp.or(date).or(time), None, None),
        };
        self.at[Role::Timestamp as usize] = timestamp;
        self.at[Role::Date as usize] = date;
        self.at[Role::Time as usize] = time;
        self
    }

    fn complete(&self, header: &[&str], volume: VolumeKind) -> Result<()> {
        let has = |role: Role| self.at[role as usize].is_some();
        let mut missing = Vec::new();
        if !has(Role::Timestamp) && !has(Role::Date) {
            missing.push("timestamp");
        }
        let prices = [Role::Open, Role::High, Role::Low, Role::Close].into_iter();
        missing.extend(prices.filter(|role| !has(*role)).map(Role::name));
        if volume != VolumeKind::None && !has(Role::Volume) {
            missing.push("volume");
        }
        if missing.is_empty() {
            return Ok(());
        }
        let without = if missing == ["volume"] { ", or --volume none when the source has none" } else { "" };
        Err(Error::invalid(format!(
            "no column is known as {}; there are {}. Name them: --columns {}=NAME (or a number, counting from 1){without}",
            missing.join(", "),
            list(header),
            missing[0]
        )))
    }

    pub fn has(&self) -> [bool; Role::COUNT] {
        self.at.map(|at| at.is_some())
    }

    /// Which column each role has.
    pub fn places(&self) -> [Option<usize>; Role::COUNT] {
        self.at
    }
}

fn exactly(header: &[&str], name: &str) -> Option<usize> {
    let same = |form: fn(&str) -> String| header.iter().position(|column| form(column) == form(name));
    same(|name| name.trim().to_owned()).or_else(|| same(usual_form))
}

fn found(names: &[String], role: Role, header: &[&str]) -> Result<Option<usize>> {
    let all: Vec<usize> = (0..names.len()).filter(|at| role.usual().contains(&names[*at].as_str())).collect();
    match all[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        [..] => {
            let both: Vec<&str> = all.iter().map(|at| header[*at].trim()).collect();
            Err(Error::invalid(format!(
                "more than one column could be the {}: {}. Say which: --columns {}={}",
                role.name(),
                both.join(", "),
                role.name(),
                both[0]
            )))
        }
    }
}

/// `<DATE>`, ` Date Time` and `"Close"` without what is around them.
fn usual_form(name: &str) -> String {
    let bare = name.trim().trim_matches(|c| ['<', '>', '"', '\'', '\u{feff}'].contains(&c)).trim();
    bare.to_ascii_lowercase().replace([' ', '/', '-'], "_")
}

fn list(header: &[&str]) -> String {
    let shown: Vec<String> = header.iter().take(20).map(|name| format!("'{}'", name.trim())).collect();
    format!("{}{}", shown.join(", "), if header.len() > 20 { ", …" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(header: &str, named: &str) -> Result<Vec<Option<usize>>> {
        let header: Vec<&str> = header.split(',').collect();
        let columns = Columns::find(&header, &named.parse()?, VolumeKind::Bar)?;
        Ok(columns.places()[..8].to_vec())
    }

    #[test]
    fn columns_are_found_by_the_names_that_sources_use() {
        let one_time =
            |at: [usize; 6]| [Some(at[0]), None, None, Some(at[1]), Some(at[2]), Some(at[3]), Some(at[4]), Some(at[5])];
        for (header, at) in [
            ("timestamp,open,high,low,close,volume", [0, 1, 2, 3, 4, 5]),
            ("symbol,datetime,Open,High,Low,Close,Volume", [1, 2, 3, 4, 5, 6]),
            ("Date,Open,High,Low,Close,Adj Close,Volume", [0, 1, 2, 3, 4, 6]),
            ("v,c,l,h,o,t", [5, 4, 3, 2, 1, 0]),
            ("time,open,high,low,close,vol", [0, 1, 2, 3, 4, 5]),
            (",Date Time, Open, High, Low, Last, Volume", [1, 2, 3, 4, 5, 6]),
            ("date,timestamp,open,high,low,close,volume", [1, 2, 3, 4, 5, 6]),
        ] {
            assert_eq!(places(header, "").unwrap(), one_time(at), "{header}");
        }
        let pair = [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(5), Some(6)];
        assert_eq!(places("<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>", "").unwrap(), pair);
        assert_eq!(
            places("a,b,c,d,e,f", "timestamp=1,open=2,high=3,low=4,close=e,volume=6").unwrap(),
            one_time([0, 1, 2, 3, 4, 5])
        );
        assert_eq!(places("date,when,o,h,l,c,v", "timestamp=When").unwrap(), one_time([1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn what_is_missing_or_unclear_is_asked_for() {
        for (header, named, told) in [
            ("when,open,high,low,close,volume", "", "--columns timestamp=NAME"),
            ("date,open,high,low,close", "", "--volume none"),
            ("timestamp,datetime,open,high,low,close,volume", "", "timestamp, datetime"),
            ("date,o,open,h,l,c,v", "", "--columns open=o"),
            ("date,open,high,low,close,volume", "open=7", "only 6 columns"),
            ("date,open,high,low,close,volume", "open=first", "no such column"),
            ("date,open,high,low,close,volume", "price=1", "what can be named"),
            ("date,open,high,low,close,volume", "open=0", "names no column"),
            ("date,open,high,low,close,volume", "open=1,open=2", "names no column"),
        ] {
            let error = places(header, named).unwrap_err();
            assert!(error.detail().contains(told), "{header} {named}: {error}");
        }
    }
}
