//! Who asks, and may they: the layer that every route with data sits behind, and the [`Access`] it hands to handlers.
//! A request it cannot judge (keys unreadable, header strange) is refused; it never lets one through to be safe.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

use super::key_store::{KeyStore, Known};
use super::keys::{KeyRecord, Scope};
use super::problem::{Problem, ProblemType};
use crate::ErrorKind;
use crate::market::Symbol;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Headers by which a proxy says that it speaks for somebody else.
const PROXY_HEADERS: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// What the client of one request may do. Handlers take it as an argument and ask [`Access::require`] before they touch
/// data.
#[derive(Debug, Clone)]
pub struct Access(Holder);

#[derive(Debug, Clone)]
enum Holder {
    /// Somebody on this machine, of a lake that never had a key: may do everything.
    ThisMachine,
    Key(Arc<KeyRecord>),
}

impl Access {
    /// Everything, for a client on the server's own machine.
    pub fn this_machine() -> Self {
        Self(Holder::ThisMachine)
    }

    /// What this key's record allows.
    pub fn of_key(record: KeyRecord) -> Self {
        Self(Holder::Key(Arc::new(record)))
    }

    /// The public id of the key, for the log; `None` for a client on this machine without one.
    pub fn key_id(&self) -> Option<&str> {
        self.record().map(|record| record.id.as_str())
    }

    fn record(&self) -> Option<&KeyRecord> {
        match &self.0 {
            Holder::ThisMachine => None,
            Holder::Key(record) => Some(record),
        }
    }

    /// Whether lists may show this dataset.
    pub fn allows_dataset(&self, dataset: &str) -> bool {
        self.record().and_then(|record| record.datasets.as_ref()).is_none_or(|allowed| allowed.contains(dataset))
    }

    /// Whether lists may show this symbol.
    pub fn allows_symbol(&self, symbol: &Symbol) -> bool {
        self.record().and_then(|record| record.symbols.as_ref()).is_none_or(|allowed| allowed.contains(symbol))
    }

