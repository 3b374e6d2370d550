//! Compaction that goes on: the open day minute by minute, its close, late captures, and what goes wrong meanwhile. The follower
//! runs in this process under a clock of the test's own; the command runs as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::Command;
use std::sync::Arc;

use chrono::TimeDelta;
use pitlake::greeks::compact::Greeks;
use pitlake::lake::compact::{CompactOptions, Compactor, Follower, Outcome, Selection, follow};
use pitlake::lake::store::{Store, StoreOptions};
use pitlake::market::{FixedClock, Instruments};
use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, nested, on_every_store};
use crate::received::{at, block_on, received, received_of};
use crate::s3_server::{Fault, S3Server};

on_every_store!(
    a_day_grows_and_closes_like_one_made_at_once,
    a_follower_that_was_killed_starts_over,
    one_symbols_damage_does_not_stop_the_others,
    late_captures_are_found_the_older_the_later,
    a_clock_that_is_behind_does_not_open_a_closed_day,
    the_command_follows_until_it_is_told_to_stop,
);

const DATE: &str = "2025-01-15";

struct Following {
    follower: Follower,
    clock: Arc<FixedClock>,
    runtime: tokio::runtime::Runtime,
}

impl Following {
    fn of(lake: &Lake, now: &str, memory_mib: u64) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let impatient =
            StoreOptions { retries: Some(1), ..lake.server().map_or_else(StoreOptions::default, S3Server::options) };
        let clock = Arc::new(FixedClock::new(at(now)));
        let store = runtime.block_on(Store::open(&lake.root(), &impatient)).expect("a lake");
        let options = CompactOptions { memory_bytes: memory_mib << 20 };
        let time = Arc::clone(&clock) as _;
        let compactor = Compactor::new(Arc::new(Greeks), store, Instruments::builtin(), time, options);
        Self { follower: Follower::new(compactor, Selection::default()), clock, runtime }
    }

    fn round(&mut self) -> Vec<pitlake::Result<Outcome>> {
        self.runtime.block_on(self.follower.round())
    }

    /// A round in which nothing fails; gives what was written.
    #[track_caller]
    fn good_round(&mut self) -> Vec<Outcome> {
        let outcomes: Vec<Outcome> = self.round().into_iter().map(|outcome| outcome.expect("compacted")).collect();
        outcomes.into_iter().filter(|outcome| outcome.action == "written").collect()
    }
}

/// What is said of one minute after 14:30, strike by strike.
fn minute(minute: u32) -> String {
    let stamp = format!("2025-01-15T{:02}:{:02}:00Z", 14 + (30 + minute) / 60, (30 + minute) % 60);
    nested(&stamp, "2025-01-17", Some(588.0), &[(580.0, minute.into(), 1, 1), (585.0, 2, 2, 2)])
}

/// Two captures received in one instant say the same strike, so that the order of captures counts.
fn capture_of(lake: &Lake, number: u32) {
    let came = at("2025-01-15T14:30:01Z") + TimeDelta::minutes(number.into());
    let again = nested("2025-01-15T14:30:00Z", "2025-01-17", None, &[(580.0, 1000 + i64::from(number), 1, 1)]);
    received(lake, DATE, &[(came, minute(number)), (at("2025-01-15T20:59:00Z"), again)]);
}

fn raw_gets(lake: &Lake) -> Option<usize> {
    let calls = lake.server()?.calls();
    Some(calls.iter().filter(|call| call.op == "GetObject" && call.key.contains("/raw/")).count())
}

fn reset(lake: &Lake) {
    if let Some(server) = lake.server() {
        server.reset();
    }
}

fn a_day_grows_and_closes_like_one_made_at_once(lake: &Lake) {
    let mut following = Following::of(lake, "2025-01-15T14:29:00Z", 400);
    assert!(following.good_round().is_empty(), "nothing was captured yet");
    for number in 0..6 {
        capture_of(lake, number);
        following.clock.advance(TimeDelta::minutes(1));
        reset(lake);
        let written = following.good_round();
        assert_eq!(raw_gets(lake).unwrap_or(1), 1, "each capture is read once");
        let told: Vec<_> = written.iter().map(|o| (o.dataset.as_str(), o.revision, o.condition.as_str())).collect();
        let expected = ["greeks", "greeks_by_minute", "greeks_by_day"].map(|dataset| (dataset, 1, "pending"));
        assert_eq!(told, expected);
        assert_eq!(lake.strikes("SPY", DATE).len(), 2 * (number as usize + 1));
        reset(lake);
        assert!(following.good_round().is_empty(), "nothing came, nothing is written");
        assert_eq!(raw_gets(lake).unwrap_or(0), 0);
    }
    lake.is_sound();
    assert_eq!(following.follower.shelf().days(), 1);

    following.clock.set(at("2025-01-15T21:00:00Z"));
    reset(lake);
    let closed = following.good_round();
    assert_eq!(raw_gets(lake).unwrap_or(0), 0, "the close itself reads no capture");
    assert!(
        closed.iter().all(|outcome| outcome.revision == 1 && outcome.condition.as_str() == "degraded"),
        "{closed:?}"
    );
    assert_eq!(following.follower.shelf().bytes(), 0, "a day that is done is let go");

    let at_once = lake.another();
    lake.objects_under("raw/").into_iter().for_each(|(key, bytes)| at_once.plant(&key, bytes));
    at_once.compact(&[]);
    for dataset in ["greeks/", "greeks_by_minute/", "greeks_by_day/"] {
        assert!(lake.objects_under(dataset) == at_once.objects_under(dataset), "{dataset} byte for byte");
    }
    assert_eq!(lake.manifest("SPY", DATE)["change"], Value::Null);
    lake.is_sound();
}

