//! A minimal HTTP/1.1 client that costs little beside the server it measures: one keep-alive connection, bodies passed on in
//! pieces and not stored. It must never take a broken or refused answer for a whole one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use memchr::memmem;

use crate::{Error, Result};

/// An answer that takes longer is a failure, not a measurement.
const PATIENCE: Duration = Duration::from_secs(60);
/// Also the longest head that is understood.
const BUFFER_BYTES: usize = 256 * 1024;
/// How much of a refusal is shown.
const SHOWN_BYTES: usize = 300;

/// Takes the body of an answer, piece by piece as it comes.
pub trait Sink {
    fn take(&mut self, piece: &[u8]);
}

impl Sink for Vec<u8> {
    fn take(&mut self, piece: &[u8]) {
        self.extend_from_slice(piece);
    }
}

/// How an answer came.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// From the first byte of the question to the last of the answer.
    pub whole: Duration,
    /// To the first byte of its body.
    pub first_byte: Duration,
    pub body_bytes: u64,
}

/// One keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    buffer: Box<[u8]>,
    /// Bytes of the buffer that were received and not yet read.
    filled: Range<usize>,
}

enum Length {
    Known(u64),
    Chunked,
}

impl Connection {
    /// # Errors
    /// `Unavailable` when the server does not answer the door.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let connect = || {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let stream = connect().map_err(|error: std::io::Error| {
            Error::unavailable(format!("cannot connect to {address} ({error})")).caused_by(error)
        })?;
        Ok(Self { stream, address, buffer: vec![0; BUFFER_BYTES].into_boxed_slice(), filled: 0..0 })
    }

    /// Asks for `path` and passes the body on to `sink`.
    ///
    /// # Errors
    /// `Unavailable` for any status but 200, with what the answer says, and for an answer that breaks off.
    pub fn get(&mut self, path: &str, sink: &mut impl Sink) -> Result<Arrival> {
        let question = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address);
        self.ask(path, question.as_bytes(), sink)
    }

    /// Sends `body` to `path` and passes the answer's body on to `sink`.
    ///
    /// # Errors
    /// As [`Connection::get`].
    pub fn post(&mut self, path: &str, body: &[u8], sink: &mut impl Sink) -> Result<Arrival> {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n", self.address, body.len());
        self.ask(path, &[head.as_bytes(), body].concat(), sink)
    }

    fn ask(&mut self, path: &str, question: &[u8], sink: &mut impl Sink) -> Result<Arrival> {
        let began = Instant::now();
        self.stream.write_all(question).map_err(|error| broken(path, error.to_string()))?;
        let (status, length) = self.head(path)?;
        let mut first_byte = None;
        if status != 200 {
            let mut refusal = Vec::new();
            self.body(path, length, &mut refusal, &mut || {})?;
            refusal.truncate(SHOWN_BYTES);
            let said = String::from_utf8_lossy(&refusal);
            return Err(Error::unavailable(format!("{path} was answered with {status}: {said}")));
        }
        let body_bytes = self.body(path, length, sink, &mut || {
            first_byte.get_or_insert_with(|| began.elapsed());
        })?;
        let whole = began.elapsed();
        Ok(Arrival { whole, first_byte: first_byte.unwrap_or(whole), body_bytes })
    }

    fn head(&mut self, path: &str) -> Result<(u16, Length)> {
        let end = loop {
            let received = &self.buffer[self.filled.clone()];
            if let Some(end) = memmem::find(received, b"\r\n\r\n") {
                break self.filled.start + end;
            }
            self.fill(path)?;
        };
        let head = String::from_utf8_lossy(&self.buffer[self.filled.start..end]).into_owned();
        self.filled.start = end + 4;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| broken(path, "it is not HTTP/1.1"))?;
        let mut length = None;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok().map(Length::Known);
            } else if name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked") {
                length = Some(Length::Chunked);
            }
        }
        Ok((status, length.ok_or_else(|| broken(path, "it does not tell its length"))?))
    }

    /// Passes the body on and calls `arrived` before each piece of it. Gives its length.
    fn body(&mut self, path: &str, length: Length, sink: &mut impl Sink, arrived: &mut impl FnMut()) -> Result<u64> {
        match length {
            Length::Known(bytes) => {
                self.pass(path, bytes, sink, arrived)?;
                Ok(bytes)
            }
            Length::Chunked => {
                let mut total = 0;
                loop {
                    let size = self.line(path)?;
                    let digits = size.split(';').next().unwrap_or_default().trim();
                    let bytes = u64::from_str_radix(digits, 16).map_err(|_| broken(path, "a chunk has no size"))?;
                    if bytes == 0 {
                        while !self.line(path)?.is_empty() {}
                        return Ok(total);
                    }
                    self.pass(path, bytes, sink, arrived)?;
                    if !self.line(path)?.is_empty() {
                        return Err(broken(path, "a chunk is longer than it says"));
                    }
                    total += bytes;
                }
            }
        }
    }

    fn pass(&mut self, path: &str, bytes: u64, sink: &mut impl Sink, arrived: &mut impl FnMut()) -> Result<()> {
        let mut left = bytes;
        while left > 0 {
            if self.filled.is_empty() {
                self.fill(path)?;
            }
            arrived();
            let piece = self.filled.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            sink.take(&self.buffer[self.filled.start..self.filled.start + piece]);
            self.filled.start += piece;
            left -= piece as u64;
        }
        Ok(())
    }

    /// The next line, without its end.
    fn line(&mut self, path: &str) -> Result<String> {
        loop {
            let received = &self.buffer[self.filled.clone()];
            if let Some(end) = memmem::find(received, b"\r\n") {
                let line = String::from_utf8_lossy(&received[..end]).into_owned();
                self.filled.start += end + 2;
                return Ok(line);
            }
            self.fill(path)?;
        }
    }

    /// Receives some more.
    fn fill(&mut self, path: &str) -> Result<()> {
        if self.filled.is_empty() {
            self.filled = 0..0;
        } else if self.filled.end == self.buffer.len() {
            if self.filled.start == 0 {
                return Err(broken(path, "its head has no end"));
            }
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        let received = self
            .stream
            .read(&mut self.buffer[self.filled.end..])
            .map_err(|error| broken(path, format!("the connection failed: {error}")))?;
        if received == 0 {
            return Err(broken(path, "the server closed the connection before its end"));
        }
        self.filled.end += received;
        Ok(())
    }
}

