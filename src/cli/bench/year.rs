//! A year of full days: making it, asking across it, downloading its rows. Runs only when a year is asked for: making one takes
//! several minutes and gigabytes of disk.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use super::Effort;
use super::body::End;
use super::client::{Arrival, Connection};
use super::program::Program;
use super::server::Server;
use super::spread::{median, ms, percentile};
use super::table::{Figure, Row, Unit};
use super::workload::SYMBOL;
use crate::greeks::generate::{self, Settings};
use crate::greeks::record::GREEKS;
use crate::lake::layout::PartitionId;
use crate::market::{Instruments, Session, TradingDate};
use crate::{Error, Result};

const FIRST: &str = "2024-01-02";
const LAST: &str = "2024-12-31";
/// Sessions whose captures are generated and taken in together: about 2 GB of JSON.
const AT_ONCE: usize = 21;
/// Days that an export streams where its speed and memory are measured.
const EXPORTED_DAYS: usize = 42;
/// Total exposure that some days of the generated year cross and some do not.
const ABOVE_USD: i64 = 0;

/// The year and what right answers about it hold.
pub struct Year {
    sessions: Vec<Session>,
    a_minute: u64,
}

/// What a path is asked for and how many rows must come.
struct Question {
    path: String,
    /// `None` where only a first answer can tell; then all must say the same.
    rows: Option<u64>,
}

impl Year {
    /// # Errors
    /// `Internal` when the instrument is not known any more.
    pub fn new() -> Result<Self> {
        let instruments = Instruments::builtin();
        let instrument =
            instruments.resolve(SYMBOL).ok_or_else(|| Error::internal(format!("{SYMBOL} is not known any more")))?;
        let (mut date, last): (TradingDate, TradingDate) = (FIRST.parse()?, LAST.parse()?);
        let mut sessions = Vec::new();
        while date <= last {
            sessions.extend(instrument.session(date));
            date = date.next_day();
        }
        let settings = Settings::full_day(SYMBOL, FIRST.parse()?);
        Ok(Self { sessions, a_minute: (settings.expirations * settings.strikes) as u64 })
    }

    fn minutes(&self) -> u64 {
        self.sessions.iter().map(|session| u64::from(session.minutes())).sum()
    }

    pub fn rows(&self) -> u64 {
        self.minutes() * self.a_minute
    }

    /// Whether `lake` holds the last day of the year, compacted.
    pub fn is_in(&self, lake: &Path) -> Result<bool> {
        let Some(last) = self.sessions.last() else { return Ok(false) };
        let id = PartitionId::day(GREEKS, &SYMBOL.parse()?, last.date);
        Ok(lake.join(id.manifest_key()).exists())
    }

    /// Generates and takes in all captures, then compacts them in one child process.
    ///
    /// # Errors
    /// Those of the child processes; `Unavailable` when the disk is full.
    pub fn make(&self, program: &Program, lake: &Path, folder: &Path, say: &dyn Fn(&str)) -> Result<Row> {
        let chunk_file = folder.join("year.jsonl");
        for (at, chunk) in self.sessions.chunks(AT_ONCE).enumerate() {
            say(&format!("generating and ingesting the year, {} of {}", at + 1, self.sessions.len().div_ceil(AT_ONCE)));
            let Some(first) = chunk.first() else { continue };
            let settings =
                Settings { days: u32::try_from(chunk.len()).unwrap_or(1), ..Settings::full_day(SYMBOL, first.date) };
            let failed = |error: std::io::Error| {
                Error::unavailable(format!("{} could not be written ({error})", chunk_file.display())).caused_by(error)
            };
            let mut file = BufWriter::with_capacity(1 << 20, File::create(&chunk_file).map_err(failed)?);
            generate::generate(&settings, &Instruments::builtin(), &mut file)?;
            file.flush().map_err(failed)?;
            drop(file);
            program.run(lake, &[OsStr::new("ingest"), OsStr::new("greeks"), chunk_file.as_os_str()])?;
        }
        fs::remove_file(&chunk_file).ok();
        say("compacting the year");
        let ran = program.run(lake, &[OsStr::new("compact"), OsStr::new("--json")])?;
        let seconds = ran.elapsed.as_secs_f64();
        Ok(Row::new(
            "year_compaction",
            format!("compaction of a year ({} days)", self.sessions.len()),
            vec![
                Figure::new("seconds", "", Unit::Seconds, seconds).at_most(360.0),
                Figure::new("rows_per_second", "", Unit::RowsPerSecond, self.rows() as f64 / seconds),
                Figure::new("peak_rss_mib", "peak RSS", Unit::Mebibytes, ran.peak_mib).at_most(500.0),
            ],
        ))
    }

