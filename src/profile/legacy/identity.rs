//! Whose session a record is: instrument, date and hours, from the record, what is around it, its file's name. Pure.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::code::{Code, Finding};
use super::date_spelling;
use super::path_names::{PathDate, PathNames};
use super::pieces::Around;
use super::read::Read;
use super::value::{self, shown};
use crate::market::{AssetClass, Instrument, Instruments, Session, SessionKind, TradingDate};

/// As far as it could be told; all three are there unless the record is rejected.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    pub instrument: Option<Arc<Instrument>>,
    pub date: Option<TradingDate>,
    /// By the calendar.
    pub session: Option<Session>,
}

impl Identity {
    /// What two records of the same session have in common.
    pub fn key(&self) -> Option<(&str, TradingDate, SessionKind)> {
        let session = self.session?;
        Some((self.instrument.as_ref()?.symbol.as_str(), session.date, session.kind))
    }
}

/// Tells whose session `read` is, as of `now`.
pub fn identify(
    read: &Read,
    around: &Around,
    path: &PathNames,
    instruments: &Instruments,
    now: DateTime<Utc>,
) -> (Identity, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut identity = Identity {
        instrument: instrument(read, around, path, instruments, &mut findings),
        date: date(read, around, path, &mut findings),
        session: None,
    };
    if let (Some(instrument), Some(date)) = (&identity.instrument, identity.date) {
        let said = around.session.as_deref().and_then(value::session).map(|word| word.value);
        let kind = read.record.session.or(said).unwrap_or(instrument.default_session);
        identity.session = instrument.session_of_kind(date, kind);
        match identity.session {
            None => findings.push(Finding::new(Code::ClosedDay, "date", closed(instrument, date, kind))),
            Some(session) if session.open > now => {
                findings.push(Finding::new(Code::FutureDate, "date", format!("{date} opens at {}", session.open)));
            }
            Some(_) => {}
        }
    }
    (identity, findings)
}

fn closed(instrument: &Instrument, date: TradingDate, kind: SessionKind) -> String {
    if instrument.hours(kind).is_none() {
        return format!("{} has no {kind} session", instrument.symbol);
    }
    let weekday = date.naive().format("%A");
    match instrument.closed_because(date) {
        Some(why) => format!("{date} is a {weekday}: {why}"),
        None => format!("{date} ({weekday}) has no {kind} session"),
    }
}

fn instrument(
    read: &Read,
    around: &Around,
    path: &PathNames,
    instruments: &Instruments,
    findings: &mut Vec<Finding>,
) -> Option<Arc<Instrument>> {
    let from_path = path.words.iter().find_map(|word| resolve(instruments, word));
    let from_keys = around.keys.iter().rev().find_map(|key| resolve(instruments, key));
    let said = read.record.symbol.as_deref().or(around.symbol.as_deref());
    let Some(said) = said else {
        let Some((found, _)) = from_keys.or(from_path) else {
            findings.push(Finding::new(Code::NoSymbol, "symbol", ""));
            return None;
        };
        findings.push(Finding::new(Code::TakenFromAround, "symbol", found.symbol.to_string()));
        return Some(found);
    };
    let Some((found, exact)) = resolve(instruments, said) else {
        findings.push(Finding::new(Code::UnknownSymbol, "symbol", shown(said)));
        return None;
    };
    if !exact {
        findings.push(Finding::new(Code::SymbolSpelling, "symbol", format!("{} for {}", shown(said), found.symbol)));
    }
    if read.record.symbol.is_none() {
        findings.push(Finding::new(Code::TakenFromAround, "symbol", found.symbol.to_string()));
    }
    for (other, whose) in [(from_path, "the path"), (from_keys, "the key")] {
        if let Some((other, _)) = other.filter(|(other, _)| other.symbol != found.symbol) {
            let evidence = format!("{whose} says {}, the record {}", other.symbol, found.symbol);
            findings.push(Finding::new(Code::FileSymbolDiffers, "symbol", evidence));
            break;
        }
    }
    Some(found)
}

