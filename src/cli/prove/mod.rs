//! `pitlake prove`: one API call, its answer, and the plain SQL over the lake's files that gives the same, row by row. The SQL
//! comes from the room ([`crate::greeks::prove`]); here the question is asked, the SQL run and the two compared. It must never
//! say "equal" of what it has not compared.
//!
//! [`asked`] gets the answer, [`near`] the files, [`plain`] runs the SQL, [`rows`] reads the answer's format, [`compare`] holds
//! them together value by value ([`cell`]), [`told`] prints what came of it.

mod asked;
mod cell;
mod compare;
mod near;
mod plain;
mod rows;
mod told;

use std::io::Write;

use clap::Args;
use url::Url;

use super::exit::{Outcome, wrong_usage};
use super::settings::LakeArgs;
use crate::greeks::prove::{Call, Days, LakeDay, PROVABLE, Reading};
use crate::greeks::record::GREEKS;
use crate::lake::catalog::Catalog;
use crate::lake::instruments;
use crate::lake::layout::PartitionId;
use crate::lake::publish;
use crate::lake::store::Store;
use crate::lake::year_index;
use crate::market::{SharedClock, Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};
use asked::{Answered, Api};

/// How often a question is asked anew whose files were replaced meanwhile.
const ATTEMPTS: u32 = 3;

#[derive(Debug, Args)]
pub struct ProveArgs {
    /// The call: '/api/v1/greeks/SPY/2025-01-15/aggregate?by=strike', or its whole URL
    #[arg(value_name = "PATH?QUERY")]
    call: String,
    /// Ask this running server instead of the routes in this process: http://127.0.0.1:8080
    #[arg(long, value_name = "URL")]
    server: Option<Url>,
    /// Key for that server
    #[arg(long, env = "PITLAKE_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
    /// One JSON object
    #[arg(long, conflicts_with = "sql")]
    json: bool,
    /// Print the SQL alone, without running it
    #[arg(long)]
    sql: bool,
}

/// Proves, and prints. Failed when the answer is not what the files give.
///
/// # Errors
/// Wrong usage for a call that cannot be proved or that the API finds wrong; the API's own refusal; those of the store.
pub async fn run(args: &ProveArgs, lake: &LakeArgs, clock: SharedClock, out: &mut dyn Write) -> Result<Outcome> {
    let store = lake.store().await?;
    store.check().await?;
    let instruments = instruments::load(&store).await?;
    let (path, query) = split(&args.call)?;
    let asked = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    let reading = Call::read(&path, query, &instruments);
    if let Ok(Reading::NotProvable(what)) = &reading {
        return Err(wrong_usage(format!("{path} is {what}; what can be proved: {PROVABLE}")));
    }
    let work = tempfile::tempdir()
        .map_err(|error| Error::unavailable(format!("no folder for the work ({error})")).caused_by(error))?;
    let cache = work.path().join("cache");
    let api = match &args.server {
        Some(server) => Api::Running { server, key: args.key.as_deref() },
        None => Api::InProcess { store: &store, clock, cache: &cache },
    };
    for _ in 0..ATTEMPTS {
        let answered = api.get(&asked).await?;
        if !answered.is_good() {
            return Err(match answered.status {
                // The question itself is at fault.
                400..=499 if answered.status != 404 => wrong_usage(answered.problem().detail()),
                _ => answered.problem(),
            });
        }
        let call = match &reading {
            Ok(Reading::Provable(call)) => call,
            Ok(_) => return Err(wrong_usage(format!("{path} cannot be proved; what can be: {PROVABLE}"))),
            Err(error) => return Err(wrong_usage(error.detail())),
        };
        let days = days(&store, call).await?;
        let sql = call.sql(store.root(), &days)?;
        if args.sql {
            told::sql(&sql, out)?;
            return Ok(Outcome::Good);
        }
        if let Some(proof) = proof(&store, call, &days, answered, work.path()).await? {
            let told = told::Told { asked: &asked, sql: &sql, proof: &proof };
            if args.json {
                told.json(out)?
            } else {
                told.text(out)?
            }
            return Ok(if proof.verdict.equal() { Outcome::Good } else { Outcome::Failed });
        }
    }
    Err(Error::unavailable(
        "the files that this call is about are being republished, or the server still answers from an older revision; \
         try again in half a minute",
    ))
}

