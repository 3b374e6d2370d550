//! `pitlake demo`: a lake from the sample captures, served, with calls to try. Run again, it reuses what is there.

use std::path::PathBuf;
use std::sync::Arc;

use chrono_tz::America::New_York;
use clap::Args;

use super::exit::Outcome;
use super::serve::{Limits, start};
use crate::bars::ingest::{Declared, ingest as ingest_bars};
use crate::bars::reading::VolumeKind;
use crate::greeks::ingest::ingest;
use crate::lake::compact::{CompactOptions, Selection};
use crate::lake::instruments;
use crate::lake::journal::Counts;
use crate::lake::store::{Store, StoreOptions};
use crate::market::SharedClock;
use crate::server::bind;
use crate::server::rooms::COMPACTED;
use crate::{Error, ErrorKind, Result};

/// The files of `sample-data/`, made by `pitlake generate` (see its README).
const SAMPLES: [(&str, &[u8]); 2] = [
    ("greeks-SPY-2025-01-14.jsonl.zst", include_bytes!("../../sample-data/greeks-SPY-2025-01-14.jsonl.zst")),
    (
        "greeks-SPY-2025-01-16-defects.jsonl.zst",
        include_bytes!("../../sample-data/greeks-SPY-2025-01-16-defects.jsonl.zst"),
    ),
];
const BARS: (&str, &[u8]) =
    ("bars-NQ-2025-01-13.csv.zst", include_bytes!("../../sample-data/bars-NQ-2025-01-13.csv.zst"));

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The lake's folder
    #[arg(long, default_value = "./pitlake-demo", value_name = "DIR")]
    dir: PathBuf,
    /// Address and port; another port is taken when it is in use
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: String,
    #[command(flatten)]
    limits: Limits,
}

pub async fn run(args: &DemoArgs, clock: SharedClock) -> Result<Outcome> {
    let root = args.dir.to_string_lossy().into_owned();
    let store = Store::open(&root, &StoreOptions::default()).await?;
    build(&store, &clock).await.map_err(|error| error.while_doing(format!("building the demo lake in {root}")))?;
    let listener = match bind(&args.listen).await {
        Ok(listener) => listener,
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            let (host, _) = args.listen.rsplit_once(':').unwrap_or(("127.0.0.1", ""));
            let listener = bind(&format!("{host}:0")).await?;
            println!("{} is in use, another port is taken.", args.listen);
            listener
        }
        Err(error) => return Err(error),
    };
    start(store, clock, args.limits.options(), listener, None, |address| {
        let url = format!("http://{address}");
        println!("The demo lake in {root} is served at {url} (API pages: {url}/docs/). Try:\n");
        for call in calls(&url) {
            println!("  {call}");
        }
        println!("\nCtrl-C stops it; run it again and the same lake is served.");
    })
    .await
}

/// Calls that work as pasted.
fn calls(url: &str) -> [String; 12] {
    [
        format!("curl -s '{url}/api/v1/tpo/NQ/2025-01-15'"),
        format!("curl -s '{url}/api/v1/tpo/NQ/2025-01-15?format=text&row_ticks=20'"),
        format!("curl -s '{url}/api/v1/tpo/NQ/range?start=2025-01-13&end=2025-01-17&format=csv'"),
        format!("curl -s '{url}/api/v1/bars/NQ/2025-01-15?start_time=09:30&end_time=10:00&format=csv'"),
        format!("curl -s '{url}/api/v1/greeks/SPY/coverage?start=2025-01-13&end=2025-01-17&format=csv'"),
        format!("curl -s '{url}/api/v1/greeks/SPY/2025-01-15?at=14:32&strike_min=580&strike_max=590&format=csv'"),
        format!("curl -s '{url}/api/v1/greeks/SPY/2025-01-15/aggregate?start_time=14:00&end_time=15:00'"),
        format!("curl -s '{url}/api/v1/greeks/SPY/range?start=2025-01-13&end=2025-01-17'"),
        format!(
            "curl -s '{url}/api/v1/greeks/SPY/screen?start=2025-01-13&end=2025-01-17&greek=gamma&below=0&first=true'"
        ),
        format!("curl -s '{url}/api/v1/greeks/SPY/files?start=2025-01-13&end=2025-01-17&format=csv'"),
        format!("curl -s '{url}/api/v1/greeks/SPY/latest?greeks=gamma&format=ndjson' | head"),
        format!("curl -s '{url}/api/v1/greeks/SPY/2025-01-15?format=parquet' -o SPY-2025-01-15.parquet"),
    ]
}

async fn build(store: &Store, clock: &SharedClock) -> Result<()> {
    let instruments = instruments::load(store).await?;
    for (name, bytes) in SAMPLES {
        let input = Box::new(std::io::Cursor::new(bytes));
        let counts = ingest(input, Arc::clone(&instruments), Arc::clone(clock), store, Box::new(|_| {})).await?;
        told(name, &counts);
    }
    let (name, bytes) = BARS;
    let declared = Declared {
        symbol: "NQ".to_owned(),
        zone: Some(New_York),
        stamp: None,
        volume: VolumeKind::default(),
        minutes: None,
        columns: Default::default(),
    };
    let input = Box::new(std::io::Cursor::new(bytes));
    let taken = ingest_bars(input, declared, &instruments, Arc::clone(clock), store, Box::new(|_| {})).await?;
    told(name, &taken.counts);
    for room in &COMPACTED {
        let compactor = room.compactor(store, &instruments, clock, CompactOptions::default());
        let days = compactor.plan(&Selection::default()).await?;
        if days.is_empty() {
            return Err(Error::internal(format!("the samples gave no day of {}", room.name)));
        }
        for outcome in compactor.run(&days, &|_| {}).await {
            let partition = outcome?;
            if partition.action == "written" {
                let year = || partition.year.map_or_else(String::new, |year| year.to_string());
                let period = partition.date.map_or_else(year, |date| date.to_string());
                println!("{} {period}: {} rows, {}", partition.dataset, partition.rows, partition.condition.as_str());
            }
        }
    }
    Ok(())
}

fn told(name: &str, counts: &Counts) {
    println!(
        "{name}: {} captures new, {} rows new, {} there already, {} refused",
        counts.captures, counts.rows, counts.duplicates, counts.refused
    );
}
