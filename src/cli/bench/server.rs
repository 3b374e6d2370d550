//! `pitlake serve` or `pitlake capture listen` as a child process on a free port of this machine.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ChildStdout;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::client::Connection;
use super::program::{Process, Program};
use crate::{Error, Result};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running server; dropping it ends it.
pub struct Server {
    process: Process,
    address: SocketAddr,
}

impl Server {
    /// Serves `lake` with an empty cache in `cache`, and waits until it says where it listens.
    ///
    /// # Errors
    /// `Unavailable` with the end of its log when it does not say so in time.
    pub fn start(program: &Program, lake: &Path, cache: &Path) -> Result<Self> {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--cache-dir"].map(AsRef::as_ref);
        Self::start_with(program, lake, &[&arguments[..], &[cache.as_os_str()]].concat())
    }

    /// Starts the program with these arguments, whose first line of output says where it listens.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(program: &Program, lake: &Path, arguments: &[&OsStr]) -> Result<Self> {
        let (process, stdout) = program.start_talking(lake, arguments)?;
        let said = first_line(stdout)?;
        let address = said.trim().strip_prefix("http://").and_then(|address| address.parse().ok());
        match address {
            Some(address) => Ok(Self { process, address }),
            None => {
                let log = process.last_words();
                Err(Error::unavailable(format!("the server did not start: it said {:?}; {log}", said.trim())))
            }
        }
    }

    /// # Errors
    /// As [`Connection::open`].
    pub fn connect(&self) -> Result<Connection> {
        Connection::open(self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The most memory it has held so far, in MiB.
    pub fn peak_mib(&self) -> Option<f64> {
        self.process.peak_mib()
    }
}

/// The first line, or nothing when it does not come in time. What follows is read too, so that the pipe never fills up.
fn first_line(stdout: ChildStdout) -> Result<String> {
    let (sender, receiver) = mpsc::channel();
    let read = move || {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        // Without a line there is an empty one, which is no address; without a listener nobody needs it.
        stdout.read_line(&mut line).ok();
        sender.send(line).ok();
        io::copy(&mut stdout, &mut io::sink()).ok();
    };
    thread::Builder::new()
        .name("bench-server-output".to_owned())
        .spawn(read)
        .map_err(|error| Error::unavailable(format!("cannot start a thread ({error})")).caused_by(error))?;
    Ok(receiver.recv_timeout(PATIENCE).unwrap_or_default())
}
