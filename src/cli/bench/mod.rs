//! `pitlake bench`: the table "speed to reach" for the machine it runs on. Called by the command line, and with `--json` by
//! `scripts/bench-peers`. What is measured is this very binary, as child processes with its defaults, on a generated day;
//! nothing outside its own temporary folder and `--lake-dir` is touched.
//!
//! [`workload`] is the day and the questions, [`program`] starts ourselves, [`compaction`], [`answers`], [`crowd`], [`capture`],
//! [`profiles`] and [`peer`] measure, [`table`] shows. Client and server share the machine's cores, so figures are of both together.

mod answers;
mod body;
mod capture;
mod client;
mod compaction;
mod crowd;
mod interrupt;
mod machine;
mod memory;
mod peer;
mod profiles;
mod program;
mod server;
mod spread;
mod table;
mod workload;
mod year;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Error, Result};
use compaction::Making;
use interrupt::Interrupt;
use machine::Machine;
use program::Program;
use server::Server;
use table::Row;
use workload::Workload;
use year::Year;

#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// One JSON object instead of the table
    #[arg(long)]
    json: bool,
    /// A first impression: everything once or a few times
    #[arg(long)]
    quick: bool,
    /// Keep the lake here, or use the one that an earlier run kept [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    lake_dir: Option<PathBuf>,
    /// Measure a year of full days too: takes some ten minutes more and 5 GB of disk
    #[arg(long)]
    year: bool,
    /// Keep the year's lake here, or use the one that an earlier run kept
    #[arg(long, value_name = "DIR", requires = "year")]
    year_dir: Option<PathBuf>,
    /// Runs of the large pieces of work; their median counts [default: 5, with --quick 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeat: Option<u16>,
}

/// How often each kind of work is done.
#[derive(Debug, Clone, Copy, Serialize)]
struct Effort {
    /// Lakes made, rounds of throughput, runs of the peer.
    repeat: usize,
    /// Answers of a whole day.
    large: usize,
    /// Answers of an hour.
    medium: usize,
    /// Answers of one strike or one minute.
    small: usize,
}

impl Effort {
    fn of(args: &BenchArgs) -> Self {
        let repeat = usize::from(args.repeat.unwrap_or(if args.quick { 1 } else { 5 }));
        if args.quick {
            Self { repeat, large: 3, medium: 10, small: 400 }
        } else {
            // A whole day takes a tenth of a second, so that it can well be asked for more often than a lake is made.
            Self { repeat, large: 4 * repeat, medium: 20 * repeat, small: 2_000 }
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    day: String,
    day_rows: u64,
    machine: Machine,
    effort: Effort,
    rows: Vec<Row>,
}

/// Measures and prints the table. Blocks for a few minutes; progress goes to standard error. A missed target is no failure.
///
/// # Errors
/// `Cancelled` after Ctrl-C, `Invalid` for a `--lake-dir` with another day in it, else what kept the work from being done.
pub fn run(args: &BenchArgs, out: &mut dyn Write) -> Result<()> {
    let (interrupt, _watch) = Interrupt::watch()?;
    let report = measure(args, &interrupt).map_err(|error| interrupt.check().err().unwrap_or(error))?;
    let text = if args.json {
        serde_json::to_string(&report).map_err(|error| Error::internal("a report that is not JSON").caused_by(error))?
    } else {
        in_words(&report)
    };
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::unavailable(format!("the table could not be written ({error})")).caused_by(error))
        }
        _ => Ok(()),
    }
}

