//! One entry of an instrument table, from TOML text to an [`Instrument`]. [`crate::market::instruments`] merges tables
//! first and hands whole entries here; an error names the field, the caller adds file and symbol.

use chrono_tz::Tz;
use toml::{Table, Value};

use crate::market::session::minute_of_day;
use crate::market::{AssetClass, CalendarId, Decimal, Instrument, SessionHours, SessionKind, Symbol};
use crate::{Error, Result};

/// The fields of an entry, in the order in which the built-in table writes them.
pub(super) const FIELDS: [&str; 13] = [
    "name",
    "asset_class",
    "tick_size",
    "tick_value_usd",
    "row_ticks",
    "tpo_period_minutes",
    "option_multiplier",
    "time_zone",
    "calendar",
    "sessions",
    "default_session",
    "week_open",
    "aliases",
];

/// Reads one whole entry. Fails with `Invalid` naming the field that is wrong, missing or unknown.
pub(super) fn instrument(symbol: Symbol, entry: &Table) -> Result<Instrument> {
    if let Some(unknown) = entry.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(Error::invalid(format!("unknown field {unknown:?}; the fields are {}", FIELDS.join(", "))));
    }
    let hours = in_field("sessions", session_hours(entry))?;
    let default_session = in_field("default_session", default_session(entry, &hours))?;
    let time_zone: Tz = in_field(
        "time_zone",
        text(entry, "time_zone").and_then(|name| {
            name.parse().map_err(|_| invalid(format!("{name:?} is not an IANA time zone such as \"America/New_York\"")))
        }),
    )?;
    let calendar: CalendarId = in_field("calendar", text(entry, "calendar").and_then(str::parse))?;
    if let Some(zone) = calendar.time_zone().filter(|&zone| zone != time_zone) {
        return Err(invalid(format!("calendar: \"{calendar}\" is kept in {zone}, so time_zone must be \"{zone}\"")));
    }
    let week_open_minute = in_field("week_open", week_open(entry, &hours))?;
    in_field("sessions", refuse_overlap(&hours, week_open_minute))?;
    Ok(Instrument {
        symbol,
        name: in_field("name", text(entry, "name"))?.to_owned(),
        asset_class: in_field("asset_class", asset_class(entry))?,
        tick_size: in_field("tick_size", positive_decimal(entry, "tick_size"))?,
        tick_value_usd: match entry.get("tick_value_usd") {
            None => None,
            Some(_) => Some(in_field("tick_value_usd", positive_decimal(entry, "tick_value_usd"))?),
        },
        row_ticks: in_field("row_ticks", count(entry, "row_ticks", 1, 1_000_000))?,
        tpo_period_minutes: in_field("tpo_period_minutes", count(entry, "tpo_period_minutes", 1, 1440))?,
        option_multiplier: in_field("option_multiplier", multiplier(entry))?,
        time_zone,
        calendar,
        default_session,
        aliases: in_field("aliases", aliases(entry))?,
        hours,
        week_open_minute,
    })
}

fn invalid(detail: impl Into<String>) -> Error {
    Error::invalid(detail)
}

fn in_field<T>(field: &str, result: Result<T>) -> Result<T> {
    result.map_err(|error| error.while_doing(field))
}

fn required<'a>(entry: &'a Table, field: &str) -> Result<&'a Value> {
    entry.get(field).ok_or_else(|| invalid("is missing; a new symbol needs it"))
}

fn text<'a>(entry: &'a Table, field: &str) -> Result<&'a str> {
    let value = required(entry, field)?;
    match value.as_str() {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(invalid(format!("must be a text in quotes, not {value}"))),
    }
}

fn count(entry: &Table, field: &str, least: u32, most: u32) -> Result<u32> {
    let value = required(entry, field)?;
    value
        .as_integer()
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| invalid(format!("must be a whole number from {least} to {most}, not {value}")))
}

