//! `pitlake compact`: captures into partitions.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;

use clap::{Args, ValueEnum};

use super::exit::Outcome;
use super::settings::LakeArgs;
use super::{line, progress};
use crate::greeks::compact::{CompactOptions, Compactor, Outcome as Partition, Selection};
use crate::lake::instruments;
use crate::market::{SharedClock, Symbol, TradingDate};
use crate::{Error, Result};

#[derive(Debug, Args)]
pub struct CompactArgs {
    /// The dataset to compact [default: all]
    #[arg(value_enum)]
    dataset: Option<What>,
    /// This symbol only
    #[arg(long)]
    symbol: Option<Symbol>,
    /// This trading date only
    #[arg(long, conflicts_with = "since")]
    date: Option<TradingDate>,
    /// Trading dates from here on
    #[arg(long)]
    since: Option<TradingDate>,
    /// One JSON object per partition
    #[arg(long)]
    json: bool,
    /// Memory that days compacted side by side may take together, in MiB
    #[arg(long, default_value_t = 400, value_name = "MIB", value_parser = clap::value_parser!(u64).range(32..))]
    memory: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Strike level, minute sums and day statistics, from greeks and chains
    Greeks,
}

pub async fn run(args: &CompactArgs, lake: &LakeArgs, clock: SharedClock, out: &mut dyn Write) -> Result<Outcome> {
    let store = lake.store().await?;
    let instruments = instruments::load(&store).await?;
    let options = CompactOptions { memory_bytes: args.memory << 20 };
    let compactor = Compactor { store, instruments, clock, options };
    let selection = Selection { symbol: args.symbol.clone(), date: args.date, since: args.since };
    let days = compactor.plan(&selection).await?;
    let bar = progress::bar(days.len() as u64, "compacting");
    let plain = !args.json && !std::io::stderr().is_terminal();
    let lines = Mutex::new(Vec::new());
    let outcomes = compactor
        .run(&days, &|outcome| {
            if let Ok(partition) = outcome
                && partition.dataset == crate::greeks::record::GREEKS
            {
                bar.inc(1);
            }
            let told = outcome.as_ref().map(told).unwrap_or_else(|error| format!("failed: {}", error.detail()));
            if plain {
                eprintln!("{told}");
            } else if let Ok(mut lines) = lines.lock() {
                lines.push(told);
            }
        })
        .await;
    bar.finish_and_clear();
    let mut failed = false;
    let mut written = 0;
    for outcome in &outcomes {
        match outcome {
            Ok(partition) => {
                written += u64::from(partition.action == "written");
                if args.json {
                    line(
                        out,
                        &serde_json::to_string(partition)
                            .map_err(|error| Error::internal("outcome").caused_by(error))?,
                    )?;
                }
            }
            Err(error) => {
                failed = true;
                eprintln!("pitlake: {}", error.detail());
            }
        }
    }
    if !args.json {
        line(
            out,
            &format!(
                "{} partitions, {written} written, {} as they were",
                outcomes.len(),
                outcomes.len() as u64 - written
            ),
        )?;
        if outcomes.is_empty() {
            line(out, "nothing to compact: no captures match; `pitlake ingest greeks FILE` brings some in")?;
        }
    }
    Ok(if failed { Outcome::Failed } else { Outcome::Good })
}

fn told(partition: &Partition) -> String {
    let period =
        partition.date.map_or_else(|| partition.year.map_or_else(String::new, |y| y.to_string()), |d| d.to_string());
    format!(
        "{} {} {period}: {}, revision {}, {}, {} rows, {} bytes",
        partition.dataset,
        partition.symbol,
        partition.action,
        partition.revision,
        partition.condition.as_str(),
        partition.rows,
        partition.bytes
    )
}
