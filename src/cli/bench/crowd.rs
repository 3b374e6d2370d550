//! Many callers who each want the whole day at the same time: none may be failed, and the server's memory must stay bounded.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use super::body::End;
use super::client::Connection;
use super::server::Server;
use super::table::{Figure, Row, Unit};
use super::workload::{Question, Workload};
use crate::{Error, Result};

const CALLERS: usize = 64;

/// Asks a server that has done nothing else, so that its memory is the crowd's.
///
/// # Errors
/// `Internal` when a caller could not be started; a failed answer is a figure, not an error.
pub fn measure(server: &Server, workload: &Workload) -> Result<Row> {
    let question = workload.whole_day();
    let start = Barrier::new(CALLERS + 1);
    let (outcomes, elapsed) = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(|| call(server, &question, &start))).collect();
        start.wait();
        let began = Instant::now();
        let outcomes: Vec<Result<u64>> = callers
            .into_iter()
            .map(|caller| caller.join().unwrap_or_else(|_| Err(Error::internal("a caller of the benchmark panicked"))))
            .collect();
        (outcomes, began.elapsed().as_secs_f64())
    });
    let bytes: u64 = outcomes.iter().flatten().sum();
    let refusals: Vec<String> =
        outcomes.iter().filter_map(|outcome| Some(outcome.as_ref().err()?.to_string())).collect();
    let figures = vec![
        Figure::new("failures", "", Unit::Failures, refusals.len() as f64).at_most(0.0),
        Figure::new("peak_rss_mib", "server's peak RSS", Unit::Mebibytes, server.peak_mib()).at_most(400.0),
        Figure::new("seconds", "", Unit::Seconds, elapsed),
        Figure::new("megabytes_per_second", "", Unit::MegabytesPerSecond, bytes as f64 / 1e6 / elapsed),
    ];
    let mut row = Row::new("crowd", format!("{CALLERS} whole-day JSON streams at once"), figures);
    if !refusals.is_empty() {
        let kinds: BTreeSet<&str> = refusals.iter().map(String::as_str).collect();
        row = row.note(kinds.into_iter().take(3).collect::<Vec<_>>().join("; "));
    }
    Ok(row)
}

fn call(server: &Server, question: &Question, start: &Barrier) -> Result<u64> {
    let connection = Connection::open(server.address());
    // Everybody waits, also who could not connect, or nobody would ever start.
    start.wait();
    let mut end = End::new();
    let arrival = connection?.get(&question.path, &mut end)?;
    let rows = end.count()?;
    if rows != question.rows {
        return Err(Error::corrupt(format!("an answer holds {rows} rows and should hold {}", question.rows)));
    }
    Ok(arrival.body_bytes)
}
