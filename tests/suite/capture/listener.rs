//! The capture server as a process with a spool of its own; and what spool and lake hold, read without pitlake's code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::pitlake_binary::Lake;
use crate::server::{Reply, Server};

pub const PATH: &str = "/capture/v1/greeks";
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Listener {
    pub server: Server,
    pub spool: PathBuf,
}

impl Listener {
    /// Seals when it starts and when it is stopped, and hardly ever in between.
    pub fn over(lake: &Lake) -> Self {
        Self::with(lake, &["--seal-every", "3600"])
    }

    pub fn with(lake: &Lake, more: &[&str]) -> Self {
        Self::run(lake, lake.command(&[]), more)
    }

    /// Adds `capture listen` and its arguments to a command.
    pub fn run(lake: &Lake, mut command: Command, more: &[&str]) -> Self {
        let spool = lake.work().join("spool");
        command.args(["capture", "listen", "--listen", "127.0.0.1:0", "--spool"]).arg(&spool).args(more);
        Self { server: Server::start(command, tempfile::tempdir().expect("a folder")), spool }
    }

    pub fn post(&self, body: impl Into<Vec<u8>>) -> Reply {
        self.post_with(body, &[])
    }

    #[track_caller]
    pub fn post_with(&self, body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> Reply {
        let mut request = self.server.request("POST", PATH).body(body.into());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::of(request.send().expect("an answer"))
    }

    pub fn health(&self) -> Value {
        self.server.get("/health").ok().json()
    }

    /// SIGTERM, and a good end: what was posted is sealed when the store takes it.
    #[track_caller]
    pub fn stop(self) -> PathBuf {
        self.server.terminate();
        assert!(self.server.ended().success());
        self.spool
    }

    /// Waits until health says so.
    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) {
        let began = Instant::now();
        loop {
            let health = self.health();
            if is_so(&health) {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "never {what}: {health}");
            std::thread::yield_now();
        }
    }
}

/// `documents, rows, duplicates, refused` of an answer.
#[track_caller]
pub fn counts(reply: &Reply) -> [u64; 4] {
    let answer = reply.json();
    assert_eq!(answer["captures"], 0, "{answer}");
    ["documents", "rows", "duplicates", "refused"].map(|name| answer[name].as_u64().expect("a count"))
}

/// A document of one row whose strike is its number.
pub fn numbered(symbol: &str, number: u64) -> String {
    format!(
        r#"{{"timestamp":"2025-01-15T14:32:00-05:00","symbol":"{symbol}","expiration":"2025-01-17","strike":{number},"gamma_exposure":{number}}}"#
    )
}

/// How often each numbered document is in these bytes.
fn numbers(bytes: &[u8], found: &mut BTreeMap<u64, usize>) {
    let name = b"\"strike\":";
    for at in memchr::memmem::find_iter(bytes, name) {
        let digits = bytes[at + name.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        let number = digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        *found.entry(number).or_default() += 1;
    }
}

/// How often each numbered document is in the captures of the lake.
pub fn in_the_lake(lake: &Lake) -> BTreeMap<u64, usize> {
    let mut found = BTreeMap::new();
    for bytes in lake.objects_under("raw/greeks/").values() {
        numbers(&zstd::decode_all(bytes.as_ref()).expect("zstd"), &mut found);
    }
    found
}

/// How often each numbered document is in the segments of the spool.
pub fn in_the_spool(spool: &Path) -> BTreeMap<u64, usize> {
    let mut found = BTreeMap::new();
    for path in segments(spool) {
        numbers(&std::fs::read(path).unwrap_or_default(), &mut found);
    }
    found
}

pub fn segments(spool: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(spool) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "segment")).collect()
}

pub fn bytes_of_segments(spool: &Path) -> u64 {
    segments(spool).iter().filter_map(|path| Some(std::fs::metadata(path).ok()?.len())).sum()
}
