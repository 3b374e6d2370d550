//! Refusals and failures as RFC 9457 `application/problem+json`. Every handler and layer answers with a [`Problem`];
//! this file alone decides which status a kind of error has. It never shows what an internal fault says: that goes to
//! the log, under the request id.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Error, ErrorKind};

/// The media type of a problem (RFC 9457 §3).
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Where the `type` URIs begin. They are names, not addresses: nothing is fetched from there.
const TYPE_BASE: &str = "https://pitlake.dev/problems/";

/// Every kind of problem that an answer can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemType {
    UnknownSymbol,
    UnknownDataset,
    MissingDay,
    ClosedDay,
    InvalidParameter,
    UnknownParameter,
    RepeatedParameter,
    MissingParameter,
    InvalidHeader,
    InvalidRequest,
    MalformedHttp,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    BodyNotAllowed,
    Conflict,
    PreconditionFailed,
    RangeNotSatisfiable,
    UriTooLong,
    HeadersTooLarge,
    TooLarge,
    UnsupportedEncoding,
    NothingTaken,
    KeyReused,
    Backlog,
    SpoolUnavailable,
    Overloaded,
    Unavailable,
    DeadlineExceeded,
    Corrupt,
    Internal,
}

impl ProblemType {
    /// All of them, for the documentation and its test.
    pub const ALL: [ProblemType; 33] = [
        ProblemType::UnknownSymbol,
        ProblemType::UnknownDataset,
        ProblemType::MissingDay,
        ProblemType::ClosedDay,
        ProblemType::InvalidParameter,
        ProblemType::UnknownParameter,
        ProblemType::RepeatedParameter,
        ProblemType::MissingParameter,
        ProblemType::InvalidHeader,
        ProblemType::InvalidRequest,
        ProblemType::MalformedHttp,
        ProblemType::Unauthorized,
        ProblemType::Forbidden,
        ProblemType::NotFound,
        ProblemType::MethodNotAllowed,
        ProblemType::NotAcceptable,
        ProblemType::BodyNotAllowed,
        ProblemType::Conflict,
        ProblemType::PreconditionFailed,
        ProblemType::RangeNotSatisfiable,
        ProblemType::UriTooLong,
        ProblemType::HeadersTooLarge,
        ProblemType::TooLarge,
        ProblemType::UnsupportedEncoding,
        ProblemType::NothingTaken,
        ProblemType::KeyReused,
        ProblemType::Backlog,
        ProblemType::SpoolUnavailable,
        ProblemType::Overloaded,
        ProblemType::Unavailable,
        ProblemType::DeadlineExceeded,
        ProblemType::Corrupt,
        ProblemType::Internal,
    ];

