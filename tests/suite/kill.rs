//! Killed at any instant: after the same command is run again everything is there exactly once, `verify` is clean, and no
//! half-written file is taken for data. On disk the instants are drawn from a seed over the measured run time; on S3 they are
//! exact, one before the first request, one before the second, and so on.

use std::time::{Duration, Instant};

use pitlake::greeks::generate::Settings;
use pitlake::lake::layout::Key;
use rand::{RngExt, SeedableRng};

use crate::pitlake_binary::{Lake, Ran, generated};

const POINTS: u32 = 24;
const DAYS: [&str; 3] = ["2025-01-14", "2025-01-15", "2025-01-16"];
const ROWS_A_DAY: u64 = 60 * 4 * 100;

/// Three days, small.
fn days() -> Vec<u8> {
    let date = DAYS[0].parse().expect("a date");
    let small =
        Settings { days: 3, expirations: 4, strikes: 100, minutes: Some(60), ..Settings::full_day("SPY", date) };
    generated(&small).0
}

/// The same rows again, said half a minute later: they replace every one.
fn corrections() -> String {
    String::from_utf8(days()).expect("UTF-8").replace(":00-05:00", ":30-05:00")
}

/// Runs to its end; gives how long it took.
fn measured(lake: &Lake, command: &[&str]) -> Duration {
    let began = Instant::now();
    lake.run(command).ends(0);
    began.elapsed()
}

/// Starts the command and kills it after `delay`. Whether it had ended by itself.
fn killed_after(lake: &Lake, command: &[&str], delay: Duration) -> bool {
    let mut child = lake.command(command).spawn().expect("the program starts");
    std::thread::sleep(delay);
    let ended = child.try_wait().expect("a state").is_some();
    child.kill().expect("killed");
    Ran::of(child);
    ended
}

/// Starts the command and kills it as soon as the server has seen `requests` of it. Whether it had ended by itself.
fn killed_at_request(lake: &Lake, command: &[&str], requests: usize) -> bool {
    let server = lake.server().expect("a bucket");
    server.reset();
    let mut child = lake.command(command).spawn().expect("the program starts");
    let mut ended = false;
    while server.requests() < requests && !ended {
        ended = child.try_wait().expect("a state").is_some();
        std::thread::yield_now();
    }
    child.kill().expect("killed");
    Ran::of(child);
    ended
}

/// Nothing under the lake's folder but objects of a lake, and after a killed writer what a dot hides.
fn only_objects_of_a_lake(lake: &Lake) {
    for key in lake.objects().keys() {
        assert!(key.parse::<Key>().is_ok(), "{key}");
    }
}

/// Both captures of each day are there, and each row once.
fn all_is_there_once(lake: &Lake, captures: usize) {
    lake.is_sound();
    only_objects_of_a_lake(lake);
    for date in DAYS {
        let manifest = lake.manifest("SPY", date);
        assert_eq!(manifest["captures"].as_array().map(Vec::len), Some(captures), "{date}");
        assert_eq!(manifest["counts"]["rows_in"], ROWS_A_DAY * captures as u64, "{date}");
        assert_eq!(manifest["rows"], ROWS_A_DAY, "{date}");
        assert_eq!(lake.strikes("SPY", date).len() as u64, ROWS_A_DAY, "{date}");
    }
}

/// Seeded instants, spread over the run and a little beyond it.
fn instants(seed: u64, run: Duration) -> Vec<Duration> {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..POINTS).map(|at| run.mul_f64((f64::from(at) + random.random::<f64>()) / f64::from(POINTS) * 1.1)).collect()
}

#[test]
fn ingest_killed_on_disk() {
    let whole = Lake::in_folder();
    let input = whole.file("days.jsonl", days());
    let command = ["ingest", "greeks", "--json", &input];
    let run = measured(&whole, &command);
    let mut cut_short = 0;
    for delay in instants(1, run) {
        let lake = Lake::in_folder();
        cut_short += u32::from(!killed_after(&lake, &command, delay));
        only_objects_of_a_lake(&lake);
        // What an outsider finds after the crash is a lake: whole captures or none.
        lake.run(&["verify"]).ends(0);
        lake.run(&command).ends(0);
        lake.compact(&[]);
        all_is_there_once(&lake, 1);
        assert!(lake.objects_under("raw/").keys().eq(whole.objects_under("raw/").keys()));
    }
    println!("{cut_short} of {POINTS} runs of {run:?} were cut short");
    assert!(cut_short >= 10, "only {cut_short} of {POINTS} runs were cut short");
}

#[test]
fn compaction_killed_on_disk() {
    let first = Lake::in_folder();
    first.ingest(&first.file("days.jsonl", days()));
    let captures = first.objects_under("raw/");
    let run = measured(&first, &["compact"]);
    let published = first.objects();
    first.ingest(&first.file("days.jsonl", corrections()));
    let both = first.objects();
    let mut cut_short = 0;
    for (at, delay) in instants(2, run).into_iter().enumerate() {
        // Every other time there is an older revision to replace.
        let lake = Lake::in_folder();
        let fresh = at % 2 == 0;
        (if fresh { &captures } else { &both }).iter().for_each(|(key, bytes)| lake.plant(key, bytes.clone()));
        cut_short += u32::from(!killed_after(&lake, &["compact", "--memory", "32"], delay));
        only_objects_of_a_lake(&lake);
        lake.compact(&[]);
        all_is_there_once(&lake, if fresh { 1 } else { 2 });
        assert!(lake.compact(&[]).iter().all(|outcome| outcome["action"] == "unchanged"));
        if fresh {
            for (key, bytes) in published.iter().filter(|(key, _)| key.starts_with("greeks/")) {
                assert!(lake.get(key) == *bytes, "{key}: as if nothing had happened");
            }
            assert_eq!(lake.manifest("SPY", DAYS[0])["revision"], 1);
        }
    }
    println!("{cut_short} of {POINTS} runs of {run:?} were cut short");
    assert!(cut_short >= 10, "only {cut_short} of {POINTS} runs were cut short");
}

#[test]
fn ingest_killed_at_each_request_to_s3() {
    let input = days();
    for requests in 1.. {
        let lake = Lake::in_bucket();
        let file = lake.file("days.jsonl", &input);
        let command = ["ingest", "greeks", "--json", &file];
        let ended = killed_at_request(&lake, &command, requests);
        only_objects_of_a_lake(&lake);
        lake.run(&command).ends(0);
        lake.compact(&[]);
        all_is_there_once(&lake, 1);
        if ended {
            println!("killed at each of {} requests", requests - 1);
            assert!(requests > 5);
            break;
        }
    }
}

#[test]
fn compaction_killed_at_requests_to_s3() {
    let first = Lake::in_bucket();
    first.ingest(&first.file("days.jsonl", days()));
    first.compact(&[]);
    first.ingest(&first.file("days.jsonl", corrections()));
    let both = first.objects();
    // Every fifth request, beginning with the first: they are some eighty.
    for requests in (1..).step_by(5) {
        let lake = Lake::in_bucket();
        both.iter().for_each(|(key, bytes)| lake.plant(key, bytes.clone()));
        let ended = killed_at_request(&lake, &["compact"], requests);
        only_objects_of_a_lake(&lake);
        lake.compact(&[]);
        all_is_there_once(&lake, 2);
        assert!(lake.compact(&[]).iter().all(|outcome| outcome["action"] == "unchanged"));
        if ended {
            println!("killed at every fifth of {requests} requests");
            assert!(requests > 20, "{requests}");
            break;
        }
    }
}
