//! `pitlake capture`: servers and sources that write captures.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::exit::Outcome;
use super::serve::stopped;
use super::settings::LakeArgs;
use crate::lake::compact::CompactOptions;
use crate::lake::spool::SpoolOptions;
use crate::market::SharedClock;
use crate::server::bind;
use crate::server::capture::{CaptureOptions, CaptureServer};
use crate::{Error, Result};

/// For posts that are being read or wait for their sync: one of the largest, packed and unpacked, and some more.
const MEMORY_BYTES: u64 = 384 << 20;

#[derive(Debug, Args)]
pub struct CaptureArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Take documents by HTTP, POST /capture/v1/greeks: on disk before they are acknowledged, then into the lake
    Listen(ListenArgs),
}

#[derive(Debug, Args)]
struct ListenArgs {
    /// Address and port; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8081", env = "PITLAKE_CAPTURE_LISTEN")]
    listen: String,
    /// Folder on a disk that survives a crash, for what is not in the lake yet; one for each process
    #[arg(long, env = "PITLAKE_SPOOL", value_name = "DIR")]
    spool: PathBuf,
    /// Seconds between captures
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seal_every: u64,
    /// Disk for the spool, in MiB; posts beyond it are told 429
    #[arg(long, default_value_t = 4096, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 24))]
    max_spool: u64,
    /// Compact in this process too, after each seal: what was posted can be read a moment later
    #[arg(long)]
    compact: bool,
    /// Requests answered at once; more are told 503 at once
    #[arg(long, default_value_t = 512, value_name = "N")]
    max_requests: usize,
}

pub async fn run(args: &CaptureArgs, lake: &LakeArgs, clock: SharedClock) -> Result<Outcome> {
    let What::Listen(args) = &args.what;
    let store = lake.store().await?;
    let options = CaptureOptions {
        spool: SpoolOptions {
            folder: args.spool.clone(),
            most_bytes: args.max_spool << 20,
            memory_bytes: MEMORY_BYTES,
        },
        seal_every: Duration::from_secs(args.seal_every),
        max_requests: args.max_requests,
        compact: args.compact.then(CompactOptions::default),
    };
    let listener = bind(&args.listen).await?;
    let server = CaptureServer::new(store, clock, options).await?;
    let address = listener
        .local_addr()
        .map_err(|error| Error::unavailable(format!("the listener has no address ({error})")).caused_by(error))?;
    println!("http://{address}");
    server.run(listener, stopped("stopping: posts under way may finish, then the spool is sealed")).await?;
    Ok(Outcome::Good)
}