    /// The last part of the `type` URI, the HTTP status and the title.
    fn facts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::UnknownSymbol => ("unknown-symbol", StatusCode::NOT_FOUND, "Unknown symbol"),
            Self::UnknownDataset => ("unknown-dataset", StatusCode::NOT_FOUND, "Unknown dataset"),
            Self::MissingDay => ("missing-day", StatusCode::NOT_FOUND, "No data for this day"),
            Self::ClosedDay => ("closed-day", StatusCode::NOT_FOUND, "No session on this day"),
            Self::InvalidParameter => ("invalid-parameter", StatusCode::BAD_REQUEST, "Invalid parameter"),
            Self::UnknownParameter => ("unknown-parameter", StatusCode::BAD_REQUEST, "Unknown parameter"),
            Self::RepeatedParameter => ("repeated-parameter", StatusCode::BAD_REQUEST, "Repeated parameter"),
            Self::MissingParameter => ("missing-parameter", StatusCode::BAD_REQUEST, "Missing parameter"),
            Self::InvalidHeader => ("invalid-header", StatusCode::BAD_REQUEST, "Invalid header"),
            Self::InvalidRequest => ("invalid-request", StatusCode::BAD_REQUEST, "Invalid request"),
            Self::MalformedHttp => ("malformed-http", StatusCode::BAD_REQUEST, "Not an HTTP request"),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "A valid key is needed"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "The key does not allow this"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "Not found"),
            Self::MethodNotAllowed => ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Self::NotAcceptable => ("not-acceptable", StatusCode::NOT_ACCEPTABLE, "No such format"),
            Self::BodyNotAllowed => ("body-not-allowed", StatusCode::BAD_REQUEST, "A body where none belongs"),
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "Changed by somebody else"),
            Self::PreconditionFailed => ("precondition-failed", StatusCode::PRECONDITION_FAILED, "Not that version"),
            Self::RangeNotSatisfiable => {
                ("range-not-satisfiable", StatusCode::RANGE_NOT_SATISFIABLE, "Beyond the end of the file")
            }
            Self::UriTooLong => ("uri-too-long", StatusCode::URI_TOO_LONG, "The address is too long"),
            Self::HeadersTooLarge => {
                ("headers-too-large", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large")
            }
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "Too much at once"),
            Self::UnsupportedEncoding => {
                ("unsupported-encoding", StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported Content-Encoding")
            }
            Self::NothingTaken => ("nothing-taken", StatusCode::UNPROCESSABLE_ENTITY, "No document was taken"),
            Self::KeyReused => {
                ("idempotency-key-reused", StatusCode::UNPROCESSABLE_ENTITY, "Idempotency-Key used for another body")
            }
            Self::Backlog => ("backlog", StatusCode::TOO_MANY_REQUESTS, "As much waits as may wait"),
            Self::SpoolUnavailable => {
                ("spool-unavailable", StatusCode::SERVICE_UNAVAILABLE, "Cannot be written down now")
            }
            Self::Overloaded => ("overloaded", StatusCode::SERVICE_UNAVAILABLE, "Too busy"),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "The lake cannot be reached"),
            Self::DeadlineExceeded => ("deadline-exceeded", StatusCode::SERVICE_UNAVAILABLE, "Took too long"),
            Self::Corrupt => ("corrupt", StatusCode::INTERNAL_SERVER_ERROR, "Stored data is damaged"),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Internal fault"),
        }
    }

    /// The `type` member: a URI that names this kind of problem.
    pub fn uri(self) -> String {
        format!("{TYPE_BASE}{}", self.facts().0)
    }

    pub fn status(self) -> StatusCode {
        self.facts().1
    }

    pub fn title(self) -> &'static str {
        self.facts().2
    }

    /// Seconds after which to try again, for the kinds that pass by themselves.
    fn retry_after_secs(self) -> Option<u32> {
        match self {
            Self::Overloaded => Some(1),
            Self::Unavailable | Self::DeadlineExceeded | Self::SpoolUnavailable => Some(5),
            Self::Backlog => Some(15),
            _ => None,
        }
    }
}

/// The wire form of a problem (RFC 9457 §3.1), also its schema in the OpenAPI document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem, title = "Problem")]
pub struct ProblemDocument {
    /// A URI that names the kind of problem; decide by this one.
    #[serde(rename = "type")]
    #[schema(example = "https://pitlake.dev/problems/unknown-symbol")]
    pub kind: String,
    /// The kind of problem in a few words, always the same for one `type`.
    pub title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    pub status: u16,
    /// What is wrong this time and what to do about it.
    pub detail: String,
    /// The query parameter to blame, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Further members that some types have, such as `allowed` or `next_session`.
    #[serde(flatten)]
    #[schema(additional_properties, value_type = Object)]
    pub more: Map<String, Value>,
}

/// A refusal or failure on its way to the client.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    kind: ProblemType,
    detail: String,
    parameter: Option<String>,
    more: Map<String, Value>,
    headers: HeaderMap,
    retry_after_secs: Option<u32>,
    cause: Option<Arc<Error>>,
}

/// Left in a response's extensions for the log: which problem was answered and what lay below it.
#[derive(Debug, Clone)]
pub struct ProblemTrace {
    pub kind: ProblemType,
    pub detail: String,
    pub cause: Option<Arc<Error>>,
}

