//! Turns what the object store says went wrong into an error that a person can act on: which operation, which key, what
//! to check. Every error that leaves [`super::Store`] passes here. It never guesses success: what it does not know is
//! `Unavailable`.
//!
//! `object_store` keeps its retry error private, so the status and body are read from its printed form; the tests in
//! `tests/suite/store_conformance.rs` hold that form against a real server.

use std::error::Error as StdError;
use std::io;
use std::path::Path;

use object_store::client::{HttpError, HttpErrorKind};

use super::credentials::NoCredentials;
use crate::{Error, ErrorKind, Result};

/// Where a store is, as its messages say it.
#[derive(Debug)]
pub(super) struct Place {
    root: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder,
    Bucket { bucket: String, prefix: object_store::path::Path, endpoint: Option<String>, region: String },
    Other,
}

/// What the server answered, if it did.
struct Answer<'a> {
    status: u16,
    body: &'a str,
}

impl Place {
    pub(super) fn folder(path: &Path) -> Self {
        Self { root: path.display().to_string(), kind: Kind::Folder }
    }

    pub(super) fn other(description: &str) -> Self {
        Self { root: description.into(), kind: Kind::Other }
    }

    pub(super) fn bucket(bucket: &str, prefix: &str, endpoint: Option<&str>, region: &str) -> Self {
        let root = if prefix.is_empty() { format!("s3://{bucket}") } else { format!("s3://{bucket}/{prefix}") };
        let kind = Kind::Bucket {
            bucket: bucket.into(),
            prefix: prefix.into(),
            endpoint: endpoint.map(str::to_owned),
            region: region.into(),
        };
        Self { root, kind }
    }

    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// The key counted from the bucket's root instead of the lake's.
    pub(super) fn in_bucket(&self, key: &object_store::path::Path) -> object_store::path::Path {
        match &self.kind {
            Kind::Bucket { prefix, .. } => prefix.parts().chain(key.parts()).collect(),
            Kind::Folder | Kind::Other => key.clone(),
        }
    }

    /// The ETag in the one form that all of a store's answers share: strong and in quotes.
    ///
    /// # Errors
    /// `Unavailable` when the store sends none: without it a replaced object cannot be told from the old one.
    pub(super) fn etag(&self, key: &str, sent: Option<String>) -> Result<String> {
        let sent = sent.unwrap_or_default();
        let bare = sent.trim().trim_start_matches("W/").trim_matches('"');
        if bare.is_empty() {
            let advice = "the store sends no ETag, and pitlake cannot work without";
            return Err(Error::unavailable(format!("{key} in {}: {advice}{}", self.root, self.check_endpoint())));
        }
        Ok(format!("\"{bare}\""))
    }

    /// What went wrong while `doing` (reading, writing, listing…) with `key`, and what to do about it.
    pub(super) fn explain(&self, doing: &str, key: &str, error: object_store::Error) -> Error {
        let what = match key {
            "" => format!("{doing} {}", self.root),
            key => format!("{doing} {key} in {}", self.root),
        };
        let (kind, advice) = self.judge(&error);
        Error::new(kind, format!("{what}: {advice}")).caused_by(error)
    }

