//! What goes wrong, and when: by script for one call, or drawn from a seed for all of them.
//!
//! A draw depends on the seed, the operation, the key and how often that pair was called before, and on nothing else, so
//! that threads which race do not change it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// One thing that goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Status 500, nothing done.
    InternalError,
    /// Status 503, nothing done.
    SlowDown,
    /// Status 409, nothing done: as S3 answers a conditional put while another one is in flight.
    Busy,
    /// Done, but only after a wait.
    Late(Duration),
    /// A GET whose connection is cut in the middle of the body. Other calls go well.
    TornBody,
    /// Done, and then the connection is cut instead of an answer.
    LostAnswer,
    /// Done, and then status 500.
    WrongAnswer,
}

/// How often each kind of fault is drawn, from 0 to 1; together at most 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub seed: u64,
    /// 500 and 503, half each.
    pub refused: f64,
    pub late: f64,
    /// The longest [`Fault::Late`].
    pub late_by: Duration,
    pub torn: f64,
    /// Cut connections and 500s after the work was done, half each. Only writes are lost; reads go well.
    pub lost: f64,
}

#[derive(Default)]
pub(super) struct Plan {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    latency: Duration,
    denied: HashSet<String>,
    script: Vec<Line>,
    faults: Option<Faults>,
    seen: HashMap<(String, String), u64>,
}

struct Line {
    op: String,
    key: String,
    fault: Fault,
    times: usize,
}

impl Plan {
    pub(super) fn set_latency(&self, latency: Duration) {
        self.inner.lock().latency = latency;
    }

    pub(super) fn latency(&self) -> Duration {
        self.inner.lock().latency
    }

    pub(super) fn deny(&self, bucket: &str) {
        self.inner.lock().denied.insert(bucket.into());
    }

    pub(super) fn is_denied(&self, bucket: &str) -> bool {
        self.inner.lock().denied.contains(bucket)
    }

    pub(super) fn set_faults(&self, faults: Option<Faults>) {
        let mut inner = self.inner.lock();
        inner.faults = faults;
        inner.seen.clear();
    }

    pub(super) fn script(&self, op: &str, key: &str, fault: Fault, times: usize) {
        self.inner.lock().script.push(Line { op: op.into(), key: key.into(), fault, times });
    }

    /// What goes wrong with this call, if anything: the script first, then the draw.
    pub(super) fn next(&self, op: &str, key: &str) -> Option<Fault> {
        let mut inner = self.inner.lock();
        if let Some(line) =
            inner.script.iter_mut().find(|line| line.times > 0 && line.op == op && key.contains(&line.key))
        {
            line.times -= 1;
            return Some(line.fault);
        }
        let faults = inner.faults?;
        let count = inner.seen.entry((op.into(), key.into())).or_default();
        *count += 1;
        draw(&faults, op, key, *count)
    }
}

fn draw(faults: &Faults, op: &str, key: &str, count: u64) -> Option<Fault> {
    let name = format!("{}/{op}/{key}/{count}", faults.seed);
    let mut random = ChaCha8Rng::from_seed(Sha256::digest(name).into());
    let (roll, half): (f64, bool) = (random.random(), random.random());
    let writes = matches!(op, "PutObject" | "CompleteMultipartUpload" | "DeleteObject" | "DeleteObjects");
    let kinds = [
        (faults.refused, Some(if half { Fault::InternalError } else { Fault::SlowDown })),
        (faults.late, Some(Fault::Late(faults.late_by.mul_f64(random.random())))),
        (faults.torn, (op == "GetObject").then_some(Fault::TornBody)),
        (faults.lost, writes.then_some(if half { Fault::LostAnswer } else { Fault::WrongAnswer })),
    ];
    let mut reached = 0.0;
    for (share, fault) in kinds {
        reached += share;
        if roll < reached {
            return fault;
        }
    }
    None
}
