//! DuckDB in this process, behind one door. Rooms ask a [`Question`] (SQL of their own, values bound, sources named)
//! and get an [`Answer`] (a stream of Arrow batches). It must never read anything but the cache's folder, and no request
//! may bring it to.
//!
//! Two instances, because `threads` belongs to an instance: one with a single thread for small questions, many side by
//! side on connections of their own; one with all threads for whole days. In front of each stands a bounded queue
//! ([`door`]): full means `Overloaded` at once. A question has a deadline, and dropping the future or the answer
//! interrupts the query ([`leash`]); the connection goes on to the next. The files a question reads are held until it
//! ends, so that the cache cannot take them away.
//!
//! [`tables`] keeps the hottest files as in-memory tables of the small instance. [`instance`] locks DuckDB down,
//! [`work`] is a worker's loop, [`columns`] says which types may come out.

mod answer;
mod columns;
mod door;
mod failure;
mod instance;
mod leash;
mod question;
mod tables;
#[cfg(test)]
mod tests;
mod work;

use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

pub use answer::Answer;
pub use question::{Param, Question, Size, Source};

use crate::{Error, Result};
use answer::{GoneGuard, More};
use door::{Door, Job};
use instance::Setup;
use leash::{GivenUp, Leash};
use tables::HotTables;
use work::Worker;

/// How late a deadline may be noticed.
const WATCH_EVERY: Duration = Duration::from_millis(20);

/// Sizes and limits of the engine.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The only folder that SQL may read: [`crate::lake::cache::Cache::folder`].
    pub cache_folder: PathBuf,
    /// Where a large sort may spill; without one it fails when memory is full.
    pub spill_folder: Option<PathBuf>,
    /// For both instances together, half each; hot tables are counted in the small one's half.
    pub memory_limit_bytes: u64,
    /// For hot tables, as estimated; at most a quarter of `memory_limit_bytes` is used.
    pub hot_table_bytes: u64,
    /// Small questions answered side by side, each on one thread.
    pub small_workers: usize,
    /// Large questions answered side by side; they share `large_threads`.
    pub large_workers: usize,
    pub large_threads: usize,
    /// Questions of each size that may wait for a worker.
    pub queue: usize,
    /// From asking to the last batch handed over, for a question that does not say.
    pub deadline: Duration,
}

impl EngineOptions {
    /// Fitting for a machine with `cores` cores: 1 GiB, of which 256 MiB for hot tables; 1,024 may wait; 60 s.
    pub fn new(cache_folder: impl Into<PathBuf>, cores: usize) -> Self {
        Self {
            cache_folder: cache_folder.into(),
            spill_folder: None,
            memory_limit_bytes: 1 << 30,
            hot_table_bytes: 256 << 20,
            small_workers: cores.max(2),
            large_workers: cores.max(2),
            large_threads: cores.max(1),
            queue: 1_024,
            deadline: Duration::from_secs(60),
        }
    }
}

/// What the engine does at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineStats {
    pub small_waiting: usize,
    pub small_at_work: usize,
    pub large_waiting: usize,
    pub large_at_work: usize,
    pub hot_tables: usize,
    /// Estimated.
    pub hot_table_bytes: u64,
}

/// The engine of one process. Cloning is cheap; the last clone to go closes it.
#[derive(Clone)]
pub struct Engine(Arc<Doors>);

struct Doors {
    small: Arc<Door>,
    large: Arc<Door>,
    tables: Arc<HotTables>,
    deadline: Duration,
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.small.close();
        self.large.close();
    }
}

impl Engine {
    /// Opens both instances, locks them down and starts their workers.
    ///
    /// # Errors
    /// `Invalid` for a folder that is not absolute, `Unavailable` when DuckDB or a thread cannot be started.
    pub fn open(options: EngineOptions) -> Result<Self> {
        let tables = Arc::new(HotTables::new(options.hot_table_bytes.min(options.memory_limit_bytes / 4)));
        let setup = |threads, as_written| Setup {
            readable: options.cache_folder.clone(),
            spill: options.spill_folder.clone(),
            memory_bytes: options.memory_limit_bytes / 2,
            threads,
            as_written,
        };
        let small = start("small", &setup(1, true), options.small_workers, options.queue, Some(&tables))?;
        let large = start("large", &setup(options.large_threads, false), options.large_workers, options.queue, None)?;
        let doors = Arc::new(Doors { small, large, tables, deadline: options.deadline });
        let watched = Arc::downgrade(&doors);
        spawn("engine-watch", move || watch(&watched))?;
        Ok(Self(doors))
    }

    /// Answers `question`. Dropping the future or the answer interrupts the query.
    ///
    /// # Errors
    /// `Overloaded` when the queue or the memory is full, `Cancelled` when the deadline passed, `Corrupt` when a source
    /// could not be read (report the file with [`crate::lake::cache::Cache::distrust`] and ask once more), `Internal`
    /// for SQL that DuckDB refuses or a column type that must not come out.
    pub async fn query(&self, question: Question) -> Result<Answer> {
        let deadline = Instant::now() + question.deadline.unwrap_or(self.0.deadline);
        let leash = Leash::new(deadline);
        let guard = GoneGuard(Arc::clone(&leash));
        let door = match question.size {
            Size::Small => &self.0.small,
            Size::Large => &self.0.large,
        };
        let (sender, receiver) = oneshot::channel();
        door.enter(Job { question, leash: Arc::clone(&leash), answer: sender })?;
        match tokio::time::timeout_at(deadline.into(), receiver).await {
            Ok(Ok(Ok(first))) => {
                let more = first.more.map(|pieces| More { pieces, leash: guard });
                Ok(Answer::new(first.schema, first.batches, more))
            }
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(_)) => Err(leash.given_up().map_or_else(answer::broke_off, GivenUp::error)),
            Err(_) => {
                leash.pull(GivenUp::DeadlinePassed);
                Err(GivenUp::DeadlinePassed.error())
            }
        }
    }

    pub fn stats(&self) -> EngineStats {
        let ((small_waiting, small_at_work), (large_waiting, large_at_work)) =
            (self.0.small.busy(), self.0.large.busy());
        let (hot_tables, hot_table_bytes) = self.0.tables.held();
        EngineStats { small_waiting, small_at_work, large_waiting, large_at_work, hot_tables, hot_table_bytes }
    }
}

fn start(
    name: &str,
    setup: &Setup,
    workers: usize,
    queue: usize,
    tables: Option<&Arc<HotTables>>,
) -> Result<Arc<Door>> {
    let workers = workers.max(1);
    let connections = instance::open(setup, workers)?;
    let door = Door::new(workers, queue);
    for (number, connections) in connections.into_iter().enumerate() {
        let worker = Worker { number, connections, door: Arc::clone(&door), tables: tables.cloned() };
        spawn(&format!("engine-{name}-{number}"), move || worker.run())?;
    }
    Ok(door)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    match std::thread::Builder::new().name(name.to_owned()).spawn(work) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(Error::unavailable(format!("the thread {name} could not be started: {error}")).caused_by(error))
        }
    }
}

fn watch(doors: &Weak<Doors>) {
    while let Some(doors) = doors.upgrade() {
        let now = Instant::now();
        doors.small.watch(now);
        doors.large.watch(now);
        drop(doors);
        std::thread::sleep(WATCH_EVERY);
    }
}
