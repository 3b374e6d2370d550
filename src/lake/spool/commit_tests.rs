//! The writing thread over disks that fail, fill up and crash: what it acknowledged is what a recovery finds.

use std::collections::BTreeSet;

use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;
use crate::lake::journal::{Counts, Note};
use crate::lake::spool::Document;
use crate::lake::spool::backlog::Segments;
use crate::lake::spool::folder::Folder;
use crate::lake::spool::frame::Frames;
use crate::lake::spool::handle::SpoolOptions;
use crate::market::FixedClock;

/// A disk in memory. What a write or sync did before it failed stays, as on a real one.
#[derive(Default)]
struct Disk {
    /// By segment: what was written, and how much of it was synced.
    files: Vec<(Vec<u8>, usize)>,
    syncs: usize,
    /// Writes end after so many bytes more.
    space: Option<usize>,
    sync_fails: bool,
    cannot_create: bool,
    cannot_cut: bool,
    /// Happens while something is being written.
    meanwhile: Option<Box<dyn FnMut() + Send>>,
}

struct File {
    disk: Arc<Mutex<Disk>>,
    at: usize,
}

impl Medium for File {
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if let Some(meanwhile) = &mut disk.meanwhile {
            meanwhile();
        }
        let fits = disk.space.map_or(bytes.len(), |space| space.min(bytes.len()));
        disk.space = disk.space.map(|space| space - fits);
        let file = &mut disk.files[self.at].0;
        file.truncate(at as usize);
        file.extend_from_slice(&bytes[..fits]);
        if fits == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.syncs += 1;
        if disk.sync_fails {
            return Err(io::Error::other("a sync failed"));
        }
        let file = &mut disk.files[self.at];
        file.1 = file.0.len();
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if disk.cannot_cut {
            return Err(io::Error::other("a cut failed"));
        }
        disk.files[self.at].0.truncate(length as usize);
        Ok(())
    }
}

