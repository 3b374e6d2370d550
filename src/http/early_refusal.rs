//! A client's socket as `listen` hands it to hyper, with manners that hyper lacks when it refuses a request before any
//! router sees it: the refusal gets a body that says what is wrong, and the client gets to read it.
//!
//! hyper answers a head that is too long or not HTTP with a bare `400`, `414` or `431` and closes. Two things make that
//! useless. There is no problem document in it. And a client that is still sending 10 MB of query when the socket is
//! closed is sent a reset, which on most systems throws the answer away unread. So [`ClientStream`] swaps hyper's bare
//! answer for ours (a whole, closing HTTP/1.1 answer), and on closing reads and forgets what still comes, for a while.
//!
//! HTTP/2 is left as it is: h2 refuses a stream whose header list is over its bound by itself, with a bare 431 or a reset
//! stream, and the connection lives on. An address that fits the bound reaches `admission` and its problem.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::admission::uri_too_long;
use super::problem::{Problem, ProblemType};

/// The longest head (request line and headers) of an HTTP/1 request, in bytes. hyper has one number for this and for
/// what it collects before it writes, and writing decides: see `listen`. The address alone may have 65,534 bytes
/// before hyper refuses it, and 16 KiB before `admission` does.
pub(super) const MAX_HEAD_BYTES: usize = 256 * 1024;
/// How long a closing socket still takes in what the client is sending.
const LINGER: Duration = Duration::from_secs(10);
/// Bare answers of hyper are about 120 bytes; ours are never bare.
const LONGEST_BARE_ANSWER_BYTES: usize = 512;

pub(super) struct ClientStream {
    tcp: TcpStream,
    line: CurrentLine,
    /// Our answer in the place of hyper's, with what of it is still to be written.
    refusal: Option<Bytes>,
    /// Set when the write side is shut and the read side only drained.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl ClientStream {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self { tcp, line: CurrentLine::default(), refusal: None, lingering: None }
    }

    /// Answers without reading a request, and closes politely.
    pub(super) async fn refuse(mut self, problem: &Problem) -> io::Result<()> {
        self.refusal = Some(problem.to_http1_close().into());
        std::future::poll_fn(|cx| Pin::new(&mut self).poll_shutdown(cx)).await
    }

    /// The problem that says what hyper's bare answer means, if `head` is one.
    fn refusal_for(&self, head: &[u8]) -> Option<Problem> {
        let status = bare_status(head)?;
        let problem = match status {
            b"400" => Problem::new(
                ProblemType::MalformedHttp,
                "what arrived is not an HTTP request; this port speaks plain HTTP, so an https:// address looks like this too",
            ),
            b"414" => uri_too_long("too long"),
            b"431" if self.line.is_endless_request_line() => uri_too_long(&format!("more than {MAX_HEAD_BYTES} bytes")),
            b"431" => Problem::new(
                ProblemType::HeadersTooLarge,
                format!("the request's headers are more than {MAX_HEAD_BYTES} bytes or more than 100; send fewer or shorter ones"),
            )
            .with("max_bytes", MAX_HEAD_BYTES),
            _ => return None,
        };
        Some(problem)
    }

    fn poll_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.refusal.as_mut().filter(|rest| rest.has_remaining()) {
            let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            rest.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// The status of an answer that hyper made up by itself: closing, and without a body. Ours always have one.
fn bare_status(head: &[u8]) -> Option<&[u8]> {
    let status = head.strip_prefix(b"HTTP/1.1 ").or_else(|| head.strip_prefix(b"HTTP/1.0 "))?.get(..3)?;
    let has = |needle: &[u8]| memchr::memmem::find(head, needle).is_some();
    let bare = head.len() <= LONGEST_BARE_ANSWER_BYTES
        && head.ends_with(b"\r\n\r\n")
        && has(b"\r\ncontent-length: 0\r\n")
        && has(b"\r\nconnection: close\r\n");
    bare.then_some(status)
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        self.line.read(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.refusal.is_none() {
            let Some(problem) = self.refusal_for(buf) else { return Pin::new(&mut self.tcp).poll_write(cx, buf) };
            self.refusal = Some(problem.to_http1_close().into());
        }
        // Hyper believes its own answer written; ours goes out with the flush that follows.
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A bare answer is one piece; anything in several pieces has a body.
        match bufs {
            [only] => self.poll_write(cx, only),
            _ if self.refusal.is_none() => Pin::new(&mut self.tcp).poll_write_vectored(cx, bufs),
            _ => Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(cx))?;
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_refusal(cx))?;
        let mut unread = this.refusal.is_some() || this.lingering.is_some();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.tcp).poll_shutdown(cx))?;
        }
        let mut scratch = [0; 16 * 1024];
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.tcp).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => unread = true,
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                // Nothing there and nothing to be expected: an idle connection is closed at once.
                Poll::Pending if !unread => return Poll::Ready(Ok(())),
                Poll::Pending => break,
            }
        }
        let sleep = this.lingering.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        sleep.as_mut().poll(cx).map(Ok)
    }
}

/// What is known of the line that is being received: its beginning and how long it is. Tells an endless request line
/// from an endless header.
#[derive(Debug, Default)]
struct CurrentLine {
    beginning: [u8; 16],
    bytes: usize,
}

impl CurrentLine {
    fn read(&mut self, received: &[u8]) {
        let tail = match memchr::memrchr(b'\n', received) {
            Some(end) => {
                self.bytes = 0;
                &received[end + 1..]
            }
            None => received,
        };
        if let Some(room) = self.beginning.get_mut(self.bytes..) {
            let kept = room.len().min(tail.len());
            room[..kept].copy_from_slice(&tail[..kept]);
        }
        self.bytes = self.bytes.saturating_add(tail.len());
    }

    /// A request line has a space (after the method) before any colon, a header line has not.
    fn is_endless_request_line(&self) -> bool {
        let beginning = &self.beginning[..self.bytes.min(self.beginning.len())];
        let first = beginning.iter().find(|byte| matches!(byte, b' ' | b':'));
        self.bytes >= MAX_HEAD_BYTES / 2 && first == Some(&b' ')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_request_line_is_told_from_an_endless_header() {
        let mut line = CurrentLine::default();
        line.read(b"GE");
        line.read(b"T /a?x=");
        assert!(!line.is_endless_request_line());
        line.read(&[b'x'; MAX_HEAD_BYTES]);
        assert!(line.is_endless_request_line());
        line.read(b" HTTP/1.1\r\ncook");
        line.read(b"ie: a b");
        line.read(&[b'x'; MAX_HEAD_BYTES]);
        assert!(!line.is_endless_request_line());
    }

    #[test]
    fn only_a_bare_closing_answer_is_replaced() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        assert_eq!(bare_status(bare), Some(&b"431"[..]));
        assert_eq!(bare_status(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"), None);
        assert_eq!(
            bare_status(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello"),
            None
        );
        assert_eq!(bare_status(b"HTTP"), None);
    }
}
