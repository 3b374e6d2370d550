//! One suite for every kind of store: what a local folder promises, an S3 bucket promises too. Below it, what only a
//! network can get wrong ([`faults`]), what is said about it ([`errors`]), and the [`environment`].

mod environment;
mod errors;
mod faults;

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use pitlake::ErrorKind;
use pitlake::lake::store::{ObjectMeta, PutWhen, Store, StoreOptions};

use crate::s3_server::S3Server;

const KEY: &str = "greeks/symbol=SPY/date=2025-01-15/part-0.parquet";

async fn listed(store: &Store, prefix: &str) -> Vec<ObjectMeta> {
    store.list(prefix).try_collect().await.expect("a listing")
}

async fn keys(store: &Store, prefix: &str) -> Vec<String> {
    listed(store, prefix).await.into_iter().map(|meta| meta.key).collect()
}

fn kind<T: std::fmt::Debug>(result: pitlake::Result<T>) -> ErrorKind {
    result.expect_err("must fail").kind()
}

/// What every empty store must do.
async fn conformance(store: Store) {
    store.check().await.expect("an empty lake is reachable");
    assert!(keys(&store, "").await.is_empty());
    assert!(store.list_folders("greeks").await.expect("no folders").is_empty());
    conditional_puts(&store).await;
    reads(&store).await;
    listings(&store).await;
    files(&store).await;
    races(&store).await;
    refusals(&store).await;
    store.check().await.expect("a full lake is reachable");
}

async fn conditional_puts(store: &Store) {
    let (one, two, three) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"), Bytes::from_static(b"three"));
    let nothing_there = store.put(KEY, one.clone(), PutWhen::Matches("\"0-0-0\"".into())).await;
    assert_eq!(kind(nothing_there), ErrorKind::Conflict);
    let first = store.put(KEY, one.clone(), PutWhen::Absent).await.expect("nothing was there");
    assert_eq!(kind(store.put(KEY, two.clone(), PutWhen::Absent).await), ErrorKind::Conflict);
    assert_eq!(store.get(KEY).await.expect("there").bytes, one, "the loser changes nothing");

    let second = store.put(KEY, two.clone(), PutWhen::Matches(first.clone())).await.expect("the ETag was current");
    assert_ne!(first, second);
    assert_eq!(kind(store.put(KEY, three.clone(), PutWhen::Matches(first.clone())).await), ErrorKind::Conflict);
    let there = store.get(KEY).await.expect("there");
    assert_eq!((there.bytes, there.etag, there.size), (two.clone(), second.clone(), 3));

    let again = store.put(KEY, two.clone(), PutWhen::Absent).await.expect("the same bytes are there already");
    assert_eq!(again, second);
    let again = store.put(KEY, two, PutWhen::Matches(first)).await.expect("the same bytes are there already");
    assert_eq!(again, second);
    store.delete(KEY).await.expect("deleted");
    store.delete(KEY).await.expect("nothing left to delete");
    assert_eq!(kind(store.get(KEY).await), ErrorKind::NotFound);
    assert_eq!(kind(store.put(KEY, three.clone(), PutWhen::Matches(second)).await), ErrorKind::Conflict);
    store.put(KEY, three, PutWhen::Absent).await.expect("absent again");
    store.delete(KEY).await.expect("deleted");
}

