//! What only a bucket can show: which calls a question costs, and what becomes of it when they fail.

use std::io::Read;

use serde_json::Value;

use crate::lake::{DAY, LARGE_DAY, LARGE_DAY_ROWS, Said, World, filled, objects_in_bucket, said};
use crate::pitlake_binary::Lake;
use crate::s3_server::{Fault, S3Server};
use crate::server::Server;

const QUESTION: &str = "/api/v1/greeks/SPY/2025-01-15?strike=585";
const PARTITION: &str = "greeks/symbol=SPY/date=2025-01-15/part-0.parquet";

fn calls(lake: &Lake) -> &S3Server {
    lake.server().expect("a bucket")
}

fn expected() -> Vec<Value> {
    said("SPY", DAY).iter().filter(|row| row.strike == 585.0).map(Said::row).collect()
}

/// A server that gives up on its store after a moment.
fn impatient(lake: &Lake) -> Server {
    lake.file("pitlake.toml", "[s3]\nretries = 1\nretry_time_limit_ms = 500\n");
    Server::over(lake)
}

#[test]
fn no_question_lists_the_bucket() {
    let world = World::in_bucket();
    let s3 = calls(&world.lake);
    s3.reset();
    for path in [
        QUESTION,
        "/api/v1/greeks/SPY/latest",
        "/api/v1/greeks/SPY/2025-01-15/aggregate?by=strike",
        "/api/v1/greeks/SPY/2025-01-15/aggregate",
        "/api/v1/greeks/SPY/coverage",
        "/api/v1/greeks/SPY/range?start=2024-01-01&end=2025-12-31",
        "/api/v1/greeks/SPY/range?start=2024-01-01&end=2025-12-31&by=minute",
        "/api/v1/greeks/SPY/screen?start=2024-01-01&end=2025-12-31&greek=gamma&above=0",
        "/api/v1/greeks/SPY/screen?start=2024-01-01&end=2025-12-31&greek=gamma&below=0&first=true",
        "/api/v1/greeks/SPY/export?start=2024-01-01&end=2024-12-31",
        "/api/v1/datasets",
        "/api/v1/symbols",
    ] {
        world.server.get(path).ok();
    }
    world.server.get("/api/v1/greeks/SPY/2025-01-17").problem(404, "missing-day");
    world.server.get("/api/v1/greeks/SPY/range?start=2020-01-01&end=2020-12-31").problem(404, "missing-day");
    let listings: Vec<_> = s3.calls().into_iter().filter(|call| call.op.starts_with("List")).collect();
    assert!(s3.count("GetObject") > 0 && listings.is_empty(), "{listings:?}");
    let writes = s3.calls().into_iter().filter(|call| !["GetObject", "HeadObject"].contains(&call.op.as_str()));
    assert_eq!(writes.count(), 0, "a question only reads");
}

#[test]
fn a_cached_day_is_not_asked_for_again() {
    let world = World::in_bucket();
    let s3 = calls(&world.lake);
    s3.reset();
    world.server.get(QUESTION).ok();
    let fetched = s3.calls().iter().filter(|call| call.key.ends_with(PARTITION)).count();
    assert_eq!(fetched, 1, "{:?}", s3.calls());
    s3.reset();
    for path in [QUESTION, "/api/v1/greeks/SPY/2025-01-15?at=14:32", "/api/v1/greeks/SPY/2025-01-15?format=parquet"] {
        world.server.get(path).ok();
    }
    assert_eq!(s3.calls(), [], "within the half minute nothing is asked");
}

#[test]
fn a_missing_day_is_not_asked_for_again() {
    let world = World::in_bucket();
    let s3 = calls(&world.lake);
    s3.reset();
    for _ in 0..3 {
        world.server.get("/api/v1/greeks/SPY/2025-01-17").problem(404, "missing-day");
    }
    let asked = s3.calls().iter().filter(|call| call.key.contains("date=2025-01-17")).count();
    assert_eq!(asked, 1, "{:?}", s3.calls());
}

#[test]
fn many_at_once_cost_one_fetch() {
    let world = World::in_bucket();
    calls(&world.lake).reset();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(world.server.get(QUESTION).data(), expected()));
        }
    });
    let fetched = calls(&world.lake).calls().iter().filter(|call| call.key.ends_with(PARTITION)).count();
    assert_eq!(fetched, 1);
}

