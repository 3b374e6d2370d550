//! A day as it grows, by a clock that the test moves: published by the minute, corrected, closed, and followed by the next one.
//! The server runs in this process, on a port, over a lake in a folder and one in a bucket.

use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pitlake::greeks::compact::Greeks;
use pitlake::greeks::ingest::ingest;
use pitlake::greeks::live::LiveOptions;
use pitlake::lake::compact::{CompactOptions, Compactor, Selection};
use pitlake::lake::store::{Store, StoreOptions};
use pitlake::market::{Clock, FixedClock, Instruments, SharedClock};
use pitlake::server::{Server, ServerOptions, bind};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::events::{Event, Stream};
use crate::s3_server::{Faults, S3Server};

struct Today {
    runtime: Runtime,
    store: Store,
    clock: Arc<FixedClock>,
    url: String,
    s3: Option<S3Server>,
    _folders: [tempfile::TempDir; 2],
}

impl Today {
    fn at(now: &str, s3: Option<S3Server>, live: LiveOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
        let (root, options) = match &s3 {
            Some(server) => ("s3://lake".to_owned(), StoreOptions { retries: Some(0), ..server.options() }),
            None => (folders[0].path().display().to_string(), StoreOptions::default()),
        };
        let clock = Arc::new(FixedClock::new(instant(now)));
        let shared: SharedClock = clock.clone();
        let options_of_server = ServerOptions {
            cache_folder: folders[1].path().to_owned(),
            cache_bytes: 64 << 20,
            memory_bytes: 16 << 20,
            engine_bytes: 64 << 20,
            cores: 2,
            max_requests: 16,
            live,
        };
        let (store, url) = runtime.block_on(async {
            let store = Store::open(&root, &options).await.expect("a store");
            let server = Server::new(store.clone(), shared, options_of_server).await.expect("a server");
            let listener = bind("127.0.0.1:0").await.expect("a port");
            let url = format!("http://{}", listener.local_addr().expect("an address"));
            tokio::spawn(server.run(listener, None, std::future::pending()));
            (store, url)
        });
        Self { runtime, store, clock, url, s3, _folders: folders }
    }

    /// Documents for SPY, one strike each, published at once: (timestamp, expiration, strike, gamma).
    fn publish(&self, said: &[(&str, &str, f64, i64)]) {
        let lines: String = said
            .iter()
            .map(|(at, expiration, strike, gamma)| {
                let strikes = json!([{"strike": strike, "gamma": gamma, "vanna": 2, "charm": null}]);
                let document = json!({"timestamp": at, "symbol": "SPY", "expiration": expiration, "spot": 588.5, "strikes": strikes});
                format!("{document}\n")
            })
            .collect();
        let clock: Arc<dyn Clock> = self.clock.clone();
        self.runtime.block_on(async {
            let input: Box<dyn Read + Send> = Box::new(Cursor::new(lines.into_bytes()));
            let instruments = Instruments::builtin();
            let counts = ingest(input, instruments, clock, &self.store, Box::new(|_| {})).await.expect("captures");
            assert_eq!((counts.documents, counts.refused), (said.len() as u64, 0));
        });
        self.compact();
    }

    /// Compacts, and lets the time pass after which a reader looks again.
    fn compact(&self) {
        let options = CompactOptions { memory_bytes: 64 << 20 };
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let compactor = Compactor::new(Arc::new(Greeks), store, Instruments::builtin(), clock, options);
        self.runtime.block_on(async {
            let days = compactor.plan(&Selection::default()).await.expect("a plan");
            for outcome in compactor.run(&days, &|_| {}).await {
                outcome.expect("compacted");
            }
        });
        self.clock.advance(TimeDelta::seconds(40));
    }

    fn set(&self, now: &str) {
        self.clock.set(instant(now));
    }

