//! Takes connections, one task each, until the server is dropped; cuts them where a fault says so.

use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpResponse, S3Error};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::State;
use super::gate::{Gate, OneKey};
use super::protocol::Protocol;

/// Marks an answer that must not reach the client.
const CUT: &str = "x-test-cut-the-connection";

pub(super) async fn serve(listener: std::net::TcpListener, state: Arc<State>, mut stopped: oneshot::Receiver<()>) {
    let listener = TcpListener::from_std(listener).expect("the listener of this runtime");
    let mut builder = S3ServiceBuilder::new(Protocol { state: Arc::clone(&state) });
    builder.set_auth(OneKey);
    builder.set_access(Gate { state: Arc::clone(&state) });
    let service = builder.build();
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => continue,
            },
        };
        stream.set_nodelay(true).expect("an option of every TCP socket");
        let (service, state) = (service.clone(), Arc::clone(&state));
        let answer = service_fn(move |request| answer(service.clone(), Arc::clone(&state), request));
        // An error here is a client that went away or a cut by plan.
        connections.spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(service: S3Service, state: Arc<State>, request: Request<Incoming>) -> io::Result<HttpResponse> {
    state.calls.request();
    let latency = state.plan.latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let response = service.call(request.map(Body::from)).await.map_err(|_| io::Error::other("no S3 request"))?;
    if response.headers().contains_key(CUT) {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    Ok(response)
}

/// The error that makes the connection end without an answer.
pub(super) fn cut() -> S3Error {
    let mut error = s3s::s3_error!(InternalError, "cut");
    error.set_headers(HeaderMap::from_iter([(CUT.parse().expect("a header's name"), "now".parse().expect("a value"))]));
    error
}
