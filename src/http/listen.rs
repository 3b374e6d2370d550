//! The sockets: accepts connections, speaks HTTP/1.1 and HTTP/2 (with prior knowledge) on them, and ends them in good
//! order. `server` calls [`serve`] once per listener. Nothing here knows a route.
//!
//! # What is set, and why
//! * `TCP_NODELAY`: without it every small answer on a kept-alive connection waits about 40 ms for the client's delayed
//!   acknowledgement.
//! * Vectored writes: head and small body leave in one `writev`, one packet; a streamed body's chunks are written from
//!   where they lie, never copied together.
//! * Write buffer of 256 KiB: hyper collects chunks up to that much (or sixteen of them), then writes until all is gone
//!   before it asks the body for more. Large enough that a system call moves a few hundred kilobytes, small enough that
//!   64 slow readers hold 16 MiB. Chunks of 64 to 256 KiB suit it. hyper reads a request's head by the same bound.
//! * `SO_SNDBUF` is left alone: setting it turns the kernel's own tuning off, and that grows past what an unprivileged
//!   process may ask for.
//! * HTTP/2 windows of 1 MiB a stream: the default 64 KiB stalls on every round trip.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::early_refusal::{ClientStream, MAX_HEAD_BYTES};
use super::metrics::Metrics;
use super::problem::{Problem, ProblemType};
use crate::Result;

/// What hyper collects before it writes, and the bound of an HTTP/1 request's head.
const BUFFER_BYTES: usize = MAX_HEAD_BYTES;
/// The bound of an HTTP/2 request's headers, address included; h2 itself refuses a stream with more.
const HTTP2_HEADER_BYTES: u32 = 64 * 1024;
const HTTP2_WINDOW_BYTES: u32 = 1024 * 1024;
const HTTP2_STREAMS: u32 = 128;
/// A connection that sends no whole request head for this long is closed, between requests as well.
const IDLE: Duration = Duration::from_secs(75);
/// After a failed accept, mostly for want of file descriptors: wait until some connection has ended.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How many connections over the limit are told so at one time; any more are dropped without a word.
const REFUSALS_AT_ONCE: usize = 64;

/// How a listener behaves.
#[derive(Debug, Clone)]
pub struct Listening {
    /// Open connections; one more is answered 503 and closed.
    pub max_connections: usize,
    /// After the shutdown signal, how long requests under way may go on.
    pub grace: Duration,
    pub metrics: Arc<Metrics>,
}

impl Listening {
    /// 4096 connections, 30 seconds of grace.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { max_connections: 4096, grace: Duration::from_secs(30), metrics }
    }
}

/// Serves `router` on `listener` until `shutdown` is ready; then accepts no more, lets idle connections go, requests
/// under way finish, and breaks off what has not finished after the grace. Handlers find the client's address as
/// `ConnectInfo<SocketAddr>`.
///
/// # Errors
/// None as it stands: a failed accept is logged and tried again, a failed connection is its own affair.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
    settings: Listening,
) -> Result<()> {
    let mut shutdown = pin!(shutdown);
    let connections = Connections {
        http: Arc::new(protocol()),
        router,
        graceful: GracefulShutdown::new(),
        break_off: CancellationToken::new(),
        places: Arc::new(Semaphore::new(settings.max_connections.clamp(1, Semaphore::MAX_PERMITS))),
        refusals: Arc::new(Semaphore::new(REFUSALS_AT_ONCE)),
        metrics: settings.metrics,
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => connections.begin(stream, peer),
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted now; are there enough file descriptors (ulimit -n)?");
                tokio::select! {
                    () = &mut shutdown => break,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    drop(listener);
    let Connections { graceful, break_off, .. } = connections;
    let open = graceful.count();
    tracing::info!(open, grace_secs = settings.grace.as_secs(), "shutting down: no new connections");
    let mut ended = pin!(graceful.shutdown());
    if tokio::time::timeout(settings.grace, &mut ended).await.is_err() {
        tracing::warn!("breaking off the requests that did not finish in time");
        break_off.cancel();
        ended.await;
    }
    Ok(())
}

struct Connections {
    http: Arc<Builder<TokioExecutor>>,
    router: Router,
    graceful: GracefulShutdown,
    break_off: CancellationToken,
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Connections {
    fn begin(&self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "the connection was gone before it began");
            return;
        }
        let stream = ClientStream::new(stream);
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return self.turn_away(stream);
        };
        let http = Arc::clone(&self.http);
        let router = self.router.clone();
        let watcher = self.graceful.watcher();
        let break_off = self.break_off.clone();
        let metrics = Arc::clone(&self.metrics);
        tokio::spawn(async move {
            metrics.connection_opened();
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                router.clone().oneshot(request.map(Body::new))
            });
            let connection = watcher.watch(http.serve_connection(TokioIo::new(stream), service).into_owned());
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::debug!(error, %peer, "the connection broke");
                    }
                }
                () = break_off.cancelled() => {}
            }
            metrics.connection_closed();
            drop(place);
        });
    }

    fn turn_away(&self, stream: ClientStream) {
        self.metrics.overload_refused();
        let Ok(refusing) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        let problem = Problem::new(
            ProblemType::Overloaded,
            "this server has as many connections as it takes; try again in a second",
        );
        tokio::spawn(async move {
            // The client may be gone already: nobody is left to tell.
            let _ = stream.refuse(&problem).await;
            drop(refusing);
        });
    }
}

fn protocol() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(BUFFER_BYTES).writev(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(IDLE))
        .max_concurrent_streams(HTTP2_STREAMS)
        .initial_stream_window_size(HTTP2_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_WINDOW_BYTES * 4)
        .max_send_buf_size(BUFFER_BYTES)
        .max_header_list_size(HTTP2_HEADER_BYTES);
    builder
}

/// Errors of one client that arrive through `accept` and say nothing about the listener.
fn is_the_clients(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
