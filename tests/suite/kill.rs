//! Killed at any instant: after the same command is run again everything is there exactly once, `verify` is clean, and no
//! half-written file is taken for data. On disk the instants are drawn from a seed over the measured run time; on S3 they are
//! exact, one before the first request, one before the second, and so on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use pitlake::greeks::generate::Settings;
use pitlake::lake::layout::Key;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::pitlake_binary::{Lake, Ran, batches, generated, strike_rows};
use crate::server::Server;

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
fn instants(seed: u64, points: u32, run: Duration) -> Vec<Duration> {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..points).map(|at| run.mul_f64((f64::from(at) + random.random::<f64>()) / f64::from(points) * 1.1)).collect()
}

#[test]
fn ingest_killed_on_disk() {
    let whole = Lake::in_folder();
    let input = whole.file("days.jsonl", days());
    let command = ["ingest", "greeks", "--json", &input];
    let run = measured(&whole, &command);
    let mut cut_short = 0;
    for delay in instants(1, POINTS, run) {
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

/// One and the same trading dates of two symbols, and the same again half a minute later with a dollar more gamma in each row.
struct Generations {
    /// Captures of the first, partitions and records made from them, captures of both.
    captures: Objects,
    first: Objects,
    both: Objects,
    /// Partitions made from one and from both in peace.
    in_peace: [Objects; 2],
    /// The sum of gamma of a day after each.
    gamma: BTreeMap<(&'static str, &'static str), [i64; 2]>,
    run: Duration,
}

type Objects = BTreeMap<String, Bytes>;

const SYMBOLS: [&str; 2] = ["SPY", "QQQ"];
const LOAD_ROWS: i64 = 4 * 60 * 60;

impl Generations {
    fn make() -> Self {
        let lake = Lake::in_folder();
        let mut gamma = BTreeMap::new();
        let mut texts = [String::new(), String::new()];
        for symbol in SYMBOLS {
            for date in &DAYS[..2] {
                let day = Settings {
                    expirations: 4,
                    strikes: 60,
                    minutes: Some(60),
                    ..Settings::full_day(symbol, date.parse().expect("a date"))
                };
                let first = String::from_utf8(generated(&day).0).expect("UTF-8");
                let (second, sum) = a_dollar_more(&first);
                gamma.insert((symbol, *date), [sum, sum + LOAD_ROWS]);
                texts[0] += &first;
                texts[1] += &second;
            }
        }
        lake.ingest(&lake.file("first.jsonl", &texts[0]));
        let captures = lake.objects();
        let run = measured(&lake, &["compact"]);
        let first = lake.objects();
        lake.ingest(&lake.file("second.jsonl", &texts[1]));
        let both = lake.objects();
        lake.compact(&[]);
        let days = |objects: &Objects| -> Objects {
            let days = objects.iter().filter(|(key, _)| key.starts_with("greeks") && key.contains("/date="));
            days.map(|(key, bytes)| (key.clone(), bytes.clone())).collect()
        };
        let in_peace = [days(&first), days(&lake.objects())];
        Self { captures, first, both, in_peace, gamma, run }
    }

    /// Asks the server and looks into the files: one generation, whole, and never an older one than before.
    fn whole(&self, lake: &Lake, server: &Server, seen: &mut BTreeMap<String, usize>) {
        for ((symbol, date), sums) in &self.gamma {
            let mut of = |what: String, rows: i64, gamma: i64| {
                assert_eq!(rows, LOAD_ROWS, "{what} is not whole");
                let generation = sums.iter().position(|sum| *sum == gamma);
                let generation = generation.unwrap_or_else(|| panic!("{what} mixes: {gamma} is none of {sums:?}"));
                let last = seen.entry(what.clone()).or_default();
                assert!(generation >= *last, "{what} went back");
                *last = generation;
                generation
            };
            let path = format!("/api/v1/greeks/{symbol}/{date}/aggregate?greeks=gamma");
            let answer = server.get(&path);
            if answer.status == 200 {
                let revision = answer.json()["revision"].as_u64().expect("a revision");
                let data = answer.data();
                let sum = |name: &str| data.iter().map(|row| row[name].as_i64().expect("a number")).sum();
                assert_eq!(of(path, sum("strikes"), sum("gamma_exposure")) as u64 + 1, revision);
            } else {
                assert!([404, 503].contains(&answer.status), "{path}: {}", answer.text());
            }
            let key = format!("greeks/symbol={symbol}/date={date}/part-0.parquet");
            if let Some(file) = lake.look(&key) {
                let rows: Vec<_> = batches(file).iter().flat_map(strike_rows).collect();
                of(key, rows.len() as i64, rows.iter().filter_map(|row| row.greeks[0]).sum());
            }
        }
    }

    /// Two readers ask while `compactors` run and one of them is killed after `delay`. Whether that one had ended by itself.
    fn killed(&self, lake: &Lake, compactors: usize, delay: Duration) -> bool {
        let server = Server::over(lake);
        let mut seen = BTreeMap::new();
        let done = AtomicBool::new(false);
        let ended = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    self.whole(lake, &server, &mut seen);
                }
            });
            let command = ["compact", "--memory", "64"];
            let others: Vec<_> =
                (1..compactors).map(|_| lake.command(&command).spawn().expect("the program starts")).collect();
            let ended = killed_after(lake, &command, delay);
            for other in others {
                Ran::of(other).ends(0);
            }
            done.store(true, Ordering::Relaxed);
            ended
        });
        // Who comes now finds what the kill left.
        self.whole(lake, &Server::over(lake), &mut seen);
        ended
    }

    /// Compacted once more it is the lake that was made in peace.
    fn is_as_in_peace(&self, lake: &Lake, generation: usize) {
        only_objects_of_a_lake(lake);
        lake.compact(&[]);
        lake.is_sound();
        for (key, bytes) in &self.in_peace[generation] {
            assert!(lake.get(key) == *bytes, "{key}: as if nothing had happened");
        }
        for symbol in SYMBOLS {
            for date in &DAYS[..2] {
                assert_eq!(lake.manifest(symbol, date)["revision"], generation + 1, "{symbol} {date}");
            }
        }
        assert!(lake.compact(&[]).iter().all(|outcome| outcome["action"] == "unchanged"));
    }

    /// A lake before its first compaction, or before its second.
    fn before(&self, generation: usize) -> Lake {
        let lake = Lake::in_folder();
        let objects = [&self.captures, &self.both][generation];
        objects.iter().for_each(|(key, bytes)| lake.plant(key, bytes.clone()));
        assert!(generation == 0 || self.first.keys().all(|key| objects.contains_key(key)));
        lake
    }
}