struct Bench {
    disk: Arc<Mutex<Disk>>,
    committer: Committer,
    shared: Arc<Shared>,
    memory: Arc<Semaphore>,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(most_bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SpoolOptions { folder: folder.path().to_owned(), most_bytes, memory_bytes: 1 << 30 };
        let shared = Arc::new(Shared {
            folder: Folder::take(folder.path()).unwrap(),
            options,
            clock: Arc::new(FixedClock::new("2025-01-15T19:32:01Z".parse().unwrap())),
            known: Mutex::default(),
            answers: Mutex::default(),
            segments: Mutex::new(Segments::default()),
            tally: Tally::default(),
        });
        let disk = Arc::new(Mutex::new(Disk::default()));
        let made = Arc::clone(&disk);
        let create: Create = Box::new(move |_| {
            let mut disk = made.lock();
            if disk.cannot_create {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.files.push((Vec::new(), 0));
            Ok(Box::new(File { disk: Arc::clone(&made), at: disk.files.len() - 1 }))
        });
        let committer = Committer::new(Arc::clone(&shared), create, 1);
        Self { disk, committer, shared, memory: Arc::new(Semaphore::new(1 << 20)), _folder: folder }
    }

    fn commit(&mut self, posts: Vec<Post>) -> Vec<Answer> {
        let (pending, answers): (Vec<_>, Vec<_>) = posts
            .into_iter()
            .map(|post| {
                let (answer, answered) = oneshot::channel();
                let room = Room::of(&self.memory, 1);
                (Pending { post, answer, room }, answered)
            })
            .unzip();
        self.committer.commit(pending);
        answers.into_iter().map(|mut answer| answer.try_recv().expect("every post is answered")).collect()
    }

    /// The documents that a recovery finds when the machine stops now: of what was not synced, as much as `torn` says.
    fn after_a_crash(&self, torn: usize) -> Vec<String> {
        let disk = self.disk.lock();
        let mut found = Vec::new();
        for (at, (bytes, synced)) in disk.files.iter().enumerate() {
            let left = synced.saturating_add(torn).min(bytes.len());
            for frame in Frames::new(at as u64 + 1, &bytes[..left]) {
                if matches!(frame.head, Head::Document { .. }) {
                    found.push(String::from_utf8(frame.body.to_vec()).unwrap());
                }
            }
        }
        found
    }
}

fn document(text: &str) -> Document {
    Document {
        home: Home { dataset: "greeks".into(), symbol: "SPY".parse().unwrap(), date: "2025-01-15".parse().unwrap() },
        received_at: "2025-01-15T19:32:01Z".parse().unwrap(),
        rows: 3,
        digest: digest(text.as_bytes()),
        bytes: text.as_bytes().to_vec(),
    }
}

fn post(texts: &[&str]) -> Post {
    Post { documents: texts.iter().map(|text| document(text)).collect(), ..Post::default() }
}

fn keyed(texts: &[&str], id: u8, body: u8) -> Post {
    Post { key: Some(PostKey { id: [id; 32], body: [body; 32] }), ..post(texts) }
}

fn counts(answer: &Answer) -> (u64, u64, u64) {
    let Counts { documents, rows, duplicates, .. } = answer.as_ref().expect("written down").counts;
    (documents, rows, duplicates)
}

#[test]
fn a_group_is_one_write_and_one_sync() {
    let mut bench = Bench::new(1 << 20);
    let answers = bench.commit(vec![post(&["a", "b"]), post(&["b", "c"]), post(&["a"])]);
    assert_eq!(answers.iter().map(counts).collect::<Vec<_>>(), [(2, 6, 0), (2, 3, 3), (1, 0, 3)]);
    assert_eq!(bench.disk.lock().syncs, 1);
    assert_eq!(bench.after_a_crash(0), ["a", "b", "c"]);
    assert_eq!(counts(&bench.commit(vec![post(&["c"])])[0]), (1, 0, 3));
    assert_eq!(bench.disk.lock().syncs, 1, "nothing new needs no sync");
    let backlog = bench.shared.segments.lock().backlog();
    assert_eq!((backlog.segments, backlog.documents), (1, 3));
}

#[test]
fn a_key_is_answered_alike_and_never_with_another_body() {
    let mut bench = Bench::new(1 << 20);
    let answers = bench.commit(vec![keyed(&["a"], 1, 1), keyed(&["a"], 1, 1), keyed(&["z"], 1, 2)]);
    assert_eq!(counts(&answers[0]), (1, 3, 0));
    assert_eq!(answers[1], answers[0], "while the first waits for its sync");
    assert_eq!(answers[2], Err(Unwritten::KeyReused));
    assert_eq!(bench.commit(vec![keyed(&["a"], 1, 1)])[0], answers[0]);
    assert_eq!(counts(&bench.commit(vec![keyed(&["a"], 2, 1)])[0]), (1, 0, 3), "another key: there already");
    assert_eq!(bench.after_a_crash(0), ["a"]);
}

#[test]
fn a_full_disk_acknowledges_nothing_and_recovers() {
    let mut bench = Bench::new(1 << 20);
    bench.commit(vec![post(&["a"])]);
    for space in [0, 10, 300] {
        bench.disk.lock().space = Some(space);
        let answers = bench.commit(vec![keyed(&["b"], 1, 1), post(&["c"]), post(&["d"])]);
        assert!(answers.iter().all(|answer| matches!(answer, Err(Unwritten::Failed(_)))), "{answers:?}");
        assert_eq!(bench.after_a_crash(usize::MAX), ["a"], "nothing half acknowledged, {space} bytes left");
    }
    bench.disk.lock().space = None;
    assert_eq!(counts(&bench.commit(vec![keyed(&["b"], 1, 1)])[0]), (1, 3, 0), "new, not there already");
    assert_eq!(bench.after_a_crash(0), ["a", "b"]);
    let backlog = bench.shared.segments.lock().backlog();
    assert_eq!((backlog.segments, backlog.documents), (2, 2));
}

#[test]
fn a_receipt_is_nobodys_before_its_post_is_on_disk() {
    let mut bench = Bench::new(1 << 20);
    let key = PostKey { id: [1; 32], body: [1; 32] };
    let (shared, table) = (Arc::clone(&bench.shared), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&table);
    {
        let mut disk = bench.disk.lock();
        disk.space = Some(0);
        disk.meanwhile = Some(Box::new(move || seen.lock().push(shared.answers.lock().asked(&key))));
    }
    let answers = bench.commit(vec![keyed(&["a"], 1, 1), keyed(&["a"], 1, 1)]);
    assert!(answers.iter().all(|answer| matches!(answer, Err(Unwritten::Failed(_)))), "{answers:?}");
    assert_eq!(*table.lock(), [Asked::First], "what a seal would have made durable meanwhile");
    assert_eq!(bench.shared.answers.lock().asked(&key), Asked::First);
    bench.disk.lock().space = None;
    assert_eq!(counts(&bench.commit(vec![keyed(&["a"], 1, 1)])[0]), (1, 3, 0));
    assert!(matches!(bench.shared.answers.lock().asked(&key), Asked::Again(_)));
}

#[test]
fn what_failed_and_could_not_be_cut_off_is_beyond_the_segments_length() {
    let mut bench = Bench::new(1 << 20);
    bench.commit(vec![post(&["a"])]);
    let length = bench.shared.segments.lock().waiting[&1].bytes;
    {
        let mut disk = bench.disk.lock();
        (disk.sync_fails, disk.cannot_cut) = (true, true);
    }
    assert!(matches!(bench.commit(vec![post(&["b"])])[0], Err(Unwritten::Failed(_))));
    let bytes = bench.disk.lock().files[0].0.clone();
    assert!(bytes.len() as u64 > length, "the failed post is still in the file");
    let segments = bench.shared.segments.lock();
    assert_eq!((segments.waiting[&1].bytes, segments.waiting[&1].documents), (length, 1));
    assert_eq!(Frames::new(1, &bytes[..length as usize]).count(), 1);
}

#[test]
fn a_failed_sync_is_never_trusted() {
    let mut bench = Bench::new(1 << 20);
    bench.disk.lock().sync_fails = true;
    assert!(matches!(bench.commit(vec![post(&["a"])])[0], Err(Unwritten::Failed(_))));
    bench.disk.lock().sync_fails = false;
    assert_eq!(counts(&bench.commit(vec![post(&["a"])])[0]), (1, 3, 0));
    assert_eq!(bench.disk.lock().files.len(), 2, "another segment than the one whose sync failed");
    assert_eq!(bench.after_a_crash(0), ["a"]);
}

#[test]
fn no_segment_no_answer() {
    let mut bench = Bench::new(1 << 20);
    bench.disk.lock().cannot_create = true;
    assert!(matches!(bench.commit(vec![post(&["a"])])[0], Err(Unwritten::Failed(_))));
    bench.disk.lock().cannot_create = false;
    assert_eq!(counts(&bench.commit(vec![post(&["a"])])[0]), (1, 3, 0));
}

#[test]
fn a_full_spool_turns_away_what_is_new_alone() {
    let mut bench = Bench::new(700);
    let (small, large) = ("s".repeat(300), "l".repeat(1_500));
    assert_eq!(bench.commit(vec![post(&[&large])])[0], Err(Unwritten::TooLarge { most_bytes: 700 }));
    let answers = bench.commit(vec![post(&[&small]), post(&["x".repeat(300).as_str()]), post(&[&small])]);
    assert_eq!(counts(&answers[0]), (1, 3, 0));
    assert_eq!(answers[1], Err(Unwritten::Full));
    assert_eq!(counts(&answers[2]), (1, 0, 3), "what is there already needs no room");
    bench.shared.segments.lock().waiting.clear();
    assert_eq!(counts(&bench.commit(vec![post(&["x".repeat(300).as_str()])])[0]), (1, 3, 0), "room again");
}

#[test]
fn a_refused_document_is_kept_once_and_counted_each_time() {
    let mut bench = Bench::new(1 << 20);
    let note = |place: &str| Note {
        code: "no_greek".into(),
        place: place.into(),
        field: Some("strike".into()),
        timestamp: Some("2025-01-15T19:32:00Z".parse().unwrap()),
        reason: "none".into(),
    };
    let refused = |place: &str| Refused {
        dataset: "greeks".into(),
        home: Some(("SPY".parse().unwrap(), "2025-01-15".parse().unwrap())),
        received_at: "2025-01-15T19:32:01Z".parse().unwrap(),
        note: note(place),
        text: b"{}".to_vec(),
    };
    let with = |place: &str| Post { refused: vec![refused(place)], ..post(&["a"]) };
    let answers = bench.commit(vec![with("document 2, line 2"), with("document 5, line 5")]);
    for answer in &answers {
        assert_eq!(answer.as_ref().unwrap().counts.refused, 1);
        assert_eq!(answer.as_ref().unwrap().reasons.len(), 1);
    }
    let disk = bench.disk.lock();
    let kept = Frames::new(1, &disk.files[0].0).filter(|frame| matches!(frame.head, Head::Refused { .. })).count();
    assert_eq!(kept, 1);
}

proptest! {
    /// Groups of posts, some on a failing disk, then the machine stops with any part of what was not synced on disk.
    #[test]
    fn a_recovery_finds_all_that_was_acknowledged_once(
        groups in proptest::collection::vec(
            (proptest::collection::vec(proptest::collection::vec(0u8..30, 1..4), 1..5), 0u8..4),
            1..12,
        ),
        torn in 0usize..3_000,
    ) {
        let mut bench = Bench::new(1 << 30);
        let (mut acknowledged, mut sent) = (BTreeSet::new(), BTreeSet::new());
        for (posts, fault) in groups {
            {
                let mut disk = bench.disk.lock();
                disk.space = (fault == 1).then_some(torn / 4);
                disk.sync_fails = fault == 2;
            }
            let texts: Vec<Vec<String>> =
                posts.iter().map(|post| post.iter().map(|number| format!("document {number}")).collect()).collect();
            let said = texts.iter().map(|texts| post(&texts.iter().map(String::as_str).collect::<Vec<_>>())).collect();
            for (texts, answer) in texts.iter().zip(bench.commit(said)) {
                sent.extend(texts.iter().cloned());
                if answer.is_ok() {
                    acknowledged.extend(texts.iter().cloned());
                }
            }
        }
        let found = bench.after_a_crash(torn);
        let distinct: BTreeSet<String> = found.iter().cloned().collect();
        prop_assert_eq!(found.len(), distinct.len(), "each once");
        prop_assert!(distinct.is_superset(&acknowledged), "{:?} of {:?}", distinct, acknowledged);
        prop_assert!(distinct.is_subset(&sent));
    }
}