    /// # Errors
    /// `forbidden` when the key lacks the scope.
    pub fn require_scope(&self, scope: Scope) -> Result<(), Problem> {
        match self.record() {
            Some(record) if !record.scopes.contains(&scope) => Err(Problem::new(
                ProblemType::Forbidden,
                format!("key {} lacks the scope '{scope}'; ask for a key made with --scope {scope}", record.id),
            )),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// `forbidden` when the key lacks the scope or is not for the dataset.
    pub fn require_dataset(&self, scope: Scope, dataset: &str) -> Result<(), Problem> {
        self.require_scope(scope)?;
        match self.record() {
            Some(record) if !self.allows_dataset(dataset) => Err(Problem::new(
                ProblemType::Forbidden,
                format!(
                    "key {} is not for the dataset '{dataset}'; GET /api/v1/datasets lists those it is for",
                    record.id
                ),
            )),
            _ => Ok(()),
        }
    }

    /// To be asked before data of one dataset and symbol is touched, and before saying whether it exists: what a key
    /// may not see is answered alike, there or not.
    ///
    /// # Errors
    /// `forbidden`, which names the scope, dataset or symbol that the key lacks.
    pub fn require(&self, scope: Scope, dataset: &str, symbol: &Symbol) -> Result<(), Problem> {
        self.require_dataset(scope, dataset)?;
        match self.record() {
            Some(record) if !self.allows_symbol(symbol) => Err(Problem::new(
                ProblemType::Forbidden,
                format!("key {} is not for the symbol {symbol}; GET /api/v1/symbols lists those it is for", record.id),
            )),
            _ => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Access {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Access>().cloned().ok_or_else(|| {
            Problem::from(crate::Error::internal("a route that needs `Access` was not put behind `auth::admit`"))
        })
    }
}

/// The layer (`axum::middleware::from_fn_with_state`) before every route that needs a key.
///
/// # Errors
/// `unauthorized` without a valid key, `invalid-header` for contradicting ones, `unavailable` or `corrupt` when the
/// lake's keys cannot be known.
pub async fn admit(State(keys): State<Arc<KeyStore>>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let presented = presented_key(request.headers())?;
    let known = keys.known().await.map_err(|error| match error.kind() {
        ErrorKind::Corrupt => Problem::new(
            ProblemType::Corrupt,
            "the lake's key list is malformed, so every request is refused; its operator has to mend it",
        )
        .caused_by(error),
        _ => Problem::from(error),
    })?;
    let access = judge(presented, &known, is_on_this_machine(request.extensions(), request.uri(), request.headers()))?;
    request.extensions_mut().insert(access.clone());
    let mut response = next.run(request).await;
    response.extensions_mut().insert(access);
    Ok(response)
}

/// The layer before `/metrics` on the public listener: answers only clients on this machine.
pub async fn this_machine_only(request: Request, next: Next) -> Result<Response, Problem> {
    if is_on_this_machine(request.extensions(), request.uri(), request.headers()) {
        return Ok(next.run(request).await);
    }
    Err(Problem::new(
        ProblemType::Forbidden,
        "this is answered on the server's own machine only; ask there by http://localhost, or give metrics a listener of their own",
    ))
}

fn judge(presented: Option<Uuid>, known: &Known, on_this_machine: bool) -> Result<Access, Problem> {
    let list = match (known, presented) {
        (Known::NeverAny, None) if on_this_machine => return Ok(Access::this_machine()),
        (Known::NeverAny, None) => {
            return Err(unauthorized(
                "this lake has no key yet and answers only its own machine, by http://localhost; \
                 make a key with `pitlake keys create` to ask from elsewhere",
            ));
        }
        (Known::NeverAny, Some(_)) => return Err(unauthorized("this key is not known: the lake has no keys")),
        (Known::List(_), None) => {
            return Err(unauthorized("a key is needed: send `Authorization: Bearer <key>` or `X-API-Key: <key>`"));
        }
        (Known::List(list), Some(key)) => list.find(key),
    };
    match list {
        Some(record) if record.revoked_at.is_some() => {
            Err(unauthorized(format!("key {} has been revoked; ask the lake's operator for another", record.id)))
        }
        Some(record) => Ok(Access::of_key(record.clone())),
        None => Err(unauthorized("this key is not known; check it for a slip, or ask the lake's operator for one")),
    }
}

fn unauthorized(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemType::Unauthorized, detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"pitlake\""))
}

/// The key in the headers, if one is there. Never quotes what was sent: it may be somebody's secret.
fn presented_key(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    let bearer = match single(headers, &header::AUTHORIZATION)? {
        None => None,
        Some(value) => {
            let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
            if !scheme.eq_ignore_ascii_case("bearer") {
                return Err(unauthorized("the Authorization header must be `Bearer <key>`"));
            }
            Some(key_of(token.trim(), "the Authorization header")?)
        }
    };
    let plain = single(headers, &X_API_KEY)?.map(|value| key_of(value.trim(), "the X-API-Key header")).transpose()?;
    match (bearer, plain) {
        (Some(bearer), Some(plain)) if bearer != plain => Err(Problem::new(
            ProblemType::InvalidHeader,
            "Authorization and X-API-Key hold two different keys; send one of them",
        )),
        (bearer, plain) => Ok(bearer.or(plain)),
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Problem::new(
            ProblemType::InvalidHeader,
            format!("the header {name} is given more than once; send it once"),
        ));
    }
    first
        .map(|value| value.to_str().map_err(|_| unauthorized(format!("the header {name} holds no readable key"))))
        .transpose()
}

fn key_of(text: &str, place: &str) -> Result<Uuid, Problem> {
    // The hyphenated form only: one spelling of a key is enough.
    let malformed = || unauthorized(format!("{place} holds no key: a key is a UUID, as 8-4-4-4-12 hexadecimal digits"));
    if text.len() != 36 {
        return Err(malformed());
    }
    Uuid::try_parse(text).map_err(|_| malformed())
}

/// Whether the client is a program on this machine that meant to speak to it: the peer is loopback, and so is the host
/// it asked for. The second part refuses a web page whose own host name has been pointed at 127.0.0.1 (DNS rebinding);
/// `Origin` refuses a page of elsewhere that posts to localhost; and a proxy on this machine speaks for others.
fn is_on_this_machine(extensions: &Extensions, uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() else { return false };
    let mut hosts = headers.get_all(header::HOST).iter();
    // HTTP/2 has the authority in the request line's place.
    let host = match (hosts.next(), uri.authority()) {
        (Some(host), None) => host.to_str().ok(),
        (None, Some(authority)) => Some(authority.as_str()),
        (Some(host), Some(authority)) => {
            Some(authority.as_str()).filter(|authority| host.to_str().ok() == Some(authority))
        }
        (None, None) => None,
    };
    peer.ip().to_canonical().is_loopback()
        && hosts.next().is_none()
        && host.is_some_and(is_local_host)
        && headers.get_all(header::ORIGIN).iter().all(is_local_origin)
        && PROXY_HEADERS.iter().all(|name| !headers.contains_key(*name))
}

fn is_local_origin(origin: &HeaderValue) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).is_some_and(is_local_host)
}

fn is_local_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, "0"),
    };
    let is_port = (1..=5).contains(&port.len()) && port.bytes().all(|digit| digit.is_ascii_digit());
    is_port && (name.eq_ignore_ascii_case("localhost") || name == "127.0.0.1" || name == "[::1]")
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
