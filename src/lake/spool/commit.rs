//! The one thread that writes: all posts that wait become one write and one sync, then each gets its answer. Nothing else
//! appends to the spool, so that whether a document is new is decided in one place, in one order.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::answers::{Answers, Asked, receipt_json};
use super::backlog::{Tally, Waiting};
use super::folder::Medium;
use super::frame::{Framer, Head};
use super::handle::{Room, Shared};
use super::known::Known;
use super::{Home, Post, PostKey, Receipt, Refused};
use crate::Result;
use crate::lake::journal::{DocumentDigest, digest};

/// A group of posts is written when it has so many bytes, or nobody else waits.
const GROUP_BYTES: u64 = 16 << 20;
/// A segment is closed beyond this, so that none is too large to be read back at once.
const SEGMENT_BYTES: u64 = 64 << 20;

/// Why a post was not written down. Nothing of it was.
#[derive(Debug, Clone, PartialEq)]
pub enum Unwritten {
    /// The spool holds as much as it may: later, when the store has taken some of it.
    Full,
    /// The post alone is more than the spool may ever hold, in bytes.
    TooLarge { most_bytes: u64 },
    /// The post's key came before with another body.
    KeyReused,
    /// The disk failed, or is full; the reason is for the log.
    Failed(String),
    /// The process is stopping.
    Stopping,
}

pub type Answer = Result<Arc<Receipt>, Unwritten>;

/// A post in the queue.
pub struct Pending {
    pub post: Post,
    pub answer: oneshot::Sender<Answer>,
    pub room: Room,
}

/// What the thread is told.
pub enum Order {
    Write(Pending),
    /// Close the open segment, if there is something in it.
    Close(oneshot::Sender<()>),
}

/// Makes a new segment of this number.
pub type Create = Box<dyn FnMut(u64) -> io::Result<Box<dyn Medium>> + Send>;

struct Open {
    number: u64,
    medium: Box<dyn Medium>,
    length: u64,
}

pub struct Committer {
    shared: Arc<Shared>,
    create: Create,
    open: Option<Open>,
    next: u64,
}

/// What a group adds, to be undone when it is not written after all.
#[derive(Default)]
struct Group {
    bytes: Vec<u8>,
    spooled: Vec<(Home, DocumentDigest)>,
    /// Receipts of posts with a key: nobody but the group knows them before they are on disk.
    receipts: Receipts,
    waiting: Waiting,
    answers: Vec<(oneshot::Sender<Answer>, Answer)>,
    /// Released when the group is done.
    rooms: Vec<Room>,
}

/// A group's receipts, in order.
#[derive(Default)]
struct Receipts {
    given: Vec<(PostKey, DateTime<Utc>, Arc<Receipt>)>,
    at: HashMap<[u8; 32], usize>,
}

impl Receipts {
    fn asked(&self, key: &PostKey) -> Asked {
        match self.at.get(&key.id).and_then(|at| self.given.get(*at)) {
            None => Asked::First,
            Some((given, _, receipt)) if given.body == key.body => Asked::Again(Arc::clone(receipt)),
            Some(_) => Asked::Reused,
        }
    }

    fn give(&mut self, key: PostKey, at: DateTime<Utc>, receipt: Arc<Receipt>) {
        self.at.insert(key.id, self.given.len());
        self.given.push((key, at, receipt));
    }
}

impl Committer {
    pub fn new(shared: Arc<Shared>, create: Create, next: u64) -> Self {
        Self { shared, create, open: None, next }
    }

    /// Works until nobody can give orders any more.
    pub fn run(mut self, orders: &Receiver<Order>) {
        let mut left = None;
        while let Some(order) = left.take().or_else(|| orders.recv().ok()) {
            match order {
                Order::Close(closed) => {
                    self.close();
                    // Whoever asked may have gone.
                    let _ = closed.send(());
                }
                Order::Write(first) => {
                    let mut bytes = first.room.bytes();
                    let mut group = vec![first];
                    while bytes < GROUP_BYTES {
                        match orders.try_recv() {
                            Ok(Order::Write(pending)) => {
                                bytes += pending.room.bytes();
                                group.push(pending);
                            }
                            Ok(order) => {
                                left = Some(order);
                                break;
                            }
                            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                        }
                    }
                    self.commit(group);
                }
            }
        }
    }