impl Problem {
    /// A problem whose `detail` says what is wrong this time and what to do.
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            detail: detail.into(),
            parameter: None,
            more: Map::new(),
            headers: HeaderMap::new(),
            retry_after_secs: kind.retry_after_secs(),
            cause: None,
        }))
    }

    /// A parameter whose value cannot be used.
    pub fn parameter(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(ProblemType::InvalidParameter, detail).blaming(name)
    }

    /// Names the query parameter to blame.
    #[must_use]
    pub fn blaming(mut self, parameter: impl Into<String>) -> Self {
        self.0.parameter = Some(parameter.into());
        self
    }

    /// Adds an extension member (RFC 9457 §3.2).
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.more.insert(member.to_owned(), value.into());
        self
    }

    /// Adds a response header, as `WWW-Authenticate` for a 401.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Sets `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.0.retry_after_secs = Some(seconds);
        self
    }

    /// Keeps the error below this problem for the log; the client does not see it.
    #[must_use]
    pub fn caused_by(mut self, error: Error) -> Self {
        self.0.cause = Some(Arc::new(error));
        self
    }

    pub fn kind(&self) -> ProblemType {
        self.0.kind
    }

    pub fn status(&self) -> StatusCode {
        self.0.kind.status()
    }

    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    pub fn blamed_parameter(&self) -> Option<&str> {
        self.0.parameter.as_deref()
    }

    /// An extension member.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.0.more.get(name)
    }

    /// What goes over the wire.
    pub fn document(&self) -> ProblemDocument {
        let parts = &*self.0;
        ProblemDocument {
            kind: parts.kind.uri(),
            title: parts.kind.title().to_owned(),
            status: parts.kind.status().as_u16(),
            detail: parts.detail.clone(),
            parameter: parts.parameter.clone(),
            more: parts.more.clone(),
        }
    }

    /// The problem as JSON bytes.
    pub fn to_json(&self) -> Vec<u8> {
        // Strings, numbers and string-keyed maps always serialize; an empty body is still a correct status.
        serde_json::to_vec(&self.document()).unwrap_or_default()
    }

    /// The problem as a complete HTTP/1.1 answer that ends the connection, for a refusal made before there is a
    /// request that a router could see.
    pub fn to_http1_close(&self) -> Vec<u8> {
        let body = self.to_json();
        let status = self.status();
        let mut answer = format!(
            "HTTP/1.1 {} {}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n",
            status.as_u16(),
            status.canonical_reason().unwrap_or("Error"),
            body.len(),
        );
        if let Some(seconds) = self.0.retry_after_secs {
            answer.push_str(&format!("retry-after: {seconds}\r\n"));
        }
        answer.push_str("\r\n");
        let mut answer = answer.into_bytes();
        answer.extend_from_slice(&body);
        answer
    }
}

/// The one place where what a caller can do about an error becomes a status.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.detail().to_owned();
        match error.kind() {
            ErrorKind::NotFound => Self::new(ProblemType::NotFound, detail),
            ErrorKind::Invalid => Self::new(ProblemType::InvalidRequest, detail),
            ErrorKind::Conflict => Self::new(ProblemType::Conflict, detail),
            ErrorKind::Overloaded => Self::new(ProblemType::Overloaded, detail),
            // The client's own key is judged in `auth`. Here the store refused *this server*: the client cannot mend it.
            ErrorKind::Denied => Self::new(
                ProblemType::Unavailable,
                "the lake's store refuses this server's credentials; its operator has to mend them, the question is fine",
            )
            .retry_after(60),
            ErrorKind::Unavailable => Self::new(
                ProblemType::Unavailable,
                "the lake's store cannot be reached just now; the question is fine, ask it again in a few seconds",
            ),
            ErrorKind::Cancelled => Self::new(
                ProblemType::DeadlineExceeded,
                "the answer was not ready within its deadline; ask for less at once (fewer days, a strike range, ?by=day) or use /files",
            ),
            ErrorKind::Corrupt => Self::new(
                ProblemType::Corrupt,
                "what is stored for this answer contradicts its own record, so no answer is given; the operator should \
                 run `pitlake verify`, and finds the details in the log under this answer's X-Request-Id",
            ),
            ErrorKind::Internal => Self::new(
                ProblemType::Internal,
                "a fault of the server, not of the question; report it with this answer's X-Request-Id",
            ),
        }
        .caused_by(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.to_json();
        let status = self.status();
        let parts = *self.0;
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(parts.headers);
        if let Some(seconds) = parts.retry_after_secs {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(ProblemTrace { kind: parts.kind, detail: parts.detail, cause: parts.cause });
        response
    }
}

/// The router's fallback: no route has this path.
pub async fn no_such_route(request: Request) -> Problem {
    Problem::new(
        ProblemType::NotFound,
        format!("there is nothing at {}; /docs lists every route", shortened(request.uri().path(), 80)),
    )
}

/// The router's `method_not_allowed_fallback`: the path is a route, the method is not one of its own. The router adds
/// `Allow`.
pub async fn no_such_method(request: Request) -> Problem {
    Problem::new(
        ProblemType::MethodNotAllowed,
        format!(
            "{} does not answer {}; the Allow header lists what it answers",
            shortened(request.uri().path(), 80),
            request.method()
        ),
    )
}

/// At most `limit` characters of what a client sent, fit to be quoted in a detail: control characters are escaped.
pub fn shortened(text: &str, limit: usize) -> String {
    let mut quoted = String::new();
    for (taken, character) in text.chars().enumerate() {
        if taken == limit {
            quoted.push('…');
            break;
        }
        if character.is_control() { quoted.extend(character.escape_default()) } else { quoted.push(character) }
    }
    quoted
}

#[cfg(test)]
#[path = "problem_tests.rs"]
mod tests;
