//! `pitlake serve` as a process of its own on a free port, stopped when dropped; what it logs; and two clients for it: one that
//! behaves, and a bare socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::pitlake_binary::Lake;

/// No test waits longer than this for anything; it is for hangs, not for slowness.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

/// A running server.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    log: Arc<Log>,
    cache: tempfile::TempDir,
}

impl Server {
    pub fn over(lake: &Lake) -> Self {
        Self::run(lake.command(&[]), &[])
    }

    /// Adds `serve` and these arguments to a command that names a lake.
    pub fn run(mut command: Command, more: &[&str]) -> Self {
        let cache = tempfile::tempdir().expect("a folder");
        command.args(["serve", "--listen", "127.0.0.1:0", "--cache-dir"]).arg(cache.path()).args(more);
        Self::start(command, cache)
    }

    /// Starts a command that says its address on its first line; `cache` goes when the server does.
    pub fn start(mut command: Command, cache: tempfile::TempDir) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server starts");
        let log = Arc::new(Log::default());
        let errors = BufReader::new(child.stderr.take().expect("a pipe"));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                kept.lines.lock().expect("a lock").push(line);
                kept.more.notify_all();
            }
        });
        let mut url = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        output.read_line(&mut url).expect("a line");
        let server = Self { child, url: url.trim_end().to_owned(), log, cache };
        assert!(url.starts_with("http://127.0.0.1:") && url.ends_with('\n'), "the first line is {url:?}");
        server
    }

    /// Waits until a line of the log has these words.
    pub fn logs(&self, words: &str) {
        let lines = self.log.lines.lock().expect("a lock");
        let missing = |lines: &mut Vec<String>| !lines.iter().any(|line| line.contains(words));
        let (lines, waited) = self.log.more.wait_timeout_while(lines, PATIENCE, missing).expect("a lock");
        let given_up = waited.timed_out();
        drop(lines);
        assert!(!given_up, "the log never said {words:?}");
    }

    /// The file in its cache that has this many bytes.
    pub fn cached(&self, bytes: usize) -> PathBuf {
        let mut folders = vec![self.cache.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let entry = entry.expect("an entry");
                match entry.metadata().expect("its length") {
                    folder if folder.is_dir() => folders.push(entry.path()),
                    file if file.len() == bytes as u64 => return entry.path(),
                    _ => {}
                }
            }
        }
        panic!("the cache has no file of {bytes} bytes");
    }

    /// SIGTERM, as an orchestrator sends it.
    pub fn terminate(&self) {
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        assert!(sent.expect("a shell").success());
    }

    /// kill -9.
    pub fn kill(self) {
        drop(self);
    }

    /// kill -9, while others still speak to it.
    pub fn kill_now(&self) {
        let sent = Command::new("sh").args(["-c", &format!("kill -KILL {}", self.child.id())]).status();
        assert!(sent.expect("a shell").success());
    }

    /// Waits for its end.
    pub fn ended(mut self) -> ExitStatus {
        self.child.wait().expect("an end")
    }

    /// The most memory it ever held, in MiB.
    pub fn most_memory_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Reply {
        self.get_with(path, &[])
    }

    /// A GET with these headers.
    #[track_caller]
    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = self.request("GET", path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::of(request.send().expect("an answer"))
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        static CLIENT: OnceLock<Client> = OnceLock::new();
        let client = CLIENT.get_or_init(|| {
            let plain = Client::builder().no_gzip().no_zstd().no_proxy().timeout(PATIENCE);
            plain.build().expect("a client")
        });
        client.request(method.parse().expect("a method"), format!("{}{path}", self.url))
    }

    pub fn host(&self) -> &str {
        &self.url["http://".len()..]
    }

    pub fn connect(&self) -> std::io::Result<TcpStream> {
        let socket = TcpStream::connect(self.host())?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(socket)
    }

    /// A GET as it stands, path not normalised, on a connection of its own that is still to be read.
    pub fn open(&self, path: &str) -> TcpStream {
        let mut socket = self.connect().expect("a connection");
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host()).expect("sent");
        socket
    }

    /// The whole answer to such a GET.
    pub fn raw(&self, path: &str) -> RawReply {
        RawReply::read(&mut self.open(path))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking()
            && let Ok(lines) = self.log.lines.lock()
        {
            lines.iter().rev().take(12).rev().for_each(|line| eprintln!("server: {line}"));
        }
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    #[track_caller]
    pub fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.bytes().expect("a whole body") }
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }

    /// The value of a header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// `data` of a JSON list, whose `count` must say how long it is.
    #[track_caller]
    pub fn data(self) -> Vec<Value> {
        let mut answer = self.ok().json();
        let Value::Array(data) = answer["data"].take() else { panic!("no list in {answer}") };
        assert_eq!(answer["count"], data.len(), "count is the length of data");
        data
    }

    /// A refusal of this status and type as RFC 9457 wants it.
    #[track_caller]
    pub fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"].as_str().and_then(|uri| uri.rsplit('/').next()), Some(kind), "{problem}");
        for member in ["title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
        problem
    }
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub struct RawReply {
    /// Status line and headers, in lower case.
    pub head: String,
    /// Without the chunks' frames, when it was chunked.
    pub body: Vec<u8>,
    pub chunked: bool,
}

impl RawReply {
    /// Reads to the end of the connection. A body that breaks off fails the test.
    pub fn read(socket: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes).expect("an answer");
        Self::of(&bytes)
    }

    pub fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("the end of a head");
        let head = String::from_utf8_lossy(&bytes[..end + 2]).to_ascii_lowercase();
        let chunked = head.contains("\r\ntransfer-encoding: chunked\r\n");
        let body = &bytes[end + 4..];
        Self { chunked, body: if chunked { joined(body) } else { body.to_vec() }, head }
    }

    pub fn status(&self) -> u16 {
        self.head[9..12].parse().expect("a status")
    }

    /// The `type` of a problem, its last part.
    pub fn problem(&self) -> String {
        assert!(self.head.contains("content-type: application/problem+json"), "{self:?}");
        let problem: Value = serde_json::from_slice(&self.body).expect("JSON");
        problem["type"].as_str().and_then(|uri| uri.rsplit('/').next()).expect("a type").to_owned()
    }
}

/// Takes the frames off a chunked body, which must have its last, empty chunk.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = chunks.windows(2).position(|two| two == b"\r\n").expect("a chunk's size");
        let size = std::str::from_utf8(&chunks[..line]).expect("text");
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        let start = line + 2;
        body.extend_from_slice(&chunks[start..start + size]);
        assert_eq!(&chunks[start + size..start + size + 2], b"\r\n");
        chunks = &chunks[start + size + 2..];
        if size == 0 {
            assert!(chunks.is_empty(), "nothing follows the last chunk");
            return body;
        }
    }
}
