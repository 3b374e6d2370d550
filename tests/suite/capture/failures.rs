//! A store that is away, a spool that is full, a disk that is full: posts are delayed or told to come again, and never lost.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::listener::{Listener, bytes_of_segments, counts, in_the_lake, in_the_spool, numbered};
use crate::pitlake_binary::{Lake, PITLAKE};
use crate::s3_server::{Fault, Faults};

fn away(lake: &Lake, is_away: bool) {
    let faults = Faults { seed: 7, refused: 1.0, ..Faults::default() };
    lake.server().expect("a bucket").set_faults(is_away.then_some(faults));
}

#[test]
fn a_store_that_is_away_only_delays() {
    let lake = Lake::in_bucket();
    lake.ingest_lines(&[numbered("SPY", 1)]);
    let listener = Listener::with(&lake, &["--seal-every", "1"]);
    assert_eq!(counts(&listener.post(numbered("SPY", 2)).ok()), [1, 1, 0, 0]);
    listener.until("sealed", |health| health["spool"]["segments"] == 0);
    away(&lake, true);
    for number in 3..20 {
        listener.post(numbered("SPY", number)).ok();
    }
    // A day of which nothing could be read yet: one of these is in the lake already.
    assert_eq!(counts(&listener.post(numbered("QQQ", 1)).ok()), [1, 1, 0, 0]);
    listener.until("told", |health| health["spool"]["store_error"].is_string());
    let health = listener.health();
    assert_eq!((&health["lake"]["reachable"], &health["spool"]["documents"]), (&json!(false), &json!(18)));
    // Killed meanwhile: what was acknowledged is in the spool.
    let spool = listener.spool.clone();
    listener.server.kill();
    assert_eq!(in_the_spool(&spool).len(), 18, "3 to 19, and QQQ's 1");
    away(&lake, false);
    let listener = Listener::with(&lake, &["--seal-every", "1"]);
    listener.until("sealed", |health| health["spool"]["segments"] == 0 && health["spool"]["store_error"].is_null());
    listener.stop();
    let found = in_the_lake(&lake);
    assert_eq!(found.len(), 19);
    assert!(found.iter().all(|(number, times)| *times == if *number == 1 { 2 } else { 1 }), "{found:?}");
    lake.compact(&[]);
    lake.is_sound();
}

#[test]
fn a_store_that_hangs_is_asked_once_and_then_left_alone() {
    let lake = Lake::in_bucket();
    let server = lake.server().expect("a bucket");
    let listener = Listener::over(&lake);
    // Who may post is learned before.
    listener.post("oops").problem(422, "nothing-taken");
    server.reset();
    server.fail_next("ListObjectsV2", "", Fault::Late(Duration::from_secs(60)), 1);
    let days = |symbol: &str| -> String {
        let on = |day: u32| numbered(symbol, 1).replace("2025-01-15", &format!("2025-01-{day}"));
        (13..17).map(|day| on(day) + "\n").collect()
    };
    assert_eq!(counts(&listener.post(days("SPY")).ok()), [4, 4, 0, 0]);
    assert_eq!(counts(&listener.post(days("QQQ")).ok()), [4, 4, 0, 0]);
    let asked = server.count("ListObjectsV2");
    assert_eq!(asked, 1, "not for each day, and not again by the next post");
    listener.stop();
}

#[test]
fn a_post_during_an_outage_that_was_said_before_is_in_the_lake_once() {
    let lake = Lake::in_bucket();
    lake.ingest_lines(&[numbered("SPY", 1), numbered("SPY", 2)]);
    let listener = Listener::with(&lake, &["--seal-every", "1"]);
    listener.post(numbered("QQQ", 5)).ok();
    away(&lake, true);
    let body = format!("{}\n{}", numbered("SPY", 2), numbered("SPY", 3));
    assert_eq!(counts(&listener.post(body).ok())[0], 2, "whether it is there already cannot be known now");
    away(&lake, false);
    listener.until("sealed", |health| health["spool"]["segments"] == 0);
    let found = in_the_lake(&lake);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(1, 1), (2, 1), (3, 1), (5, 1)]);
}