    fn judge(&self, error: &object_store::Error) -> (ErrorKind, String) {
        if let Some(missing) = find::<NoCredentials>(error) {
            return (ErrorKind::Denied, missing.to_string());
        }
        let printed = chain(error).map(ToString::to_string).collect::<Vec<_>>();
        if let Some(answer) = printed.iter().find_map(|text| answer(text)) {
            let asked_head = printed.iter().any(|text| text.contains("Error performing HEAD "));
            return self.judge_answer(error, &answer, asked_head);
        }
        if let Some(error) = find::<HttpError>(error) {
            return self.judge_transport(error.kind(), &printed);
        }
        if let Some(error) = find::<io::Error>(error) {
            return judge_disk(error);
        }
        match error {
            object_store::Error::NotFound { .. } => (ErrorKind::NotFound, "there is no such object".into()),
            error if is_conflict(error) => conflict(),
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                (ErrorKind::Denied, "access is denied".into())
            }
            object_store::Error::InvalidPath { .. } => (ErrorKind::Invalid, "the store does not take this key".into()),
            object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. } => {
                (ErrorKind::Internal, "the store cannot do this".into())
            }
            _ if printed.iter().any(|text| text.contains("redirect without LOCATION")) => self.wrong_region(),
            _ => {
                let last = printed.last().map_or("", String::as_str);
                (ErrorKind::Unavailable, format!("the store's answer makes no sense ({last}){}", self.check_endpoint()))
            }
        }
    }

    /// An answer to HEAD has no body, so its 404 names no code. Any other 404 without S3's code comes from some other
    /// server, and must not pass for a missing object.
    fn judge_answer(&self, error: &object_store::Error, answer: &Answer<'_>, asked_head: bool) -> (ErrorKind, String) {
        let bucket = match &self.kind {
            Kind::Bucket { bucket, .. } => bucket.as_str(),
            Kind::Folder | Kind::Other => "",
        };
        match (answer.status, code(answer.body)) {
            (_, "NoSuchBucket") => (
                ErrorKind::Unavailable,
                format!("the bucket {bucket} does not exist; check its name, or create it{}", self.check_endpoint()),
            ),
            _ if is_conflict(error) => conflict(),
            (404, "NoSuchKey") => (ErrorKind::NotFound, "there is no such object".into()),
            (404, "") if asked_head => (ErrorKind::NotFound, "there is no such object".into()),
            (404, code) => (
                ErrorKind::Unavailable,
                format!("the answer is not an S3 store's (404 {code}){}", self.check_endpoint()),
            ),
            (409 | 412, _) => conflict(),
            (_, "InvalidAccessKeyId") => (
                ErrorKind::Denied,
                "the store does not know the access key; check AWS_ACCESS_KEY_ID or AWS_PROFILE".into(),
            ),
            (_, "SignatureDoesNotMatch") => (
                ErrorKind::Denied,
                "the secret key does not belong to the access key; check AWS_SECRET_ACCESS_KEY".into(),
            ),
            (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => (
                ErrorKind::Denied,
                "the session token has expired or is not valid; renew the credentials (AWS_SESSION_TOKEN)".into(),
            ),
            (_, "RequestTimeTooSkewed") => {
                (ErrorKind::Denied, "this machine's clock is too far from the store's; set the clock".into())
            }
            (301 | 307, _) | (400, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
                self.wrong_region()
            }
            (401 | 403, code) => {
                let code = if code.is_empty() { "no reason given" } else { code };
                let advice = format!(
                    "access is denied ({code}); check that these credentials may read, list and write bucket {bucket}"
                );
                (ErrorKind::Denied, advice)
            }
            (status @ (408 | 429 | 500..), code) => {
                let tries = tries(error);
                (ErrorKind::Unavailable, format!("the store answered {status} {code} {tries}; try again later"))
            }
            (status, code) => {
                let advice = format!("the store refused with {status} {code}{}", self.check_endpoint());
                (ErrorKind::Unavailable, advice)
            }
        }
    }

    fn judge_transport(&self, kind: HttpErrorKind, printed: &[String]) -> (ErrorKind, String) {
        let said = |words: &[&str]| printed.iter().any(|text| words.iter().any(|word| text.contains(word)));
        let endpoint = self.endpoint();
        let advice = if said(&["dns error", "failed to lookup address", "no record found"]) {
            format!("the name in {endpoint} cannot be resolved{}", self.check_endpoint())
        } else if said(&["Connection refused"]) {
            format!("nothing listens at {endpoint} (connection refused){}", self.check_endpoint())
        } else if said(&["certificate", "tls handshake", "InvalidContentType"]) {
            format!("no trusted encrypted connection to {endpoint}; check https or http and its certificate")
        } else {
            match kind {
                HttpErrorKind::Timeout => format!("{endpoint} did not answer in time; try again, or check the network"),
                HttpErrorKind::Connect => format!("no connection to {endpoint}{}", self.check_endpoint()),
                _ => format!("the connection to {endpoint} broke off; try again"),
            }
        };
        (ErrorKind::Unavailable, advice)
    }

    fn wrong_region(&self) -> (ErrorKind, String) {
        let (bucket, region) = match &self.kind {
            Kind::Bucket { bucket, region, .. } => (bucket.as_str(), region.as_str()),
            Kind::Folder | Kind::Other => ("", ""),
        };
        (
            ErrorKind::Unavailable,
            format!("bucket {bucket} is not in region {region}; set AWS_REGION to the bucket's region"),
        )
    }

    fn endpoint(&self) -> String {
        match &self.kind {
            Kind::Bucket { endpoint: Some(endpoint), .. } => endpoint.clone(),
            Kind::Bucket { region, .. } => format!("AWS S3 in {region}"),
            Kind::Folder | Kind::Other => self.root.clone(),
        }
    }

    fn check_endpoint(&self) -> String {
        match &self.kind {
            Kind::Bucket { endpoint: Some(endpoint), .. } => {
                format!("; check AWS_ENDPOINT_URL or `endpoint` under [s3] ({endpoint})")
            }
            Kind::Bucket { region, .. } => {
                format!("; check AWS_REGION ({region}) and, unless this is AWS, AWS_ENDPOINT_URL")
            }
            Kind::Folder | Kind::Other => String::new(),
        }
    }
}

