//! A file whose rows the lake may hold already: read otherwise, or the same and contradicted since. Says so in the captures that the file
//! makes, so that compaction need not guess. Called by ingest; never takes away what is stored.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::capture::document::fields_and_reading;
use super::capture::statement::Statement;
use super::held::{Fetched, Held};
use super::ingest::Said;
use super::reading::Reading;
use crate::Result;
use crate::lake::journal::Writer;
use crate::market::{Instrument, TradingDate};

/// A capture of which so many rows in a hundred are in the file is that file.
const THE_SAME_FILE_PERCENT: usize = 90;

/// Adds statements to what `writer` holds of the file, and marks what need not be stored; gives what to tell the user.
///
/// # Errors
/// `Corrupt` when a capture is damaged, `Unavailable` when the temporary folder cannot be used.
pub(super) fn settle(
    said: &Said,
    fetched: &Fetched,
    instrument: &Instrument,
    received_at: DateTime<Utc>,
    writer: &mut Writer,
) -> Result<Vec<String>> {
    let rows: HashMap<&[u8], Reading> = said.rows().collect();
    let symbol = &instrument.symbol;
    let mut told: BTreeMap<String, BTreeSet<TradingDate>> = BTreeMap::new();
    for (&date, captures) in fetched {
        let held = captures.iter().map(|(id, bytes)| Held::read(id, bytes)).collect::<Result<Vec<_>>>()?;
        let withdrawn: BTreeSet<&str> =
            held.iter().flat_map(|held| held.withdraws.iter().map(String::as_str)).collect();
        let plain = writer.id(symbol, date);
        let counts: Vec<&Held> = held.iter().filter(|held| !withdrawn.contains(held.id.as_str())).collect();
        let mut statements = Vec::new();
        for held in &counts {
            if let Some(reading) = read_otherwise(held, &rows, instrument) {
                statements.push(Statement::Withdraws(held.id.clone()));
                told.entry(spelled(&reading)).or_default().insert(date);
            }
        }
        if let Some(plain) = plain {
            let is_same = |held: &&Held| held.plain == plain;
            let same = counts.iter().copied().filter(is_same).max_by_key(|held| held.received);
            let stands = same.is_some_and(|same| !is_contradicted(same, &counts, instrument));
            if stands && statements.is_empty() {
                writer.is_held(symbol, date);
            } else if !stands && (held.iter().any(|held| is_same(&held)) || withdrawn.contains(plain.as_str())) {
                let newest = held.iter().max_by_key(|held| (held.received, &held.id));
                statements.extend(newest.map(|newest| Statement::Again(newest.id.clone())));
            }
        }
        for statement in statements {
            writer.statement(symbol, date, received_at, &statement.print())?;
        }
    }
    Ok(told.into_iter().map(|(reading, dates)| sentence(&reading, &dates)).collect())
}

/// The reading that a capture had, when it is this file read otherwise.
fn read_otherwise(held: &Held, rows: &HashMap<&[u8], Reading>, instrument: &Instrument) -> Option<Reading> {
    let mut other = None;
    let mut count = 0;
    for document in &held.documents {
        let Some((fields, reading)) = fields_and_reading(document, &instrument.symbol) else { continue };
        let Some(here) = rows.get(fields) else { continue };
        let reading: Reading = serde_json::from_slice(reading).ok()?;
        if reading != *here {
            count += 1;
            other = Some(reading);
        }
    }
    other.filter(|_| count * 100 >= held.documents.len() * THE_SAME_FILE_PERCENT)
}

/// Whether a capture that was received after `same`, and counts, says something else of one of its bars.
fn is_contradicted(same: &Held, counts: &[&Held], instrument: &Instrument) -> bool {
    let later: Vec<&&Held> =
        counts.iter().filter(|held| held.id != same.id && held.received >= same.received).collect();
    if later.is_empty() {
        return false;
    }
    // Of one minute in one capture the last row counts.
    let bars: HashMap<(i64, u16), _> =
        same.bars(instrument).into_iter().map(|bar| ((bar.start_minute, bar.reading.minutes), bar)).collect();
    later.into_iter().flat_map(|held| held.bars(instrument)).any(|bar| {
        bars.get(&(bar.start_minute, bar.reading.minutes))
            .is_some_and(|own| own.values != bar.values || own.reading.volume != bar.reading.volume)
    })
}

fn spelled(reading: &Reading) -> String {
    let zone = reading.zone.map_or("with their own zone", |zone| zone.name());
    format!("times {zone}, stamp {}, volume {}, {} minutes", reading.stamp, reading.volume, reading.minutes)
}

fn sentence(reading: &str, dates: &BTreeSet<TradingDate>) -> String {
    let (first, last) = (dates.first(), dates.last());
    let span = match (first, last) {
        (Some(first), Some(last)) if first != last => format!("{} dates from {first} to {last}", dates.len()),
        (Some(first), _) => first.to_string(),
        _ => String::new(),
    };
    format!("it was ingested before with another reading ({reading}), which is withdrawn on {span}: compact to see it")
}
