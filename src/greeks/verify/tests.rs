//! One thing is damaged at a time in a small lake of two days: verification must name exactly that, and repair must give back
//! what can be given back.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::greeks::compact::{self, CompactOptions, Compactor};
use crate::greeks::generate::{Settings, generate};
use crate::greeks::ingest::ingest;
use crate::greeks::record::{BY_DAY, BY_MINUTE, GREEKS_BY_DAY, STRIKES};
use crate::lake::dataset::Dataset;
use crate::lake::manifest::Manifest;
use crate::lake::partition;
use crate::lake::store::StoreOptions;
use crate::market::{FixedClock, SharedClock};

const FIRST: &str = "2025-01-15";
const SECOND: &str = "2025-01-16";

struct Lake {
    folder: TempDir,
    store: Store,
    instruments: Arc<Instruments>,
    clock: SharedClock,
}

impl Lake {
    /// Two days of SPY, 2 expirations × 5 strikes × 390 minutes, and one broken line at the end.
    async fn new() -> Self {
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

    async fn ingest(&self, lines: Vec<u8>) {
        let (instruments, clock) = (Arc::clone(&self.instruments), Arc::clone(&self.clock));
        ingest(Box::new(std::io::Cursor::new(lines)), instruments, clock, &self.store, Box::new(|_| {})).await.unwrap();
    }

    async fn compact(&self) {
        let compactor = Compactor {
            store: self.store.clone(),
            instruments: Arc::clone(&self.instruments),
            clock: Arc::clone(&self.clock),
            options: CompactOptions::default(),
        };
        let days = compactor.plan(&compact::Selection::default()).await.unwrap();
        compactor.run(&days, &|_| {}).await.into_iter().for_each(|outcome| drop(outcome.unwrap()));
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join(key)
    }

    fn bytes(&self, key: &str) -> Vec<u8> {
        std::fs::read(self.path(key)).unwrap()
    }

    fn write(&self, key: &str, bytes: &[u8]) {
        std::fs::create_dir_all(self.path(key).parent().unwrap()).unwrap();
        std::fs::write(self.path(key), bytes).unwrap();
    }

    fn remove(&self, key: &str) {
        std::fs::remove_file(self.path(key)).unwrap();
    }

    fn flip_a_byte(&self, key: &str) {
        let mut bytes = self.bytes(key);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        self.write(key, &bytes);
    }

    fn replace(&self, key: &str, old: &str, new: &str) {
        let text = String::from_utf8(self.bytes(key)).unwrap();
        assert!(text.contains(old), "{key} has no {old}");
        self.write(key, text.replacen(old, new, 1).as_bytes());
    }

    /// Every file of the lake with its bytes.
    fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
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

    fn captures(&self, date: &str) -> Vec<String> {
        let folder = format!("raw/greeks/symbol=SPY/date={date}");
        let names = std::fs::read_dir(self.path(&folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.to_str().unwrap().to_owned()).filter(|name| !name.starts_with('.'));
        let mut keys: Vec<String> = names.map(|name| format!("{folder}/{name}")).collect();
        keys.sort();
        keys
    }

    /// Writes other rows or another record under the partition, with a manifest that agrees.
    fn publish(&self, dataset: &Dataset, id: &PartitionId, change: impl FnOnce(RecordBatch, &mut Content) -> RecordBatch) {
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

    async fn verify(&self) -> Report {
        let told = std::cell::RefCell::new(Vec::new());
        let report = verify(&self.store, Arc::clone(&self.instruments), &Selection::default(), &|event| {
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
    async fn damage(&self) -> Vec<(Code, String)> {
        let findings = self.verify().await.findings.into_iter().filter(Finding::is_damage);
        findings.map(|finding| (finding.code, finding.key)).collect()
    }

    async fn repair(&self) -> Vec<Done> {
        let findings = self.verify().await.findings;
        let mut told = 0;
        let done = repair(&self.store, &self.instruments, &self.clock, &findings, &mut |_| told += 1).await;
        assert_eq!(told, done.len());
        done
    }

    /// Exactly these are found, and repair gives back every byte as it was in `whole`.
    async fn is_found_and_repaired(&self, expected: &[(Code, String)], whole: &[(PathBuf, Vec<u8>)]) {
        assert_eq!(self.damage().await, expected);
        let done = self.repair().await;
        assert!(done.iter().all(|step| step.done), "{done:?}");
        assert_eq!(self.damage().await, []);
        for ((path, now), (_, then)) in self.contents().iter().zip(whole) {
            assert!(now == then, "{} is not as it was", path.display());
        }
        assert_eq!(self.contents().len(), whole.len());
    }
}

fn day(dataset: &str, date: &str) -> PartitionId {
    PartitionId::day(dataset, &"SPY".parse().unwrap(), date.parse().unwrap())
}

fn year(dataset: &str) -> PartitionId {
    PartitionId::year(dataset, &"SPY".parse().unwrap(), 2025)
}

fn with_column(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of(name).unwrap()] = column;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

fn taken(batch: &RecordBatch, rows: impl Iterator<Item = i64>) -> RecordBatch {
    take_record_batch(batch, &Int64Array::from_iter_values(rows)).unwrap()
}

#[tokio::test]
async fn a_whole_lake_has_no_damage() {
    let lake = Lake::new().await;
    lake.write("README.txt", b"about this lake");
    let report = lake.verify().await;
    let notes: Vec<_> = report.findings.iter().map(|finding| (finding.code, finding.key.as_str())).collect();
    let degraded = day(GREEKS, SECOND).manifest_key();
    assert_eq!(notes, [(Code::UnknownObject, "README.txt"), (Code::Degraded, degraded.as_str())]);
    assert!(!report.damaged());
    // Two days of two datasets and the year's table; two captures and the broken line.
    assert_eq!((report.partitions, report.captures), (5, 3));
    assert_eq!(report.rows, 2 * (2 * 5 * 390) + 2 * (2 * 390) + 2);
    let bytes: usize = lake.contents().iter().filter(|(path, _)| path.extension().is_some_and(|e| e != "json" && e != "txt")).map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(report.bytes, bytes as u64);
}

#[tokio::test]
async fn damaged_bytes_are_found_and_made_again() {
    let lake = Lake::new().await;
    let whole = lake.contents();
    for id in [day(GREEKS, FIRST), day(GREEKS_BY_MINUTE, SECOND), year(GREEKS_BY_DAY)] {
        let key = id.data_key();
        lake.flip_a_byte(&key);
        lake.is_found_and_repaired(&[(Code::Sha256Differs, key.clone())], &whole).await;
        let bytes = lake.bytes(&key);
        lake.write(&key, &bytes[..bytes.len() - 9]);
        lake.is_found_and_repaired(&[(Code::SizeDiffers, key.clone())], &whole).await;
        lake.remove(&key);
        lake.is_found_and_repaired(&[(Code::NoData, key.clone())], &whole).await;
        lake.remove(&id.manifest_key());
        lake.write(&key, b"PAR1 this is no Parquet at all PAR1");
        assert_eq!(lake.damage().await, [(Code::NoManifest, id.manifest_key()), (Code::Unreadable, key)]);
        lake.repair().await;
        assert_eq!(lake.damage().await, []);
        for (path, bytes) in &whole {
            std::fs::write(path, bytes).unwrap();
        }
    }
}

#[tokio::test]
async fn a_lost_or_edited_manifest_comes_back_from_the_footer() {
    let lake = Lake::new().await;
    let whole = lake.contents();
    for id in [day(GREEKS, FIRST), day(GREEKS_BY_MINUTE, SECOND)] {
        let key = id.manifest_key();
        lake.remove(&key);
        lake.is_found_and_repaired(&[(Code::NoManifest, key.clone())], &whole).await;
        lake.write(&key, b"{\"path\": \"torn");
        lake.is_found_and_repaired(&[(Code::ManifestUnreadable, key.clone())], &whole).await;
        lake.replace(&key, "\"minutes_seen\": 390", "\"minutes_seen\": 389");
        lake.is_found_and_repaired(&[(Code::FooterDiffers, key.clone())], &whole).await;
        lake.replace(&key, "\"SPY\"", "\"QQQ\"");
        lake.is_found_and_repaired(&[(Code::Misplaced, key.clone())], &whole).await;
    }
}

#[tokio::test]
async fn exchanged_partitions_are_found() {
    let lake = Lake::new().await;
    let whole = lake.contents();
    let [first, second] = [day(GREEKS, FIRST), day(GREEKS, SECOND)];
    let (of_first, of_second) = (lake.bytes(&first.data_key()), lake.bytes(&second.data_key()));
    lake.write(&first.data_key(), &of_second);
    lake.write(&second.data_key(), &of_first);
    let files = [(Code::Misplaced, first.data_key()), (Code::Misplaced, second.data_key())];
    lake.is_found_and_repaired(&files, &whole).await;
}

#[tokio::test]
async fn a_day_that_only_the_index_knows_is_missing() {
    let lake = Lake::new().await;
    let whole = lake.contents();
    let ids = [day(GREEKS, FIRST), day(GREEKS_BY_MINUTE, FIRST)];
    for id in &ids {
        lake.remove(&id.data_key());
        lake.remove(&id.manifest_key());
    }
    let missing = ids.map(|id| (Code::PartitionMissing, id.data_key()));
    assert_eq!(lake.damage().await, missing);
    lake.repair().await;
    assert_eq!(lake.damage().await, []);
    let data = day(GREEKS, FIRST).data_key();
    let before = &whole.iter().find(|(path, _)| *path == lake.path(&data)).unwrap().1;
    assert!(lake.bytes(&data) == *before);
}

#[tokio::test]
async fn without_captures_nothing_is_written_over() {
    let lake = Lake::new().await;
    let [capture] = lake.captures(FIRST).try_into().unwrap();
    lake.remove(&capture);
    assert_eq!(lake.damage().await, [(Code::CaptureMissing, capture.clone())]);
    let data = day(GREEKS, FIRST).data_key();
    lake.flip_a_byte(&data);
    let damaged = lake.contents();
    let expected = [(Code::Sha256Differs, data.clone()), (Code::CaptureMissing, capture.clone())];
    assert_eq!(lake.damage().await, expected);
    assert!(lake.repair().await.iter().all(|step| !step.done));
    assert!(lake.contents() == damaged, "what cannot be made again is left as it is");
    // Even when nothing but the index tells of the day, it must go on telling.
    for id in [day(GREEKS, FIRST), day(GREEKS_BY_MINUTE, FIRST)] {
        lake.remove(&id.data_key());
        lake.remove(&id.manifest_key());
    }
    lake.repair().await;
    let codes: Vec<Code> = lake.damage().await.into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [Code::PartitionMissing, Code::PartitionMissing]);
}

#[tokio::test]
async fn captures_must_say_what_their_name_says() {
    let lake = Lake::new().await;
    let [capture] = lake.captures(FIRST).try_into().unwrap();
    let bytes = lake.bytes(&capture);
    lake.flip_a_byte(&capture);
    assert_eq!(lake.damage().await, [(Code::CaptureDamaged, capture.clone())]);
    lake.write(&capture, &bytes[..bytes.len() - 5]);
    assert_eq!(lake.damage().await, [(Code::CaptureDamaged, capture.clone())]);
    // A change that decompresses and parses: one digit of one document.
    let text = String::from_utf8(zstd::decode_all(bytes.as_slice()).unwrap()).unwrap();
    let changed = text.replacen("\"gamma\":", "\"gamma\":1", 1);
    assert_ne!(changed, text);
    lake.write(&capture, &zstd::encode_all(changed.as_bytes(), 1).unwrap());
    assert_eq!(lake.damage().await, [(Code::CaptureDamaged, capture.clone())]);
    lake.write(&capture, &bytes);

    let rejected = walk_one(&lake, "raw/_rejected/greeks");
    lake.write(&rejected, &zstd::encode_all(&b"{\"text\":\"and no reason\"}\n"[..], 1).unwrap());
    assert_eq!(lake.damage().await, [(Code::RejectedDamaged, rejected.clone())]);
    lake.write(&rejected, b"not compressed");
    assert_eq!(lake.damage().await, [(Code::RejectedDamaged, rejected)]);
}

fn walk_one(lake: &Lake, prefix: &str) -> String {
    let root = lake.folder.path();
    let keys = lake.contents().into_iter().map(|(path, _)| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
    keys.into_iter().find(|key| key.starts_with(prefix)).unwrap()
}

#[tokio::test]
async fn pending_work_is_a_note() {
    let lake = Lake::new().await;
    lake.ingest(br#"{"timestamp":"2025-01-16T14:32:40-05:00","symbol":"SPY","expiration":"2025-01-17","strikes":[{"strike":590.0,"gamma":5}]}"#.to_vec()).await;
    let report = lake.verify().await;
    let codes: Vec<Code> = report.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Code::Degraded, Code::NotCompacted]);
    lake.compact().await;
    assert_eq!(lake.verify().await.findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), [Code::Degraded]);
}

#[tokio::test]
async fn strays_are_damage_among_the_data() {
    let lake = Lake::new().await;
    let stray = "greeks/symbol=SPY/date=2025-01-15/part-1.parquet";
    lake.write(stray, b"x");
    assert_eq!(lake.damage().await, [(Code::StrayObject, stray.to_owned())]);
    assert_eq!(lake.repair().await.iter().filter(|step| step.done).count(), 0);
    assert!(lake.path(stray).exists(), "repair deletes nothing");
}

#[tokio::test]
async fn indexes_and_catalogs_are_made_again() {
    let lake = Lake::new().await;
    let whole = lake.contents();
    for dataset in [GREEKS, GREEKS_BY_MINUTE] {
        let key = year(dataset).manifest_key();
        lake.remove(&key);
        lake.is_found_and_repaired(&[(Code::IndexMissingDay, key.clone())], &whole).await;
        lake.replace(&key, "\"revision\": 1", "\"revision\": 2");
        lake.is_found_and_repaired(&[(Code::IndexDiffers, key.clone())], &whole).await;
        lake.write(&key, b"[]");
        lake.is_found_and_repaired(&[(Code::IndexDiffers, key.clone())], &whole).await;
        lake.replace(&key, "2025-01-15", "2025-01-14");
        let missing = (Code::PartitionMissing, day(dataset, "2025-01-14").data_key());
        assert_eq!(lake.damage().await, [missing, (Code::IndexMissingDay, key.clone())]);
        for (path, bytes) in &whole {
            std::fs::write(path, bytes).unwrap();
        }
    }
    for dataset in [GREEKS, GREEKS_BY_MINUTE, GREEKS_BY_DAY] {
        let key = crate::lake::catalog::Catalog::key(dataset);
        for damage in [None, Some("no json"), Some("{\"dataset\":\"greeks\",\"symbols\":{}}")] {
            match damage {
                None => lake.remove(&key),
                Some(text) => lake.write(&key, text.as_bytes()),
            }
            lake.is_found_and_repaired(&[(Code::CatalogDiffers, key.clone())], &whole).await;
        }
        lake.replace(&key, "2025", "2024, 2025");
        lake.is_found_and_repaired(&[(Code::CatalogDiffers, key.clone())], &whole).await;
    }
}

#[tokio::test]
async fn wrong_numbers_with_right_checksums_are_found() {
    let lake = Lake::new().await;
    let (rows, minutes, table) = (day(GREEKS, FIRST), day(GREEKS_BY_MINUTE, FIRST), year(GREEKS_BY_DAY));
    let restore = lake.contents();
    let one_dollar_more = |batch: &RecordBatch, name: &str, at: usize| -> RecordBatch {
        let values: &Int64Array = batch.column_by_name(name).unwrap().as_any().downcast_ref().unwrap();
        let changed: Int64Array = values.iter().enumerate().map(|(i, v)| v.map(|v| v + i64::from(i == at))).collect();
        with_column(batch, name, Arc::new(changed))
    };
    type Change<'a> = Box<dyn FnOnce(RecordBatch, &mut Content) -> RecordBatch + 'a>;
    let cases: Vec<(&Dataset, &PartitionId, Change<'_>, Vec<(Code, String)>)> = vec![
        (&BY_MINUTE, &minutes, Box::new(|batch, _| one_dollar_more(&batch, "vanna_exposure", 777)), vec![(Code::RollupDiffers, minutes.data_key())]),
        (&BY_MINUTE, &minutes, Box::new(|batch, _| one_dollar_more(&batch, "strikes", 0)), vec![(Code::RollupDiffers, minutes.data_key())]),
        (&STRIKES, &rows, Box::new(|batch, _| one_dollar_more(&batch, "charm_exposure", 3_899)), vec![(Code::RollupDiffers, minutes.data_key())]),
        // A greek that no strike had is null, not zero.
        (
            &BY_MINUTE,
            &minutes,
            Box::new(|batch, _| {
                let nulls: Int64Array = (0..batch.num_rows()).map(|_| None).collect();
                with_column(&batch, "gamma_exposure", Arc::new(nulls))
            }),
            vec![(Code::RollupDiffers, minutes.data_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, _| taken(&batch, [1, 0].into_iter().chain(2..3_900))),
            vec![(Code::NotSorted, rows.data_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, content| {
                content.rows -= 1;
                content.counts.duplicates += 1;
                taken(&batch, 1..3_900)
            }),
            vec![(Code::CountsDiffer, minutes.manifest_key()), (Code::RollupDiffers, minutes.data_key())],
        ),
        (&STRIKES, &rows, Box::new(|batch, _| taken(&batch, 0..3_899)), vec![(Code::CountsDiffer, rows.data_key()), (Code::RollupDiffers, minutes.data_key())]),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, content| {
                content.counts.duplicates = 1;
                batch
            }),
            vec![(Code::CountsDiffer, rows.manifest_key()), (Code::CountsDiffer, minutes.manifest_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, content| {
                content.minutes_seen = 389;
                batch
            }),
            vec![(Code::CountsDiffer, rows.data_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, content| {
                content.details["day"]["gamma"]["max"] = serde_json::json!(1);
                batch
            }),
            vec![(Code::DayDiffers, rows.data_key())],
        ),
        (
            &STRIKES,
            &rows,
            Box::new(|batch, content| {
                content.details["day"]["gamma_top_strike"] = serde_json::json!(1.5);
                batch
            }),
            vec![(Code::DayDiffers, rows.data_key())],
        ),
        (&BY_DAY, &table, Box::new(|batch, _| one_dollar_more(&batch, "charm_close", 1)), vec![(Code::DayDiffers, table.data_key())]),
        (
            &BY_DAY,
            &table,
            Box::new(|batch, _| {
                let values: &Float64Array = batch.column_by_name("spot_close").unwrap().as_any().downcast_ref().unwrap();
                let changed: Float64Array = values.iter().map(|v| v.map(|v| v + 0.01)).collect();
                with_column(&batch, "spot_close", Arc::new(changed))
            }),
            vec![(Code::DayDiffers, table.data_key())],
        ),
        (
            &BY_DAY,
            &table,
            Box::new(|batch, content| {
                content.rows = 1;
                batch.slice(0, 1)
            }),
            vec![(Code::DayDiffers, table.data_key())],
        ),
    ];
    for (dataset, id, change, expected) in cases {
        lake.publish(dataset, id, change);
        assert_eq!(lake.damage().await, expected);
        let done = lake.repair().await;
        assert!(done.iter().all(|step| step.done), "{done:?}");
        assert_eq!(lake.damage().await, []);
        let data = id.data_key();
        let before = &restore.iter().find(|(path, _)| *path == lake.path(&data)).unwrap().1;
        assert!(lake.bytes(&data) == *before, "{data} is what it was");
        for (path, bytes) in &restore {
            std::fs::write(path, bytes).unwrap();
        }
    }
}

fn wider(nullable: bool) -> Schema {
    let mut fields = (STRIKES.schema)().fields().to_vec();
    fields.push(Arc::new(Field::new("speed_exposure", DataType::Int64, nullable)));
    Schema::new(fields)
}

fn wider_schema() -> SchemaRef {
    Arc::new(wider(true))
}

fn wider_schema_without_nulls() -> SchemaRef {
    Arc::new(wider(false))
}

#[tokio::test]
async fn a_later_nullable_column_is_fine_and_another_is_not() {
    let lake = Lake::new().await;
    let id = day(GREEKS, FIRST);
    let schemas: [(fn() -> SchemaRef, Vec<(Code, String)>); 2] =
        [(wider_schema, vec![]), (wider_schema_without_nulls, vec![(Code::SchemaDiffers, id.data_key())])];
    for (schema, expected) in schemas {
        let dataset = Dataset { schema, ..STRIKES };
        lake.publish(&dataset, &id, |batch, _| {
            let mut columns = batch.columns()[..6].to_vec();
            columns.push(Arc::new(Int64Array::from_iter_values(0..3_900)));
            RecordBatch::try_new(schema(), columns).unwrap()
        });
        let damage = lake.damage().await;
        let damage: Vec<_> = damage.into_iter().filter(|(code, _)| !matches!(code, Code::IndexDiffers)).collect();
        assert_eq!(damage, expected);
    }
}

/// The states in which a process that was killed while it published a correction leaves the lake.
#[tokio::test]
async fn an_interrupted_publication_is_found_and_completed() {
    let lake = Lake::new().await;
    let [rows, minutes] = [day(GREEKS, SECOND), day(GREEKS_BY_MINUTE, SECOND)];
    let old = lake.contents();
    let correction = br#"{"timestamp":"2025-01-16T14:32:40-05:00","symbol":"SPY","expiration":"2025-01-17","strikes":[{"strike":590.0,"gamma":5}]}"#;
    lake.ingest(correction.to_vec()).await;
    lake.compact().await;
    let new = lake.contents();
    let order = [minutes.data_key(), minutes.manifest_key(), rows.data_key(), rows.manifest_key()];
    let expected: [&[(Code, String)]; 4] = [
        &[(Code::ManifestBehind, minutes.manifest_key()), (Code::RollupAhead, minutes.data_key())],
        &[(Code::RollupAhead, minutes.data_key())],
        &[(Code::ManifestBehind, rows.manifest_key())],
        &[
            (Code::IndexDiffers, year(GREEKS).manifest_key()),
            (Code::IndexDiffers, year(GREEKS_BY_MINUTE).manifest_key()),
            (Code::DayDiffers, year(GREEKS_BY_DAY).data_key()),
        ],
    ];
    for (reached, expected) in expected.iter().enumerate() {
        old.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
        for key in &order[..=reached] {
            let (_, bytes) = new.iter().find(|(path, _)| *path == lake.path(key)).unwrap();
            lake.write(key, bytes);
        }
        assert_eq!(lake.damage().await, *expected, "killed after {}", order[reached]);
        lake.repair().await;
        assert_eq!(lake.damage().await, []);
        for id in [&rows, &minutes] {
            let manifest = Manifest::parse(&lake.bytes(&id.manifest_key()), "").unwrap();
            assert_eq!((manifest.revision, manifest.content.captures.len()), (2, 2), "{id}");
        }
    }
}

#[tokio::test]
async fn one_symbol_can_be_verified_alone() {
    let lake = Lake::new().await;
    lake.flip_a_byte(&day(GREEKS, FIRST).data_key());
    lake.write("greeks/junk", b"x");
    let told = |_: Told<'_>| {};
    for (symbol, expected) in [("SPY", vec![Code::Sha256Differs, Code::Degraded]), ("QQQ", vec![])] {
        let selection = Selection { symbol: Some(symbol.parse().unwrap()) };
        let report = verify(&lake.store, Arc::clone(&lake.instruments), &selection, &told).await.unwrap();
        assert_eq!(report.findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), expected, "{symbol}");
    }
}
