//! The log of what clients asked for, so that a test can say "one conditional GET" and mean it.

use parking_lot::Mutex;

/// One call, by S3's name of the operation and the key (a listing's prefix is not one).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub op: String,
    pub key: String,
}

#[derive(Default)]
pub(super) struct Calls {
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    calls: Vec<Call>,
    requests: usize,
}

impl Calls {
    pub(super) fn request(&self) {
        self.log.lock().requests += 1;
    }

    pub(super) fn call(&self, op: &str, key: &str) {
        self.log.lock().calls.push(Call { op: op.into(), key: key.into() });
    }

    pub(super) fn all(&self) -> Vec<Call> {
        self.log.lock().calls.clone()
    }

    pub(super) fn requests(&self) -> usize {
        self.log.lock().requests
    }

    pub(super) fn reset(&self) {
        *self.log.lock() = Log::default();
    }
}
