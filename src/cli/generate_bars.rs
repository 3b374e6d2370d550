//! `pitlake generate bars`: writes synthetic bars to a file of the kind that its name says. Called by `generate`.

use std::io::Write;
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use clap::Args;

use super::generate::{beside, not_written, to_file, write_truth};
use super::ingest::zone;
use crate::bars::generate::{Kind, Settings, Spelling, days, write};
use crate::bars::reading::{Stamp, minutes};
use crate::market::{Instruments, TradingDate};
use crate::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct BarsArgs {
    #[arg(long, default_value = "NQ")]
    symbol: String,
    /// First trading date
    #[arg(long, default_value = "2025-01-15")]
    start: TradingDate,
    /// Last trading date [default: the first]
    #[arg(long)]
    end: Option<TradingDate>,
    /// Length of a bar: 1m, 5m, 15m, 30m, 1h
    #[arg(long, default_value = "1m", value_parser = |text: &str| minutes(text).map_err(|error| error.to_string()))]
    interval: u16,
    /// The same seed gives the same bars on every machine
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Which end of a bar its time is: start or end
    #[arg(long, default_value = "start", value_parser = |text: &str| text.parse::<Stamp>().map_err(|error| error.to_string()))]
    stamp: Stamp,
    /// Whose clock the times are [default: the exchange's]
    #[arg(long, value_parser = zone)]
    tz: Option<Tz>,
    /// Plant one fault of each kind that the checks look for into every date
    #[arg(long)]
    defects: bool,
    /// Where to say what was planted [default: <OUT>.truth.json]
    #[arg(long, requires = "defects", value_name = "FILE")]
    truth: Option<PathBuf>,
    /// File to write: .csv, .jsonl or .parquet, also with .gz or .zst; - is standard output, as CSV
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Generates what `args` ask for. `stdout` gets the bars when they go to standard output, else one line that says what was
/// written.
///
/// # Errors
/// Invalid for arguments that cannot be met, Unavailable when a file cannot be written.
pub(super) fn run(args: &BarsArgs, instruments: &Instruments, stdout: &mut dyn Write) -> Result<()> {
    let instrument = instruments.resolve(&args.symbol).ok_or_else(|| {
        Error::invalid(format!("{:?} is not an instrument that pitlake knows: check --symbol, or add it", args.symbol))
    })?;
    let settings =
        Settings { start: args.start, end: args.end.unwrap_or(args.start), minutes: args.interval, seed: args.seed };
    let to_stdout = args.out.as_os_str() == "-";
    let kind = if to_stdout { Kind::Csv } else { kind(&args.out)? };
    let truth_file = match (&args.truth, to_stdout) {
        (Some(file), _) => Some(file.clone()),
        (None, false) if args.defects => Some(beside(&args.out)),
        (None, true) if args.defects => {
            return Err(Error::invalid("--defects to standard output needs --truth FILE for what was planted"));
        }
        _ => None,
    };
    let zone = args.tz.unwrap_or(instrument.time_zone);
    let spelling = Spelling { kind, stamp: args.stamp, zone, defects: args.defects };
    let days = days(instrument, &settings)?;
    let truth = if to_stdout {
        write(&days, instrument, &settings, spelling, stdout)?
    } else {
        to_file(&args.out, |out| write(&days, instrument, &settings, spelling, out))?
    };
    if let Some(file) = &truth_file {
        to_file(file, |out| write_truth(&truth, out))?;
    }
    if !to_stdout {
        let shown = args.out.display();
        let planted = truth_file.map_or_else(String::new, |file| format!("; {} says what was planted", file.display()));
        writeln!(stdout, "{shown}: {} rows of {} dates{planted}", truth.rows, days.len())
            .map_err(|error| not_written(Path::new("-"), error))?;
    }
    Ok(())
}

/// Told by the name, packing aside.
fn kind(out: &Path) -> Result<Kind> {
    let name = out.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".zst").or_else(|| name.strip_suffix(".gz")).unwrap_or(&name);
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("csv" | "txt") => Ok(Kind::Csv),
        Some("jsonl" | "ndjson") => Ok(Kind::JsonLines),
        Some("parquet") => Ok(Kind::Parquet),
        _ => Err(Error::invalid(format!("{}: end the name with .csv, .jsonl or .parquet", out.display()))),
    }
}
