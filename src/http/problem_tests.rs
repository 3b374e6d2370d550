//! What a problem looks like on the wire, and which status each kind of error has.

use super::*;
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

/// The table is the decision, written out by hand.
#[test]
fn every_kind_of_error_has_its_status() {
    let expected = [
        (ErrorKind::NotFound, 404, None),
        (ErrorKind::Invalid, 400, None),
        (ErrorKind::Conflict, 409, None),
        (ErrorKind::Denied, 503, Some("60")),
        (ErrorKind::Unavailable, 503, Some("5")),
        (ErrorKind::Overloaded, 503, Some("1")),
        (ErrorKind::Corrupt, 500, None),
        (ErrorKind::Cancelled, 503, Some("5")),
        (ErrorKind::Internal, 500, None),
    ];
    for (kind, status, retry) in expected {
        let response = Problem::from(Error::new(kind, "because")).into_response();
        assert_eq!(response.status().as_u16(), status, "{kind:?}");
        let header = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap());
        assert_eq!(header, retry, "{kind:?}");
    }
}

#[tokio::test]
async fn a_problem_is_the_json_of_rfc_9457() {
    let problem = Problem::parameter("strike", "strike=abc is not a number").with("expected", "a number such as 580");
    let response = problem.into_response();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(
        json(response).await,
        serde_json::json!({
            "type": "https://pitlake.dev/problems/invalid-parameter",
            "title": "Invalid parameter",
            "status": 400,
            "detail": "strike=abc is not a number",
            "parameter": "strike",
            "expected": "a number such as 580",
        })
    );
}

#[tokio::test]
async fn what_an_internal_fault_says_stays_in_the_log() {
    for kind in [ErrorKind::Internal, ErrorKind::Corrupt, ErrorKind::Denied, ErrorKind::Unavailable] {
        let response = Problem::from(Error::new(kind, "s3://secret-bucket/_config")).into_response();
        let trace = response.extensions().get::<ProblemTrace>().unwrap();
        assert_eq!(trace.cause.as_ref().unwrap().detail(), "s3://secret-bucket/_config");
        assert!(!json(response).await.to_string().contains("secret"), "{kind:?}");
    }
}

#[test]
fn types_are_distinct() {
    let names: std::collections::HashSet<String> = ProblemType::ALL.iter().map(|kind| kind.uri()).collect();
    assert_eq!(names.len(), ProblemType::ALL.len());
}

#[tokio::test]
async fn strange_paths_and_methods_are_problems_too() {
    let router: Router = Router::new()
        .route("/here", get(|| async { "here" }))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method);
    let ask = |method: &str, path: &str| {
        router.clone().oneshot(Request::builder().method(method).uri(path).body(Body::empty()).unwrap())
    };
    let lost = ask("GET", "/there").await.unwrap();
    assert_eq!(lost.status(), 404);
    assert_eq!(json(lost).await["type"], "https://pitlake.dev/problems/not-found");
    let wrong = ask("DELETE", "/here").await.unwrap();
    assert_eq!(wrong.status(), 405);
    assert_eq!(wrong.headers()[header::ALLOW], "GET,HEAD");
    assert_eq!(json(wrong).await["type"], "https://pitlake.dev/problems/method-not-allowed");
}

#[test]
fn quoted_input_is_short_and_harmless() {
    assert_eq!(shortened("abc", 3), "abc");
    assert_eq!(shortened("abcd", 3), "abc…");
    assert_eq!(shortened("a\r\nb", 9), "a\\r\\nb");
}

#[test]
fn an_answer_before_the_router_is_complete_http() {
    let text = String::from_utf8(Problem::new(ProblemType::UriTooLong, "too long").to_http1_close()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 414 URI Too Long\r\n"), "{head}");
    assert!(head.contains("connection: close"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["status"], 414);
}
