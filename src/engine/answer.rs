//! What the engine answers: a schema and batches, in one piece when small, streamed with back-pressure when not.
//! Formats read it. Its end is always told: a stream that broke off ends with an error, never as if whole.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use futures::{Stream, TryStreamExt};
use tokio::sync::mpsc;

use super::leash::{GivenUp, Leash};
use crate::{Error, Result};

/// Rows with their schema. The columns are BOOLEAN, INTEGER, BIGINT, DOUBLE, VARCHAR, DATE, TIMESTAMP and TIMESTAMPTZ
/// (timestamp in µs, "UTC"), nothing else. A stream of batches; dropping it interrupts the query.
pub struct Answer {
    schema: SchemaRef,
    ready: VecDeque<RecordBatch>,
    more: Option<More>,
}

/// What a worker sends after the first piece.
pub(super) enum Piece {
    Batch(RecordBatch),
    Failed(Error),
    End,
}

pub(super) struct More {
    pub pieces: mpsc::Receiver<Piece>,
    pub leash: GoneGuard,
}

/// Pulls the leash when it is dropped.
pub(super) struct GoneGuard(pub Arc<Leash>);

impl Drop for GoneGuard {
    fn drop(&mut self) {
        self.0.pull(GivenUp::CallerGone);
    }
}

impl Answer {
    pub(super) fn new(schema: SchemaRef, ready: Vec<RecordBatch>, more: Option<More>) -> Self {
        Self { schema, ready: ready.into(), more }
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// True when every batch is here already: the answer can be written out at once, with its length.
    pub fn is_whole(&self) -> bool {
        self.more.is_none()
    }

    /// All batches. For answers known to be small.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn collect(self) -> Result<Vec<RecordBatch>> {
        if self.is_whole() { Ok(self.ready.into()) } else { self.try_collect().await }
    }
}

impl Stream for Answer {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(batch) = self.ready.pop_front() {
            return Poll::Ready(Some(Ok(batch)));
        }
        let Some(more) = &mut self.more else { return Poll::Ready(None) };
        let piece = match more.pieces.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(piece) => piece,
        };
        if let Some(Piece::Batch(batch)) = piece {
            return Poll::Ready(Some(Ok(batch)));
        }
        let given_up = more.leash.0.given_up();
        self.more = None;
        Poll::Ready(match piece {
            Some(Piece::End) => None,
            Some(Piece::Failed(error)) => Some(Err(error)),
            _ => Some(Err(given_up.map_or_else(broke_off, GivenUp::error))),
        })
    }
}

pub(super) fn broke_off() -> Error {
    Error::internal("the query broke off without an answer; the log says why")
}