#[test]
fn a_passing_fault_does_not_show() {
    let faults = [Fault::TornBody, Fault::InternalError, Fault::SlowDown];
    for (fault, key) in faults.into_iter().flat_map(|fault| [(fault, PARTITION), (fault, "_manifest/greeks/")]) {
        let world = World::in_bucket();
        calls(&world.lake).fail_next("GetObject", key, fault, 1);
        let reply = world.server.get(QUESTION);
        if reply.status == 503 {
            // Refused cleanly is allowed; then the next one must do.
            reply.problem(503, "unavailable");
            assert!(!reply.header("retry-after").is_empty());
        } else {
            assert_eq!(reply.data(), expected(), "{fault:?} of {key}");
        }
        assert_eq!(world.server.get(QUESTION).data(), expected(), "{fault:?} of {key}");
    }
}

/// One question for each way in which a partition is read.
const EVERY_WAY_TO_READ: [&str; 4] = [
    QUESTION,
    "/api/v1/greeks/SPY/2025-01-15",
    "/api/v1/greeks/SPY/2025-01-15?format=parquet",
    "/api/v1/greeks/SPY/2025-01-15/aggregate?by=strike",
];

#[test]
fn a_lasting_fault_is_a_clean_503_until_it_ends() {
    for fault in [Fault::TornBody, Fault::InternalError] {
        let lake = filled(Lake::in_bucket(), objects_in_bucket());
        let server = impatient(&lake);
        let s3 = calls(&lake);
        s3.fail_next("GetObject", PARTITION, fault, 50);
        for path in EVERY_WAY_TO_READ {
            let reply = server.get(path);
            reply.problem(503, "unavailable");
            assert!(!reply.header("retry-after").is_empty(), "{fault:?} {path}");
            assert!(!reply.text().contains("gamma"), "{fault:?} {path}");
        }
        // The other days go on being answered.
        assert_eq!(server.get("/api/v1/greeks/QQQ/2025-01-15").data().len(), 4);
    }
}

#[test]
fn damaged_bytes_are_never_answered() {
    let whole = &objects_in_bucket()[PARTITION];
    let mut flipped = whole.to_vec();
    flipped[whole.len() / 3] ^= 0x10;
    for (what, bytes) in [
        ("a flipped bit", flipped),
        ("half of it", whole[..whole.len() / 2].to_vec()),
        ("its tail missing", whole[..whole.len() - 100].to_vec()),
        ("nothing", Vec::new()),
        ("text", b"not found".to_vec()),
    ] {
        refused_as_damaged(what, bytes);
    }
}

/// A whole and sound partition in the wrong place: its rows would be right, under a date that is not theirs.
#[test]
fn another_days_file_is_never_answered_as_this_one() {
    let objects = objects_in_bucket();
    let day = objects["greeks/symbol=SPY/date=2024-11-29/part-0.parquet"].to_vec();
    let symbol = objects["greeks/symbol=QQQ/date=2025-01-15/part-0.parquet"].to_vec();
    let dataset = objects["greeks_by_minute/symbol=SPY/date=2025-01-15/part-0.parquet"].to_vec();
    for (what, bytes) in [("another day", day), ("another symbol", symbol), ("another dataset", dataset)] {
        refused_as_damaged(what, bytes);
    }
}

/// What a lake whose partition is this answers.
fn refused_as_damaged(what: &str, bytes: Vec<u8>) {
    let lake = filled(Lake::in_bucket(), objects_in_bucket());
    lake.plant(PARTITION, bytes);
    let server = Server::over(&lake);
    for path in EVERY_WAY_TO_READ {
        let reply = server.get(path);
        assert_eq!(reply.status, 500, "{what} {path}");
        let problem = reply.problem(500, "corrupt");
        assert!(problem["detail"].as_str().expect("a text").contains("pitlake verify"), "{what} {path}: {problem}");
        assert!(!reply.text().contains("gamma"), "{what} {path}");
    }
}

