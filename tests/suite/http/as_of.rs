//! `as_of`: a day as it was known at an instant. What was known is worked out from the lines and the times they were received,
//! by hand or by the rule of the contract applied to a map; never by pitlake.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::pitlake_binary::{Lake, days, nested, on_every_store};
use crate::received::{at, received};
use crate::server::{Reply, Server};

on_every_store!(
    before_between_and_after_two_corrections,
    every_format_says_it_is_of_the_past,
    lines_of_one_capture_are_told_apart,
    any_instant_of_any_lines,
    what_is_known_now_shares_the_present_partition,
    an_instant_that_cannot_be_answered_is_refused,
    a_capture_that_is_gone_is_never_left_out,
);

const DATE: &str = "2025-01-15";
const EXPIRES: &str = "2025-01-17";
const DAY: &str = "/api/v1/greeks/SPY/2025-01-15";

fn said(second: u32, strikes: &[(f64, i64)]) -> String {
    let strikes: Vec<_> = strikes.iter().map(|(strike, gamma)| (*strike, *gamma, 0, 0)).collect();
    nested(&format!("2025-01-15T15:00:{second:02}Z"), EXPIRES, Some(588.0), &strikes)
}

/// (strike, gamma) of an answer.
fn gammas(reply: Reply) -> Vec<(f64, i64)> {
    let row =
        |row: &Value| (row["strike"].as_f64().expect("a strike"), row["gamma_exposure"].as_i64().expect("a gamma"));
    reply.data().iter().map(row).collect()
}

fn as_of(instant: &str) -> String {
    format!("{DAY}?as_of={instant}")
}

/// A day said while it was open, corrected while it was open, and corrected two days later.
fn corrected_twice(lake: &Lake) {
    received(lake, DATE, &[(at("2025-01-15T15:00:02Z"), said(0, &[(580.0, 100), (585.0, 7)]))]);
    lake.compact(&[]);
    received(lake, DATE, &[(at("2025-01-15T20:00:00Z"), said(30, &[(580.0, 200)]))]);
    lake.compact(&[]);
    last_correction(lake);
}

fn last_correction(lake: &Lake) {
    received(lake, DATE, &[(at("2025-01-17T12:00:00Z"), said(30, &[(580.0, 300), (590.0, 9)]))]);
    lake.compact(&[]);
}

fn before_between_and_after_two_corrections(lake: &Lake) {
    corrected_twice(lake);
    let server = Server::over(lake);
    let before = server.get(&as_of("2025-01-15T15:00:01.999999Z"));
    let problem = before.problem(404, "missing-day");
    assert_eq!(problem["first_received_at"], "2025-01-15T15:00:02Z");
    assert!(problem["detail"].as_str().expect("a text").contains("2025-01-15T15:00:02Z"));

    let first = vec![(580.0, 100), (585.0, 7)];
    let second = vec![(580.0, 200), (585.0, 7)];
    let third = vec![(580.0, 300), (585.0, 7), (590.0, 9)];
    // The session closes at 21:00 UTC. Most of its minutes were never said.
    for (instant, expected, condition) in [
        ("2025-01-15T15:00:02Z", &first, "pending"),
        ("2025-01-15T19:59:59.999999Z", &first, "pending"),
        ("2025-01-15T20:00:00Z", &second, "pending"),
        ("2025-01-15T20:59:59Z", &second, "pending"),
        ("2025-01-15T21:00:00Z", &second, "degraded"),
        ("2025-01-17T11:59:59Z", &second, "degraded"),
        ("2025-01-17T12:00:00Z", &third, "degraded"),
        ("2025-03-01T00:00:00Z", &third, "degraded"),
    ] {
        let reply = server.get(&as_of(instant)).ok();
        let answer = reply.json();
        assert_eq!((&answer["revision"], &answer["condition"]), (&Value::Null, &json!(condition)), "{instant}");
        assert_eq!((&answer["as_of"], &answer["calculation_version"]), (&json!(instant), &json!("greeks-1")));
        assert_eq!(reply.header("pitlake-condition"), condition);
        assert_eq!((reply.header("pitlake-as-of"), reply.header("pitlake-revision")), (instant, ""));
        assert!(!reply.header("pitlake-compacted-at").is_empty());
        assert_eq!(gammas(reply), *expected, "{instant}");
        // Sums over the strikes, made from minute sums, and by DuckDB over the strike level.
        let sum: i64 = expected.iter().map(|(_, gamma)| gamma).sum();
        for (query, rows) in [("", 1), ("&by=expiration", 1), ("&by=strike", expected.len()), ("&strike_min=1", 1)] {
            let answer = server.get(&format!("{DAY}/aggregate?as_of={instant}{query}")).ok().json();
            assert_eq!((&answer["revision"], &answer["as_of"]), (&Value::Null, &json!(instant)));
            let data = answer["data"].as_array().expect("a list");
            let total: i64 = data.iter().map(|row| row["gamma_exposure"].as_i64().expect("a sum")).sum();
            assert_eq!((data.len(), total), (rows, sum), "{instant} {query}");
        }
        // The filters of the day.
        let one = server.get(&format!("{}&strike=585", as_of(instant)));
        assert_eq!(gammas(one), [(585.0, 7)]);
    }
    // The same instant in another zone is the same answer.
    let there = server.get(&as_of("2025-01-15T15:30:00-05:00")).ok();
    assert_eq!(there.json()["as_of"], "2025-01-15T20:30:00Z");
    assert_eq!(gammas(there), second);
    if let Some(s3) = lake.server() {
        s3.reset();
        server.get(&as_of("2025-01-15T20:10:00Z")).ok();
        Server::over(lake).get(&as_of("2025-01-15T20:10:00Z")).ok();
        assert_eq!(s3.calls().into_iter().filter(|call| call.op.starts_with("List")).collect::<Vec<_>>(), []);
    }
}