#[test]
fn puts_whose_answers_are_lost_put_nothing_twice() {
    let lake = Lake::in_bucket();
    let server = lake.server().expect("a bucket");
    let listener = Listener::with(&lake, &["--seal-every", "1"]);
    for number in 1..30 {
        let fault = [Fault::LostAnswer, Fault::WrongAnswer, Fault::SlowDown][number as usize % 3];
        server.fail_next("PutObject", "raw/", fault, 2);
        listener.post(format!("{}\n{}", numbered("SPY", number), numbered("QQQ", 100 + number))).ok();
        if number % 10 == 0 {
            listener.until("sealed", |health| health["spool"]["segments"] == 0);
        }
    }
    listener.stop();
    let found = in_the_lake(&lake);
    assert_eq!((found.len(), found.values().max()), (58, Some(&1)), "{found:?}");
    lake.compact(&[]);
    lake.is_sound();
}

#[test]
fn a_full_spool_says_when_to_come_again() {
    let lake = Lake::in_bucket();
    let listener = Listener::with(&lake, &["--seal-every", "1", "--max-spool", "1"]);
    // Who may post is learned from the store, and remembered.
    listener.post(numbered("QQQ", 9_000_000)).ok();
    away(&lake, true);
    let body = |at: u64| (0..400).map(|n| numbered("SPY", 1 + at * 400 + n)).collect::<Vec<_>>().join("\n");
    let mut taken = 0;
    let refused = loop {
        let reply = listener.post(body(taken));
        if reply.status != 200 {
            break reply;
        }
        taken += 1;
        assert!(taken < 100, "1 MiB is never full");
    };
    refused.problem(429, "backlog");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    assert!(bytes_of_segments(&listener.spool) <= 1 << 20);
    assert_eq!(counts(&listener.post(body(0)).ok())[1], 0, "what is there already is answered");
    let large: Vec<String> = (0..20_000).map(|n| numbered("SPY", 1_000_000 + n)).collect();
    listener.post(large.join("\n")).problem(413, "too-large");
    away(&lake, false);
    listener.until("sealed", |health| health["spool"]["segments"] == 0);
    assert_eq!(counts(&listener.post(body(taken)).ok())[1], 400, "room again");
    listener.stop();
    let found = in_the_lake(&lake);
    assert_eq!(found.len() as u64, (taken + 1) * 400 + 1);
    assert!(found.values().all(|times| *times == 1));
}

#[test]
fn a_disk_that_takes_no_more_is_a_503_until_it_does() {
    let lake = Lake::in_folder();
    // No file beyond 64 blocks of 512 bytes: a write past it fails as on a full disk, and the next segment has room again.
    let limited = format!("trap '' XFSZ; ulimit -f 64; exec {PITLAKE} \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, "pitlake"]).env("PITLAKE_LAKE", lake.root()).current_dir(lake.work());
    let listener = Listener::run(&lake, command, &["--seal-every", "3600"]);
    let (mut refused, mut acknowledged) = (0, Vec::new());
    for number in 1..=400 {
        let reply = listener.post(numbered("SPY", number));
        if reply.status == 200 {
            acknowledged.push(number);
        } else {
            reply.problem(503, "spool-unavailable");
            assert!(!reply.header("retry-after").is_empty());
            refused += 1;
        }
    }
    assert!(refused > 0 && acknowledged.len() > 300, "{refused} refused, {} taken", acknowledged.len());
    listener.stop();
    let found: Vec<(u64, usize)> = in_the_lake(&lake).into_iter().collect();
    assert_eq!(found, acknowledged.iter().map(|number| (*number, 1)).collect::<Vec<_>>());
}
