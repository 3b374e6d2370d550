//! The old JSON archive from outside: folders of every mess, the customer's own sample, a synthetic archive against its truth, with
//! and without the bars it was made from, bytes of any kind, and the table of findings in the documentation.

mod documented;
mod messes;
mod sample;
mod synthetic;

use std::path::Path;

use serde_json::Value;

use crate::pitlake_binary::{Ran, pitlake};

/// The audit of a folder, as `--json` tells it: the records, and the summary.
struct Told {
    records: Vec<Value>,
    summary: Value,
    code: Option<i32>,
}

impl Told {
    #[track_caller]
    fn of(ran: Ran) -> Self {
        let mut lines = ran.json_lines();
        let last = lines.pop().unwrap_or_else(|| panic!("no summary: {}", ran.stderr));
        Self { records: lines, summary: last["summary"].clone(), code: ran.code }
    }

    /// The codes of a record, by file and place in it.
    #[track_caller]
    fn codes(&self, file: &str, index: u64) -> Vec<String> {
        let record = self.record(file, index);
        let findings = record["findings"].as_array().expect("a list");
        findings.iter().map(|finding| finding["code"].as_str().expect("a code").to_owned()).collect()
    }

    #[track_caller]
    fn record(&self, file: &str, index: u64) -> &Value {
        let found = self.records.iter().find(|record| record["file"] == file && record["index"] == index);
        found.unwrap_or_else(|| panic!("no record {index} of {file} in {:#?}", self.records))
    }

    #[track_caller]
    fn adds_up(&self) {
        let count = |name: &str| self.summary[name].as_u64().expect("a count");
        assert_eq!(count("records"), self.records.len() as u64);
        assert_eq!(
            count("records"),
            count("valid") + count("suspicious") + count("recalculate") + count("rejected"),
            "every record is accounted for once"
        );
        for verdict in ["valid", "suspicious", "recalculate", "rejected"] {
            let of = self.records.iter().filter(|record| record["verdict"] == verdict).count();
            assert_eq!(count(verdict), of as u64, "{verdict}");
        }
    }
}

#[track_caller]
fn audit(folder: &Path) -> Told {
    let told = Told::of(run(folder, &["--json"]));
    told.adds_up();
    told
}

fn run(folder: &Path, more: &[&str]) -> Ran {
    let mut command = pitlake();
    command.args(["audit", "legacy-tpo"]).arg(folder).args(more);
    Ran::of(command.spawn().expect("the program starts"))
}

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
    folder
}
