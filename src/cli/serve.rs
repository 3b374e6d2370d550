//! `pitlake serve`: the HTTP API over a lake.

use std::path::PathBuf;

use clap::Args;

use super::exit::Outcome;
use super::settings::LakeArgs;
use crate::Result;
use crate::lake::store::Store;
use crate::market::SharedClock;
use crate::server::{Server, ServerOptions, bind, cores};

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address and port; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", env = "PITLAKE_LISTEN")]
    listen: String,
    /// A second address that answers /metrics to anybody who reaches it
    #[arg(long)]
    metrics_listen: Option<String>,
    #[command(flatten)]
    limits: Limits,
}

/// How much of the machine the server may take.
#[derive(Debug, Clone, Args)]
pub struct Limits {
    /// Folder for hot partitions [default: the user's cache folder]
    #[arg(long, env = "PITLAKE_CACHE_DIR", value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// Disk for hot partitions, in MiB
    #[arg(long, default_value_t = 4096, value_name = "MIB")]
    cache_size: u64,
    /// Memory for decoded partitions, in MiB
    #[arg(long, default_value_t = 160, value_name = "MIB")]
    decoded_size: u64,
    /// Memory for DuckDB, in MiB
    #[arg(long, default_value_t = 512, value_name = "MIB", value_parser = clap::value_parser!(u64).range(64..))]
    engine_size: u64,
    /// Requests answered at once; more are told 503 at once
    #[arg(long, default_value_t = 256, value_name = "N")]
    max_requests: usize,
}

impl Limits {
    pub fn options(&self) -> ServerOptions {
        ServerOptions {
            cache_folder: self.cache_dir.clone().unwrap_or_else(default_cache),
            cache_bytes: self.cache_size << 20,
            memory_bytes: self.decoded_size << 20,
            engine_bytes: self.engine_size << 20,
            cores: cores(),
            max_requests: self.max_requests,
        }
    }
}

fn default_cache() -> PathBuf {
    let user = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    user.unwrap_or_else(std::env::temp_dir).join("pitlake")
}

pub async fn run(args: &ServeArgs, lake: &LakeArgs, clock: SharedClock) -> Result<Outcome> {
    let store = lake.store().await?;
    let metrics = match &args.metrics_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let listener = bind(&args.listen).await?;
    start(store, clock, args.limits.options(), listener, metrics, |address| println!("http://{address}")).await
}

/// Runs a server until Ctrl-C or SIGTERM; `ready` hears the address once requests are answered.
pub async fn start(
    store: Store,
    clock: SharedClock,
    options: ServerOptions,
    listener: tokio::net::TcpListener,
    metrics: Option<tokio::net::TcpListener>,
    ready: impl FnOnce(std::net::SocketAddr),
) -> Result<Outcome> {
    let server = Server::new(store, clock, options).await?;
    let address = listener.local_addr().map_err(|error| {
        crate::Error::unavailable(format!("the listener has no address ({error})")).caused_by(error)
    })?;
    ready(address);
    server.run(listener, metrics, stopped()).await?;
    Ok(Outcome::Good)
}

/// Ctrl-C, or the SIGTERM that orchestrators send.
pub(super) async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM is not watched");
            let _ = interrupt.await;
        }
    }
    tracing::info!("stopping: requests under way may finish");
}
