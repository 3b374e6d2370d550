//! A capture server that compacts what it sealed: what was posted can be read, whatever day it belongs to.

use std::time::{Duration, Instant};

use serde_json::json;

use super::listener::{Listener, counts};
use crate::pitlake_binary::{Lake, batches, nested, on_every_store};
use crate::received::block_on;
use crate::server::Server;

on_every_store!(what_was_posted_can_be_read);

const PATIENCE: Duration = Duration::from_secs(60);

fn document(timestamp: &str, gamma: i64) -> String {
    nested(timestamp, "2025-01-17", Some(588.0), &[(580.0, gamma, 1, 1)])
}

/// Waits until the partition of a day has so many rows.
fn until_compacted(lake: &Lake, date: &str, rows: usize) {
    let key = format!("greeks/symbol=SPY/date={date}/part-0.parquet");
    let began = Instant::now();
    let held = || {
        let stored = block_on(async { lake.store().await.get(&key).await });
        stored.map_or(0, |object| batches(object.bytes).iter().map(|batch| batch.num_rows()).sum())
    };
    while held() != rows {
        assert!(began.elapsed() < PATIENCE, "{date} never had {rows} rows");
        std::thread::yield_now();
    }
}

fn what_was_posted_can_be_read(lake: &Lake) {
    let listener = Listener::with(lake, &["--seal-every", "1", "--compact"]);
    assert_eq!(counts(&listener.post(document("2025-01-15T14:32:00-05:00", 7)).ok()), [1, 1, 0, 0]);
    until_compacted(lake, "2025-01-15", 1);
    // A later minute, and a day that is long past: both are found though no sweep is due.
    let more = [document("2025-01-15T14:33:00-05:00", 8), document("2024-03-08T10:00:00-05:00", 9)].join("\n");
    assert_eq!(counts(&listener.post(more).ok()), [2, 2, 0, 0]);
    until_compacted(lake, "2025-01-15", 2);
    until_compacted(lake, "2024-03-08", 1);
    assert!(listener.server.get("/metrics").ok().text().contains("capture_failed_compactions_total 0"));
    listener.stop();
    // Whatever the last round was cut off from.
    lake.compact(&[]);
    let server = Server::over(lake);
    let minutes = server.get("/api/v1/greeks/SPY/2025-01-15/aggregate").data();
    let gammas: Vec<_> = minutes.iter().map(|minute| (&minute["timestamp"], &minute["gamma_exposure"])).collect();
    assert_eq!(gammas, [(&json!("2025-01-15T19:32:00Z"), &json!(7)), (&json!("2025-01-15T19:33:00Z"), &json!(8))]);
    let old = server.get("/api/v1/greeks/SPY/2024-03-08").data();
    assert_eq!(old[0]["gamma_exposure"], 9);
    lake.is_sound();
}
