//! Asks the question: of the real routes in this process, over the lake and without a port, or of a server that runs. The
//! answer's body goes to a file, however long it is.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use serde_json::Value;
use tower::ServiceExt;
use url::Url;

use crate::lake::store::Store;
use crate::market::SharedClock;
use crate::server::{Server, ServerOptions, cores};
use crate::{Error, ErrorKind, Result};

/// Of a problem document, more is not read.
const PROBLEM_BYTES: u64 = 1 << 20;
const MIB: u64 = 1 << 20;

/// What came back.
pub struct Answered {
    pub status: u16,
    pub content_type: String,
    pub condition: Option<String>,
    pub revision: Option<u32>,
    pub body: File,
}

/// Who is asked.
pub enum Api<'a> {
    InProcess { store: &'a Store, clock: SharedClock, cache: &'a Path },
    Running { server: &'a Url, key: Option<&'a str> },
}

impl Api<'_> {
    /// GET of a path with its query.
    ///
    /// # Errors
    /// `Unavailable` when nobody answers or the body breaks off; those of the store.
    pub async fn get(&self, path_and_query: &str) -> Result<Answered> {
        match self {
            Api::InProcess { store, clock, cache } => {
                let options = ServerOptions {
                    cache_folder: cache.to_path_buf(),
                    cache_bytes: 1024 * MIB,
                    memory_bytes: 160 * MIB,
                    engine_bytes: 1024 * MIB,
                    cores: cores(),
                    max_requests: 1,
                    live: crate::greeks::live::LiveOptions::default(),
                };
                let server = Server::new((*store).clone(), SharedClock::clone(clock), options).await?;
                let request = Request::get(path_and_query)
                    .body(Body::empty())
                    .map_err(|error| Error::invalid("this is no path of a URL").caused_by(error))?;
                let Ok(response) = server.in_process().oneshot(request).await;
                let (parts, body) = response.into_parts();
                kept(parts.status.as_u16(), &parts.headers, body.into_data_stream()).await
            }
            Api::Running { server, key } => {
                let url = below(server, path_and_query);
                // A redirect would carry the key to wherever it points.
                let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
                // A server on this machine is not behind a proxy.
                let client = if is_here(&url) { client.no_proxy() } else { client };
                let client = client
                    .build()
                    .map_err(|error| Error::internal("the HTTP client could not be made").caused_by(error))?;
                let mut request = client.get(url);
                if let Some(key) = key {
                    request = request.bearer_auth(key);
                }
                let unreachable = |error: reqwest::Error| {
                    Error::unavailable(format!("{server} does not answer; is it running?")).caused_by(error)
                };
                let response = request.send().await.map_err(unreachable)?;
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                kept(status, &headers, response.bytes_stream()).await
            }
        }
    }
}

/// The path and query on this very server. Joining would let a path that begins with `//` name another host, and the key
/// would go there.
fn below(server: &Url, path_and_query: &str) -> Url {
    let (path, query) =
        path_and_query.split_once('?').map_or((path_and_query, None), |(path, query)| (path, Some(query)));
    let mut url = server.clone();
    url.set_path(&format!("{}{path}", server.path().trim_end_matches('/')));
    url.set_query(query);
    url
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

async fn kept<E: std::error::Error + Send + Sync + 'static>(
    status: u16,
    headers: &HeaderMap,
    body: impl Stream<Item = std::result::Result<Bytes, E>>,
) -> Result<Answered> {
    let disk = |error: std::io::Error| {
        Error::unavailable(format!("the answer cannot be kept on disk ({error})")).caused_by(error)
    };
    let mut file = tempfile::tempfile().map_err(disk)?;
    let mut body = std::pin::pin!(body);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| Error::unavailable("the answer broke off; ask again").caused_by(error))?;
        file.write_all(&piece).map_err(disk)?;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Ok(Answered {
        status,
        content_type: text(header::CONTENT_TYPE.as_str()).unwrap_or_default(),
        condition: text("pitlake-condition"),
        revision: text("pitlake-revision").and_then(|revision| revision.parse().ok()),
        body: file,
    })
}

impl Answered {
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The API's own refusal as an error: its words, and whether the question was wrong or the thing is not there.
    pub fn problem(mut self) -> Error {
        use std::io::{Read, Seek};
        let mut text = String::new();
        // Where it cannot be read the status alone has to do.
        let _ = self.body.rewind().and_then(|()| (&self.body).take(PROBLEM_BYTES).read_to_string(&mut text));
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        let member = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        let kind = match self.status {
            404 => ErrorKind::NotFound,
            400..=499 => ErrorKind::Invalid,
            _ => ErrorKind::Unavailable,
        };
        let which = member("type").rsplit('/').next().unwrap_or_default().to_owned();
        Error::new(kind, format!("the API answers {} {which}: {}", self.status, member("detail")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_never_names_another_host() {
        let asked = |server: &str, call| below(&server.parse().unwrap(), call).to_string();
        assert_eq!(asked("http://lake", "/api/v1/x?a=1&b=%20"), "http://lake/api/v1/x?a=1&b=%20");
        assert_eq!(asked("https://lake/under/", "/api/v1/x"), "https://lake/under/api/v1/x");
        for call in ["//other/api/v1/x", "/\\\\other/api", "//other:80/x?y", "/\t/other/x"] {
            assert_eq!(below(&"http://lake".parse().unwrap(), call).host_str(), Some("lake"), "{call}");
        }
    }
}
