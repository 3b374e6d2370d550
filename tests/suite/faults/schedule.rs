//! One schedule: files are ingested step by step and compacted by one or two at once, through a store that fails by seed, while
//! readers ask. Then the store behaves, everything is brought to its end once more, and what is there must equal, to the byte,
//! a lake that was made from the same captures in peace.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use pitlake::greeks::compact::Greeks;
use pitlake::greeks::ingest::ingest;
use pitlake::greeks::live::LiveOptions;
use pitlake::lake::cache::{Cache, CacheOptions};
use pitlake::lake::compact::{CompactOptions, Compactor, Selection};
use pitlake::lake::head::Partitions;
use pitlake::lake::row_groups::RowGroups;
use pitlake::lake::store::{PutWhen, Store};
use pitlake::lake::verify::verify;
use pitlake::market::{FixedClock, Instruments, SharedClock};
use pitlake::server::rooms::tenants;
use pitlake::server::{Server, ServerOptions};
use pitlake::{ErrorKind, Result};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::readers::{ApiReader, Broken, FileReader, Judge, Revisions};
use super::store::{FaultyStore, Shares, Weather};
use super::story::{DATES, Step, Story};
use crate::pitlake_binary::{batches, sha256};

/// Two minutes before the second day's session closes.
const BEGINS: &str = "2025-01-16T20:58:00Z";
/// How often a person runs the same command again before going to lunch.
const TRIES: u32 = 400;

/// What a schedule did, to see that it did something.
#[derive(Debug, Default, Clone, Copy)]
pub struct Told {
    pub faults: usize,
    pub judged: u32,
    pub errors: u32,
}

struct World {
    seed: u64,
    inner: Arc<dyn object_store::ObjectStore>,
    weather: Arc<Weather>,
    clock: Arc<FixedClock>,
    instruments: Arc<Instruments>,
    /// Who still changes the lake.
    writers: AtomicU32,
    /// Whether all files are in.
    all_in: AtomicBool,
}

/// Runs the schedule of this seed; `Err` says what was broken, by which faults.
pub fn run(seed: u64, with_server: bool) -> Result<Told, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let shares = Shares::drawn(&mut random);
    let weather = Weather::new(seed, shares);
    let told = runtime.block_on(World::new(seed, &weather).live(random, with_server));
    told.map_err(|broken| {
        let happened = weather.happened().join("\n  ");
        format!("seed {seed}: {broken}\nweather: {shares:?}\n  {happened}\nagain: PITLAKE_FAULT_SEED={seed}")
    })
}

impl World {
    fn new(seed: u64, weather: &Arc<Weather>) -> Self {
        let begins: DateTime<Utc> = BEGINS.parse().expect("an instant");
        Self {
            seed,
            inner: Arc::new(InMemory::new()),
            weather: Arc::clone(weather),
            clock: Arc::new(FixedClock::new(begins)),
            instruments: Instruments::builtin(),
            writers: AtomicU32::new(0),
            all_in: AtomicBool::new(false),
        }
    }

    fn store(&self, caller: &str) -> Store {
        Store::from_object_store(Arc::new(FaultyStore::new(Arc::clone(&self.inner), &self.weather, caller)), caller)
    }

    fn clock(&self) -> SharedClock {
        Arc::clone(&self.clock) as SharedClock
    }

    fn random(&self, what: &str) -> ChaCha8Rng {
        let name = what.bytes().fold(self.seed, |name, byte| name.wrapping_mul(31).wrapping_add(u64::from(byte)));
        ChaCha8Rng::seed_from_u64(name)
    }