fn every_format_says_it_is_of_the_past(lake: &Lake) {
    corrected_twice(lake);
    let server = Server::over(lake);
    let path = as_of("2025-01-15T20:30:00Z");
    for format in ["json", "ndjson", "csv", "arrow", "parquet"] {
        let reply = server.get(&format!("{path}&format={format}")).ok();
        assert_eq!(reply.header("pitlake-as-of"), "2025-01-15T20:30:00Z", "{format}");
        assert_eq!((reply.header("pitlake-condition"), reply.header("pitlake-revision")), ("pending", ""));
        let tag = reply.header("etag").to_owned();
        let known = server.get_with(&format!("{path}&format={format}"), &[("if-none-match", &tag)]);
        assert_eq!((known.status, known.header("pitlake-as-of")), (304, "2025-01-15T20:30:00Z"));
        let other =
            server.get_with(&format!("{}&format={format}", as_of("2025-01-15T19:00:00Z")), &[("if-none-match", &tag)]);
        assert_eq!(other.status, 200, "another instant is another answer");
    }
    let csv = server.get(&format!("{path}&format=csv"));
    let lines: Vec<&str> = csv.text().lines().collect();
    assert_eq!(
        lines[1..],
        ["2025-01-15T15:00:00Z,2025-01-17,580.0,200,0,0", "2025-01-15T15:00:00Z,2025-01-17,585.0,7,0,0"]
    );
    let parquet = server.get(&format!("{path}&format=parquet"));
    let batches = crate::pitlake_binary::batches(parquet.body);
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 2);
}

fn lines_of_one_capture_are_told_apart(lake: &Lake) {
    // One source wrote an hour into one capture, not quite in order of receipt.
    received(
        lake,
        DATE,
        &[
            (at("2025-01-15T15:00:10.000001Z"), said(10, &[(580.0, 1)])),
            (at("2025-01-15T15:30:00Z"), said(20, &[(580.0, 2)])),
            (at("2025-01-15T15:15:00Z"), said(15, &[(580.0, 3), (585.0, 4)])),
            (at("2025-01-15T16:00:00Z"), said(5, &[(590.0, 5)])),
        ],
    );
    lake.compact(&[]);
    let server = Server::over(lake);
    for (instant, expected) in [
        ("2025-01-15T15:00:10.000001Z", vec![(580.0, 1)]),
        ("2025-01-15T15:14:59Z", vec![(580.0, 1)]),
        ("2025-01-15T15:15:00Z", vec![(580.0, 3), (585.0, 4)]),
        ("2025-01-15T15:30:00Z", vec![(580.0, 2), (585.0, 4)]),
        ("2025-01-15T16:00:00Z", vec![(580.0, 2), (585.0, 4), (590.0, 5)]),
    ] {
        assert_eq!(gammas(server.get(&as_of(instant))), expected, "{instant}");
    }
    server.get(&as_of("2025-01-15T15:00:10Z")).problem(404, "missing-day");
    if let Some(s3) = lake.server() {
        // Between the same two receipts nothing is read or made again.
        s3.reset();
        server.get(&as_of("2025-01-15T15:14:00Z")).ok();
        server.get(&as_of("2025-01-15T15:13:00Z")).ok();
        assert_eq!(s3.calls().iter().filter(|call| call.key.contains("/raw/")).count(), 0);
    }
}

