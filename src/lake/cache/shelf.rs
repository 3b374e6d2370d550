//! One shelf of the cache: values by key, each asked for once at a time, served while fresh, revalidated after, and
//! let go when the shelf is too full. [`super::Cache`] has one for files and one for small objects.
//!
//! A hit takes two short locks and no request. A thousand callers who ask for the same stale key wait for the same
//! request, which runs as a task of its own: it ends and is kept even when all of them went away. It must never serve
//! a stale value because the store could not be asked.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::Shared;
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use super::freshness::{Freshness, Windows};
use super::policy::{Budget, Held};
use super::stats::Counters;
use crate::market::SharedClock;
use crate::{Error, Result};

/// Where a shelf's values come from and what they cost.
pub(super) trait Supply: Send + Sync + 'static {
    type Item: Clone + Send + Sync + 'static;

    /// Asks the store, conditionally when an item is held. One request in the usual case.
    fn fetch(&self, key: &str, held: Option<Self::Item>) -> impl Future<Output = Result<Fetched<Self::Item>>> + Send;
    fn bytes(&self, item: &Self::Item) -> u64;
    /// Whether anybody but the shelf holds the item now.
    fn in_use(&self, item: &Self::Item) -> bool;
    /// Whether the item is still what was put on the shelf; called on every hit, so it must be quick.
    fn is_intact(&self, item: &Self::Item) -> bool;
}

/// What the store said.
pub(super) enum Fetched<T> {
    Unchanged,
    Changed(T),
    Missing,
}

pub(super) struct Shelf<S: Supply>(Arc<Inner<S>>);

struct Inner<S: Supply> {
    supply: S,
    windows: Windows,
    budget: Budget,
    clock: SharedClock,
    slots: RwLock<Slots<S::Item>>,
    uses: AtomicU64,
    bytes: AtomicU64,
    counters: Arc<Counters>,
}

type Slots<T> = HashMap<Arc<str>, Arc<Slot<T>>>;

struct Slot<T> {
    last_used: AtomicU64,
    state: Mutex<State<T>>,
}

struct State<T> {
    known: Known<T>,
    flight: Option<Flight<T>>,
    /// Set when the slot left the map: whoever still holds it looks the key up again.
    gone: bool,
}

enum Known<T> {
    Nothing,
    There { item: T, asked_at: DateTime<Utc> },
    Missing { asked_at: DateTime<Utc> },
}

/// The request under way, as all who wait for it see it. `None` is "not there".
type Flight<T> = Shared<oneshot::Receiver<Result<Option<T>, Arc<Error>>>>;

impl<S: Supply> Shelf<S> {
    pub(super) fn new(
        supply: S,
        windows: Windows,
        budget: Budget,
        clock: SharedClock,
        counters: Arc<Counters>,
    ) -> Self {
        Self(Arc::new(Inner {
            supply,
            windows,
            budget,
            clock,
            slots: RwLock::new(HashMap::new()),
            uses: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            counters,
        }))
    }

