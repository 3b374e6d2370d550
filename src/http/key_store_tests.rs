//! Freshness, loss of the store, and races, on a store in memory with faults planted.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use uuid::Uuid;

use super::*;
use crate::http::keys::{KeyGrant, Scope};
use crate::market::{Clock as _, FixedClock};

/// A store in memory that counts what is read and is unreachable when told so.
#[derive(Debug, Default)]
struct Flaky {
    inner: InMemory,
    reads: AtomicUsize,
    down: AtomicBool,
}

impl fmt::Display for Flaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flaky")
    }
}

#[async_trait]
impl ObjectStore for Flaky {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> object_store::Result<PutResult> {
        tokio::task::yield_now().await;
        self.inner.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        // As a real store would, lets others run meanwhile: races are what some of these tests are about.
        tokio::task::yield_now().await;
        if self.down.load(Ordering::SeqCst) {
            return Err(object_store::Error::Generic { store: "flaky", source: "no route to host".into() });
        }
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

struct Scene {
    objects: Arc<Flaky>,
    lake: Store,
    clock: Arc<FixedClock>,
    keys: KeyStore,
}

fn scene() -> Scene {
    let objects = Arc::new(Flaky::default());
    let lake = Store::from_object_store(objects.clone(), "memory");
    let clock = Arc::new(FixedClock::new("2025-01-15T14:32:00Z".parse().unwrap()));
    let keys = KeyStore::new(lake.clone(), clock.clone());
    Scene { objects, lake, clock, keys }
}

impl Scene {
    async fn make(&self, key: Uuid) -> String {
        let grant = KeyGrant { name: "desk".to_owned(), scopes: [Scope::Read].into(), datasets: None, symbols: None };
        change(&self.lake, |list| list.add(key, grant.clone(), self.clock.now())).await.unwrap().id
    }

    fn later(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    fn reads(&self) -> usize {
        self.objects.reads.load(Ordering::SeqCst)
    }

    async fn opens(&self, key: Uuid) -> Result<bool> {
        Ok(match self.keys.known().await? {
            Known::NeverAny => false,
            Known::List(list) => list.find(key).is_some_and(|record| record.revoked_at.is_none()),
        })
    }

    /// What an editor would do: the object is replaced without asking.
    async fn overwrite(&self, text: &'static str) {
        self.objects.inner.put(&Path::from(config_key(NAME)), text.into()).await.unwrap();
    }
}

fn key(n: u128) -> Uuid {
    Uuid::from_u128(0x67e5_5044_10b1_426f_9247_bb68_0e5f_e000 + n)
}

#[tokio::test]
async fn a_revocation_is_seen_after_thirty_seconds_and_costs_one_conditional_read() {
    let scene = scene();
    let id = scene.make(key(1)).await;
    assert!(scene.opens(key(1)).await.unwrap());
    let reads = scene.reads();
    change(&scene.lake, |list| list.revoke(&id, scene.clock.now())).await.unwrap();
    let reads_of_change = scene.reads() - reads;
    scene.later(29);
    assert!(scene.opens(key(1)).await.unwrap(), "still the list of before");
    assert_eq!(scene.reads(), reads + reads_of_change);
    scene.later(1);
    assert!(!scene.opens(key(1)).await.unwrap());
    assert_eq!(scene.reads(), reads + reads_of_change + 1);
}

#[tokio::test]
async fn the_first_key_ends_the_time_without_keys() {
    let scene = scene();
    assert!(matches!(scene.keys.known().await.unwrap(), Known::NeverAny));
    scene.make(key(1)).await;
    scene.later(30);
    assert!(matches!(scene.keys.known().await.unwrap(), Known::List(_)));
}

#[tokio::test]
async fn many_requests_at_once_ask_the_store_once() {
    let scene = scene();
    scene.make(key(1)).await;
    let before = scene.reads();
    let all = futures::future::join_all((0..50).map(|_| scene.keys.known())).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(scene.reads(), before + 1);
}

#[tokio::test]
async fn without_the_store_the_last_list_stands_in_for_five_minutes() {
    let scene = scene();
    scene.make(key(1)).await;
    assert!(scene.opens(key(1)).await.unwrap());
    scene.objects.down.store(true, Ordering::SeqCst);
    scene.later(40);
    assert!(scene.opens(key(1)).await.unwrap());
    let reads = scene.reads();
    scene.later(4);
    assert!(scene.opens(key(1)).await.unwrap());
    assert_eq!(scene.reads(), reads, "a store that failed is not asked again at once");
    scene.later(255);
    assert!(scene.opens(key(1)).await.unwrap(), "299 s after the last answer of the store");
    scene.later(1);
    assert_eq!(scene.opens(key(1)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    scene.objects.down.store(false, Ordering::SeqCst);
    scene.later(5);
    assert!(scene.opens(key(1)).await.unwrap());
}

#[tokio::test]
async fn a_store_that_never_answered_opens_nothing() {
    let scene = scene();
    scene.objects.down.store(true, Ordering::SeqCst);
    assert!(scene.keys.known().await.is_err());
    assert!(scene.keys.known().await.is_err());
}

#[tokio::test]
async fn a_malformed_or_deleted_list_is_closed_until_mended() {
    let scene = scene();
    scene.make(key(1)).await;
    assert!(scene.opens(key(1)).await.unwrap());
    let (good, _) = read(&scene.lake).await.unwrap().unwrap();
    scene.overwrite("{}").await;
    scene.later(30);
    assert_eq!(scene.opens(key(1)).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(
        change(&scene.lake, |list| list.revoke("k", scene.clock.now())).await.unwrap_err().kind(),
        ErrorKind::Corrupt,
        "a change does not overwrite what it cannot read"
    );
    scene.later(30);
    assert_eq!(scene.opens(key(1)).await.unwrap_err().kind(), ErrorKind::Corrupt);

    scene.objects.inner.delete(&Path::from(config_key(NAME))).await.unwrap();
    for _ in 0..2 {
        scene.later(30);
        assert_eq!(scene.opens(key(1)).await.unwrap_err().kind(), ErrorKind::Corrupt);
    }

    let bytes = good.to_json().unwrap();
    scene.objects.inner.put(&Path::from(config_key(NAME)), bytes.into()).await.unwrap();
    scene.later(30);
    assert!(scene.opens(key(1)).await.unwrap());
}

#[tokio::test]
async fn a_clock_that_went_back_makes_the_list_old() {
    let scene = scene();
    scene.make(key(1)).await;
    assert!(scene.opens(key(1)).await.unwrap());
    let reads = scene.reads();
    scene.later(-3600);
    assert!(scene.opens(key(1)).await.unwrap());
    assert_eq!(scene.reads(), reads + 1);
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_kept() {
    let scene = scene();
    futures::future::join_all((1..=8).map(|n| scene.make(key(n)))).await;
    assert!(scene.reads() > 8, "nobody had to begin again: the race did not happen");
    let (list, _) = read(&scene.lake).await.unwrap().unwrap();
    assert_eq!(list.records().len(), 8);
    assert!((1..=8).all(|n| list.find(key(n)).is_some()));
}
