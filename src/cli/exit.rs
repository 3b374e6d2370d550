//! Outcomes to exit codes, in one place: 0 all good, 1 something failed, 2 wrong usage. A broken pipe is success: the reader
//! had enough.

use std::error::Error as _;
use std::process::ExitCode;

use crate::{Error, ErrorKind, Result};

/// How a command ended that printed its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Good,
    Failed,
}

/// What clap has to say: help is good, anything else is wrong usage.
pub fn usage(refusal: &clap::Error) -> ExitCode {
    let _ = refusal.print();
    ExitCode::from(if refusal.use_stderr() { 2 } else { 0 })
}

/// Prints an error with its causes to standard error and gives the code.
pub fn report(outcome: Result<Outcome>) -> ExitCode {
    match outcome {
        Ok(Outcome::Good) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pitlake: {}", error.detail());
            let mut cause = error.source().filter(|cause| !cause.is::<WrongUsage>());
            while let Some(below) = cause {
                eprintln!("  because: {below}");
                cause = below.source();
            }
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

/// Marks an error as wrong usage that clap could not see.
pub fn wrong_usage(detail: impl Into<String>) -> Error {
    Error::invalid(detail).caused_by(WrongUsage)
}

/// Standard output failed.
pub fn output_failed(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("standard output cannot be written ({error})")).caused_by(error)
}

#[derive(Debug, thiserror::Error)]
#[error("wrong usage")]
struct WrongUsage;

fn is_usage(error: &Error) -> bool {
    error.source().is_some_and(|cause| cause.is::<WrongUsage>())
}

/// Our own output's reader went away. Deeper causes do not count: a store's connection breaks in the same words.
pub fn is_broken_pipe(error: &Error) -> bool {
    error
        .source()
        .and_then(|cause| cause.downcast_ref::<std::io::Error>())
        .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
