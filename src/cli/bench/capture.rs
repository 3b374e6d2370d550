//! Posts to the capture server: documents of 300 strikes from many clients at once, each answered when it is on disk, synced.
//! Called by the bench. Every post is a document of its own; an answer that does not say so fails the measurement.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::client::Connection;
use super::program::Program;
use super::server::Server;
use super::spread::{ms, percentile};
use super::table::{Figure, Row, Unit};
use crate::{Error, Result};

const PATH: &str = "/capture/v1/greeks";
const CLIENTS: usize = 32;
const POSTS_OF_A_CLIENT: usize = 250;
/// Not measured: connections open, the first segment is made, the day's captures are looked for.
const FIRST_POSTS: usize = 10;
const STRIKES: usize = 300;

/// Posts a second, their latency, and syncs per post.
///
/// # Errors
/// Those of the server and its answers.
pub fn measure(program: &Program, folder: &Path) -> Result<Vec<Row>> {
    let (lake, spool) = (folder.join("posted"), folder.join("spool"));
    let arguments = ["capture", "listen", "--listen", "127.0.0.1:0", "--spool"].map(AsRef::as_ref);
    let server = Server::start_with(program, &lake, &[&arguments[..], &[spool.as_os_str()] as &[&OsStr]].concat())?;
    let start = Barrier::new(CLIENTS + 1);
    let (took, elapsed, syncs) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| (&server, &start, client))
            .map(|(server, start, client)| scope.spawn(move || posts(server, client, start)))
            .collect();
        start.wait();
        let (began, before) = (Instant::now(), syncs(&server));
        let took: Result<Vec<Vec<Duration>>> = clients
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| Err(Error::internal("a client of the benchmark panicked"))))
            .collect();
        let elapsed = began.elapsed().as_secs_f64();
        Ok::<_, Error>((took?.concat(), elapsed, syncs(&server)? - before?))
    })?;
    let posts = took.len() as f64;
    let spread = |percent| percentile(took.iter().copied().map(ms), percent);
    let figures = vec![
        Figure::new("posts_per_second", "", Unit::PostsPerSecond, posts / elapsed).at_least(1_000.0),
        Figure::new("p50_ms", "p50", Unit::Milliseconds, spread(50.0)),
        Figure::new("p99_ms", "p99", Unit::Milliseconds, spread(99.0)),
        Figure::new("syncs_per_post", "", Unit::SyncsPerPost, syncs / posts),
        Figure::new("peak_rss_mib", "server's peak RSS", Unit::Mebibytes, server.peak_mib()),
    ];
    let work = format!("posts of one document of {STRIKES} strikes, synced before each answer");
    Ok(vec![Row::new("capture", work, figures).note(format!("{CLIENTS} clients, one post at a time each"))])
}

fn posts(server: &Server, client: usize, start: &Barrier) -> Result<Vec<Duration>> {
    let mut opened = server.connect();
    let mut warm = || -> Result<()> {
        let connection = opened.as_mut().map_err(|error| Error::unavailable(error.to_string()))?;
        (0..FIRST_POSTS).try_for_each(|post| self::post(connection, client, post).map(drop))
    };
    let warmed = warm();
    // Everybody waits, also who could not connect, or nobody would ever start.
    start.wait();
    warmed?;
    let mut connection = opened?;
    (FIRST_POSTS..FIRST_POSTS + POSTS_OF_A_CLIENT).map(|post| self::post(&mut connection, client, post)).collect()
}

fn post(connection: &mut Connection, client: usize, post: usize) -> Result<Duration> {
    let mut answer = Vec::new();
    let arrival = connection.post(PATH, document(client, post).as_bytes(), &mut answer)?;
    let answer: serde_json::Value =
        serde_json::from_slice(&answer).map_err(|error| Error::corrupt("an answer is not JSON").caused_by(error))?;
    if answer["rows"] != STRIKES {
        return Err(Error::corrupt(format!("a post of {STRIKES} new rows was answered with {answer}")));
    }
    Ok(arrival.whole)
}

/// One minute and expiration as a source says it; client and post make it another one each time.
fn document(client: usize, post: usize) -> String {
    let strikes: Vec<String> = (0..STRIKES)
        .map(|at| {
            let (strike, level) = (440 + at, 1_000_003 * (at as i64 - 150) + (client * 1_000 + post) as i64);
            format!(r#"{{"strike":{strike}.0,"gamma":{level},"vanna":{},"charm":{}}}"#, level / 7, -level / 13)
        })
        .collect();
    let (hour, minute) = (10 + post / 60 % 5, post % 60);
    format!(
        r#"{{"timestamp":"2025-01-15T{hour:02}:{minute:02}:{:02}-05:00","symbol":"SPY","expiration":"2025-01-17","spot":588.12,"strikes":[{}]}}"#,
        client % 60,
        strikes.join(",")
    )
}

/// Syncs so far, as the server's metrics have it.
fn syncs(server: &Server) -> Result<f64> {
    let mut text = Vec::new();
    server.connect()?.get("/metrics", &mut text)?;
    String::from_utf8_lossy(&text)
        .lines()
        .find_map(|line| line.strip_prefix("pitlake_capture_syncs_total ")?.trim().parse().ok())
        .ok_or_else(|| Error::corrupt("the metrics do not count syncs"))
}
