//! Ids, panics, broken streams and what is logged, asked from the outside of the layer.

use std::io::Write;

use axum::routing::get;
use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use tower::ServiceExt as _;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::http::problem::no_such_route;

fn app() -> (Router, Arc<Metrics>) {
    let pieces = |broken: bool| {
        let end = if broken { Err(std::io::Error::other("the disk is gone")) } else { Ok(Bytes::from_static(b"45")) };
        Body::from_stream(futures::stream::iter([Ok(Bytes::from_static(b"123")), end]))
    };
    let router = Router::new()
        .route("/whole/{name}", get(move || async move { pieces(false) }))
        .route("/broken", get(move || async move { pieces(true) }))
        .route("/small", get(|| async { "small" }))
        .route("/panic", get(async || -> &'static str { panic!("secret reason") }))
        .fallback(no_such_route);
    let metrics = Arc::new(Metrics::new());
    let ids = RequestIds::new("2025-01-15T14:32:00Z".parse().unwrap());
    (observed(router, Arc::new(Observer { metrics: metrics.clone(), ids })), metrics)
}

fn request(uri: &str) -> Request {
    Request::get(uri).body(Body::empty()).unwrap()
}

/// What is logged while `work` runs, as JSON lines.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

async fn logged(work: impl Future<Output = ()>) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(log.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    work.await;
    drop(guard);
    String::from_utf8(log.0.lock().clone()).unwrap()
}

#[tokio::test]
async fn the_id_is_taken_or_given_and_returned() {
    let (app, _) = app();
    let mut theirs = request("/small");
    theirs.headers_mut().insert(X_REQUEST_ID, "abc-1".parse().unwrap());
    assert_eq!(app.clone().oneshot(theirs).await.unwrap().headers()[X_REQUEST_ID], "abc-1");
    let ours = app.oneshot(request("/nowhere")).await.unwrap();
    assert_eq!(ours.status(), 404);
    assert!(ours.headers()[X_REQUEST_ID].to_str().unwrap().ends_with("-1"));
}

#[tokio::test]
async fn a_panic_is_a_problem_and_its_words_stay_in_the_log() {
    let (app, metrics) = app();
    let log = logged(async {
        let response = app.oneshot(request("/panic")).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(response.headers().contains_key(X_REQUEST_ID));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8(body.to_vec()).unwrap().contains("secret reason"));
    })
    .await;
    assert!(log.contains("a handler panicked: secret reason"), "{log}");
    assert!(metrics.encode().unwrap().contains("pitlake_http_in_flight 0"));
}

#[tokio::test]
async fn a_broken_stream_stays_broken_and_is_counted() {
    let (app, metrics) = app();
    let log = logged(async {
        let mut body = app.oneshot(request("/broken")).await.unwrap().into_body().into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "123");
        assert!(body.next().await.unwrap().is_err());
        drop(body);
    })
    .await;
    assert!(log.contains("\"whole\":false"), "{log}");
    let text = metrics.encode().unwrap();
    assert!(text.contains("pitlake_http_broken_answers_total 1"), "{text}");
    assert!(text.contains("pitlake_http_answer_bytes_total{route=\"/broken\"} 3"), "{text}");
}

#[tokio::test]
async fn whole_answers_are_counted_by_route_and_not_by_path() {
    let (app, metrics) = app();
    for name in ["a", "b"] {
        let response = app.clone().oneshot(request(&format!("/whole/{name}"))).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "12345");
    }
    let head = Request::builder().method("HEAD").uri("/small").body(Body::empty()).unwrap();
    let head = app.clone().oneshot(head).await.unwrap();
    assert_eq!(head.headers()["content-length"], "5");
    drop(head);
    // The client goes away after the head of the answer.
    drop(app.clone().oneshot(request("/whole/c")).await.unwrap());
    // The client goes away before there is an answer.
    drop(app.clone().oneshot(request("/small")));
    let text = metrics.encode().unwrap();
    for line in [
        "pitlake_http_requests_total{method=\"GET\",route=\"/whole/{name}\",status=\"200\"} 3",
        "pitlake_http_requests_total{method=\"HEAD\",route=\"/small\",status=\"200\"} 1",
        "pitlake_http_answer_bytes_total{route=\"/whole/{name}\"} 10",
        "pitlake_http_broken_answers_total 1",
        "pitlake_http_in_flight 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn the_log_line_has_what_is_needed_and_no_key() {
    let key = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let (app, _) = app();
    let log = logged(async {
        let mut asked = request(&format!("/small?strike=580&key={key}"));
        asked.headers_mut().insert(X_REQUEST_ID, "abc-1".parse().unwrap());
        asked.headers_mut().insert("x-api-key", key.parse().unwrap());
        let response = app.oneshot(asked).await.unwrap();
        response.into_body().collect().await.unwrap();
    })
    .await;
    let line: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(line["fields"]["status"], 200);
    assert_eq!(line["fields"]["bytes"], 5);
    assert_eq!(line["span"]["id"], "abc-1");
    assert_eq!(line["span"]["path"], "/small");
    assert_eq!(line["span"]["query"], "strike=580&key=***");
    assert!(!log.contains("67e55044"), "{log}");
}

#[test]
fn keys_in_an_address_are_masked() {
    let key = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    assert_eq!(masked(&format!("/api/{key}/x")), "/api/***/x");
    assert_eq!(masked(&format!("a={key}&b={key}")), "a=***&b=***");
    assert_eq!(masked("a=1&b=2,3"), "a=1&b=2,3");
}
