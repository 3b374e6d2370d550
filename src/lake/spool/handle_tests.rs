//! A whole spool over a folder whose files are damaged, unreadable or in the way: what is recovered, sealed and told.

use std::path::Path;

use super::*;
use crate::lake::journal::digest;
use crate::lake::spool::Document;
use crate::lake::spool::frame::{Framer, Head as Of};
use crate::lake::store::StoreOptions;
use crate::market::FixedClock;

struct Bench {
    folder: tempfile::TempDir,
    lake: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), lake: tempfile::tempdir().unwrap() }
    }

    async fn open(&self) -> Spool {
        let store = Store::open(self.lake.path().to_str().unwrap(), &StoreOptions::default()).await.unwrap();
        let options =
            SpoolOptions { folder: self.folder.path().to_owned(), most_bytes: 1 << 20, memory_bytes: 1 << 20 };
        Spool::open(options, store, Arc::new(FixedClock::new("2025-01-15T19:32:01Z".parse().unwrap()))).unwrap()
    }

    fn segment(&self, number: u64) -> std::path::PathBuf {
        self.folder.path().join(format!("{number:016}.segment"))
    }

    fn aside(&self, number: u64) -> std::path::PathBuf {
        self.folder.path().join(format!("{number:016}.spoiled"))
    }
}

/// In a segment of its own.
async fn write(spool: &Spool, texts: &[&str], key: Option<u8>) -> Receipt {
    let receipt = said(spool, texts, key).await;
    spool.close_segment().await;
    receipt
}

async fn said(spool: &Spool, texts: &[&str], key: Option<u8>) -> Receipt {
    let post = Post {
        documents: texts.iter().map(|text| document(text)).collect(),
        key: key.map(|id| PostKey { id: [id; 32], body: [id; 32] }),
        ..Post::default()
    };
    let receipt = spool.write_down(post, spool.room(1).unwrap()).await.unwrap();
    (*receipt).clone()
}

fn document(text: &str) -> Document {
    let text = format!("{{\"a\":\"{text}\"}}");
    Document {
        home: Home { dataset: "greeks".into(), symbol: "SPY".parse().unwrap(), date: "2025-01-15".parse().unwrap() },
        received_at: "2025-01-15T19:32:01Z".parse().unwrap(),
        rows: 1,
        digest: digest(text.as_bytes()),
        bytes: text.into_bytes(),
    }
}

async fn is_stored(spool: &Spool, text: &str) -> bool {
    let Document { home, digest, .. } = document(text);
    spool.read_captures(&home).await.unwrap();
    spool.shared.known.lock().is_stored(&home, &digest)
}

