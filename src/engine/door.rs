//! The one door between async callers and DuckDB's threads: a bounded queue in front of a fixed number of workers.
//! A full queue refuses at once. [`super::Engine`] puts jobs in; the workers' loop in [`super::work`] takes them out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parking_lot::{Condvar, Mutex};
use tokio::sync::{mpsc, oneshot};

use super::answer::Piece;
use super::leash::{GivenUp, Leash};
use super::question::Question;
use crate::{Error, ErrorKind, Result};

/// One question on its way, and where its answer goes.
pub(super) struct Job {
    pub question: Question,
    pub leash: Arc<Leash>,
    pub answer: oneshot::Sender<Result<First>>,
}

/// The first piece of an answer, and where the others come from when it is not all.
pub(super) struct First {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    pub more: Option<mpsc::Receiver<Piece>>,
}

pub(super) struct Door {
    queue: Mutex<Queue>,
    ready: Condvar,
    most_waiting: usize,
    /// By worker: the leash of what it works on.
    at_work: Vec<Mutex<Option<Arc<Leash>>>>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    closed: bool,
}

impl Door {
    pub(super) fn new(workers: usize, most_waiting: usize) -> Arc<Self> {
        let at_work = (0..workers).map(|_| Mutex::new(None)).collect();
        Arc::new(Self { queue: Mutex::default(), ready: Condvar::new(), most_waiting, at_work })
    }

    /// # Errors
    /// `Overloaded` when as many wait already as may.
    pub(super) fn enter(&self, job: Job) -> Result<()> {
        let mut queue = self.queue.lock();
        let most = self.most_waiting + queue.idle;
        if queue.jobs.len() >= most {
            queue.jobs.retain(|job| job.leash.given_up().is_none());
        }
        if queue.closed {
            return Err(GivenUp::Closing.error());
        }
        if queue.jobs.len() >= most {
            return Err(Error::new(
                ErrorKind::Overloaded,
                "too many questions are waiting for an answer; ask again in a moment",
            ));
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.ready.notify_one();
        Ok(())
    }

    /// The next job for `worker`, which waits for it; `None` when the door was closed. Jobs that were given up in the
    /// queue are passed over.
    pub(super) fn next(&self, worker: usize) -> Option<Job> {
        *self.at_work[worker].lock() = None;
        let mut queue = self.queue.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                if job.leash.given_up().is_some() {
                    continue;
                }
                drop(queue);
                *self.at_work[worker].lock() = Some(Arc::clone(&job.leash));
                return Some(job);
            }
            queue.idle += 1;
            self.ready.wait(&mut queue);
            queue.idle -= 1;
        }
    }

    /// Looks after the deadlines of what is at work.
    pub(super) fn watch(&self, now: Instant) {
        for worker in &self.at_work {
            let leash = worker.lock().clone();
            if let Some(leash) = leash {
                leash.watch(now);
            }
        }
    }

    /// Sends waiting jobs away, interrupts what is at work, and lets the workers end.
    pub(super) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        let jobs = std::mem::take(&mut queue.jobs);
        drop(queue);
        self.ready.notify_all();
        for job in jobs {
            job.leash.pull(GivenUp::Closing);
        }
        for worker in &self.at_work {
            if let Some(leash) = worker.lock().as_ref() {
                leash.pull(GivenUp::Closing);
            }
        }
    }

    /// (waiting, at work)
    pub(super) fn busy(&self) -> (usize, usize) {
        let waiting = self.queue.lock().jobs.len();
        (waiting, self.at_work.iter().filter(|worker| worker.lock().is_some()).count())
    }
}
