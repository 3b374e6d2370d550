//! Who is let in, asked from the outside of the layer.

use axum::body::Body;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use axum::{Extension, Router};
use http_body_util::BodyExt as _;
use object_store::memory::InMemory;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::http::key_store::change;
use crate::http::keys::KeyGrant;
use crate::lake::store::Store;
use crate::market::{Clock as _, FixedClock};

const KEY: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
const OTHER: &str = "77e55044-10b1-426f-9247-bb680e5fe0c8";

async fn whoami(access: Access) -> Result<String, Problem> {
    access.require(Scope::Read, "greeks", &"SPY".parse().unwrap())?;
    Ok(access.key_id().unwrap_or("this machine").to_owned())
}

struct Scene {
    lake: Store,
    clock: Arc<FixedClock>,
    router: Router,
}

fn scene() -> Scene {
    let lake = Store::from_object_store(Arc::new(InMemory::new()), "memory");
    let clock = Arc::new(FixedClock::new("2025-01-15T14:32:00Z".parse().unwrap()));
    let keys = Arc::new(KeyStore::new(lake.clone(), clock.clone()));
    let router = Router::new().route("/who", get(whoami)).layer(from_fn_with_state(keys, admit));
    Scene { lake, clock, router }
}

fn grant() -> KeyGrant {
    KeyGrant { name: "desk".to_owned(), scopes: [Scope::Read].into(), datasets: None, symbols: None }
}

impl Scene {
    async fn with_key(self, grant: KeyGrant) -> Self {
        let now = self.clock.now();
        change(&self.lake, |list| list.add(KEY.parse().unwrap(), grant.clone(), now)).await.unwrap();
        self
    }