    /// The value under `key`, `None` when the store does not have it. Errors are the store's; a value whose freshness
    /// ran out is not served when the store cannot be asked.
    pub(super) async fn get(&self, key: &str, freshness: Freshness) -> Result<Option<S::Item>> {
        let flight = match self.look(key, freshness) {
            Look::Answer(answer) => return Ok(answer),
            Look::Wait(flight) => flight,
        };
        match flight.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Error::new(error.kind(), error.detail()).caused_by(error)),
            Err(_) => Err(Error::internal(format!("the request for {key} ended without an answer; ask again"))),
        }
    }

    /// What lies on the shelf under `key`, however old, as long as it is intact.
    pub(super) fn held(&self, key: &str) -> Option<S::Item> {
        let slot = self.0.slots.read().get(key).cloned()?;
        let item = match &slot.state.lock().known {
            Known::There { item, .. } if self.0.supply.is_intact(item) => item.clone(),
            _ => return None,
        };
        slot.last_used.store(self.0.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(item)
    }

    /// Whether an answer to `key` is at hand, "not there" included.
    pub(super) fn knows(&self, key: &str, freshness: Freshness) -> bool {
        let Some(slot) = self.0.slots.read().get(key).cloned() else { return false };
        let now = self.0.clock.now();
        match &slot.state.lock().known {
            Known::There { item, asked_at } => {
                self.0.windows.still_good(true, *asked_at, now, freshness) && self.0.supply.is_intact(item)
            }
            Known::Missing { asked_at } => self.0.windows.still_good(false, *asked_at, now, freshness),
            Known::Nothing => false,
        }
    }

    /// Forgets the value of `key` if `is_it` says so.
    pub(super) fn forget_if(&self, key: &str, is_it: impl FnOnce(&S::Item) -> bool) -> bool {
        let Some(slot) = self.0.slots.read().get(key).cloned() else { return false };
        let mut state = slot.state.lock();
        let found = matches!(&state.known, Known::There { item, .. } if is_it(item));
        if found {
            self.0.replace(&mut state, Known::Nothing);
        }
        found
    }

    /// Forgets that `key` is not there.
    pub(super) fn forget_missing(&self, key: &str) {
        let Some(slot) = self.0.slots.read().get(key).cloned() else { return };
        let mut state = slot.state.lock();
        if matches!(state.known, Known::Missing { .. }) {
            self.0.replace(&mut state, Known::Nothing);
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn entries(&self) -> usize {
        self.0.slots.read().len()
    }

    fn look(&self, key: &str, freshness: Freshness) -> Look<S::Item> {
        let inner = &self.0;
        let now = inner.clock.now();
        loop {
            let slot = inner.slot(key);
            let mut state = slot.state.lock();
            if state.gone {
                continue;
            }
            slot.last_used.store(inner.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            match &state.known {
                Known::There { item, asked_at }
                    if inner.windows.still_good(true, *asked_at, now, freshness) && inner.supply.is_intact(item) =>
                {
                    Counters::one_more(&inner.counters.hits);
                    return Look::Answer(Some(item.clone()));
                }
                Known::Missing { asked_at } if inner.windows.still_good(false, *asked_at, now, freshness) => {
                    Counters::one_more(&inner.counters.missing_hits);
                    return Look::Answer(None);
                }
                _ => {}
            }
            if let Some(flight) = &state.flight {
                return Look::Wait(flight.clone());
            }
            let held = match &state.known {
                Known::There { item, .. } if inner.supply.is_intact(item) => Some(item.clone()),
                Known::There { .. } => {
                    Counters::one_more(&inner.counters.damaged);
                    inner.replace(&mut state, Known::Nothing);
                    None
                }
                _ => None,
            };
            let (answer, waiting) = oneshot::channel();
            let flight = waiting.shared();
            state.flight = Some(flight.clone());
            drop(state);
            tokio::spawn(fly(Arc::clone(inner), key.into(), slot, held, now, answer));
            return Look::Wait(flight);
        }
    }
}

enum Look<T> {
    Answer(Option<T>),
    Wait(Flight<T>),
}

/// Asks the store and puts what it said on the shelf. `asked_at` is when the request began: what comes back is at
/// least as new as that.
async fn fly<S: Supply>(
    inner: Arc<Inner<S>>,
    key: Arc<str>,
    slot: Arc<Slot<S::Item>>,
    held: Option<S::Item>,
    asked_at: DateTime<Utc>,
    answer: oneshot::Sender<Result<Option<S::Item>, Arc<Error>>>,
) {
    let landing = Landing { inner: &inner, key: &key, slot: &slot };
    Counters::one_more(&inner.counters.asked);
    let mut fetched = inner.supply.fetch(&key, held.clone()).await;
    if matches!(fetched, Ok(Fetched::Unchanged)) && matches!(slot.state.lock().known, Known::Nothing) {
        // What was held was forgotten meanwhile, perhaps as damaged: "unchanged" is no answer then.
        Counters::one_more(&inner.counters.asked);
        fetched = inner.supply.fetch(&key, None).await;
    }
    let (known, said) = match fetched {
        Ok(Fetched::Changed(item)) => {
            Counters::one_more(&inner.counters.filled);
            (Some(Known::There { item: item.clone(), asked_at }), Ok(Some(item)))
        }
        Ok(Fetched::Unchanged) => {
            Counters::one_more(&inner.counters.unchanged);
            (held.clone().map(|item| Known::There { item, asked_at }), Ok(held))
        }
        Ok(Fetched::Missing) => (Some(Known::Missing { asked_at }), Ok(None)),
        Err(error) => {
            Counters::one_more(&inner.counters.failed);
            (None, Err(Arc::new(error)))
        }
    };
    if let Some(known) = known {
        inner.replace(&mut slot.state.lock(), known);
    }
    drop(landing);
    inner.make_room();
    // Nobody may be waiting any more; the value is on the shelf all the same.
    let _ = answer.send(said);
}

/// Ends a flight however the task ends, so that a panic below does not leave a key waiting for ever.
struct Landing<'a, S: Supply> {
    inner: &'a Inner<S>,
    key: &'a str,
    slot: &'a Slot<S::Item>,
}

impl<S: Supply> Drop for Landing<'_, S> {
    fn drop(&mut self) {
        let mut slots = self.inner.slots.write();
        let mut state = self.slot.state.lock();
        state.flight = None;
        if matches!(state.known, Known::Nothing) {
            state.gone = true;
            slots.remove(self.key);
        }
    }
}

impl<S: Supply> Inner<S> {
    fn slot(&self, key: &str) -> Arc<Slot<S::Item>> {
        if let Some(slot) = self.slots.read().get(key) {
            return Arc::clone(slot);
        }
        let fresh = || {
            let state = State { known: Known::Nothing, flight: None, gone: false };
            Arc::new(Slot { last_used: AtomicU64::new(0), state: Mutex::new(state) })
        };
        Arc::clone(self.slots.write().entry(key.into()).or_insert_with(fresh))
    }

    /// The one place where a slot's value changes, so that the count of bytes is always the sum over the slots.
    fn replace(&self, state: &mut State<S::Item>, known: Known<S::Item>) {
        let cost = |known: &Known<S::Item>| match known {
            Known::There { item, .. } => self.supply.bytes(item),
            Known::Nothing | Known::Missing { .. } => 0,
        };
        self.bytes.fetch_add(cost(&known), Ordering::Relaxed);
        self.bytes.fetch_sub(cost(&state.known), Ordering::Relaxed);
        state.known = known;
    }

    fn make_room(&self) {
        if self.budget.is_kept(self.bytes.load(Ordering::Relaxed), self.slots.read().len()) {
            return;
        }
        let mut slots = self.slots.write();
        let mut held = Vec::with_capacity(slots.len());
        for (key, slot) in slots.iter() {
            let state = slot.state.lock();
            let (bytes, in_use) = match &state.known {
                Known::There { item, .. } => (self.supply.bytes(item), self.supply.in_use(item)),
                // A slot that only waits for its first answer holds nothing that could be let go.
                Known::Nothing if state.flight.is_some() => continue,
                Known::Nothing | Known::Missing { .. } => (0, false),
            };
            held.push(Held { key: Arc::clone(key), bytes, last_used: slot.last_used.load(Ordering::Relaxed), in_use });
        }
        for key in self.budget.plan(held) {
            let Some(slot) = slots.get(&key).cloned() else { continue };
            let mut state = slot.state.lock();
            self.replace(&mut state, Known::Nothing);
            Counters::one_more(&self.counters.evicted);
            if state.flight.is_none() {
                state.gone = true;
                slots.remove(&key);
            }
        }
    }
}
