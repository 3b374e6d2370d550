//! [`Spool`]: the handle that routes and the server hold. Opens the folder and recovers what a crash left, takes posts, and
//! tells what waits.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, oneshot};
use tokio::time::Instant;

use super::answers::Answers;
use super::backlog::{Segments, Waiting};
use super::commit::{Committer, Order, Pending, refused_as};
use super::folder::{Folder, Medium};
use super::frame::{Frame, Frames, Head};
use super::known::Known;
use super::{Backlog, Document, Home, Post, PostKey, Receipt, Refused, Tally, Unwritten};
use crate::lake::store::Store;
use crate::market::SharedClock;
use crate::{Error, Result};

/// How long a post waits for the captures of its days to be read before it goes on without them.
const LOADING: Duration = Duration::from_secs(2);
/// Memory is given out in pieces of this size.
const PIECE: u64 = 1 << 10;
/// Seals that a slow follower may lag behind before it has to look for itself.
const FOLLOWED: usize = 1024;

/// How much a spool may take.
#[derive(Debug, Clone)]
pub struct SpoolOptions {
    pub folder: PathBuf,
    /// On disk; posts beyond it are refused until the store has taken some.
    pub most_bytes: u64,
    /// In memory, for posts that are being read or wait for their sync.
    pub memory_bytes: u64,
}

/// What the handle, the writing thread and sealing share.
pub struct Shared {
    pub folder: Folder,
    pub options: SpoolOptions,
    pub clock: SharedClock,
    pub known: Mutex<Known>,
    pub answers: Mutex<Answers>,
    pub segments: Mutex<Segments>,
    pub tally: Tally,
}

/// A capture that a seal has put into the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub home: Home,
    pub id: String,
}

/// Memory that a post takes, given back when it is dropped.
#[derive(Debug)]
pub struct Room {
    permit: OwnedSemaphorePermit,
    all: Arc<Semaphore>,
}

impl Room {
    /// For tests of who holds it.
    #[cfg(test)]
    pub fn of(all: &Arc<Semaphore>, pieces: u32) -> Self {
        let permit = Arc::clone(all).try_acquire_many_owned(pieces).expect("memory");
        Self { permit, all: Arc::clone(all) }
    }

    pub fn bytes(&self) -> u64 {
        self.permit.num_permits() as u64 * PIECE
    }

    /// Takes more until it is `bytes`; false when there is not so much now.
    pub fn grow_to(&mut self, bytes: u64) -> bool {
        let Some(missing) = bytes.checked_sub(self.bytes()).filter(|missing| *missing > 0) else { return true };
        let Ok(pieces) = u32::try_from(missing.div_ceil(PIECE)) else { return false };
        match Arc::clone(&self.all).try_acquire_many_owned(pieces) {
            Ok(more) => {
                self.permit.merge(more);
                true
            }
            Err(_) => false,
        }
    }
}

/// A spool at work. Cloning is cheap.
#[derive(Clone)]
pub struct Spool {
    pub(super) shared: Arc<Shared>,
    orders: Sender<Order>,
    memory: Arc<Semaphore>,
    pub(super) store: Store,
    pub(super) sealing: Arc<tokio::sync::Mutex<()>>,
    loading: Arc<tokio::sync::Mutex<()>>,
    pub(super) sealed: broadcast::Sender<Arc<Vec<Sealed>>>,
}

impl Spool {
    /// Takes the folder and recovers what is in it: the intact records of every segment wait for the next seal. Blocks.
    ///
    /// # Errors
    /// `Conflict` when another process has the folder, `Unavailable` when it cannot be used.
    pub fn open(options: SpoolOptions, store: Store, clock: SharedClock) -> Result<Self> {
        let folder = Folder::take(&options.folder)?;
        let pieces = usize::try_from(options.memory_bytes / PIECE).unwrap_or(usize::MAX);
        let memory = Arc::new(Semaphore::new(pieces.clamp(1, Semaphore::MAX_PERMITS)));
        let mut recovery = Recovery::default();
        recovery.answers(&folder)?;
        let aside = folder.spoiled()?;
        recovery.segments.spoiled = aside.len() as u64;
        recovery.next = aside.last().map_or(0, |number| number + 1);
        for number in folder.segments()? {
            recovery.segment(&folder, number)?;
        }
        let Recovery { known, answers, segments, next } = recovery;
        let shared = Arc::new(Shared {
            folder,
            options,
            clock,
            known: Mutex::new(known),
            answers: Mutex::new(answers),
            segments: Mutex::new(segments),
            tally: Tally::default(),
        });
        let (orders, taken) = mpsc::channel();
        let making = Arc::clone(&shared);
        let create = move |number| making.folder.create(number).map(|file| Box::new(file) as Box<dyn Medium>);
        let committer = Committer::new(Arc::clone(&shared), Box::new(create), next.max(1));
        std::thread::Builder::new()
            .name("pitlake-spool".to_owned())
            .spawn(move || committer.run(&taken))
            .map_err(|error| Error::unavailable(format!("a thread cannot be started ({error})")).caused_by(error))?;
        let (sealed, _) = broadcast::channel(FOLLOWED);
        Ok(Self { shared, orders, memory, store, sealing: Arc::default(), loading: Arc::default(), sealed })
    }

