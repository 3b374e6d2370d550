//! The built `pitlake`, and lakes of either kind to point it at: what the tests of the command line and of whole lakes
//! stand on. Reads partitions with the parquet crate alone, never with pitlake's own code.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pitlake::lake::store::{Store, StoreOptions};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::s3_server::S3Server;

/// Runs each named test on a folder and on a bucket.
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod in_a_folder {
            $(#[test] fn $name() { super::$name(&crate::pitlake_binary::Lake::in_folder()) })*
        }
        mod in_a_bucket {
            $(#[test] fn $name() { super::$name(&crate::pitlake_binary::Lake::in_bucket()) })*
        }
    };
}
pub(crate) use on_every_store;

/// The program under test.
pub const PITLAKE: &str = env!("CARGO_BIN_EXE_pitlake");
const BUCKET: &str = "lake";
const PREFIX: &str = "some/where";

/// The program, cut off from whatever the machine's own environment says of lakes and clouds.
pub fn pitlake() -> Command {
    let mut command = Command::new(PITLAKE);
    for (name, _) in std::env::vars() {
        if name.starts_with("PITLAKE_") || name.starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(child: Child) -> Self {
        let output = child.wait_with_output().expect("the program ran");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Each line of standard output as JSON.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The last line of standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        self.json_lines().pop().expect("a line of JSON")
    }
}

enum Place {
    Folder(PathBuf),
    Bucket(S3Server),
}

/// A lake and a folder for input files; both go when it is dropped.
pub struct Lake {
    place: Place,
    work: tempfile::TempDir,
}

impl Lake {
    pub fn in_folder() -> Self {
        let work = tempfile::tempdir().expect("a folder");
        Self { place: Place::Folder(work.path().join("lake")), work }
    }

    pub fn in_bucket() -> Self {
        let work = tempfile::tempdir().expect("a folder");
        Self { place: Place::Bucket(S3Server::start(&[BUCKET])), work }
    }

    /// Another empty lake of the same kind.
    pub fn another(&self) -> Self {
        match self.place {
            Place::Folder(_) => Self::in_folder(),
            Place::Bucket(_) => Self::in_bucket(),
        }
    }

    pub fn root(&self) -> String {
        match &self.place {
            Place::Folder(folder) => format!("file://{}", folder.display()),
            Place::Bucket(_) => format!("s3://{BUCKET}/{PREFIX}"),
        }
    }

    /// The server behind a lake in a bucket.
    pub fn server(&self) -> Option<&S3Server> {
        match &self.place {
            Place::Folder(_) => None,
            Place::Bucket(server) => Some(server),
        }
    }

    /// The lake, opened by this process.
    pub async fn store(&self) -> Store {
        let options = self.server().map_or_else(StoreOptions::default, S3Server::options);
        Store::open(&self.root(), &options).await.expect("a lake")
    }

    /// A folder for this lake's input files.
    pub fn work(&self) -> &Path {
        self.work.path()
    }

    /// Writes an input file and gives its path.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.work.path().join(name);
        std::fs::write(&path, bytes).expect("an input file");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// The program with these arguments and this lake.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = pitlake();
        command.args(arguments).env("PITLAKE_LAKE", self.root()).current_dir(self.work.path());
        if let Place::Bucket(server) = &self.place {
            command.envs(server.env());
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).spawn().expect("the program starts"))
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        std::thread::scope(|scope| {
            // The program may end before it has read everything; how it ended is the test's question.
            scope.spawn(move || drop(stdin.write_all(input)));
            Ran::of(child)
        })
    }

    /// `ingest greeks --json` of one file; gives the counts.
    #[track_caller]
    pub fn ingest(&self, file: &str) -> Value {
        self.run(&["ingest", "greeks", "--json", file]).ends(0).json()
    }

    /// Writes `lines` to a file and ingests it.
    #[track_caller]
    pub fn ingest_lines(&self, lines: &[String]) -> Value {
        let file = self.file("lines.jsonl", lines.join("\n") + "\n");
        self.ingest(&file)
    }

    /// `compact --json` with more arguments; gives what became of each partition.
    #[track_caller]
    pub fn compact(&self, more: &[&str]) -> Vec<Value> {
        self.run(&[&["compact", "--json"], more].concat()).ends(0).json_lines()
    }

    /// `verify` finds no damage and nothing that is not of a lake.
    #[track_caller]
    pub fn is_sound(&self) {
        let ran = self.run(&["verify", "--json"]).ends(0);
        for line in ran.json_lines() {
            let harmless = line["code"].is_null() || line["code"] == "degraded" || line["code"] == "pending";
            assert!(harmless, "{line}");
        }
    }

    /// Every object of the lake, by key.
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        match &self.place {
            Place::Folder(folder) => {
                let mut objects = BTreeMap::new();
                collect(folder, folder, &mut objects);
                objects
            }
            Place::Bucket(server) => server
                .objects(BUCKET)
                .into_iter()
                .map(|(key, bytes)| (key.strip_prefix(PREFIX).expect("inside the prefix")[1..].to_owned(), bytes))
                .collect(),
        }
    }

    /// Those whose key begins so.
    pub fn objects_under(&self, prefix: &str) -> BTreeMap<String, Bytes> {
        self.objects().into_iter().filter(|(key, _)| key.starts_with(prefix)).collect()
    }

    /// Puts an object as somebody else would.
    pub fn plant(&self, key: &str, bytes: impl Into<Bytes>) {
        match &self.place {
            Place::Folder(folder) => {
                let path = folder.join(key);
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                std::fs::write(path, bytes.into()).expect("an object");
            }
            Place::Bucket(server) => server.plant(BUCKET, &format!("{PREFIX}/{key}"), bytes),
        }
    }

    #[track_caller]
    pub fn get(&self, key: &str) -> Bytes {
        self.objects().remove(key).unwrap_or_else(|| panic!("no {key} in {:?}", self.objects().keys()))
    }

    /// The object of this key, if it is there; for a lake in a folder one read.
    pub fn look(&self, key: &str) -> Option<Bytes> {
        match &self.place {
            Place::Folder(folder) => std::fs::read(folder.join(key)).ok().map(Bytes::from),
            Place::Bucket(_) => self.objects().remove(key),
        }
    }

    /// The manifest of a day's strike level.
    #[track_caller]
    pub fn manifest(&self, symbol: &str, date: &str) -> Value {
        let key = format!("_manifest/greeks/symbol={symbol}/{date}.json");
        serde_json::from_slice(&self.get(&key)).expect("JSON")
    }

    /// The rows of a day's strike level, in the order of the file.
    #[track_caller]
    pub fn strikes(&self, symbol: &str, date: &str) -> Vec<StrikeRow> {
        let key = format!("greeks/symbol={symbol}/date={date}/part-0.parquet");
        batches(self.get(&key)).iter().flat_map(strike_rows).collect()
    }

    /// The rows of a day's minute sums, in the order of the file.
    #[track_caller]
    pub fn minutes(&self, symbol: &str, date: &str) -> Vec<MinuteRow> {
        let key = format!("greeks_by_minute/symbol={symbol}/date={date}/part-0.parquet");
        batches(self.get(&key)).iter().flat_map(minute_rows).collect()
    }

    /// One day's row of the year table, as (column, text) pairs; nulls are empty.
    #[track_caller]
    pub fn day(&self, symbol: &str, date: &str) -> BTreeMap<String, String> {
        let key = format!("greeks_by_day/symbol={symbol}/year={}/part-0.parquet", &date[..4]);
        for batch in batches(self.get(&key)) {
            for row in 0..batch.num_rows() {
                let cell = |column: usize| cell(batch.column(column).as_ref(), row);
                if cell(0) == date {
                    let names = batch.schema();
                    return (0..batch.num_columns()).map(|at| (names.field(at).name().clone(), cell(at))).collect();
                }
            }
        }
        panic!("no row of {date} in {key}");
    }
}

