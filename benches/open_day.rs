//! What a minute of an open day costs: the captures of a full day arrive minute by minute, and each round of the follower parses the
//! new one and publishes the day again. Prints rounds along the day; `cargo bench --bench open_day`.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use pitlake::greeks::compact::Greeks;
use pitlake::greeks::generate::{Settings, generate};
use pitlake::lake::compact::{CompactOptions, Compactor, Follower, Selection};
use pitlake::lake::journal::Writer;
use pitlake::lake::store::{Store, StoreOptions};
use pitlake::market::{Clock, FixedClock, Instruments, SharedClock, Symbol, TradingDate};
use pitlake::{Error, Result};

/// Documents of one minute: one per expiration.
const EXPIRATIONS: usize = 10;
const TOLD: [usize; 6] = [1, 60, 180, 300, 389, 390];

fn main() -> Result<()> {
    // `cargo test` builds benches and asks them for their tests.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return Ok(());
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Error::internal("no runtime").caused_by(error))?;
    runtime.block_on(measure())
}

async fn measure() -> Result<()> {
    let date: TradingDate = "2025-01-15".parse()?;
    let symbol: Symbol = "SPY".parse()?;
    let instruments = Instruments::builtin();
    let mut day = Vec::new();
    generate(&Settings::full_day("SPY", date), &instruments, &mut day)?;
    let lines: Vec<&[u8]> = day.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();

    let folder = tempfile::tempdir().map_err(|error| Error::unavailable(format!("no place for the lake ({error})")))?;
    let store = Store::open(&folder.path().join("lake").to_string_lossy(), &StoreOptions::default()).await?;
    let opening: DateTime<Utc> =
        "2025-01-15T14:30:00Z".parse().map_err(|error| Error::internal("an instant").caused_by(error))?;
    let clock = Arc::new(FixedClock::new(opening));
    let shared: SharedClock = Arc::clone(&clock) as SharedClock;
    let options = CompactOptions::default();
    let compactor = Compactor::new(Arc::new(Greeks), store.clone(), instruments, shared, options);
    let mut follower = Follower::new(compactor, Selection::default());
    println!("| minute | captures | rows | round |\n|---|---|---|---|");
    for (at, documents) in lines.chunks(EXPIRATIONS).enumerate() {
        let minute = at + 1;
        let mut writer = Writer::new("greeks")?;
        for document in documents {
            writer.document(&symbol, date, clock.now(), document, 300)?;
        }
        writer.put(&store).await?;
        clock.advance(TimeDelta::seconds(59));
        let began = Instant::now();
        let outcomes = follower.round().await;
        let elapsed = began.elapsed();
        let mut rows = 0;
        for outcome in outcomes {
            let outcome = outcome?;
            rows = rows.max(outcome.rows);
        }
        if TOLD.contains(&minute) {
            println!("| {minute} | {minute} | {rows} | {:.0} ms |", elapsed.as_secs_f64() * 1e3);
        }
        clock.advance(TimeDelta::seconds(1));
    }
    Ok(())
}
