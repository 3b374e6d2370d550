//! From a raw capture to partitions, rollups and manifests, by child processes of this program, each time into an empty lake.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::program::{Program, Ran};
use super::spread::median;
use super::table::{Figure, Row, Unit};
use super::workload::{SYMBOL, Workload};
use crate::greeks::record::GREEKS;
use crate::lake::layout::PartitionId;
use crate::lake::manifest::Manifest;
use crate::market::Symbol;
use crate::{Error, Result};

/// Measures of making a lake, one for each time it was made.
#[derive(Default)]
pub struct Making {
    ingests: Vec<Ran>,
    compactions: Vec<Ran>,
}

/// What `ingest --json` ends with, as far as it matters here.
#[derive(Deserialize)]
struct Taken {
    rows: u64,
    refused: u64,
}

impl Making {
    /// Takes the capture into the empty lake and compacts it.
    ///
    /// # Errors
    /// Those of the child processes; `Internal` when the lake does not hold the day afterwards.
    pub fn make(&mut self, program: &Program, workload: &Workload, capture: &Path, lake: &Path) -> Result<()> {
        let ingest = program.run(lake, &words(&["ingest", "greeks", "--json"], Some(capture)))?;
        let taken: Option<Taken> = ingest.stdout.lines().last().and_then(|line| serde_json::from_str(line).ok());
        if !taken.is_some_and(|taken| taken.rows == workload.rows && taken.refused == 0) {
            return Err(Error::internal(format!(
                "ingest did not take the whole day: it said {:?}",
                ingest.stdout.trim()
            )));
        }
        let compaction = program.run(lake, &words(&["compact", "--json"], None))?;
        bytes_on_disk(workload, lake)?;
        self.ingests.push(ingest);
        self.compactions.push(compaction);
        Ok(())
    }

    pub fn rows(&self, workload: &Workload) -> Vec<Row> {
        let per_second = |runs: &[Ran]| median(runs.iter().map(|ran| workload.rows as f64 / ran.elapsed.as_secs_f64()));
        let peak = |runs: &[Ran]| {
            // The highest of all runs: a bound that holds only half of the time is none.
            runs.iter().map(|ran| ran.peak_mib).collect::<Option<Vec<f64>>>()?.into_iter().reduce(f64::max)
        };
        let figures = |runs: &[Ran]| {
            let rate = Figure::new("rows_per_second", "", Unit::RowsPerSecond, per_second(runs));
            let elapsed =
                Figure::new("seconds", "", Unit::Seconds, median(runs.iter().map(|ran| ran.elapsed.as_secs_f64())));
            (rate, elapsed, Figure::new("peak_rss_mib", "peak RSS", Unit::Mebibytes, peak(runs)))
        };
        let (rate, elapsed, peak_rss) = figures(&self.compactions);
        let compaction = Row::new(
            "compaction",
            "compaction, raw JSON → partition, rollups and manifest",
            vec![rate.at_least(1_500_000.0), elapsed, peak_rss.at_most(500.0)],
        )
        .note("a child process from its start to its end, files in place; its highest memory of all runs");
        let (rate, elapsed, peak_rss) = figures(&self.ingests);
        let ingest = Row::new("ingest", "ingest, raw JSON → capture", vec![rate, elapsed, peak_rss]);
        vec![compaction, ingest]
    }
}

/// Whether the lake holds a partition of that name.
pub fn holds_the_day(workload: &Workload, lake: &Path) -> Result<bool> {
    Ok(lake.join(partition(workload)?.manifest_key()).exists())
}

/// The size of the strike-level file.
///
/// # Errors
/// `Invalid` when the lake's day is not the generated one.
pub fn bytes_on_disk(workload: &Workload, lake: &Path) -> Result<u64> {
    let id = partition(workload)?;
    let manifest = lake.join(id.manifest_key());
    let unread = |path: &Path, error: std::io::Error| {
        Error::invalid(format!("{} cannot be read ({error}); was the day compacted?", path.display())).caused_by(error)
    };
    let text = fs::read(&manifest).map_err(|error| unread(&manifest, error))?;
    let manifest = Manifest::parse(&text, &manifest.to_string_lossy())?;
    if manifest.content.rows != workload.rows {
        return Err(Error::invalid(format!(
            "the lake's {id} has {} rows, not the {} of the generated day; give another --lake-dir",
            manifest.content.rows, workload.rows
        )));
    }
    let data = lake.join(id.data_key());
    Ok(fs::metadata(&data).map_err(|error| unread(&data, error))?.len())
}

pub fn size_row(workload: &Workload, bytes: u64) -> Row {
    let per_row = Figure::new("bytes_per_row", "", Unit::BytesPerRow, bytes as f64 / workload.rows as f64);
    let megabytes = Figure::new("megabytes", "", Unit::Megabytes, bytes as f64 / 1e6);
    Row::new("size", "strike level on disk", vec![per_row.at_most(3.0), megabytes])
        .note("the whole file, footer included")
}

fn partition(workload: &Workload) -> Result<PartitionId> {
    let symbol: Symbol = SYMBOL.parse()?;
    Ok(PartitionId::day(GREEKS, &symbol, workload.date))
}

fn words<'a>(words: &[&'a str], path: Option<&'a Path>) -> Vec<&'a OsStr> {
    words.iter().map(|word| OsStr::new(*word)).chain(path.map(Path::as_os_str)).collect()
}
