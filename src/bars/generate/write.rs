//! Spells generated bars as a file of one of the kinds that `pitlake ingest bars` reads. Called by the command line and by tests.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use chrono::{DateTime, SecondsFormat};
use chrono_tz::Tz;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::defects::{Record, Spoilt, plant, sound};
use super::truth::{DayTruth, Truth};
use super::{GeneratedDay, Settings};
use crate::bars::reading::Stamp;
use crate::market::Instrument;
use crate::{Error, Result};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Wall-clock times without a zone, as most vendors send.
    Csv,
    /// Objects with the zone's offset in their times.
    JsonLines,
    /// Arrow timestamps in UTC.
    Parquet,
}

/// How the bars are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spelling {
    pub kind: Kind,
    pub stamp: Stamp,
    pub zone: Tz,
    /// Whether faults are planted.
    pub defects: bool,
}

/// Writes the bars of `days`, oldest first, and tells what is in the file.
///
/// # Errors
/// `Unavailable` when `out` fails.
pub fn write(
    days: &[GeneratedDay],
    instrument: &Instrument,
    settings: &Settings,
    spelling: Spelling,
    out: &mut dyn Write,
) -> Result<Truth> {
    let mut truth = Truth {
        symbol: instrument.symbol.to_string(),
        seed: settings.seed,
        minutes: settings.minutes,
        ..Truth::default()
    };
    let mut all = Vec::new();
    for day in days {
        let (records, told) = if spelling.defects {
            plant(day, instrument, settings.seed)
        } else {
            let rows = day.bars.len() as u64;
            (sound(day), DayTruth { rows, rows_in: rows, ..DayTruth::default() })
        };
        truth.rows += records.len() as u64;
        truth.days.insert(day.date, told);
        all.extend(records);
    }
    match spelling.kind {
        Kind::Csv => csv(&all, spelling, out),
        Kind::JsonLines => json_lines(&all, spelling, out),
        Kind::Parquet => parquet(&all, spelling, out),
    }?;
    Ok(truth)
}

fn stamped(record: &Record, spelling: Spelling) -> DateTime<Tz> {
    let minute = match spelling.stamp {
        Stamp::Start => record.bar.start_minute,
        Stamp::End => record.bar.start_minute + i64::from(record.bar.minutes),
    };
    DateTime::from_timestamp(minute * 60, 0).unwrap_or_default().with_timezone(&spelling.zone)
}

fn open(record: &Record, none: &str) -> String {
    if record.spoilt == Some(Spoilt::NoOpen) { none.to_owned() } else { record.bar.open.to_string() }
}

fn csv(records: &[Record], spelling: Spelling, out: &mut dyn Write) -> Result<()> {
    let mut text = String::from("datetime,open,high,low,close,volume\n");
    for record in records {
        let bar = &record.bar;
        let close = if record.spoilt == Some(Spoilt::CloseNoNumber) { "n/a".to_owned() } else { bar.close.to_string() };
        let at = stamped(record, spelling).format("%Y-%m-%d %H:%M:%S");
        text.push_str(&format!("{at},{},{},{},{close},{}\n", open(record, ""), bar.high, bar.low, bar.volume));
        flush(&mut text, out, 1 << 16)?;
    }
    flush(&mut text, out, 0)
}

fn json_lines(records: &[Record], spelling: Spelling, out: &mut dyn Write) -> Result<()> {
    let mut text = String::new();
    for record in records {
        let bar = &record.bar;
        let no_number = record.spoilt == Some(Spoilt::CloseNoNumber);
        let close = if no_number { "\"n/a\"".to_owned() } else { bar.close.to_string() };
        let at = stamped(record, spelling).to_rfc3339_opts(SecondsFormat::Secs, true);
        text.push_str(&format!(
            "{{\"timestamp\":\"{at}\",\"open\":{},\"high\":{},\"low\":{},\"close\":{close},\"volume\":{}}}\n",
            open(record, "null"),
            bar.high,
            bar.low,
            bar.volume
        ));
        flush(&mut text, out, 1 << 16)?;
    }
    flush(&mut text, out, 0)
}

fn flush(text: &mut String, out: &mut dyn Write, beyond: usize) -> Result<()> {
    if text.len() > beyond {
        out.write_all(text.as_bytes()).map_err(not_written)?;
        text.clear();
    }
    Ok(())
}

fn parquet(records: &[Record], spelling: Spelling, out: &mut dyn Write) -> Result<()> {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let price = |name: &str| Field::new(name, DataType::Float64, true);
    let schema = Arc::new(Schema::new(vec![
        Field::new("timestamp", time, false),
        price("open"),
        price("high"),
        price("low"),
        price("close"),
        price("volume"),
    ]));
    let times = records.iter().map(|record| stamped(record, spelling).timestamp_micros());
    let doubles = |value: fn(&Record) -> Option<f64>| -> ArrayRef {
        Arc::new(records.iter().map(value).collect::<Float64Array>())
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        doubles(|record| (record.spoilt != Some(Spoilt::NoOpen)).then_some(record.bar.open)),
        doubles(|record| Some(record.bar.high)),
        doubles(|record| Some(record.bar.low)),
        doubles(|record| Some(if record.spoilt == Some(Spoilt::CloseNoNumber) { f64::NAN } else { record.bar.close })),
        doubles(|record| Some(record.bar.volume)),
    ];
    let failed = |error: &dyn std::fmt::Display| {
        Error::unavailable(format!(
            "the generated bars could not be written ({error}): check the space and rights there"
        ))
    };
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|error| failed(&error))?;
    let packed = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(packed)).map_err(|error| failed(&error))?;
    writer.write(&batch).map_err(|error| failed(&error))?;
    writer.close().map_err(|error| failed(&error))?;
    out.write_all(&bytes).map_err(not_written)
}

fn not_written(error: std::io::Error) -> Error {
    Error::unavailable(format!("the generated bars could not be written ({error}): check the space and rights there"))
        .caused_by(error)
}