/// One line: received, source time, expiration, strike, gamma.
type Line = (DateTime<Utc>, DateTime<Utc>, &'static str, f64, i64);

/// By the contract: the latest source time of a minute wins, then the one received last. No two lines here are received at once.
fn known(lines: &[Line], instant: DateTime<Utc>) -> Vec<Value> {
    let mut rows: BTreeMap<(i32, i64, i64), &Line> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.0 <= instant) {
        let minute = line.1.timestamp().div_euclid(60);
        let best = rows.entry((days(line.2), (line.3 * 10.0) as i64, minute)).or_insert(line);
        if (line.1, line.0) > (best.1, best.0) {
            *best = line;
        }
    }
    rows.iter()
        .map(|((_, _, minute), line)| {
            let stamp = DateTime::from_timestamp(minute * 60, 0).expect("an instant");
            json!({"timestamp": stamp.format("%Y-%m-%dT%H:%M:%SZ").to_string(), "expiration": line.2, "strike": line.3,
                "gamma_exposure": line.4, "vanna_exposure": 0, "charm_exposure": 0})
        })
        .collect()
}

fn any_instant_of_any_lines(lake: &Lake) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = move |below: i64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as i64 % below
    };
    let start = at("2025-01-15T14:30:00Z");
    let mut lines: Vec<Line> = Vec::new();
    let mut capture = |lake: &Lake, lines: &mut Vec<Line>, from: i64, documents: i64| {
        let mut said = Vec::new();
        for _ in 0..documents {
            let number = lines.len() as i64;
            // Every line at a microsecond of its own, in no order within its capture.
            let came = start + TimeDelta::seconds(from + draw(5 * 3600)) + TimeDelta::microseconds(number);
            let source = start + TimeDelta::seconds(draw(240));
            let expiration = ["2025-01-17", "2025-01-24"][draw(2) as usize];
            let line = (came, source, expiration, 580.0 + draw(4) as f64 * 2.5, number + 1);
            let stamp = source.format("%Y-%m-%dT%H:%M:%SZ").to_string();
            said.push((came, nested(&stamp, expiration, None, &[(line.3, line.4, 0, 0)])));
            lines.push(line);
        }
        received(lake, DATE, &said);
    };
    for number in 0..6 {
        capture(lake, &mut lines, number * 3600, 40);
    }
    lake.compact(&[]);
    let received_first = lines.iter().map(|line| line.0).min().expect("lines");
    let instants: Vec<DateTime<Utc>> = (0..40)
        .map(|number| lines[(number * 7919) % lines.len()].0 + TimeDelta::microseconds(number as i64 % 3 - 1))
        .filter(|instant| *instant >= received_first)
        .collect();
    let ask = |server: &Server, instant: DateTime<Utc>| {
        server.get(&as_of(&instant.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())).ok()
    };
    let server = Server::over(lake);
    let mut answers = Vec::new();
    for instant in &instants {
        let reply = ask(&server, *instant);
        answers.push(reply.body.clone());
        assert_eq!(reply.data(), known(&lines, *instant), "{instant}");
    }
    assert!(answers.len() > 30);

    // Five years of corrections later.
    for number in 0..3 {
        capture(lake, &mut lines, 86_400 * (600 + number), 40);
        lake.compact(&[]);
    }
    for server in [server, Server::over(lake)] {
        for (instant, before) in instants.iter().zip(&answers) {
            assert!(ask(&server, *instant).body == *before, "{instant}: byte for byte what it was");
        }
    }
}

fn what_is_known_now_shares_the_present_partition(lake: &Lake) {
    corrected_twice(lake);
    let server = Server::over(lake);
    let present = server.get(&format!("{DAY}?format=parquet")).ok();
    if let Some(s3) = lake.server() {
        s3.reset();
    }
    let past = server.get(&format!("{}&format=parquet", as_of("2025-02-01T00:00:00Z"))).ok();
    assert!(past.body == present.body, "the very file");
    if let Some(s3) = lake.server() {
        assert_eq!(s3.calls().iter().filter(|call| call.key.contains("/raw/")).count(), 0, "nothing is derived");
    }
    // And when that partition is the present one no more, its captures give it again.
    received(lake, DATE, &[(at("2025-06-01T12:00:00Z"), said(40, &[(580.0, 400)]))]);
    lake.compact(&[]);
    let later = Server::over(lake).get(&format!("{}&format=parquet", as_of("2025-02-01T00:00:00Z"))).ok();
    assert!(later.body == present.body, "byte for byte");
}