    async fn ask(&self, peer: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = Request::get("/who").body(Body::empty()).unwrap();
        request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        for (name, value) in headers {
            request.headers_mut().append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(status == 401, response.headers().contains_key(header::WWW_AUTHENTICATE));
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn status(&self, peer: &str, headers: &[(&str, &str)]) -> u16 {
        self.ask(peer, headers).await.0
    }
}

const HERE: &str = "127.0.0.1:50000";
const AWAY: &str = "192.0.2.7:50000";

#[tokio::test]
async fn a_lake_without_keys_answers_its_own_machine_only() {
    let scene = scene();
    for (peer, host) in [
        (HERE, "localhost"),
        (HERE, "LOCALHOST:8080"),
        (HERE, "127.0.0.1:8080"),
        ("[::1]:50000", "[::1]:8080"),
        ("[::1]:50000", "[::1]"),
        ("[::ffff:127.0.0.1]:50000", "127.0.0.1"),
    ] {
        assert_eq!(scene.ask(peer, &[("host", host)]).await, (200, "this machine".into()), "{peer} {host}");
    }
    for (peer, host) in [
        (AWAY, "localhost"),
        (AWAY, "127.0.0.1:8080"),
        (HERE, "evil.example"),
        (HERE, "evil.example:8080"),
        (HERE, "localhost.evil.example"),
        (HERE, "127.0.0.1.evil.example:80"),
        (HERE, "localhost:80:80"),
        (HERE, "localhost:"),
        (HERE, "localhost:8080@evil.example"),
        (HERE, ""),
    ] {
        assert_eq!(scene.status(peer, &[("host", host)]).await, 401, "{peer} {host}");
    }
    assert_eq!(scene.status(HERE, &[]).await, 401, "no Host at all");
    assert_eq!(scene.status(HERE, &[("host", "localhost"), ("host", "evil.example")]).await, 401);
}

#[tokio::test]
async fn neither_a_strange_page_nor_a_proxy_passes_for_this_machine() {
    let scene = scene();
    let local = ("host", "localhost:8080");
    assert_eq!(scene.status(HERE, &[local, ("origin", "http://localhost:8080")]).await, 200);
    assert_eq!(scene.status(HERE, &[local, ("origin", "https://evil.example")]).await, 401);
    assert_eq!(scene.status(HERE, &[local, ("origin", "null")]).await, 401);
    assert_eq!(scene.status(HERE, &[local, ("x-forwarded-for", "192.0.2.7")]).await, 401);
    assert_eq!(scene.status(HERE, &[local, ("forwarded", "for=192.0.2.7")]).await, 401);
}

#[tokio::test]
async fn once_there_was_a_key_everybody_needs_one() {
    let scene = scene().with_key(grant()).await;
    let local = ("host", "localhost");
    assert_eq!(scene.status(HERE, &[local]).await, 401);
    let (status, who) = scene.ask(AWAY, &[("authorization", &format!("Bearer {KEY}"))]).await;
    assert_eq!((status, who), (200, "k002031b9".into()));
    assert_eq!(scene.status(AWAY, &[("x-api-key", KEY)]).await, 200);
    assert_eq!(scene.status(AWAY, &[("authorization", &format!("bearer {}", KEY.to_uppercase()))]).await, 200);
    assert_eq!(scene.status(HERE, &[local, ("x-api-key", OTHER)]).await, 401);

    change(&scene.lake, |list| list.revoke("k002031b9", scene.clock.now())).await.unwrap();
    scene.clock.advance(chrono::TimeDelta::seconds(30));
    let (status, problem) = scene.ask(AWAY, &[("x-api-key", KEY)]).await;
    assert_eq!(status, 401);
    assert!(problem["detail"].as_str().unwrap().contains("revoked"), "{problem}");
    assert_eq!(scene.status(HERE, &[local]).await, 401, "a lake whose keys are all revoked is not open");
}

#[tokio::test]
async fn two_keys_at_once() {
    let scene = scene().with_key(grant()).await;
    let bearer = format!("Bearer {KEY}");
    assert_eq!(scene.status(AWAY, &[("authorization", &bearer), ("x-api-key", KEY)]).await, 200);
    let (status, problem) = scene.ask(AWAY, &[("authorization", &bearer), ("x-api-key", OTHER)]).await;
    assert_eq!((status, &problem["type"]), (400, &"https://pitlake.dev/problems/invalid-header".into()));
    assert_eq!(scene.status(AWAY, &[("x-api-key", KEY), ("x-api-key", OTHER)]).await, 400);
}

#[tokio::test]
async fn a_malformed_key_is_401_and_never_repeated() {
    let scene = scene().with_key(grant()).await;
    for (name, value) in [
        ("x-api-key", "secret-thing"),
        ("x-api-key", ""),
        ("x-api-key", "67e5504410b1426f9247bb680e5fe0c8"),
        ("authorization", "secret-thing"),
        ("authorization", "Basic c2VjcmV0LXRoaW5n"),
        ("authorization", "Bearer"),
        ("authorization", "Bearer secret-thing"),
    ] {
        let (status, problem) = scene.ask(AWAY, &[(name, value)]).await;
        assert_eq!(status, 401, "{name}: {value}");
        assert_eq!(problem["type"], "https://pitlake.dev/problems/unauthorized");
        assert!(!problem.to_string().contains("secret-thing"), "{problem}");
    }
}

#[tokio::test]
async fn scopes_datasets_and_symbols_limit_a_key() {
    let limited = |change: fn(&mut KeyGrant)| {
        let mut grant = grant();
        change(&mut grant);
        grant
    };
    let header = [("x-api-key", KEY)];
    for (grant, status, named) in [
        (limited(|g| g.scopes = [Scope::Admin, Scope::Capture].into()), 403, "read"),
        (limited(|g| g.datasets = Some(["bars".to_owned()].into())), 403, "greeks"),
        (limited(|g| g.symbols = Some(["QQQ".parse().unwrap()].into())), 403, "SPY"),
        (limited(|g| g.datasets = Some(["bars".to_owned(), "greeks".to_owned()].into())), 200, "k002031b9"),
        (limited(|g| g.symbols = Some(["SPY".parse().unwrap()].into())), 200, "k002031b9"),
    ] {
        let (got, answer) = scene().with_key(grant).await.ask(AWAY, &header).await;
        assert_eq!(got, status, "{answer}");
        assert!(answer.to_string().contains(named), "{answer}");
    }
}

#[tokio::test]
async fn a_malformed_list_refuses_everybody() {
    let scene = scene();
    let bytes = bytes::Bytes::from_static(b"{\"version\":1}");
    let when = crate::lake::store::PutWhen::Absent;
    scene.lake.put(&crate::lake::layout::config_key("keys.json"), bytes, when).await.unwrap();
    let (status, problem) = scene.ask(HERE, &[("host", "localhost")]).await;
    assert_eq!((status, &problem["type"]), (500, &"https://pitlake.dev/problems/corrupt".into()));
    assert!(problem["detail"].as_str().unwrap().contains("key list"), "{problem}");
}

#[tokio::test]
async fn a_route_that_was_not_put_behind_the_layer_fails_closed() {
    let router: Router = Router::new().route("/who", get(whoami));
    let response = router.oneshot(Request::get("/who").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn metrics_are_for_this_machine() {
    let router: Router = Router::new().route("/metrics", get(|| async { "numbers" })).layer(from_fn(this_machine_only));
    let ask = |peer: &str, host: &str| {
        let peer: SocketAddr = peer.parse().unwrap();
        let request = Request::get("/metrics").header("host", host).body(Body::empty()).unwrap();
        router.clone().layer(Extension(ConnectInfo(peer))).oneshot(request)
    };
    assert_eq!(ask(HERE, "localhost:9090").await.unwrap().status(), 200);
    assert_eq!(ask(AWAY, "localhost:9090").await.unwrap().status(), 403);
    assert_eq!(ask(HERE, "evil.example").await.unwrap().status(), 403);
}
