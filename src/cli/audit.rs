//! `pitlake audit legacy-tpo`: what is in the old JSON archive and what to do with each record of it. Reads the archive and, when
//! a lake is named, its bars; changes neither.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;
use tokio::runtime::Handle;

use super::exit::{Outcome, output_failed, wrong_usage};
use super::progress;
use super::settings::LakeArgs;
use crate::lake::instruments;
use crate::market::{Instruments, SharedClock};
use crate::profile::legacy::report::{self, RecordLine};
use crate::profile::legacy::summary::{Adding, Summary};
use crate::profile::legacy::{Archive, Audit, Judged, LakeBars, Recompute, RowHeight};
use crate::profile::settings::Settings;
use crate::{Error, Result};

#[derive(Debug, Args)]
pub struct AuditArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The old archive of sessions: inventory, a verdict per record, findings, missing sessions, eras of wrong logic
    LegacyTpo(LegacyArgs),
}

#[derive(Debug, Args)]
struct LegacyArgs {
    /// The archive's folder; a single file will do
    #[arg(value_name = "DIR")]
    archive: PathBuf,
    /// One JSON object a record, at the end one that sums up
    #[arg(long)]
    json: bool,
    /// Write the records that have findings here, one JSON object each
    #[arg(long, value_name = "FILE")]
    findings: Option<PathBuf>,
    /// Ticks in a row of the old system's profiles [default: 1; the instrument's own where rows of a tick are too many]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    row_ticks: Option<u32>,
}

/// Audits and prints. With a lake, its instruments and its bars are the measure.
///
/// # Errors
/// Wrong usage for an archive that is not there, those of the store, `Unavailable` when an output cannot be written.
pub async fn run(args: AuditArgs, lake: &LakeArgs, clock: SharedClock, out: &mut dyn Write) -> Result<Outcome> {
    let What::LegacyTpo(args) = args.what;
    let (known, bars) = match lake.named()? {
        Some(_) => {
            let store = lake.store().await?;
            let known = instruments::load(&store).await?;
            let settings = Settings::load(&store).await?;
            (
                known,
                Some(LakeBars { store, runtime: Handle::current(), settings, rows: RowHeight::new(args.row_ticks) }),
            )
        }
        None => (Instruments::builtin(), None),
    };
    // Reading and checking block; the output does as well.
    tokio::task::block_in_place(|| audit(&args, known, bars, &clock, out))
}

fn audit(
    args: &LegacyArgs,
    known: Arc<Instruments>,
    bars: Option<LakeBars>,
    clock: &SharedClock,
    out: &mut dyn Write,
) -> Result<Outcome> {
    let archive = Archive::open(&args.archive).map_err(|error| match error.kind() {
        crate::ErrorKind::NotFound => wrong_usage(error.detail()),
        _ => error,
    })?;
    let mut findings = args.findings.as_ref().map(|path| Written::create(path)).transpose()?;
    let files = archive.files().len() as u64;
    let skipped = archive.skipped().len() as u64;
    let bar = progress::bar(2 * files, "auditing");
    let told = |files: u64| bar.inc(files);
    let audit = Audit::survey(archive, known, clock.now(), &told);
    let mut adding = Adding::default();
    let bars = bars.as_ref().map(|bars| bars as &dyn Recompute);
    let mut out = BufWriter::new(out);
    audit.each(bars, &told, &mut |judged: Judged| {
        adding.add(&judged);
        if args.json {
            json_line(&mut out, &RecordLine::from(&judged)).map_err(output_failed)?;
        }
        match &mut findings {
            Some(file) if !judged.findings.is_empty() => file.line(&RecordLine::from(&judged)),
            _ => Ok(()),
        }
    })?;
    bar.finish_and_clear();
    findings.map_or(Ok(()), Written::finish)?;
    let mut summary = adding.finish(files, audit.other_files().count() as u64, skipped);
    let faults = audit.archive().skipped().iter().filter(|skipped| skipped.is_fault);
    summary.unread = faults.map(|skipped| format!("{}: {}", skipped.name, skipped.why)).collect();
    let written =
        if args.json { json_line(&mut out, &Last { summary: &summary }) } else { report::write(&summary, &mut out) };
    written.and_then(|()| out.flush()).map_err(output_failed)?;
    Ok(if summary.is_clean() { Outcome::Good } else { Outcome::Failed })
}

#[derive(Serialize)]
struct Last<'s> {
    summary: &'s Summary,
}

fn json_line(out: &mut dyn Write, value: &impl Serialize) -> std::io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}

/// A file that is named when it cannot be written.
struct Written {
    path: PathBuf,
    out: BufWriter<File>,
}

impl Written {
    fn create(path: &std::path::Path) -> Result<Self> {
        let file = File::create(path).map_err(|error| failed(path, error))?;
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file) })
    }

    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        json_line(&mut self.out, value).map_err(|error| failed(&self.path, error))
    }

    fn finish(mut self) -> Result<()> {
        self.out.flush().map_err(|error| failed(&self.path, error))
    }
}

fn failed(path: &std::path::Path, error: std::io::Error) -> Error {
    // As text: a broken pipe here is no reader of standard output that had enough.
    Error::unavailable(format!("{} cannot be written ({error})", path.display()))
}