fn an_instant_that_cannot_be_answered_is_refused(lake: &Lake) {
    corrected_twice(lake);
    let server = Server::over(lake);
    for value in
        ["2098-01-01T00:00:00Z", "yesterday", "2025-01-15", "2025-01-15T15:00:00", "2025-01-15T15:00:00+05:00", ""]
    {
        for path in [DAY.to_owned(), format!("{DAY}/aggregate")] {
            let problem = server.get(&format!("{path}?as_of={value}")).problem(400, "invalid-parameter");
            assert_eq!(problem["parameter"], "as_of", "{value}");
        }
    }
    server.get("/api/v1/greeks/SPY/latest?as_of=2025-02-01T00:00:00Z").problem(400, "unknown-parameter");
    server.get("/api/v1/greeks/SPY/2025-01-18?as_of=2025-02-01T00:00:00Z").problem(404, "closed-day");
    server.get("/api/v1/greeks/SPY/2025-01-16?as_of=2025-02-01T00:00:00Z").problem(404, "missing-day");
    server.get("/api/v1/greeks/WHO/2025-01-16?as_of=2025-02-01T00:00:00Z").problem(404, "unknown-symbol");
}

fn a_capture_that_is_gone_is_never_left_out(lake: &Lake) {
    corrected_twice(lake);
    let captures = lake.objects_under("raw/");
    for key in captures.keys() {
        lake.plant(key, "damaged");
    }
    let server = Server::over(lake);
    server.get(&as_of("2025-01-15T20:30:00Z")).problem(500, "corrupt");
    for (key, bytes) in captures {
        lake.plant(&key, bytes);
    }
    assert_eq!(gammas(server.get(&as_of("2025-01-15T20:30:00Z"))), [(580.0, 200), (585.0, 7)]);
}

#[test]
fn asking_for_many_pasts_at_once_exhausts_nobody() {
    let lake = Lake::in_bucket();
    let lines: Vec<_> = (0..40)
        .map(|second| {
            (at("2025-01-15T15:00:00Z") + TimeDelta::seconds(second), said(second as u32, &[(580.0, second)]))
        })
        .collect();
    received(&lake, DATE, &lines);
    lake.compact(&[]);
    let server = Server::over(&lake);
    let ask = |second: i64| server.get(&as_of(&format!("2025-01-15T15:00:{second:02}Z")));
    assert_eq!(gammas(ask(0)), [(580.0, 0)]);
    let s3 = lake.server().expect("a bucket");
    s3.set_latency(std::time::Duration::from_millis(500));
    let refused: usize = std::thread::scope(|scope| {
        let asked: Vec<_> = (1..40).map(|second| (second, scope.spawn(move || ask(second)))).collect();
        asked
            .into_iter()
            .map(|(second, reply)| {
                let reply = reply.join().expect("an answer");
                if reply.status == 200 {
                    assert_eq!(gammas(reply), [(580.0, second)]);
                    return 0;
                }
                reply.problem(503, "overloaded");
                assert!(!reply.header("retry-after").is_empty());
                1
            })
            .sum()
    });
    assert!((1..39).contains(&refused), "{refused} of 39 were told to come back");
    s3.set_latency(std::time::Duration::ZERO);
    for second in 1..40 {
        assert_eq!(gammas(ask(second)), [(580.0, second)]);
    }
}

#[test]
fn many_who_ask_for_one_past_wait_for_one_derivation() {
    let lake = Lake::in_bucket();
    corrected_twice(&lake);
    let server = Server::over(&lake);
    let s3 = lake.server().expect("a bucket");
    server.get(DAY).ok();
    s3.reset();
    s3.set_latency(std::time::Duration::from_millis(200));
    std::thread::scope(|scope| {
        for _ in 0..24 {
            let server = &server;
            scope.spawn(move || {
                assert_eq!(gammas(server.get(&as_of("2025-01-15T20:30:00Z"))), [(580.0, 200), (585.0, 7)])
            });
        }
    });
    let read = s3.calls().iter().filter(|call| call.op == "GetObject" && call.key.contains("/raw/")).count();
    assert_eq!(read, 2, "the two captures that had been received by then, once each");
}
