//! `pitlake pull`: a span of a dataset from a server into a folder laid out like the lake, so that DuckDB and others read it
//! where it lies. Interrupted at any moment, the same command goes on where it stopped; run again, it moves nothing.
//!
//! [`remote`] asks the server, [`folder`] knows what is there, [`fetch`] brings one file, [`follow`] keeps the folder up to date,
//! [`report`] tells.

mod fetch;
mod folder;
mod follow;
pub mod remote;
mod report;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use futures::{StreamExt, stream};

use super::exit::{Outcome, wrong_usage};
use super::serve::stopped;
use crate::lake::records::Span;
use crate::market::TradingDate;
use crate::{Error, Result};
use fetch::{Failed, fetch};
use folder::Folder;
use remote::{Listed, Remote, Source};
use report::Report;

#[derive(Debug, Args)]
pub struct PullArgs {
    /// The pitlake server, as http://127.0.0.1:8080
    #[arg(long, env = "PITLAKE_SERVER", value_name = "URL")]
    server: String,
    /// Dataset to pull; may be given more than once
    #[arg(long, required = true, value_name = "DATASET")]
    dataset: Vec<String>,
    /// Symbol to pull; may be given more than once
    #[arg(long, required = true, value_name = "SYMBOL")]
    symbol: Vec<String>,
    /// First date [default: the first there is]
    #[arg(long, value_name = "DATE")]
    start: Option<TradingDate>,
    /// Last date [default: the last there is]
    #[arg(long, value_name = "DATE")]
    end: Option<TradingDate>,
    /// Folder to pull into; files lie in it as in the lake
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// API key
    #[arg(long, env = "PITLAKE_KEY", hide_env_values = true)]
    key: Option<String>,
    /// Files at a time
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: u16,
    /// Read every file that is there and check its sha256, not only those that changed
    #[arg(long)]
    verify: bool,
    /// Stay, and bring what is republished, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Seconds between two questions for changes
    #[arg(long, default_value_t = 5, value_name = "SECONDS", requires = "follow", value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// One JSON object per file brought, and at the end one that sums up
    #[arg(long)]
    json: bool,
}

/// One pull under way. Cloning is cheap; clones share everything.
#[derive(Clone)]
struct Pull {
    remote: Arc<Remote>,
    folder: Arc<Folder>,
    report: Arc<Report>,
    span: Span,
    parallel: usize,
    verify: bool,
}

pub async fn run(args: &PullArgs, out: &mut dyn Write) -> Result<Outcome> {
    let span = Span { start: args.start, end: args.end };
    if let (Some(start), Some(end)) = (span.start, span.end)
        && end < start
    {
        return Err(wrong_usage(format!("--end {end} is before --start {start}; both are inclusive")));
    }
    let remote = Arc::new(Remote::new(&args.server, args.key.as_deref())?);
    let mut sources = Vec::new();
    for dataset in &args.dataset {
        for symbol in &args.symbol {
            let source = Source { dataset: dataset.clone(), symbol: symbol.clone() };
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
    }
    // The lists first: a wrong server, key or symbol leaves no folder behind.
    let mut listings = Vec::new();
    for source in sources {
        let listing = remote.files(&source, span).await?;
        listings.push((source, listing));
    }
    let pull = Pull {
        remote,
        folder: Arc::new(Folder::open(&args.to)?),
        report: Arc::new(Report::new(args.json)),
        span,
        parallel: usize::from(args.parallel),
        verify: args.verify,
    };
    let work = async {
        let mut followed: Vec<(Source, DateTime<Utc>)> = Vec::new();
        for (source, listing) in listings {
            if listing.files.is_empty() {
                let Source { dataset, symbol } = &source;
                pull.report.says(&format!("the server has no {dataset} of {symbol} in this span"));
            }
            pull.mirror(&source, listing.files, out).await?;
            followed.push((source, listing.until));
        }
        if args.follow { pull.follow(followed, Duration::from_secs(args.every), out).await } else { Ok(()) }
    };
    let done = if args.follow {
        tokio::select! {
            done = work => done,
            () = stopped("stopping: what is complete stays") => Ok(()),
        }
    } else {
        work.await
    };
    pull.folder.save()?;
    done?;
    let sums = pull.report.finish(out)?;
    Ok(if sums.failed == 0 { Outcome::Good } else { Outcome::Failed })
}

impl Pull {
    /// Brings those of the files that are not there or not right. Gives whether all of them are now.
    ///
    /// # Errors
    /// What stops everything; a file that alone fails is told and counted.
    async fn mirror(&self, source: &Source, files: Vec<Listed>, out: &mut dyn Write) -> Result<bool> {
        self.report.expects(&files);
        let brought = stream::iter(files).map(|file| self.bring(source, file)).buffer_unordered(self.parallel);
        let mut brought = std::pin::pin!(brought);
        let mut all = true;
        while let Some((path, outcome)) = brought.next().await {
            match outcome {
                Ok(Some(file)) => self.report.downloaded(&file, out)?,
                Ok(None) => {}
                Err(Failed::Everything(error)) => return Err(error),
                Err(Failed::This(error)) => {
                    all = false;
                    self.report.failed(&path, &error);
                }
            }
        }
        Ok(all)
    }

    /// The file when it was brought, nothing when it was there.
    async fn bring(&self, source: &Source, file: Listed) -> (String, std::result::Result<Option<Listed>, Failed>) {
        let path = file.path.clone();
        let (pull, looked) = (self.clone(), file.clone());
        let there = tokio::task::spawn_blocking(move || pull.folder.has(&looked, pull.verify)).await;
        let there = there.map_err(|error| Error::internal("looking at the folder stopped").caused_by(error));
        let outcome = match there.and_then(|there| there) {
            Ok(true) => {
                self.report.unchanged(&file);
                Ok(None)
            }
            Ok(false) => fetch(self, source, file).await.map(Some),
            Err(error) => Err(Failed::Everything(error)),
        };
        (path, outcome)
    }
}