/// The instrument of a name in any spelling, and whether it is the name itself.
pub fn resolve(instruments: &Instruments, name: &str) -> Option<(Arc<Instrument>, bool)> {
    if name.len() > 40 {
        return None;
    }
    if let Some(found) = instruments.resolve(name) {
        return Some((found.clone(), found.symbol.as_str() == name));
    }
    let upper = name.trim().to_ascii_uppercase();
    let plain = upper.trim_start_matches(['/', '$', '^', '@', '#']);
    let plain = ["1!", "=F", ".C.0", "#F"].iter().find_map(|ending| plain.strip_suffix(ending)).unwrap_or(plain);
    if let Some(found) = instruments.resolve(&upper).or_else(|| instruments.resolve(plain)) {
        return Some((found.clone(), false));
    }
    // NQH5, NQH25, NQH2025: a contract of the future.
    let root = plain.trim_end_matches(|last: char| last.is_ascii_digit());
    let year = plain.len() - root.len();
    let root = root.strip_suffix(['F', 'G', 'H', 'J', 'K', 'M', 'N', 'Q', 'U', 'V', 'X', 'Z'])?;
    let found = instruments.resolve(root).filter(|found| found.asset_class == AssetClass::Future)?;
    matches!(year, 1 | 2 | 4).then(|| (found.clone(), false))
}

fn date(read: &Read, around: &Around, path: &PathNames, findings: &mut Vec<Finding>) -> Option<TradingDate> {
    if let Some(written) = &read.bad_date {
        findings.push(Finding::new(Code::BadDate, "date", written.clone()));
        return None;
    }
    let from_key = around.keys.iter().rev().find_map(|key| date_spelling::date(key)).map(|date| date.value);
    let Some(date) = read.record.date else {
        let said = around.date.as_deref().map(date_spelling::date);
        if let (Some(None), None) = (said, from_key) {
            findings.push(Finding::new(Code::BadDate, "date", around.date.as_deref().map(shown).unwrap_or_default()));
            return None;
        }
        let from_path = match path.date {
            Some(PathDate::Day(day)) => Some(day),
            _ => None,
        };
        let taken = from_key.or(said.flatten().map(|date| date.value)).or(from_path);
        findings.push(match taken {
            Some(date) => Finding::new(Code::TakenFromAround, "date", date.to_string()),
            None => Finding::new(Code::NoDate, "date", ""),
        });
        return taken;
    };
    if let Some(key) = from_key.filter(|key| *key != date) {
        let evidence = format!("the key says {key}, the record {date}");
        findings.push(Finding::new(Code::FileDateDiffers, "date", evidence));
    } else if let Some(other) = path.date.filter(|said| !said.holds(date)) {
        let other = match other {
            PathDate::Day(day) => day.to_string(),
            PathDate::Month(year, month) => format!("{year}-{month:02}"),
            PathDate::Year(year) => year.to_string(),
        };
        let evidence = format!("the path says {other}, the record {date}");
        findings.push(Finding::new(Code::FileDateDiffers, "date", evidence));
    }
    Some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_found_in_every_spelling() {
        let instruments = Instruments::builtin();
        for (name, symbol, exact) in [
            ("NQ", "NQ", true),
            ("nq", "NQ", false),
            ("NQ=F", "NQ", false),
            ("/nq", "NQ", false),
            ("NQ1!", "NQ", false),
            ("NQH5", "NQ", false),
            ("ESZ2024", "ES", false),
            (" aapl ", "AAPL", false),
        ] {
            let (found, is_exact) = resolve(&instruments, name).unwrap();
            assert_eq!((found.symbol.as_str(), is_exact), (symbol, exact), "{name}");
        }
        for name in ["", "NQH", "AAPLH5", "XYZZY", "NQ2025", "data"] {
            assert!(resolve(&instruments, name).is_none(), "{name}");
        }
    }
}
