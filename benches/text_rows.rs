//! The two hot paths of an answer, without a network: finding the rows of a question in a day's file (`greeks::select`), and
//! rendering rows to text (`http::format`). On real rows of a generated day, since a number's digits are what rendering costs.
//! `cargo bench --bench text_rows`.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Date32Type, Float64Type};
use axum::response::Response;
use criterion::{Criterion, Throughput};
use futures::TryStreamExt;
use pitlake::greeks::compact::Greeks;
use pitlake::greeks::generate::{Settings, generate};
use pitlake::greeks::ingest::ingest;
use pitlake::greeks::record::GREEKS;
use pitlake::greeks::select::{Filter, last_minute, select};
use pitlake::http::format::{Answer, Encoding, Format, Rows, Slice, respond};
use pitlake::lake::cache::{Cache, CacheOptions, Freshness};
use pitlake::lake::compact::{CompactOptions, Compactor, Selection};
use pitlake::lake::head::Partitions;
use pitlake::lake::layout::PartitionId;
use pitlake::lake::row_groups::{OpenPartition, RowGroups};
use pitlake::lake::store::{Store, StoreOptions};
use pitlake::market::{FixedClock, Instruments, SharedClock, Symbol};
use pitlake::{Error, Result};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Rows that go out in one piece, and rows that go out as a stream.
const RENDERED: [(&str, usize); 2] = [("whole", 3_000), ("streamed", 58_500)];

/// A day in a lake in a temporary folder, opened, with every row group decoded.
struct Bench {
    runtime: Runtime,
    row_groups: RowGroups,
    partition: OpenPartition,
    _folder: TempDir,
}

impl Bench {
    /// 156,000 rows: 4 expirations × 100 strikes × 390 minutes, in three row groups.
    fn new() -> Result<Self> {
        let failed = |error: std::io::Error| Error::unavailable(format!("no place for the lake ({error})"));
        let runtime = Runtime::new().map_err(failed)?;
        let folder = tempfile::tempdir().map_err(failed)?;
        let partitions = runtime.block_on(prepare(&folder))?;
        let symbol: Symbol = "SPY".parse()?;
        let id = PartitionId::day(GREEKS, &symbol, "2025-01-15".parse()?);
        let partition = runtime.block_on(partitions.open(&id, Freshness::Settled))?.partition;
        let row_groups = partitions.row_groups().clone();
        for number in 0..partition.metadata().num_row_groups() {
            row_groups.get(&partition, number)?;
        }
        Ok(Self { runtime, row_groups, partition, _folder: folder })
    }

    /// The first `rows` of the file, which lie in its first row group.
    fn answer(&self, rows: usize) -> Result<Answer> {
        let batch = self.row_groups.get(&self.partition, 0)?;
        let first = batch.num_rows().min(rows);
        let slice = Slice { batch: batch.as_ref().clone(), ranges: vec![0..first] };
        Ok(Answer { schema: batch.schema(), envelope: Vec::new(), rows: Rows::Ready(vec![slice]) })
    }

    /// Renders the rows and drops the bytes. Gives how many there were.
    fn render(&self, rows: usize, format: Format) -> Result<u64> {
        self.runtime.block_on(async {
            let answered = respond(self.answer(rows)?, format, Encoding::Identity).await;
            let response: Response = answered.map_err(|_| Error::internal("the rows could not be rendered"))?;
            response
                .into_body()
                .into_data_stream()
                .try_fold(0, |bytes, piece| async move { Ok(bytes + black_box(piece).len() as u64) })
                .await
                .map_err(|error| Error::internal("the answer broke off").caused_by(error))
        })
    }

    /// Finds the rows and counts them.
    fn find(&self, filter: &Filter) -> Result<usize> {
        self.runtime.block_on(async {
            let (_, rows) = select(&self.row_groups, &self.partition, filter.clone()).await?;
            let slices: Vec<Slice> = match rows {
                Rows::Ready(slices) => slices,
                Rows::Stream(slices) => slices.try_collect().await?,
            };
            Ok(black_box(slices).iter().map(Slice::rows).sum())
        })
    }
}

