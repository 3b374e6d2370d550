//! Market profiles: a year of NQ in one-minute bars to the profiles of all its sessions, questions about them, and the audit of an
//! old archive. Called by the bench. An answer that is not the session asked for fails the measurement.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Instant;

use super::Effort;
use super::client::Connection;
use super::program::Program;
use super::server::Server;
use super::spread::{median, ms, percentile};
use super::table::{Figure, Row, Unit};
use crate::bars::generate::{self, GeneratedDay};
use crate::bars::stored::{StoredDay, in_ticks};
use crate::lake::manifest::Condition;
use crate::market::{Instrument, Instruments};
use crate::profile::Settings;
use crate::profile::compact::{Made, of_day};
use crate::{Error, Result};

const SYMBOL: &str = "NQ";
const FIRST: &str = "2024-01-02";
const LAST: &str = "2024-12-31";
const DAY: &str = "2024-06-12";
/// The audited archive: fifteen years, about 3,800 records.
const ARCHIVE_FIRST: &str = "2010-01-04";

/// All rows about profiles.
///
/// # Errors
/// Those of the child processes and their answers.
pub fn measure(program: &Program, folder: &Path, effort: Effort, say: &dyn Fn(&str)) -> Result<Vec<Row>> {
    say("profiles of a year");
    let instruments = Instruments::builtin();
    let instrument =
        instruments.resolve(SYMBOL).ok_or_else(|| Error::internal(format!("{SYMBOL} is not known any more")))?;
    let mut rows = vec![computed(instrument, effort)?];
    let lake = folder.join("prices");
    rows.push(made(program, &lake, folder, &rows_of(instrument)?)?);
    say("questions about profiles");
    let server = Server::start(program, &lake, &folder.join("cache-of-prices"))?;
    rows.append(&mut answers(&server, effort)?);
    drop(server);
    say("audit of an old archive");
    rows.push(audited(program, folder, effort)?);
    Ok(rows)
}

fn rows_of(instrument: &Instrument) -> Result<Vec<GeneratedDay>> {
    let settings = generate::Settings { start: FIRST.parse()?, end: LAST.parse()?, minutes: 1, seed: 7 };
    generate::days(instrument, &settings)
}

/// The engine alone, on one core: bars in memory to the records of every session.
fn computed(instrument: &Instrument, effort: Effort) -> Result<Row> {
    let settings = Settings::default();
    let mut days = Vec::new();
    for day in rows_of(instrument)? {
        let stored = StoredDay {
            bars: in_ticks(&day.bars, instrument)?,
            revision: 1,
            sha256: String::new(),
            condition: Condition::Available,
            reasons: Vec::new(),
        };
        days.push((day.date, stored));
    }
    let bars: usize = days.iter().map(|(_, stored)| stored.bars.len()).sum();
    let mut seconds = Vec::with_capacity(effort.repeat);
    let mut sessions = 0;
    for _ in 0..effort.repeat {
        let began = Instant::now();
        sessions = 0;
        for (date, stored) in &days {
            let made = of_day(instrument, &settings, *date, stored)?;
            sessions += made.iter().filter(|made| matches!(made, Made::Record(_))).count();
        }
        seconds.push(began.elapsed().as_secs_f64());
    }
    if sessions < days.len() {
        return Err(Error::internal(format!("{} dates gave {sessions} profiles", days.len())));
    }
    let work = format!("a year of {SYMBOL} one-minute bars to the profiles of {sessions} sessions, one core");
    let figure = Figure::new("seconds", "", Unit::Seconds, median(seconds)).at_most(0.3);
    Ok(Row::new("profiles_year", work, vec![figure]).note(format!("{bars} bars, rth, overnight and full")))
}