    /// Writes what is new of these posts, syncs, and answers them.
    pub fn commit(&mut self, posts: Vec<Pending>) {
        let group = match self.opened() {
            Ok((number, start)) => self.gather(posts, number, start),
            Err(error) => {
                self.failed("a segment cannot be made", &error);
                for Pending { answer, .. } in posts {
                    let _ = answer.send(Err(Unwritten::Failed(error.to_string())));
                }
                return;
            }
        };
        let Group { bytes, spooled, receipts, waiting, mut answers, rooms } = group;
        let written = if bytes.is_empty() { Ok(()) } else { self.append(&bytes, waiting) };
        match written {
            Ok(()) => {
                // Only now: sealing writes this table down at any moment, and a receipt in it counts.
                let mut table = self.shared.answers.lock();
                for (key, at, receipt) in receipts.given {
                    table.give(&key, at, receipt);
                }
            }
            Err(error) => {
                self.failed("posts were not written down", &error);
                self.take_back(&spooled);
                for (_, answer) in answers.iter_mut().filter(|(_, answer)| answer.is_ok()) {
                    *answer = Err(Unwritten::Failed(error.to_string()));
                }
            }
        }
        self.count(&answers);
        for (to, answer) in answers {
            // A client that went away asks again and gets the same answer.
            let _ = to.send(answer);
        }
        drop(rooms);
        if self.open.as_ref().is_some_and(|open| open.length >= SEGMENT_BYTES) {
            self.close();
        }
    }

    fn opened(&mut self) -> io::Result<(u64, u64)> {
        if let Some(open) = &self.open {
            return Ok((open.number, open.length));
        }
        let number = self.next;
        let medium = (self.create)(number)?;
        self.next += 1;
        self.open = Some(Open { number, medium, length: 0 });
        Ok((number, 0))
    }

    fn gather(&self, posts: Vec<Pending>, segment: u64, start: u64) -> Group {
        let held = self.shared.segments.lock().bytes();
        let mut known = self.shared.known.lock();
        let answers = self.shared.answers.lock();
        let mut group = Group::default();
        for Pending { post, answer, room } in posts {
            let said = self.place(post, &mut group, &mut known, &answers, (segment, start, held));
            group.answers.push((answer, said));
            group.rooms.push(room);
        }
        group
    }

    fn place(
        &self,
        post: Post,
        group: &mut Group,
        known: &mut Known,
        answers: &Answers,
        (segment, start, held): (u64, u64, u64),
    ) -> Answer {
        let asked = post.key.as_ref().map_or(Asked::First, |key| match group.receipts.asked(key) {
            Asked::First => answers.asked(key),
            asked => asked,
        });
        match asked {
            Asked::First => {}
            Asked::Again(receipt) => return Ok(receipt),
            Asked::Reused => return Err(Unwritten::KeyReused),
        }
        let before = (group.bytes.len(), group.spooled.len());
        let placed = self.frame(&post, group, known, segment, start);
        let most_bytes = self.shared.options.most_bytes;
        let added = (group.bytes.len() - before.0) as u64;
        let refusal = match &placed {
            Err(error) => Some(Unwritten::Failed(error.to_string())),
            Ok(_) if added > most_bytes => Some(Unwritten::TooLarge { most_bytes }),
            Ok(_) if added > 0 && held + group.bytes.len() as u64 > most_bytes => Some(Unwritten::Full),
            Ok(_) => None,
        };
        match (refusal, placed) {
            (None, Ok(receipt)) => {
                if let Some(key) = post.key {
                    group.receipts.give(key, self.shared.clock.now(), Arc::clone(&receipt));
                }
                for document in post.documents {
                    group.waiting.oldest = group.waiting.oldest.or(Some(document.received_at));
                    if !group.waiting.homes.contains(&document.home) {
                        group.waiting.homes.insert(document.home);
                    }
                }
                group.waiting.documents += (group.spooled.len() - before.1) as u64;
                Ok(receipt)
            }
            (refusal, _) => {
                group.bytes.truncate(before.0);
                for (home, digest) in group.spooled.drain(before.1..) {
                    known.unspool(&home, &digest);
                }
                Err(refusal.unwrap_or(Unwritten::Full))
            }
        }
    }

