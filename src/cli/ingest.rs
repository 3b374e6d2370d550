//! `pitlake ingest`: files or standard input into captures.

use std::io::{Read, Write};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::{Args, Subcommand};

use super::exit::Outcome;
use super::settings::LakeArgs;
use super::{line, progress};
use crate::bars::ingest::{Declared, ingest as ingest_bars};
use crate::bars::input::Named;
use crate::bars::reading::{Stamp, VolumeKind, minutes};
use crate::greeks::chain_capture::{ChainDocument, ingest_chain};
use crate::greeks::chains::{ChainContext, ChainFormat};
use crate::greeks::formula::{Dealers, Formula, GreeksSource};
use crate::greeks::ingest::ingest;
use crate::lake::instruments;
use crate::lake::journal::{Counts, decompress};
use crate::lake::store::Store;
use crate::market::{Instruments, SharedClock, Symbol};
use crate::{Error, Result};

/// A chain beyond this is not a chain.
const CHAIN_BYTES: u64 = 256 << 20;

#[derive(Debug, Args)]
pub struct IngestArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Dealer exposures: JSON documents (either shape) or CSV, plain, .gz or .zst
    Greeks(Files),
    /// Option chains, turned into exposures by the declared formula
    Chains(Chains),
    /// Price bars of one minute to one hour: CSV, JSON lines or Parquet, plain, .gz or .zst
    Bars(Bars),
}

#[derive(Debug, Args)]
struct Files {
    /// Files, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// End with one JSON object: captures, documents, rows, duplicates, refused
    #[arg(long)]
    json: bool,
    /// Exit 1 when anything was refused
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Args)]
struct Chains {
    #[command(flatten)]
    files: Files,
    /// Symbol, when the document does not say it
    #[arg(long)]
    symbol: Option<Symbol>,
    /// The instant the chain describes (2025-01-15T10:30:00-05:00), when the document does not say it
    #[arg(long, value_parser = instant)]
    at: Option<DateTime<Utc>>,
    /// The underlying's price at that instant, when the document does not say it
    #[arg(long, value_parser = price)]
    spot: Option<f64>,
    /// options-desk, yahoo-csv, cboe-quote-table or plain-csv [default: told by the text]
    #[arg(long, value_parser = |text: &str| text.parse::<ChainFormat>().map_err(|error| error.to_string()))]
    format: Option<ChainFormat>,
    /// Which side dealers are on: long-calls-short-puts, short-both or long-both
    #[arg(long, default_value = "long-calls-short-puts", value_parser = |text: &str| text.parse::<Dealers>().map_err(|error| error.to_string()))]
    dealers: Dealers,
    /// Gamma as-sent where there is one, or the model's throughout
    #[arg(long, default_value = "as-sent", value_parser = |text: &str| text.parse::<GreeksSource>().map_err(|error| error.to_string()))]
    greeks: GreeksSource,
}

#[derive(Debug, Args)]
struct Bars {
    #[command(flatten)]
    files: Files,
    /// Whose bars they are
    #[arg(long)]
    symbol: String,
    /// Whose clock the times are, where they name no zone themselves: America/New_York, UTC
    #[arg(long, value_parser = zone)]
    tz: Option<Tz>,
    /// Which end of a bar its time is: start or end [default: start]
    #[arg(long, value_parser = |text: &str| text.parse::<Stamp>().map_err(|error| error.to_string()))]
    stamp: Option<Stamp>,
    /// What a bar's volume is: its own (bar), that of the day so far (cumulative), or none
    #[arg(long, default_value = "bar", value_parser = |text: &str| text.parse::<VolumeKind>().map_err(|error| error.to_string()))]
    volume: VolumeKind,
    /// Length of a bar, 1m to 1h [default: told by the spacing]
    #[arg(long, value_parser = |text: &str| minutes(text).map_err(|error| error.to_string()))]
    interval: Option<u16>,
    /// Columns by name or number: timestamp=When,open=2,… [default: told by the usual names]
    #[arg(long, default_value = "", hide_default_value = true, value_parser = |text: &str| text.parse::<Named>().map_err(|error| error.to_string()))]
    columns: Named,
}

pub(super) fn zone(text: &str) -> std::result::Result<Tz, String> {
    text.parse().map_err(|_| format!("{text:?} is no time zone: write it as in America/New_York, Asia/Kolkata or UTC"))
}

fn instant(text: &str) -> std::result::Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.with_timezone(&Utc))
        .map_err(|error| format!("{error}; write it with its zone, 2025-01-15T10:30:00-05:00"))
}

fn price(text: &str) -> std::result::Result<f64, String> {
    text.parse()
        .ok()
        .filter(|price: &f64| price.is_finite() && *price > 0.0)
        .ok_or_else(|| "a price above 0".to_owned())
}