    fn listen(&self, query: &str, id: Option<&str>) -> Stream {
        Stream::open(&format!("{}/api/v1/greeks/SPY/live{query}", self.url), id)
    }
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// Looks often, so that nobody waits; what it finds is decided by the test's clock.
fn quick() -> LiveOptions {
    let poll = Duration::from_millis(10);
    LiveOptions { poll, poll_closed: poll, ..LiveOptions::default() }
}

fn gammas(event: &Event) -> Vec<i64> {
    let rows = event.data["rows"].as_array().expect("rows");
    rows.iter().map(|row| row["gamma_exposure"].as_i64().expect("a number")).collect()
}

#[track_caller]
fn is(event: &Event, name: &str, timestamp: &str, expected: &[i64]) {
    let id = (name == "minute").then_some(timestamp);
    assert_eq!((event.name.as_str(), event.id.as_deref()), (name, id), "{event:?}");
    assert_eq!((event.text("timestamp"), gammas(event)), (timestamp, expected.to_vec()), "{event:?}");
}

fn in_each_store(test: impl Fn(Option<S3Server>)) {
    test(None);
    test(Some(S3Server::start(&["lake"])));
}

const NEAR: &str = "2025-01-17";
const FAR: &str = "2025-01-24";

#[test]
fn a_day_grows_is_corrected_and_closes_and_the_next_one_follows() {
    in_each_store(|s3| {
        let today = Today::at("2025-01-15T15:00:30Z", s3, quick());
        today.publish(&[("2025-01-15T15:00:05Z", NEAR, 588.0, 10)]);
        let (sums, near, rows) = (
            today.listen("", None),
            today.listen("?expiration=2025-01-17", None),
            today.listen("?by=row&greeks=gamma", None),
        );
        for stream in [&sums, &near, &rows] {
            let first = stream.next();
            is(&first, "minute", "2025-01-15T15:00:00Z", &[10]);
            assert_eq!((first.text("condition"), first.data["revision"].as_u64()), ("pending", Some(1)));
            assert_eq!(first.data["partial"], true, "received before the minute was over");
        }

        // The rest of the minute, and the next one.
        today.set("2025-01-15T15:02:30Z");
        today.publish(&[
            ("2025-01-15T15:00:40Z", FAR, 590.0, 5),
            ("2025-01-15T15:01:05Z", NEAR, 588.0, 20),
            ("2025-01-15T15:01:06Z", FAR, 590.0, 7),
        ]);
        let corrected = sums.next();
        is(&corrected, "correction", "2025-01-15T15:00:00Z", &[15]);
        assert_eq!(corrected.data["partial"], false);
        is(&sums.next(), "minute", "2025-01-15T15:01:00Z", &[27]);
        is(&near.next(), "minute", "2025-01-15T15:01:00Z", &[20]);
        is(&rows.next(), "correction", "2025-01-15T15:00:00Z", &[10, 5]);
        is(&rows.next(), "minute", "2025-01-15T15:01:00Z", &[20, 7]);

        // Two strikes change so that no sum does: only who sees strikes is told.
        today.set("2025-01-15T15:04:30Z");
        today.publish(&[
            ("2025-01-15T15:01:50Z", NEAR, 588.0, 19),
            ("2025-01-15T15:01:50Z", FAR, 590.0, 8),
            ("2025-01-15T15:03:00Z", NEAR, 588.0, 30),
        ]);
        is(&sums.next(), "minute", "2025-01-15T15:03:00Z", &[30]);
        is(&near.next(), "correction", "2025-01-15T15:01:00Z", &[19]);
        is(&near.next(), "minute", "2025-01-15T15:03:00Z", &[30]);
        is(&rows.next(), "correction", "2025-01-15T15:01:00Z", &[19, 8]);
        is(&rows.next(), "minute", "2025-01-15T15:03:00Z", &[30]);

        // A minute that was passed over comes late.
        today.set("2025-01-15T15:05:30Z");
        today.publish(&[("2025-01-15T15:02:00Z", NEAR, 588.0, 25)]);
        is(&sums.next(), "correction", "2025-01-15T15:02:00Z", &[25]);
        // A filter that no row of a minute meets: the minute is told all the same.
        let nothing = today.listen("?strike=1000", None).next();
        is(&nothing, "minute", "2025-01-15T15:03:00Z", &[]);

        today.set("2025-01-15T21:30:00Z");
        today.compact();
        let closed = sums.next();
        assert_eq!((closed.name.as_str(), closed.id.as_deref()), ("closed", None));
        assert_eq!((closed.text("date"), closed.text("condition")), ("2025-01-15", "degraded"));

        today.set("2025-01-16T14:31:10Z");
        today.publish(&[("2025-01-16T14:31:00Z", NEAR, 588.0, 41)]);
        let next = sums.next();
        is(&next, "minute", "2025-01-16T14:31:00Z", &[41]);
        assert_eq!((next.text("date"), next.text("condition")), ("2025-01-16", "pending"));

        // Who comes back gets the rest of the day before and all of this one.
        let back = today.listen("", Some("2025-01-15T15:02:00Z"));
        assert_eq!(back.next().name, "resumed");
        is(&back.next(), "minute", "2025-01-15T15:03:00Z", &[30]);
        assert_eq!(back.next().name, "closed");
        is(&back.next(), "minute", "2025-01-16T14:31:00Z", &[41]);
    });
}

#[test]
fn a_correction_after_the_close_is_told_with_its_revision() {
    let today = Today::at("2025-01-15T21:30:00Z", None, quick());
    today.publish(&[("2025-01-15T15:00:05Z", NEAR, 588.0, 10), ("2025-01-15T15:01:05Z", NEAR, 588.0, 20)]);
    let (new, back) = (today.listen("", None), today.listen("", Some("2025-01-15T15:00:00Z")));
    assert_eq!(back.next().name, "resumed");
    for stream in [&new, &back] {
        is(&stream.next(), "minute", "2025-01-15T15:01:00Z", &[20]);
        assert_eq!(stream.next().data["revision"], 1);
    }
    today.publish(&[("2025-01-15T15:00:30Z", NEAR, 588.0, 11), ("2025-01-15T15:01:30Z", NEAR, 588.0, 21)]);
    // A client that came back holds the minutes before; a new one never had them.
    is(&back.next(), "correction", "2025-01-15T15:00:00Z", &[11]);
    for stream in [&new, &back] {
        is(&stream.next(), "correction", "2025-01-15T15:01:00Z", &[21]);
        let closed = stream.next();
        assert_eq!((closed.name.as_str(), closed.data["revision"].as_u64()), ("closed", Some(2)));
    }
}

#[test]
fn a_store_that_cannot_be_read_is_told_and_so_is_its_return() {
    let today = Today::at("2025-01-15T15:00:30Z", Some(S3Server::start(&["lake"])), quick());
    today.publish(&[("2025-01-15T15:00:05Z", NEAR, 588.0, 10)]);
    let stream = today.listen("", None);
    is(&stream.next(), "minute", "2025-01-15T15:00:00Z", &[10]);
    let s3 = today.s3.as_ref().expect("a bucket");
    s3.set_faults(Some(Faults { refused: 1.0, ..Faults::default() }));
    today.clock.advance(TimeDelta::seconds(3));
    let stalled = stream.next();
    assert_eq!(stalled.name, "stalled");
    assert!(stalled.text("type").ends_with("/unavailable"), "{stalled:?}");
    s3.set_faults(None);
    assert_eq!(stream.next().name, "recovered");
    today.publish(&[("2025-01-15T15:01:05Z", NEAR, 588.0, 20)]);
    is(&stream.next(), "minute", "2025-01-15T15:01:00Z", &[20]);
}

#[test]
fn many_listeners_are_one_reader_and_none_is_none() {
    let today = Today::at("2025-01-15T15:00:30Z", Some(S3Server::start(&["lake"])), quick());
    today.publish(&[("2025-01-15T15:00:05Z", NEAR, 588.0, 10)]);
    let streams: Vec<Stream> = (0..20).map(|_| today.listen("", None)).collect();
    streams.iter().for_each(|stream| is(&stream.next(), "minute", "2025-01-15T15:00:00Z", &[10]));
    let s3 = today.s3.as_ref().expect("a bucket");
    today.set("2025-01-15T15:01:30Z");
    today.publish(&[("2025-01-15T15:01:05Z", NEAR, 588.0, 20)]);
    streams.iter().for_each(|stream| is(&stream.next(), "minute", "2025-01-15T15:01:00Z", &[20]));
    s3.reset();
    today.clock.advance(TimeDelta::seconds(3));
    today.publish(&[("2025-01-15T15:02:05Z", NEAR, 588.0, 30)]);
    streams.iter().for_each(|stream| is(&stream.next(), "minute", "2025-01-15T15:02:00Z", &[30]));
    let fetched =
        s3.calls().iter().filter(|call| call.op == "GetObject" && call.key.starts_with("greeks_by_minute/")).count();
    // The compactor reads it too; twenty readers would be seen.
    assert!(fetched < 15, "{fetched}");
    drop(streams);
    let metrics = || reqwest::blocking::get(format!("{}/metrics", today.url)).expect("metrics").text().expect("text");
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !metrics().contains("pitlake_live_watched_symbols 0\n") {
        assert!(std::time::Instant::now() < deadline, "the watcher stops with its last listener");
        std::thread::yield_now();
    }
}

#[test]
fn a_stream_breathes_and_ends_after_its_time() {
    let options = LiveOptions { heartbeat: Duration::from_millis(50), longest: Duration::from_millis(400), ..quick() };
    let today = Today::at("2025-01-15T15:00:30Z", None, options);
    today.publish(&[("2025-01-15T15:00:05Z", NEAR, 588.0, 10)]);
    let events = today.listen("", None).rest();
    assert!(events.iter().filter(|event| event.name == ":").count() >= 2, "{events:?}");
    assert_eq!(events.last().map(|event| event.name.as_str()), Some("bye"), "{events:?}");
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    use std::io::Write;
    let options = LiveOptions { patience: Duration::from_millis(50), most_listeners: 1, ..quick() };
    let today = Today::at("2025-01-15T21:30:00Z", None, options);
    // A day whose rows are more than any socket holds.
    let minutes: Vec<String> =
        (0..300).map(|m| (instant("2025-01-15T15:00:00Z") + TimeDelta::minutes(m)).to_rfc3339()).collect();
    let strikes: Vec<f64> = (1..=300).map(|strike| 400.0 + f64::from(strike)).collect();
    let said: Vec<_> = minutes
        .iter()
        .flat_map(|at| strikes.iter().map(move |strike| (at.as_str(), NEAR, *strike, 1_000_000_007)))
        .collect();
    today.publish(&said);
    let mut socket = std::net::TcpStream::connect(&today.url["http://".len()..]).expect("a connection");
    let path = "/api/v1/greeks/SPY/live?by=row&last_event_id=2025-01-15T14:59:00Z";
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let metrics = || reqwest::blocking::get(format!("{}/metrics", today.url)).expect("metrics").text().expect("text");
    let wait = |line: &str| {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !metrics().contains(line) {
            assert!(std::time::Instant::now() < deadline, "never {line}");
            std::thread::yield_now();
        }
    };
    wait("http_requests_total{method=\"GET\",route=\"/api/v1/greeks/{symbol}/live\",status=\"200\"} 1\n");
    wait("pitlake_live_listeners 0\n");
    // What it was sent is whole events and a clean end, so that it can come back with its last id.
    let mut text = String::new();
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("set");
    let mut piece = [0; 1 << 16];
    while !text.ends_with("0\r\n\r\n") {
        let taken = socket.read(&mut piece).expect("the rest");
        assert!(taken > 0, "the stream ends with its last chunk");
        text += std::str::from_utf8(&piece[..taken]).expect("ASCII");
    }
    let ids = text.matches("id: 2025-01-15T").count();
    assert!(ids > 0 && ids < 300, "{ids}");
}
