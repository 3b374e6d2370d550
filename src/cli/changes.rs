//! `pitlake changes`: which partitions were republished since an instant, from the lake itself or from a server.

use std::io::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::exit::{Outcome, wrong_usage};
use super::line;
use super::pull::remote::{Remote, Source};
use super::settings::LakeArgs;
use crate::http::files::changes::ChangeRow;
use crate::lake::cache::{Cache, CacheOptions};
use crate::lake::indexes::Indexes;
use crate::lake::manifest::Change;
use crate::lake::{instruments, records};
use crate::market::{SharedClock, TradingDate};
use crate::server::DATASETS;
use crate::{Error, Result};

/// The disk that reading records may take: none of them goes there.
const NO_FILES_BYTES: u64 = 0;

#[derive(Debug, Args)]
pub struct ChangesArgs {
    /// The dataset
    #[arg(long)]
    dataset: String,
    /// Symbol or a provider's spelling of it
    #[arg(long)]
    symbol: String,
    /// An instant with its zone (RFC 3339), exclusive, such as 2025-01-15T14:32:00Z
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    since: DateTime<Utc>,
    /// Ask this server instead of reading the lake
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// API key for the server
    #[arg(long, env = "PITLAKE_KEY", hide_env_values = true)]
    key: Option<String>,
    /// One JSON object per partition, at the end one that sums up
    #[arg(long)]
    json: bool,
}

fn instant(text: &str) -> std::result::Result<DateTime<Utc>, String> {
    let instant = DateTime::parse_from_rfc3339(text).map(|instant| instant.with_timezone(&Utc));
    instant.map_err(|_| "expected an instant with its zone, such as 2025-01-15T14:32:00Z".to_owned())
}

/// What a line for a person says of a row.
#[derive(Deserialize)]
struct Row {
    date: Option<TradingDate>,
    year: Option<i32>,
    path: String,
    revision: u32,
    condition: String,
    published_at: DateTime<Utc>,
    rows: u64,
    change: Option<Change>,
}

pub async fn run(args: &ChangesArgs, lake: &LakeArgs, clock: SharedClock, out: &mut dyn Write) -> Result<Outcome> {
    let (rows, until) = match &args.server {
        Some(server) => of_server(args, server).await?,
        None => of_lake(args, lake, clock).await?,
    };
    for row in &rows {
        let text = if args.json { row.clone() } else { for_a_person(row)? };
        line(out, &text)?;
    }
    let until = until.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let last = if args.json {
        json!({"changes": rows.len(), "until": until}).to_string()
    } else {
        format!("{} partitions; ask next with --since {until}", rows.len())
    };
    line(out, &last)?;
    Ok(Outcome::Good)
}

/// Rows as lines of JSON, and the next `since`.
async fn of_server(args: &ChangesArgs, server: &str) -> Result<(Vec<String>, DateTime<Utc>)> {
    let source = Source { dataset: args.dataset.clone(), symbol: args.symbol.clone() };
    let answer = Remote::new(server, args.key.as_deref())?.changes(&source, args.since).await?;
    Ok((answer.data.iter().map(|row| row.get().to_owned()).collect(), answer.until))
}

async fn of_lake(args: &ChangesArgs, lake: &LakeArgs, clock: SharedClock) -> Result<(Vec<String>, DateTime<Utc>)> {
    let dataset = DATASETS.iter().find(|dataset| dataset.name == args.dataset).ok_or_else(|| {
        let names: Vec<&str> = DATASETS.iter().map(|dataset| dataset.name).collect();
        wrong_usage(format!("there is no dataset '{}'; there are {}", args.dataset, names.join(", ")))
    })?;
    let store = lake.store().await?;
    let instruments = instruments::load(&store).await?;
    let instrument = instruments.resolve(&args.symbol).ok_or_else(|| {
        Error::not_found(format!("{} is not known; _config/instruments.toml of the lake adds symbols", args.symbol))
    })?;
    let folder =
        tempfile::tempdir().map_err(|error| Error::unavailable("no temporary folder can be made").caused_by(error))?;
    let options = CacheOptions::new(folder.path(), NO_FILES_BYTES);
    let indexes = Indexes::new(Cache::open(store, options, clock.clone()).await?);
    let until = records::next_since(clock.now(), Some(args.since));
    let found = records::changes(&indexes, dataset, &instrument.symbol, args.since).await?;
    let rows = found.iter().map(|record| ChangeRow::of(record).to_line()).collect::<Result<_>>()?;
    Ok((rows, until))
}

fn for_a_person(row: &str) -> Result<String> {
    let row: Row = serde_json::from_str(row)
        .map_err(|error| Error::invalid("a row of changes is not one of pitlake's").caused_by(error))?;
    let period = row.date.map(|date| date.to_string()).or(row.year.map(|year| year.to_string())).unwrap_or_default();
    let published = row.published_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let change = row.change.as_ref().map(|change| {
        let counted = |rows: Option<u64>| rows.map_or_else(|| "?".to_owned(), |rows| rows.to_string());
        let [added, changed, removed] = [change.rows_added, change.rows_changed, change.rows_removed].map(counted);
        format!(", against revision {}: +{added} ~{changed} -{removed}", change.from_revision)
    });
    let Row { path, revision, condition, rows, .. } = &row;
    Ok(format!(
        "{published}  {period}  revision {revision}  {condition}  {rows} rows{}  {path}",
        change.unwrap_or_default()
    ))
}