async fn reads(store: &Store) {
    let bytes = Bytes::from((0..3_000_000_u32).map(|i| (i % 251) as u8).collect::<Vec<_>>());
    let etag = store.put(KEY, bytes.clone(), PutWhen::Absent).await.expect("a put");
    let whole = store.get(KEY).await.expect("there");
    assert_eq!((whole.size, &whole.etag), (3_000_000, &etag));
    assert!(whole.bytes == bytes);

    let meta = store.head(KEY).await.expect("there");
    let expected =
        ObjectMeta { key: KEY.into(), size: 3_000_000, etag: etag.clone(), last_modified: whole.last_modified };
    assert_eq!(meta, expected);
    assert_eq!(listed(store, "").await, std::slice::from_ref(&expected), "a listing says the same of it");

    let (meta, pieces) = store.get_stream(KEY).await.expect("there");
    let streamed: Vec<Bytes> = pieces.try_collect().await.expect("all pieces");
    assert_eq!(meta, expected);
    assert!(streamed.len() > 1 && streamed.concat() == bytes);

    assert!(store.get_if_changed(KEY, &etag).await.expect("there").is_none());
    let changed = store.get_if_changed(KEY, "\"another\"").await.expect("there").expect("changed");
    assert_eq!(changed.etag, etag);
    let newer = store.put(KEY, Bytes::from_static(b"new"), PutWhen::Matches(etag.clone())).await.expect("a put");
    let changed = store.get_if_changed(KEY, &etag).await.expect("there").expect("changed");
    assert_eq!((changed.bytes.as_ref(), changed.etag), (b"new".as_slice(), newer.clone()));
    assert!(etag.starts_with('"') && etag.ends_with('"') && newer.starts_with('"'));

    for missing in ["greeks/none", "greeks", "greeks/symbol=SPY/date=2025-01-15", &format!("{KEY}/below")] {
        assert_eq!(kind(store.get(missing).await), ErrorKind::NotFound, "{missing}");
        assert_eq!(kind(store.head(missing).await), ErrorKind::NotFound, "{missing}");
        assert_eq!(kind(store.get_if_changed(missing, &etag).await), ErrorKind::NotFound, "{missing}");
        assert_eq!(kind(store.get_stream(missing).await.map(|(meta, _)| meta)), ErrorKind::NotFound, "{missing}");
    }
    let error = store.get("greeks/none").await.expect_err("missing");
    assert!(error.detail().contains("reading greeks/none in"), "{error}");
    store.put("config/empty", Bytes::new(), PutWhen::Absent).await.expect("an empty object");
    assert!(store.get("config/empty").await.expect("there").bytes.is_empty());
    store.delete("config/empty").await.expect("deleted");
    store.delete(KEY).await.expect("deleted");
}

async fn listings(store: &Store) {
    // In the order of S3: by bytes, where "-" < "." < "/" < "0" < "=".
    let all = [
        "a-b/z",
        "a.b",
        "a/b-c",
        "a/b/c",
        "a/b/d/e",
        "a/b0",
        "a/b=1/x",
        "a0",
        "raw/greeks/symbol=BTC-USD/date=2025-01-15/x",
        "raw/greeks/symbol=SPY/date=2025-01-15/y",
    ];
    for key in all.iter().rev() {
        store.put(key, Bytes::from_static(b"x"), PutWhen::Absent).await.expect("a put");
    }
    assert_eq!(keys(store, "").await, all);
    assert_eq!(keys(store, "a").await, all[2..7], "a folder, not a beginning of names");
    assert_eq!(keys(store, "a/b").await, ["a/b/c", "a/b/d/e"]);
    assert_eq!(keys(store, "a/b/").await, ["a/b/c", "a/b/d/e"]);
    assert!(keys(store, "a/b0").await.is_empty() && keys(store, "nothing").await.is_empty());
    assert_eq!(store.list_folders("").await.expect("folders"), ["a", "a-b", "raw"]);
    assert_eq!(store.list_folders("a").await.expect("folders"), ["b", "b=1"]);
    assert_eq!(store.list_folders("raw/greeks").await.expect("folders"), ["symbol=BTC-USD", "symbol=SPY"]);
    assert!(store.list_folders("a/b0").await.expect("an object is no folder").is_empty());
    for key in all {
        store.delete(key).await.expect("deleted");
    }
    assert!(store.list_folders("").await.expect("folders").is_empty(), "an emptied folder is none");
}