fn a_follower_that_was_killed_starts_over(lake: &Lake) {
    capture_of(lake, 0);
    Following::of(lake, "2025-01-15T14:31:00Z", 400).good_round();
    capture_of(lake, 1);
    // So little memory that nothing stays parsed: only slower.
    let mut next = Following::of(lake, "2025-01-15T14:32:00Z", 0);
    next.good_round();
    assert_eq!((next.follower.shelf().days(), lake.strikes("SPY", DATE).len()), (0, 4));
    capture_of(lake, 2);
    next.good_round();
    assert_eq!((next.follower.shelf().days(), lake.strikes("SPY", DATE).len()), (0, 6));
    assert_eq!(lake.manifest("SPY", DATE)["revision"], 1);
}

fn one_symbols_damage_does_not_stop_the_others(lake: &Lake) {
    capture_of(lake, 0);
    lake.plant("raw/greeks/symbol=QQQ/date=2025-01-15/00ff.jsonl.zst", "no zstd");
    lake.plant("raw/greeks/symbol=NOBODY/date=2025-01-15/00ff.jsonl.zst", "of nobody known");
    let mut following = Following::of(lake, "2025-01-15T14:31:00Z", 400);
    let failed = |outcomes: &[pitlake::Result<Outcome>]| outcomes.iter().filter(|outcome| outcome.is_err()).count();
    assert_eq!(failed(&following.round()), 2);
    assert_eq!(lake.strikes("SPY", DATE).len(), 2);
    // What is damaged is not read again every minute, but told again when it is looked for.
    capture_of(lake, 1);
    following.clock.advance(TimeDelta::minutes(1));
    assert_eq!(failed(&following.round()), 0);
    assert_eq!(lake.strikes("SPY", DATE).len(), 4);
    following.clock.advance(TimeDelta::hours(1));
    assert_eq!(failed(&following.round()), 2);
    // Mended by one capture more, and by a sound one in the place of the damaged.
    let capture = lake.objects_under("raw/greeks/symbol=SPY").into_values().next().expect("a capture");
    let text = String::from_utf8(zstd::decode_all(&capture[..]).expect("zstd")).expect("text");
    let other = zstd::encode_all(text.replace("SPY", "QQQ").as_bytes(), 1).expect("zstd");
    lake.plant("raw/greeks/symbol=QQQ/date=2025-01-15/00ff.jsonl.zst", other);
    received_of(lake, "QQQ", DATE, &[(at("2025-01-15T15:40:00Z"), minute(30).replace("SPY", "QQQ"))]);
    assert_eq!(failed(&following.round()), 0);
    assert_eq!(lake.strikes("QQQ", DATE).len(), 4);
}

fn late_captures_are_found_the_older_the_later(lake: &Lake) {
    let line = |date: &str, gamma| nested(&format!("{date}T15:00:00Z"), "2025-03-21", None, &[(580.0, gamma, 0, 0)]);
    let said = |date: &str, gamma: i64, came: &str| received(lake, date, &[(at(came), line(date, gamma))]);
    said("2024-12-02", 1, "2024-12-02T15:00:01Z");
    said("2025-01-13", 2, "2025-01-13T15:00:01Z");
    let mut following = Following::of(lake, "2025-01-15T14:31:00Z", 400);
    while following.good_round().iter().any(|outcome| outcome.dataset == "greeks") {}
    let gamma = |date: &str| lake.strikes("SPY", date)[0].greeks[0];
    assert_eq!((gamma("2024-12-02"), gamma("2025-01-13")), (Some(1), Some(2)));

    said("2024-12-02", 10, "2025-01-15T14:31:30Z");
    said("2025-01-13", 20, "2025-01-15T14:31:30Z");
    following.clock.advance(TimeDelta::minutes(1));
    following.good_round();
    assert_eq!((gamma("2024-12-02"), gamma("2025-01-13")), (Some(1), Some(20)), "this week's at once");
    assert_eq!(lake.manifest("SPY", "2025-01-13")["revision"], 2);
    following.clock.advance(TimeDelta::hours(1));
    following.good_round();
    assert_eq!(gamma("2024-12-02"), Some(10), "older ones within the hour");
    lake.is_sound();
}

