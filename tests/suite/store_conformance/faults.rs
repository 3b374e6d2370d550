//! What only a store across a network can get wrong: lost answers, torn bodies, puts in flight; and what a call costs.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use pitlake::ErrorKind;
use pitlake::lake::store::{PutWhen, Store, StoreOptions};

use super::{KEY, keys, kind};
use crate::s3_server::{Call, Fault, Faults, S3Server};

#[tokio::test]
async fn each_question_costs_one_request() {
    let s3 = S3Server::start(&["lake"]);
    let store = s3.store("s3://lake/x").await;
    assert_eq!(s3.requests(), 0, "opening asks nothing");
    let etag = store.put(KEY, Bytes::from_static(b"one"), PutWhen::Absent).await.expect("a put");
    store.get(KEY).await.expect("there");
    assert!(store.get_if_changed(KEY, &etag).await.expect("there").is_none());
    store.head(KEY).await.expect("there");
    store.check().await.expect("reachable");
    assert_eq!(kind(store.head("none").await), ErrorKind::NotFound);
    let call = |op: &str, key: &str| Call { op: op.into(), key: key.into() };
    let key = format!("x/{KEY}");
    let expected = [
        call("PutObject", &key),
        call("GetObject", &key),
        call("GetObject", &key),
        call("HeadObject", &key),
        call("GetObject", "x/_config/reachable"),
        call("HeadObject", "x/none"),
    ];
    assert_eq!(s3.calls(), expected);
    assert_eq!(s3.requests(), expected.len());
}

