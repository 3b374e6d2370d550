//! Killed at any instant: the same command again ends where one run would have.

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};

use super::{Archive, clean, kept, of_all_kinds, timeless};
use crate::pitlake_binary::{Lake, Ran};

const COMMAND: [&str; 3] = ["migrate", "legacy-tpo", "archive"];

/// Of all kinds, and some weeks over the end of a year.
fn archive(lake: &Lake) {
    let (files, _) = of_all_kinds();
    let archive = Archive::new(lake, &files);
    for day in ["2024-12-26", "2024-12-27", "2024-12-30", "2024-12-31", "2025-01-02", "2025-01-03", "2025-01-06"] {
        archive.write(&format!("{day}.json"), &clean(day).to_string());
    }
}

/// What one run leaves.
fn whole(lake: &Lake) -> Lake {
    let whole = lake.another();
    archive(&whole);
    whole.run(&COMMAND).ends(0);
    whole
}

#[track_caller]
fn ends_as(lake: &Lake, whole: &Lake, when: &str) {
    // Between a file and its record is the one place where something is missing, and the next run puts it there.
    for line in lake.run(&["verify", "--json"]).json_lines() {
        let unfinished = ["no_manifest", "manifest_behind", "catalog_behind"].iter().any(|code| line["code"] == *code);
        let harmless = line["code"].is_null() || line["severity"] == "note";
        assert!(unfinished || harmless, "{when}: {line}");
    }
    lake.run(&COMMAND).ends(0);
    lake.is_sound();
    assert_eq!(kept(lake), kept(whole), "{when}");
    assert_eq!(timeless(lake), timeless(whole), "{when}");
}

#[test]
fn on_disk() {
    let lake = Lake::in_folder();
    archive(&lake);
    let began = Instant::now();
    let whole = whole(&lake);
    let run = began.elapsed();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    for point in 0..12 {
        let lake = Lake::in_folder();
        archive(&lake);
        let delay: Duration = run.mul_f64((f64::from(point) + random.random::<f64>()) / 12.0);
        let mut child = lake.command(&COMMAND).spawn().expect("the program starts");
        std::thread::sleep(delay);
        child.kill().expect("killed");
        Ran::of(child);
        ends_as(&lake, &whole, &format!("killed after {delay:?} of {run:?}"));
    }
}

#[test]
fn before_every_request() {
    let mut lake = Lake::in_bucket();
    let whole = whole(&lake);
    let mut requests = 1;
    loop {
        archive(&lake);
        let server = lake.server().expect("a bucket");
        server.reset();
        let mut child = lake.command(&COMMAND).spawn().expect("the program starts");
        let mut ended = false;
        while server.requests() < requests && !ended {
            ended = child.try_wait().expect("a state").is_some();
            std::thread::yield_now();
        }
        child.kill().expect("killed");
        Ran::of(child);
        ends_as(&lake, &whole, &format!("killed at request {requests}"));
        if ended {
            break;
        }
        lake = Lake::in_bucket();
        requests += 5;
    }
    assert!(requests > 30, "only {requests} requests");
}
