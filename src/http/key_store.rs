//! The key list where it lives: one object of the lake. [`change`] is how the command line edits it, [`KeyStore`] is
//! what a running server judges requests by. A list that cannot be read or understood never counts as "no keys".

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;

use super::keys::KeyList;
use crate::lake::layout::config_key;
use crate::lake::store::{PutWhen, Store};
use crate::market::SharedClock;
use crate::{Error, ErrorKind, Result};

/// The name of the list among the lake's configuration objects.
const NAME: &str = "keys.json";
/// A list this old is checked against the store before it is used: a revocation is seen well within a minute.
const FRESH_FOR: TimeDelta = TimeDelta::seconds(30);
/// After a check that failed, the next one waits this long: an unreachable store is not asked once per request.
const RETRY_AFTER: TimeDelta = TimeDelta::seconds(5);
/// How long the last known list stands in while the store cannot be reached. After it every request is refused,
/// because a key revoked meanwhile would still open the door.
const TRUSTED_WITHOUT_STORE: TimeDelta = TimeDelta::minutes(5);
/// The longest that requests wait for one check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a change is tried again when somebody else changed the list first.
const CHANGE_ATTEMPTS: u32 = 10;

/// Reads the list and its ETag; `None` for a lake that never had a key.
pub async fn read(store: &Store) -> Result<Option<(KeyList, String)>> {
    match store.get(&config_key(NAME)).await {
        Ok(object) => Ok(Some((KeyList::from_json(&object.bytes)?, object.etag))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.while_doing("reading the key list")),
    }
}

/// Changes the list by a conditional put, and begins again from the newer one when somebody else was first.
///
/// # Errors
/// What `edit` refuses; `Conflict` when others were first ten times; what the store says.
pub async fn change<T>(store: &Store, mut edit: impl FnMut(&mut KeyList) -> Result<T>) -> Result<T> {
    for _ in 0..CHANGE_ATTEMPTS {
        let (mut list, when) = match read(store).await? {
            Some((list, etag)) => (list, PutWhen::Matches(etag)),
            None => (KeyList::default(), PutWhen::Absent),
        };
        let outcome = edit(&mut list)?;
        match store.put(&config_key(NAME), Bytes::from(list.to_json()?), when).await {
            Ok(_) => return Ok(outcome),
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error.while_doing("writing the key list")),
        }
    }
    Err(Error::new(ErrorKind::Conflict, "others keep changing the key list at the same time; try again in a moment"))
}

/// What a server knows about the lake's keys.
#[derive(Debug, Clone)]
pub enum Known {
    /// The lake never had a key.
    NeverAny,
    /// The lake has, or had, keys: every request needs one of these that is not revoked.
    List(Arc<KeyList>),
}

/// The keys that a running server goes by, read again at most every 30 seconds.
pub struct KeyStore {
    store: Store,
    clock: SharedClock,
    trusted_without_store: TimeDelta,
    state: Mutex<State>,
    /// Held by the one request that asks the store; the others wait for what it learns.
    checking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Seen>,
    /// When the store was last seen to answer, with `last` as the result.
    confirmed_at: Option<DateTime<Utc>>,
    failed_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone)]
enum Seen {
    Nothing,
    List {
        list: Arc<KeyList>,
        etag: String,
    },
    /// An object is there and makes no sense. Its ETag spares reading it again until it is mended.
    Malformed {
        detail: String,
        etag: Option<String>,
    },
}

impl Seen {
    fn verdict(&self) -> Result<Known> {
        match self {
            Seen::Nothing => Ok(Known::NeverAny),
            Seen::List { list, .. } => Ok(Known::List(Arc::clone(list))),
            Seen::Malformed { detail, .. } => Err(Error::corrupt(detail.clone())),
        }
    }

    fn etag(&self) -> Option<&str> {
        match self {
            Seen::Nothing => None,
            Seen::List { etag, .. } => Some(etag),
            Seen::Malformed { etag, .. } => etag.as_deref(),
        }
    }
}

