//! The pitlake server that files are pulled from: its lists, its refusals in its own words, and the requests for files. The
//! key goes to this server alone, never to the store that a presigned URL names.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use url::Url;

use crate::cli::exit::wrong_usage;
use crate::lake::layout::{Key, PartitionId};
use crate::lake::records::Span;
use crate::market::Symbol;
use crate::{Error, ErrorKind, Result};

const CONNECT: Duration = Duration::from_secs(10);
/// Longest wait for the next piece of an answer.
const READ: Duration = Duration::from_secs(60);

/// What is pulled: one dataset of one symbol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    pub dataset: String,
    pub symbol: String,
}

/// One file as `/files` lists it.
#[derive(Debug, Clone)]
pub struct Listed {
    pub id: PartitionId,
    /// Where in the lake, and so under the folder.
    pub path: String,
    pub url: Url,
    pub bytes: u64,
    pub sha256: String,
    pub revision: u32,
}

/// An answer of `/files`.
#[derive(Debug)]
pub struct Listing {
    pub files: Vec<Listed>,
    /// What to ask `/changes` from.
    pub until: DateTime<Utc>,
}

#[derive(Deserialize)]
struct FilesAnswer {
    symbol: Symbol,
    until: DateTime<Utc>,
    data: Vec<FileRow>,
    count: usize,
}

#[derive(Deserialize)]
struct FileRow {
    path: String,
    url: String,
    bytes: u64,
    sha256: String,
    revision: u32,
}

/// An answer of `/changes`; the rows as they were sent.
#[derive(Debug, Deserialize)]
pub struct ChangesAnswer {
    pub until: DateTime<Utc>,
    pub data: Vec<Box<RawValue>>,
    count: usize,
}

#[derive(Deserialize)]
struct ProblemAnswer {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
}

/// The server.
pub struct Remote {
    lists: Client,
    /// Files are taken as they are, never decoded.
    files: Client,
    base: Url,
    key: Option<HeaderValue>,
}

