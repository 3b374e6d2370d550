//! The command line: one small file per subcommand, each parses, calls the library and prints. [`exit`] is the one place
//! where an outcome becomes an exit code.

mod audit;
mod bench;
mod calendar;
mod capture;
mod changes;
mod compact;
mod ddl;
mod demo;
mod exit;
mod generate;
mod generate_bars;
mod generate_legacy;
mod ingest;
mod keys;
mod migrate;
mod profile;
mod progress;
mod prove;
mod pull;
mod recalculate;
mod serve;
mod settings;
mod status;
mod verify;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};

use crate::lake::instruments;
use crate::market::{Instruments, SharedClock, SystemClock};
use crate::{Error, Result};
use exit::Outcome;
use settings::LakeArgs;

/// A market-structure data lake: raw captures to Parquet, questions answered in milliseconds.
#[derive(Parser)]
#[command(name = "pitlake", version, about, max_term_width = 110, infer_subcommands = false)]
struct Cli {
    #[command(flatten)]
    lake: LakeArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build a lake from the sample captures, serve it, print what to try
    Demo(demo::DemoArgs),
    /// Take raw input into the lake as captures
    Ingest(ingest::IngestArgs),
    /// Make partitions from captures: only what changed is made again
    Compact(compact::CompactArgs),
    /// Make market profiles of an older calculation, older bars or other settings again, and show what changes
    Recalculate(recalculate::RecalculateArgs),
    /// Serve the HTTP API
    Serve(serve::ServeArgs),
    /// Take captures in from sources
    Capture(capture::CaptureArgs),
    /// Make synthetic captures
    Generate(generate::GenerateArgs),
    /// Read everything in the lake again and check it against its record
    Verify(verify::VerifyArgs),
    /// Download a span of a dataset into a folder, or keep a mirror of it
    Pull(pull::PullArgs),
    /// What was republished since an instant, and what each revision changed
    Changes(changes::ChangesArgs),
    /// What the lake holds: spans, sizes, conditions day by day, how far behind
    Status(status::StatusArgs),
    /// What is in an old archive, and what to do with each record of it
    Audit(audit::AuditArgs),
    /// Show that an API answer is what plain SQL over the lake's files gives, and print that SQL
    Prove(prove::ProveArgs),
    /// Print statements that make the lake's datasets tables of another engine
    Ddl(ddl::DdlArgs),
    /// Make, list and revoke API keys
    Keys(keys::KeysArgs),
    /// Bring an old archive into the lake, with an account of every record
    Migrate(migrate::MigrateArgs),
    /// Market profile of what is in a file
    Profile(profile::ProfileArgs),
    /// Trading dates, sessions and holidays of a symbol
    Calendar(calendar::CalendarArgs),
    /// Measure this machine against the speed to reach
    Bench(bench::BenchArgs),
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => return exit::usage(&refusal),
    };
    settings::start_logging(matches!(cli.command, Command::Serve(_) | Command::Capture(_)), &cli.lake);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Rendering, decoding and compaction run here; a handful beyond the cores hides their waits on the disk.
        .max_blocking_threads(crate::server::cores() + 6)
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(Err(Error::internal("the runtime cannot start").caused_by(error))),
    };
    let outcome = runtime.block_on(run(cli));
    // A blocking read of standard input would keep the process alive after its work is done.
    runtime.shutdown_background();
    exit::report(outcome)
}

async fn run(cli: Cli) -> Result<Outcome> {
    let mut out = std::io::stdout().lock();
    let clock: SharedClock = Arc::new(SystemClock);
    match cli.command {
        Command::Demo(args) => drop_lock(out, demo::run(&args, clock)).await,
        Command::Serve(args) => drop_lock(out, serve::run(&args, &cli.lake, clock)).await,
        Command::Capture(args) => drop_lock(out, capture::run(&args, &cli.lake, clock)).await,
        Command::Ingest(args) => ingest::run(&args, &cli.lake, clock, &mut out).await,
        Command::Compact(args) => compact::run(&args, &cli.lake, clock, &mut out).await,
        Command::Recalculate(args) => recalculate::run(&args, &cli.lake, clock, &mut out).await,
        Command::Generate(args) => {
            generate::run(&args, instruments_if_any(&cli.lake).await?.as_ref(), &mut out)?;
            Ok(Outcome::Good)
        }
        Command::Verify(args) => {
            let store = cli.lake.store().await?;
            let instruments = instruments::load(&store).await?;
            let clean = verify::run(&args, &store, instruments, clock, &mut out).await?;
            Ok(if clean { Outcome::Good } else { Outcome::Failed })
        }
        Command::Pull(args) => pull::run(&args, &mut out).await,
        Command::Changes(args) => changes::run(&args, &cli.lake, clock, &mut out).await,
        Command::Status(args) => {
            status::run(&args, &cli.lake.store().await?, clock.as_ref(), &mut out).await?;
            Ok(Outcome::Good)
        }
        Command::Audit(args) => audit::run(args, &cli.lake, clock, &mut out).await,
        Command::Prove(args) => prove::run(&args, &cli.lake, clock, &mut out).await,
        Command::Ddl(args) => ddl::run(&args, &cli.lake, &mut out),
        Command::Keys(args) => {
            keys::run(args, &cli.lake.store().await?, clock.as_ref(), &mut out).await?;
            Ok(Outcome::Good)
        }
        Command::Migrate(args) => migrate::run(&args, &cli.lake, clock, &mut out).await,
        Command::Calendar(args) => {
            calendar::run(&args, instruments_if_any(&cli.lake).await?.as_ref(), &mut out)?;
            Ok(Outcome::Good)
        }
        Command::Profile(args) => profile::run(&args, &mut out),
        Command::Bench(args) => {
            drop(out);
            tokio::task::spawn_blocking(move || bench::run(&args, &mut std::io::stdout()))
                .await
                .map_err(|error| Error::internal("the bench stopped").caused_by(error))??;
            Ok(Outcome::Good)
        }
    }
}

/// Servers print a line at a time from wherever they are, so they do not hold standard output for their whole life.
async fn drop_lock(out: std::io::StdoutLock<'_>, work: impl Future<Output = Result<Outcome>>) -> Result<Outcome> {
    drop(out);
    work.await
}

/// The instruments of the lake, or the built-in ones when no lake is named.
async fn instruments_if_any(lake: &LakeArgs) -> Result<Arc<Instruments>> {
    if lake.named()?.is_some() { instruments::load(&lake.store().await?).await } else { Ok(Instruments::builtin()) }
}

/// Prints one line; a reader that went away ends the command well, see [`exit`].
fn line(out: &mut dyn Write, text: &str) -> Result<()> {
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(exit::output_failed)
}
