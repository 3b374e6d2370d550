//! `pitlake keys create|list|revoke`: the lake's API keys from the command line. A new key is shown once, here, and
//! never again: the lake holds only its hash.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::key_store;
use crate::http::keys::{KeyGrant, KeyRecord, Scope};
use crate::lake::store::Store;
use crate::market::{Clock, Symbol};
use crate::{Error, ErrorKind, Result};

/// Make, list and revoke the lake's API keys
#[derive(Debug, clap::Args)]
pub struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum KeysCommand {
    /// Make a key and print it, once; from the first one on, every request to the lake needs a key
    Create(CreateArgs),
    /// List the keys, revoked ones too
    List,
    /// Revoke a key; running servers see it within a minute
    Revoke {
        /// The id that `list` shows, such as k002031b9
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct CreateArgs {
    /// For whom or what the key is
    #[arg(long)]
    name: String,
    /// What the key may do: read, capture, admin; repeat the option or separate by commas
    #[arg(long = "scope", value_name = "SCOPE", required = true, value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// Only this dataset, such as greeks; repeat it for more [default: all]
    #[arg(long = "dataset", value_name = "DATASET", value_delimiter = ',')]
    datasets: Vec<String>,
    /// Only this symbol, such as SPY; repeat it for more [default: all]
    #[arg(long = "symbol", value_name = "SYMBOL", value_delimiter = ',')]
    symbols: Vec<Symbol>,
}

/// Runs the command and writes its answer to `out`.
///
/// # Errors
/// `Invalid` for a grant that makes no sense, `NotFound` for an id that is not there, `Corrupt` for a key list that
/// makes no sense, and what the store says.
pub async fn run(args: KeysArgs, store: &Store, clock: &dyn Clock, out: &mut dyn Write) -> Result<()> {
    let json = args.json;
    match args.command {
        KeysCommand::Create(create) => {
            // The one place of pitlake that draws randomness from the machine: a secret must not come from a seed.
            let key = Uuid::new_v4();
            create_key(create, key, store, clock, json, out).await
        }
        KeysCommand::List => list_keys(store, json, out).await,
        KeysCommand::Revoke { id } => {
            let record = key_store::change(store, |list| list.revoke(&id, clock.now())).await?;
            if json {
                return line(out, &shown(&record).to_string());
            }
            line(
                out,
                &format!("Key {} ({}) is revoked; running servers see it within a minute.", record.id, record.name),
            )
        }
    }
}

async fn create_key(
    create: CreateArgs,
    key: Uuid,
    store: &Store,
    clock: &dyn Clock,
    json: bool,
    out: &mut dyn Write,
) -> Result<()> {
    let grant = KeyGrant {
        name: create.name,
        scopes: create.scopes.into_iter().collect(),
        datasets: some_unless_empty(create.datasets),
        symbols: some_unless_empty(create.symbols),
    };
    let (record, first) = key_store::change(store, |list| {
        let first = list.records().is_empty();
        Ok((list.add(key, grant.clone(), clock.now())?, first))
    })
    .await?;
    if json {
        let mut shown = shown(&record);
        shown["key"] = key.to_string().into();
        return line(out, &shown.to_string());
    }
    line(out, &key.to_string())?;
    line(out, &format!("Key {} for {}: {}.", record.id, record.name, allowed(&record)))?;
    line(out, "Keep it now: it is shown this once, the lake holds only its hash.")?;
    line(out, &format!("Send it as: curl -H 'Authorization: Bearer {key}' …"))?;
    if first {
        line(out, "It is the lake's first key: from now on every request needs one, on this machine too.")?;
    }
    Ok(())
}

async fn list_keys(store: &Store, json: bool, out: &mut dyn Write) -> Result<()> {
    let list = key_store::read(store).await?.map(|(list, _)| list).unwrap_or_default();
    if json {
        return list.records().iter().try_for_each(|record| line(out, &shown(record).to_string()));
    }
    if list.records().is_empty() {
        return line(
            out,
            "This lake never had a key; it answers its own machine without one. `pitlake keys create` makes one.",
        );
    }
    for record in list.records() {
        let state = match record.revoked_at {
            Some(at) => format!("revoked {}", at.format("%Y-%m-%d %H:%M UTC")),
            None => "valid".to_owned(),
        };
        let made = record.created_at.format("%Y-%m-%d %H:%M UTC");
        line(out, &format!("{}  {}  made {made}, {state}: {}", record.id, record.name, allowed(record)))?;
    }
    Ok(())
}

fn some_unless_empty<T: Ord>(items: Vec<T>) -> Option<BTreeSet<T>> {
    (!items.is_empty()).then(|| items.into_iter().collect())
}

/// A record for people and programs, without the hash: nobody needs it.
fn shown(record: &KeyRecord) -> Value {
    json!({
        "id": record.id,
        "name": record.name,
        "scopes": record.scopes,
        "datasets": record.datasets,
        "symbols": record.symbols,
        "created_at": record.created_at,
        "revoked_at": record.revoked_at,
    })
}

fn allowed(record: &KeyRecord) -> String {
    let joined = |words: Vec<&str>| words.join(", ");
    let scopes = joined(record.scopes.iter().map(|scope| scope.name()).collect());
    let datasets = match &record.datasets {
        Some(datasets) => joined(datasets.iter().map(String::as_str).collect()),
        None => "all datasets".to_owned(),
    };
    let symbols = match &record.symbols {
        Some(symbols) => joined(symbols.iter().map(Symbol::as_str).collect()),
        None => "all symbols".to_owned(),
    };
    format!("{scopes} on {datasets}, {symbols}")
}

fn line(out: &mut dyn Write, text: &str) -> Result<()> {
    writeln!(out, "{text}")
        .map_err(|cause| Error::new(ErrorKind::Cancelled, "the output cannot be written").caused_by(cause))
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
