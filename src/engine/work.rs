//! What a worker does: one thread, one connection, one question at a time. It hands over small answers in one piece and
//! streams the rest, never faster than they are taken. Started by [`super::Engine::open`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use duckdb::Connection;
use futures::future::{Either, select};
use tokio::sync::{mpsc, oneshot};

use super::answer::{Piece, broke_off};
use super::door::{Door, First, Job};
use super::instance::Connections;
use super::leash::{GivenUp, Leash};
use super::question::{Question, Size, Source, put_in, read_parquet};
use super::tables::{HotTable, HotTables};
use super::{columns, failure, instance};
use crate::{Error, Result};

/// An answer of a small question up to this many rows comes in one piece.
const ROWS_IN_ONE_PIECE: usize = 65_536;
/// Batches (of 2,048 rows) that may wait to be taken.
const BATCHES_WAITING: usize = 16;

pub(super) struct Worker {
    pub number: usize,
    pub connections: Connections,
    pub door: Arc<Door>,
    /// The tables of this worker's instance, if it keeps any.
    pub tables: Option<Arc<HotTables>>,
}

impl Worker {
    /// Answers until the door is closed.
    pub(super) fn run(mut self) {
        while let Some(job) = self.door.next(self.number) {
            let leash = Arc::clone(&job.leash);
            let outcome = catch_unwind(AssertUnwindSafe(|| self.answer(job)));
            leash.end();
            if outcome.is_err() {
                tracing::error!(worker = self.number, "a query panicked; its connection is replaced");
                self.connections.as_written = None;
                match instance::another(&self.connections.usual) {
                    Ok(connection) => self.connections.usual = connection,
                    Err(error) => tracing::error!(%error, "no new connection; the old one stays in use"),
                }
            }
            if let Some(tables) = &self.tables {
                tables.sweep(&self.connections.usual);
            }
        }
    }

    fn answer(&self, job: Job) {
        let Job { question, leash, answer } = job;
        if Instant::now() >= leash.deadline() {
            leash.pull(GivenUp::DeadlinePassed);
        }
        let connection = match &self.connections.as_written {
            Some(connection) if question.as_written => connection,
            _ => &self.connections.usual,
        };
        if leash.begin(connection.interrupt_handle()).is_err() {
            return;
        }
        let mut delivery = Delivery { job: Some(answer), stream: None };
        let outcome = self.execute(connection, &question, &leash, &mut delivery);
        // Before the last word: who has it may drop the answer, and that must not interrupt the next query.
        leash.end();
        let outcome = outcome.map_err(|error| match leash.given_up() {
            Some(why) => why.error().caused_by(error),
            None => error,
        });
        delivery.last_word(outcome, &leash);
    }

    /// Runs the query; returns what is left to hand over once it has ended.
    fn execute(
        &self,
        connection: &Connection,
        question: &Question,
        leash: &Leash,
        delivery: &mut Delivery,
    ) -> Result<Option<First>> {
        let mut pins: Vec<Arc<HotTable>> = Vec::new();
        let sql = self.relations(connection, question, &mut pins)?;
        let failed = |error| failure::answering(error, !question.sources.is_empty());
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let outcome = stream(&mut statement, question, leash, delivery);
        if outcome.is_err() {
            // A result that was not read to its end would stay open with the statement.
            statement.discard();
        }
        outcome
    }

    fn relations(&self, connection: &Connection, question: &Question, pins: &mut Vec<Arc<HotTable>>) -> Result<String> {
        let mut failed = None;
        let sql = put_in(&question.sql, |name| {
            let (_, source) = question.sources.iter().find(|(known, _)| *known == name)?;
            let table = match (source, &self.tables) {
                (Source::HotTable(file), Some(tables)) => tables.table(connection, file).unwrap_or_else(|error| {
                    failed.get_or_insert(error);
                    None
                }),
                _ => None,
            };
            Some(match table {
                Some(table) => {
                    let relation = table.name().to_owned();
                    pins.push(table);
                    relation
                }
                None => read_parquet(source.file()),
            })
        });
        failed.map_or(sql, Err)
    }
}

/// Takes the batches out of DuckDB: `Some` holds all of them, `None` means that they went out as a stream.
fn stream(
    statement: &mut duckdb::Statement<'_>,
    question: &Question,
    leash: &Leash,
    delivery: &mut Delivery,
) -> Result<Option<First>> {
    let most = match question.size {
        Size::Small => ROWS_IN_ONE_PIECE,
        Size::Large => 1,
    };
    let failed = |error| failure::answering(error, !question.sources.is_empty());
    let batches = statement.stream_arrow(duckdb::params_from_iter(&question.params)).map_err(failed)?;
    let schema = batches.get_schema();
    columns::check(&schema)?;
    let mut first = First { schema, batches: Vec::new(), more: None };
    let mut rows = 0;
    for batch in batches {
        if let Some(why) = leash.given_up() {
            return Err(why.error());
        }
        let batch = batch.map_err(failed)?;
        rows += batch.num_rows();
        if delivery.is_streaming() {
            delivery.send(Piece::Batch(batch), leash)?;
            continue;
        }
        first.batches.push(batch);
        if rows >= most {
            let schema = Arc::clone(&first.schema);
            let all_so_far = std::mem::replace(&mut first, First { schema, batches: Vec::new(), more: None });
            delivery.begin_stream(all_so_far)?;
        }
    }
    Ok((!delivery.is_streaming()).then_some(first))
}

/// Where the answer goes: first to who asked, then, if it is long, into the stream that was handed over.
struct Delivery {
    job: Option<oneshot::Sender<Result<First>>>,
    stream: Option<mpsc::Sender<Piece>>,
}

impl Delivery {
    fn is_streaming(&self) -> bool {
        self.stream.is_some()
    }

    fn begin_stream(&mut self, mut first: First) -> Result<()> {
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
        first.more = Some(receiver);
        self.stream = Some(sender);
        let taken = self.job.take().is_some_and(|job| job.send(Ok(first)).is_ok());
        if taken { Ok(()) } else { Err(GivenUp::CallerGone.error()) }
    }

    /// Waits for room, but no longer than the leash allows.
    fn send(&self, piece: Piece, leash: &Leash) -> Result<()> {
        let Some(stream) = &self.stream else { return Err(Error::internal("no stream was begun")) };
        let piece = match stream.try_send(piece) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(GivenUp::CallerGone.error()),
            Err(mpsc::error::TrySendError::Full(piece)) => piece,
        };
        let sending = std::pin::pin!(stream.send(piece));
        let pulled = std::pin::pin!(leash.pulled());
        match futures::executor::block_on(select(sending, pulled)) {
            Either::Left((Ok(()), _)) => Ok(()),
            Either::Left((Err(_), _)) => Err(GivenUp::CallerGone.error()),
            Either::Right(_) => Err(leash.given_up().unwrap_or(GivenUp::CallerGone).error()),
        }
    }

    fn last_word(&mut self, outcome: Result<Option<First>>, leash: &Leash) {
        if self.is_streaming() {
            let piece = match outcome {
                Ok(_) => Piece::End,
                Err(error) => Piece::Failed(error),
            };
            // When there is no room for it, the stream ends without `End`, which its reader takes for a break.
            let _ = self.send(piece, leash);
        } else if let Some(job) = self.job.take() {
            let first = outcome.and_then(|first| first.ok_or_else(broke_off));
            let _ = job.send(first);
        }
    }
}
