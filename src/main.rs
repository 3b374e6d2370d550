//! The command line enters here: hands its words to `pitlake::cli` and its exit code to the system.

use std::process::ExitCode;

/// Answers are built from many short-lived buffers of a quarter megabyte; this allocator reuses them without a trip to the
/// kernel.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pitlake::cli::main()
}
