//! The outermost layer: every request gets an id, a span, one log line when its last byte is gone, and its numbers in the
//! metrics; a panic in a handler becomes a problem instead of a dead connection. It never logs a key.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::admission::LongLived;
use super::auth::Access;
use super::metrics::Metrics;
use super::problem::{Problem, ProblemTrace, ProblemType, shortened};
use super::request_id::{RequestIds, X_REQUEST_ID};
use crate::Error;

/// The `route` of a request that no route fits.
const NO_ROUTE: &str = "none";
/// How much of a query is logged.
const LOGGED_QUERY_CHARS: usize = 300;

/// What the layer needs.
#[derive(Debug)]
pub struct Observer {
    pub metrics: Arc<Metrics>,
    pub ids: RequestIds,
}

/// Wraps a whole application; nothing may be layered around the result.
pub fn observed(router: Router, observer: Arc<Observer>) -> Router {
    router.layer(CatchPanicLayer::custom(panicked)).layer(from_fn_with_state(observer, observe))
}

async fn observe(State(observer): State<Arc<Observer>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = observer.ids.id_for(request.headers());
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let method = method_name(request.method());
    let span = tracing::info_span!(
        "request",
        id = id.as_str(),
        method,
        path = %shortened(&masked(request.uri().path()), LOGGED_QUERY_CHARS),
        query = %shortened(&masked(request.uri().query().unwrap_or_default()), LOGGED_QUERY_CHARS),
    );
    request.extensions_mut().insert(id.clone());
    let mut ending = Ending {
        metrics: Arc::clone(&observer.metrics),
        span: span.clone(),
        started,
        answer: None,
        bytes: 0,
        length: None,
        whole: false,
        endless: false,
        failed: false,
    };
    observer.metrics.request_began();
    let mut response = next.run(request).instrument(span).await;
    response.headers_mut().insert(X_REQUEST_ID, id.header_value());
    observer.metrics.request_answered(method, &route, response.status(), started.elapsed());
    ending.answer = Some(Answer {
        status: response.status(),
        key: response.extensions().get::<Access>().and_then(Access::key_id).map(str::to_owned),
        problem: response.extensions_mut().remove::<ProblemTrace>(),
        // Posts come by the thousand, and what becomes of them is told when they are sealed.
        quiet: matches!(route.as_str(), "/health" | "/metrics" | "/capture/v1/greeks"),
        route,
    });
    ending.length = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // Whoever listens to a stream without an end goes away in the middle of it.
    ending.endless = response.extensions().get::<LongLived>().is_some();
    // A HEAD answer's body is dropped unread, and was still answered whole.
    ending.whole = method == "HEAD" || response.body().is_end_stream();
    response.map(|body| Body::new(Observed { body, ending }))
}

/// A fixed word: a method is the client's free text otherwise.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Hides what looks like a key: some clients put theirs into the address, where no key belongs.
fn masked(text: &str) -> String {
    text.split_inclusive(['/', '&', '=', '?', ','])
        .map(|piece| {
            let word = piece.trim_end_matches(['/', '&', '=', '?', ',']);
            if Uuid::try_parse(word).is_ok() { format!("***{}", &piece[word.len()..]) } else { piece.to_owned() }
        })
        .collect()
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words");
    Problem::from(Error::internal(format!("a handler panicked: {said}"))).into_response()
}

/// Runs when the answer's body is sent or dropped, or when the client went away before there was an answer.
struct Ending {
    metrics: Arc<Metrics>,
    span: Span,
    started: Instant,
    answer: Option<Answer>,
    bytes: u64,
    /// As `Content-Length` declares it.
    length: Option<u64>,
    whole: bool,
    /// It has no end that could be missed.
    endless: bool,
    failed: bool,
}

struct Answer {
    status: StatusCode,
    key: Option<String>,
    problem: Option<ProblemTrace>,
    quiet: bool,
    route: String,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let ms = took.as_micros() as f64 / 1000.0;
        let _inside = self.span.enter();
        let Some(answer) = &self.answer else {
            self.metrics.request_abandoned();
            tracing::info!(ms, "the client went away before the answer");
            return;
        };
        let (status, bytes) = (answer.status.as_u16(), self.bytes);
        let whole = self.whole || (self.endless && !self.failed);
        self.metrics.request_ended(&answer.route, bytes, took, whole);
        let key = answer.key.as_deref();
        let problem = answer.problem.as_ref();
        let cause = problem.and_then(|problem| problem.cause.as_deref()).map(chain);
        let detail = problem.map(|problem| problem.detail.as_str());
        match problem.map(|problem| problem.kind) {
            Some(ProblemType::Internal | ProblemType::Corrupt) => {
                tracing::error!(status, ms, bytes, whole, key, detail, cause, "failed");
            }
            Some(ProblemType::Unavailable | ProblemType::DeadlineExceeded | ProblemType::SpoolUnavailable) => {
                tracing::warn!(status, ms, bytes, whole, key, detail, cause, "failed");
            }
            Some(_) => tracing::info!(status, ms, bytes, whole, key, detail, "refused"),
            None if !whole => tracing::warn!(status, ms, bytes, whole, key, "broken off"),
            None if answer.quiet => tracing::debug!(status, ms, bytes, "answered"),
            None => tracing::info!(status, ms, bytes, key, "answered"),
        }
    }
}

/// An error and all that lies below it, on one line.
fn chain(error: &Error) -> String {
    let mut line = error.to_string();
    let mut below = std::error::Error::source(error);
    while let Some(cause) = below {
        line.push_str(&format!(": {cause}"));
        below = cause.source();
    }
    line
}

/// A body that counts its bytes and knows whether it came to its end.
struct Observed {
    body: Body,
    ending: Ending,
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.ending.bytes += bytes as u64;
                // A body with a declared length is dropped after its last byte without being asked for its end.
                self.ending.whole = self.body.is_end_stream() || self.ending.length == Some(self.ending.bytes);
            }
            Poll::Ready(None) => self.ending.whole = !self.ending.failed,
            Poll::Ready(Some(Err(error))) => {
                self.ending.whole = false;
                self.ending.failed = true;
                let _inside = self.ending.span.enter();
                tracing::error!(%error, "the answer broke off: the client sees a torn stream, never a short whole one");
            }
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[path = "observe_tests.rs"]
mod tests;
