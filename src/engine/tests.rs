//! The engine from the outside: real files, real DuckDB. Expected values are counted by hand from the rows written.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::record_batch::RecordBatch;
use futures::StreamExt;
use parquet::arrow::ArrowWriter;

use super::*;
use crate::ErrorKind;
use crate::lake::cache::{Cache, CacheOptions, CachedFile, Freshness};
use crate::lake::store::{Store, StoreOptions};
use crate::market::FixedClock;

/// 2025-01-15T14:30:00Z in µs (`date -u -d … +%s`).
const OPEN_MICROS: i64 = 1_736_951_400_000_000;
/// 2025-01-17 in days (`date -u -d 2025-01-17 +%s` / 86,400).
const FRIDAY: i32 = 20_105;
const FOREVER: &str = "SELECT count(*) AS n FROM range(4000000000) a, range(4000000000) b WHERE a.range + b.range = 7";

/// A lake folder with its cache, and an engine over it.
struct Bench {
    lake: tempfile::TempDir,
    cache: Cache,
    clock: Arc<FixedClock>,
    engine: Engine,
}

impl Bench {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut EngineOptions)) -> Self {
        let lake = tempfile::tempdir().unwrap();
        let store = Store::open(lake.path().to_str().unwrap(), &StoreOptions::default()).await.unwrap();
        let clock = Arc::new(FixedClock::new("2025-01-15T19:32:00Z".parse().unwrap()));
        let folder = CacheOptions::new(lake.path().join(".cache"), 1 << 30);
        let cache = Cache::open(store, folder, Arc::clone(&clock) as _).await.unwrap();
        let mut options = EngineOptions::new(cache.folder(), 2);
        change(&mut options);
        let engine = Engine::open(options).unwrap();
        Self { lake, cache, clock, engine }
    }

    /// Minutes × strikes 100, 101, …: gamma is minute × 1,000 + strike.
    async fn day(&self, key: &str, minutes: i64, strikes: i64) -> Arc<CachedFile> {
        let cells = || (0..strikes).flat_map(|s| (0..minutes).map(move |m| (m, s)));
        let rows = (minutes * strikes) as usize;
        let timestamps = cells().map(|(m, _)| OPEN_MICROS + m * 60_000_000);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("timestamp", Arc::new(TimestampMicrosecondArray::from_iter_values(timestamps).with_timezone("UTC"))),
            ("expiration", Arc::new(Date32Array::from(vec![FRIDAY; rows]))),
            ("strike", Arc::new(Float64Array::from_iter_values(cells().map(|(_, s)| 100.0 + s as f64)))),
            ("gamma", Arc::new(Int64Array::from_iter_values(cells().map(|(m, s)| m * 1_000 + 100 + s)))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let at = self.lake.path().join(key);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        let aside = at.with_extension("new");
        let mut writer = ArrowWriter::try_new(std::fs::File::create(&aside).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        std::fs::rename(aside, &at).unwrap();
        self.clock.advance(chrono::TimeDelta::seconds(30));
        self.cache.file(key, Freshness::Settled).await.unwrap()
    }

    async fn one_number(&self, question: Question) -> Result<i64> {
        let batches = self.engine.query(question).await?.collect().await?;
        let numbers = batches[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap();
        Ok(numbers.value(0))
    }
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn nothing_but_the_cache_folder_can_be_reached() {
    let bench = Bench::new().await;
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.csv");
    std::fs::write(&secret, "a\n1\n").unwrap();
    let secret = secret.display();
    let above = bench.cache.folder().join("../../secret.csv");
    std::fs::write(&above, "a\n1\n").unwrap();
    let above = above.display();
    let target = outside.path().join("out.csv");
    let out = target.display();
    for sql in [
        "SELECT content FROM read_text('/etc/passwd')".to_owned(),
        format!("SELECT * FROM read_csv('{secret}')"),
        format!("SELECT * FROM '{secret}'"),
        format!("SELECT * FROM read_text('{above}')"),
        format!("SELECT * FROM glob('{}/*')", outside.path().display()),
        "SELECT * FROM read_parquet('s3://bucket/key.parquet')".to_owned(),
        "SELECT * FROM read_parquet('https://localhost/key.parquet')".to_owned(),
        format!("COPY (SELECT 1) TO '{out}'"),
        format!("EXPORT DATABASE '{out}'"),
        format!("ATTACH '{out}' AS other"),
        format!("CREATE TABLE t AS SELECT * FROM read_csv('{secret}')"),
        "INSTALL httpfs".to_owned(),
        "LOAD httpfs".to_owned(),
        "LOAD '/tmp/some.duckdb_extension'".to_owned(),
        "SET threads = 8".to_owned(),
        "SET enable_external_access = true".to_owned(),
        "SET allowed_directories = ['/']".to_owned(),
        "SET GLOBAL temp_directory = '/tmp'".to_owned(),
        "RESET lock_configuration".to_owned(),
        "PRAGMA memory_limit = '1TB'".to_owned(),
        "SET TimeZone = 'America/New_York'".to_owned(),
    ] {
        let small = || Question::small(sql.clone());
        for question in [small(), small().as_written(), Question::large(sql.clone())] {
            let Err(error) = bench.engine.query(question).await else { panic!("{sql} was allowed") };
            let cause = cause(&error);
            let refusals =
                ["Permission Error", "locked", "disabled by configuration", "file system operations are disabled"];
            assert!(refusals.iter().any(|refusal| cause.contains(refusal)), "{sql}: {cause}");
        }
    }
    assert!(!target.exists());
    let day = bench.day("greeks/symbol=SPY/day.parquet", 2, 3).await;
    let rows = Question::small("SELECT count(*) FROM {day}").over("day", Source::File(day));
    assert_eq!(bench.one_number(rows).await.unwrap(), 6, "the cache's own files are read");
}

#[tokio::test]
async fn file_and_hot_table_answer_the_same_with_the_same_types() {
    let bench = Bench::new().await;
    let day = bench.day("greeks/symbol=SPY/date=2025-01-15/part-0.parquet", 3, 4).await;
    let sql = "SELECT timestamp, expiration, sum(gamma)::BIGINT AS total, count(*) AS strikes, avg(strike) AS middle,
                      'SPY' AS name
               FROM {day} GROUP BY ALL ORDER BY timestamp";
    let mut answers = Vec::new();
    let sources = [Source::File(Arc::clone(&day)), Source::HotTable(Arc::clone(&day)), Source::HotTable(day)];
    for (source, as_written) in sources.into_iter().flat_map(|source| [(source.clone(), false), (source, true)]) {
        let question = Question { as_written, ..Question::small(sql).over("day", source) };
        let answer = bench.engine.query(question).await.unwrap();
        assert!(answer.is_whole());
        answers.push(answer.collect().await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let batch = &answers[0][0];
    let schema = batch.schema();
    let types: Vec<_> = schema.fields().iter().map(|field| field.data_type().clone()).collect();
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let double = DataType::Float64;
    assert_eq!(types, [utc, DataType::Date32, DataType::Int64, DataType::Int64, double, DataType::Utf8]);
    let column = |at: usize| batch.column(at).as_any();
    let times = column(0).downcast_ref::<TimestampMicrosecondArray>().unwrap();
    assert_eq!(times.values(), &[OPEN_MICROS, OPEN_MICROS + 60_000_000, OPEN_MICROS + 120_000_000]);
    assert_eq!(column(1).downcast_ref::<Date32Array>().unwrap().values(), &[FRIDAY; 3]);
    // 100 + 101 + 102 + 103 = 406, and 4,000 more each minute.
    assert_eq!(column(2).downcast_ref::<Int64Array>().unwrap().values(), &[406, 4_406, 8_406]);
    assert_eq!(column(4).downcast_ref::<Float64Array>().unwrap().values(), &[101.5; 3]);
    assert_eq!(column(5).downcast_ref::<StringArray>().unwrap().value(0), "SPY");
    assert_eq!(bench.engine.stats().hot_tables, 1);
}

#[tokio::test]
async fn values_are_bound_and_never_read_as_sql() {
    let bench = Bench::new().await;
    let day = bench.day("greeks/symbol=SPY/day.parquet", 5, 10).await;
    let ask = |condition: &str, param: Param| {
        let sql = format!("SELECT count(*) FROM {{day}} WHERE {condition}");
        Question::small(sql).over("day", Source::HotTable(Arc::clone(&day))).with(param)
    };
    let strikes = Param::List(vec![Param::F64(101.0), Param::F64(109.0), Param::F64(7.0)]);
    for (condition, param, rows) in [
        ("strike = ?", Param::F64(103.0), 5),
        ("gamma > ?", Param::I64(4_104), 5),
        ("timestamp >= ?", Param::Timestamp(OPEN_MICROS + 180_000_000), 20),
        ("timestamp < ?::TIMESTAMPTZ", Param::Timestamp(OPEN_MICROS + 60_000_000), 10),
        ("expiration = ?", Param::Date(FRIDAY), 50),
        ("strike IN (SELECT unnest(?))", strikes.clone(), 10),
        ("list_contains(?::DOUBLE[], strike)", strikes, 10),
        ("? IS NULL", Param::Null, 50),
        ("?", Param::Bool(false), 0),
        ("strike::VARCHAR = ?", Param::Text("100.0' OR '1'='1".into()), 0),
    ] {
        assert_eq!(bench.one_number(ask(condition, param.clone())).await.unwrap(), rows, "{condition} {param:?}");
    }
    let none_bound = Question::small("SELECT count(*) FROM range(3) WHERE range = ?");
    assert_eq!(bench.one_number(none_bound).await.unwrap_err().kind(), ErrorKind::Internal);
}

#[tokio::test]
async fn a_type_that_formats_cannot_say_does_not_come_out() {
    let bench = Bench::new().await;
    let sum = Question::small("SELECT sum(range) AS total FROM range(3)");
    let error = bench.one_number(sum).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.detail().contains("total"), "{error}");
    let cast = Question::small("SELECT sum(range)::BIGINT AS total FROM range(4)");
    assert_eq!(bench.one_number(cast).await.unwrap(), 6);
    let beyond = "SELECT sum(x)::BIGINT FROM (VALUES (9223372036854775807), (1)) t(x)";
    assert!(bench.one_number(Question::small(beyond)).await.is_err(), "a sum that does not fit never wraps");
}

#[tokio::test]
async fn long_answers_are_streamed_whole_and_in_order() {
    let bench = Bench::new().await;
    let sql = "SELECT range AS n FROM range(200000)";
    for question in [Question::small(sql), Question::large(sql)] {
        let mut answer = bench.engine.query(question).await.unwrap();
        assert!(!answer.is_whole());
        let mut expected = 0;
        while let Some(batch) = answer.next().await {
            let batch = batch.unwrap();
            for &n in batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values() {
                assert_eq!(n, expected);
                expected += 1;
            }
        }
        assert_eq!(expected, 200_000);
    }
    let day = bench.day("greeks/symbol=SPY/day.parquet", 390, 200).await;
    let question = Question::large("SELECT gamma FROM {day}").over("day", Source::HotTable(day));
    let batches = bench.engine.query(question).await.unwrap().collect().await.unwrap();
    let gammas: Vec<i64> = batches
        .iter()
        .flat_map(|batch| batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec())
        .collect();
    let written: Vec<i64> = (0..200).flat_map(|s| (0..390).map(move |m| m * 1_000 + 100 + s)).collect();
    assert_eq!(gammas, written, "the order of the file");
}

#[tokio::test]
async fn an_empty_answer_has_its_schema() {
    let bench = Bench::new().await;
    let answer = bench.engine.query(Question::large("SELECT 1::BIGINT AS n WHERE false")).await.unwrap();
    assert_eq!(answer.schema().field(0).name(), "n");
    assert!(answer.collect().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let one = |options: &mut EngineOptions| {
        options.small_workers = 1;
        options.queue = 1;
    };
    let bench = Bench::with(one).await;
    let mut working = Box::pin(bench.engine.query(Question::small(FOREVER)));
    assert!(futures::poll!(working.as_mut()).is_pending());
    while bench.engine.stats().small_at_work == 0 {
        std::thread::yield_now();
    }
    let mut waiting = Box::pin(bench.engine.query(Question::small("SELECT 1::BIGINT")));
    assert!(futures::poll!(waiting.as_mut()).is_pending());
    let refused = bench.engine.query(Question::small("SELECT 1::BIGINT")).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Overloaded);
    drop(waiting);
    let mut in_its_place = Box::pin(bench.engine.query(Question::small("SELECT 2::BIGINT AS n")));
    assert!(futures::poll!(in_its_place.as_mut()).is_pending(), "who went away makes room");
    drop(working);
    assert_eq!(in_its_place.await.unwrap().collect().await.unwrap()[0].num_rows(), 1);
}

#[tokio::test]
async fn dropping_the_question_interrupts_it_and_the_connection_goes_on() {
    let bench = Bench::with(|options| options.small_workers = 1).await;
    for _ in 0..3 {
        let mut asking = Box::pin(bench.engine.query(Question::small(FOREVER)));
        assert!(futures::poll!(asking.as_mut()).is_pending());
        while bench.engine.stats().small_at_work == 0 {
            std::thread::yield_now();
        }
        drop(asking);
        assert_eq!(bench.one_number(Question::small("SELECT 42::BIGINT AS n")).await.unwrap(), 42);
    }
}

#[tokio::test]
async fn dropping_an_answer_half_read_frees_its_worker() {
    let bench = Bench::with(|options| options.large_workers = 1).await;
    for _ in 0..3 {
        let endless = Question::large("SELECT range AS n FROM range(4000000000)");
        let mut answer = bench.engine.query(endless).await.unwrap();
        assert!(answer.next().await.unwrap().is_ok());
        drop(answer);
        assert_eq!(bench.one_number(Question::large("SELECT 42::BIGINT AS n")).await.unwrap(), 42);
    }
}

#[tokio::test]
async fn a_deadline_ends_a_query_and_a_stream_that_nobody_takes() {
    let bench = Bench::with(|options| (options.small_workers, options.large_workers) = (1, 1)).await;
    let short = Some(Duration::from_millis(60));
    let question = Question { deadline: short, ..Question::small(FOREVER) };
    let error = bench.engine.query(question).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.detail().contains("deadline"), "{error}");
    assert_eq!(bench.one_number(Question::small("SELECT 42::BIGINT AS n")).await.unwrap(), 42);

    let question = Question {
        deadline: Some(Duration::from_millis(300)),
        ..Question::large("SELECT range AS n FROM range(4000000000)")
    };
    let mut answer = bench.engine.query(question).await.unwrap();
    let freed = bench.one_number(Question::large("SELECT 42::BIGINT AS n")).await.unwrap();
    assert_eq!(freed, 42, "the only worker is free again although nobody read the stream");
    let mut last = None;
    while let Some(piece) = answer.next().await {
        last = Some(piece.map(|batch| batch.num_rows()));
    }
    let error = last.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled, "it ends with an error, not as if whole");
}

#[tokio::test]
async fn a_failure_in_mid_stream_is_the_last_thing_told() {
    let bench = Bench::new().await;
    // Far enough out that DuckDB has handed over rows before it comes to the failing one.
    let sql = "SELECT CASE WHEN range < 3000000 THEN range ELSE error('here')::BIGINT END AS n FROM range(4000000)";
    for question in [Question::large(sql), Question::small(sql)] {
        let answer = bench.engine.query(question).await.unwrap();
        let mut pieces: Vec<_> = StreamExt::collect(answer).await;
        let last = pieces.pop().unwrap().unwrap_err();
        assert_eq!(last.kind(), ErrorKind::Internal, "{}", cause(&last));
        assert!(!pieces.is_empty() && pieces.iter().all(Result::is_ok));
    }
}

#[tokio::test]
async fn hot_tables_stay_within_their_bytes_and_follow_new_versions() {
    // A day of 1,000 rows in 4 columns is estimated at 4 × (16 KiB + 8,000) = 97,536 bytes: two fit, three do not.
    let bench = Bench::with(|options| (options.hot_table_bytes, options.small_workers) = (200_000, 1)).await;
    let total = |file: &Arc<CachedFile>| {
        Question::small("SELECT sum(gamma)::BIGINT FROM {day}").over("day", Source::HotTable(Arc::clone(file)))
    };
    // Σ over 100 minutes × 10 strikes: 1,000 × 4,950 × 10 + (100 + … + 109) × 100 = 49,604,500.
    let mut files = Vec::new();
    for number in 0..5 {
        files.push(bench.day(&format!("day-{number}.parquet"), 100, 10).await);
    }
    for file in files.iter().chain(&files) {
        assert_eq!(bench.one_number(total(file)).await.unwrap(), 49_604_500);
        let stats = bench.engine.stats();
        assert!(stats.hot_table_bytes <= 200_000 && stats.hot_tables <= 2, "{stats:?}");
    }
    assert_eq!(bench.engine.stats().hot_tables, 2);
    let tables = Question::small("SELECT count(*) FROM duckdb_tables()");
    assert_eq!(bench.one_number(tables.clone()).await.unwrap(), 2, "those let go are dropped");

    let revised = bench.day("day-4.parquet", 100, 11).await;
    // The eleventh strike adds 1,000 × 4,950 + 110 × 100 = 4,961,000.
    assert_eq!(bench.one_number(total(&revised)).await.unwrap(), 54_565_500);
    assert_eq!(bench.one_number(total(&files[4])).await.unwrap(), 49_604_500);
    assert!(bench.one_number(tables).await.unwrap() <= 2);

    let large = bench.day("large.parquet", 390, 50).await;
    let before = bench.engine.stats();
    assert_eq!(
        bench
            .one_number(Question::small("SELECT count(*) FROM {day}").over("day", Source::HotTable(large)))
            .await
            .unwrap(),
        19_500
    );
    let after = bench.engine.stats();
    assert_eq!(
        (after.hot_tables, after.hot_table_bytes),
        (before.hot_tables, before.hot_table_bytes),
        "one that alone exceeds the bound is read from its file"
    );
}

#[tokio::test]
async fn a_damaged_file_is_told_as_such_and_nothing_else_suffers() {
    let bench = Bench::new().await;
    let day = bench.day("greeks/symbol=SPY/day.parquet", 2, 2).await;
    let bytes = std::fs::read(day.path()).unwrap();
    std::fs::remove_file(day.path()).unwrap();
    std::fs::write(day.path(), vec![b'x'; bytes.len()]).unwrap();
    let count = |source| Question::small("SELECT sum(gamma)::BIGINT FROM {day}").over("day", source);
    for source in [Source::File(Arc::clone(&day)), Source::HotTable(Arc::clone(&day))] {
        let error = bench.one_number(count(source)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", cause(&error));
        assert!(!error.detail().contains(day.path().to_str().unwrap()), "no path of this machine in what users read");
    }
    bench.cache.distrust(&day);
    let again = bench.cache.file(day.key(), Freshness::Settled).await.unwrap();
    // 100 + 101 + 1,100 + 1,101
    assert_eq!(bench.one_number(count(Source::HotTable(again))).await.unwrap(), 2_402);
}

#[tokio::test]
async fn a_folder_above_the_cache_that_looks_like_hive_adds_no_column() {
    let lake = tempfile::tempdir().unwrap();
    let folder = lake.path().join("year=1999");
    let store = Store::open(lake.path().to_str().unwrap(), &StoreOptions::default()).await.unwrap();
    let clock = Arc::new(FixedClock::new("2025-01-15T19:32:00Z".parse().unwrap()));
    let cache = Cache::open(store, CacheOptions::new(&folder, 1 << 30), Arc::clone(&clock) as _).await.unwrap();
    let engine = Engine::open(EngineOptions::new(cache.folder(), 1)).unwrap();
    let bench = Bench { lake, cache, clock, engine };
    let day = bench.day("symbol=SPY/day.parquet", 1, 1).await;
    let answer =
        bench.engine.query(Question::small("SELECT * FROM {day}").over("day", Source::File(day))).await.unwrap();
    let names: Vec<_> = answer.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["timestamp", "expiration", "strike", "gamma"]);
}

#[test]
fn a_relative_folder_is_refused() {
    let refused = Engine::open(EngineOptions::new(Path::new("cache"), 1)).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}
