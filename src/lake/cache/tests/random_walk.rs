//! The cache under random use, against a history of what the lake held when.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use object_store::ObjectStoreExt;
use object_store::path::Path as ObjectPath;
use proptest::prelude::*;

use super::Bench;
use crate::ErrorKind;
use crate::lake::cache::Freshness;
use crate::market::Clock;

/// What the random walk may do.
#[derive(Debug, Clone)]
enum Step {
    Put { key: u8, bytes: usize },
    Delete { key: u8 },
    Ask { key: u8, open: bool, keep: bool },
    Distrust,
    Release,
    Pass { milliseconds: i64 },
    Break { broken: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0u8..6;
    prop_oneof![
        3 => (key.clone(), 1usize..60).prop_map(|(key, bytes)| Step::Put { key, bytes }),
        1 => key.clone().prop_map(|key| Step::Delete { key }),
        8 => (key, any::<bool>(), any::<bool>()).prop_map(|(key, open, keep)| Step::Ask { key, open, keep }),
        1 => Just(Step::Distrust),
        2 => Just(Step::Release),
        3 => (0i64..40_000).prop_map(|milliseconds| Step::Pass { milliseconds }),
        1 => any::<bool>().prop_map(|broken| Step::Break { broken }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens: the bounds hold, what is served is a version that was current within the window, and files on
    /// disk are exactly those held by the cache or a reader.
    #[test]
    fn bounds_and_freshness_hold_under_random_use(steps in proptest::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(walk(steps))?;
    }
}

/// From when on, and the content; `None` when there was no object.
type Version = (DateTime<Utc>, Option<String>);

async fn walk(steps: Vec<Step>) -> Result<(), TestCaseError> {
    const MAX_BYTES: u64 = 100;
    let bench = Bench::new(MAX_BYTES).await;
    // Of each key: every content it had, with the time from which on it had it.
    let mut history: HashMap<u8, Vec<Version>> = HashMap::new();
    let began = bench.clock.now();
    for key in 0..6 {
        history.insert(key, vec![(began, None)]);
    }
    let mut reading = Vec::new();
    let mut broken = false;
    for (number, step) in steps.into_iter().enumerate() {
        let now = bench.clock.now();
        match step {
            Step::Put { key, bytes } => {
                let content = format!("{number:04}{}", "x".repeat(bytes));
                bench.put(&format!("{key}.parquet"), &content).await;
                history.entry(key).or_default().push((now, Some(content)));
            }
            Step::Delete { key } => {
                bench.watched.inner.delete(&ObjectPath::from(format!("{key}.parquet"))).await.ok();
                history.entry(key).or_default().push((now, None));
            }
            Step::Ask { key, open, keep } => {
                let freshness = if open { Freshness::Open } else { Freshness::Settled };
                let window = TimeDelta::seconds(if open { 2 } else { 30 });
                let got = match bench.cache.file(&format!("{key}.parquet"), freshness).await {
                    Ok(file) => {
                        let content = std::fs::read_to_string(file.path()).unwrap();
                        if keep {
                            reading.push((file, content.clone()));
                        }
                        Some(content)
                    }
                    Err(error) if error.kind() == ErrorKind::NotFound => None,
                    Err(error) => {
                        prop_assert!(broken, "{error}");
                        continue;
                    }
                };
                let versions = &history[&key];
                let was_current = versions.iter().enumerate().any(|(at, (_, content))| {
                    let until = versions.get(at + 1).map_or(DateTime::<Utc>::MAX_UTC, |next| next.0);
                    *content == got && now.signed_duration_since(until) < window
                });
                prop_assert!(was_current, "{got:?} of {key} at {now} is none of {versions:?}");
            }
            Step::Distrust => {
                if let Some((file, _)) = reading.last() {
                    bench.cache.distrust(file);
                }
            }
            Step::Release => {
                reading.pop();
            }
            Step::Pass { milliseconds } => bench.pass(milliseconds),
            Step::Break { broken: now_broken } => {
                broken = now_broken;
                bench.watched.broken.store(broken, Ordering::SeqCst);
            }
        }
        for (file, content) in &reading {
            prop_assert_eq!(&std::fs::read_to_string(file.path()).unwrap(), content);
        }
        let stats = bench.cache.stats();
        prop_assert!(stats.file_bytes <= MAX_BYTES);
        let on_disk: u64 = std::fs::read_dir(bench.cache.folder())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        prop_assert_eq!(on_disk, stats.disk_bytes);
        let read: HashMap<_, _> = reading.iter().map(|(file, _)| (file.path().to_owned(), file.size())).collect();
        prop_assert!(on_disk <= stats.file_bytes + read.values().sum::<u64>());
    }
    drop(reading);
    prop_assert_eq!(bench.cache.stats().disk_bytes, bench.cache.stats().file_bytes);
    Ok(())
}