    async fn live(&self, mut random: ChaCha8Rng, with_server: bool) -> Result<Told, Broken> {
        let story = Story::of(&mut random);
        let (revisions, of_sums) = (Revisions::default(), Revisions::default());
        let folder = tempfile::tempdir().expect("a folder");
        let mut api = match with_server {
            true => Some(ApiReader {
                router: self.server(folder.path().join("api")).await.map_err(|error| error.to_string())?.router(),
                judge: Judge::new(&story.legal, &revisions),
                exports: Judge::new(&story.legal, &revisions),
                ranges: Judge::new(&story.legal, &of_sums),
            }),
            false => None,
        };
        let mut files = self.file_reader(folder.path().join("files"), &story, &revisions).await;

        self.weather.storm();
        let compactors = random.random_range(1..=2);
        self.writers.store(1 + compactors, Ordering::Relaxed);
        let second = async { if compactors == 2 { self.compactor("compactor-2").await } else { Ok(()) } };
        let asked = async {
            let Some(api) = &mut api else { return Ok(()) };
            let mut random = self.random("api");
            while self.reads_on(&mut random).await {
                api.ask(&mut random).await?;
            }
            Ok(())
        };
        let read = async {
            let mut random = self.random("files");
            while self.reads_on(&mut random).await {
                files.ask(&mut random).await?;
            }
            Ok(())
        };
        tokio::try_join!(self.ingester(&story.steps), self.compactor("compactor-1"), second, asked, read)?;

        self.weather.calm();
        self.ends_as_in_peace(&story).await?;
        // What was kept as fresh is asked for again.
        self.clock.advance(TimeDelta::minutes(1));
        let mut told = Told { faults: self.weather.happened().len(), ..Told::default() };
        if let Some(api) = &mut api {
            for date in 0..DATES.len() {
                api.ends_with(date).await?;
            }
        }
        for judge in
            api.iter().flat_map(|api| [&api.judge, &api.exports, &api.ranges]).chain([&files.opened, &files.fetched])
        {
            told.judged += judge.judged;
            told.errors += judge.errors;
        }
        Ok(told)
    }

    async fn server(&self, cache_folder: std::path::PathBuf) -> Result<Server> {
        let options = ServerOptions {
            cache_folder,
            cache_bytes: 1 << 20,
            memory_bytes: 1 << 20,
            engine_bytes: 64 << 20,
            cores: 1,
            max_requests: 8,
            live: LiveOptions::default(),
        };
        Server::new(self.store("api"), self.clock(), options).await
    }

    async fn file_reader<'a>(
        &self,
        folder: std::path::PathBuf,
        story: &'a Story,
        revisions: &'a Revisions,
    ) -> FileReader<'a> {
        let store = self.store("reader");
        let cache = Cache::open(store.clone(), CacheOptions::new(folder, 1 << 20), self.clock()).await;
        let partitions = Partitions::new(store.clone(), cache.expect("a cache"), RowGroups::new(1 << 20));
        let judge = || Judge::new(&story.legal, revisions);
        FileReader { partitions, store, opened: judge(), fetched: judge() }
    }

    /// Waits for a reader's next question; false when nobody changes the lake any more.
    async fn reads_on(&self, random: &mut ChaCha8Rng) -> bool {
        self.clock.advance(TimeDelta::milliseconds(random.random_range(0..4_000)));
        for _ in 0..random.random_range(1..30) {
            tokio::task::yield_now().await;
        }
        self.writers.load(Ordering::Relaxed) > 0
    }

    /// Ingests file after file, each again until it is in.
    async fn ingester(&self, steps: &[Step]) -> Result<(), Broken> {
        let mut random = self.random("ingester");
        let store = self.store("ingester");
        for step in steps {
            for _ in 0..random.random_range(0..200) {
                tokio::task::yield_now().await;
            }
            let mut left = TRIES;
            loop {
                // What comes later was received later, always.
                self.clock.advance(TimeDelta::milliseconds(10));
                match self.ingest(step, &store).await {
                    Ok(refused) if refused == step.refused => break,
                    Ok(refused) => return Err(format!("{refused} lines were refused: {}", step.lines)),
                    Err(error) if error.kind() == ErrorKind::Unavailable && left > 0 => left -= 1,
                    Err(error) => return Err(format!("ingest: {:?} {error}", error.kind())),
                }
            }
        }
        self.all_in.store(true, Ordering::Relaxed);
        self.writers.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    async fn ingest(&self, step: &Step, store: &Store) -> Result<u64> {
        let input = Box::new(Cursor::new(step.lines.clone().into_bytes()));
        let counts = ingest(input, Arc::clone(&self.instruments), self.clock(), store, Box::new(|_| {})).await?;
        Ok(counts.refused)
    }

    /// Compacts again and again until everything is in; its failures are those of the store.
    async fn compactor(&self, name: &str) -> Result<(), Broken> {
        let mut random = self.random(name);
        let compactor = self.compactor_of(self.store(name));
        loop {
            let last = self.all_in.load(Ordering::Relaxed);
            for error in compact(&compactor).await {
                if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Conflict) {
                    return Err(format!("{name}: {:?} {error}", error.kind()));
                }
            }
            for _ in 0..random.random_range(0..100) {
                tokio::task::yield_now().await;
            }
            if last {
                break;
            }
        }
        self.writers.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    fn compactor_of(&self, store: Store) -> Compactor {
        let options = CompactOptions::default();
        Compactor::new(Arc::new(Greeks), store, Arc::clone(&self.instruments), self.clock(), options)
    }

    async fn ends_as_in_peace(&self, story: &Story) -> Result<(), Broken> {
        let store = self.store("in calm weather");
        let said = |what: &str| {
            let what = what.to_owned();
            move |error: pitlake::Error| format!("{what} at the end: {error}")
        };
        if let Some(error) = compact(&self.compactor_of(store.clone())).await.first() {
            return Err(format!("compaction at the end: {error}"));
        }
        let verified =
            verify(&store, &tenants(&store, &self.instruments, &self.clock()), &Default::default(), &|_| {}).await;
        let mut findings = verified.map_err(said("verify"))?.findings;
        findings.retain(|finding| finding.is_damage() || !["degraded", "pending"].contains(&finding.code.as_str()));
        if !findings.is_empty() {
            return Err(format!("verify at the end: {findings:?}"));
        }

        let here = objects(&store).await.map_err(said("reading"))?;
        let count = |prefix: &str| here.keys().filter(|key| key.starts_with(prefix)).count();
        let captures = story.steps.iter().map(|step| step.days.len()).sum::<usize>();
        let refused = story.steps.iter().filter(|step| step.refused > 0).count();
        if (count("raw/greeks/"), count("raw/_rejected/")) != (captures, refused) {
            return Err(format!("{captures} captures and {refused} refusals went in, and there are {:?}", here.keys()));
        }

        let peace = Store::from_object_store(Arc::new(InMemory::new()), "peace");
        for (key, bytes) in here.iter().filter(|(key, _)| key.starts_with("raw/")) {
            peace.put(key, bytes.clone(), PutWhen::Absent).await.map_err(said("copying"))?;
        }
        if let Some(error) = compact(&self.compactor_of(peace.clone())).await.first() {
            return Err(format!("compaction in peace: {error}"));
        }
        let there = objects(&peace).await.map_err(said("reading"))?;
        if !here.keys().eq(there.keys()) {
            return Err(format!("{:?} are there, in peace {:?}", here.keys(), there.keys()));
        }
        for (key, bytes) in &there {
            same(key, &here, bytes)?;
        }
        Ok(())
    }
}

