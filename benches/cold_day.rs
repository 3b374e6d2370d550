//! A day that nobody asked for yet, from a bucket that takes 20 ms to answer a request: the built server with an empty cache, asked
//! once, stopped, and again. Prints medians; `cargo bench --bench cold_day`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../tests/suite/s3_server/mod.rs"]
#[expect(dead_code, reason = "the suite uses all of it")]
mod s3_server;

use s3_server::S3Server;

const LATENCY: Duration = Duration::from_millis(20);
const RUNS: usize = 9;
const DATE: &str = "2025-01-15";
const ROWS: usize = 1_170_000;
type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    // `cargo test` builds benches and asks them for their tests.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return Ok(());
    }
    let work = tempfile::tempdir()?;
    let bucket = S3Server::start(&["lake"]);
    let capture = work.path().join("day.jsonl");
    let capture = capture.to_str().ok_or("a path that is not text")?;
    run(&bucket, &["generate", "greeks", "--date", DATE, "--out", capture])?;
    run(&bucket, &["ingest", "greeks", capture])?;
    run(&bucket, &["compact"])?;
    bucket.set_latency(LATENCY);
    println!(
        "{ROWS} rows, an S3 server in memory on loopback that answers after {} ms; medians of {RUNS}",
        LATENCY.as_millis()
    );
    println!("| cold | first byte | whole | requests to S3 | bytes |");
    println!("|---|---|---|---|---|");
    let day = format!("/api/v1/greeks/SPY/{DATE}");
    for (what, path) in [
        ("whole day as JSON", day.clone()),
        ("whole day as Arrow", format!("{day}?format=arrow")),
        ("one minute, all strikes", format!("{day}?at=10:30")),
        ("minute aggregate", format!("{day}/aggregate")),
    ] {
        let mut first_bytes = Vec::new();
        let mut wholes = Vec::new();
        let (mut requests, mut bytes) = (0, 0);
        for _ in 0..RUNS {
            let cache = tempfile::tempdir_in(work.path())?;
            let server = Server::start(&bucket, cache.path())?;
            bucket.reset();
            let answer = server.get(&path)?;
            first_bytes.push(answer.first_byte);
            wholes.push(answer.whole);
            requests = bucket.requests();
            bytes = answer.bytes;
        }
        let [first_byte, whole] = [&mut first_bytes, &mut wholes].map(|times| {
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64() * 1e3
        });
        println!("| {what} | {first_byte:.0} ms | {whole:.0} ms | {requests} | {bytes} |");
    }
    Ok(())
}

fn pitlake(bucket: &S3Server) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pitlake"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PITLAKE_") || name.starts_with("AWS_")) {
        command.env_remove(name);
    }
    command.envs(bucket.env()).args(["--lake", "s3://lake"]).stdin(Stdio::null());
    command
}

fn run(bucket: &S3Server, arguments: &[&str]) -> Result<(), Failure> {
    let ran = pitlake(bucket).args(arguments).output()?;
    if ran.status.success() {
        return Ok(());
    }
    Err(format!("pitlake {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr)).into())
}

struct Server {
    child: Child,
    host: String,
}

struct Arrival {
    first_byte: Duration,
    whole: Duration,
    bytes: usize,
}

impl Server {
    fn start(bucket: &S3Server, cache: &Path) -> Result<Self, Failure> {
        let mut command = pitlake(bucket);
        command.args(["serve", "--listen", "127.0.0.1:0", "--cache-dir"]).arg(cache);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
        let host = line.trim().strip_prefix("http://").ok_or("the server did not say where it listens")?.to_owned();
        Ok(Self { child, host })
    }

    fn get(&self, path: &str) -> Result<Arrival, Failure> {
        let mut socket = TcpStream::connect(&self.host)?;
        let began = Instant::now();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host)?;
        let mut buffer = vec![0; 256 << 10];
        let mut head = Vec::new();
        let mut first_byte = None;
        let mut bytes = 0;
        loop {
            let read = socket.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            if head.len() < 16 {
                head.extend_from_slice(&buffer[..read.min(16)]);
            }
            first_byte.get_or_insert_with(|| began.elapsed());
            bytes += read;
        }
        if !head.starts_with(b"HTTP/1.1 200") {
            return Err(format!("{path}: {}", String::from_utf8_lossy(&head)).into());
        }
        Ok(Arrival { first_byte: first_byte.unwrap_or_default(), whole: began.elapsed(), bytes })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