    /// Memory for a post of `bytes`; `None` when there is not so much now.
    pub fn room(&self, bytes: u64) -> Option<Room> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE).max(1)).ok()?;
        let permit = Arc::clone(&self.memory).try_acquire_many_owned(pieces).ok()?;
        Some(Room { permit, all: Arc::clone(&self.memory) })
    }

    /// Writes a post down. When this returns a receipt, everything it counts is on disk and will be in the lake, once.
    ///
    /// # Errors
    /// Nothing of the post was written down; see [`Unwritten`].
    pub async fn write_down(&self, post: Post, room: Room) -> Result<Arc<Receipt>, Unwritten> {
        self.load(&homes(&post)).await;
        let (answer, answered) = oneshot::channel();
        let order = Order::Write(Pending { post, answer, room });
        self.orders.send(order).map_err(|_| Unwritten::Stopping)?;
        answered.await.unwrap_or(Err(Unwritten::Stopping))
    }

    /// Closes the open segment; what is in it is sealed next.
    pub(super) async fn close_segment(&self) {
        let (closed, done) = oneshot::channel();
        if self.orders.send(Order::Close(closed)).is_ok() {
            // Without an answer there is no thread, and then nothing is open.
            let _ = done.await;
        }
    }

    pub fn backlog(&self) -> Backlog {
        self.shared.segments.lock().backlog()
    }

    pub fn tally(&self) -> &Tally {
        &self.shared.tally
    }

    /// Hears of each seal's new captures, for whoever makes partitions of them. One who lags hears that he does.
    pub fn follow(&self) -> broadcast::Receiver<Arc<Vec<Sealed>>> {
        self.sealed.subscribe()
    }

    /// Reads what the days' captures hold, the first time they are asked about. A store that is slow or away does not keep a
    /// post waiting: what was said twice is then found before it is put.
    async fn load(&self, homes: &BTreeSet<&Home>) {
        let wants = |home: &Home| self.shared.known.lock().wants_loading(home, Instant::now());
        let loading = async {
            for home in homes {
                if !wants(home) {
                    continue;
                }
                let _one_at_a_time = self.loading.lock().await;
                if wants(home) {
                    self.read_captures(home).await?;
                }
            }
            Ok::<_, Error>(())
        };
        let why = match tokio::time::timeout(LOADING, loading).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store is slow".to_owned(),
        };
        tracing::warn!(
            days = homes.len(),
            why,
            "captures cannot be read now; documents said twice are found when they are sealed"
        );
        self.shared.known.lock().loading_failed(Instant::now());
    }
}

fn homes(post: &Post) -> BTreeSet<&Home> {
    let mut homes = BTreeSet::new();
    let mut last = None;
    for Document { home, .. } in &post.documents {
        // They come in runs.
        if last != Some(home) {
            homes.insert(home);
            last = Some(home);
        }
    }
    homes
}

/// What is found in the folder at the start.
#[derive(Default)]
struct Recovery {
    known: Known,
    answers: Answers,
    segments: Segments,
    next: u64,
}

impl Recovery {
    fn answers(&mut self, folder: &Folder) -> Result<()> {
        Frames::new(0, &folder.answers()?).for_each(|frame| self.answer(&frame));
        Ok(())
    }

    fn answer(&mut self, frame: &Frame<'_>) {
        if let Head::Answered { id, body, at } = frame.head
            && let Ok(receipt) = serde_json::from_slice(frame.body)
        {
            self.answers.give(&PostKey { id, body }, at, Arc::new(receipt));
        }
    }

    fn segment(&mut self, folder: &Folder, number: u64) -> Result<()> {
        self.next = self.next.max(number + 1);
        let Some(bytes) = folder.read(number)? else { return Ok(()) };
        let mut waiting = Waiting::default();
        let mut frames = Frames::new(number, &bytes);
        while let Some(frame) = frames.next() {
            if frames.spoiled() == 0 {
                // Else what it counts may be what was passed over: a power cut leaves pages in any order.
                self.answer(&frame);
            }
            match frame.head {
                Head::Document { home, received_at, .. } => {
                    self.known.spool(&home, frame.digest);
                    waiting.documents += 1;
                    waiting.oldest = waiting.oldest.or(Some(received_at));
                    waiting.homes.insert(home);
                }
                Head::Refused { dataset, home, received_at, note } => {
                    let refused = Refused { dataset, home, received_at, note, text: frame.body.to_vec() };
                    if let Some((home, digest)) = refused_as(&refused) {
                        self.known.spool(&home, digest);
                    }
                }
                Head::Answered { .. } => {}
            }
        }
        let (length, spoiled) = (frames.intact_until(), frames.spoiled());
        if spoiled > 0 {
            tracing::error!(
                segment = number,
                spoiled,
                "bytes of the spool are damaged in the middle of a segment: what stood there is lost"
            );
        }
        if length < bytes.len() {
            tracing::info!(segment = number, torn = bytes.len() - length, "cut what a crash had torn off");
            folder.cut(number, length as u64)?;
        }
        if length > 0 {
            waiting.bytes = length as u64;
            self.segments.waiting.insert(number, waiting);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "handle_tests.rs"]
mod tests;
