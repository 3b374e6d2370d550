//! Live streams over days that are done: where a client starts, what it gets when it comes back, what each event holds. The
//! rows are held against those of the other routes, which are held against what was said.

use serde_json::{Value, json};

use crate::events::{Event, Stream};
use crate::lake::{DAY, World, over_every_lake};
use crate::server::Server;

over_every_lake!(
    a_new_client_starts_at_the_last_minute,
    rows_are_those_of_the_other_routes,
    a_client_that_comes_back_gets_what_follows,
    across_days_nothing_is_passed_over_silently,
    too_far_back_is_said,
    what_cannot_be_meant_is_refused,
);

fn open(world: &World, query: &str, id: Option<&str>) -> Stream {
    Stream::open(&format!("{}/api/v1/greeks/{query}", world.server.url), id)
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

fn take(stream: &Stream, count: usize) -> Vec<Event> {
    (0..count).map(|_| stream.next()).collect()
}

fn a_new_client_starts_at_the_last_minute(world: &World) {
    let stream = open(world, "SPY/live", None);
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert_eq!(stream.headers["cache-control"], "no-cache");
    assert!(!stream.headers.contains_key("content-encoding"), "events are not held back by compression");
    let hint = stream.any();
    assert_eq!((hint.name.as_str(), hint.data.as_u64()), ("retry", Some(2000)));

    let minute = stream.next();
    assert_eq!((minute.name.as_str(), minute.id.as_deref()), ("minute", Some("2025-01-15T20:59:00Z")));
    for (member, value) in [
        ("symbol", json!("SPY")),
        ("date", json!(DAY)),
        ("revision", json!(1)),
        ("condition", json!("available")),
        ("calculation_version", json!("greeks-1")),
        ("by", json!("minute")),
        ("timestamp", json!("2025-01-15T20:59:00Z")),
        ("partial", json!(false)),
    ] {
        assert_eq!(minute.data[member], value, "{member}");
    }
    let closed = stream.next();
    assert_eq!((closed.name.as_str(), closed.id.as_deref()), ("closed", None));
    assert_eq!((closed.text("date"), closed.text("condition")), (DAY, "available"));
}

fn rows_are_those_of_the_other_routes(world: &World) {
    // QQQ leaves greeks out and has its spot on the farther expiration only; IWM has rows outside the session.
    for (symbol, at) in [("SPY", "15:59"), ("QQQ", "14:33"), ("IWM", "15:59"), ("SPX", "10:00"), ("^SPX", "10:00")] {
        for filter in [
            "",
            "&greeks=charm,gamma",
            "&strike=511",
            "&strike_min=585&strike_max=5900",
            "&expiration=2025-01-17",
            "&expiration=2025-01-17&strike_max=600&greeks=vanna",
            "&expiration=2031-01-17",
        ] {
            for (by, other) in [
                ("minute", format!("aggregate?by=minute&at={at}")),
                ("expiration", format!("aggregate?by=expiration&at={at}")),
                ("strike", format!("aggregate?by=strike&at={at}")),
                ("row", format!("?at={at}")),
            ] {
                let minute = open(world, &format!("{symbol}/live?by={by}{filter}"), None).next();
                let path = format!("/api/v1/greeks/{symbol}/{DAY}/{other}{filter}").replace("/?", "?");
                let expected: Vec<Value> = world.server.get(&path).data();
                assert_eq!(minute.data["rows"], json!(expected), "{symbol} by={by}{filter}");
            }
        }
    }
    let text = |path: &str| world.server.get(path).ok().text().to_owned();
    let row = open(world, "SPY/live?by=row&strike=585&expiration=2025-01-17", None).next().data["rows"][0].clone();
    let said = text(&format!("/api/v1/greeks/SPY/{DAY}?strike=585&expiration=2025-01-17&at=15:59&format=ndjson"));
    assert_eq!(row, serde_json::from_str::<Value>(said.trim_end()).expect("one row"));
}

fn a_client_that_comes_back_gets_what_follows(world: &World) {
    let by_header = || open(world, "SPY/live", Some("2025-01-15T20:56:00Z"));
    let by_parameter = || open(world, "SPY/live?last_event_id=2025-01-15T15:56:00-05:00", None);
    let both = || open(world, "SPY/live?last_event_id=2025-01-15T15:00:00Z", Some("2025-01-15T20:56:00Z"));
    let with_an_empty_header = || open(world, "SPY/live?last_event_id=2025-01-15T20:56:00Z", Some(""));
    for stream in [by_header(), by_parameter(), both(), with_an_empty_header()] {
        let events = take(&stream, 5);
        assert_eq!(names(&events), ["resumed", "minute", "minute", "minute", "closed"]);
        assert_eq!(events[0].text("after"), "2025-01-15T20:56:00Z");
        let ids: Vec<&str> = events[1..4].iter().map(|event| event.id.as_deref().expect("an id")).collect();
        assert_eq!(ids, ["2025-01-15T20:57:00Z", "2025-01-15T20:58:00Z", "2025-01-15T20:59:00Z"]);
    }
    // With the last minute, or a later one than there is, a client waits.
    let up_to_date = open(world, "SPY/live", Some("2025-01-15T20:59:00Z"));
    assert_eq!(names(&take(&up_to_date, 2)), ["resumed", "closed"]);
}

fn across_days_nothing_is_passed_over_silently(world: &World) {
    let events = take(&open(world, "SPY/live", Some("2025-01-14T20:57:00Z")), 1 + 2 + 1 + 390 + 1);
    assert_eq!(names(&events[..4]), ["resumed", "minute", "minute", "closed"]);
    assert_eq!((events[3].text("date"), events[394].text("date")), ("2025-01-14", DAY));
    assert_eq!((events[1].text("date"), events[2].id.as_deref()), ("2025-01-14", Some("2025-01-14T20:59:00Z")));
    assert!(events[4..394].iter().all(|event| event.name == "minute" && event.text("date") == DAY));
    let ids: Vec<&str> = events.iter().filter_map(|event| event.id.as_deref()).collect();
    assert!(ids.is_sorted() && ids[2] == "2025-01-15T14:30:00Z", "{:?}", &ids[..4]);
    let rows: Vec<&Value> =
        events[4..394].iter().flat_map(|event| event.data["rows"].as_array().expect("rows")).collect();
    let expected = world.server.get(&format!("/api/v1/greeks/SPY/{DAY}/aggregate")).data();
    assert_eq!(rows, expected.iter().collect::<Vec<_>>());

    // Friday and Monday of the week before are sessions that the lake does not have; between them is a weekend.
    let events = take(&open(world, "SPY/live", Some("2025-01-10T20:59:00Z")), 4);
    assert_eq!(names(&events), ["resumed", "missing", "missing", "minute"]);
    assert_eq!((events[1].text("date"), events[2].text("date")), ("2025-01-10", "2025-01-13"));
    assert_eq!(events[3].id.as_deref(), Some("2025-01-14T14:30:00Z"));
}

fn too_far_back_is_said(world: &World) {
    for id in ["2024-11-29T15:00:00Z", "1999-12-31T15:00:00Z"] {
        let events = take(&open(world, "SPY/live", Some(id)), 4);
        assert_eq!(names(&events), ["resumed", "reset", "minute", "closed"]);
        assert_eq!((events[1].text("after"), events[1].text("starts")), (id, "2025-01-15T20:59:00Z"));
        assert_eq!(events[2].id.as_deref(), Some("2025-01-15T20:59:00Z"));
    }
}

fn what_cannot_be_meant_is_refused(world: &World) {
    let get = |query: &str| world.server.get(&format!("/api/v1/greeks/{query}"));
    get("SPY/live?by=hour").problem(400, "invalid-parameter");
    get("SPY/live?at=14:00").problem(400, "unknown-parameter");
    get("SPY/live?strike=x").problem(400, "invalid-parameter");
    let bad = get("SPY/live?last_event_id=yesterday").problem(400, "invalid-parameter");
    assert_eq!(bad["parameter"], "last_event_id");
    let header = world.server.get_with("/api/v1/greeks/SPY/live", &[("Last-Event-ID", "17")]);
    let header = header.problem(400, "invalid-header");
    assert!(header["detail"].as_str().is_some_and(|detail| detail.contains("'17'")), "{header}");
    get("NOPE/live").problem(404, "unknown-symbol");
    get("TSLA/live").problem(404, "missing-day");
}

#[test]
fn a_server_takes_so_many_listeners_and_lets_them_go_when_told_to_stop() {
    let World { server, lake } = World::in_folder();
    drop(server);
    let server = Server::run(lake.command(&[]), &["--max-listeners", "2", "--max-requests", "1"]);
    let url = format!("{}/api/v1/greeks/SPY/live", server.url);
    let streams = [Stream::open(&url, None), Stream::open(&url, None)];
    streams.iter().for_each(|stream| assert_eq!(stream.next().name, "minute"));
    let refused = server.get("/api/v1/greeks/SPY/live");
    refused.problem(503, "overloaded");
    assert_eq!(refused.header("retry-after"), "60");
    // Listeners take no place from those who ask.
    assert_eq!(server.get(&format!("/api/v1/greeks/SPY/{DAY}/aggregate?at=14:32")).data().len(), 1);
    let metrics = server.get("/metrics").ok().text().to_owned();
    for line in ["pitlake_live_listeners 2", "pitlake_live_watched_symbols 1"] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }

    server.terminate();
    for stream in streams {
        let end = stream.rest();
        assert_eq!(end.last().map(|event| event.name.as_str()), Some("bye"), "{end:?}");
    }
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn a_key_must_allow_it() {
    let World { server, lake } = World::in_folder();
    let key = |more: &[&str]| {
        let arguments = [&["keys", "create", "--json", "--name", "x"][..], more].concat();
        lake.run(&arguments).ends(0).json()["key"].as_str().expect("a key").to_owned()
    };
    let (reads, captures) = (key(&["--scope", "read", "--symbol", "QQQ"]), key(&["--scope", "capture"]));
    drop(server);
    let server = Server::over(&lake);
    let ask = |symbol: &str, key: &str| {
        server.get_with(&format!("/api/v1/greeks/{symbol}/live?by=nonsense"), &[("X-API-Key", key)])
    };
    server.get("/api/v1/greeks/QQQ/live").problem(401, "unauthorized");
    ask("SPY", &reads).problem(403, "forbidden");
    ask("QQQ", &captures).problem(403, "forbidden");
    ask("QQQ", &reads).problem(400, "invalid-parameter");
}
