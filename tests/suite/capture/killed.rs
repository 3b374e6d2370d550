//! Kill -9 under load, fifty times on one spool and lake of each kind together: whatever was acknowledged is in the spool or the
//! lake after each of them, and in the end in the lake exactly once. The moments are drawn from a seed: after so many answers,
//! or when so many bytes are on disk.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::listener::{Listener, PATH, bytes_of_segments, in_the_lake, in_the_spool, numbered};
use crate::pitlake_binary::Lake;

const KILLS: u32 = 25;
const CLIENTS: u64 = 4;

/// What the clients do and know.
#[derive(Default)]
struct Load {
    next: AtomicU64,
    /// Posts without an answer, to be sent again as they were.
    unanswered: Mutex<Vec<u64>>,
    acknowledged: Mutex<BTreeSet<u64>>,
    answers: AtomicU64,
    stop: AtomicBool,
}

/// Three documents, one of another symbol; every other post has a key.
fn body(post: u64) -> (String, [u64; 3]) {
    let numbers = [3 * post + 1, 3 * post + 2, 3 * post + 3];
    let [one, two, three] = numbers;
    (format!("{}\n{}\n{}\n", numbered("SPY", one), numbered("QQQ", two), numbered("SPY", three)), numbers)
}

impl Load {
    fn client(&self, listener: &Listener) {
        while !self.stop.load(Ordering::SeqCst) {
            let again = self.unanswered.lock().expect("a lock").pop();
            let post = again.unwrap_or_else(|| self.next.fetch_add(1, Ordering::SeqCst));
            if !self.send(listener, post) {
                self.unanswered.lock().expect("a lock").push(post);
                return;
            }
        }
    }

    /// Whether it was acknowledged; false once the server is gone.
    fn send(&self, listener: &Listener, post: u64) -> bool {
        let (body, numbers) = body(post);
        let mut request = listener.server.request("POST", PATH).body(body);
        if post.is_multiple_of(2) {
            request = request.header("idempotency-key", post.to_string());
        }
        let Ok(answer) = request.send() else { return false };
        assert_eq!(answer.status(), 200, "post {post}");
        if answer.bytes().is_err() {
            return false;
        }
        self.acknowledged.lock().expect("a lock").extend(numbers);
        self.answers.fetch_add(1, Ordering::SeqCst);
        true
    }

    #[track_caller]
    fn nothing_is_lost(&self, lake: &Lake, spool: &Path, when: &str) {
        let (in_lake, in_spool) = (in_the_lake(lake), in_the_spool(spool));
        let acknowledged = self.acknowledged.lock().expect("a lock");
        let lost: Vec<u64> = acknowledged
            .iter()
            .copied()
            .filter(|number| !in_lake.contains_key(number) && !in_spool.contains_key(number))
            .collect();
        assert!(lost.is_empty(), "{when}: lost {lost:?}");
        let twice: Vec<_> = in_lake.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{when}: in the lake twice: {twice:?}");
    }
}

fn killed_under_load(lake: &Lake, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let load = Load::default();
    let spool = lake.work().join("spool");
    for kill in 0..KILLS {
        let listener = Listener::with(lake, &["--seal-every", "1"]);
        let (answers, bytes) = (random.random_range(1..80), random.random_range(1..40_000));
        let by_bytes = random.random::<bool>();
        load.answers.store(0, Ordering::SeqCst);
        std::thread::scope(|scope| {
            let listener = &listener;
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| load.client(listener))).collect();
            let enough = || {
                let answered = load.answers.load(Ordering::SeqCst);
                // The bytes may go by as the spool is sealed; so many answers have passed them for certain.
                if by_bytes { bytes_of_segments(&spool) >= bytes || answered > 200 } else { answered >= answers }
            };
            while !enough() && !clients.iter().all(|client| client.is_finished()) {
                std::thread::yield_now();
            }
            listener.server.kill_now();
        });
        drop(listener);
        load.nothing_is_lost(lake, &spool, &format!("after kill {kill}"));
    }
    let listener = Listener::with(lake, &["--seal-every", "1"]);
    let unanswered = std::mem::take(&mut *load.unanswered.lock().expect("a lock"));
    for post in unanswered {
        assert!(load.send(&listener, post), "nobody kills this one");
    }
    let spool = listener.stop();
    assert!(in_the_spool(&spool).is_empty(), "all of it is sealed");
    load.nothing_is_lost(lake, &spool, "in the end");
    let acknowledged = load.acknowledged.lock().expect("a lock");
    let found: BTreeSet<u64> = in_the_lake(lake).into_keys().collect();
    assert_eq!(found, *acknowledged, "all that was sent was acknowledged in the end, and nothing else is there");
    println!("{} documents, {KILLS} kills", acknowledged.len());
    assert!(acknowledged.len() > 300);
    lake.compact(&[]);
    lake.is_sound();
    let rows = lake.strikes("SPY", "2025-01-15").len() + lake.strikes("QQQ", "2025-01-15").len();
    assert_eq!(rows, acknowledged.len());
}

#[test]
fn killed_under_load_in_a_folder() {
    killed_under_load(&Lake::in_folder(), 11);
}

#[test]
fn killed_under_load_in_a_bucket() {
    killed_under_load(&Lake::in_bucket(), 12);
}
