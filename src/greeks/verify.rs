//! Verification of this room: that minute sums are sums of the rows, day statistics statistics of them, and the year's table
//! what the days say. Called by `pitlake verify`; the rest, from checksums to captures, is [`crate::lake::verify`]'s.

mod sums;
mod years;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::record::{CALCULATION, GREEKS, GREEKS_BY_MINUTE, STRIKES, is_newer};
use crate::lake::layout::PartitionId;
use crate::lake::manifest::{Condition, Content};
use crate::lake::verify::{Code, DayView, Decoded, Finding, Room, Standing, YearView};
use crate::market::Instruments;

/// The checks of this room.
pub struct GreeksRoom {
    pub instruments: Arc<Instruments>,
}

impl Room for GreeksRoom {
    fn day(&self, view: &DayView) -> Vec<Finding> {
        let rows_id = PartitionId::day(GREEKS, &view.symbol, view.date);
        let minutes_id = PartitionId::day(GREEKS_BY_MINUTE, &view.symbol, view.date);
        match (view.partitions.get(GREEKS), view.partitions.get(GREEKS_BY_MINUTE)) {
            (Some(Standing::Whole(rows)), minutes) => {
                let mut findings = self.notes(&rows_id, &rows.content);
                findings.extend(unknown_columns(&rows_id, rows));
                match minutes {
                    Some(Standing::Whole(minutes)) => findings.extend(together(&rows_id, &minutes_id, rows, minutes)),
                    Some(Standing::Damaged) => {}
                    None => {
                        let detail = "the strike level of the day is there and its minute sums are not";
                        findings.push(Finding::new(Code::PartitionMissing, minutes_id.data_key(), detail));
                    }
                }
                findings
            }
            (None, Some(Standing::Whole(_))) => {
                let detail = "the minute sums of the day are there and its strike level is not";
                vec![Finding::new(Code::RollupAhead, minutes_id.data_key(), detail)]
            }
            _ => Vec::new(),
        }
    }

    fn year(&self, view: &YearView) -> Vec<Finding> {
        years::check(view)
    }
}

impl GreeksRoom {
    fn notes(&self, id: &PartitionId, content: &Content) -> Vec<Finding> {
        let mut notes = Vec::new();
        let mut note = |code, detail: String| notes.push(Finding::new(code, id.manifest_key(), detail));
        match content.condition {
            Condition::Pending => note(Code::Pending, "it was made while the session was open".to_owned()),
            Condition::Degraded => {
                let reasons = content.reasons.iter().filter(|reason| reason.degrades);
                let reasons: Vec<String> =
                    reasons.map(|reason| format!("{} ({})", reason.code, reason.count)).collect();
                note(Code::Degraded, reasons.join(", "));
            }
            Condition::Available | Condition::Missing | Condition::Closed => {}
        }
        let made = &content.calculation;
        match self.instruments.get(&content.symbol) {
            None => note(Code::SettingsChanged, format!("{} is no instrument of this lake any more", content.symbol)),
            // Told with its columns.
            Some(_) if is_newer(&made.version) => {}
            Some(instrument) if instrument.settings_fingerprint() != made.settings || made.version != CALCULATION => {
                let detail = format!("it was made by {} with settings that are not today's", made.version);
                note(Code::SettingsChanged, detail);
            }
            Some(_) => {}
        }
        notes
    }
}

/// What a later version of pitlake put into the day that this one does not know.
fn unknown_columns(id: &PartitionId, rows: &Decoded) -> Option<Finding> {
    let known = (STRIKES.schema)();
    let schema = rows.batches.first().map(|batch| batch.schema());
    let names: Vec<String> = schema
        .iter()
        .flat_map(|schema| schema.fields())
        .filter(|field| known.index_of(field.name()).is_err())
        .map(|field| field.name().clone())
        .collect();
    let version = &rows.content.calculation.version;
    (is_newer(version) || !names.is_empty()).then(|| {
        let columns =
            if names.is_empty() { "the columns that this version knows".to_owned() } else { names.join(", ") };
        let detail = format!("it was made by {version} and has {columns}; this version is {CALCULATION}");
        Finding::new(Code::Newer, id.data_key(), detail)
    })
}

/// Checks the two partitions of a day against each other.
fn together(rows_id: &PartitionId, minutes_id: &PartitionId, rows: &Decoded, minutes: &Decoded) -> Vec<Finding> {
    let (of_rows, of_minutes) = (&rows.content, &minutes.content);
    if of_rows.captures != of_minutes.captures || of_rows.calculation != of_minutes.calculation {
        let detail = "minute sums and strike level were not made from the same captures by the same calculation";
        return vec![Finding::new(Code::RollupAhead, minutes_id.data_key(), detail)];
    }
    let mut findings = Vec::new();
    let counts = &of_rows.counts;
    if counts.rows_in != of_rows.rows + counts.duplicates {
        let detail = format!(
            "{} rows in are not {} rows out and {} duplicates",
            counts.rows_in, of_rows.rows, counts.duplicates
        );
        findings.push(Finding::new(Code::CountsDiffer, rows_id.manifest_key(), detail));
    }
    if of_minutes.counts != *counts {
        let detail = "the counts of the minute sums are not those of the strike level";
        findings.push(Finding::new(Code::CountsDiffer, minutes_id.manifest_key(), detail));
    }
    let read = || Ok::<_, crate::Error>((sums::of_rows(&rows.batches)?, sums::stored(&minutes.batches)?));
    match read() {
        Err(error) => findings.push(Finding::new(Code::RollupDiffers, minutes_id.data_key(), error.detail())),
        Ok((summed, stored)) => match sums::difference(&sums::counted(of_rows, &summed), &stored) {
            Some(detail) => findings.push(Finding::new(Code::RollupDiffers, minutes_id.data_key(), detail)),
            // Statistics of sums that are wrong would only say so again.
            None => findings.extend(sums::check_day(rows_id, of_rows, &summed, &stored, &rows.batches)),
        },
    }
    findings
}
