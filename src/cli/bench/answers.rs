//! What callers wait for: whole days, hours, minutes and single strikes over HTTP, from a warm server. Every answer that is
//! timed must be as long as the one that was looked at before, and end with the count of rows that it should have.

use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use super::Effort;
use super::body::{End, Objects};
use super::client::{Arrival, Connection};
use super::server::Server;
use super::spread::{median, ms, percentile};
use super::table::{Figure, Row, Unit};
use super::workload::{Question, Workload};
use crate::{Error, Result};

/// Connections that ask at once where throughput is measured.
const CONNECTIONS: usize = 8;

/// A question, with the length of the right answer to it.
struct Checked {
    question: Question,
    body_bytes: u64,
}

/// The rows of the table that need a server, in the table's order.
///
/// # Errors
/// Those of the connection; `Corrupt` for an answer that is not whole.
pub fn measure(server: &Server, workload: &Workload, effort: Effort, say: &dyn Fn(&str)) -> Result<Vec<Row>> {
    let mut connection = server.connect()?;
    let mut rows = Vec::new();

    say("whole days as JSON");
    let day = look(&mut connection, workload.whole_day())?;
    let arrivals = ask(&mut connection, std::slice::from_ref(&day), effort.large)?;
    let first_byte = median(arrivals.iter().map(|arrival| ms(arrival.first_byte)));
    let mut figures = streamed(&day, &arrivals, 80.0);
    figures.insert(1, Figure::new("first_byte_ms", "first byte", Unit::Milliseconds, first_byte).at_most(3.0));
    rows.push(Row::new("day_json", "whole day as JSON over HTTP", figures));

    say("whole days as Arrow");
    let day = look_at_arrow(&mut connection, workload.whole_day_as_arrow())?;
    let arrivals = ask_for_arrow(&mut connection, &day, effort.large)?;
    rows.push(Row::new("day_arrow", "whole day as Arrow over HTTP", streamed(&day, &arrivals, 25.0)));

    say("one strike's day");
    rows.push(strike_day(server, &mut connection, workload, effort)?);

    say("minute sums, one hour, one minute, latest");
    let small = [
        ("minute_sums", "minute aggregate of a day (390 rows)", workload.minute_sums(), effort.small, 1.0),
        ("hour_json", "one hour, all strikes (180,000 rows) as JSON", workload.one_hour(), effort.medium, 20.0),
        ("minute_json", "one minute, all strikes (3,000 rows), ?at=", workload.one_minute(), effort.small, 6.0),
        ("latest_json", "one minute, all strikes (3,000 rows), /latest", workload.latest(), effort.small, 6.0),
    ];
    for (id, work, question, times, limit) in small {
        let checked = look(&mut connection, question)?;
        ask(&mut connection, std::slice::from_ref(&checked), times / 10)?;
        let arrivals = ask(&mut connection, std::slice::from_ref(&checked), times)?;
        let [p50, p99] = percentiles(&arrivals);
        rows.push(Row::new(id, work, vec![p50.at_most(limit), p99]));
    }
    Ok(rows)
}

fn strike_day(server: &Server, connection: &mut Connection, workload: &Workload, effort: Effort) -> Result<Row> {
    let questions = workload.strike_days(connection)?;
    let questions = questions.into_iter().map(|question| look(connection, question)).collect::<Result<Vec<_>>>()?;
    ask(connection, &questions, effort.small / 10)?;
    let [p50, p99] = percentiles(&ask(connection, &questions, effort.small)?);
    let mut rates = Vec::new();
    for _ in 0..effort.repeat {
        rates.push(throughput(server, &questions, effort.small / CONNECTIONS)?);
    }
    let per_second = Figure::new("requests_per_second", "", Unit::RequestsPerSecond, median(rates));
    let figures = vec![p50.at_most(0.7), p99.at_most(3.0), per_second.at_least(2_500.0)];
    Ok(Row::new("strike_day", "one strike's day (390 rows), warm, keep-alive", figures).note(format!(
        "times on one connection, requests per second on {CONNECTIONS}; {} strikes and expirations in turn",
        questions.len()
    )))
}

/// Requests answered in a second, `each` on every connection.
fn throughput(server: &Server, questions: &[Checked], each: usize) -> Result<f64> {
    let connections = (0..CONNECTIONS).map(|_| server.connect()).collect::<Result<Vec<_>>>()?;
    let start = Barrier::new(CONNECTIONS + 1);
    thread::scope(|scope| {
        let callers: Vec<_> = connections
            .into_iter()
            .map(|mut connection| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    ask(&mut connection, questions, each)
                })
            })
            .collect();
        start.wait();
        let began = Instant::now();
        for caller in callers {
            caller.join().map_err(|_| Error::internal("a caller of the benchmark panicked"))??;
        }
        Ok((CONNECTIONS * each) as f64 / began.elapsed().as_secs_f64())
    })
}

