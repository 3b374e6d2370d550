//! The generic compactor with a recipe that is no room's: two sources, no year table, a date that is over when its last session
//! is, and another room's step after it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::*;
use crate::lake::catalog::Catalog;
use crate::lake::dataset::{Cut, Dataset};
use crate::lake::journal::{Body, Writer, chunks, parse_line};
use crate::lake::layout::PartitionId;
use crate::lake::manifest::{Calculation, CaptureRef, Condition, Content, Counts, Manifest};
use crate::lake::publish;
use crate::lake::store::{Store, StoreOptions};
use crate::lake::{partition, year_index};
use crate::market::{FixedClock, Instrument, Instruments, SessionKind, SharedClock, Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};

const DATE: &str = "2025-01-15";
/// NQ's regular hours of that date end at 21:00 UTC, its last session at 22:00.
const BETWEEN: &str = "2025-01-15T21:30:00Z";
const AFTER: &str = "2025-01-15T22:00:00Z";

const fn dataset(name: &'static str, cut: Cut) -> Dataset {
    let schema = || Arc::new(Schema::new(vec![Field::new("value", DataType::Int64, false)]));
    Dataset { name, about: "", cut, schema, sorted_by: &["value"], packing: &[], row_group_rows: 10 }
}

static MARKS: Dataset = dataset("marks", Cut::Day);
static OTHERS: Dataset = dataset("others", Cut::Day);
static LESSONS: Dataset = dataset("lessons", Cut::Year);

/// The numbers that captures hold, sorted.
struct Marks {
    version: &'static str,
    makes: &'static Dataset,
}

struct Numbers {
    capture: CaptureRef,
    numbers: Vec<i64>,
}

impl Parsed for Numbers {
    fn capture(&self) -> &CaptureRef {
        &self.capture
    }

    fn bytes(&self) -> u64 {
        8 * self.numbers.len() as u64
    }
}

impl Recipe for Marks {
    fn sources(&self) -> &'static [&'static str] {
        &["drawn", "marks"]
    }

    fn days(&self) -> &'static [&'static Dataset] {
        static DAYS: [&Dataset; 1] = [&MARKS];
        &DAYS
    }

    fn version(&self) -> &'static str {
        self.version
    }

    fn is_closed(&self, instrument: &Instrument, date: TradingDate, now: DateTime<Utc>) -> bool {
        let sessions = SessionKind::ALL.into_iter().filter_map(|kind| instrument.session_of_kind(date, kind));
        sessions.map(|session| session.close).max().is_none_or(|close| close <= now)
    }

    fn memory_per_byte(&self) -> u64 {
        1
    }

    fn parse(&self, captured: &Captured, _: TradingDate, _: &Instrument, _: &Instruments) -> Result<Arc<dyn Parsed>> {
        let mut numbers = Vec::new();
        for chunk in chunks(captured.bytes.clone()) {
            for line in chunk?.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                if let Body::Document(json) = parse_line(line)?.body {
                    numbers.push(
                        serde_json::from_slice(json).map_err(|error| Error::corrupt("no number").caused_by(error))?,
                    );
                }
            }
        }
        let capture = CaptureRef {
            dataset: captured.dataset.clone(),
            id: captured.id.clone(),
            documents: numbers.len() as u64,
            rows: numbers.len() as u64,
            first_received_at: None,
            last_received_at: None,
        };
        Ok(Arc::new(Numbers { capture, numbers }))
    }

    fn assemble(
        &self,
        instrument: &Instrument,
        date: TradingDate,
        parts: Parts,
        calculation: &Calculation,
    ) -> Result<Vec<Derived>> {
        let parts = parts.of::<Numbers>()?;
        let mut numbers: Vec<i64> = parts.iter().flat_map(|part| part.numbers.iter().copied()).collect();
        numbers.sort_unstable();
        let content = Content {
            dataset: self.makes.name.to_owned(),
            symbol: instrument.symbol.clone(),
            date: Some(date),
            year: None,
            condition: if calculation.session_closed { Condition::Available } else { Condition::Pending },
            reasons: Vec::new(),
            rows: numbers.len() as u64,
            minutes_expected: 0,
            minutes_seen: 0,
            gaps: Vec::new(),
            counts: Counts::default(),
            session: None,
            calculation: calculation.clone(),
            captures: parts.iter().map(|part| part.capture.clone()).collect(),
            details: serde_json::Value::Null,
        };
        let batch = RecordBatch::try_new((MARKS.schema)(), vec![Arc::new(Int64Array::from(numbers))])
            .map_err(|error| Error::internal("no batch").caused_by(error))?;
        Ok(vec![Derived { data: partition::encode(&MARKS, &[batch], &content)?, content }])
    }
}

/// Notes which days it was told of, and what the index said by then; fails once when told to.
#[derive(Default)]
struct Lessons {
    heard: Mutex<Vec<(Scope, Vec<TradingDate>, usize)>>,
    fails: Mutex<bool>,
}