/// Generates, ingests and compacts the day.
async fn prepare(folder: &TempDir) -> Result<Partitions> {
    let instruments = Instruments::builtin();
    let settings = Settings { expirations: 4, strikes: 100, ..Settings::full_day("SPY", "2025-01-15".parse()?) };
    let mut capture = Vec::new();
    generate(&settings, &instruments, &mut capture)?;
    let store = Store::open(&folder.path().join("lake").to_string_lossy(), &StoreOptions::default()).await?;
    let later = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_200);
    let clock: SharedClock = Arc::new(FixedClock::new(later));
    let input = Box::new(std::io::Cursor::new(capture));
    ingest(input, Arc::clone(&instruments), Arc::clone(&clock), &store, Box::new(|_| {})).await?;
    let options = CompactOptions::default();
    let compactor = Compactor::new(Arc::new(Greeks), store.clone(), instruments, Arc::clone(&clock), options);
    let days = compactor.plan(&Selection::default()).await?;
    for outcome in compactor.run(&days, &|_| {}).await {
        outcome?;
    }
    let cache = Cache::open(store.clone(), CacheOptions::new(folder.path().join("cache"), 1 << 30), clock).await?;
    Ok(Partitions::new(store, cache, RowGroups::new(1 << 30)))
}

fn rendering(criterion: &mut Criterion, bench: &Bench) -> Result<()> {
    let mut group = criterion.benchmark_group("text");
    for (name, rows) in RENDERED {
        for format in [Format::Json, Format::Ndjson, Format::Csv] {
            group.throughput(Throughput::Bytes(bench.render(rows, format)?));
            group.bench_function(format!("{}/{name}/{rows}", format.name()), |timer| {
                timer.iter(|| bench.render(black_box(rows), format));
            });
        }
    }
    group.finish();
    Ok(())
}

fn selecting(criterion: &mut Criterion, bench: &Bench) -> Result<()> {
    let empty = || Error::internal("the generated day is empty");
    let batch = bench.row_groups.get(&bench.partition, 0)?;
    let middle = batch.num_rows() / 2;
    let (strikes, expirations) =
        batch.column_by_name("strike").zip(batch.column_by_name("expiration")).ok_or_else(empty)?;
    let strike = strikes.as_primitive::<Float64Type>().value(middle);
    let expiration = expirations.as_primitive::<Date32Type>().value(middle);
    let last = last_minute(&bench.partition).ok_or_else(empty)?;
    let minute = 60_000_000;
    let one_strike = Filter { strike: Some(strike), expiration: Some(expiration), ..Filter::default() };
    let one_hour = Filter { from_us: Some(last - 59 * minute), to_us: Some(last + minute), ..Filter::default() };
    let one_minute = Filter { from_us: Some(last), to_us: Some(last + minute), ..Filter::default() };
    let questions = [
        ("one strike's day", one_strike, 390),
        ("one hour", one_hour, 60 * 400),
        ("one minute", one_minute, 400),
        ("everything", Filter::default(), 156_000),
    ];
    let mut group = criterion.benchmark_group("select");
    for (name, filter, rows) in questions {
        let found = bench.find(&filter)?;
        if found != rows {
            return Err(Error::internal(format!("{name}: found {found} rows of {rows}")));
        }
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(name, |timer| timer.iter(|| bench.find(black_box(&filter))));
    }
    group.finish();
    Ok(())
}

fn main() -> Result<()> {
    let bench = Bench::new()?;
    let mut criterion = Criterion::default().configure_from_args();
    rendering(&mut criterion, &bench)?;
    selecting(&mut criterion, &bench)?;
    criterion.final_summary();
    Ok(())
}