fn a_clock_that_is_behind_does_not_open_a_closed_day(lake: &Lake) {
    capture_of(lake, 0);
    let closed = Following::of(lake, "2025-01-15T21:00:00Z", 400).good_round();
    assert!(closed.iter().all(|outcome| outcome.revision == 1 && outcome.condition.as_str() == "degraded"));
    let mut behind = Following::of(lake, "2025-01-15T20:59:30Z", 400);
    assert!(behind.good_round().is_empty());
    // A correction is one of a closed day, whoever makes it.
    capture_of(lake, 1);
    behind.clock.advance(TimeDelta::seconds(10));
    let written = behind.good_round();
    assert_eq!(written.len(), 3);
    for outcome in written.iter().take(2) {
        assert_eq!((outcome.revision, outcome.condition.as_str()), (2, "degraded"), "{}", outcome.dataset);
    }
    lake.is_sound();
}

#[test]
fn a_store_that_is_down_only_delays() {
    let lake = Lake::in_bucket();
    let s3 = lake.server().expect("a bucket");
    let mut following = Following::of(&lake, "2025-01-15T14:31:00Z", 400);
    capture_of(&lake, 0);
    following.good_round();
    for (op, key) in
        [("ListObjectsV2", ""), ("PutObject", "greeks/"), ("PutObject", "_manifest/"), ("GetObject", "raw/")]
    {
        let number = lake.objects_under("raw/").len() as u32;
        capture_of(&lake, number);
        // Once for the try, once for the client's retry.
        s3.fail_next(op, key, Fault::InternalError, 2);
        assert!(following.round().iter().any(Result::is_err), "{op} {key}");
        following.good_round();
        assert_eq!(lake.strikes("SPY", DATE).len(), 2 * (number as usize + 1), "after {op} {key} came back");
    }
    lake.is_sound();
}

#[test]
fn a_round_costs_the_same_on_an_old_lake() {
    let requests = |old_days: u32| {
        let lake = Lake::in_bucket();
        for day in 0..old_days {
            let date = format!("2024-12-{:02}", 2 + day);
            let line = nested(&format!("{date}T15:00:00Z"), "2025-03-21", None, &[(580.0, 1, 1, 1)]);
            received(&lake, &date, &[(at("2024-12-20T15:00:00Z"), line)]);
        }
        capture_of(&lake, 0);
        let mut following = Following::of(&lake, "2025-01-15T14:31:00Z", 400);
        while !following.good_round().is_empty() {}
        reset(&lake);
        following.good_round();
        let idle = lake.server().expect("a bucket").requests();
        capture_of(&lake, 1);
        reset(&lake);
        following.good_round();
        (idle, lake.server().expect("a bucket").requests())
    };
    let (young, old) = (requests(1), requests(4));
    assert_eq!(young, old);
    assert!(young.0 <= 4, "{young:?}");
}

fn the_command_follows_until_it_is_told_to_stop(lake: &Lake) {
    // A Thursday so far ahead that its session has not closed whenever this runs.
    let said = |minute: i64| {
        let line = nested(&format!("2099-01-15T15:{minute:02}:00Z"), "2099-01-16", None, &[(580.0, minute, 0, 0)]);
        lake.ingest_lines(&[line]);
    };
    said(0);
    let mut child = lake.command(&["compact", "--follow", "--every", "1", "--json"]).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut rows = || loop {
        let line = lines.next().expect("goes on").expect("a line");
        let partition: Value = serde_json::from_str(&line).expect("JSON");
        if partition["dataset"] == "greeks" {
            assert_eq!((&partition["action"], &partition["condition"]), (&json!("written"), &json!("pending")));
            return partition["rows"].as_u64().expect("a count");
        }
    };
    assert_eq!(rows(), 1);
    said(1);
    assert_eq!(rows(), 2);
    let told = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status();
    assert!(told.expect("a shell").success());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    lake.is_sound();
}

#[test]
fn it_stops_when_told_and_not_before() {
    let lake = Lake::in_folder();
    capture_of(&lake, 0);
    let following = Following::of(&lake, "2025-01-15T14:31:00Z", 400);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut stop = Some(stop);
    let every = std::time::Duration::from_millis(1);
    let ended = block_on(follow(vec![following.follower], every, async { drop(stopped.await) }, |outcome| {
        assert!(outcome.is_ok());
        if let Some(stop) = stop.take() {
            assert!(stop.send(()).is_ok());
        }
        Ok(())
    }));
    assert!(ended.is_ok());
    assert_eq!(lake.strikes("SPY", DATE).len(), 2);
}