fn spoil(path: &Path, at: impl Fn(usize) -> usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at(bytes.len());
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_receipt_behind_damage_is_not_believed() {
    let bench = Bench::new();
    let mut bytes = Vec::new();
    let key = PostKey { id: [7; 32], body: [7; 32] };
    let mut framer = Framer { segment: 1, start: 0, out: &mut bytes };
    framer.document(&document("x")).unwrap();
    let receipt = br#"{"captures":0,"documents":1,"rows":1,"duplicates":0,"refused":0,"reasons":[]}"#;
    framer.answered(&Of::answered(&key, "2025-01-15T19:32:01Z".parse().unwrap()), receipt).unwrap();
    std::fs::write(bench.segment(1), &bytes).unwrap();
    let spool = bench.open().await;
    assert_eq!(said(&spool, &["x"], Some(7)).await.counts.rows, 1, "intact: the receipt that was given");
    assert_eq!(spool.backlog().documents, 1);
    drop(spool);

    let bench = Bench::new();
    // The first page never reached the disk.
    bytes[..60].fill(0);
    std::fs::write(bench.segment(1), &bytes).unwrap();
    let spool = bench.open().await;
    let receipt = said(&spool, &["x"], Some(7)).await;
    assert_eq!((receipt.counts.rows, receipt.counts.duplicates), (1, 0));
    assert_eq!(spool.backlog().documents, 1, "written down, not answered from memory");
    spool.seal(true).await.unwrap();
    assert!(is_stored(&spool, "x").await);
}

#[tokio::test]
async fn a_tail_that_a_disk_spoiled_is_kept_and_told() {
    let bench = Bench::new();
    let spool = bench.open().await;
    write(&spool, &["a", "b"], None).await;
    spoil(&bench.segment(1), |length| length - 1);
    spool.seal(true).await.unwrap();
    assert!(bench.aside(1).exists() && !bench.segment(1).exists());
    let backlog = spool.backlog();
    assert_eq!((backlog.segments, backlog.spoiled), (0, 1));
    assert!(backlog.disk_error.is_some_and(|told| told.contains(".spoiled")));
    assert!(is_stored(&spool, "a").await && !is_stored(&spool, "b").await);
    assert_eq!(said(&spool, &["a", "b"], None).await.counts.rows, 1, "what is lost may be said again");
    spool.seal(true).await.unwrap();
    assert!(is_stored(&spool, "b").await);
    assert_eq!(spool.backlog().disk_error, None);
    drop(spool);
}

#[tokio::test]
async fn numbers_go_on_behind_what_was_put_aside() {
    let bench = Bench::new();
    std::fs::write(bench.aside(4), b"damaged").unwrap();
    let spool = bench.open().await;
    assert_eq!(spool.backlog().spoiled, 1);
    write(&spool, &["a"], None).await;
    assert!(bench.segment(5).exists());
}

#[tokio::test]
async fn what_a_failed_write_left_behind_is_not_sealed() {
    let bench = Bench::new();
    let spool = bench.open().await;
    write(&spool, &["a"], None).await;
    let mut bytes = std::fs::read(bench.segment(1)).unwrap();
    let start = bytes.len() as u64;
    let mut more = Vec::new();
    Framer { segment: 1, start, out: &mut more }.document(&document("b")).unwrap();
    bytes.extend(more);
    std::fs::write(bench.segment(1), bytes).unwrap();
    spool.seal(true).await.unwrap();
    assert!(is_stored(&spool, "a").await && !is_stored(&spool, "b").await);
    assert!(!bench.segment(1).exists() && !bench.aside(1).exists());
}

#[tokio::test]
async fn receipts_that_the_disk_does_not_take_keep_no_segment() {
    let bench = Bench::new();
    let spool = bench.open().await;
    let blocking = bench.folder.path().join("answers.new");
    std::fs::create_dir(&blocking).unwrap();
    write(&spool, &["a"], Some(1)).await;
    spool.seal(true).await.unwrap();
    let backlog = spool.backlog();
    assert_eq!((backlog.segments, backlog.store_error), (0, None));
    assert!(backlog.disk_error.is_some_and(|told| told.contains("answers")));
    assert!(!bench.segment(1).exists());
}

#[tokio::test]
async fn a_segment_that_cannot_be_read_keeps_no_other_waiting() {
    let bench = Bench::new();
    let spool = bench.open().await;
    write(&spool, &["a"], None).await;
    write(&spool, &["b"], None).await;
    let (segment, hidden) = (bench.segment(1), bench.folder.path().join("hidden"));
    std::fs::rename(&segment, &hidden).unwrap();
    std::fs::create_dir(&segment).unwrap();
    let error = spool.seal(true).await.unwrap_err();
    assert!(error.detail().contains("0000000000000001.segment"), "{error}");
    assert!(is_stored(&spool, "b").await && !is_stored(&spool, "a").await);
    let backlog = spool.backlog();
    assert_eq!((backlog.segments, backlog.documents, backlog.store_error), (1, 1, None));
    assert!(backlog.disk_error.is_some());
    std::fs::remove_dir(&segment).unwrap();
    std::fs::rename(&hidden, &segment).unwrap();
    spool.seal(false).await.unwrap();
    assert!(is_stored(&spool, "a").await);
    assert_eq!(spool.backlog().segments, 0);
}

#[tokio::test]
async fn a_segment_that_is_gone_is_told_and_waits_no_longer() {
    let bench = Bench::new();
    let spool = bench.open().await;
    write(&spool, &["a"], None).await;
    std::fs::remove_file(bench.segment(1)).unwrap();
    spool.seal(true).await.unwrap();
    let backlog = spool.backlog();
    assert_eq!((backlog.segments, backlog.spoiled), (0, 0));
    assert!(backlog.disk_error.is_some_and(|told| told.contains("gone")));
}
