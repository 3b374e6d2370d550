//! Real sockets on loopback: what a client sees of refusals, streams and a shutdown.

use axum::routing::get;
use futures::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::http::admission::sane_only;

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<()>>,
}

async fn start(router: Router, change: impl FnOnce(&mut Listening)) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let mut settings = Listening::new(Arc::default());
    change(&mut settings);
    let shutdown = async move {
        let _ = stopped.await;
    };
    let running = tokio::spawn(serve(listener, router, shutdown, settings));
    Server { address, stop, running }
}

fn router() -> Router {
    Router::new()
        .route("/peer", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
        .layer(axum::middleware::from_fn(sane_only))
}

/// Writes all of it whatever happens, then reads to the end.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request).await.expect("the server takes in all of it");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("no reset before the answer is read");
    String::from_utf8(answer).unwrap()
}

fn problem(answer: &str) -> serde_json::Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn handlers_see_the_peer() {
    let server = start(router(), |_| {}).await;
    let answer = exchange(server.address, b"GET /peer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn a_long_query_is_a_414_problem_at_every_length() {
    let server = start(router(), |_| {}).await;
    for bytes in [20_000, 65_000, 70_000, 300_000, 10_000_000] {
        let request = format!("GET /peer?x={} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "x".repeat(bytes));
        let answer = exchange(server.address, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 414 "), "{bytes}: {answer}");
        assert_eq!(problem(&answer)["type"], "https://pitlake.dev/problems/uri-too-long", "{bytes}");
    }
}

#[tokio::test]
async fn huge_headers_and_other_languages_are_problems_too() {
    let server = start(router(), |_| {}).await;
    let request = format!("GET /peer HTTP/1.1\r\nhost: a\r\ncookie: {}\r\n\r\n", "x".repeat(1_000_000));
    let answer = exchange(server.address, request.as_bytes()).await;
    assert_eq!(problem(&answer)["type"], "https://pitlake.dev/problems/headers-too-large", "{answer}");
    let request = format!("GET /peer HTTP/1.1\r\nhost: a\r\n{}\r\n", "a: b\r\n".repeat(200));
    let answer = exchange(server.address, request.as_bytes()).await;
    assert_eq!(problem(&answer)["status"], 431, "{answer}");
    let answer = exchange(server.address, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n").await;
    assert_eq!(problem(&answer)["type"], "https://pitlake.dev/problems/malformed-http", "{answer}");
}

#[tokio::test]
async fn a_body_where_none_belongs_is_refused_and_the_refusal_arrives() {
    let server = start(router(), |_| {}).await;
    let body = "x".repeat(3_000_000);
    let request =
        format!("GET /peer HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let answer = exchange(server.address, request.as_bytes()).await;
    assert_eq!(problem(&answer)["type"], "https://pitlake.dev/problems/body-not-allowed");
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = start(router(), |settings| settings.max_connections = 1).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut some = [0; 16];
    first.read_exact(&mut some).await.unwrap();
    let answer = exchange(server.address, b"GET /peer HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    assert_eq!(problem(&answer)["type"], "https://pitlake.dev/problems/overloaded");
}

/// A route whose answer goes on as long as the sender lives.
fn streaming() -> (Router, tokio::sync::mpsc::Sender<std::io::Result<bytes::Bytes>>) {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let receiver = Arc::new(parking_lot::Mutex::new(Some(receiver)));
    let handler = move || {
        let receiver = receiver.lock().take().expect("asked once");
        async move { Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver).boxed()) }
    };
    (Router::new().route("/stream", get(handler)), sender)
}

#[tokio::test]
async fn shutdown_lets_an_answer_finish_and_idle_connections_go() {
    let (router, sender) = streaming();
    let server = start(router, |_| {}).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    sender.send(Ok("first".into())).await.unwrap();
    let mut start_of_answer = vec![0; 15];
    busy.read_exact(&mut start_of_answer).await.unwrap();
    server.stop.send(()).unwrap();
    let mut nothing = Vec::new();
    assert_eq!(idle.read_to_end(&mut nothing).await.unwrap(), 0);
    sender.send(Ok("last".into())).await.unwrap();
    drop(sender);
    let mut rest = Vec::new();
    busy.read_to_end(&mut rest).await.unwrap();
    assert!(String::from_utf8(rest).unwrap().ends_with("4\r\nlast\r\n0\r\n\r\n"));
    server.running.await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn after_the_grace_an_answer_is_broken_off_and_not_ended() {
    let (router, sender) = streaming();
    let server = start(router, |settings| settings.grace = Duration::ZERO).await;
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    busy.write_all(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    sender.send(Ok("first".into())).await.unwrap();
    let mut some = vec![0; 15];
    busy.read_exact(&mut some).await.unwrap();
    server.stop.send(()).unwrap();
    server.running.await.unwrap().unwrap();
    let mut rest = Vec::new();
    // A reset or an end: either way without the last chunk.
    let _ = busy.read_to_end(&mut rest).await;
    assert!(!String::from_utf8(rest).unwrap().ends_with("0\r\n\r\n"));
}
