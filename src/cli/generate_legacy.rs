//! `pitlake generate legacy-tpo`: writes a synthetic archive of the old kind into a folder, with the truth about it and the bars that
//! it was made from. Called by `generate`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::wrong_usage;
use super::generate::{beside, not_written, to_file, write_truth};
use crate::market::{Instruments, TradingDate};
use crate::profile::legacy::generate::{Settings, Taking, Truth, generate};
use crate::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct LegacyArgs {
    #[arg(long, default_value = "NQ")]
    symbol: String,
    /// First trading date
    #[arg(long, default_value = "2023-01-03")]
    start: TradingDate,
    /// Last trading date
    #[arg(long, default_value = "2024-12-31")]
    end: TradingDate,
    /// The same seed gives the same archive on every machine
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Plant every fault that the audit looks for, an era of wrong logic and missing sessions
    #[arg(long)]
    defects: bool,
    /// Where to say what was planted [default: <OUT>.truth.json]
    #[arg(long, requires = "defects", value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Write the one-minute bars that the archive was made from here, as CSV, start-stamped with their zone; packed by its
    /// ending (.gz, .zst)
    #[arg(long, value_name = "FILE")]
    bars: Option<PathBuf>,
    /// The archive's folder: a new one, or an empty one
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Generates what `args` ask for and says in one line what was written.
///
/// # Errors
/// Invalid for arguments that cannot be met, Unavailable when a file cannot be written.
pub(super) fn run(args: &LegacyArgs, instruments: &Instruments, stdout: &mut dyn Write) -> Result<()> {
    if args.end < args.start {
        return Err(wrong_usage(format!("--end {} is before --start {}: swap them", args.end, args.start)));
    }
    let settings = Settings {
        symbol: args.symbol.clone(),
        start: args.start,
        end: args.end,
        seed: args.seed,
        defects: args.defects,
    };
    fs::create_dir_all(&args.out).map_err(|error| not_written(&args.out, error))?;
    let mut entries = fs::read_dir(&args.out).map_err(|error| not_written(&args.out, error))?;
    if entries.next().is_some() {
        return Err(wrong_usage(format!("{} is not empty: name a new folder", args.out.display())));
    }
    let (truth, files) = match &args.bars {
        Some(path) => to_file(path, |out| made(&args.out, &settings, instruments, Some(out)))?,
        None => made(&args.out, &settings, instruments, None)?,
    };
    let mut also = String::new();
    if args.defects {
        let file = args.truth.clone().unwrap_or_else(|| beside(&args.out));
        to_file(&file, |out| write_truth(&truth, out))?;
        also = format!("; {} says what was planted", file.display());
    }
    let shown = args.out.display();
    writeln!(stdout, "{shown}: {} records in {files} files{also}", truth.records.len())
        .map_err(|error| not_written(Path::new("-"), error))
}

/// The truth about what was made in `root`, and how many files it is.
fn made<'a>(
    root: &'a Path,
    settings: &Settings,
    instruments: &Instruments,
    bars: Option<&'a mut (dyn Write + 'a)>,
) -> Result<(Truth, u64)> {
    let mut folder = Folder { root, files: 0, bars };
    let truth = generate(settings, instruments, &mut folder)?;
    Ok((truth, folder.files))
}

struct Folder<'a> {
    root: &'a Path,
    files: u64,
    bars: Option<&'a mut (dyn Write + 'a)>,
}

impl Taking for Folder<'_> {
    fn file(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(path);
        let folder = path.parent().unwrap_or(self.root);
        fs::create_dir_all(folder).map_err(|error| not_written(folder, error))?;
        if path.exists() {
            return Err(Error::internal(format!("{} is written twice", path.display())));
        }
        self.files += 1;
        fs::write(&path, bytes).map_err(|error| not_written(&path, error))
    }

    fn bars(&mut self, lines: &str) -> Result<()> {
        let Some(out) = &mut self.bars else { return Ok(()) };
        out.write_all(lines.as_bytes())
            .map_err(|error| Error::unavailable(format!("the bars cannot be written ({error})")).caused_by(error))
    }
}
