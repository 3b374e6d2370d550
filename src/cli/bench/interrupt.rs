//! Ctrl-C, and being told to end: stops what the benchmark has started, so that everything unwinds as after any other
//! failure and neither a process nor a folder is left behind. It never exits the process itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{Error, ErrorKind, Result};

/// Cloning is cheap; all clones are one.
#[derive(Clone)]
pub struct Interrupt(Arc<State>);

struct State {
    stopped: AtomicBool,
    /// What to call, once, to make the work in progress fail soon.
    stoppers: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

/// Listens for signals until it is dropped.
pub struct Watch {
    _ends_when_dropped: oneshot::Sender<()>,
}

impl Interrupt {
    /// Listens from now on.
    ///
    /// # Errors
    /// `Unavailable` when the system does not let us listen.
    pub fn watch() -> Result<(Self, Watch)> {
        let interrupt = Self(Arc::new(State { stopped: AtomicBool::new(false), stoppers: Mutex::default() }));
        let (end, ended) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
        let told = interrupt.clone();
        let listen = move || {
            // Built, used and dropped on this thread alone: the caller's may be one of another runtime.
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(async move {
                let mut signals = match Signals::listen() {
                    Ok(signals) => signals,
                    Err(error) => return drop(ready.send(Err(error))),
                };
                drop(ready.send(Ok(())));
                tokio::select! {
                    () = signals.any() => told.stop(),
                    _ = ended => {}
                }
            });
        };
        thread::Builder::new().name("bench-signals".to_owned()).spawn(listen).map_err(deaf)?;
        is_ready.recv().map_err(std::io::Error::other).flatten().map_err(deaf)?;
        Ok((interrupt, Watch { _ends_when_dropped: end }))
    }

    /// Calls `stopper` when the user wants to stop, at once if that was before.
    pub fn on_stop(&self, stopper: impl Fn() + Send + 'static) {
        let mut stoppers = self.0.stoppers.lock();
        if self.0.stopped.load(Ordering::SeqCst) {
            stopper();
        } else {
            stoppers.push(Box::new(stopper));
        }
    }

    /// # Errors
    /// `Cancelled` once the user wants to stop.
    pub fn check(&self) -> Result<()> {
        if self.0.stopped.load(Ordering::SeqCst) {
            return Err(Error::new(
                ErrorKind::Cancelled,
                "the benchmark was interrupted; what it had started is stopped",
            ));
        }
        Ok(())
    }

    fn stop(&self) {
        let mut stoppers = self.0.stoppers.lock();
        self.0.stopped.store(true, Ordering::SeqCst);
        for stopper in stoppers.drain(..) {
            stopper();
        }
    }
}

fn deaf(error: std::io::Error) -> Error {
    Error::unavailable(format!("cannot listen for Ctrl-C ({error}); try again")).caused_by(error)
}

#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn any(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn whatever_was_started_is_stopped_once_even_when_it_came_late() {
        let (interrupt, _watch) = Interrupt::watch().unwrap();
        let stopped = Arc::new(AtomicUsize::new(0));
        let stopper = || {
            let stopped = Arc::clone(&stopped);
            move || {
                stopped.fetch_add(1, Ordering::SeqCst);
            }
        };
        interrupt.on_stop(stopper());
        assert!(interrupt.check().is_ok());
        interrupt.clone().stop();
        interrupt.stop();
        assert_eq!(stopped.load(Ordering::SeqCst), 1);
        interrupt.on_stop(stopper());
        assert_eq!(stopped.load(Ordering::SeqCst), 2);
        assert_eq!(interrupt.check().unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