/// What was found.
struct Proof {
    format: String,
    condition: Option<String>,
    files: Vec<near::Witness>,
    verdict: compare::Verdict,
}

/// Runs the SQL over the files and compares; `None` when they were replaced meanwhile.
async fn proof(
    store: &Store,
    call: &Call,
    days: &[LakeDay],
    answered: Answered,
    work: &std::path::Path,
) -> Result<Option<Proof>> {
    let copies = work.join("lake");
    let files = near::bring(store, call.partitions(days), &copies).await?;
    if let (Some(answered), [file, ..], Days::One(_) | Days::Last) = (answered.revision, files.as_slice(), call.days())
        && answered != file.revision
    {
        return Ok(None);
    }
    let is_folder = files.first().is_none_or(|file| store.local_path(&file.path).is_some());
    // The very text that is shown, unless the files are in a bucket: then the same text over their copies.
    let root = if is_folder { store.root().to_owned() } else { copies.to_string_lossy().into_owned() };
    let sql = call.sql(&root, days)?;
    let (spill, format) = (work.join("spill"), answered.content_type.clone());
    let compared =
        tokio::task::spawn_blocking(move || plain::compare(&sql, &spill, answered.body, &answered.content_type))
            .await
            .map_err(|error| Error::internal("the comparison stopped").caused_by(error))?;
    // What was replaced while it was read proves nothing either way.
    if !near::unchanged(store, &files).await? {
        return Ok(None);
    }
    Ok(Some(Proof { format, condition: answered.condition, files, verdict: compared? }))
}

/// The days that the call is about and the lake has, each with the session of its manifest.
async fn days(store: &Store, call: &Call) -> Result<Vec<LakeDay>> {
    let dates = match call.days() {
        Days::One(date) => vec![date],
        Days::Last => {
            let mut last = None;
            for year in years(store, &call.symbol).await?.into_iter().rev() {
                last = dates(store, &call.symbol, year).await?.last().copied();
                if last.is_some() {
                    break;
                }
            }
            last.into_iter().collect()
        }
        Days::Between(start, end) => {
            let mut all = Vec::new();
            for year in
                years(store, &call.symbol).await?.into_iter().filter(|year| (start.year()..=end.year()).contains(year))
            {
                all.extend(dates(store, &call.symbol, year).await?);
            }
            all.retain(|date| (start..=end).contains(date));
            all
        }
    };
    let mut days = Vec::with_capacity(dates.len());
    for date in dates {
        let manifest = publish::manifest(store, &PartitionId::day(GREEKS, &call.symbol, date)).await?;
        let session = manifest.content.session.map(|session| (session.open, session.close));
        days.push(LakeDay { date, session });
    }
    if days.is_empty() {
        let detail = "the lake has no day that this call is about: there is nothing to compare";
        return Err(Error::not_found(detail));
    }
    Ok(days)
}

async fn years(store: &Store, symbol: &Symbol) -> Result<Vec<i32>> {
    let key = Catalog::key(GREEKS);
    match store.get(&key).await {
        Ok(object) => Ok(Catalog::parse(&object.bytes, &key)?.years(symbol).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

async fn dates(store: &Store, symbol: &Symbol, year: i32) -> Result<Vec<TradingDate>> {
    match year_index::read(store, GREEKS, symbol, year).await {
        Ok(index) => Ok(index.days.iter().map(|day| day.date).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Path and query of the call; of a whole URL the rest is left out.
fn split(call: &str) -> Result<(String, Option<&str>)> {
    let path_and_query = match call.split_once("://") {
        Some(("http" | "https", rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => call,
    };
    let (path, query) =
        path_and_query.split_once('?').map_or((path_and_query, None), |(path, query)| (path, Some(query)));
    if !path.starts_with('/') {
        return Err(wrong_usage(format!(
            "{call:?} is no call of the API; write it as '/api/v1/greeks/SPY/2025-01-15?strike=585', in quotes"
        )));
    }
    Ok((path.to_owned(), query))
}