fn broken(path: &str, why: impl std::fmt::Display) -> Error {
    Error::unavailable(format!("the answer to {path} is broken: {why}"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server for one connection that answers each question with the next of `answers`, sent in pieces of `piece` bytes,
    /// and then hangs up.
    fn serve(answers: &'static [&'static str], piece: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            for answer in answers {
                let mut question = Vec::new();
                while !question.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    question.push(byte[0]);
                }
                assert!(question.starts_with(b"GET /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
                for piece in answer.as_bytes().chunks(piece) {
                    stream.write_all(piece).unwrap();
                }
            }
        });
        address
    }

    fn ask(connection: &mut Connection) -> Result<(String, u64)> {
        let mut body = Vec::new();
        let arrival = connection.get("/x?y=1", &mut body)?;
        assert!(arrival.first_byte <= arrival.whole);
        Ok((String::from_utf8(body).unwrap(), arrival.body_bytes))
    }

    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nx: y\r\n\r\n\
                           5\r\nhello\r\nC;some=thing\r\n, new\r\nworld\r\n0\r\nTrailer: z\r\n\r\n";
    const PLAIN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody";

    #[test]
    fn answers_follow_each_other_however_they_are_cut() {
        for piece in [1, 2, 3, 7, 1_000] {
            let mut connection = Connection::open(serve(&[CHUNKED, PLAIN, CHUNKED], piece)).unwrap();
            let chunked = ("hello, new\r\nworld".to_owned(), 17);
            assert_eq!(ask(&mut connection).unwrap(), chunked);
            assert_eq!(ask(&mut connection).unwrap(), ("body".to_owned(), 4));
            assert_eq!(ask(&mut connection).unwrap(), chunked);
        }
    }

    #[test]
    fn a_body_longer_than_the_buffer_is_passed_on_whole() {
        let long: &'static str = format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n61a80\r\n{}\r\n0\r\n\r\n",
            "0123456789".repeat(40_000)
        )
        .leak();
        let answers: &'static [&'static str] = vec![long].leak();
        let mut connection = Connection::open(serve(answers, 8_191)).unwrap();
        assert_eq!(ask(&mut connection).unwrap(), ("0123456789".repeat(40_000), 400_000));
    }

    #[test]
    fn a_broken_or_refused_answer_is_never_taken_for_a_whole_one() {
        let cases: [(&'static [&'static str], &str); 5] = [
            (&["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"], "before its end"),
            (&["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"], "before its end"),
            (&["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhello\r\n0\r\n\r\n"], "longer than it says"),
            (&["HTTP/1.1 200 OK\r\n\r\nhello"], "does not tell its length"),
            (&["HTTP/1.1 503 Service Unavailable\r\ncontent-length: 7\r\n\r\ntoo bad"], "503: too bad"),
        ];
        for (answers, why) in cases {
            let error = ask(&mut Connection::open(serve(answers, 1_000)).unwrap()).unwrap_err();
            assert!(error.detail().contains(why), "{error}");
        }
    }
}
