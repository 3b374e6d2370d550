//! This very program as child processes: what they take is theirs alone, and the client's work is not counted as the
//! server's. A child never outlives what started it, whichever way that ends.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::interrupt::Interrupt;
use super::memory;
use crate::{Error, Result};

/// How often a running child is looked at: small beside what is measured, and seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Lines of a failed child's log that its error repeats.
const LOG_LINES: usize = 5;

/// How to start ourselves.
pub struct Program {
    binary: PathBuf,
    /// Where children run and write their logs.
    folder: PathBuf,
    interrupt: Interrupt,
}

/// What a child did that ran to its end.
pub struct Ran {
    pub elapsed: Duration,
    pub peak_mib: Option<f64>,
    pub stdout: String,
}

/// A child at work; dropping it kills it.
pub struct Process {
    child: Arc<Mutex<Child>>,
    log: PathBuf,
}

impl Program {
    /// # Errors
    /// `Unavailable` when the system does not say which file this process runs.
    pub fn this(folder: &Path, interrupt: Interrupt) -> Result<Self> {
        let binary = std::env::current_exe().map_err(|error| {
            Error::unavailable(format!("cannot find the pitlake binary to measure ({error})")).caused_by(error)
        })?;
        Ok(Self { binary, folder: folder.to_owned(), interrupt })
    }

    /// Runs `pitlake --lake <lake> <arguments>` to its end.
    ///
    /// # Errors
    /// `Internal` with the end of its log when it fails, `Cancelled` when the user wants to stop.
    pub fn run(&self, lake: &Path, arguments: &[&OsStr]) -> Result<Ran> {
        let output = self.log(arguments, "out");
        let stdout = File::create(&output).map_err(|error| not_written(&output, error))?;
        let began = Instant::now();
        let (process, _) = self.start(lake, arguments, stdout.into())?;
        let mut peak_mib = None;
        let status = loop {
            peak_mib = memory::peak_mib(process.id()).or(peak_mib);
            match process.child.lock().try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => {}
                Err(error) => return Err(Error::internal("lost sight of a child process").caused_by(error)),
            }
            thread::sleep(LOOK_EVERY);
        };
        let elapsed = began.elapsed();
        self.interrupt.check()?;
        if !status.success() {
            return Err(Error::internal(format!("{} ended with {status}: {}", process.name(), process.last_words())));
        }
        let stdout = fs::read_to_string(&output).map_err(|error| {
            Error::internal(format!("{} printed what cannot be read", process.name())).caused_by(error)
        })?;
        Ok(Ran { elapsed, peak_mib, stdout })
    }

    /// Starts `pitlake --lake <lake> <arguments>` and gives its standard output to read.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn start_talking(&self, lake: &Path, arguments: &[&OsStr]) -> Result<(Process, ChildStdout)> {
        let (process, stdout) = self.start(lake, arguments, Stdio::piped())?;
        Ok((process, stdout.ok_or_else(|| Error::internal("a child process has no standard output"))?))
    }

    fn start(&self, lake: &Path, arguments: &[&OsStr], stdout: Stdio) -> Result<(Process, Option<ChildStdout>)> {
        self.interrupt.check()?;
        let log = self.log(arguments, "log");
        let stderr = File::create(&log).map_err(|error| not_written(&log, error))?;
        let mut command = Command::new(&self.binary);
        command.arg("--lake").arg(lake).args(arguments);
        // What is measured is the defaults: neither the caller's settings nor a pitlake.toml where he stands count.
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PITLAKE_")) {
            command.env_remove(name);
        }
        let mut child = command.spawn().map_err(|error| {
            Error::unavailable(format!("cannot start {} ({error})", self.binary.display())).caused_by(error)
        })?;
        let stdout = child.stdout.take();
        let child = Arc::new(Mutex::new(child));
        let process = Process { child: Arc::clone(&child), log };
        self.interrupt.on_stop(move || {
            // One that has ended already needs no killing, and the loop that waits for it says so.
            child.lock().kill().ok();
        });
        Ok((process, stdout))
    }

    /// Each subcommand has one file, which its next run writes anew.
    fn log(&self, arguments: &[&OsStr], ending: &str) -> PathBuf {
        let name = arguments.first().map_or("child".into(), |name| name.to_string_lossy());
        self.folder.join(format!("{name}.{ending}"))
    }
}

impl Process {
    pub fn id(&self) -> u32 {
        self.child.lock().id()
    }

    /// The most memory it has held so far, in MiB.
    pub fn peak_mib(&self) -> Option<f64> {
        memory::peak_mib(self.id())
    }

    /// The end of what it said on standard error.
    pub fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
        if last.is_empty() { "it said nothing".to_owned() } else { last.join(" / ") }
    }

    fn name(&self) -> String {
        let name = self.log.file_stem().unwrap_or_default().to_string_lossy();
        format!("`pitlake {name}`")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.child.lock();
        // Both fail only for a child that is gone already.
        child.kill().ok();
        child.wait().ok();
    }
}

fn not_written(path: &Path, error: std::io::Error) -> Error {
    Error::unavailable(format!("{} could not be written ({error}): check the folder and its rights", path.display()))
        .caused_by(error)
}
