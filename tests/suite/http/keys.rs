//! Who may ask: nobody from elsewhere before there is a key, nobody without one after.

use serde_json::Value;

use crate::lake::{DAY, World, over_every_lake};
use crate::server::{Reply, Server};

over_every_lake!(
    a_fresh_lake_answers_its_own_machine_alone,
    once_there_is_a_key_every_request_needs_one,
    a_key_is_sent_in_either_header,
    a_key_does_what_it_was_made_for_and_no_more,
    a_revoked_key_opens_nothing,
    what_is_open_stays_open,
);

const DATA: [&str; 8] = [
    "/api/v1/datasets",
    "/api/v1/symbols",
    "/api/v1/greeks/SPY/coverage",
    "/api/v1/greeks/SPY/latest",
    "/api/v1/greeks/SPY/2025-01-15?strike=585",
    "/api/v1/greeks/SPY/2025-01-15/aggregate",
    "/api/v1/greeks/SPY/range?start=2025-01-15&end=2025-01-15",
    "/api/v1/greeks/SPY/export?start=2025-01-15&end=2025-01-15&strike=585",
];

/// Makes a key by the command line: its record with the key itself.
fn made(world: &World, more: &[&str]) -> Value {
    let made = world.lake.run(&[&["keys", "create", "--json", "--name", "desk"], more].concat()).ends(0).json();
    assert_eq!(made["key"].as_str().expect("a key").len(), 36);
    made
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn with_key(server: &Server, path: &str, made: &Value) -> Reply {
    server.get_with(path, &[("x-api-key", text(&made["key"]))])
}

fn a_fresh_lake_answers_its_own_machine_alone(world: &World) {
    let port = world.server.host().rsplit(':').next().expect("a port");
    for path in DATA {
        world.server.get(path).ok();
        world.server.get_with(path, &[("host", &format!("localhost:{port}"))]).ok();
        // A page whose host name was pointed at 127.0.0.1, a page of elsewhere, a proxy that speaks for others.
        for strange in
            [("host", "evil.example"), ("origin", "https://evil.example"), ("x-forwarded-for", "203.0.113.9")]
        {
            let refused = world.server.get_with(path, &[strange]);
            refused.problem(401, "unauthorized");
            assert!(!refused.header("www-authenticate").is_empty(), "{path}");
        }
        let unknown = world.server.get_with(path, &[("x-api-key", "2b0f9a64-7a3d-4c1e-9d7b-0f2f6c1f8a11")]);
        unknown.problem(401, "unauthorized");
    }
}

fn once_there_is_a_key_every_request_needs_one(world: &World) {
    let key = made(world, &["--scope", "read"]);
    let server = Server::over(&world.lake);
    for path in DATA {
        let refused = server.get(path);
        let problem = refused.problem(401, "unauthorized");
        assert!(text(&problem["detail"]).contains("Bearer"), "{problem}");
        assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"pitlake\"", "{path}");
        with_key(&server, path, &key).ok();
        // A key is enough from anywhere.
        server.get_with(path, &[("x-api-key", text(&key["key"])), ("host", "lake.example")]).ok();
    }
    for path in ["/api/v1/greeks/NOSUCH/2025-01-15", "/api/v1/greeks/SPY/2025-01-18", "/api/v1/greeks/SPY/x?y=z"] {
        server.get(path).problem(401, "unauthorized");
    }
}

fn a_key_is_sent_in_either_header(world: &World) {
    let (key, other) = (made(world, &["--scope", "read"]), made(world, &["--scope", "read"]));
    let (key, other) = (text(&key["key"]), text(&other["key"]));
    let server = Server::over(&world.lake);
    let path = "/api/v1/datasets";
    let (bearer, foreign) = (format!("Bearer {key}"), format!("Bearer {other}"));
    for headers in [
        &[("x-api-key", key)][..],
        &[("authorization", bearer.as_str())],
        &[("authorization", &format!("bearer {key}"))],
        &[("authorization", bearer.as_str()), ("x-api-key", key)],
    ] {
        server.get_with(path, headers).ok();
    }
    let unhyphenated = key.replace('-', "");
    for headers in [
        ("x-api-key", "2b0f9a64-7a3d-4c1e-9d7b-0f2f6c1f8a11"),
        ("x-api-key", "secret"),
        ("x-api-key", ""),
        ("x-api-key", unhyphenated.as_str()),
        ("authorization", "Basic ZGVzazpzZWNyZXQ="),
        ("authorization", key),
        ("authorization", "Bearer"),
        ("cookie", &format!("key={key}")),
    ] {
        let refused = server.get_with(path, &[headers]);
        refused.problem(401, "unauthorized");
        assert!(!refused.text().contains(key) && !refused.text().contains("secret"), "a key is never quoted");
    }
    server.get_with(path, &[("authorization", &foreign), ("x-api-key", key)]).problem(400, "invalid-header");
    server.get(&format!("{path}?key={key}")).problem(401, "unauthorized");
}