impl Remote {
    /// # Errors
    /// Wrong usage for an address or a key that cannot be one.
    pub fn new(server: &str, key: Option<&str>) -> Result<Self> {
        let base = Url::parse(server).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        let base = base.ok_or_else(|| {
            wrong_usage(format!(
                "--server {server} is not an address such as http://127.0.0.1:8080 or https://lake.example"
            ))
        })?;
        let key = match key {
            None => None,
            Some(key) => {
                let value = HeaderValue::try_from(key.trim()).ok().filter(|_| key.trim().len() == 36);
                let mut value =
                    value.ok_or_else(|| wrong_usage("the key is not one that `pitlake keys create` made: a UUID"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let builder = || {
            // A redirect would carry the key to wherever it points.
            let builder = Client::builder().redirect(Policy::none()).connect_timeout(CONNECT).read_timeout(READ);
            builder.user_agent(concat!("pitlake/", env!("CARGO_PKG_VERSION")))
        };
        let failed = |error: reqwest::Error| Error::internal("the HTTP client cannot be made").caused_by(error);
        let lists = builder().build().map_err(failed)?;
        let files = builder().no_gzip().no_zstd().build().map_err(failed)?;
        Ok(Self { lists, files, base, key })
    }

    /// What the server lists, all of it checked: a path that is not a partition's of this dataset and symbol is refused, so
    /// that no server can make us write elsewhere.
    ///
    /// # Errors
    /// What the server answered, in its words; `Unavailable` when it cannot be reached.
    pub async fn files(&self, source: &Source, span: Span) -> Result<Listing> {
        let mut query = Vec::new();
        query.extend(span.start.map(|start| ("start", start.to_string())));
        query.extend(span.end.map(|end| ("end", end.to_string())));
        let answer: FilesAnswer = self.ask(source, "files", &query).await?;
        if answer.count != answer.data.len() {
            return Err(self.not_pitlake("its list of files is not as long as it says"));
        }
        let mut files = Vec::with_capacity(answer.data.len());
        let mut paths = BTreeSet::new();
        for row in answer.data {
            let id = match row.path.parse() {
                Ok(Key::Partition(id)) if id.dataset == source.dataset && id.symbol == answer.symbol => id,
                _ => return Err(self.not_pitlake(&format!("it lists {:?}, which is not asked for", row.path))),
            };
            let url = Url::parse(&row.url).map_err(|_| self.not_pitlake(&format!("{:?} is no URL", row.url)))?;
            let is_hash =
                row.sha256.len() == 64 && row.sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            if !is_hash || !paths.insert(row.path.clone()) {
                return Err(self.not_pitlake(&format!("its line for {} cannot be right", row.path)));
            }
            let FileRow { path, bytes, sha256, revision, .. } = row;
            files.push(Listed { id, path, url: self.reachable(url), bytes, sha256, revision });
        }
        Ok(Listing { files, until: answer.until })
    }

    /// What was republished since an instant.
    ///
    /// # Errors
    /// As [`Self::files`].
    pub async fn changes(&self, source: &Source, since: DateTime<Utc>) -> Result<ChangesAnswer> {
        let since = since.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let answer: ChangesAnswer = self.ask(source, "changes", &[("since", since)]).await?;
        if answer.count != answer.data.len() {
            return Err(self.not_pitlake("its list of changes is not as long as it says"));
        }
        Ok(answer)
    }

    /// Whether the URL is the server's own: only then does it hear the key.
    pub fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// Asks for a file, `headers` added.
    ///
    /// # Errors
    /// Those of the connection; the status is for the caller.
    pub async fn file(&self, url: &Url, headers: HeaderMap) -> reqwest::Result<Response> {
        let mut request = self.files.get(url.clone()).headers(headers);
        if let Some(key) = self.key.as_ref().filter(|_| self.is_own(url)) {
            request = request.header("x-api-key", key.clone());
        }
        request.send().await
    }

    /// A server behind something that speaks TLS for it may not know, and name itself with `http`: it is the one we asked all
    /// the same, and is asked the way we asked it.
    fn reachable(&self, url: Url) -> Url {
        let same_host = url.host() == self.base.host() && url.path().starts_with("/api/v1/") && url.query().is_none();
        if url.scheme() != "http" || self.base.scheme() != "https" || !same_host {
            return url;
        }
        let mut own = self.base.clone();
        own.set_path(url.path());
        own
    }

    async fn ask<T: DeserializeOwned>(&self, source: &Source, what: &str, query: &[(&str, String)]) -> Result<T> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().extend(["api", "v1", &source.dataset, &source.symbol, what]),
            Err(()) => return Err(self.not_pitlake("its address has no path")),
        };
        url.query_pairs_mut().extend_pairs(query);
        if query.is_empty() {
            url.set_query(None);
        }
        let mut request = self.lists.get(url).header(header::ACCEPT, "application/json");
        if let Some(key) = &self.key {
            request = request.header("x-api-key", key.clone());
        }
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        if response.status().as_u16() != 200 {
            return Err(self.refusal(response, source).await);
        }
        let body = response.bytes().await.map_err(|error| self.unreachable(error))?;
        serde_json::from_slice(&body)
            .map_err(|error| self.not_pitlake("what it answered is not a list of pitlake's").caused_by(error))
    }

    /// What an answer that is not 200 says, as an error that says what to do.
    pub async fn refusal(&self, response: Response, source: &Source) -> Error {
        let status = response.status();
        let body = response.bytes().await.unwrap_or_default();
        let Ok(problem) = serde_json::from_slice::<ProblemAnswer>(&body) else {
            return match status.as_u16() {
                429 | 500.. => Error::unavailable(format!("{} answered {status}; try again later", self.base)),
                300..=399 => self.not_pitlake(&format!("it answered {status}; give the address it points to")),
                _ => self.not_pitlake(&format!("it answered {status}")),
            };
        };
        let kind = match status.as_u16() {
            401 | 403 => ErrorKind::Denied,
            404 => ErrorKind::NotFound,
            429 | 503 => ErrorKind::Unavailable,
            500.. => ErrorKind::Corrupt,
            _ => ErrorKind::Invalid,
        };
        if problem.kind.ends_with("/not-found") {
            let Source { dataset, .. } = source;
            let detail =
                format!("{} has no dataset '{dataset}' to pull; GET /api/v1/datasets lists what it has", self.base);
            return Error::new(kind, detail);
        }
        let hint = if status.as_u16() == 401 { " (--key, or PITLAKE_KEY)" } else { "" };
        Error::new(kind, format!("{} says: {}{hint}", self.base, problem.detail))
    }

    fn not_pitlake(&self, why: &str) -> Error {
        Error::invalid(format!("{} does not answer as a pitlake server does: {why}; check --server", self.base))
    }

    fn unreachable(&self, error: reqwest::Error) -> Error {
        let error = error.without_url();
        Error::unavailable(format!("{} cannot be reached; is the server running, and --server right?", self.base))
            .caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_goes_home_only() {
        let remote = Remote::new("https://lake.example/", None).unwrap();
        let own = |url: &str| remote.is_own(&Url::parse(url).unwrap());
        assert!(own("https://lake.example/api/v1/greeks/SPY/files/2025-01-15"));
        assert!(own("https://lake.example:443/x"));
        for other in [
            "http://lake.example/x",
            "https://lake.example:8443/x",
            "https://bucket.lake.example/x",
            "https://lake.example.evil/",
        ] {
            assert!(!own(other), "{other}");
        }
    }

    #[test]
    fn a_server_behind_tls_is_asked_by_tls() {
        let remote = Remote::new("https://lake.example", None).unwrap();
        let reachable = |url: &str| remote.reachable(Url::parse(url).unwrap()).to_string();
        let file = "/api/v1/greeks/SPY/files/2025-01-15";
        assert_eq!(reachable(&format!("http://lake.example{file}")), format!("https://lake.example{file}"));
        for other in
            [format!("http://other.example{file}"), "http://lake.example/bucket/key?X-Amz-Signature=0".to_owned()]
        {
            assert_eq!(reachable(&other), other);
        }
    }

    #[test]
    fn an_address_and_a_key_are_checked_before_anything_is_sent() {
        for bad in ["lake.example", "ftp://lake.example", "http://", "", "file:///lake"] {
            assert!(Remote::new(bad, None).is_err(), "{bad}");
        }
        assert!(Remote::new("http://127.0.0.1:1", Some("secret")).is_err());
        assert!(Remote::new("http://127.0.0.1:1", Some("2b0f9a64-7a3d-4c1e-9d7b-0f2f6c1f8a11")).is_ok());
    }
}
