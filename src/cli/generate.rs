//! `pitlake generate`: writes synthetic exposures to a file or to standard output, and leaves bars to [`generate_bars`], the
//! old archive to [`generate_legacy`]. The dispatcher of the command line calls it; nothing is decided here but where the bytes
//! go and how they are packed.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tempfile::NamedTempFile;

use super::generate_bars::{self, BarsArgs};
use super::generate_legacy::{self, LegacyArgs};
use crate::greeks::generate::{self, Settings};
use crate::market::{Instruments, TradingDate};
use crate::{Error, Result};

/// zstd's own default: fast, and what captures are stored with.
const ZSTD_LEVEL: i32 = 3;
const BUFFER_BYTES: usize = 1 << 20;

#[derive(Debug, Args)]
pub struct GenerateArgs {
    #[command(subcommand)]
    dataset: GenerateDataset,
}

#[derive(Debug, Subcommand)]
enum GenerateDataset {
    /// Dealer exposures: by default a whole day of SPY, 10 expirations × 300 strikes × 390 minutes
    Greeks(GreeksArgs),
    /// Price bars of whole sessions, on the tick grid: by default a day of NQ, one-minute
    Bars(BarsArgs),
    /// An archive of sessions in the old system's mixed shapes: by default two years of NQ
    LegacyTpo(LegacyArgs),
}

#[derive(Debug, Args)]
struct GreeksArgs {
    #[arg(long, default_value = "SPY")]
    symbol: String,
    /// First trading date
    #[arg(long, default_value = "2025-01-15")]
    date: TradingDate,
    /// Sessions to generate, the first one included
    #[arg(long, default_value_t = 1)]
    days: u32,
    #[arg(long, default_value_t = 10)]
    expirations: usize,
    #[arg(long, default_value_t = 300)]
    strikes: usize,
    /// Only the first so many minutes of each session
    #[arg(long)]
    minutes: Option<u32>,
    /// The same seed gives the same bytes on every machine
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// nested: a line per minute and expiration; flat: a line per strike
    #[arg(long, value_enum, default_value_t = ShapeArg::Nested)]
    shape: ShapeArg,
    /// Plant gaps, duplicates, late, misdated and broken lines, spikes and missing strikes
    #[arg(long)]
    defects: bool,
    /// Where to say what was planted [default: <OUT>.truth.json]
    #[arg(long, requires = "defects", value_name = "FILE")]
    truth: Option<PathBuf>,
    /// File to write, packed by its ending (.gz, .zst); - is standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ShapeArg {
    Nested,
    Flat,
}

impl From<ShapeArg> for generate::Shape {
    fn from(shape: ShapeArg) -> Self {
        match shape {
            ShapeArg::Nested => Self::Nested,
            ShapeArg::Flat => Self::Flat,
        }
    }
}

/// Generates what `args` ask for. `stdout` gets the lines when they go to standard output, else one line that says
/// what was written.
///
/// # Errors
/// Invalid for arguments that cannot be met, Unavailable when a file cannot be written.
pub fn run(args: &GenerateArgs, instruments: &Instruments, stdout: &mut dyn Write) -> Result<()> {
    let args = match &args.dataset {
        GenerateDataset::Greeks(args) => args,
        GenerateDataset::Bars(args) => return generate_bars::run(args, instruments, stdout),
        GenerateDataset::LegacyTpo(args) => return generate_legacy::run(args, instruments, stdout),
    };
    let settings = Settings {
        symbol: args.symbol.clone(),
        date: args.date,
        days: args.days,
        expirations: args.expirations,
        strikes: args.strikes,
        minutes: args.minutes,
        seed: args.seed,
        shape: args.shape.into(),
        defects: args.defects,
    };
    let rows = settings.rows(instruments)?;
    let to_stdout = args.out.as_os_str() == "-";
    let truth_file = match (&args.truth, to_stdout) {
        (Some(file), _) => Some(file.clone()),
        (None, false) if args.defects => Some(beside(&args.out)),
        (None, true) if args.defects => {
            return Err(Error::invalid("--defects to standard output needs --truth FILE for what was planted"));
        }
        _ => None,
    };
    let lines = match args.shape {
        ShapeArg::Nested => rows / args.strikes as u64,
        ShapeArg::Flat => rows,
    };
    let bar = progress(lines);
    let truth = if to_stdout {
        generate::generate(&settings, instruments, &mut Counting { out: stdout, bar: &bar })?
    } else {
        to_file(&args.out, |out| generate::generate(&settings, instruments, &mut Counting { out, bar: &bar }))?
    };
    bar.finish_and_clear();
    if let (Some(truth), Some(file)) = (&truth, &truth_file) {
        to_file(file, |out| write_truth(truth, out))?;
    }
    if !to_stdout {
        let shown = args.out.display();
        let report = match &truth_file {
            Some(file) => {
                writeln!(stdout, "{shown}: {rows} rows before defects; {} says what was planted", file.display())
            }
            None => writeln!(stdout, "{shown}: {rows} rows"),
        };
        report.map_err(|error| not_written(Path::new("-"), error))?;
    }
    Ok(())
}