#[tokio::test]
async fn latency_is_what_was_asked_for() {
    let s3 = S3Server::start(&["lake"]);
    let store = s3.store("s3://lake").await;
    s3.set_latency(Duration::from_millis(30));
    let began = std::time::Instant::now();
    store.check().await.expect("reachable");
    assert!(began.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn a_put_that_met_another_one_in_flight_is_tried_again() {
    let s3 = S3Server::start(&["lake"]);
    let store = s3.store("s3://lake").await;
    s3.fail_next("PutObject", KEY, Fault::Busy, 2);
    let etag = store.put(KEY, Bytes::from_static(b"one"), PutWhen::Absent).await.expect("the other one failed");
    s3.fail_next("PutObject", KEY, Fault::Busy, 2);
    store.put(KEY, Bytes::from_static(b"two"), PutWhen::Matches(etag)).await.expect("the other one failed");
    assert_eq!(s3.count("PutObject"), 6);
    s3.fail_next("PutObject", "never", Fault::Busy, 100);
    let busy = store.put("config/never", Bytes::from_static(b"x"), PutWhen::Absent).await;
    assert_eq!(kind(busy), ErrorKind::Conflict, "and not for ever");
}

#[tokio::test]
async fn a_lost_answer_is_found_out() {
    let s3 = S3Server::start(&["lake"]);
    let store = s3.store("s3://lake").await;
    for fault in [Fault::LostAnswer, Fault::WrongAnswer] {
        s3.reset();
        let key = format!("config/{fault:?}");
        s3.fail_next("PutObject", &key, fault, 1);
        let first = store.put(&key, Bytes::from_static(b"one"), PutWhen::Absent).await.expect("it was done");
        assert_eq!(store.head(&key).await.expect("there").etag, first);
        s3.fail_next("PutObject", &key, fault, 1);
        let when = PutWhen::Matches(first);
        let second = store.put(&key, Bytes::from_static(b"two"), when).await.expect("it was done");
        assert_eq!(store.get(&key).await.expect("there").etag, second);
        // Each put: lost, then met by its own retry, then read back. Somebody else's bytes stay a conflict.
        assert_eq!((s3.count("PutObject"), s3.count("GetObject")), (4, 3));
        s3.plant("lake", &key, "theirs");
        let lost = store.put(&key, Bytes::from_static(b"ours"), PutWhen::Matches(second)).await;
        assert_eq!(kind(lost), ErrorKind::Conflict);
    }
}

#[tokio::test]
async fn a_torn_body_is_read_on_from_where_it_broke() {
    let s3 = S3Server::start(&["lake"]);
    let store = s3.store("s3://lake").await;
    let bytes = Bytes::from((0..500_000_u32).map(|i| (i % 239) as u8).collect::<Vec<_>>());
    store.put(KEY, bytes.clone(), PutWhen::Absent).await.expect("a put");
    s3.fail_next("GetObject", KEY, Fault::TornBody, 2);
    assert!(store.get(KEY).await.expect("whole in the end").bytes == bytes);
    assert_eq!(s3.count("GetObject"), 3);

    // Torn for good: an error, never an end that looks whole.
    s3.fail_next("GetObject", KEY, Fault::TornBody, 1000);
    let impatient = StoreOptions { retries: Some(1), ..s3.options() };
    let store = Store::open("s3://lake", &impatient).await.expect("opens");
    let (_, pieces) = store.get_stream(KEY).await.expect("it begins well");
    assert_eq!(kind(pieces.try_collect::<Vec<_>>().await.map(|pieces| pieces.len())), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_body_replaced_while_it_is_torn_is_never_a_mixture() {
    let s3 = S3Server::start(&["lake"]);
    let store = s3.store("s3://lake").await;
    s3.plant("lake", KEY, vec![b'a'; 500_000]);
    s3.fail_next("GetObject", KEY, Fault::TornBody, 1);
    let (_, pieces) = store.get_stream(KEY).await.expect("it begins well");
    s3.plant("lake", KEY, vec![b'b'; 500_000]);
    assert_eq!(kind(pieces.try_collect::<Vec<_>>().await.map(|pieces| pieces.len())), ErrorKind::Unavailable);
}

#[tokio::test]
async fn seeded_faults_lose_nothing_that_was_acknowledged() {
    futures::future::join_all((1..=3).map(with_faults)).await;
}

async fn with_faults(seed: u64) {
    let s3 = S3Server::start(&["lake"]);
    let faults = Faults { seed, refused: 0.1, late: 0.05, late_by: Duration::from_millis(2), torn: 0.1, lost: 0.15 };
    s3.set_faults(Some(faults));
    let store = s3.store("s3://lake").await;
    let puts = (0..60).map(|turn| {
        let (key, store) = (format!("raw/capture-{turn:02}"), store.clone());
        async move {
            let bytes = Bytes::from(format!("{turn:03}").repeat(1000));
            store.put(&key, bytes.clone(), PutWhen::Absent).await.map(|etag| (key, bytes, etag))
        }
    });
    let done: Vec<_> = futures::future::join_all(puts).await.into_iter().filter_map(Result::ok).collect();
    assert!(done.len() >= 58, "seed {seed}: retries should get nearly all through, not {}", done.len());
    for (key, bytes, etag) in &done {
        let there = store.get(key).await.expect("acknowledged");
        assert_eq!((&there.bytes, &there.etag), (bytes, etag), "seed {seed}");
    }
    s3.set_faults(None);
    let there: HashSet<String> = keys(&store, "raw").await.into_iter().collect();
    assert!(done.iter().all(|(key, ..)| there.contains(key)));
    assert!(s3.calls().len() > 140, "seed {seed}: the faults did happen");
}

#[tokio::test]
async fn a_signed_url_needs_no_key_and_ends_where_it_was_signed() {
    let s3 = S3Server::start(&["lake"]);
    let store = s3.store("s3://lake/deep").await;
    store.put(KEY, Bytes::from_static(b"open to all"), PutWhen::Absent).await.expect("a put");
    let now = "2025-01-15T14:32:00.9Z".parse().expect("an instant");
    let url = store.signed_url(KEY, Duration::from_secs(600), now).await.expect("signed").expect("on S3");
    assert_eq!(url.expires_at.to_rfc3339(), "2025-01-15T14:42:00+00:00");
    let url = url.url;
    let answer = reqwest::get(&url).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.expect("a body"), "open to all");
    let other = url.replace("date=2025-01-15", "date=2025-01-16").replace("date%3D2025-01-15", "date%3D2025-01-16");
    assert_ne!(other, url);
    assert_eq!(reqwest::get(&other).await.expect("an answer").status(), 403);
    let bare = url.split('?').next().expect("a URL");
    assert_eq!(reqwest::get(bare).await.expect("an answer").status(), 403);

    // One that ends within a second is refused soon after.
    let brief = store.signed_url(KEY, Duration::from_secs(1), now).await.expect("signed").expect("on S3").url;
    let patience = std::time::Instant::now() + Duration::from_secs(60);
    while reqwest::get(&brief).await.expect("an answer").status() != 403 {
        assert!(std::time::Instant::now() < patience, "it never ends");
    }
    assert_eq!(reqwest::get(&url).await.expect("an answer").status(), 200, "the other one goes on");

    let folder = tempfile::tempdir().expect("a folder");
    let local = Store::open(folder.path().to_str().expect("UTF-8"), &StoreOptions::default()).await.expect("opens");
    assert!(local.signed_url(KEY, Duration::from_secs(600), now).await.expect("no error").is_none());
}
