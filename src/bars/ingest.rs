//! A file of bars to captures: reads it whole, works out what its times mean, checks every row, and writes down what is good, sorted
//! by time, one capture a trading date. Called by the command line. What is refused is kept with its place and reason.
//!
//! Nothing is written before all of the file was read: the length of a bar, and which of two autumn hours is meant, are known only
//! then.

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::capture::Refusal;
use super::capture::clock_change::{self, Occurrence, occurrences};
use super::capture::document::{self, TimeTexts, print_fields};
use super::capture::time::Told;
use super::capture::values::{Rules, Texts, read};
use super::input::{self, Cells, Named, Place, Role, TakeRow};
use super::reading::{self, Reading, Stamp, VolumeKind};
use super::record::BARS;
use super::{again, held, spacing, stamping};
use crate::lake::journal::{Counts, Writer, decompress};
use crate::lake::store::Store;
use crate::market::{Clock, Instrument, Instruments, TradingDate};
use crate::{Error, Result};

/// What the user says of a source.
#[derive(Debug, Clone, Default)]
pub struct Declared {
    /// Symbol or a provider's spelling of it.
    pub symbol: String,
    /// The clock of times that name no zone.
    pub zone: Option<Tz>,
    pub stamp: Option<Stamp>,
    pub volume: VolumeKind,
    /// Length of a bar; found from the spacing when nothing says it.
    pub minutes: Option<u16>,
    pub columns: Named,
}

/// What became of a file.
#[derive(Debug)]
pub struct Taken {
    pub counts: Counts,
    /// What the user should look at, in sentences.
    pub warnings: Vec<String>,
}

/// Reads all of `input` and stores its captures. `progress` is told the bytes read so far, after decompression.
///
/// # Errors
/// `Invalid` when the file as a whole cannot be taken: no zone, columns that cannot be told, bars of several lengths or symbols;
/// what single rows lack is counted as refused instead. Store errors as they come.
pub async fn ingest(
    source: Box<dyn Read + Send>,
    declared: Declared,
    instruments: &Instruments,
    clock: Arc<dyn Clock>,
    store: &Store,
    progress: Box<dyn Fn(u64) + Send + Sync>,
) -> Result<Taken> {
    let instrument = Arc::clone(instruments.resolve(&declared.symbol).ok_or_else(|| {
        Error::invalid(format!(
            "{:?} is not an instrument that this lake knows: check --symbol, or add it to _config/instruments.toml",
            declared.symbol
        ))
    })?);
    let (symbol, of) = (instrument.symbol.clone(), Arc::clone(&instrument));
    let written = move || {
        let columns = declared.columns.clone();
        let volume = declared.volume;
        let mut rows = Rows::new(declared, instrument);
        input::read(decompress(source)?, &columns, volume, progress.as_ref(), &mut rows)?;
        let mut writer = Writer::new(BARS)?;
        let received_at = clock.now();
        let (said, warnings) = rows.write(received_at, &mut writer)?;
        Ok::<_, Error>((said, received_at, writer, warnings))
    };
    let (said, received_at, mut writer, mut warnings) =
        tokio::task::spawn_blocking(written).await.map_err(stopped)??;
    let held = held::fetch(store, &symbol, held::near(&said.dates, &of)).await?;
    if !held.is_empty() {
        let settle = move || {
            let told = again::settle(&said, &held, &of, received_at, &mut writer)?;
            Ok::<_, Error>((writer, told))
        };
        let (settled, told) = tokio::task::spawn_blocking(settle).await.map_err(stopped)??;
        writer = settled;
        warnings.extend(told);
    }
    Ok(Taken { counts: writer.finish(store).await?, warnings })
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::internal("ingest stopped").caused_by(error)
}

/// A row that was read.
struct Row {
    place: Place,
    told: Option<Told>,
    /// As the row itself says; 0 when it does not.
    minutes: u16,
    /// What is kept of it, in [`Rows::texts`]: its fields, or the source's text when it is refused.
    text: Range<usize>,
    refusal: Option<Box<Refusal>>,
    /// Whether its text is that of its fields: it was good until its time had to be placed.
    is_read: bool,
}

/// The rows of a file, in its order.
struct Rows {
    declared: Declared,
    instrument: Arc<Instrument>,
    rules: Rules,
    has: [bool; Role::COUNT],
    texts: Vec<u8>,
    rows: Vec<Row>,
    symbol: Option<String>,
}

impl TakeRow for Rows {
    fn columns(&mut self, has: [bool; Role::COUNT]) {
        self.has = has;
    }

