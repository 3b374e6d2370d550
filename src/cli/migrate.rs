//! `pitlake migrate legacy-tpo`: the old archive into the lake, and back out of it. Prints what the library accounts for.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;

use super::exit::{Outcome, wrong_usage};
use super::settings::LakeArgs;
use super::{line, progress};
use crate::lake::instruments;
use crate::market::{SharedClock, Symbol, TradingDate};
use crate::profile::legacy::migrate::{self, Accounted, Fate, Migration, Reconciliation, Series};
use crate::profile::legacy::{Archive, RowHeight};
use crate::{Error, ErrorKind, Result};

/// Records and dates that the text shows of each kind; `--json` shows all.
const SHOWN: usize = 12;

#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The old archive of sessions as JSON files
    LegacyTpo(LegacyArgs),
}

#[derive(Debug, Args)]
struct LegacyArgs {
    /// The archive's folder
    #[arg(required_unless_present = "undo", conflicts_with = "undo")]
    dir: Option<PathBuf>,
    /// Decide everything and print the account, write nothing
    #[arg(long)]
    dry_run: bool,
    /// Records of this symbol only
    #[arg(long)]
    symbol: Option<Symbol>,
    /// Ticks in a row of the archive's profiles [default: 1; the instrument's own where rows of a tick are too many]
    #[arg(long, value_name = "TICKS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    row_ticks: Option<u32>,
    /// Take every imported row back out of profiles and their history; originals stay as captures
    #[arg(long)]
    undo: bool,
    /// One JSON object a record, then the account
    #[arg(long)]
    json: bool,
}

pub async fn run(args: &MigrateArgs, lake: &LakeArgs, clock: SharedClock, out: &mut dyn Write) -> Result<Outcome> {
    let What::LegacyTpo(args) = &args.what;
    let store = lake.store().await?;
    let Some(dir) = &args.dir else {
        let taken = migrate::undo(&store, args.symbol.as_ref(), args.dry_run, &clock).await?;
        let told = match (args.json, args.dry_run) {
            (true, _) => json!({ "taken_back": taken, "dry_run": args.dry_run }).to_string(),
            (false, true) => format!("{taken} imported sessions would be taken back; nothing was written"),
            (false, false) => format!("{taken} imported sessions were taken back; their originals are still captures"),
        };
        return line(out, &told).map(|()| Outcome::Good);
    };
    let archive = Archive::open(dir).map_err(|error| match error.kind() {
        ErrorKind::NotFound => wrong_usage(error.detail()),
        _ => error,
    })?;
    let bar = progress::bar(2 * archive.files().len() as u64, "reading");
    let told = {
        let bar = bar.clone();
        Arc::new(move |files| bar.inc(files))
    };
    let migration = Migration {
        instruments: instruments::load(&store).await?,
        store,
        clock,
        rows: RowHeight::new(args.row_ticks),
        symbol: args.symbol.clone(),
        dry_run: args.dry_run,
    };
    let outcome = migration.run(archive, told).await?;
    bar.finish_and_clear();
    let account = &outcome.reconciliation;
    if args.json {
        for record in &outcome.records {
            line(out, &as_json(record)?)?;
        }
        line(out, &as_json(account)?)?;
    } else {
        print(&outcome.records, account, out)?;
    }
    Ok(if account.is_complete() { Outcome::Good } else { Outcome::Failed })
}

fn as_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal("the account").caused_by(error))
}

fn print(records: &[Accounted], account: &Reconciliation, out: &mut dyn Write) -> Result<()> {
    let Reconciliation { files, records: read, .. } = account;
    line(
        out,
        &format!(
            "{read} records in {files} files{}",
            if account.dry_run { ", dry run: nothing was written" } else { "" }
        ),
    )?;
    for fate in Fate::ALL {
        let count = account.count(fate);
        if count > 0 || fate != Fate::NotAsked {
            line(out, &format!("{count:>8}  {:<18} {}", fate.as_str(), fate.about()))?;
        }
    }
    line(out, &format!("{:>8}  accounted for", account.accounted))?;
    let made = if account.dry_run { "would be" } else { "are" };
    line(
        out,
        &format!(
            "originals {made} in {} captures; {} computed rows {made} new",
            account.captures, account.computed_rows
        ),
    )?;
    for fate in [Fate::Conflict, Fate::Quarantined, Fate::Rejected] {
        let of: Vec<&Accounted> = records.iter().filter(|record| record.fate == fate).collect();
        if of.is_empty() {
            continue;
        }
        line(out, &format!("\n{}:", fate.as_str()))?;
        for record in of.iter().take(SHOWN) {
            let codes: Vec<&str> = record.codes.iter().map(|code| code.as_str()).collect();
            let symbol = record.symbol.as_ref().map_or("?", |symbol| symbol.as_str());
            let date = record.date.map_or_else(|| "?".to_owned(), |date| date.to_string());
            let place = format!("{}[{}] line {}", record.file, record.index, record.line);
            line(out, &format!("  {symbol} {date}  {place}  {}", codes.join(" ")))?;
        }
        if of.len() > SHOWN {
            line(out, &format!("  and {} more: --json names all", of.len() - SHOWN))?;
        }
    }
    for series in &account.sessions {
        print_series(series, out)?;
    }
    for name in &account.other_files {
        line(out, &format!("not of the archive: {name}"))?;
    }
    for name in &account.skipped_files {
        line(out, &format!("not read: {name}"))?;
    }
    for lacking in &account.unaccounted {
        line(out, &format!("NOT THERE: {lacking}"))?;
    }
    for unread in &account.unread_files {
        line(out, &format!("CANNOT BE READ: {unread}"))?;
    }
    if !account.unread_files.is_empty() {
        line(out, "\nrecords in what cannot be read are not accounted for: mend it, and run this again")?;
    }
    if account.is_complete() {
        line(out, "\nevery record is accounted for")
    } else if account.unaccounted.is_empty() && account.accounted == account.records {
        Ok(())
    } else {
        line(out, "\nnot every record is accounted for; run it again, and `pitlake verify`")
    }
}

fn print_series(series: &Series, out: &mut dyn Write) -> Result<()> {
    let Series { symbol, session, start, end, expected, covered, open, missing } = series;
    line(out, &format!("\n{symbol} {session} {start} to {end}: {covered} of {expected} sessions have a row"))?;
    for (dates, what) in [(open, "with a record but no row"), (missing, "with neither record nor row")] {
        if !dates.is_empty() {
            let shown: Vec<String> = dates.iter().take(SHOWN).map(TradingDate::to_string).collect();
            let more = if dates.len() > SHOWN { " …" } else { "" };
            line(out, &format!("  {} {what}: {}{more}", dates.len(), shown.join(" ")))?;
        }
    }
    Ok(())
}
