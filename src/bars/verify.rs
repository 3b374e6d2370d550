//! Verification of this room: that a day's rows are bars, each start once and in order, on their date, and that the record counts
//! them. Called by `pitlake verify`; the rest, from checksums to captures, is [`crate::lake::verify`]'s.

use std::sync::Arc;

use super::record::{BAR_ROWS, BARS, BarRow, CALCULATION, is_newer, rows};
use super::stored;
use crate::lake::layout::PartitionId;
use crate::lake::manifest::{Condition, Content};
use crate::lake::verify::{Code, DayView, Decoded, Finding, Room, Standing, YearView};
use crate::market::{Instrument, Instruments};

/// The checks of this room.
pub struct BarsRoom {
    pub instruments: Arc<Instruments>,
}

impl Room for BarsRoom {
    fn day(&self, view: &DayView) -> Vec<Finding> {
        let Some(Standing::Whole(day)) = view.partitions.get(BARS) else { return Vec::new() };
        let id = PartitionId::day(BARS, &view.symbol, view.date);
        let mut findings = self.notes(&id, &day.content);
        findings.extend(unknown_columns(&id, day));
        findings.extend(self.check(&id, day));
        findings
    }

    fn year(&self, _: &YearView) -> Vec<Finding> {
        Vec::new()
    }
}

impl BarsRoom {
    fn notes(&self, id: &PartitionId, content: &Content) -> Vec<Finding> {
        let mut notes = Vec::new();
        let mut note = |code, detail: String| notes.push(Finding::new(code, id.manifest_key(), detail));
        match content.condition {
            Condition::Pending => note(Code::Pending, "it was made while a session of the date was open".to_owned()),
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

    fn check(&self, id: &PartitionId, day: &Decoded) -> Vec<Finding> {
        let content = &day.content;
        let mut findings = Vec::new();
        let mut found = |key: String, detail: String| findings.push(Finding::new(Code::CountsDiffer, key, detail));
        let read: crate::Result<Vec<Vec<BarRow>>> = day.batches.iter().map(rows).collect();
        let rows = match read {
            Ok(rows) => rows.concat(),
            Err(error) => {
                found(id.data_key(), error.detail().to_owned());
                return findings;
            }
        };
        let counts = &content.counts;
        if counts.rows_in != content.rows + counts.duplicates || content.rows != rows.len() as u64 {
            found(
                id.manifest_key(),
                format!(
                    "{} rows in are not {} rows out and {} that others stand for; the file has {}",
                    counts.rows_in,
                    content.rows,
                    counts.duplicates,
                    rows.len()
                ),
            );
        }
        let wrong = first_wrong(&rows).or_else(|| {
            let instrument = self.instruments.get(&content.symbol)?;
            (instrument.settings_fingerprint() == content.calculation.settings)
                .then(|| off_date(&rows, instrument, id))?
        });
        if let Some(detail) = wrong {
            found(id.data_key(), detail);
        }
        findings
    }
}

/// The first row that is no bar, or that is not after the one before it.
fn first_wrong(rows: &[BarRow]) -> Option<String> {
    let told = |at: usize, what: &str| Some(format!("row {} {what}", at + 1));
    for (at, row) in rows.iter().enumerate() {
        let within = |price: f64| row.low <= price && price <= row.high;
        if !(within(row.open) && within(row.close)) {
            return told(at, "has an open or a close beyond its high and low");
        }
        if !(row.volume >= 0.0 && row.volume.is_finite() && (1..=60).contains(&row.minutes)) {
            return told(at, "has a volume or a length that no bar has");
        }
        if at > 0 && rows[at - 1].start_minute >= row.start_minute {
            return told(at, "does not start after the one before it");
        }
    }
    None
}

fn off_date(rows: &[BarRow], instrument: &Instrument, id: &PartitionId) -> Option<String> {
    let date = id.period.day()?;
    let start = |row: &BarRow| chrono::DateTime::from_timestamp(row.start_minute * 60, 0).unwrap_or_default();
    if let Some(at) = rows.iter().position(|row| instrument.trading_date_of(start(row)) != date) {
        return Some(format!("row {} is of another trading date", at + 1));
    }
    stored::in_ticks(rows, instrument).err().map(|error| error.detail().to_owned())
}

/// What a later version of pitlake put into the day that this one does not know.
fn unknown_columns(id: &PartitionId, day: &Decoded) -> Option<Finding> {
    let known = (BAR_ROWS.schema)();
    let schema = day.batches.first().map(|batch| batch.schema());
    let fields = schema.iter().flat_map(|schema| schema.fields());
    let names: Vec<String> =
        fields.filter(|field| known.index_of(field.name()).is_err()).map(|field| field.name().clone()).collect();
    let version = &day.content.calculation.version;
    (is_newer(version) || !names.is_empty()).then(|| {
        let columns =
            if names.is_empty() { "the columns that this version knows".to_owned() } else { names.join(", ") };
        let detail = format!("it was made by {version} and has {columns}; this version is {CALCULATION}");
        Finding::new(Code::Newer, id.data_key(), detail)
    })
}
