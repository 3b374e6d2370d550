//! What only a disk can get wrong: racing writers, what a killed writer leaves, and ETags that would come back.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::Path as FilePath;
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::TryStreamExt;

use crate::ErrorKind;
use crate::lake::store::{PutWhen, Store, StoreOptions};

const KEY: &str = "greeks/symbol=SPY/date=2025-01-15/part-0.parquet";

async fn lake(folder: &FilePath) -> Store {
    let root = folder.join("lake");
    Store::open(root.to_str().expect("UTF-8"), &StoreOptions::default()).await.expect("a local lake")
}

async fn keys(store: &Store) -> Vec<String> {
    store.list("").map_ok(|meta| meta.key).try_collect().await.expect("a listing")
}

/// Every file under the lake, hidden or not, by its path from the root.
fn files(root: &FilePath) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).expect("under the root").to_str().expect("UTF-8").to_owned());
            }
        }
    }
    found.sort();
    found
}

fn make_old(path: &FilePath, now: SystemTime) {
    let file = File::options().write(true).open(path).expect("the file");
    file.set_modified(now - Duration::from_secs(7200)).expect("an old age");
}

#[tokio::test]
async fn opening_touches_nothing_and_the_first_put_makes_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = lake(folder.path()).await;
    assert!(!folder.path().join("lake").exists());
    store.check().await.expect("a lake that the first put will make");
    assert!(keys(&store).await.is_empty());
    store.put(KEY, Bytes::from_static(b"one"), PutWhen::Absent).await.expect("the first put");
    assert_eq!(files(&folder.path().join("lake")), [KEY]);
    assert_eq!(fs::read(store.local_path(KEY).expect("a path")).expect("the file"), b"one");
}

#[tokio::test]
async fn a_root_without_a_parent_is_unreachable() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("not/there/lake");
    let store = Store::open(root.to_str().expect("UTF-8"), &StoreOptions::default()).await.expect("opens");
    assert_eq!(store.check().await.expect_err("nothing there").kind(), ErrorKind::Unavailable);
}

#[test]
fn of_many_writers_in_their_own_stores_exactly_one_wins_each_round() {
    let folder = tempfile::tempdir().expect("a folder");
    let writers = 8;
    let mut before: Option<String> = None;
    for round in 0..20 {
        let start = Barrier::new(writers);
        let won: Vec<(usize, String)> = std::thread::scope(|scope| {
            let racing: Vec<_> = (0..writers)
                .map(|writer| {
                    let (start, before, folder) = (&start, before.clone(), folder.path());
                    scope.spawn(move || {
                        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                        // A store of its own: nothing but the file system connects the writers.
                        let store = runtime.block_on(lake(folder));
                        let when = before.map_or(PutWhen::Absent, PutWhen::Matches);
                        let bytes = Bytes::from(format!("round {round:02} writer {writer}"));
                        start.wait();
                        match runtime.block_on(store.put(KEY, bytes, when)) {
                            Ok(etag) => Some((writer, etag)),
                            Err(error) => {
                                assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                                None
                            }
                        }
                    })
                })
                .collect();
            racing.into_iter().filter_map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(won.len(), 1, "round {round}: {won:?}");
        let there = fs::read_to_string(folder.path().join("lake").join(KEY)).expect("the winner's file");
        assert_eq!(there, format!("round {round:02} writer {}", won[0].0));
        before = Some(won[0].1.clone());
    }
    assert_eq!(files(&folder.path().join("lake")), [KEY], "no lock and no temporary file stays");
}

#[tokio::test]
async fn an_etag_never_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = lake(folder.path()).await;
    let mut seen = HashSet::new();
    let mut when = PutWhen::Absent;
    for turn in 0..200 {
        // The same size every time, as fast as the disk goes, so that only the age and the inode can differ.
        let etag = store.put(KEY, Bytes::from(format!("{turn:05}")), when).await.expect("a put");
        assert!(seen.insert(etag.clone()), "turn {turn}: {etag} came back");
        when = PutWhen::Matches(etag);
        if turn % 3 == 2 {
            store.delete(KEY).await.expect("a delete");
            when = PutWhen::Absent;
        }
    }
}

#[tokio::test]
async fn a_file_older_than_the_one_it_replaces_still_gets_a_younger_age() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = lake(folder.path()).await;
    store.put(KEY, Bytes::from_static(b"one"), PutWhen::Absent).await.expect("a put");
    let path = store.local_path(KEY).expect("a path");
    let ahead = fs::metadata(&path).expect("metadata").modified().expect("an age") + Duration::from_secs(86_400);
    File::options().write(true).open(&path).expect("the file").set_modified(ahead).expect("a clock that ran ahead");
    let etag = store.head(KEY).await.expect("there").etag;
    store.put(KEY, Bytes::from_static(b"two"), PutWhen::Matches(etag)).await.expect("a replacement");
    assert!(fs::metadata(&path).expect("metadata").modified().expect("an age") > ahead);
}