/// Before the status: an `If-Match` that finds nothing is a 404, and yet a lost race.
fn is_conflict(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. })
}

fn conflict() -> (ErrorKind, String) {
    (ErrorKind::Conflict, "somebody else changed it first; read it again, then decide".into())
}

fn judge_disk(error: &io::Error) -> (ErrorKind, String) {
    match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "there is no such object".into()),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::Denied, format!("the disk does not allow it ({error}); check who owns the lake's folder"))
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Unavailable, format!("the disk is full ({error}); make room and try again"))
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            (ErrorKind::Unavailable, format!("a file is where a folder should be, or the other way round ({error})"))
        }
        io::ErrorKind::InvalidFilename => (ErrorKind::Invalid, format!("the disk does not take this name ({error})")),
        _ => (ErrorKind::Unavailable, format!("the disk failed ({error})")),
    }
}

/// `Server returned non-2xx status code: 404 Not Found: <?xml …` → 404 and the XML.
fn answer(printed: &str) -> Option<Answer<'_>> {
    let rest = match printed.split_once("status code: ") {
        Some((_, rest)) => rest,
        None => {
            return printed.strip_prefix("Server returned error response: ").map(|body| Answer { status: 500, body });
        }
    };
    let status = rest.get(..3)?.parse().ok()?;
    Some(Answer { status, body: rest.split_once(": ").map_or("", |(_, body)| body) })
}

/// The S3 error code in an error document; empty when there is none.
fn code(body: &str) -> &str {
    let inside = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    inside.map_or("", |(code, _)| code)
}

/// `after 6 retries`, as the client counted them.
fn tries(error: &object_store::Error) -> String {
    let text = error.to_string();
    let counted = text.split_once(", after ").and_then(|(_, rest)| rest.split_once(" retries"));
    counted.map_or_else(|| "and was not asked again".into(), |(count, _)| format!("after {count} retries"))
}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref::<E>())
}

/// Whether the request may have been carried out although it failed: the connection was there, the answer was not.
pub(super) fn may_have_happened(error: &object_store::Error) -> bool {
    if find::<NoCredentials>(error).is_some() {
        return false;
    }
    if let Some(error) = find::<HttpError>(error) {
        return error.kind() != HttpErrorKind::Connect;
    }
    let printed = chain(error).map(ToString::to_string).collect::<Vec<_>>();
    printed.iter().find_map(|text| answer(text)).is_some_and(|answer| answer.status >= 500 || answer.status == 408)
}