    fn row(&mut self, place: Place, cells: &Cells<'_>, text: &dyn Fn() -> Vec<u8>) -> Result<()> {
        self.one_symbol(cells[Role::Symbol as usize])?;
        let times = if self.has[Role::Timestamp as usize] {
            TimeTexts::One(cells[Role::Timestamp as usize])
        } else {
            TimeTexts::Two(cells[Role::Date as usize], cells[Role::Time as usize])
        };
        let told = times.read();
        let values = Texts {
            open: cells[Role::Open as usize],
            high: cells[Role::High as usize],
            low: cells[Role::Low as usize],
            close: cells[Role::Close as usize],
            volume: cells[Role::Volume as usize],
        };
        let minutes = self.own_minutes(cells[Role::Minutes as usize]);
        let start = self.texts.len();
        let (minutes, refusal) = match (&told, minutes) {
            (Err(refusal), minutes) => (minutes.unwrap_or(0), Some(refusal.clone())),
            (Ok(_), Err(refusal)) => (0, Some(refusal)),
            (Ok(_), Ok(minutes)) => (minutes, read(&values, self.declared.volume, &self.rules).err()),
        };
        let is_read = refusal.is_none();
        match refusal {
            None => print_fields(times, &values, &mut self.texts),
            Some(_) => self.texts.extend_from_slice(&text()),
        }
        let text = start..self.texts.len();
        self.rows.push(Row { place, told: told.ok(), minutes, text, refusal: refusal.map(Box::new), is_read });
        Ok(())
    }

    fn torn(&mut self, place: Place, refusal: Refusal, text: &[u8]) {
        let start = self.texts.len();
        self.texts.extend_from_slice(text);
        let text = start..self.texts.len();
        self.rows.push(Row { place, told: None, minutes: 0, text, refusal: Some(Box::new(refusal)), is_read: false });
    }
}

/// What the good rows of a file say: their fields as they are captured, each with its reading.
#[derive(Default)]
pub(super) struct Said {
    pub dates: BTreeSet<TradingDate>,
    texts: Vec<u8>,
    rows: Vec<(Range<usize>, Reading)>,
}

impl Said {
    pub fn rows(&self) -> impl Iterator<Item = (&[u8], Reading)> {
        self.rows.iter().map(|(text, reading)| (&self.texts[text.clone()], *reading))
    }
}

/// Where a row belongs.
#[derive(Clone, Copy)]
struct Placed {
    start_minute: i64,
    date: TradingDate,
    minutes: u16,
    which: Option<Occurrence>,
}

impl Rows {
    fn new(declared: Declared, instrument: Arc<Instrument>) -> Self {
        Self {
            rules: Rules::of(&instrument),
            declared,
            instrument,
            has: [false; Role::COUNT],
            texts: Vec::new(),
            rows: Vec::new(),
            symbol: None,
        }
    }

    /// Bars of two instruments in one file would become one market that never was.
    fn one_symbol(&mut self, cell: Option<&str>) -> Result<()> {
        let Some(cell) = cell.filter(|cell| !cell.is_empty()) else { return Ok(()) };
        match &self.symbol {
            None => self.symbol = Some(cell.to_owned()),
            Some(symbol) if symbol == cell => {}
            Some(symbol) => {
                return Err(Error::invalid(format!(
                    "the file holds bars of '{symbol}' and of '{cell}': split it and ingest each part with its --symbol"
                )));
            }
        }
        Ok(())
    }

    fn own_minutes(&self, cell: Option<&str>) -> Result<u16, Refusal> {
        if self.declared.minutes.is_some() || !self.has[Role::Minutes as usize] {
            return Ok(0);
        }
        let text = cell.unwrap_or_default();
        reading::minutes(text).map_err(|error| Refusal::new("bar_length", "minutes", error.detail()))
    }

    /// Writes everything down; gives what was said and the warnings.
    fn write(mut self, received_at: DateTime<Utc>, writer: &mut Writer) -> Result<(Said, Vec<String>)> {
        let tolds: Vec<Option<Told>> = self.rows.iter().map(|row| row.told).collect();
        let zone = self.zone(&tolds)?;
        let minutes = self.minutes(&tolds)?;
        let which = zone.map(|zone| occurrences(&tolds, zone, minutes)).unwrap_or_default();
        drop(tolds);
        let placed: Vec<Option<Placed>> =
            (0..self.rows.len()).map(|at| self.place(at, zone, minutes, which.get(&at).copied())).collect();
        let mut order: Vec<usize> = (0..self.rows.len()).filter(|at| self.rows[*at].refusal.is_none()).collect();
        // Rows of one minute stay in the source's order: the last one wins.
        order.sort_by_key(|at| placed[*at].map(|placed| placed.start_minute));
        self.write_good(&order, &placed, received_at, writer)?;
        self.write_refused(&placed, received_at, writer)?;
        let warnings = self.warnings(&order, &placed);
        Ok((self.said(&order, &placed), warnings))
    }

    fn said(self, order: &[usize], placed: &[Option<Placed>]) -> Said {
        let mut said = Said::default();
        for &at in order {
            let (row, Some(placed)) = (&self.rows[at], placed[at]) else { continue };
            said.dates.insert(placed.date);
            said.rows.push((row.text.clone(), self.reading(row, placed)));
        }
        said.texts = self.texts;
        said
    }