/// Compares what may be compared: revisions and times of publication tell of the storm.
fn same(key: &str, here: &BTreeMap<String, Bytes>, there: &Bytes) -> Result<(), Broken> {
    let bytes = &here[key];
    let differs = if key.starts_with("greeks_by_day/") {
        // Its footer names revisions.
        batches(bytes.clone()) != batches(there.clone())
    } else if key.starts_with("_manifest/") && key.contains("symbol=") {
        let (mut one, mut other) = (read(bytes), read(there));
        let by_day = key.contains("greeks_by_day");
        if !by_day && one["sha256"] != other["sha256"] {
            return Err(format!("{key} differs from peace in sha256"));
        }
        let file = one["path"].as_str().and_then(|path| here.get(path));
        if file.is_some_and(|file| one["sha256"] != sha256(file).as_str()) {
            return Err(format!("{key} is not the record of its file"));
        }
        [&mut one, &mut other].into_iter().for_each(|record| forget_the_storm(record, by_day));
        one != other
    } else {
        bytes != there
    };
    if differs { Err(format!("{key} is not as in peace")) } else { Ok(()) }
}

fn read(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).expect("JSON")
}

fn forget_the_storm(record: &mut serde_json::Value, by_day: bool) {
    let forget = |record: &mut serde_json::Value| {
        for name in ["revision", "published_at", "listed_at", "change"] {
            record.as_object_mut().expect("an object").remove(name);
        }
    };
    record["days"].as_array_mut().into_iter().flatten().for_each(forget);
    forget(record);
    if by_day {
        let record = record.as_object_mut().expect("an object");
        ["sha256", "bytes", "details"].into_iter().for_each(|name| drop(record.remove(name)));
    }
}

/// Every object of the lake.
async fn objects(store: &Store) -> Result<BTreeMap<String, Bytes>> {
    let listed: Vec<_> = store.list("").try_collect().await?;
    let mut objects = BTreeMap::new();
    for object in listed {
        let bytes = store.get(&object.key).await?.bytes;
        objects.insert(object.key, bytes);
    }
    Ok(objects)
}

/// `pitlake compact`; gives the failures.
async fn compact(compactor: &Compactor) -> Vec<pitlake::Error> {
    match compactor.plan(&Selection::default()).await {
        Err(error) => vec![error],
        Ok(days) => compactor.run(&days, &|_| {}).await.into_iter().filter_map(Result::err).collect(),
    }
}