/// A disk that loses a part of the cache: what it held is fetched again.
#[test]
fn a_damaged_cache_is_not_answered_from() {
    let all = said("SPY", LARGE_DAY);
    let expirations = [&all[0].expiration, &all[all.len() - 1].expiration];
    let rows =
        |expiration: &str| all.iter().filter(|row| row.expiration == expiration).map(Said::row).collect::<Vec<_>>();
    let path = |expiration: &str| format!("/api/v1/greeks/SPY/{LARGE_DAY}?expiration={expiration}");
    for harm in ["shorter", "gone", "blank"] {
        let world = World::in_bucket();
        assert!(world.server.get(&path(expirations[0])).data() == rows(expirations[0]));
        let stored = world.lake.get(&format!("greeks/symbol=SPY/date={LARGE_DAY}/part-0.parquet"));
        let cached = world.server.cached(stored.len());
        match harm {
            "shorter" => std::fs::write(&cached, &stored[..stored.len() / 2]).expect("written"),
            "gone" => std::fs::remove_file(&cached).expect("removed"),
            _ => {
                let mut bytes = stored.to_vec();
                let (from, to) = (bytes.len() * 8 / 10, bytes.len() * 9 / 10);
                bytes[from..to].fill(0);
                std::fs::write(&cached, bytes).expect("written");
            }
        }
        // The last expiration has not been read yet.
        let reply = world.server.get(&path(expirations[1]));
        if reply.status != 200 {
            reply.problem(500, "corrupt");
        } else {
            assert!(reply.data() == rows(expirations[1]), "{harm}: wrong rows");
        }
        assert!(world.server.get(&path(expirations[1])).data() == rows(expirations[1]), "{harm}: fetched again");
        let file = world.server.get(&format!("/api/v1/greeks/SPY/{LARGE_DAY}?format=parquet")).ok();
        assert!(file.body == stored, "{harm}: the lake's own file");
    }
}

/// A world whose server has fetched the large day, read its beginning, and lost its end to the disk.
fn with_a_damaged_cache() -> World {
    let world = World::in_bucket();
    let first = &said("SPY", LARGE_DAY)[0].expiration;
    world.server.get(&format!("/api/v1/greeks/SPY/{LARGE_DAY}?expiration={first}")).ok();
    let mut bytes = world.lake.get(&format!("greeks/symbol=SPY/date={LARGE_DAY}/part-0.parquet")).to_vec();
    let cached = world.server.cached(bytes.len());
    let (from, to) = (bytes.len() * 8 / 10, bytes.len() * 9 / 10);
    bytes[from..to].fill(0);
    std::fs::write(cached, bytes).expect("written");
    world
}

/// Rows have gone out already when the damage is found: the answer breaks off, and nobody can take it for a whole one.
#[test]
fn an_answer_that_fails_on_its_way_breaks_off() {
    let world = with_a_damaged_cache();
    let path = format!("/api/v1/greeks/SPY/{LARGE_DAY}");
    let mut bytes = Vec::new();
    // Whether the connection is reset or closed, the last chunk is missing.
    let _ = world.server.open(&path).read_to_end(&mut bytes);
    assert!(bytes.starts_with(b"HTTP/1.1 200") && bytes.len() > 1 << 20, "{} bytes", bytes.len());
    assert!(!bytes.ends_with(b"\r\n0\r\n\r\n") && !String::from_utf8_lossy(&bytes).contains("\"count\":"));
    world.server.logs("the answer broke off");
    assert_eq!(world.server.get(&path).data().len(), LARGE_DAY_ROWS, "the next one is whole");
}

#[test]
fn sums_over_a_damaged_cache_are_never_wrong() {
    let whole = World::in_bucket();
    let path = format!("/api/v1/greeks/SPY/{LARGE_DAY}/aggregate?by=strike");
    let expected = whole.server.get(&path).data();
    let world = with_a_damaged_cache();
    let reply = world.server.get(&path);
    if reply.status == 200 {
        assert!(reply.data() == expected);
    } else {
        reply.problem(500, "corrupt");
    }
    assert!(world.server.get(&path).data() == expected, "the next one is right");
}

#[test]
fn keys_that_cannot_be_read_let_nobody_in() {
    let lake = filled(Lake::in_bucket(), objects_in_bucket());
    let server = impatient(&lake);
    calls(&lake).fail_next("GetObject", "_config/keys.json", Fault::InternalError, 50);
    server.get(QUESTION).problem(503, "unavailable");
    let lake = filled(Lake::in_bucket(), objects_in_bucket());
    lake.plant("_config/keys.json", "{}}");
    Server::over(&lake).get(QUESTION).problem(500, "corrupt");
}