fn a_key_does_what_it_was_made_for_and_no_more(world: &World) {
    let capture = made(world, &["--scope", "capture"]);
    let minutes = made(world, &["--scope", "read", "--dataset", "greeks_by_minute"]);
    let qqq = made(world, &["--scope", "read", "--symbol", "QQQ"]);
    let server = Server::over(&world.lake);
    let forbidden = |path: &str, key: &Value, word: &str| {
        let problem = with_key(&server, path, key).problem(403, "forbidden");
        let detail = text(&problem["detail"]);
        assert!(detail.contains(word) && detail.contains(text(&key["id"])), "{path}: {detail}");
    };
    for path in DATA {
        forbidden(path, &capture, "read");
    }
    for path in [
        "coverage",
        "latest",
        "2025-01-15",
        "2025-01-17",
        "2025-01-18",
        "2025-01-15/aggregate",
        "range",
        "screen",
        "export",
    ] {
        forbidden(&format!("/api/v1/greeks/SPY/{path}"), &minutes, "greeks");
        forbidden(&format!("/api/v1/greeks/SPY/{path}"), &qqq, "SPY");
        // A key's limit is no way to learn what there is.
        forbidden(&format!("/api/v1/greeks/^SPX/{path}"), &qqq, "SPX");
    }
    with_key(&server, "/api/v1/greeks_by_minute/SPY/coverage", &minutes).ok();
    with_key(&server, &format!("/api/v1/greeks/QQQ/{DAY}"), &qqq).ok();
    let names =
        |reply: Reply, name: &str| reply.data().iter().map(|row| text(&row[name]).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(with_key(&server, "/api/v1/datasets", &minutes), "name"), ["greeks_by_minute"]);
    assert_eq!(names(with_key(&server, "/api/v1/symbols", &qqq), "symbol"), ["QQQ"]);
    let is_of_greeks = |dataset: &Value| dataset["name"].as_str().is_some_and(|name| name.starts_with("greeks"));
    for dataset in with_key(&server, "/api/v1/datasets", &qqq).data().into_iter().filter(is_of_greeks) {
        assert_eq!(dataset["symbols"], serde_json::json!(["QQQ"]), "{dataset}");
    }
}

fn a_revoked_key_opens_nothing(world: &World) {
    let (key, other) = (made(world, &["--scope", "read"]), made(world, &["--scope", "read"]));
    with_key(&Server::over(&world.lake), "/api/v1/datasets", &key).ok();
    world.lake.run(&["keys", "revoke", text(&key["id"])]).ends(0);
    let server = Server::over(&world.lake);
    let problem = with_key(&server, "/api/v1/datasets", &key).problem(401, "unauthorized");
    assert!(text(&problem["detail"]).contains("revoked"), "{problem}");
    with_key(&server, "/api/v1/datasets", &other).ok();
    world.lake.run(&["keys", "revoke", text(&other["id"])]).ends(0);
    // Without a valid key left the lake is shut, not open again.
    Server::over(&world.lake).get("/api/v1/datasets").problem(401, "unauthorized");
    let listed = world.lake.run(&["keys", "list", "--json"]).ends(0);
    assert!(listed.json_lines().iter().all(|record| !record["revoked_at"].is_null()), "{}", listed.stdout);
    assert!(!listed.stdout.contains(text(&key["key"])), "a key is shown once");
}

fn what_is_open_stays_open(world: &World) {
    made(world, &["--scope", "read"]);
    let server = Server::over(&world.lake);
    for path in ["/health", "/docs/", "/docs", "/openapi.json", "/metrics"] {
        server.get(path).ok();
    }
    for path in ["/health", "/docs/", "/openapi.json"] {
        server.get_with(path, &[("host", "lake.example")]).ok();
    }
    server.get_with("/metrics", &[("host", "evil.example")]).problem(403, "forbidden");
}
