//! Large answers: in pieces and whole, for many at once, for clients that leave, and while the server is told to stop.

use std::io::Read;

use sha2::{Digest, Sha256};

use crate::lake::{DAY, LARGE_DAY, LARGE_DAY_ROWS, Said, World, over_every_lake, said};
use crate::server::RawReply;

over_every_lake!(
    a_large_answer_comes_in_chunks_and_whole,
    a_small_answer_says_its_length,
    a_client_that_leaves_takes_nothing_with_it,
    sixty_four_clients_read_a_day_at_once,
);

const LARGE: &str = "/api/v1/greeks/SPY/2025-01-14";

/// The day as NDJSON, put together from what was said.
fn large_day_as_ndjson() -> String {
    let mut text = String::new();
    for Said { timestamp, expiration, strike, greeks, .. } in said("SPY", LARGE_DAY) {
        let [gamma, vanna, charm] = greeks.map(|greek| greek.expect("generated whole"));
        text += &format!(
            "{{\"timestamp\":\"{timestamp}\",\"expiration\":\"{expiration}\",\"strike\":{strike:?},\
             \"gamma_exposure\":{gamma},\"vanna_exposure\":{vanna},\"charm_exposure\":{charm}}}\n"
        );
    }
    text
}

fn a_large_answer_comes_in_chunks_and_whole(world: &World) {
    let expected = large_day_as_ndjson();
    assert!(expected.len() > 30 << 20);
    // From the file, then from memory.
    for _ in 0..2 {
        let reply = world.server.raw(&format!("{LARGE}?format=ndjson"));
        assert_eq!(reply.status(), 200);
        assert!(reply.chunked && !reply.head.contains("content-length"), "{}", reply.head);
        assert!(reply.body == expected.as_bytes(), "{} bytes, not {}", reply.body.len(), expected.len());
    }
    let json = world.server.raw(LARGE);
    let rows = expected.trim_end().replace('\n', ",\n");
    let text = std::str::from_utf8(&json.body).expect("UTF-8");
    let (_, data) = text.split_once("\"data\":[").expect("a list");
    assert!(json.chunked && data.trim_end() == format!("{rows}],\"count\":{LARGE_DAY_ROWS}}}"));
}

fn a_small_answer_says_its_length(world: &World) {
    use std::io::Write;
    // Three questions on one connection, which only a known length keeps apart.
    let mut socket = world.server.connect().expect("a connection");
    let path = format!("/api/v1/greeks/SPY/{DAY}?at=14:32");
    let expected = world.server.get(&path).ok().body;
    for connection in ["keep-alive", "keep-alive", "close"] {
        let host = world.server.host();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}\r\n\r\n").expect("sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).expect("a head");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", expected.len())), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
        let mut body = vec![0; expected.len()];
        socket.read_exact(&mut body).expect("a body");
        assert!(body == expected);
    }
}

fn a_client_that_leaves_takes_nothing_with_it(world: &World) {
    for _ in 0..3 {
        let mut socket = world.server.open(LARGE);
        socket.read_exact(&mut [0; 10_000]).expect("a beginning");
        drop(socket);
    }
    world.server.logs("broken off");
    let rows = world.server.get(&format!("/api/v1/greeks/SPY/{LARGE_DAY}?at=15:59")).data();
    assert_eq!(rows.len(), 600);
    let whole = world.server.raw(&format!("{LARGE}?format=ndjson"));
    assert_eq!(memchr::memchr_iter(b'\n', &whole.body).count(), LARGE_DAY_ROWS);
}

fn sixty_four_clients_read_a_day_at_once(world: &World) {
    let digest = |world: &World| {
        let mut response = world.server.request("GET", LARGE).send().expect("an answer");
        assert_eq!(response.status(), 200);
        let mut hash = Sha256::new();
        let mut piece = vec![0; 256 << 10];
        loop {
            let taken = response.read(&mut piece).expect("a whole answer");
            if taken == 0 {
                return hex::encode(hash.finalize());
            }
            hash.update(&piece[..taken]);
        }
    };
    let expected = digest(world);
    std::thread::scope(|scope| {
        let reading: Vec<_> = (0..64).map(|_| scope.spawn(|| digest(world))).collect();
        for reader in reading {
            assert_eq!(reader.join().expect("no reader fails"), expected);
        }
    });
    let memory = world.server.most_memory_mib();
    assert!(memory <= 400, "the server held {memory} MiB");
}

#[test]
fn told_to_stop_a_server_finishes_what_it_began() {
    let World { server, lake } = World::in_folder();
    let expected = server.raw(&format!("{LARGE}?format=csv"));
    let mut socket = server.open(&format!("{LARGE}?format=csv"));
    let mut bytes = vec![0; 10_000];
    socket.read_exact(&mut bytes).expect("a beginning");
    server.terminate();
    server.logs("no new connections");
    assert!(server.connect().is_err(), "nobody new is let in");
    socket.read_to_end(&mut bytes).expect("the rest");
    let reply = RawReply::of(&bytes);
    assert!(reply.body == expected.body, "{} bytes, not {}", reply.body.len(), expected.body.len());
    assert_eq!(memchr::memchr_iter(b'\n', &reply.body).count(), LARGE_DAY_ROWS + 1);
    assert_eq!(server.ended().code(), Some(0));
    drop(lake);
}
