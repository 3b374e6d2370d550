//! The cache from the outside, over a store that counts what it is asked, can be held up, and can fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use object_store::memory::InMemory;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use tokio::sync::Semaphore;

mod random_walk;
mod watched;

use super::*;
use crate::ErrorKind;
use crate::lake::store::StoreOptions;
use crate::market::FixedClock;
use watched::Watched;

const KEY: &str = "greeks/symbol=SPY/date=2025-01-15/part-0.parquet";

/// A cache over a watched store, with a clock that the test moves.
struct Bench {
    watched: Arc<Watched>,
    clock: Arc<FixedClock>,
    cache: Cache,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new(max_bytes: u64) -> Self {
        let gate = Semaphore::new(Semaphore::MAX_PERMITS);
        let watched = Arc::new(Watched {
            inner: InMemory::new(),
            gets: AtomicU64::new(0),
            conditional_gets: AtomicU64::new(0),
            broken: AtomicBool::new(false),
            gate,
        });
        let store = Store::from_object_store(Arc::clone(&watched) as Arc<dyn ObjectStore>, "memory");
        let start: DateTime<Utc> = "2025-01-15T19:32:00Z".parse().unwrap();
        let clock = Arc::new(FixedClock::new(start));
        let folder = tempfile::tempdir().unwrap();
        let options = CacheOptions { max_small_bytes: max_bytes, ..CacheOptions::new(folder.path(), max_bytes) };
        let cache = Cache::open(store, options, Arc::clone(&clock) as SharedClock).await.unwrap();
        Self { watched, clock, cache, _folder: folder }
    }

    async fn put(&self, key: &str, content: &str) {
        let payload = PutPayload::from(Bytes::from(content.to_owned()));
        self.watched.inner.put(&ObjectPath::from(key), payload).await.unwrap();
    }

    async fn read(&self, key: &str, freshness: Freshness) -> String {
        std::fs::read_to_string(self.cache.file(key, freshness).await.unwrap().path()).unwrap()
    }

    fn pass(&self, milliseconds: i64) {
        self.clock.advance(TimeDelta::milliseconds(milliseconds));
    }

