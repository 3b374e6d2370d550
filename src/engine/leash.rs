//! The leash of one question: whoever waits for the answer holds one end, the worker that runs the query the other. When
//! the caller goes away or the deadline passes, the running query is interrupted; a query of somebody else on the same
//! connection never is.

use std::sync::Arc;
use std::time::Instant;

use duckdb::InterruptHandle;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{Error, ErrorKind};

/// Why a question was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// Nobody waits for the answer any more.
    CallerGone,
    DeadlinePassed,
    /// The engine is being closed.
    Closing,
}

impl GivenUp {
    pub(super) fn error(self) -> Error {
        let detail = match self {
            Self::CallerGone => "nobody waits for the answer any more",
            Self::DeadlinePassed => {
                "the query took longer than its deadline; ask for less at a time, or take whole files with /files"
            }
            Self::Closing => "the process is shutting down; ask again",
        };
        Error::new(ErrorKind::Cancelled, detail)
    }
}

pub(super) struct Leash {
    deadline: Instant,
    state: Mutex<State>,
    pulled: CancellationToken,
}

#[derive(Default)]
struct State {
    given_up: Option<GivenUp>,
    /// Only while a query of this question runs: an interrupt outside of that time would hit another's.
    running: Option<Arc<InterruptHandle>>,
}

impl Leash {
    pub(super) fn new(deadline: Instant) -> Arc<Self> {
        Arc::new(Self { deadline, state: Mutex::default(), pulled: CancellationToken::new() })
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Gives the question up; the first reason stays.
    pub(super) fn pull(&self, why: GivenUp) {
        let mut state = self.state.lock();
        state.given_up.get_or_insert(why);
        self.pulled.cancel();
        if let Some(running) = &state.running {
            running.interrupt();
        }
    }

    /// Called now and then while the query runs: sees the deadline, and repeats an interrupt, because DuckDB forgets one
    /// that comes in the instant before it begins to execute.
    pub(super) fn watch(&self, now: Instant) {
        let given_up = self.given_up();
        if let Some(why) = given_up.or((now >= self.deadline).then_some(GivenUp::DeadlinePassed)) {
            self.pull(why);
        }
    }

    pub(super) fn given_up(&self) -> Option<GivenUp> {
        self.state.lock().given_up
    }

    /// Completes when the leash is pulled.
    pub(super) async fn pulled(&self) {
        self.pulled.cancelled().await;
    }

    /// Begins the time in which interrupts reach the query; `Err` when it was given up before.
    pub(super) fn begin(&self, handle: Arc<InterruptHandle>) -> Result<(), GivenUp> {
        let mut state = self.state.lock();
        match state.given_up {
            Some(why) => Err(why),
            None => {
                state.running = Some(handle);
                Ok(())
            }
        }
    }

    pub(super) fn end(&self) {
        self.state.lock().running = None;
    }
}