impl KeyStore {
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self {
            store,
            clock,
            trusted_without_store: TRUSTED_WITHOUT_STORE,
            state: Mutex::default(),
            checking: tokio::sync::Mutex::new(()),
        }
    }

    /// Lets the last known list stand in for longer, for a server that takes data in: what a revoked key sent can be
    /// left out later, what was turned away cannot be had again.
    #[must_use]
    pub fn trusted_without_store(mut self, span: TimeDelta) -> Self {
        self.trusted_without_store = span;
        self
    }

    /// The keys as of at most half a minute ago.
    ///
    /// # Errors
    /// `Corrupt` for a list that makes no sense; `Unavailable` or what else the store says when the list was never read
    /// or not confirmed for five minutes. The caller refuses the request.
    pub async fn known(&self) -> Result<Known> {
        if let Some(verdict) = self.remembered() {
            return verdict;
        }
        let _one_at_a_time = self.checking.lock().await;
        // Whoever held the lock before may have learned it meanwhile.
        if let Some(verdict) = self.remembered() {
            return verdict;
        }
        let before = self.state.lock().last.clone();
        let outcome = match tokio::time::timeout(CHECK_TIMEOUT, self.look(before.as_ref())).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::unavailable("the store did not answer in time when asked for the key list")),
        };
        let now = self.clock.now();
        let mut state = self.state.lock();
        match outcome {
            Ok(seen) => {
                let verdict = seen.verdict();
                *state = State { last: Some(seen), confirmed_at: Some(now), failed_at: None };
                verdict
            }
            Err(error) => {
                state.failed_at = Some(now);
                match state.trusted(now, self.trusted_without_store) {
                    Some(seen) => {
                        tracing::warn!(error = %error, "the key list cannot be checked; going by the last one known");
                        seen.verdict()
                    }
                    None => Err(error),
                }
            }
        }
    }

    /// The answer that needs no store: fresh enough, or the store failed a moment ago.
    fn remembered(&self) -> Option<Result<Known>> {
        let now = self.clock.now();
        let state = self.state.lock();
        if state.confirmed_at.is_some_and(|at| within(at, now, FRESH_FOR)) {
            return state.last.as_ref().map(Seen::verdict);
        }
        if state.failed_at.is_some_and(|at| within(at, now, RETRY_AFTER)) {
            return Some(match state.trusted(now, self.trusted_without_store) {
                Some(seen) => seen.verdict(),
                None => Err(Error::unavailable("the key list cannot be read from the store, so no key can be checked")),
            });
        }
        None
    }

    async fn look(&self, before: Option<&Seen>) -> Result<Seen> {
        let key = config_key(NAME);
        let object = match before.and_then(|seen| Some((seen, seen.etag()?))) {
            Some((seen, etag)) => match self.store.get_if_changed(&key, etag).await {
                Ok(None) => return Ok(seen.clone()),
                Ok(Some(object)) => object,
                // A list that was there and is gone does not open the lake again.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Ok(Seen::Malformed {
                        detail:
                            "the key list has been deleted while the server ran: put it back, or restart the server \
                                 if the lake shall have no keys"
                                .to_owned(),
                        etag: None,
                    });
                }
                Err(error) => return Err(error.while_doing("checking the key list")),
            },
            None => match self.store.get(&key).await {
                Ok(object) => object,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    // `Malformed` without an ETag is a deleted list: still deleted.
                    return Ok(before.cloned().unwrap_or(Seen::Nothing));
                }
                Err(error) => return Err(error.while_doing("reading the key list")),
            },
        };
        Ok(match KeyList::from_json(&object.bytes) {
            Ok(list) => Seen::List { list: Arc::new(list), etag: object.etag },
            Err(error) => {
                tracing::error!(error = %error, "every request is refused until the key list is mended");
                Seen::Malformed { detail: error.detail().to_owned(), etag: Some(object.etag) }
            }
        })
    }
}

impl State {
    fn trusted(&self, now: DateTime<Utc>, span: TimeDelta) -> Option<&Seen> {
        self.last.as_ref().filter(|_| self.confirmed_at.is_some_and(|at| within(at, now, span)))
    }
}

/// Whether less than `span` passed since `at`. A clock that went back makes everything old, never forever fresh.
fn within(at: DateTime<Utc>, now: DateTime<Utc>, span: TimeDelta) -> bool {
    (TimeDelta::zero()..span).contains(&(now - at))
}

#[cfg(test)]
#[path = "key_store_tests.rs"]
mod tests;
