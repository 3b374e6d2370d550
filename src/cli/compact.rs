//! `pitlake compact`: captures into partitions.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};

use super::exit::{Outcome, wrong_usage};
use super::serve::stopped;
use super::settings::LakeArgs;
use super::{line, progress};
use crate::lake::compact::{self, CompactOptions, Compactor, Follower, Outcome as Partition, Selection};
use crate::lake::instruments;
use crate::market::{SharedClock, Symbol, TradingDate};
use crate::profile::compact::every_year;
use crate::profile::record::PROFILES;
use crate::server::rooms::{COMPACTED, Compacted};
use crate::{Error, Result};

#[derive(Debug, Args)]
pub struct CompactArgs {
    /// What to compact [default: all]
    #[arg(value_parser = PossibleValuesParser::new(COMPACTED.iter().map(named).chain([profiles()])))]
    dataset: Option<String>,
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
    /// Go on: bring the open days up to date every period, late captures too, until stopped
    #[arg(long)]
    follow: bool,
    /// The period of --follow, in seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS", requires = "follow", value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Memory that days compacted side by side may take together, in MiB; with --follow, parsed captures of open days as much again
    #[arg(long, default_value_t = 400, value_name = "MIB", value_parser = clap::value_parser!(u64).range(32..))]
    memory: u64,
}

fn named(room: &Compacted) -> PossibleValue {
    PossibleValue::new(room.name).help(room.about)
}

/// Not made from captures but from bars, which bring them along; by this name they are made without looking at captures.
fn profiles() -> PossibleValue {
    PossibleValue::new(PROFILES).help("Market profiles, from the bars that the lake has")
}

pub async fn run(args: &CompactArgs, lake: &LakeArgs, clock: SharedClock, out: &mut dyn Write) -> Result<Outcome> {
    let store = lake.store().await?;
    let instruments = instruments::load(&store).await?;
    let options = CompactOptions { memory_bytes: args.memory << 20 };
    if args.dataset.as_deref() == Some(PROFILES) && args.follow {
        return Err(wrong_usage("profiles follow the bars: run `pitlake compact bars --follow`"));
    }
    let selection = Selection { symbol: args.symbol.clone(), date: args.date, since: args.since };
    let wanted = COMPACTED.iter().filter(|room| args.dataset.as_ref().is_none_or(|name| name == room.name));
    let compactors: Vec<Compactor> = wanted.map(|room| room.compactor(&store, &instruments, &clock, options)).collect();
    if args.follow {
        return follow(compactors, &selection, store.root(), args, out).await;
    }
    let mut work = Vec::with_capacity(compactors.len());
    for compactor in compactors {
        let days = compactor.plan(&selection).await?;
        work.push((compactor, days));
    }
    let mut outcomes = Vec::new();
    if args.dataset.as_deref() == Some(PROFILES) {
        let years = every_year(&store, &instruments, &selection, clock.now()).await?;
        outcomes.extend(years.into_iter().map(|published| published.map(|published| Partition::of(&published))));
    }
    let days = work.iter().map(|(_, days)| days.len() as u64).sum();
    let bar = progress::bar(days, "compacting");
    let plain = !args.json && !std::io::stderr().is_terminal();
    let lines = Mutex::new(Vec::new());
    for (compactor, days) in &work {
        let leading = compactor.recipe.days().first().map(|dataset| dataset.name);
        let told = |outcome: &Result<Partition>| {
            if let Ok(partition) = outcome
                && Some(partition.dataset.as_str()) == leading
            {
                bar.inc(1);
            }
            if matches!(outcome, Ok(partition) if partition.action == "unchanged") {
                return;
            }
            let told = outcome.as_ref().map(told).unwrap_or_else(|error| format!("failed: {}", error.detail()));
            if plain {
                eprintln!("{told}");
            } else if let Ok(mut lines) = lines.lock() {
                lines.push(told);
            }
        };
        outcomes.extend(compactor.run(days, &told).await);
    }
    bar.finish_and_clear();
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        eprintln!("pitlake: {}", error.detail());
    }
    let failed = outcomes.iter().any(Result::is_err);
    let printed = print(&outcomes, args, out);
    // A reader of our output that went away does not make a failed day good.
    if failed { Ok(Outcome::Failed) } else { printed.map(|()| Outcome::Good) }
}

/// Prints what was written and what failed, round by round, until Ctrl-C, SIGTERM or a reader that went away.
async fn follow(
    compactors: Vec<Compactor>,
    selection: &Selection,
    root: &str,
    args: &CompactArgs,
    out: &mut dyn Write,
) -> Result<Outcome> {
    let every = std::time::Duration::from_secs(args.every);
    eprintln!("following the captures of {root}, a round every {} s; Ctrl-C ends it", args.every);
    // The parsed captures of all rooms together take what one room's might.
    let shelf = (args.memory << 20) / compactors.len().max(1) as u64;
    let followers = compactors.into_iter().map(|compactor| Follower::with_shelf(compactor, selection.clone(), shelf));
    let told = |outcome: &Result<Partition>| match outcome {
        Ok(partition) if partition.action != "written" => Ok(()),
        Ok(partition) if args.json => line(out, &as_json(partition)?),
        Ok(partition) => line(out, &told(partition)),
        Err(error) => {
            eprintln!("pitlake: {}", error.detail());
            Ok(())
        }
    };
    compact::follow(followers.collect(), every, stopped("stopping"), told).await.map(|()| Outcome::Good)
}

fn as_json(partition: &Partition) -> Result<String> {
    serde_json::to_string(partition).map_err(|error| Error::internal("outcome").caused_by(error))
}

fn print(outcomes: &[Result<Partition>], args: &CompactArgs, out: &mut dyn Write) -> Result<()> {
    let partitions = || outcomes.iter().flatten();
    if args.json {
        for partition in partitions() {
            line(out, &as_json(partition)?)?;
        }
        return Ok(());
    }
    let (all, written) = (partitions().count(), partitions().filter(|partition| partition.action == "written").count());
    line(out, &format!("{all} partitions, {written} written, {} as they were", all - written))?;
    if args.dataset.as_deref() == Some(PROFILES) {
        return if written == 0 { line(out, "every profile is made from the bars that there are") } else { Ok(()) };
    }
    if outcomes.is_empty() {
        let name = args.dataset.as_deref().unwrap_or("greeks");
        line(out, &format!("nothing to compact: no captures match; `pitlake ingest {name} FILE` brings some in"))?;
    }
    Ok(())
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
