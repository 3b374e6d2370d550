//! Today as it happens: who listens to which symbol. One [`watch`]er per symbol looks at the newest day, however many
//! listen; each [`listener`] compares what it has sent with what is published now and sends the difference as server-sent
//! [`event`]s. Called by `routes::live`.
//!
//! Nothing is queued for anybody but the few events on their way: what a slow listener has not seen yet is in the lake. So a
//! listener that resumes, one that is slow and one that lives through a change of days all take the same path.

mod event;
mod listener;
mod question;
mod view;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::response::sse::Event;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

pub use question::{Grain, Question};

use crate::http::context::Context;
use crate::http::problem::{Problem, ProblemType};
use crate::market::{Instrument, Symbol};
use listener::Listener;
use watch::Watcher;

/// Events made ahead of a listener's socket.
const AHEAD: usize = 4;

/// How live streams are run; nothing here changes a number.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// How often a watcher looks while the newest day may still grow.
    pub poll: Duration,
    /// How often when the newest day is done and no session is open.
    pub poll_closed: Duration,
    /// Listeners at one time; one more is told 503.
    pub most_listeners: usize,
    /// A comment is sent after this long without an event.
    pub heartbeat: Duration,
    /// A listener that takes no event for so long is let go.
    pub patience: Duration,
    /// A stream is ended after this long, so that a key that was revoked does not listen for ever.
    pub longest: Duration,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(2),
            poll_closed: Duration::from_secs(15),
            most_listeners: 512,
            heartbeat: Duration::from_secs(15),
            patience: Duration::from_secs(60),
            longest: Duration::from_secs(3600),
        }
    }
}

/// Everybody who listens in this process. Cloning is cheap.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

struct Inner {
    options: LiveOptions,
    places: Arc<Semaphore>,
    watchers: Mutex<HashMap<Symbol, Weak<Watcher>>>,
    closing: CancellationToken,
}

impl Live {
    pub fn new(options: LiveOptions) -> Self {
        let places = Arc::new(Semaphore::new(options.most_listeners.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner { options, places, watchers: Mutex::default(), closing: CancellationToken::new() }))
    }

    pub fn options(&self) -> &LiveOptions {
        &self.0.options
    }

    /// Ends all streams, and every later one at once: the server is stopping.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    /// Who listens now.
    pub fn listeners(&self) -> u64 {
        self.0.options.most_listeners.saturating_sub(self.0.places.available_permits()) as u64
    }

    /// Symbols that are watched now.
    pub fn watchers(&self) -> u64 {
        self.0.watchers.lock().values().filter(|watcher| watcher.strong_count() > 0).count() as u64
    }

    /// Begins to listen. Events come until the receiver is dropped, or until the stream says `bye`. `after` is the last
    /// minute that the client has already.
    ///
    /// # Errors
    /// `overloaded` when there are enough listeners, 404 when nothing is stored of the symbol, those of the store.
    pub async fn listen(
        &self,
        context: &Context,
        instrument: Arc<Instrument>,
        question: Question,
        after: Option<DateTime<Utc>>,
    ) -> Result<mpsc::Receiver<Event>, Problem> {
        let inner = &self.0;
        let Ok(place) = Arc::clone(&inner.places).try_acquire_owned() else {
            context.metrics.overload_refused();
            let most = inner.options.most_listeners;
            let detail = format!("{most} clients are listening, as many as this server takes; try again in a minute");
            return Err(Problem::new(ProblemType::Overloaded, detail).retry_after(60));
        };
        let watcher = self.watcher(context, &instrument);
        watcher.first_look().await?;
        let (events, received) = mpsc::channel(AHEAD);
        let listener = Listener::new(context.clone(), instrument, question, after, watcher, events);
        let (options, closing) = (inner.options.clone(), inner.closing.clone());
        tokio::spawn(async move {
            listener.run(options, closing).await;
            drop(place);
        });
        Ok(received)
    }

    /// The symbol's watcher, shared with all who listen to it already.
    fn watcher(&self, context: &Context, instrument: &Arc<Instrument>) -> Arc<Watcher> {
        let mut watchers = self.0.watchers.lock();
        if let Some(watcher) = watchers.get(&instrument.symbol).and_then(Weak::upgrade) {
            return watcher;
        }
        watchers.retain(|_, watcher| watcher.strong_count() > 0);
        let watcher = Arc::new(Watcher::start(context.clone(), Arc::clone(instrument), self.0.options.clone()));
        watchers.insert(instrument.symbol.clone(), Arc::downgrade(&watcher));
        watcher
    }
}