    /// (all GETs, the conditional ones among them)
    fn asked(&self) -> (u64, u64) {
        (self.watched.gets.load(Ordering::SeqCst), self.watched.conditional_gets.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_file_has_its_bytes_its_etag_and_its_digest() {
    let bench = Bench::new(1 << 20).await;
    bench.put(KEY, "abc").await;
    let file = bench.cache.file(KEY, Freshness::Settled).await.unwrap();
    assert_eq!(std::fs::read(file.path()).unwrap(), b"abc");
    // FIPS 180-2, appendix B.1.
    assert_eq!(file.sha256(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!((file.size(), file.key()), (3, KEY));
    let meta = bench.watched.inner.head(&ObjectPath::from(KEY)).await.unwrap();
    assert_eq!(file.etag().trim_matches('"'), meta.e_tag.unwrap().trim_matches('"'));
    assert!(file.path().starts_with(bench.cache.folder()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_once_are_one_request() {
    let bench = Bench::new(1 << 20).await;
    bench.put(KEY, "one day").await;
    let closed = bench.watched.gate.acquire_many(Semaphore::MAX_PERMITS as u32).await.unwrap();
    let asking: Vec<_> = (0..1_000)
        .map(|_| {
            let cache = bench.cache.clone();
            tokio::spawn(async move { cache.file(KEY, Freshness::Settled).await.map(|file| file.path().to_owned()) })
        })
        .collect();
    drop(closed);
    let answers: Vec<_> = join_all(asking).await.into_iter().map(|answer| answer.unwrap().unwrap()).collect();
    assert!(answers.iter().all(|path| path == &answers[0]));
    assert_eq!(bench.asked(), (1, 0));
}

#[tokio::test]
async fn a_request_goes_on_when_who_asked_went_away() {
    let bench = Bench::new(1 << 20).await;
    bench.put(KEY, "one day").await;
    let closed = bench.watched.gate.acquire_many(Semaphore::MAX_PERMITS as u32).await.unwrap();
    let mut asking = Box::pin(bench.cache.file(KEY, Freshness::Settled));
    assert!(futures::poll!(asking.as_mut()).is_pending());
    drop(asking);
    drop(closed);
    assert_eq!(bench.read(KEY, Freshness::Settled).await, "one day");
    assert_eq!(bench.asked(), (1, 0));
}

#[tokio::test]
async fn fresh_is_served_without_asking_then_one_conditional_get() {
    let bench = Bench::new(1 << 20).await;
    bench.put(KEY, "revision 1").await;
    let first = bench.cache.file(KEY, Freshness::Settled).await.unwrap();
    bench.pass(29_999);
    assert_eq!(bench.read(KEY, Freshness::Settled).await, "revision 1");
    assert_eq!(bench.asked(), (1, 0));

    bench.pass(1);
    let again = bench.cache.file(KEY, Freshness::Settled).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again), "unchanged: the same file");
    assert_eq!(bench.asked(), (2, 1));

    bench.put(KEY, "revision 2").await;
    bench.pass(29_999);
    assert_eq!(bench.read(KEY, Freshness::Settled).await, "revision 1", "within the window nothing is asked");
    bench.pass(1);
    assert_eq!(bench.read(KEY, Freshness::Settled).await, "revision 2");
    assert_eq!(bench.asked(), (3, 2));
    assert_eq!(std::fs::read_to_string(first.path()).unwrap(), "revision 1", "who holds the old one keeps it");
    let old_path = first.path().to_owned();
    drop((first, again));
    assert!(!old_path.exists());
}

#[tokio::test]
async fn an_open_day_is_fresh_for_two_seconds_and_so_is_its_absence() {
    let bench = Bench::new(1 << 20).await;
    assert_eq!(bench.cache.file(KEY, Freshness::Open).await.unwrap_err().kind(), ErrorKind::NotFound);
    bench.put(KEY, "14:31").await;
    bench.pass(1_999);
    assert!(bench.cache.file(KEY, Freshness::Open).await.is_err());
    bench.pass(1);
    assert_eq!(bench.read(KEY, Freshness::Open).await, "14:31");
    bench.put(KEY, "14:32").await;
    bench.pass(2_000);
    assert_eq!(bench.read(KEY, Freshness::Settled).await, "14:31", "who asks for a settled day has 30 s");
    assert_eq!(bench.read(KEY, Freshness::Open).await, "14:32");
}

#[tokio::test]
async fn what_is_missing_is_remembered_for_thirty_seconds() {
    let bench = Bench::new(1 << 20).await;
    for _ in 0..5 {
        let error = bench.cache.file(KEY, Freshness::Settled).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.detail().contains(KEY), "{error}");
        bench.pass(5_999);
    }
    assert_eq!(bench.asked().0, 1);
    bench.put(KEY, "late").await;
    bench.pass(5);
    assert_eq!(bench.read(KEY, Freshness::Settled).await, "late");
    bench.watched.inner.delete(&ObjectPath::from(KEY)).await.unwrap();
    bench.pass(30_000);
    assert_eq!(bench.cache.file(KEY, Freshness::Settled).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(bench.cache.stats().file_bytes, 0, "a file whose object is gone is let go");
}

#[tokio::test]
async fn a_store_that_cannot_be_asked_is_an_error_and_not_stale_data() {
    let bench = Bench::new(1 << 20).await;
    bench.put(KEY, "one day").await;
    bench.put("_manifest/greeks/symbol=SPY/2025-01-15.json", "{}").await;
    bench.read(KEY, Freshness::Settled).await;
    bench.watched.broken.store(true, Ordering::SeqCst);
    bench.pass(29_999);
    assert_eq!(bench.read(KEY, Freshness::Settled).await, "one day");
    bench.pass(1);
    assert_eq!(bench.cache.file(KEY, Freshness::Settled).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let never_seen = bench.cache.small("_manifest/greeks/symbol=SPY/2025-01-15.json", Freshness::Settled).await;
    assert_eq!(never_seen.unwrap_err().kind(), ErrorKind::Unavailable);
    bench.watched.broken.store(false, Ordering::SeqCst);
    assert_eq!(bench.read(KEY, Freshness::Settled).await, "one day");
    assert_eq!(bench.asked().1, 2, "the file was still there: revalidated, not fetched again");
    assert_eq!(bench.cache.stats().filled, 1);
}

#[tokio::test]
async fn what_is_held_is_given_without_asking_however_old() {
    let bench = Bench::new(1 << 20).await;
    assert!(bench.cache.held(KEY).is_none() && !bench.cache.knows(KEY, Freshness::Settled));
    assert_eq!(bench.asked().0, 0);
    assert!(bench.cache.file(KEY, Freshness::Settled).await.is_err());
    assert!(bench.cache.held(KEY).is_none() && bench.cache.knows(KEY, Freshness::Settled), "known not to be there");
    bench.pass(30_000);
    bench.put(KEY, "one day").await;
    let file = bench.cache.file(KEY, Freshness::Settled).await.unwrap();
    bench.pass(29_999);
    assert!(bench.cache.knows(KEY, Freshness::Settled) && !bench.cache.knows(KEY, Freshness::Open));
    bench.pass(3_600_000);
    assert!(!bench.cache.knows(KEY, Freshness::Settled));
    assert!(Arc::ptr_eq(&bench.cache.held(KEY).unwrap(), &file));
    assert_eq!(bench.asked().0, 2);
    std::fs::write(file.path(), "one d").unwrap();
    assert!(bench.cache.held(KEY).is_none(), "a damaged file is not given");
    bench.cache.distrust(&file);
    assert!(bench.cache.held(KEY).is_none());
}

#[tokio::test]
async fn a_clock_set_back_does_not_keep_a_file_fresh() {
    let bench = Bench::new(1 << 20).await;
    bench.put(KEY, "revision 1").await;
    bench.read(KEY, Freshness::Settled).await;
    bench.put(KEY, "revision 2").await;
    bench.pass(-3_600_000);
    assert_eq!(bench.read(KEY, Freshness::Settled).await, "revision 2");
}

#[tokio::test]
async fn a_damaged_file_is_fetched_again() {
    let bench = Bench::new(1 << 20).await;
    bench.put(KEY, "one day").await;
    let file = bench.cache.file(KEY, Freshness::Settled).await.unwrap();
    std::fs::write(file.path(), "one d").unwrap();
    let cut = bench.cache.file(KEY, Freshness::Settled).await.unwrap();
    assert_eq!(std::fs::read_to_string(cut.path()).unwrap(), "one day");

    std::fs::remove_file(cut.path()).unwrap();
    let gone = bench.cache.file(KEY, Freshness::Settled).await.unwrap();
    assert_eq!(std::fs::read_to_string(gone.path()).unwrap(), "one day");

    std::fs::write(gone.path(), "one dax").unwrap();
    bench.cache.distrust(&gone);
    bench.cache.distrust(&gone);
    assert_eq!(bench.read(KEY, Freshness::Settled).await, "one day");
    assert_eq!(bench.asked(), (4, 0));
    assert_eq!(bench.cache.stats().damaged, 3);
    bench.cache.distrust(&file);
    bench.read(KEY, Freshness::Settled).await;
    assert_eq!(bench.asked(), (4, 0), "distrust of an older copy does not touch the present one");
}

#[tokio::test]
async fn distrust_during_revalidation_is_not_undone_by_unchanged() {
    let bench = Bench::new(1 << 20).await;
    bench.put(KEY, "one day").await;
    let file = bench.cache.file(KEY, Freshness::Settled).await.unwrap();
    bench.pass(30_000);
    let closed = bench.watched.gate.acquire_many(Semaphore::MAX_PERMITS as u32).await.unwrap();
    let mut asking = Box::pin(bench.cache.file(KEY, Freshness::Settled));
    assert!(futures::poll!(asking.as_mut()).is_pending());
    std::fs::write(file.path(), "one dax").unwrap();
    bench.cache.distrust(&file);
    drop(closed);
    let got = asking.await.unwrap();
    assert_eq!(std::fs::read_to_string(got.path()).unwrap(), "one day");
}

#[tokio::test]
async fn a_file_let_go_stays_while_it_is_read() {
    let bench = Bench::new(10).await;
    bench.put("a.parquet", "aaaaaaaa").await;
    bench.put("b.parquet", "bbbbbbbb").await;
    let a = bench.cache.file("a.parquet", Freshness::Settled).await.unwrap();
    let b = bench.cache.file("b.parquet", Freshness::Settled).await.unwrap();
    let stats = bench.cache.stats();
    assert_eq!((stats.file_bytes, stats.disk_bytes, stats.evicted), (8, 16, 1));
    assert_eq!(std::fs::read_to_string(a.path()).unwrap(), "aaaaaaaa");
    assert_eq!(std::fs::read_to_string(b.path()).unwrap(), "bbbbbbbb");
    let path = a.path().to_owned();
    drop(a);
    assert!(!path.exists());
    assert!(b.path().exists());
    assert_eq!(bench.cache.stats().disk_bytes, 8);
}

#[tokio::test]
async fn a_file_larger_than_the_cache_is_served_and_not_kept() {
    let bench = Bench::new(5).await;
    bench.put(KEY, "six by").await;
    let file = bench.cache.file(KEY, Freshness::Settled).await.unwrap();
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "six by");
    drop(file);
    let stats = bench.cache.stats();
    assert_eq!((stats.files, stats.file_bytes, stats.disk_bytes), (0, 0, 0));
}

#[tokio::test]
async fn small_objects_follow_the_same_rules() {
    let bench = Bench::new(1 << 20).await;
    let key = "_manifest/greeks/symbol=SPY/2025-01-15.json";
    bench.put(key, "{\"revision\":1}").await;
    let one = bench.cache.small(key, Freshness::Settled).await.unwrap();
    assert_eq!(&one.bytes[..], b"{\"revision\":1}");
    bench.put(key, "{\"revision\":2}").await;
    bench.pass(29_999);
    assert!(Arc::ptr_eq(&one, &bench.cache.small(key, Freshness::Settled).await.unwrap()));
    bench.pass(1);
    let two = bench.cache.small(key, Freshness::Settled).await.unwrap();
    assert_eq!(&two.bytes[..], b"{\"revision\":2}");
    assert_ne!(one.etag, two.etag);
    assert_eq!(bench.asked(), (2, 1));
    assert_eq!(
        bench.cache.small("_manifest/none.json", Freshness::Settled).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn a_local_lake_enters_by_link_and_a_replaced_file_is_seen() {
    let lake = tempfile::tempdir().unwrap();
    let at = lake.path().join(KEY);
    std::fs::create_dir_all(at.parent().unwrap()).unwrap();
    std::fs::write(&at, "revision 1").unwrap();
    let store = Store::open(lake.path().to_str().unwrap(), &StoreOptions::default()).await.unwrap();
    let clock = Arc::new(FixedClock::new("2025-01-15T19:32:00Z".parse().unwrap()));
    let options = CacheOptions::new(lake.path().join(".cache"), 1 << 20);
    let cache = Cache::open(store, options, Arc::clone(&clock) as SharedClock).await.unwrap();

    let one = cache.file(KEY, Freshness::Settled).await.unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(one.path()).unwrap().ino(), std::fs::metadata(&at).unwrap().ino());
    let aside = at.with_extension("new");
    std::fs::write(&aside, "revision 2!").unwrap();
    std::fs::rename(&aside, &at).unwrap();
    clock.advance(TimeDelta::seconds(30));
    let two = cache.file(KEY, Freshness::Settled).await.unwrap();
    assert_eq!(std::fs::read_to_string(one.path()).unwrap(), "revision 1");
    assert_eq!(std::fs::read_to_string(two.path()).unwrap(), "revision 2!");
    clock.advance(TimeDelta::seconds(30));
    assert!(Arc::ptr_eq(&two, &cache.file(KEY, Freshness::Settled).await.unwrap()));
    std::fs::remove_file(&at).unwrap();
    clock.advance(TimeDelta::seconds(30));
    assert_eq!(cache.file(KEY, Freshness::Settled).await.unwrap_err().kind(), ErrorKind::NotFound);
    drop((one, two));
    assert_eq!(std::fs::read_dir(cache.folder()).unwrap().count(), 0);
}

#[tokio::test]
async fn two_caches_on_one_folder_leave_each_other_alone() {
    let bench = Bench::new(1 << 20).await;
    bench.put(KEY, "one day").await;
    let ours = bench.cache.file(KEY, Freshness::Settled).await.unwrap();
    let store = Store::from_object_store(Arc::clone(&bench.watched) as Arc<dyn ObjectStore>, "memory");
    let options = CacheOptions::new(bench._folder.path(), 1 << 20);
    let other = Cache::open(store, options, Arc::clone(&bench.clock) as SharedClock).await.unwrap();
    let theirs = other.file(KEY, Freshness::Settled).await.unwrap();
    assert_ne!(ours.path(), theirs.path());
    drop((theirs, other));
    assert_eq!(std::fs::read_to_string(ours.path()).unwrap(), "one day");
}