pub async fn run(args: &IngestArgs, lake: &LakeArgs, clock: SharedClock, out: &mut dyn Write) -> Result<Outcome> {
    let store = lake.store().await?;
    let instruments = instruments::load(&store).await?;
    let files = match &args.what {
        What::Greeks(files) => files,
        What::Chains(chains) => &chains.files,
        What::Bars(bars) => &bars.files,
    };
    let mut total = Counts::default();
    let mut failed = false;
    // A reader of our output that went away must not stop what is being taken in.
    let mut printed = Ok(());
    for file in &files.files {
        let counted = match &args.what {
            What::Greeks(_) => greeks(file, &instruments, &clock, &store).await,
            What::Chains(chains) => chain(file, chains, &instruments, &clock, &store).await,
            What::Bars(args) => bars(file, args, &instruments, &clock, &store).await,
        };
        match counted {
            Ok(counts) => {
                if !files.json && printed.is_ok() {
                    printed = line(out, &format!("{file}: {}", told(&counts)));
                }
                failed |= counts.documents == 0;
                if counts.documents == 0 && counts.refused == 0 {
                    eprintln!("pitlake: {file}: there is no document in it");
                }
                add(&mut total, &counts);
            }
            Err(error) => {
                failed = true;
                eprintln!("pitlake: {}", error.while_doing(file));
            }
        }
    }
    if files.json {
        printed =
            line(out, &serde_json::to_string(&total).map_err(|error| Error::internal("counts").caused_by(error))?);
    } else if files.files.len() > 1 && printed.is_ok() {
        printed = line(out, &format!("all: {}", told(&total)));
    }
    if total.refused > 0 && !files.json {
        eprintln!("{} refused; raw/_rejected keeps each with its place and reason", total.refused);
    }
    if failed || (files.strict && total.refused > 0) {
        return Ok(Outcome::Failed);
    }
    printed.map(|()| Outcome::Good)
}

fn told(counts: &Counts) -> String {
    format!(
        "{} captures, {} documents, {} rows new, {} there already, {} refused",
        counts.captures, counts.documents, counts.rows, counts.duplicates, counts.refused
    )
}

fn add(total: &mut Counts, counts: &Counts) {
    total.captures += counts.captures;
    total.documents += counts.documents;
    total.rows += counts.rows;
    total.duplicates += counts.duplicates;
    total.refused += counts.refused;
}

async fn greeks(file: &str, instruments: &Arc<Instruments>, clock: &SharedClock, store: &Store) -> Result<Counts> {
    let bar = progress::bytes(file);
    let counts = {
        let bar = bar.clone();
        let told = Box::new(move |bytes| bar.set_position(bytes));
        ingest(open(file)?, Arc::clone(instruments), Arc::clone(clock), store, told).await
    };
    bar.finish_and_clear();
    counts
}

async fn bars(
    file: &str,
    args: &Bars,
    instruments: &Instruments,
    clock: &SharedClock,
    store: &Store,
) -> Result<Counts> {
    let declared = Declared {
        symbol: args.symbol.clone(),
        zone: args.tz,
        stamp: args.stamp,
        volume: args.volume,
        minutes: args.interval,
        columns: args.columns.clone(),
    };
    let bar = progress::bytes(file);
    let taken = {
        let bar = bar.clone();
        let told = Box::new(move |bytes| bar.set_position(bytes));
        ingest_bars(open(file)?, declared, instruments, Arc::clone(clock), store, told).await
    };
    bar.finish_and_clear();
    let taken = taken?;
    for warning in &taken.warnings {
        eprintln!("pitlake: {file}: {warning}");
    }
    Ok(taken.counts)
}

async fn chain(
    file: &str,
    args: &Chains,
    instruments: &Instruments,
    clock: &SharedClock,
    store: &Store,
) -> Result<Counts> {
    let mut text = String::new();
    decompress(open(file)?)?
        .take(CHAIN_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| Error::invalid(format!("the chain cannot be read as text ({error})")).caused_by(error))?;
    if text.len() as u64 > CHAIN_BYTES {
        return Err(Error::invalid(format!(
            "the chain is larger than {} MiB; one snapshot never is",
            CHAIN_BYTES >> 20
        )));
    }
    let context = ChainContext { symbol: args.symbol.clone(), at: args.at, spot: args.spot };
    let formula = Formula::new(args.dealers, args.greeks);
    let document = ChainDocument::new(text, context, args.format, &formula)?;
    ingest_chain(document, instruments, clock.now(), store).await
}

fn open(file: &str) -> Result<Box<dyn Read + Send>> {
    if file == "-" {
        return Ok(Box::new(std::io::stdin()));
    }
    let opened = std::fs::File::open(file)
        .map_err(|error| Error::invalid(format!("the file cannot be opened ({error})")).caused_by(error))?;
    Ok(Box::new(opened))
}
