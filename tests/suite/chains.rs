//! Option chains from file to partition: an invented chain in each format, always; the real chains when
//! `PITLAKE_REAL_DATA` names the folder that holds them, whole snapshots held strike by strike against a calculation of its own
//! in Python (`tests/reference/chain_exposures.py`).

mod invented;
mod real;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::pitlake_binary::Lake;

/// A server over a lake; ends when it is dropped.
struct Served {
    child: Child,
    url: String,
}

impl Served {
    fn start(lake: &Lake) -> Self {
        let cache = lake.work().join("cache");
        let mut command = lake.command(&["serve", "--listen", "127.0.0.1:0", "--cache-dir"]);
        let mut child = command.arg(cache).stderr(Stdio::null()).spawn().expect("the server starts");
        let mut url = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut url).expect("its address");
        Self { child, url: url.trim().to_owned() }
    }

    fn json(&self, path: &str) -> Value {
        let answer = reqwest::blocking::get(format!("{}{path}", self.url)).expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().expect("JSON")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
