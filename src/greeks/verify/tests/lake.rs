//! The small lake that the tests damage, and what they ask of it.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute::{concat_batches, take_record_batch};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::super::*;
use crate::greeks::compact::Greeks;
use crate::greeks::generate::{Settings, generate};
use crate::greeks::ingest::ingest;
use crate::greeks::record::DATASETS;
use crate::lake::compact::{self, CompactOptions, Compactor, Recipe};
use crate::lake::dataset::Dataset;
use crate::lake::manifest::Manifest;
use crate::lake::partition;
use crate::lake::store::{Store, StoreOptions};
use crate::lake::verify::mend::{Done, repair};
use crate::lake::verify::{Claim, Report, Selection, Tenant, Told, verify};
use crate::market::{FixedClock, SharedClock};

pub(super) const FIRST: &str = "2025-01-15";
pub(super) const SECOND: &str = "2025-01-16";

pub(super) struct Lake {
    pub(super) folder: TempDir,
    pub(super) store: Store,
    pub(super) instruments: Arc<Instruments>,
    pub(super) clock: SharedClock,
}

impl Lake {
    /// Two days of SPY, 2 expirations × 5 strikes × 390 minutes, and one broken line at the end.
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap(), &StoreOptions::default()).await.unwrap();
        let clock = Arc::new(FixedClock::new("2025-01-17T23:00:00Z".parse().unwrap()));
        let lake = Self { folder, store, instruments: Instruments::builtin(), clock };
        let settings =
            Settings { days: 2, expirations: 2, strikes: 5, ..Settings::full_day("SPY", FIRST.parse().unwrap()) };
        let mut lines = Vec::new();
        generate(&settings, &lake.instruments, &mut lines).unwrap();
        lines.extend_from_slice(b"{\"timestamp\": oops\n");
        lake.ingest(lines).await;
        lake.compact().await;
        lake
    }

    pub(super) async fn ingest(&self, lines: Vec<u8>) {
        let (instruments, clock) = (Arc::clone(&self.instruments), Arc::clone(&self.clock));
        ingest(Box::new(std::io::Cursor::new(lines)), instruments, clock, &self.store, Box::new(|_| {})).await.unwrap();
    }

    fn compactor(&self) -> Compactor {
        let (instruments, clock) = (Arc::clone(&self.instruments), Arc::clone(&self.clock));
        Compactor::new(Arc::new(Greeks), self.store.clone(), instruments, clock, CompactOptions::default())
    }

    pub(super) async fn compact(&self) {
        let compactor = self.compactor();
        let days = compactor.plan(&compact::Selection::default()).await.unwrap();
        compactor.run(&days, &|_| {}).await.into_iter().for_each(|outcome| drop(outcome.unwrap()));
    }

    pub(super) fn tenants(&self) -> [Tenant; 1] {
        let claim = Claim { datasets: &DATASETS, sources: Greeks.sources() };
        let checks = Arc::new(GreeksRoom { instruments: Arc::clone(&self.instruments) });
        [Tenant { name: "greeks", claim, checks, remake: Arc::new(self.compactor()) }]
    }

    pub(super) fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join(key)
    }

    pub(super) fn bytes(&self, key: &str) -> Vec<u8> {
        std::fs::read(self.path(key)).unwrap()
    }

    pub(super) fn write(&self, key: &str, bytes: &[u8]) {
        std::fs::create_dir_all(self.path(key).parent().unwrap()).unwrap();
        std::fs::write(self.path(key), bytes).unwrap();
    }

    pub(super) fn remove(&self, key: &str) {
        std::fs::remove_file(self.path(key)).unwrap();
    }

    pub(super) fn flip_a_byte(&self, key: &str) {
        let mut bytes = self.bytes(key);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        self.write(key, &bytes);
    }

    pub(super) fn replace(&self, key: &str, old: &str, new: &str) {
        let text = String::from_utf8(self.bytes(key)).unwrap();
        assert!(text.contains(old), "{key} has no {old}");
        self.write(key, text.replacen(old, new, 1).as_bytes());
    }

    /// Every file of the lake with its bytes.
    pub(super) fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &std::path::Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let hidden = path.file_name().unwrap().to_str().unwrap().starts_with('.');
                if path.is_dir() && !hidden {
                    walk(&path, files);
                } else if !hidden {
                    files.push((path.clone(), std::fs::read(&path).unwrap()));
                }
            }
        }
        let mut files = Vec::new();
        walk(self.folder.path(), &mut files);
        files.sort();
        files
    }

    pub(super) fn captures(&self, date: &str) -> Vec<String> {
        let folder = format!("raw/greeks/symbol=SPY/date={date}");
        let names = std::fs::read_dir(self.path(&folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.to_str().unwrap().to_owned()).filter(|name| !name.starts_with('.'));
        let mut keys: Vec<String> = names.map(|name| format!("{folder}/{name}")).collect();
        keys.sort();
        keys
    }

    /// Writes other rows or another record under the partition, with a manifest that agrees.
    pub(super) fn publish(
        &self,
        dataset: &Dataset,
        id: &PartitionId,
        change: impl FnOnce(RecordBatch, &mut Content) -> RecordBatch,
    ) {
        let mut manifest = Manifest::parse(&self.bytes(&id.manifest_key()), "").unwrap();
        let batches = partition::read(Bytes::from(self.bytes(&id.data_key())), 1 << 20, "").unwrap();
        let batch = concat_batches(&batches[0].schema(), &batches).unwrap();
        let batch = change(batch, &mut manifest.content);
        let data = partition::encode(dataset, &[batch], &manifest.content).unwrap();
        manifest.sha256 = hex::encode(Sha256::digest(&data));
        manifest.bytes = data.len() as u64;
        self.write(&id.data_key(), &data);
        self.write(&id.manifest_key(), &manifest.to_json().unwrap());
    }

    pub(super) async fn verify(&self) -> Report {
        let told = std::cell::RefCell::new(Vec::new());
        let report = verify(&self.store, &self.tenants(), &Selection::default(), &|event| {
            if let Told::Found(finding) = event {
                told.borrow_mut().push(finding.clone());
            }
        })
        .await
        .unwrap();
        assert_eq!(told.into_inner(), report.findings, "everything in the report is told, once");
        report
    }

    /// What is damaged: code and key.
    pub(super) async fn damage(&self) -> Vec<(Code, String)> {
        let findings = self.verify().await.findings.into_iter().filter(Finding::is_damage);
        findings.map(|finding| (finding.code, finding.key)).collect()
    }

    pub(super) async fn repair(&self) -> Vec<Done> {
        let findings = self.verify().await.findings;
        let mut told = 0;
        let done = repair(&self.store, &self.tenants(), &self.clock, &findings, &mut |_| told += 1).await;
        assert_eq!(told, done.len());
        done
    }

    /// Exactly these are found, and repair gives back every byte as it was in `whole`.
    pub(super) async fn is_found_and_repaired(&self, expected: &[(Code, String)], whole: &[(PathBuf, Vec<u8>)]) {
        assert_eq!(self.damage().await, expected);
        let done = self.repair().await;
        assert!(done.iter().all(|step| step.done), "{done:?}");
        assert_eq!(self.damage().await, []);
        for ((path, now), (_, then)) in self.contents().iter().zip(whole) {
            assert!(undated(now) == undated(then), "{} is not as it was", path.display());
        }
        assert_eq!(self.contents().len(), whole.len());
    }
}

/// An index that was made again says so: when it was is all that may differ.
fn undated(bytes: &[u8]) -> Vec<u8> {
    match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(mut index) if index["days"].is_array() => {
            index["listed_at"] = serde_json::Value::Null;
            index.to_string().into_bytes()
        }
        _ => bytes.to_vec(),
    }
}

pub(super) fn day(dataset: &str, date: &str) -> PartitionId {
    PartitionId::day(dataset, &"SPY".parse().unwrap(), date.parse().unwrap())
}

pub(super) fn year(dataset: &str) -> PartitionId {
    PartitionId::year(dataset, &"SPY".parse().unwrap(), 2025)
}

pub(super) fn with_column(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of(name).unwrap()] = column;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

pub(super) fn taken(batch: &RecordBatch, rows: impl Iterator<Item = i64>) -> RecordBatch {
    take_record_batch(batch, &Int64Array::from_iter_values(rows)).unwrap()
}