impl YearStep for Lessons {
    fn datasets(&self) -> &'static [&'static Dataset] {
        static TABLES: [&Dataset; 1] = [&LESSONS];
        &TABLES
    }

    fn year<'a>(&'a self, task: YearTask<'a>) -> BoxFuture<'a, Result<Brought>> {
        Box::pin(async move {
            let index = year_index::read(task.store, MARKS.name, task.symbol, task.year).await?;
            let dates = task.manifests.iter().filter_map(|manifest| manifest.content.date).collect();
            self.heard.lock().push((task.scope, dates, index.days.len()));
            match std::mem::take(&mut *self.fails.lock()) {
                true => Err(Error::unavailable("not now")),
                false => Ok(Brought::default()),
            }
        })
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    store: Store,
    clock: Arc<FixedClock>,
    lessons: Arc<Lessons>,
}

impl Bench {
    async fn new(now: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap(), &StoreOptions::default()).await.unwrap();
        let clock = Arc::new(FixedClock::new(now.parse().unwrap()));
        Self { _folder: folder, store, clock, lessons: Arc::default() }
    }

    fn compactor(&self, recipe: Marks) -> Compactor {
        let (store, clock) = (self.store.clone(), Arc::clone(&self.clock) as SharedClock);
        let options = CompactOptions::default();
        Compactor::new(Arc::new(recipe), store, Instruments::builtin(), clock, options)
            .then(Arc::clone(&self.lessons) as Arc<dyn YearStep>)
    }

    async fn capture(&self, source: &str, numbers: &[i64]) {
        let mut writer = Writer::new(source).unwrap();
        for number in numbers {
            let received = "2025-01-15T15:00:00Z".parse().unwrap();
            writer.document(&nq(), DATE.parse().unwrap(), received, number.to_string().as_bytes(), 1).unwrap();
        }
        writer.put(&self.store).await.unwrap();
    }

    async fn run(&self, recipe: Marks) -> Vec<Result<Outcome>> {
        let compactor = self.compactor(recipe);
        let days = compactor.plan(&Selection::default()).await.unwrap();
        compactor.run(&days, &|_| {}).await
    }

    /// Action, revision, condition and rows of the one day.
    async fn one(&self, recipe: Marks) -> (&'static str, u32, &'static str, u64) {
        let outcomes = self.run(recipe).await;
        let [Ok(day)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
        assert_eq!((day.dataset.as_str(), day.date), ("marks", Some(DATE.parse().unwrap())));
        (day.action, day.revision, day.condition.as_str(), day.rows)
    }

    async fn manifest(&self) -> Manifest {
        publish::manifest(&self.store, &id()).await.unwrap()
    }

    async fn numbers(&self) -> Vec<i64> {
        let key = id().data_key();
        let batches = partition::read(self.store.get(&key).await.unwrap().bytes, 100, &key).unwrap();
        let column = batches[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap();
        column.values().to_vec()
    }
}

fn nq() -> Symbol {
    "NQ".parse().unwrap()
}

fn id() -> PartitionId {
    PartitionId::day("marks", &nq(), DATE.parse().unwrap())
}

fn marks() -> Marks {
    Marks { version: "marks-1", makes: &MARKS }
}

#[tokio::test]
async fn a_day_is_open_until_the_room_says_that_it_is_over() {
    let bench = Bench::new(BETWEEN).await;
    bench.capture("marks", &[3, 1]).await;
    assert_eq!(bench.one(marks()).await, ("written", 1, "pending", 2), "the regular hours are over, the date is not");
    bench.capture("drawn", &[2]).await;
    assert_eq!(bench.one(marks()).await, ("written", 1, "pending", 3));
    assert_eq!(bench.one(marks()).await, ("unchanged", 1, "pending", 3));
    bench.clock.set(AFTER.parse().unwrap());
    assert_eq!(bench.one(marks()).await, ("written", 1, "available", 3));
    bench.clock.set(BETWEEN.parse().unwrap());
    assert_eq!(bench.one(marks()).await, ("unchanged", 1, "available", 3), "what was closed stays closed");
    bench.capture("marks", &[5]).await;
    assert_eq!(bench.one(marks()).await, ("written", 2, "available", 4));
    assert_eq!(bench.numbers().await, [1, 2, 3, 5]);
    let sources: Vec<_> = bench.manifest().await.content.captures.into_iter().map(|capture| capture.dataset).collect();
    assert_eq!(sources, ["drawn", "marks", "marks"], "in the order of the recipe's sources");
}

#[tokio::test]
async fn another_rooms_step_comes_after_the_index_and_is_named_before_it() {
    let bench = Bench::new(AFTER).await;
    bench.capture("marks", &[1]).await;
    *bench.lessons.fails.lock() = true;
    let outcomes = bench.run(marks()).await;
    let [Ok(_), Err(error)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!((error.kind(), error.detail()), (ErrorKind::Unavailable, "the year 2025 of NQ: not now"));
    assert_eq!(bench.one(marks()).await.0, "unchanged", "the day stands, and the step is run again");
    let day = vec![DATE.parse().unwrap()];
    let once = (Scope::LookedAt, day.clone(), 1);
    assert_eq!(*bench.lessons.heard.lock(), [once.clone(), once.clone()]);
    bench.compactor(marks()).rebuild_year(&nq(), 2025).await.unwrap();
    assert_eq!(bench.lessons.heard.lock().last(), Some(&(Scope::All, day, 1)));
    for dataset in ["marks", "lessons"] {
        let key = Catalog::key(dataset);
        let catalog = Catalog::parse(&bench.store.get(&key).await.unwrap().bytes, &key).unwrap();
        assert_eq!(catalog.symbols, BTreeMap::from([(nq(), [2025].into())]), "{dataset}");
    }
}

#[tokio::test]
async fn what_a_later_version_made_is_left_alone() {
    let bench = Bench::new(AFTER).await;
    bench.capture("marks", &[1]).await;
    assert_eq!(bench.one(Marks { version: "marks-10", ..marks() }).await.0, "written");
    assert_eq!(bench.one(Marks { version: "marks-9", ..marks() }).await.0, "unchanged");
    bench.capture("marks", &[2]).await;
    let outcomes = bench.run(Marks { version: "marks-9", ..marks() }).await;
    let [Err(error)] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.detail().contains("marks-10, which is later than this program's marks-9"), "{}", error.detail());
    assert_eq!(bench.numbers().await, [1]);
    assert_eq!(bench.one(Marks { version: "marks-11", ..marks() }).await, ("written", 2, "available", 2));
}

#[tokio::test]
async fn a_recipe_that_makes_something_else_publishes_nothing() {
    let bench = Bench::new(AFTER).await;
    bench.capture("marks", &[1]).await;
    let outcomes = bench.run(Marks { makes: &OTHERS, ..marks() }).await;
    assert!(matches!(outcomes.as_slice(), [Err(error)] if error.kind() == ErrorKind::Internal), "{outcomes:?}");
    for key in [id().data_key(), id().manifest_key()] {
        assert_eq!(bench.store.get(&key).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_damaged_day_is_made_again_as_it_was() {
    let bench = Bench::new(AFTER).await;
    bench.capture("marks", &[2, 1]).await;
    bench.one(marks()).await;
    let (key, before) = (id().data_key(), bench.manifest().await);
    let whole = bench.store.get(&key).await.unwrap();
    let mut damaged = whole.bytes.to_vec();
    damaged[8] ^= 1;
    let when = crate::lake::store::PutWhen::Matches(whole.etag);
    bench.store.put(&key, damaged.into(), when).await.unwrap();
    assert_eq!(bench.one(marks()).await.0, "unchanged", "of the same size, so it looks up to date");
    bench.compactor(marks()).remake_day(&nq(), DATE.parse().unwrap()).await.unwrap();
    assert_eq!(bench.store.get(&key).await.unwrap().bytes, whole.bytes);
    let after = bench.manifest().await;
    assert_eq!((after.sha256, after.revision), (before.sha256, 1));
}

#[tokio::test]
async fn followers_of_several_rooms_go_round_together() {
    let bench = Bench::new(BETWEEN).await;
    bench.capture("marks", &[1]).await;
    let followers = [marks(), marks()].map(|recipe| Follower::new(bench.compactor(recipe), Selection::default()));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut stop = Some(stop);
    let mut actions = Vec::new();
    let every = std::time::Duration::from_millis(1);
    let told = |outcome: &Result<Outcome>| {
        actions.push(outcome.as_ref().unwrap().action);
        if actions.len() == 2 {
            stop.take().map(|stop| stop.send(()));
        }
        Ok(())
    };
    follow(followers.into(), every, async { drop(stopped.await) }, told).await.unwrap();
    assert_eq!(actions, ["written", "unchanged"], "the second looks at what the first has just done");
}

#[tokio::test]
async fn a_follower_closes_a_day_when_the_room_says_so() {
    let bench = Bench::new(BETWEEN).await;
    bench.capture("marks", &[1]).await;
    let mut follower = Follower::new(bench.compactor(marks()), Selection::default());
    let told = |outcomes: Vec<Result<Outcome>>| -> Vec<(&str, &str)> {
        outcomes
            .iter()
            .map(|outcome| outcome.as_ref().unwrap())
            .map(|day| (day.action, day.condition.as_str()))
            .collect()
    };
    assert_eq!(told(follower.round().await), [("written", "pending")]);
    assert_eq!(told(follower.round().await), []);
    bench.clock.advance(TimeDelta::minutes(30));
    assert_eq!(told(follower.round().await), [("written", "available")]);
    assert_eq!(told(follower.round().await), []);
}

#[test]
fn versions_are_compared_by_name_and_number() {
    for (version, than, later) in [
        ("greeks-2", "greeks-1", true),
        ("greeks-10", "greeks-9", true),
        ("greeks-1", "greeks-1", false),
        ("greeks-1", "greeks-2", false),
        ("bars-2", "greeks-1", false),
        ("greeks-x", "greeks-1", false),
        ("greeks", "greeks-1", false),
        ("", "greeks-1", false),
    ] {
        assert_eq!(is_later_version(version, than), later, "{version} after {than}");
    }
}