    fn reading(&self, row: &Row, placed: Placed) -> Reading {
        Reading {
            zone: self.declared.zone.filter(|_| matches!(row.told, Some(Told::Wall(_)))),
            stamp: self.declared.stamp.unwrap_or_default(),
            volume: self.declared.volume,
            minutes: placed.minutes,
        }
    }

    fn zone(&self, tolds: &[Option<Told>]) -> Result<Option<Tz>> {
        if !tolds.iter().any(|told| matches!(told, Some(Told::Wall(_)))) {
            return Ok(None);
        }
        self.declared.zone.map(Some).ok_or_else(|| {
            Error::invalid(format!(
                "the times say no zone: say whose clock they are with --tz, as in --tz {} for the exchange's own or --tz UTC",
                self.instrument.time_zone
            ))
        })
    }

    fn minutes(&self, tolds: &[Option<Told>]) -> Result<u16> {
        if let Some(minutes) = self.declared.minutes {
            return Ok(minutes);
        }
        let good = || self.rows.iter().zip(tolds).filter(|(row, _)| row.refusal.is_none());
        if good().next().is_none() || good().all(|(row, _)| row.minutes > 0) {
            return Ok(1);
        }
        spacing::minutes(good().filter_map(|(_, told)| told.map(Told::minute)).collect())
    }

    /// Where a row belongs; a row whose time cannot be placed becomes a refused one.
    fn place(&mut self, at: usize, zone: Option<Tz>, minutes: u16, which: Option<Occurrence>) -> Option<Placed> {
        let row = &mut self.rows[at];
        let told = row.told?;
        let minutes = if row.minutes > 0 { row.minutes } else { minutes };
        let start = clock_change::minute(told, zone, which)
            .and_then(|stamped| document::start_minute(stamped, self.declared.stamp.unwrap_or_default(), minutes));
        match start {
            Ok(start_minute) => {
                let date = self.instrument.trading_date_of(instant(start_minute));
                if TradingDate::YEARS.contains(&date.year()) {
                    return Some(Placed { start_minute, date, minutes, which });
                }
                row.refusal.get_or_insert_with(|| {
                    Box::new(Refusal::new("not_a_time", "timestamp", format!("the year {} is not kept", date.year())))
                });
            }
            Err(refusal) => {
                row.refusal.get_or_insert_with(|| Box::new(refusal));
            }
        }
        None
    }

    fn write_good(
        &self,
        order: &[usize],
        placed: &[Option<Placed>],
        received_at: DateTime<Utc>,
        writer: &mut Writer,
    ) -> Result<()> {
        let mut spelled: (Option<Reading>, String) = (None, String::new());
        let mut line = Vec::new();
        for &at in order {
            let (row, Some(placed)) = (&self.rows[at], placed[at]) else { continue };
            let reading = self.reading(row, placed);
            if spelled.0 != Some(reading) {
                let json = serde_json::to_string(&reading)
                    .map_err(|error| Error::internal("a reading could not be written").caused_by(error))?;
                spelled = (Some(reading), json);
            }
            line.clear();
            let fields = &self.texts[row.text.clone()];
            document::print(&self.instrument.symbol, fields, placed.which, &spelled.1, &mut line);
            writer.document(&self.instrument.symbol, placed.date, received_at, &line, 1)?;
        }
        Ok(())
    }

    /// A row without a time belongs where the row before it does, or else the one after it.
    fn write_refused(&self, placed: &[Option<Placed>], received_at: DateTime<Utc>, writer: &mut Writer) -> Result<()> {
        let mut near = placed.iter().flatten().next().map(|placed| placed.date);
        for (row, placed) in self.rows.iter().zip(placed) {
            near = placed.map(|placed| placed.date).or(near);
            let Some(refusal) = &row.refusal else { continue };
            let home = near.map(|date| (&self.instrument.symbol, date));
            let note = refusal.note(row.place.to_string(), placed.map(|placed| instant(placed.start_minute)));
            let text = &self.texts[row.text.clone()];
            if row.is_read {
                writer.refuse(home, received_at, note, &[b"{", text, b"}"].concat())?;
            } else {
                writer.refuse(home, received_at, note, text)?;
            }
        }
        Ok(())
    }

    fn warnings(&self, order: &[usize], placed: &[Option<Placed>]) -> Vec<String> {
        let stamp = self.declared.stamp.unwrap_or_default();
        let placed: Vec<Placed> = order.iter().filter_map(|at| placed[*at]).collect();
        let (mut days, mut against) = (0, 0);
        for day in placed.chunk_by(|a, b| a.date == b.date) {
            let bars: Vec<(i64, u16)> = day.iter().map(|placed| (placed.start_minute, placed.minutes)).collect();
            days += 1;
            against += u64::from(stamping::contradicts(&bars, &self.instrument, day[0].date, stamp));
        }
        if against == 0 {
            return Vec::new();
        }
        vec![format!("on {against} of {days} dates {}", stamping::told(stamp))]
    }
}

fn instant(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minute.saturating_mul(60), 0).unwrap_or_default()
}
