//! What cannot be answered is refused with the right status, a type to decide by, the parameter to blame and words that help.

use std::io::{Read, Write};

use crate::lake::{DAY, World, over_every_lake};
use crate::server::RawReply;

over_every_lake!(
    a_bad_parameter_is_named,
    a_strange_parameter_is_named,
    a_bad_symbol_or_date_in_the_path_is_named,
    three_kinds_of_nothing_there,
    no_path_leads_out_of_the_lake,
    routes_and_methods_that_are_not_there,
    a_body_where_none_belongs,
    an_address_of_ten_megabytes,
    what_is_not_http,
    every_refusal_can_be_traced,
);

#[track_caller]
fn refused(world: &World, path: &str, kind: &str, parameter: &str, words: &[&str]) {
    let problem = world.server.get(path).problem(400, kind);
    assert_eq!(problem["parameter"], parameter, "{path}: {problem}");
    let detail = problem["detail"].as_str().expect("a text");
    for word in words {
        assert!(detail.contains(word), "{path}: {word:?} is not in {detail:?}");
    }
}

fn a_bad_parameter_is_named(world: &World) {
    let number = &["number"][..];
    for (query, parameter, words) in [
        ("strike=abc", "strike", &["abc", "number"][..]),
        ("strike=", "strike", &["empty"]),
        ("strike", "strike", &["empty"]),
        ("strike=nan", "strike", number),
        ("strike=inf", "strike", number),
        ("strike=1e999", "strike", number),
        ("strike=5,850", "strike", number),
        ("strike=-585", "strike", &["above 0"]),
        ("strike=0", "strike", &["above 0"]),
        ("strike_min=x", "strike_min", number),
        ("strike_max=-1", "strike_max", &["above 0"]),
        ("strike_min=590&strike_max=580", "strike_max", &["590", "580", "swap"]),
        ("expiration=2025-02-30", "expiration", &["2025-02-30", "YYYY-MM-DD"]),
        ("expiration=17.01.2025", "expiration", &["YYYY-MM-DD"]),
        ("expiration=friday", "expiration", &["YYYY-MM-DD"]),
        ("start_time=25:00", "start_time", &["25:00", "HH:MM"]),
        ("start_time=9:30", "start_time", &["HH:MM"]),
        ("end_time=24:00", "end_time", &["HH:MM"]),
        ("end_time=2pm", "end_time", &["HH:MM"]),
        ("start_time=15:00&end_time=14:00", "end_time", &["after start_time"]),
        ("start_time=14:00&end_time=14:00", "end_time", &["after start_time", "exclusive"]),
        ("at=14.32", "at", &["HH:MM"]),
        ("at=14:60", "at", &["HH:MM"]),
        ("at=14:32&start_time=14:00", "at", &["start_time"]),
        ("at=14:32&end_time=15:00", "at", &["end_time"]),
        ("greeks=delta", "greeks", &["gamma", "vanna", "charm"]),
        ("greeks=Gamma", "greeks", &["gamma"]),
        ("greeks=gamma,gamma", "greeks", &["twice"]),
        ("greeks=gamma,", "greeks", &["empty"]),
        ("greeks=", "greeks", &["empty"]),
        ("format=xml", "format", &["xml", "json", "ndjson", "csv", "arrow", "parquet"]),
        ("format=JSON", "format", &["json"]),
        ("strike=%zz", "strike", &["%25"]),
        ("strike=%ff", "strike", &["UTF-8"]),
    ] {
        refused(world, &format!("/api/v1/greeks/SPY/{DAY}?{query}"), "invalid-parameter", parameter, words);
        refused(world, &format!("/api/v1/greeks/SPY/{DAY}/aggregate?{query}"), "invalid-parameter", parameter, words);
    }
    for (path, parameter, words) in [
        ("SPY/2025-01-15/aggregate?by=hour", "by", &["minute", "expiration", "strike"][..]),
        ("SPY/2025-01-15/aggregate?by=", "by", &["empty"]),
        ("SPY/latest?strike=abc", "strike", number),
        ("SPY/latest?format=xml", "format", &["json"]),
        ("SPY/coverage?start=2025-01-20&end=2025-01-10", "end", &["2025-01-20", "2025-01-10", "before"]),
        ("SPY/coverage?start=2025-13-01", "start", &["YYYY-MM-DD"]),
        ("SPY/coverage?end=yesterday", "end", &["YYYY-MM-DD"]),
        ("SPY/coverage?format=xml", "format", &["json"]),
        ("SPY/coverage?start=1900-01-01&end=2199-12-31", "end", &["fewer"]),
    ] {
        refused(world, &format!("/api/v1/greeks/{path}"), "invalid-parameter", parameter, words);
    }
}