async fn files(store: &Store) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let bytes: Vec<u8> = (0..1_000_003_u32).map(|i| (i % 241) as u8).collect();
    file.write_all(&bytes).expect("written");
    let etag = store.put_file(KEY, file.path(), PutWhen::Absent).await.expect("a put");
    let there = store.get(KEY).await.expect("there");
    assert!(there.bytes == bytes && there.etag == etag);
    let again = store.put_file(KEY, file.path(), PutWhen::Absent).await.expect("the same bytes are there already");
    assert_eq!(again, etag);

    file.write_all(b"more").expect("written");
    assert_eq!(kind(store.put_file(KEY, file.path(), PutWhen::Absent).await), ErrorKind::Conflict);
    let newer = store.put_file(KEY, file.path(), PutWhen::Matches(etag)).await.expect("a replacement");
    let there = store.head(KEY).await.expect("there");
    assert_eq!((there.size, there.etag), (1_000_007, newer));

    let none = store.put_file(KEY, &file.path().with_extension("none"), PutWhen::Absent).await;
    assert_eq!(kind(none), ErrorKind::Invalid, "a missing file of ours is no missing object");
    store.delete(KEY).await.expect("deleted");
}

async fn races(store: &Store) {
    let mut when = PutWhen::Absent;
    for round in 0..5 {
        let racing = (0..8).map(|writer| {
            let bytes = Bytes::from(format!("round {round} writer {writer}"));
            let (store, when) = (store.clone(), when.clone());
            async move { (bytes.clone(), store.put(KEY, bytes, when).await) }
        });
        let mut won = Vec::new();
        for (bytes, outcome) in futures::future::join_all(racing).await {
            match outcome {
                Ok(etag) => won.push((bytes, etag)),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
            }
        }
        let [(bytes, etag)] = won.try_into().expect("exactly one winner");
        let there = store.get(KEY).await.expect("there");
        assert_eq!((&there.bytes, &there.etag), (&bytes, &etag));
        when = PutWhen::Matches(etag);
    }
    store.delete(KEY).await.expect("deleted");
}

async fn refusals(store: &Store) {
    for bad in ["", "/etc/passwd", "../outside", "a/../../b", "a//b", ".hidden", "a\\b", "a/\u{7}"] {
        assert_eq!(kind(store.get(bad).await), ErrorKind::Invalid, "{bad:?}");
        assert_eq!(kind(store.put(bad, Bytes::new(), PutWhen::Absent).await), ErrorKind::Invalid, "{bad:?}");
        assert_eq!(kind(store.delete(bad).await), ErrorKind::Invalid, "{bad:?}");
        assert!(store.local_path(bad).is_none(), "{bad:?}");
    }
    assert_eq!(kind(store.list("../outside").try_collect::<Vec<_>>().await), ErrorKind::Invalid);
    assert_eq!(kind(store.list_folders("..").await), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_folder_conforms() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = format!("file://{}", folder.path().join("my lake").display()).replace(' ', "%20");
    conformance(Store::open(&root, &StoreOptions::default()).await.expect("opens")).await;
}

#[tokio::test]
async fn a_bucket_conforms() {
    let s3 = S3Server::start(&["lake"]);
    conformance(s3.store("s3://lake").await).await;
}

#[tokio::test]
async fn a_prefix_of_a_bucket_conforms_and_stays_inside() {
    let s3 = S3Server::start(&["lake"]);
    s3.plant("lake", "deep/lakeside/x", "not ours");
    s3.set_page_size(3);
    conformance(s3.store("s3://lake/deep/lake").await).await;
    assert_eq!(s3.objects("lake"), [("deep/lakeside/x".to_owned(), Bytes::from_static(b"not ours"))]);
}

#[tokio::test]
async fn a_decorated_store_conforms() {
    let s3 = S3Server::start(&["lake"]);
    let inner = s3.store("s3://lake").await.object_store();
    conformance(Store::from_object_store(inner, "the lake behind a decorator")).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    let inner = Store::open(path, &StoreOptions::default()).await.expect("opens").object_store();
    let throttled = object_store::limit::LimitStore::new(Arc::clone(&inner), 4);
    conformance(Store::from_object_store(Arc::new(throttled), "the folder behind a decorator")).await;
}