fn collect(root: &Path, folder: &Path, objects: &mut BTreeMap<String, Bytes>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(root).expect("inside").to_str().expect("UTF-8").to_owned();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, objects);
        } else {
            objects.insert(name, std::fs::read(&path).expect("an object").into());
        }
    }
}

/// A cell as text, an instant as RFC 3339 in UTC; empty when null.
fn cell(column: &dyn Array, row: usize) -> String {
    match column.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(instants) if instants.is_valid(row) => instant(instants.value(row)),
        Some(_) => String::new(),
        None => arrow::util::display::array_value_to_string(column, row).expect("a cell"),
    }
}

/// One row of `greeks`.
#[derive(Debug, Clone, PartialEq)]
pub struct StrikeRow {
    /// Microseconds since 1970.
    pub at: i64,
    /// Days since 1970.
    pub expiration: i32,
    pub strike: f64,
    pub greeks: [Option<i64>; 3],
}

/// One row of `greeks_by_minute`.
#[derive(Debug, Clone, PartialEq)]
pub struct MinuteRow {
    pub at: i64,
    pub expiration: i32,
    pub spot: Option<f64>,
    pub greeks: [Option<i64>; 3],
    pub strikes: i64,
}

pub fn batches(bytes: Bytes) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).and_then(|builder| builder.build());
    reader.expect("Parquet").collect::<Result<_, _>>().expect("rows")
}

