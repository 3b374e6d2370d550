//! Work that many ask for at once and that is done once, a bounded amount of it: one piece at a time, a short queue, and then a
//! refusal. Used by [`super`] alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use futures::future::Shared;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::{Error, ErrorKind, Result};

/// How much is done side by side, and how much may wait.
#[derive(Debug)]
pub struct Gate {
    places: Semaphore,
    inside: AtomicUsize,
    most_inside: usize,
}

impl Gate {
    pub fn new(at_once: usize, waiting: usize) -> Self {
        Self { places: Semaphore::new(at_once), inside: AtomicUsize::new(0), most_inside: at_once + waiting }
    }

    /// Waits for a place and does the work in it.
    ///
    /// # Errors
    /// `Overloaded` when too many wait already; else the work's own.
    pub async fn pass<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let _leaves = Leaves(self);
        if self.inside.fetch_add(1, Ordering::Relaxed) >= self.most_inside {
            let detail = "too many days are being worked out as of an instant in the past; ask again in a moment";
            return Err(Error::new(ErrorKind::Overloaded, detail));
        }
        let _place = self.places.acquire().await.map_err(|_| Error::internal("the gate was closed"))?;
        work.await
    }
}

/// Counts its owner out again, however it ends.
struct Leaves<'a>(&'a Gate);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

type Flight<T> = Shared<oneshot::Receiver<Result<T, Arc<Error>>>>;

/// Pieces of work under way, by what they are for.
pub struct Flights<T>(Arc<Mutex<HashMap<String, Flight<T>>>>);

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// What `work` gives; whoever asks for the same `key` while it is under way waits for the same. It goes on when all
    /// who wait went away: what it makes is kept by itself.
    ///
    /// # Errors
    /// Those of the work, told to all who waited.
    pub async fn join(&self, key: &str, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let flight = {
            let mut flights = self.0.lock();
            match flights.get(key) {
                Some(flight) => flight.clone(),
                None => {
                    let (answer, waiting) = oneshot::channel();
                    let flight = waiting.shared();
                    flights.insert(key.to_owned(), flight.clone());
                    let landing = Landing { flights: Arc::clone(&self.0), key: key.to_owned() };
                    tokio::spawn(async move {
                        let done = work.await.map_err(Arc::new);
                        drop(landing);
                        // Nobody may be waiting any more.
                        let _ = answer.send(done);
                    });
                    flight
                }
            }
        };
        match flight.await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(Error::new(error.kind(), error.detail()).caused_by(error)),
            Err(_) => Err(Error::internal("the work ended without an answer; ask again")),
        }
    }
}

/// Ends a flight even when its work panics.
struct Landing<T> {
    flights: Arc<Mutex<HashMap<String, Flight<T>>>>,
    key: String,
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_who_ask_for_the_same_share_one_piece_of_work() {
        let (flights, count) = (Flights::<usize>::new(), Arc::new(AtomicUsize::new(0)));
        let ask = |key: &'static str| {
            let count = Arc::clone(&count);
            flights.join(key, async move {
                tokio::task::yield_now().await;
                Ok(count.fetch_add(1, Ordering::Relaxed))
            })
        };
        let answers = futures::future::join_all((0..20).map(|_| ask("one"))).await;
        assert!(answers.into_iter().all(|answer| answer.unwrap() == 0));
        assert_eq!(ask("two").await.unwrap(), 1);
        assert_eq!(ask("one").await.unwrap(), 2, "what is done is not under way any more");
    }

    #[tokio::test]
    async fn work_that_panics_leaves_nobody_waiting() {
        let flights = Flights::<usize>::new();
        assert!(flights.join("one", async { panic!("as a test of panics") }).await.is_err());
        assert_eq!(flights.join("one", async { Ok(5) }).await.unwrap(), 5);
    }

    #[tokio::test]
    async fn beyond_the_queue_is_refused_at_once() {
        let gate = Arc::new(Gate::new(1, 2));
        let (open, opened) = tokio::sync::watch::channel(false);
        let inside: Vec<_> = (0..3)
            .map(|_| {
                let (gate, mut opened) = (Arc::clone(&gate), opened.clone());
                tokio::spawn(async move {
                    let work = async { opened.wait_for(|open| *open).await.map(drop).map_err(|_| Error::internal("")) };
                    gate.pass(work).await
                })
            })
            .collect();
        while gate.inside.load(Ordering::Relaxed) < 3 {
            tokio::task::yield_now().await;
        }
        let refused = gate.pass(async { Ok(()) }).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Overloaded);
        open.send(true).unwrap();
        for one in inside {
            one.await.unwrap().unwrap();
        }
        gate.pass(async { Ok(()) }).await.unwrap();
    }
}