    /// Appends the frames of what is new in a post.
    fn frame(
        &self,
        post: &Post,
        group: &mut Group,
        known: &mut Known,
        segment: u64,
        start: u64,
    ) -> Result<Arc<Receipt>> {
        let mut receipt = post.receipt();
        let mut framer = Framer { segment, start, out: &mut group.bytes };
        for document in &post.documents {
            if known.spool(&document.home, document.digest) {
                receipt.counts.rows += document.rows;
                group.spooled.push((document.home.clone(), document.digest));
                framer.document(document)?;
            } else {
                receipt.counts.duplicates += document.rows;
            }
        }
        for refused in &post.refused {
            match refused_as(refused) {
                Some((home, digest)) if known.spool(&home, digest) => group.spooled.push((home, digest)),
                Some(_) => continue,
                None => {}
            }
            framer.refused(refused)?;
        }
        if let Some(key) = &post.key {
            framer.answered(&Head::answered(key, self.shared.clock.now()), &receipt_json(&receipt)?)?;
        }
        Ok(Arc::new(receipt))
    }

    fn append(&mut self, bytes: &[u8], added: Waiting) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Err(io::Error::other("no segment is open")) };
        let written = open.medium.write_at(bytes, open.length).and_then(|()| open.medium.sync());
        Tally::add(&self.shared.tally.syncs, 1);
        if let Err(error) = written {
            // What a failed sync left on disk nobody knows: this segment ends where the last good sync ended.
            let (number, length) = (open.number, open.length);
            if let Err(error) = open.medium.cut(length) {
                tracing::warn!(%error, segment = number, "a segment could not be cut; what was not acknowledged may stay in it");
            }
            self.close();
            return Err(error);
        }
        open.length += bytes.len() as u64;
        let mut segments = self.shared.segments.lock();
        segments.open = Some(open.number);
        let waiting = segments.waiting.entry(open.number).or_default();
        waiting.bytes = open.length;
        waiting.documents += added.documents;
        waiting.oldest = waiting.oldest.or(added.oldest);
        waiting.homes.extend(added.homes);
        Ok(())
    }

    fn close(&mut self) {
        let Some(Open { number, length, .. }) = self.open.take() else { return };
        self.shared.segments.lock().open = None;
        if length == 0
            && let Err(error) = self.shared.folder.remove(number)
        {
            tracing::debug!(%error, segment = number, "an empty segment stays until the next start");
        }
    }

    fn take_back(&self, spooled: &[(Home, DocumentDigest)]) {
        let mut known = self.shared.known.lock();
        spooled.iter().for_each(|(home, digest)| known.unspool(home, digest));
    }

    fn failed(&self, what: &str, error: &io::Error) {
        Tally::add(&self.shared.tally.failed_writes, 1);
        tracing::error!(%error, spool = %self.shared.folder.path().display(), "{what}; posts are refused until the disk takes them");
    }

    fn count(&self, answers: &[(oneshot::Sender<Answer>, Answer)]) {
        let tally = &self.shared.tally;
        for (_, answer) in answers {
            match answer {
                Ok(receipt) => {
                    Tally::add(&tally.posts, 1);
                    Tally::add(&tally.documents, receipt.counts.documents);
                    Tally::add(&tally.rows, receipt.counts.rows);
                    Tally::add(&tally.duplicate_rows, receipt.counts.duplicates);
                    Tally::add(&tally.refused, receipt.counts.refused);
                }
                Err(_) => Tally::add(&tally.turned_away, 1),
            }
        }
    }
}

/// A refused document is the same one again when its day, its fault and its text are; one that does not say when it is from
/// never is.
pub fn refused_as(refused: &Refused) -> Option<(Home, DocumentDigest)> {
    refused.note.timestamp?;
    let (symbol, date) = refused.home.clone()?;
    let said = [b"refused ", refused.note.code.as_bytes(), b" ", &refused.text].concat();
    Some((Home { dataset: Arc::clone(&refused.dataset), symbol, date }, digest(&said)))
}

#[cfg(test)]
#[path = "commit_tests.rs"]
mod tests;