fn a_strange_parameter_is_named(world: &World) {
    for (path, parameter, words) in [
        ("greeks/SPY/2025-01-15?strke=585", "strke", &["strke", "did you mean 'strike'"][..]),
        ("greeks/SPY/2025-01-15?Strike=585", "Strike", &["strike"]),
        ("greeks/SPY/2025-01-15?by=minute", "by", &["it takes", "strike"]),
        ("greeks/SPY/2025-01-15?strike=585&limit=10", "limit", &["limit"]),
        ("greeks/SPY/2025-01-15/aggregate?foo=1", "foo", &["by"]),
        ("greeks/SPY/latest?at=14:32", "at", &["it takes"]),
        ("greeks/SPY/latest?start_time=14:32", "start_time", &["it takes"]),
        ("greeks/SPY/coverage?since=2025-01-01", "since", &["start", "end"]),
        ("datasets?symbol=SPY", "symbol", &["it takes none"]),
        ("symbols?limit=3", "limit", &["it takes none"]),
    ] {
        refused(world, &format!("/api/v1/{path}"), "unknown-parameter", parameter, words);
    }
    for (path, parameter) in [
        ("greeks/SPY/2025-01-15?strike=585&strike=585", "strike"),
        ("greeks/SPY/2025-01-15?strike=585&at=14:32&%73trike=586", "strike"),
        ("greeks/SPY/2025-01-15/aggregate?by=strike&by=minute", "by"),
        ("greeks/SPY/coverage?start=2025-01-10&start=2025-01-11", "start"),
    ] {
        refused(world, &format!("/api/v1/{path}"), "repeated-parameter", parameter, &["more than once", parameter]);
    }
}

fn a_bad_symbol_or_date_in_the_path_is_named(world: &World) {
    for date in ["2025-02-30", "20250115", "2025-1-15", "today", "15-01-2025", "2025-01-15T00:00", "1025-01-15", "%20"]
    {
        for more in ["", "/aggregate"] {
            refused(world, &format!("/api/v1/greeks/SPY/{date}{more}"), "invalid-parameter", "date", &["2025-01-15"]);
        }
    }
    for (symbol, word) in [
        ("spy", "capitals"),
        ("SPY%20", "A-Z"),
        ("SPY%00", "A-Z"),
        ("A%2FB%2FC", "A-Z"),
        ("A..B", "'..'"),
        ("-A", "begin"),
        ("123", "letter"),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "24"),
    ] {
        for more in [DAY, "latest", "coverage", "2025-01-15/aggregate"] {
            refused(world, &format!("/api/v1/greeks/{symbol}/{more}"), "invalid-parameter", "symbol", &[word]);
        }
    }
}

fn three_kinds_of_nothing_there(world: &World) {
    for more in ["2025-01-15", "latest", "coverage", "2025-01-15/aggregate"] {
        let problem = world.server.get(&format!("/api/v1/greeks/NOSUCH/{more}")).problem(404, "unknown-symbol");
        let detail = problem["detail"].as_str().expect("a text");
        assert!(detail.contains("NOSUCH") && detail.contains("/api/v1/symbols"), "{detail}");
    }
    for (path, symbol) in [("SPY/2025-01-17", "SPY"), ("SPY/2025-01-17/aggregate", "SPY"), ("DIA/2025-01-15", "DIA")] {
        let problem = world.server.get(&format!("/api/v1/greeks/{path}")).problem(404, "missing-day");
        let detail = problem["detail"].as_str().expect("a text");
        assert!(detail.contains(symbol) && detail.contains("coverage"), "{detail}");
    }
    world.server.get("/api/v1/greeks/DIA/latest").problem(404, "missing-day");
    for (date, because, next) in [
        ("2025-01-18", "weekend", "2025-01-21"),
        ("2025-01-19", "weekend", "2025-01-21"),
        ("2025-01-20", "Martin Luther King", "2025-01-21"),
        ("2025-01-09", "Carter", "2025-01-10"),
        ("2024-07-04", "Independence Day", "2024-07-05"),
        ("2024-11-28", "Thanksgiving", "2024-11-29"),
        ("2024-12-25", "Christmas", "2024-12-26"),
    ] {
        for more in ["", "/aggregate", "?strike=585"] {
            let problem = world.server.get(&format!("/api/v1/greeks/SPY/{date}{more}")).problem(404, "closed-day");
            let detail = problem["detail"].as_str().expect("a text");
            for word in [date, because, next] {
                assert!(detail.contains(word), "{word} is not in {detail}");
            }
            assert_eq!(problem["next_session"], next);
        }
    }
}