    /// Asks across the year.
    ///
    /// # Errors
    /// Those of the connection; `Corrupt` for an answer with another number of rows than it must have.
    pub fn measure(&self, server: &Server, effort: Effort, say: &dyn Fn(&str)) -> Result<Vec<Row>> {
        let mut connection = server.connect()?;
        let days = self.sessions.len() as u64;
        let span = format!("start={FIRST}&end={LAST}");
        let ask = |path: &str| format!("/api/v1/greeks/{SYMBOL}/{path}");
        let small = [
            ("year_days", "a year of daily sums", ask(&format!("range?{span}")), Some(days), effort.small, 5.0),
            (
                "year_screen",
                "days of a year over a threshold",
                ask(&format!("screen?{span}&greek=gamma&above={ABOVE_USD}")),
                None,
                effort.small,
                5.0,
            ),
            (
                "year_screen_first",
                "days of a year over a threshold, with their first crossing",
                ask(&format!("screen?{span}&greek=gamma&above={ABOVE_USD}&first=true")),
                None,
                effort.medium,
                f64::INFINITY,
            ),
            (
                "year_minutes",
                "a year by minute (98 k rows)",
                ask(&format!("range?{span}&by=minute")),
                Some(self.minutes()),
                effort.medium,
                60.0,
            ),
            (
                "year_coverage",
                "coverage of a year",
                ask(&format!("coverage?{span}")),
                Some(365),
                effort.small,
                f64::INFINITY,
            ),
            ("year_files", "files of a year", ask(&format!("files?{span}")), Some(days), effort.small, f64::INFINITY),
        ];
        let mut rows = Vec::new();
        for (id, work, path, wanted, times, limit_ms) in small {
            say(work);
            let question = Question { path, rows: wanted };
            asked(&mut connection, &question, (times / 10).max(2))?;
            let (arrivals, held) = asked(&mut connection, &question, times)?;
            let time = |percent| percentile(arrivals.iter().map(|arrival| ms(arrival.whole)), percent);
            let p50 = Figure::new("p50_ms", "p50", Unit::Milliseconds, time(50.0));
            let p50 = if limit_ms.is_finite() { p50.at_most(limit_ms) } else { p50 };
            let row = Row::new(id, work, vec![p50, Figure::new("p99_ms", "p99", Unit::Milliseconds, time(99.0))]);
            rows.push(row.note(format!("{held} rows")));
        }
        Ok(rows)
    }

    /// Streams many days, on a server that has done nothing else, so that its memory is the export's.
    ///
    /// # Errors
    /// As [`Year::measure`].
    pub fn export(&self, server: &Server, format: &'static str, least: f64) -> Result<Row> {
        let exported = &self.sessions[..EXPORTED_DAYS.min(self.sessions.len())];
        let (Some(first), Some(last)) = (exported.first(), exported.last()) else {
            return Err(Error::internal("a year without sessions"));
        };
        let rows = exported.iter().map(|session| u64::from(session.minutes())).sum::<u64>() * self.a_minute;
        let path = format!("/api/v1/greeks/{SYMBOL}/export?start={}&end={}&format={format}", first.date, last.date);
        let mut connection = server.connect()?;
        let mut rates = Vec::new();
        let mut first_bytes = Vec::new();
        for _ in 0..3 {
            let mut end = End::new();
            let began = Instant::now();
            let arrival = connection.get(&path, &mut end)?;
            let seconds = began.elapsed().as_secs_f64();
            let whole = if format == "json" { end.count()? == rows } else { end.is_arrow_end() };
            if !whole {
                return Err(Error::corrupt(format!("the answer to {path} is not whole")));
            }
            rates.push(rows as f64 / seconds);
            first_bytes.push(ms(arrival.first_byte));
        }
        let id = if format == "json" { "export_json" } else { "export_arrow" };
        Ok(Row::new(
            id,
            format!("export of {} days as {format}", exported.len()),
            vec![
                Figure::new("rows_per_second", "", Unit::RowsPerSecond, median(rates)).at_least(least),
                Figure::new("first_byte_ms", "first byte", Unit::Milliseconds, median(first_bytes)),
                Figure::new("peak_rss_mib", "server's peak RSS", Unit::Mebibytes, server.peak_mib()).at_most(400.0),
            ],
        ))
    }
}

/// Asks `times`; gives the arrivals and the number of rows that every answer held.
fn asked(connection: &mut Connection, question: &Question, times: usize) -> Result<(Vec<Arrival>, u64)> {
    let mut arrivals = Vec::with_capacity(times);
    let mut held = question.rows;
    for _ in 0..times {
        let mut end = End::new();
        arrivals.push(connection.get(&question.path, &mut end)?);
        let count = end.count()?;
        if *held.get_or_insert(count) != count {
            let path = &question.path;
            return Err(Error::corrupt(format!("the answer to {path} holds {count} rows after {held:?}")));
        }
    }
    Ok((arrivals, held.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 252 sessions in 2024, of which 3 July, 29 November and 24 December end at 13:00.
    #[test]
    fn the_year_of_the_table() {
        let year = Year::new().unwrap();
        assert_eq!((year.sessions.len(), year.minutes()), (252, 249 * 390 + 3 * 210));
        assert_eq!(year.rows(), 293_220_000);
    }
}
