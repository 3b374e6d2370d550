//! A lake with its captures, a server over it, and a dam where the files flow: before the server for a lake in a folder, before
//! the store for one in a bucket, whose presigned URLs lead there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use bytes::Bytes;
use pitlake::greeks::generate::Settings;

use super::dam::Dam;
use crate::pitlake_binary::{Lake, Ran, generated, pitlake};
use crate::server::Server;

/// Each of some tens of kilobytes.
pub const DAYS: [&str; 5] = ["2025-01-13", "2025-01-14", "2025-01-15", "2025-01-16", "2025-01-17"];

pub struct World {
    pub lake: Lake,
    pub server: Server,
    pub dam: Dam,
    /// What `pull` is told.
    pub url: String,
    pub folder: tempfile::TempDir,
}

impl World {
    pub fn over(lake: Lake) -> Self {
        lake.ingest(&lake.file("days.jsonl", said()));
        lake.compact(&[]);
        let (server, dam) = match lake.server().map(crate::s3_server::S3Server::endpoint) {
            None => {
                let server = Server::over(&lake);
                let dam = Dam::before(&server.url);
                (server, dam)
            }
            Some(endpoint) => {
                let dam = Dam::before(&endpoint);
                let mut command = lake.command(&[]);
                command.env("AWS_ENDPOINT_URL", &dam.url).env("AWS_ENDPOINT_URL_S3", &dam.url);
                (Server::run(command, &[]), dam)
            }
        };
        let url = if lake.server().is_some() { server.url.clone() } else { dam.url.clone() };
        Self { lake, server, dam, url, folder: tempfile::tempdir().expect("a folder") }
    }

    /// Where files are pulled to.
    pub fn to(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// `pull` of all SPY greeks, with more arguments.
    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = pull(&self.url, &self.to());
        command.args(["--dataset", "greeks", "--symbol", "SPY", "--json"]).args(more);
        command
    }

    pub fn pull(&self, more: &[&str]) -> Ran {
        Ran::of(self.spawn(more))
    }

    pub fn spawn(&self, more: &[&str]) -> Child {
        self.command(more).spawn().expect("the program starts")
    }

    /// Every row is said again half a minute later, and replaces the one before it.
    pub fn correct(&self) {
        let later = said().replace(":00-05:00", ":30-05:00");
        self.lake.ingest(&self.lake.file("later.jsonl", later));
        self.lake.compact(&[]);
    }

    /// The lake's own files of these datasets.
    pub fn stored(&self, datasets: &[&str]) -> BTreeMap<String, Bytes> {
        datasets.iter().flat_map(|dataset| self.lake.objects_under(&format!("{dataset}/"))).collect()
    }

    /// The folder holds these files of the lake and nothing else but what a dot hides in its root.
    #[track_caller]
    pub fn holds(&self, datasets: &[&str]) {
        let (stored, pulled) = (self.stored(datasets), files(&self.to()));
        assert!(stored.keys().eq(pulled.keys()), "{:?}\n{:?}", stored.keys(), pulled.keys());
        for (path, bytes) in &stored {
            assert!(pulled[path] == *bytes, "{path} is not the lake's");
        }
    }
}

/// The program against this server, into this folder.
pub fn pull(url: &str, to: &Path) -> Command {
    let mut command = pitlake();
    command.env("NO_PROXY", "127.0.0.1").args(["pull", "--server", url, "--to"]).arg(to);
    command
}

fn said() -> String {
    let date = DAYS[0].parse().expect("a date");
    let days = u32::try_from(DAYS.len()).expect("few");
    let small = Settings { days, expirations: 4, strikes: 100, minutes: Some(60), ..Settings::full_day("SPY", date) };
    String::from_utf8(generated(&small).0).expect("UTF-8")
}

/// Every file under a folder but those in its root that begin with a dot.
pub fn files(root: &Path) -> BTreeMap<String, Bytes> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("inside").to_str().expect("UTF-8").to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !name.starts_with('.') {
                found.insert(name, std::fs::read(&path).expect("a file").into());
            }
        }
    }
    found
}
