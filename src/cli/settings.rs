//! What every command takes: which lake, how to reach it, how to log. From flags, then the environment, then `pitlake.toml`.
//! Process matters only: what changes a result lives in the lake.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

use super::exit::wrong_usage;
use crate::Result;
use crate::lake::store::{Store, StoreOptions};

const FILE: &str = "pitlake.toml";

#[derive(Debug, Args)]
pub struct LakeArgs {
    /// The lake: a folder, file:///… or s3://bucket/prefix
    #[arg(long, global = true, env = "PITLAKE_LAKE", value_name = "ROOT")]
    pub lake: Option<String>,
    /// Settings of this process [default: pitlake.toml, when it is there]
    #[arg(long, global = true, env = "PITLAKE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to log to standard error: error, warn, info, debug, or per module
    #[arg(long, global = true, env = "PITLAKE_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// One JSON object a log line
    #[arg(long, global = true, env = "PITLAKE_LOG_JSON")]
    pub log_json: bool,
}

/// `pitlake.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileSettings {
    pub lake: Option<String>,
    pub s3: StoreOptions,
}

impl LakeArgs {
    /// # Errors
    /// `Invalid` when the file is there and wrong, or was named and is not there.
    pub fn file(&self) -> Result<FileSettings> {
        let path = self.config.as_deref().unwrap_or(Path::new(FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && self.config.is_none() => {
                return Ok(FileSettings::default());
            }
            Err(error) => return Err(wrong_usage(format!("{} cannot be read ({error})", path.display()))),
        };
        toml::from_str(&text).map_err(|error| wrong_usage(format!("{}: {error}", path.display())))
    }

    /// The lake's root, if any was named.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn named(&self) -> Result<Option<String>> {
        match &self.lake {
            Some(lake) => Ok(Some(lake.clone())),
            None => Ok(self.file()?.lake),
        }
    }

    /// Opens the lake.
    ///
    /// # Errors
    /// Wrong usage when no lake was named; those of the store.
    pub async fn store(&self) -> Result<Store> {
        Store::open(&self.must_be_named()?, &self.file()?.s3).await
    }

    /// The lake's root; it need not be reachable.
    ///
    /// # Errors
    /// Wrong usage when no lake was named.
    pub fn must_be_named(&self) -> Result<String> {
        self.named()?.ok_or_else(|| {
            wrong_usage("no lake was named; give --lake ./lake (or s3://bucket/prefix), set PITLAKE_LAKE, or write lake = \"…\" into pitlake.toml")
        })
    }
}

/// Logs go to standard error; standard output is for results.
pub fn start_logging(server: bool, args: &LakeArgs) {
    let default = if server { "info" } else { "warn" };
    let filter = EnvFilter::try_new(args.log.as_deref().unwrap_or(default)).unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = if args.log_json { builder.json().try_init() } else { builder.try_init() };
    debug_assert!(started.is_ok());
}
