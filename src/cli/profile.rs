//! `pitlake profile`: levels of what a person has in a file, without a lake. Called by the command line; the arithmetic is
//! [`crate::profile::histogram`]'s.

use std::io::{Read, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, json};

use super::exit::{self, Outcome, wrong_usage};
use crate::profile::histogram::Histogram;
use crate::profile::{Share, ValueAreaMethod};
use crate::{Error, Result};

#[derive(Debug, Args)]
pub struct ProfileArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Point of control and value area of a table of price and volume, by each method
    Histogram(HistogramArgs),
}

#[derive(Debug, Args)]
struct HistogramArgs {
    /// Two columns, price and volume, separated by comma, semicolon or tab; - reads standard input
    file: PathBuf,
    /// The part of all volume that the value area holds
    #[arg(long, default_value = "0.7")]
    share: Share,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Prints the levels.
///
/// # Errors
/// `NotFound` or `Unavailable` when the file cannot be read, `Invalid` when it is no such table.
pub fn run(args: &ProfileArgs, out: &mut dyn Write) -> Result<Outcome> {
    let What::Histogram(args) = &args.what;
    if args.share.is_zero() {
        return Err(wrong_usage("--share must be above 0: 0.7 is usual"));
    }
    let histogram = read(&args.file)?;
    let mut found = Vec::new();
    for &method in ValueAreaMethod::ALL {
        let levels = histogram.levels(args.share, method);
        found.push((method, levels.ok_or_else(|| Error::internal("a histogram without volume"))?));
    }
    let text = if args.json {
        let objects = found.iter().map(|(method, levels)| {
            let levels = json!({
                "poc": levels.poc,
                "value_area_high": levels.value_area_high,
                "value_area_low": levels.value_area_low,
            });
            (method.to_string(), levels)
        });
        format!("{}\n", serde_json::Value::Object(objects.collect::<Map<_, _>>()))
    } else {
        let decimals = histogram.decimals();
        let percent = f64::from(args.share.millionths()) / 1e4;
        let mut text = format!("{} rows of {}, value area of {percent} %\n", histogram.rows(), histogram.step());
        let line = |name: &str, cells: Vec<String>| {
            let cells: String = cells.iter().map(|cell| format!("{cell:>14}")).collect();
            format!("{name:<15}{cells}\n")
        };
        text.push_str(&line("", found.iter().map(|(method, _)| method.to_string()).collect()));
        let price = |price: f64| format!("{price:.decimals$}");
        text.push_str(&line("POC", found.iter().map(|(_, levels)| price(levels.poc)).collect()));
        text.push_str(&line("VAH", found.iter().map(|(_, levels)| price(levels.value_area_high)).collect()));
        text.push_str(&line("VAL", found.iter().map(|(_, levels)| price(levels.value_area_low)).collect()));
        text.push_str(&line(
            "volume inside",
            found.iter().map(|(_, levels)| format!("{:.2} %", levels.held * 100.0)).collect(),
        ));
        text
    };
    write!(out, "{text}").and_then(|()| out.flush()).map_err(exit::output_failed)?;
    Ok(Outcome::Good)
}

fn read(file: &PathBuf) -> Result<Histogram> {
    let (name, bytes) = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let read = std::io::stdin().read_to_end(&mut bytes);
        ("standard input".to_owned(), read.map(|_| bytes))
    } else {
        (file.display().to_string(), std::fs::read(file))
    };
    let bytes = bytes.map_err(|error| {
        let detail = format!("{name} cannot be read ({error}); check the path");
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => crate::ErrorKind::NotFound,
            _ => crate::ErrorKind::Unavailable,
        };
        Error::new(kind, detail).caused_by(error)
    })?;
    let text =
        String::from_utf8(bytes).map_err(|_| Error::invalid(format!("{name} is not UTF-8 text; save it as such")))?;
    Histogram::parse(&text, &name)
}
