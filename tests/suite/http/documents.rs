//! What the server says of itself: the OpenAPI document, its pages, health, metrics.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::lake::{DAY, World, objects_in_bucket, over_every_lake};
use crate::pitlake_binary::pitlake;
use crate::s3_server::S3Server;
use crate::server::Server;

over_every_lake!(the_openapi_document_lists_every_route, the_pages_need_no_network, healthy, metrics_count_by_route);

const ROUTES: [(&str, &str); 15] = [
    ("/api/v1/datasets", "/api/v1/datasets"),
    ("/api/v1/symbols", "/api/v1/symbols"),
    ("/api/v1/{dataset}/{symbol}/coverage", "/api/v1/greeks/SPY/coverage"),
    ("/api/v1/{dataset}/{symbol}/files", "/api/v1/greeks/SPY/files"),
    ("/api/v1/{dataset}/{symbol}/changes", "/api/v1/greeks/SPY/changes?since=2025-01-15T00:00:00Z"),
    ("/api/v1/{dataset}/{symbol}/files/{period}", "/api/v1/greeks/SPY/files/2025-01-15"),
    ("/api/v1/greeks/{symbol}/{date}", "/api/v1/greeks/SPY/2025-01-15?strike=585"),
    ("/api/v1/greeks/{symbol}/latest", "/api/v1/greeks/SPY/latest"),
    ("/api/v1/greeks/{symbol}/{date}/aggregate", "/api/v1/greeks/SPY/2025-01-15/aggregate"),
    (LIVE, "/api/v1/greeks/SPY/live"),
    ("/api/v1/greeks/{symbol}/range", "/api/v1/greeks/SPY/range?start=2025-01-14&end=2025-01-15"),
    ("/api/v1/greeks/{symbol}/screen", "/api/v1/greeks/SPY/screen?start=2025-01-14&end=2025-01-15&greek=gamma&above=0"),
    ("/api/v1/greeks/{symbol}/export", "/api/v1/greeks/SPY/export?start=2025-01-15&end=2025-01-15&strike=585"),
    ("/api/v1/bars/{symbol}/{date}", "/api/v1/bars/SPY/2025-01-15"),
    ("/api/v1/bars/{symbol}/latest", "/api/v1/bars/SPY/latest"),
];
/// The world has none; their own tests ask for them.
const BARS: &str = "/api/v1/bars/";
/// Has no end that could be waited for.
const LIVE: &str = "/api/v1/greeks/{symbol}/live";

fn the_openapi_document_lists_every_route(world: &World) {
    let reply = world.server.get("/openapi.json").ok();
    assert_eq!(reply.header("content-type"), "application/json");
    let document = reply.json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")));
    assert!(!document["info"]["title"].is_null() && !document["info"]["version"].is_null());
    let paths = document["paths"].as_object().expect("an object");
    let mut ids = BTreeSet::new();
    for (path, example) in ROUTES {
        if path != LIVE && !path.starts_with(BARS) {
            world.server.get(example).ok();
        }
        let operation = &paths.get(path).unwrap_or_else(|| panic!("{path} is not documented"))["get"];
        assert!(ids.insert(operation["operationId"].as_str().expect("an id").to_owned()), "{path}: ids differ");
        assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{path}");
        assert!(operation["responses"]["200"].is_object(), "{path}");
        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
        for name in path.split(['{', '}']).skip(1).step_by(2) {
            let declared = |parameter: &&Value| parameter["name"] == name && parameter["in"] == "path";
            assert_eq!(parameters.iter().filter(declared).count(), 1, "{path}: {name}");
        }
        // What is documented is taken, and what is taken is documented: the refusal of a strange name lists all.
        let documented: BTreeSet<&str> =
            parameters.iter().filter(|p| p["in"] == "query").filter_map(|p| p["name"].as_str()).collect();
        let refusal = world.server.get(&format!("{}?no-such=1", example.split('?').next().expect("a path")));
        let refusal = refusal.problem(400, "unknown-parameter");
        let taken = refusal["allowed"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        assert_eq!(documented, taken, "{path}");
    }
    let known: BTreeSet<&str> = ROUTES.iter().map(|(path, _)| *path).collect();
    let data = paths.keys().map(String::as_str).filter(|path| path.starts_with("/api/"));
    assert_eq!(data.collect::<BTreeSet<_>>(), known, "nothing is documented that is not there");
    for open in ["/health", "/metrics"] {
        assert!(paths[open]["get"]["responses"]["200"].is_object(), "{open} is not documented");
    }
    references(&document, &document);
}

/// Every `$ref` of the document leads somewhere.
fn references(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                let pointer = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} leads out"));
                assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
            }
            members.values().for_each(|member| references(document, member));
        }
        Value::Array(items) => items.iter().for_each(|item| references(document, item)),
        _ => {}
    }
}

fn the_pages_need_no_network(world: &World) {
    let page = world.server.get("/docs/").ok();
    assert_eq!(page.header("content-type"), "text/html");
    // Everything the page loads is on this server.
    for quoted in page.text().split(['"', '\'']).filter(|text| text.ends_with(".js") || text.ends_with(".css")) {
        assert!(!quoted.contains("//"), "{quoted} is elsewhere");
        world.server.get(&format!("/docs/{}", quoted.trim_start_matches("./"))).ok();
    }
}

fn healthy(world: &World) {
    let health = world.server.get("/health").ok().json();
    assert_eq!((&health["status"], &health["lake"]["reachable"]), (&"ok".into(), &true.into()), "{health}");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
}

/// A server whose store is gone is alive: it says so, and says what is wrong.
#[test]
fn health_tells_when_the_bucket_is_gone() {
    let s3 = S3Server::start(&["lake"]);
    objects_in_bucket().iter().for_each(|(key, bytes)| s3.plant("lake", key, bytes.clone()));
    let mut command = pitlake();
    command.args(["--lake", "s3://lake"]).envs(s3.env());
    let server = Server::run(command, &[]);
    let path = format!("/api/v1/greeks/SPY/{DAY}?strike=585");
    let before = server.get(&path).ok();
    drop(s3);
    let reply = server.get("/health").ok();
    let health = reply.json();
    assert_eq!((&health["status"], &health["lake"]["reachable"]), (&"ok".into(), &false.into()), "{health}");
    assert!(health["lake"]["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{health}");
    assert!(server.get(&path).ok().body == before.body, "a fresh day is served from the cache");
}

fn metrics_count_by_route(world: &World) {
    for strike in [585, 586, 587] {
        world.server.get(&format!("/api/v1/greeks/SPY/{DAY}?strike={strike}")).ok();
    }
    world.server.get(&format!("/api/v1/greeks/SPY/{DAY}?strike=abc"));
    world.server.get("/nowhere/SPY");
    let reply = world.server.get("/metrics").ok();
    let metrics = reply.text();
    let route = "route=\"/api/v1/greeks/{symbol}/{date}\"";
    for line in [
        format!("pitlake_http_requests_total{{method=\"GET\",{route},status=\"200\"}} 3"),
        format!("pitlake_http_requests_total{{method=\"GET\",{route},status=\"400\"}} 1"),
        "# TYPE pitlake_http_requests counter".to_owned(),
    ] {
        assert!(metrics.lines().any(|given| given == line), "{line} is not in\n{metrics}");
    }
    assert!(!metrics.contains("SPY"), "a client's text is no label");
    assert!(metrics.ends_with("# EOF\n"), "OpenMetrics ends with it");
}
