//! `pitlake recalculate`: profiles of an older calculation, older bars or other settings, found, shown with every number that
//! changes, and made again. What they were stays in `profiles_history`.

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::exit::{Outcome, is_broken_pipe, wrong_usage};
use super::line;
use super::settings::LakeArgs;
use crate::lake::instruments;
use crate::market::{SharedClock, TradingDate};
use crate::profile::compact::{Which, Year, catalog, left};
use crate::profile::recalculation::{Origin, Recalculated, compare};
use crate::profile::settings::Settings;
use crate::{Error, Result};

#[derive(Debug, Args)]
pub struct RecalculateArgs {
    /// Sessions of an older calculation version, older bars or other settings
    #[arg(long, required = true)]
    stale: bool,
    /// This symbol only, or a provider's spelling of it
    #[arg(long)]
    symbol: Option<String>,
    /// Trading dates from here on
    #[arg(long)]
    start: Option<TradingDate>,
    /// Trading dates up to here
    #[arg(long)]
    end: Option<TradingDate>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// One JSON object per session, at the end one that sums up
    #[arg(long)]
    json: bool,
}

/// What was found and done, over all years.
#[derive(Debug, Default)]
struct Sum {
    stale: usize,
    changed: usize,
    recalculated: usize,
    failed: usize,
}

pub async fn run(args: &RecalculateArgs, lake: &LakeArgs, clock: SharedClock, out: &mut dyn Write) -> Result<Outcome> {
    if let (Some(start), Some(end)) = (args.start, args.end)
        && end < start
    {
        return Err(wrong_usage(format!("--end {end} is before --start {start}; both are inclusive")));
    }
    let store = lake.store().await?;
    let instruments = instruments::load(&store).await?;
    let symbol = match &args.symbol {
        None => None,
        Some(name) => Some(instruments.resolve(name).map(|instrument| instrument.symbol.clone()).ok_or_else(|| {
            wrong_usage(format!("{name} is not known; `_config/instruments.toml` of the lake adds symbols"))
        })?),
    };
    let settings = Arc::new(Settings::load(&store).await?);
    let mut sum = Sum::default();
    for (of, years) in catalog(&store).await?.symbols {
        if symbol.as_ref().is_some_and(|symbol| *symbol != of) {
            continue;
        }
        let Some(instrument) = instruments.get(&of) else {
            eprintln!("pitlake: {of} is not known any more; add it to _config/instruments.toml");
            sum.failed += 1;
            continue;
        };
        let admits = |year: &i32| {
            args.start.is_none_or(|start| start.year() <= *year) && args.end.is_none_or(|end| *year <= end.year())
        };
        for year in years.into_iter().filter(admits) {
            let of_year = Year { store: &store, instrument, settings: &settings, year };
            let done = bring(&of_year, args, &clock, &mut sum, out).await;
            if let Err(error) = done {
                // A reader of our output that went away ends it all; a year that fails does not stop the others.
                if is_broken_pipe(&error) {
                    return Err(error);
                }
                eprintln!("pitlake: profiles of {of} {year}: {}", error.detail());
                sum.failed += 1;
            }
        }
    }
    summary(&sum, args, out)?;
    Ok(if sum.failed > 0 { Outcome::Failed } else { Outcome::Good })
}

/// One symbol's year.
async fn bring(
    year: &Year<'_>,
    args: &RecalculateArgs,
    clock: &SharedClock,
    sum: &mut Sum,
    out: &mut dyn Write,
) -> Result<()> {
    let (due, tables) = year.due(Which::Stale(args.start, args.end)).await?;
    if due.is_empty() {
        return Ok(());
    }
    let computed = year.compute(&due, &tables).await;
    let symbol = &year.instrument.symbol;
    for refusal in &computed.refused {
        eprintln!("pitlake: {symbol} {} {}: {}", refusal.date, refusal.session, refusal.reason);
    }
    for (date, error) in &computed.failed {
        eprintln!("pitlake: {symbol} {date}: {}", error.detail());
    }
    sum.failed += computed.refused.len() + computed.failed.len();
    let sessions = compare(&due, &tables.current, &computed);
    let mut not_taken = Vec::new();
    if !args.dry_run {
        // Before it is told: what is told is done.
        let exchanged = year.put(&computed, clock.now()).await?;
        not_taken = left(symbol, &computed, &exchanged);
    }
    for session in &sessions {
        sum.stale += 1;
        sum.changed += usize::from(!session.changes.is_empty());
        line(out, &if args.json { as_json(session, args)? } else { told(session) })?;
    }
    for error in &not_taken {
        eprintln!("pitlake: {}", error.detail());
    }
    sum.failed += not_taken.len();
    if !args.dry_run {
        sum.recalculated += sessions.len().saturating_sub(not_taken.len());
    }
    Ok(())
}

fn as_json(session: &Recalculated, args: &RecalculateArgs) -> Result<String> {
    let mut value = serde_json::to_value(session).map_err(|error| Error::internal("outcome").caused_by(error))?;
    if let Value::Object(members) = &mut value {
        let action = if args.dry_run { "planned" } else { "recalculated" };
        members.insert("action".to_owned(), action.into());
    }
    Ok(value.to_string())
}

fn told(session: &Recalculated) -> String {
    let changes: Vec<String> =
        session.changes.iter().map(|change| format!("{} {} → {}", change.field, change.old, change.new)).collect();
    let changes = if changes.is_empty() { "the numbers stay as they are".to_owned() } else { changes.join("; ") };
    let Recalculated { symbol, date, session: kind, why, from, to, .. } = session;
    let side = |side: &Option<Origin>| match side {
        None => "none".to_owned(),
        Some(origin) => format!("{} of bars revision {}", origin.calculation_version, origin.revision),
    };
    format!("{symbol} {date} {kind} ({}): {} → {}: {changes}", why.as_str(), side(from), side(to))
}

fn summary(sum: &Sum, args: &RecalculateArgs, out: &mut dyn Write) -> Result<()> {
    let Sum { stale, changed, recalculated, failed } = *sum;
    if args.json {
        let sum = json!({"stale": stale, "changed": changed, "recalculated": recalculated, "failed": failed});
        return line(out, &sum.to_string());
    }
    let done = match (stale, args.dry_run) {
        (0, _) => "nothing is out of date".to_owned(),
        (_, true) => {
            format!("{stale} sessions are out of date, {changed} would change; without --dry-run they are made again")
        }
        (_, false) => format!(
            "{recalculated} of {stale} sessions made again, {changed} changed; what they were stays in profiles_history"
        ),
    };
    line(out, &if failed > 0 { format!("{done}; {failed} failed") } else { done })
}