/// From a file to the tables.
fn made(program: &Program, lake: &Path, folder: &Path, days: &[GeneratedDay]) -> Result<Row> {
    let file = folder.join("year.csv");
    let span = ["generate", "bars", "--symbol", SYMBOL, "--start", FIRST, "--end", LAST, "--out"].map(OsStr::new);
    program.run(lake, &[&span[..], &[file.as_os_str()]].concat())?;
    let reading = ["ingest", "bars", "--symbol", SYMBOL, "--tz", "America/New_York"].map(OsStr::new);
    let ingested = program.run(lake, &[&reading[..], &[file.as_os_str()]].concat())?;
    let compacted = program.run(lake, &["compact", "bars"].map(OsStr::new))?;
    let bars: usize = days.iter().map(|day| day.bars.len()).sum();
    Ok(Row::new(
        "bars_year",
        format!("the same from a CSV file to the lake ({bars} bars): ingest, then compaction with profiles"),
        vec![
            Figure::new("ingest_seconds", "ingest", Unit::Seconds, ingested.elapsed.as_secs_f64()),
            Figure::new("compact_seconds", "compaction", Unit::Seconds, compacted.elapsed.as_secs_f64()),
            Figure::new("peak_rss_mib", "peak RSS", Unit::Mebibytes, compacted.peak_mib),
        ],
    ))
}

fn answers(server: &Server, effort: Effort) -> Result<Vec<Row>> {
    let mut connection = server.connect()?;
    let day = |more: &str| format!("/api/v1/tpo/{SYMBOL}/{DAY}{more}");
    let range = format!("/api/v1/tpo/{SYMBOL}/range?start={FIRST}&end={LAST}");
    let questions = [
        ("tpo_stored", "one stored session", day(""), effort.small, 1.0),
        ("tpo_computed", "one session computed from bars, two-row", day("?method=two-row"), effort.small, 5.0),
        ("tpo_developing", "one full session up to a minute", day("?session=full&at=10:45"), effort.small, 5.0),
        ("tpo_range", "a year of stored sessions", range, effort.medium, 10.0),
    ];
    let mut rows = Vec::new();
    for (id, work, path, times, limit_ms) in questions {
        asked(&mut connection, &path, (times / 10).max(2))?;
        let took = asked(&mut connection, &path, times)?;
        let time = |percent| percentile(took.iter().copied(), percent);
        let p50 = Figure::new("p50_ms", "p50", Unit::Milliseconds, time(50.0)).at_most(limit_ms);
        rows.push(Row::new(id, work, vec![p50, Figure::new("p99_ms", "p99", Unit::Milliseconds, time(99.0))]));
    }
    Ok(rows)
}

fn asked(connection: &mut Connection, path: &str, times: usize) -> Result<Vec<f64>> {
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let mut body = Vec::new();
        took.push(ms(connection.get(path, &mut body)?.whole));
        if memchr::memmem::find(&body, b"\"poc\":").is_none() {
            return Err(Error::corrupt(format!("{path} was answered without a profile")));
        }
    }
    Ok(took)
}

/// Reading and judging a clean archive, without bars.
fn audited(program: &Program, folder: &Path, effort: Effort) -> Result<Row> {
    let (archive, nowhere) = (folder.join("archive"), folder.join("no-lake"));
    let span = ["generate", "legacy-tpo", "--symbol", SYMBOL, "--start", ARCHIVE_FIRST, "--end", LAST, "--out"]
        .map(OsStr::new);
    program.run(&nowhere, &[&span[..], &[archive.as_os_str()]].concat())?;
    let mut speeds = Vec::with_capacity(effort.repeat);
    let mut records = 0;
    for _ in 0..effort.repeat {
        let command = ["audit", "legacy-tpo", "--json"].map(OsStr::new);
        let ran = program.run(&nowhere, &[&command[..], &[archive.as_os_str()]].concat())?;
        records = ran.stdout.lines().filter(|line| line.contains("\"verdict\"")).count();
        speeds.push(records as f64 / ran.elapsed.as_secs_f64());
    }
    if records == 0 {
        return Err(Error::internal("the audit told of no record"));
    }
    let figure = Figure::new("records_per_second", "", Unit::RecordsPerSecond, median(speeds)).at_least(5_000.0);
    Ok(Row::new("audit", format!("audit of an old archive ({records} records)"), vec![figure])
        .note("start of the program included".to_owned()))
}