fn no_path_leads_out_of_the_lake(world: &World) {
    world.lake.plant("_config/secret.txt", "root:secret");
    for (path, kind) in [
        ("/api/v1/greeks/../../../../etc/passwd/2025-01-15", "not-found"),
        ("/api/v1/greeks/../2025-01-15", "invalid-parameter"),
        ("/api/v1/greeks/..%2F..%2F..%2Fetc%2Fpasswd/2025-01-15", "invalid-parameter"),
        ("/api/v1/greeks/%2e%2e/2025-01-15", "invalid-parameter"),
        ("/api/v1/greeks/%2e%2e%2f_config%2fsecret.txt/2025-01-15", "invalid-parameter"),
        ("/api/v1/greeks/..%5C..%5Cetc/2025-01-15", "invalid-parameter"),
        ("/api/v1/greeks/%252e%252e%252fetc/2025-01-15", "invalid-parameter"),
        ("/api/v1/greeks/SPY/..%2F..%2F_config%2Fsecret.txt", "invalid-parameter"),
        ("/api/v1/greeks/SPY%2Fdate=2025-01-15/2025-01-15", "invalid-parameter"),
        ("/api/v1/..%2F_config/SPY/coverage", "not-found"),
        ("/docs/..%2f..%2fetc%2fpasswd", "not-found"),
        ("/docs/../_config/secret.txt", "not-found"),
        ("/_config/secret.txt", "not-found"),
        ("/greeks/symbol=SPY/date=2025-01-15/part-0.parquet", "not-found"),
    ] {
        let reply = world.server.raw(path);
        assert!([400, 404].contains(&reply.status()), "{path}: {}", reply.head);
        assert_eq!(reply.problem(), kind, "{path}");
        assert!(!String::from_utf8_lossy(&reply.body).contains("root:"), "{path}");
    }
}

fn routes_and_methods_that_are_not_there(world: &World) {
    for path in [
        "/api/v1/nowhere",
        "/api/v2/datasets",
        "/",
        "/api/v1/greeks/SPY",
        "/api/v1/nothing/SPY/coverage",
        "/api/v1/greeks_by_day/SPY/coverage",
        "/api/v1/greeks/SPY/2025-01-15/",
        "/docs/nothing.js",
    ] {
        assert_eq!(world.server.get(path).problem(404, "not-found")["status"], 404, "{path}");
    }
    for (method, path) in [
        ("POST", "/api/v1/greeks/SPY/2025-01-15"),
        ("DELETE", "/api/v1/greeks/SPY/2025-01-15"),
        ("PUT", "/api/v1/datasets"),
        ("POST", "/health"),
    ] {
        let reply = crate::server::Reply::of(world.server.request(method, path).send().expect("an answer"));
        reply.problem(405, "method-not-allowed");
        assert!(reply.header("allow").contains("GET"), "{method} {path}: {:?}", reply.headers);
    }
    let reply = world.server.get_with(&format!("/api/v1/greeks/SPY/{DAY}"), &[("accept", "text/html")]);
    let problem = reply.problem(406, "not-acceptable");
    assert!(problem["detail"].as_str().expect("a text").contains("application/json"), "{problem}");
}

fn a_body_where_none_belongs(world: &World) {
    for path in ["/api/v1/greeks/SPY/2025-01-15", "/api/v1/datasets", "/health"] {
        let request = world.server.request("GET", path).body("{\"strike\":585}");
        let problem = crate::server::Reply::of(request.send().expect("an answer")).problem(400, "body-not-allowed");
        assert!(problem["detail"].as_str().expect("a text").contains("query"), "{problem}");
    }
}

fn an_address_of_ten_megabytes(world: &World) {
    for size in [20_000, 100_000, 10 << 20] {
        let mut socket = world.server.connect().expect("a connection");
        let request = format!(
            "GET /api/v1/greeks/SPY/{DAY}?strike={} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            "5".repeat(size),
            world.server.host()
        );
        let mut writing = socket.try_clone().expect("a second handle");
        let reply = std::thread::scope(|scope| {
            // The server may stop listening before all is sent; what it answered is the question.
            scope.spawn(move || drop(writing.write_all(request.as_bytes())));
            let mut bytes = Vec::new();
            let read = socket.read_to_end(&mut bytes);
            assert!(read.is_ok() || !bytes.is_empty(), "{size}: {read:?}");
            RawReply::of(&bytes)
        });
        assert_eq!((reply.status(), reply.problem().as_str()), (414, "uri-too-long"), "{size}");
    }
    assert_eq!(world.server.get("/health").status, 200);
}

fn what_is_not_http(world: &World) {
    let mut socket = world.server.connect().expect("a connection");
    socket.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n").expect("sent");
    let reply = RawReply::read(&mut socket);
    assert_eq!((reply.status(), reply.problem().as_str()), (400, "malformed-http"));
    assert_eq!(world.server.get("/health").status, 200);
}

fn every_refusal_can_be_traced(world: &World) {
    let path = format!("/api/v1/greeks/SPY/{DAY}?strike=abc");
    let (one, two) = (world.server.get(&path), world.server.get(&path));
    let ids = [one.header("x-request-id"), two.header("x-request-id")];
    assert!(!ids[0].is_empty() && !ids[1].is_empty() && ids[0] != ids[1], "{ids:?}");
    world.server.logs(ids[0]);
    assert_eq!(one.header("cache-control"), "no-store");
}