fn int(batch: &RecordBatch, name: &str, row: usize) -> Option<i64> {
    let column = batch[name].as_primitive::<Int64Type>();
    column.is_valid(row).then(|| column.value(row))
}

fn greeks(batch: &RecordBatch, row: usize) -> [Option<i64>; 3] {
    ["gamma_exposure", "vanna_exposure", "charm_exposure"].map(|name| int(batch, name, row))
}

pub fn strike_rows(batch: &RecordBatch) -> Vec<StrikeRow> {
    let at = batch["timestamp"].as_primitive::<TimestampMicrosecondType>();
    let expiration = batch["expiration"].as_primitive::<Date32Type>();
    let strike = batch["strike"].as_primitive::<Float64Type>();
    (0..batch.num_rows())
        .map(|row| StrikeRow {
            at: at.value(row),
            expiration: expiration.value(row),
            strike: strike.value(row),
            greeks: greeks(batch, row),
        })
        .collect()
}

fn minute_rows(batch: &RecordBatch) -> Vec<MinuteRow> {
    let at = batch["timestamp"].as_primitive::<TimestampMicrosecondType>();
    let expiration = batch["expiration"].as_primitive::<Date32Type>();
    let spot = batch["spot"].as_primitive::<Float64Type>();
    (0..batch.num_rows())
        .map(|row| MinuteRow {
            at: at.value(row),
            expiration: expiration.value(row),
            spot: spot.is_valid(row).then(|| spot.value(row)),
            greeks: greeks(batch, row),
            strikes: int(batch, "strikes", row).expect("never null"),
        })
        .collect()
}

/// The column chunks and page indexes of a Parquet file: everything before its footer, which names the captures.
pub fn without_footer(bytes: &[u8]) -> &[u8] {
    let length = bytes.len();
    let footer: [u8; 4] = bytes[length - 8..length - 4].try_into().expect("four bytes");
    &bytes[..length - 8 - u32::from_le_bytes(footer) as usize]
}

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Microseconds since 1970 of an RFC 3339 instant.
pub fn micros(instant: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(instant).expect("an instant").timestamp_micros()
}

/// The instant so many microseconds after 1970, as RFC 3339 in UTC.
pub fn instant(micros: i64) -> String {
    let instant = chrono::DateTime::from_timestamp_micros(micros).expect("an instant");
    instant.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Days since 1970 of a date.
pub fn days(date: &str) -> i32 {
    date.parse::<chrono::NaiveDate>().expect("a date").to_epoch_days()
}

/// A document of the first shape for SPY with `strikes` as (strike, gamma, vanna, charm).
pub fn nested(timestamp: &str, expiration: &str, spot: Option<f64>, strikes: &[(f64, i64, i64, i64)]) -> String {
    let spot = spot.map_or_else(String::new, |spot| format!("\"spot\":{spot:?},"));
    let rows: Vec<String> = strikes
        .iter()
        .map(|(strike, gamma, vanna, charm)| {
            format!("{{\"strike\":{strike:?},\"gamma\":{gamma},\"vanna\":{vanna},\"charm\":{charm}}}")
        })
        .collect();
    let rows = rows.join(",");
    format!(
        "{{\"timestamp\":\"{timestamp}\",\"symbol\":\"SPY\",\"expiration\":\"{expiration}\",{spot}\"strikes\":[{rows}]}}"
    )
}

/// Captures as `pitlake generate` makes them.
pub fn generated(
    settings: &pitlake::greeks::generate::Settings,
) -> (Vec<u8>, Option<pitlake::greeks::generate::Truth>) {
    let mut bytes = Vec::new();
    let instruments = pitlake::market::Instruments::builtin();
    let truth = pitlake::greeks::generate::generate(settings, &instruments, &mut bytes).expect("captures");
    (bytes, truth)
}
