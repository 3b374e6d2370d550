//! The one error type of the library, grouped by what the caller can do about it. `http::problem` maps a kind to a
//! status code and `cli::exit` maps it to an exit code; nothing else decides either.

use std::error::Error as StdError;
use std::fmt;

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The thing asked for is not there: ask for another.
    NotFound,
    /// The question or the input is wrong: mend it and ask again.
    Invalid,
    /// Somebody else changed the object first: read again, then decide.
    Conflict,
    /// The credentials do not allow it: get other ones.
    Denied,
    /// The store or a resource cannot be reached now: try again later.
    Unavailable,
    /// Too much work is under way in this process: try again in a moment.
    Overloaded,
    /// Stored bytes contradict their own record: run `pitlake verify`.
    Corrupt,
    /// The caller went away or the deadline passed: nobody waits for the answer.
    Cancelled,
    /// A fault of pitlake itself: report it.
    Internal,
}

/// An error with its kind, a sentence that says what to do, and the cause below it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    detail: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), source: None }
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, detail)
    }

    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, detail)
    }

    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, detail)
    }

    pub fn corrupt(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, detail)
    }

    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, detail)
    }

    /// Keeps the cause, for the log; `detail` stays what the user reads.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Puts what was being done in front of the detail: `compacting SPY 2025-01-15: …`.
    #[must_use]
    pub fn while_doing(mut self, what: impl fmt::Display) -> Self {
        self.detail = format!("{what}: {}", self.detail);
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}