pub(super) fn beside(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".truth.json");
    PathBuf::from(name)
}

pub(super) fn write_truth(truth: &impl Serialize, out: &mut dyn Write) -> Result<()> {
    serde_json::to_writer_pretty(&mut *out, truth)
        .and_then(|()| writeln!(out).map_err(serde_json::Error::io))
        .map_err(|error| Error::unavailable(format!("the truth file could not be written ({error})")).caused_by(error))
}

/// Lets `fill` write to `path`, packed by its ending. The file appears whole or not at all; anything that is not a
/// regular file (a pipe, a terminal) is written to directly.
pub(super) fn to_file<T>(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let file = File::options().write(true).open(path).map_err(|error| not_written(path, error))?;
        return packed(path, file, fill);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // A temporary file is private by default; what is asked for by name follows the user's umask.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let temporary: NamedTempFile = builder.tempfile_in(folder).map_err(|error| not_written(path, error))?;
    let value = packed(path, temporary.as_file(), fill)?;
    temporary.persist(path).map_err(|error| not_written(path, error.error))?;
    Ok(value)
}

fn packed<T>(path: &Path, file: impl Write, fill: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let failed = |error| not_written(path, error);
    let mut file = BufWriter::with_capacity(BUFFER_BYTES, file);
    let value = match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => {
            let mut encoder = GzEncoder::new(&mut file, Compression::default());
            let value = fill(&mut encoder)?;
            encoder.finish().map_err(failed)?;
            value
        }
        Some("zst") => {
            let mut encoder = zstd::Encoder::new(&mut file, ZSTD_LEVEL).map_err(failed)?;
            encoder.include_checksum(true).map_err(failed)?;
            let value = fill(&mut encoder)?;
            encoder.finish().map_err(failed)?;
            value
        }
        _ => fill(&mut file)?,
    };
    file.flush().map_err(failed)?;
    Ok(value)
}

pub(super) fn not_written(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("{} could not be written ({error}): check the folder and its rights", path.display()))
        .caused_by(error)
}

/// Hidden by indicatif itself when standard error is not a terminal.
fn progress(lines: u64) -> ProgressBar {
    let bar = ProgressBar::new(lines);
    if let Ok(style) = ProgressStyle::with_template("generating {wide_bar} {percent:>3} % {eta:>4}") {
        bar.set_style(style);
    }
    bar
}

/// Moves the bar by the lines that pass.
struct Counting<'a> {
    out: &'a mut dyn Write,
    bar: &'a ProgressBar,
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes)?;
        if !self.bar.is_hidden() {
            self.bar.inc(memchr::memchr_iter(b'\n', &bytes[..written]).count() as u64);
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use clap::Parser;

    use super::*;
    use crate::greeks::generate::Truth;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: GenerateArgs,
    }

    fn run_line(line: &str) -> Result<String> {
        let line = Line::try_parse_from(line.split_whitespace()).map_err(|error| Error::invalid(error.to_string()))?;
        let mut stdout = Vec::new();
        run(&line.args, &Instruments::builtin(), &mut stdout)?;
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    }

    #[test]
    fn the_files_ending_decides_how_it_is_packed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let small = "generate greeks --expirations 2 --strikes 5 --minutes 3 --out";
        let plain = run_line(&format!("{small} -")).unwrap();
        assert_eq!(plain.lines().count(), 6);
        for name in ["day.jsonl", "day.jsonl.gz", "day.jsonl.zst"] {
            let said = run_line(&format!("{small} {}", path(name).display())).unwrap();
            assert!(said.ends_with(": 30 rows\n"), "{said}");
        }
        assert_eq!(std::fs::read_to_string(path("day.jsonl")).unwrap(), plain);
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(File::open(path("day.jsonl.gz")).unwrap()).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain);
        assert_eq!(zstd::decode_all(File::open(path("day.jsonl.zst")).unwrap()).unwrap(), plain.as_bytes());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "nothing but the files asked for");
    }

    #[test]
    fn the_truth_stands_beside_the_file_or_where_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("day.jsonl");
        let spoilt = "generate greeks --expirations 2 --strikes 5 --defects --out";
        run_line(&format!("{spoilt} {}", out.display())).unwrap();
        let truth = std::fs::read(folder.path().join("day.jsonl.truth.json")).unwrap();
        let truth: Truth = serde_json::from_slice(&truth).unwrap();
        let lines = std::fs::read_to_string(&out).unwrap().lines().count();
        assert_eq!(truth.lines, lines as u64);
        assert!(run_line(&format!("{spoilt} -")).unwrap_err().detail().contains("--truth"));
        let elsewhere = folder.path().join("truth.json");
        let printed = run_line(&format!("{spoilt} - --truth {}", elsewhere.display())).unwrap();
        assert_eq!(printed.lines().count(), lines);
        assert!(elsewhere.exists());
    }

    #[test]
    fn a_wrong_date_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("day.jsonl");
        let line = format!("generate greeks --date 2025-01-18 --out {}", out.display());
        assert!(run_line(&line).unwrap_err().detail().contains("2025-01-21"));
        assert!(run_line(&format!("generate greeks --truth x --out {}", out.display())).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