#[tokio::test]
async fn leftovers_are_never_listed_and_are_swept_when_old_and_unheld() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = lake(folder.path()).await;
    let root = folder.path().join("lake");
    let day = "raw/greeks/symbol=SPY/date=2025-01-15";
    let etag =
        store.put(&format!("{day}/a.jsonl.zst"), Bytes::from_static(b"a"), PutWhen::Absent).await.expect("a put");
    assert!(!etag.is_empty());
    let now = fs::metadata(root.join(day).join("a.jsonl.zst")).expect("metadata").modified().expect("an age");

    for name in [".tmp-old", ".tmp-held", ".tmp-young"] {
        fs::write(root.join(day).join(name), b"half a capt").expect("a leftover");
    }
    fs::create_dir_all(root.join(".locks")).expect("a folder");
    fs::write(root.join(".locks/old.lock"), b"").expect("a leftover");
    make_old(&root.join(day).join(".tmp-old"), now);
    make_old(&root.join(day).join(".tmp-held"), now);
    make_old(&root.join(".locks/old.lock"), now);
    let held = File::open(root.join(day).join(".tmp-held")).expect("the file");
    held.lock().expect("a lock, as its living writer has");

    assert_eq!(keys(&store).await, [format!("{day}/a.jsonl.zst")]);
    assert_eq!(store.list_folders("").await.expect("folders"), ["raw"]);

    // Another process, which has not swept the folder yet.
    let other = lake(folder.path()).await;
    other.put(&format!("{day}/b.jsonl.zst"), Bytes::from_static(b"b"), PutWhen::Absent).await.expect("a put");
    let left = [".tmp-held", ".tmp-young", "a.jsonl.zst", "b.jsonl.zst"].map(|name| format!("{day}/{name}"));
    assert_eq!(files(&root), left);
}

#[tokio::test]
async fn a_lock_that_a_killed_process_left_is_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = lake(folder.path()).await;
    store.put(KEY, Bytes::from_static(b"one"), PutWhen::Absent).await.expect("a put");
    store.delete(KEY).await.expect("a delete, which leaves its lock's file");
    let locks = || fs::read_dir(folder.path().join("lake/.locks")).expect("the locks").count();
    assert_eq!(locks(), 1);
    store.put(KEY, Bytes::from_static(b"two"), PutWhen::Absent).await.expect("a put over the left lock");
    assert_eq!(locks(), 0);
}

#[tokio::test]
async fn a_file_where_a_folder_should_be_is_said_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = lake(folder.path()).await;
    store.put("greeks", Bytes::from_static(b"a file"), PutWhen::Absent).await.expect("a put");
    let error = store.put(KEY, Bytes::from_static(b"x"), PutWhen::Absent).await.expect_err("a file is in the way");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.detail().contains("a file is where a folder should be") && error.detail().contains(KEY), "{error}");
    assert_eq!(store.get(KEY).await.expect_err("not there").kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_folder_is_no_object() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = lake(folder.path()).await;
    store.put(KEY, Bytes::from_static(b"x"), PutWhen::Absent).await.expect("a put");
    assert_eq!(store.get("greeks").await.expect_err("a folder").kind(), ErrorKind::NotFound);
    assert_eq!(store.head("greeks").await.expect_err("a folder").kind(), ErrorKind::NotFound);
    store.delete("greeks/nothing").await.expect("nothing to delete");
}

#[tokio::test]
async fn others_may_read_what_the_lake_holds() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let store = lake(folder.path()).await;
    store.put(KEY, Bytes::from_static(b"x"), PutWhen::Absent).await.expect("a put");
    let ours = folder.path().join("plain");
    fs::write(&ours, b"x").expect("a file as any program makes it");
    let mode = |path: &FilePath| fs::metadata(path).expect("metadata").permissions().mode();
    assert_eq!(mode(&store.local_path(KEY).expect("a path")), mode(&ours));
}