fn measure(args: &BenchArgs, interrupt: &Interrupt) -> Result<Report> {
    let effort = Effort::of(args);
    let workload = Workload::full_day()?;
    let mut machine = Machine::look(peer::version()?);
    // Held to the end: it goes when everything that uses it has gone.
    let folder = tempfile::Builder::new().prefix("pitlake-bench-").tempdir().map_err(|error| {
        Error::unavailable(format!("cannot make a temporary folder ({error}); TMPDIR names another place"))
            .caused_by(error)
    })?;
    let folder = folder.path();
    let program = Program::this(folder, interrupt.clone())?;

    say(&format!("generating {}", workload.describe()));
    let capture = folder.join("day.jsonl");
    workload.write_capture(&capture)?;
    let (making, lake) = make_lakes(args, &program, &workload, &capture, folder, effort)?;
    let mut rows = vec![compaction::size_row(&workload, compaction::bytes_on_disk(&workload, &lake)?)];
    {
        let server = Server::start(&program, &lake, &folder.join("cache"))?;
        rows.append(&mut answers::measure(&server, &workload, effort, &say)?);
    }
    rows.append(&mut making.rows(&workload));
    say("many whole days at once");
    {
        let server = Server::start(&program, &lake, &folder.join("cache-of-crowd"))?;
        rows.push(crowd::measure(&server, &workload)?);
    }
    if args.year {
        rows.append(&mut a_year(args, &program, folder, effort)?);
    }
    rows.append(&mut profiles::measure(&program, folder, effort, &say)?);
    say("posts to the capture server");
    rows.append(&mut capture::measure(&program, folder)?);
    interrupt.check()?;
    say("DuckDB, the peer");
    rows.push(peer::measure(interrupt, &workload, &capture, folder, effort.repeat)?);
    machine.look_again();
    Ok(Report { day: workload.describe(), day_rows: workload.rows, machine, effort, rows })
}

/// The rows about a year, whose lake is made when it is not there.
fn a_year(args: &BenchArgs, program: &Program, folder: &Path, effort: Effort) -> Result<Vec<Row>> {
    let year = Year::new()?;
    let lake = match &args.year_dir {
        Some(kept) => std::path::absolute(kept)
            .map_err(|error| Error::invalid(format!("--year-dir is not a folder's name ({error})")).caused_by(error))?,
        None => folder.join("year"),
    };
    let mut rows = Vec::new();
    if !year.is_in(&lake)? {
        rows.push(year.make(program, &lake, folder, &say)?);
    }
    {
        let server = Server::start(program, &lake, &folder.join("cache-of-year"))?;
        rows.append(&mut year.measure(&server, effort, &say)?);
    }
    for (format, least) in [("arrow", 20e6), ("json", 8e6)] {
        say(&format!("export as {format}"));
        let server = Server::start(program, &lake, &folder.join(format!("cache-of-{format}-export")))?;
        rows.push(year.export(&server, format, least)?);
    }
    Ok(rows)
}

/// Makes the lake as often as asked for, each time anew, and gives the one to serve.
fn make_lakes(
    args: &BenchArgs,
    program: &Program,
    workload: &Workload,
    capture: &Path,
    folder: &Path,
    effort: Effort,
) -> Result<(Making, PathBuf)> {
    // Children run elsewhere, so that a relative path would be another folder for them.
    let kept = args
        .lake_dir
        .as_ref()
        .map(std::path::absolute)
        .transpose()
        .map_err(|error| Error::invalid(format!("--lake-dir is not a folder's name ({error})")).caused_by(error))?;
    let reused = match &kept {
        Some(kept) if compaction::holds_the_day(workload, kept)? => {
            compaction::bytes_on_disk(workload, kept)?;
            true
        }
        _ => false,
    };
    let mut making = Making::default();
    let mut made = folder.join("lake");
    for run in 1..=effort.repeat {
        say(&format!("ingest and compaction, {run} of {}", effort.repeat));
        let last = run == effort.repeat;
        if let (true, false, Some(kept)) = (last, reused, &kept) {
            made.clone_from(kept);
        }
        making.make(program, workload, capture, &made)?;
        if !last {
            std::fs::remove_dir_all(&made).map_err(|error| {
                Error::unavailable(format!("{} could not be removed ({error})", made.display())).caused_by(error)
            })?;
        }
    }
    Ok((making, kept.filter(|_| reused).unwrap_or(made)))
}

fn in_words(report: &Report) -> String {
    let Machine { cores, load_before, load_after, processor, pitlake, duckdb } = &report.machine;
    let load = |load: &Option<[f64; 3]>| load.map_or("?".to_owned(), |[minute, ..]| format!("{minute:.2}"));
    let Effort { repeat, large, medium, small } = report.effort;
    format!(
        "{day}\n\
         pitlake {pitlake}, DuckDB {duckdb}; {cores} cores ({processor}), load {before} before and {after} after\n\
         medians of {repeat} lakes made, {large} whole days, {medium} hours, {small} small answers; client and server share the cores\n\n\
         {table}",
        day = report.day,
        processor = processor.as_deref().unwrap_or("unknown"),
        before = load(load_before),
        after = load(load_after),
        table = table::render(&report.rows),
    )
}

/// Standard output is for the table alone.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
