//! What an error of DuckDB means to the caller, told from its class. The words of DuckDB go to the log as the cause:
//! they may hold paths of this machine.

use crate::{Error, ErrorKind};

/// An error while the engine was being opened.
pub(super) fn opening(error: duckdb::Error) -> Error {
    Error::unavailable(format!("DuckDB could not be opened: {error}")).caused_by(error)
}

/// An error while a question was answered. Only where files were read can a file be to blame.
pub(super) fn answering(error: duckdb::Error, reads_files: bool) -> Error {
    let text = error.to_string();
    let (kind, detail) = match class(&text) {
        Class::Interrupted => (ErrorKind::Cancelled, "the query was interrupted"),
        Class::OutOfMemory => (
            ErrorKind::Overloaded,
            "the query needs more memory than is free now; ask for fewer days or strikes, or again in a moment",
        ),
        Class::Unreadable if reads_files => {
            (ErrorKind::Corrupt, "a cached file could not be read; ask again, then run `pitlake verify`")
        }
        Class::Unreadable | Class::Other => {
            (ErrorKind::Internal, "the query failed inside DuckDB; the log has its words")
        }
    };
    Error::new(kind, detail).caused_by(error)
}

#[derive(Debug, PartialEq, Eq)]
enum Class {
    Interrupted,
    OutOfMemory,
    Unreadable,
    Other,
}

fn class(text: &str) -> Class {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| text.starts_with(prefix));
    if starts(&["INTERRUPT Error"]) {
        Class::Interrupted
    } else if starts(&["Out of Memory Error"]) {
        Class::OutOfMemory
    } else if starts(&["IO Error", "Invalid Input Error", "Invalid Error", "Serialization Error"]) {
        Class::Unreadable
    } else {
        Class::Other
    }
}
