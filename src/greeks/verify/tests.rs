//! One thing is damaged at a time in a small lake of two days: verification must name exactly that, and repair must give back
//! what can be given back.

mod lake;
mod numbers;

use std::sync::Arc;

use arrow::array::Float64Array;

use super::*;
use crate::greeks::record::{BY_MINUTE, GREEKS_BY_DAY};
use crate::lake::manifest::Manifest;
use crate::lake::verify::{Selection, Told, verify};

use lake::*;

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
    let bytes: usize = lake
        .contents()
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|e| e != "json" && e != "txt"))
        .map(|(_, bytes)| bytes.len())
        .sum();
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
    lake.is_found_and_repaired(&missing, &whole).await;
}

#[tokio::test]
async fn a_manifest_is_never_made_for_bytes_that_the_index_contradicts() {
    let lake = Lake::new().await;
    let whole = lake.contents();
    let id = day(GREEKS_BY_MINUTE, FIRST);
    // The spot of one minute is off, which no sum shows, and the manifest that would show it is lost.
    lake.publish(&BY_MINUTE, &id, |batch, _| {
        let values: &Float64Array = batch.column_by_name("spot").unwrap().as_any().downcast_ref().unwrap();
        let changed: Float64Array =
            values.iter().enumerate().map(|(i, v)| v.map(|v| if i == 99 { v + 1.0 } else { v })).collect();
        with_column(&batch, "spot", Arc::new(changed))
    });
    lake.remove(&id.manifest_key());
    lake.is_found_and_repaired(&[(Code::NoManifest, id.manifest_key())], &whole).await;
}

#[tokio::test]
async fn a_day_is_not_made_again_from_some_of_its_captures() {
    let lake = Lake::new().await;
    let first: Vec<String> = lake.captures(SECOND);
    lake.ingest(br#"{"timestamp":"2025-01-16T14:32:40-05:00","symbol":"SPY","expiration":"2025-01-24","strikes":[{"strike":590.0,"gamma":5}]}"#.to_vec()).await;
    lake.compact().await;
    let added = lake.captures(SECOND).into_iter().find(|key| !first.contains(key)).unwrap();
    lake.remove(&added);
    for id in [day(GREEKS, SECOND), day(GREEKS_BY_MINUTE, SECOND)] {
        lake.remove(&id.data_key());
        lake.remove(&id.manifest_key());
    }
    let done = lake.repair().await;
    assert!(done.iter().all(|step| !step.done), "{done:?}");
    assert!(done[0].detail.contains("3900 rows and the year's index remembers 3901"), "{}", done[0].detail);
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
    let keys =
        lake.contents().into_iter().map(|(path, _)| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
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
        let report = verify(&lake.store, &lake.tenants(), &selection, &told).await.unwrap();
        assert_eq!(report.findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), expected, "{symbol}");
    }
}
