//! Refusing early what should never reach a handler: an address that is too long, a body where none belongs, and one
//! request more than the process can carry. Layers for routers; they decide nothing about data.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::metrics::Metrics;
use super::problem::{Problem, ProblemType};

/// The longest path and query, in bytes. The longest sensible question is far below a tenth of it.
pub const MAX_URI_BYTES: usize = 16 * 1024;

/// The layer (`axum::middleware::from_fn`) around everything: the request must be one we could mean to answer.
///
/// # Errors
/// `uri-too-long`; `body-not-allowed` for a GET, HEAD, DELETE or OPTIONS that carries a body.
pub async fn sane_only(request: Request, next: Next) -> Result<Response, Problem> {
    let uri_bytes = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if uri_bytes > MAX_URI_BYTES {
        return Err(uri_too_long(&format!("{uri_bytes} bytes")));
    }
    let bodiless = [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS].contains(request.method());
    let announced = request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
        || request.headers().contains_key(header::TRANSFER_ENCODING);
    if bodiless && (announced || !request.body().is_end_stream()) {
        return Err(Problem::new(
            ProblemType::BodyNotAllowed,
            format!("a {} request has no body here; put what you ask into the query (?name=value)", request.method()),
        ));
    }
    Ok(next.run(request).await)
}

/// The refusal of an address that is too long, with how long it is said to be.
pub fn uri_too_long(given: &str) -> Problem {
    Problem::new(
        ProblemType::UriTooLong,
        format!("path and query are {given}, at most {MAX_URI_BYTES} bytes are read; no question needs more, check what is being sent"),
    )
    .with("max_bytes", MAX_URI_BYTES)
}

/// Put into a response's extensions by a handler whose answer goes on for hours (server-sent events): it gives its place
/// back at once, and has to limit its own number.
#[derive(Debug, Clone, Copy)]
pub struct LongLived;

/// How many requests may be under way, from their arrival to the last byte of their answer.
#[derive(Debug, Clone)]
pub struct Places {
    free: Arc<Semaphore>,
    most: usize,
    metrics: Arc<Metrics>,
}

impl Places {
    pub fn new(most: usize, metrics: Arc<Metrics>) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(most)), most, metrics }
    }
}

/// The layer (`axum::middleware::from_fn_with_state`) before routes that cost something; `/health` and `/metrics` stay
/// outside of it, to answer when it matters most. Nobody queues here: a quick 503 is worth more than a late answer.
///
/// # Errors
/// `overloaded`, with `Retry-After`.
pub async fn limited(State(places): State<Places>, request: Request, next: Next) -> Result<Response, Problem> {
    let Ok(place) = Arc::clone(&places.free).try_acquire_owned() else {
        places.metrics.overload_refused();
        return Err(Problem::new(
            ProblemType::Overloaded,
            format!("{} requests are under way, as many as this server takes; try again in a second", places.most),
        ));
    };
    let response = next.run(request).await;
    if response.extensions().get::<LongLived>().is_some() {
        return Ok(response);
    }
    Ok(response.map(|body| Body::new(Held { body, _place: place })))
}

/// A body that keeps its request's place until it is sent or dropped.
struct Held {
    body: Body,
    _place: OwnedSemaphorePermit,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::{from_fn, from_fn_with_state};
    use axum::routing::{get, post};
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    fn router() -> Router {
        Router::new().route("/a", get(|| async { "a" }).delete(|| async { "d" })).route("/p", post(|| async { "p" }))
    }

    fn request(method: &str, uri: &str, body: Body) -> Request {
        Request::builder().method(method).uri(uri).body(body).unwrap()
    }

    async fn status(request: Request) -> u16 {
        router().layer(from_fn(sane_only)).oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn a_body_is_refused_where_none_belongs() {
        assert_eq!(status(request("GET", "/a", Body::empty())).await, 200);
        assert_eq!(status(request("GET", "/a", Body::from("x"))).await, 400);
        assert_eq!(status(request("DELETE", "/a", Body::from("x"))).await, 400);
        assert_eq!(status(request("POST", "/p", Body::from("x"))).await, 200);
        let mut announced = request("GET", "/a", Body::empty());
        announced.headers_mut().insert(header::CONTENT_LENGTH, 5.into());
        assert_eq!(status(announced).await, 400);
        let mut none = request("GET", "/a", Body::empty());
        none.headers_mut().insert(header::CONTENT_LENGTH, 0.into());
        assert_eq!(status(none).await, 200);
    }

    #[tokio::test]
    async fn a_long_address_is_414() {
        let fits = format!("/a?{}", "x".repeat(MAX_URI_BYTES - 3));
        assert_eq!(status(request("GET", &fits, Body::empty())).await, 200);
        assert_eq!(status(request("GET", &format!("{fits}x"), Body::empty())).await, 414);
    }

    #[tokio::test]
    async fn a_place_is_held_to_the_last_byte() {
        let app = router().layer(from_fn_with_state(Places::new(1, Arc::default()), limited));
        let ask = || app.clone().oneshot(request("GET", "/a", Body::empty()));
        let first = ask().await.unwrap();
        let second = ask().await.unwrap();
        assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(second.headers()[header::RETRY_AFTER], "1");
        assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), "a");
        assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_long_lived_answer_gives_its_place_back() {
        let live = Router::new().route("/live", get(|| async { (axum::Extension(LongLived), "event") }));
        let app = live.layer(from_fn_with_state(Places::new(1, Arc::default()), limited));
        let ask = || app.clone().oneshot(request("GET", "/live", Body::empty()));
        let _streaming = ask().await.unwrap();
        assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
    }
}