fn percentiles(arrivals: &[Arrival]) -> [Figure; 2] {
    let times = || arrivals.iter().map(|arrival| ms(arrival.whole));
    [("p50_ms", "p50", 50.0), ("p99_ms", "p99", 99.0)]
        .map(|(name, label, percent)| Figure::new(name, label, Unit::Milliseconds, percentile(times(), percent)))
}

/// The figures of a whole day's stream.
fn streamed(day: &Checked, arrivals: &[Arrival], limit_ms: f64) -> Vec<Figure> {
    let time = median(arrivals.iter().map(|arrival| ms(arrival.whole)));
    let megabytes = day.body_bytes as f64 / 1e6;
    vec![
        Figure::new("median_ms", "", Unit::Milliseconds, time).at_most(limit_ms),
        Figure::new("megabytes", "", Unit::Megabytes, megabytes),
        Figure::new("megabytes_per_second", "", Unit::MegabytesPerSecond, time.map(|ms| megabytes / ms * 1e3)),
    ]
}

/// Asks once, untimed, and counts the rows that really are there.
fn look(connection: &mut Connection, question: Question) -> Result<Checked> {
    let mut objects = Objects::new();
    let arrival = connection.get(&question.path, &mut objects)?;
    let (said, held) = (objects.end.count()?, objects.opened.saturating_sub(1));
    if said != question.rows || held != question.rows {
        let wanted = question.rows;
        let path = question.path;
        return Err(Error::corrupt(format!(
            "the answer to {path} says {said} rows, holds {held}, and should hold {wanted}"
        )));
    }
    Ok(Checked { question, body_bytes: arrival.body_bytes })
}

/// Asks the questions in turn, `times` in all.
fn ask(connection: &mut Connection, questions: &[Checked], times: usize) -> Result<Vec<Arrival>> {
    let mut arrivals = Vec::with_capacity(times);
    for checked in questions.iter().cycle().take(times) {
        let mut end = End::new();
        let arrival = connection.get(&checked.question.path, &mut end)?;
        same_length(checked, arrival)?;
        if end.count()? != checked.question.rows {
            return Err(Error::corrupt(format!(
                "the answer to {} has another count than before",
                checked.question.path
            )));
        }
        arrivals.push(arrival);
    }
    Ok(arrivals)
}

/// Asks once, untimed, and decodes what comes.
fn look_at_arrow(connection: &mut Connection, question: Question) -> Result<Checked> {
    let mut body = Vec::new();
    let arrival = connection.get(&question.path, &mut body)?;
    let not_arrow = |error: arrow::error::ArrowError| {
        Error::corrupt(format!("the answer to {} is not an Arrow stream ({error})", question.path))
    };
    let batches = arrow::ipc::reader::StreamReader::try_new(body.as_slice(), None).map_err(not_arrow)?;
    let mut rows = 0;
    for batch in batches {
        rows += batch.map_err(not_arrow)?.num_rows() as u64;
    }
    if rows != question.rows {
        let (path, wanted) = (question.path, question.rows);
        return Err(Error::corrupt(format!("the answer to {path} holds {rows} rows and should hold {wanted}")));
    }
    Ok(Checked { question, body_bytes: arrival.body_bytes })
}

fn ask_for_arrow(connection: &mut Connection, checked: &Checked, times: usize) -> Result<Vec<Arrival>> {
    let mut arrivals = Vec::with_capacity(times);
    for _ in 0..times {
        let mut end = End::new();
        let arrival = connection.get(&checked.question.path, &mut end)?;
        same_length(checked, arrival)?;
        if !end.is_arrow_end() {
            return Err(Error::corrupt(format!("the answer to {} does not end as Arrow does", checked.question.path)));
        }
        arrivals.push(arrival);
    }
    Ok(arrivals)
}

fn same_length(checked: &Checked, arrival: Arrival) -> Result<()> {
    if arrival.body_bytes == checked.body_bytes {
        return Ok(());
    }
    let path = &checked.question.path;
    Err(Error::corrupt(format!("the answer to {path} has {} bytes after {}", arrival.body_bytes, checked.body_bytes)))
}