/// The lines half a minute later with a dollar more gamma in each row; and the sum of gamma before that.
fn a_dollar_more(lines: &str) -> (String, i64) {
    let mut sum = 0;
    let mut more = String::new();
    for line in lines.lines() {
        let mut document: Value = serde_json::from_str(line).expect("JSON");
        let later = document["timestamp"].as_str().expect("text").replace(":00-05:00", ":30-05:00");
        document["timestamp"] = later.into();
        for strike in document["strikes"].as_array_mut().expect("strikes") {
            let gamma = strike["gamma"].as_i64().expect("whole dollars");
            sum += gamma;
            strike["gamma"] = (gamma + 1).into();
        }
        more += &format!("{document}\n");
    }
    (more, sum)
}

/// Kills at so many instants, in turn before the first and before the second revision.
fn compaction_killed(seed: u64, compactors: usize, points: u32) {
    let generations = Generations::make();
    let run = generations.run * u32::try_from(compactors).expect("few");
    let mut cut_short = 0;
    for (at, delay) in instants(seed, points, run).into_iter().enumerate() {
        let generation = at % 2;
        let lake = generations.before(generation);
        cut_short += u32::from(!generations.killed(&lake, compactors, delay));
        generations.is_as_in_peace(&lake, generation);
    }
    println!("{cut_short} of {points} runs of {run:?} were cut short");
    assert!(cut_short >= points / 3, "only {cut_short} of {points} runs were cut short");
}

#[test]
fn compaction_killed_on_disk() {
    compaction_killed(2, 1, 30);
}

#[test]
fn one_of_two_compactors_killed_on_disk() {
    compaction_killed(3, 2, 20);
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