fn positive_decimal(entry: &Table, field: &str) -> Result<Decimal> {
    let value = required(entry, field)?;
    let Some(text) = value.as_str() else {
        // A TOML float has already lost the digits that were written.
        return Err(invalid(format!("must be a decimal in quotes such as \"0.25\", not {value}")));
    };
    let number: Decimal = text.parse()?;
    if number.is_positive() { Ok(number) } else { Err(invalid(format!("must be above zero, not {text}"))) }
}

fn multiplier(entry: &Table) -> Result<f64> {
    let value = required(entry, "option_multiplier")?;
    let number = value.as_float().or_else(|| value.as_integer().and_then(|n| i32::try_from(n).ok()).map(f64::from));
    number
        .filter(|number| number.is_finite() && *number > 0.0 && *number <= 1e9)
        .ok_or_else(|| invalid(format!("must be a number above zero, at most 1e9, not {value}")))
}

fn asset_class(entry: &Table) -> Result<AssetClass> {
    let name = text(entry, "asset_class")?;
    AssetClass::ALL
        .into_iter()
        .find(|class| class.as_str() == name)
        .ok_or_else(|| invalid(format!("{name:?} is none of etf, stock, index, future, crypto")))
}

fn session_hours(entry: &Table) -> Result<[Option<SessionHours>; 3]> {
    let value = required(entry, "sessions")?;
    let table = value.as_table().ok_or_else(|| invalid("must be a table such as { rth = \"09:30-16:00\" }"))?;
    let mut hours = [None; 3];
    for (name, value) in table {
        let kind: SessionKind = name.parse()?;
        let text = value.as_str().ok_or_else(|| invalid(format!("{name} must be hours such as \"09:30-16:00\"")))?;
        hours[kind as usize] = Some(text.parse().map_err(|error: Error| error.while_doing(name))?);
    }
    Ok(hours)
}

fn default_session(entry: &Table, hours: &[Option<SessionHours>; 3]) -> Result<SessionKind> {
    let kind: SessionKind = text(entry, "default_session")?.parse()?;
    if hours[kind as usize].is_none() {
        return Err(invalid(format!("\"{kind}\" has no hours in sessions")));
    }
    Ok(kind)
}

fn week_open(entry: &Table, hours: &[Option<SessionHours>; 3]) -> Result<Option<i16>> {
    let Some(value) = entry.get("week_open") else { return Ok(None) };
    if hours.iter().flatten().all(|hours| hours.open_minute() >= 0) {
        return Err(invalid("means nothing without a session that opens on the evening before"));
    }
    let minute = value.as_str().and_then(minute_of_day).filter(|&minute| (720..1440).contains(&minute));
    match minute {
        Some(minute) => Ok(Some(minute - 1440)),
        None => Err(invalid(format!("must be a time of the evening before such as \"18:00\", not {value}"))),
    }
}

/// A row belongs to one date, so a date may not open before the one before it has closed.
fn refuse_overlap(hours: &[Option<SessionHours>; 3], week_open_minute: Option<i16>) -> Result<()> {
    let opens = hours.iter().flatten().map(|hours| hours.open_minute()).chain(week_open_minute);
    let closes = hours.iter().flatten().map(|hours| hours.close_minute());
    match (opens.min(), closes.max()) {
        (Some(open), Some(close)) if close > open + 1440 => {
            Err(invalid("the close of one date is after the evening opening of the next; let it close before"))
        }
        _ => Ok(()),
    }
}

fn aliases(entry: &Table) -> Result<Vec<String>> {
    let Some(value) = entry.get("aliases") else { return Ok(Vec::new()) };
    let list = value.as_array().ok_or_else(|| invalid(format!("must be a list of texts, not {value}")))?;
    list.iter()
        .map(|alias| match alias.as_str() {
            Some(text) if (1..=32).contains(&text.len()) && text.bytes().all(|b| (b' '..=b'~').contains(&b)) => {
                Ok(text.to_owned())
            }
            _ => Err(invalid(format!("{alias} must be a text of 1 to 32 plain characters"))),
        })
        .collect()
}
