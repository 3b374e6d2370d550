//! Sealing: closed segments become captures, in the lake before they are gone from this disk. Whatever is put is first
//! compared with what the day's captures hold, so that a crash between the put and the removal, an answer that was lost, or
//! another grouping after a restart never puts a document twice.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use futures::TryStreamExt;

use super::backlog::{Tally, Waiting};
use super::commit::refused_as;
use super::frame::{Frame, Frames, Head};
use super::handle::{Sealed, Shared, Spool};
use super::{Home, Refused};
use crate::lake::journal::{self, DocumentDigest, Writer};
use crate::lake::layout::{Key, prefix};
use crate::{Error, ErrorKind, Result};

/// Segments that are put together in one go have at most so many bytes.
const BATCH_BYTES: u64 = 512 << 20;

/// Closed segments read back, what is new of them written into captures that wait to be put.
struct Batch {
    /// By dataset.
    writers: BTreeMap<Arc<str>, Writer>,
    said: BTreeMap<Home, Vec<DocumentDigest>>,
    answers: bool,
    spoiled: BTreeSet<u64>,
    /// Those that this disk did not give.
    unread: BTreeMap<u64, Error>,
}

impl Spool {
    /// Puts into the lake what the spool holds. With `open_too` the open segment is closed first; without, only what was
    /// closed before is tried again.
    ///
    /// # Errors
    /// Those of the store, and `Unavailable` when this disk did not give or let go a segment: all that was not put is still
    /// in the spool.
    pub async fn seal(&self, open_too: bool) -> Result<()> {
        let _one_at_a_time = self.sealing.lock().await;
        if open_too {
            self.close_segment().await;
        }
        self.shared.segments.lock().disk_error = None;
        // What this disk does not give or let go stays for the next time, and keeps nothing else waiting.
        let mut stuck = BTreeMap::new();
        loop {
            let passed = stuck.keys().copied().collect();
            let segments = self.shared.segments.lock().closed(BATCH_BYTES, &passed);
            if segments.is_empty() {
                return stuck.into_values().next().map_or(Ok(()), Err);
            }
            let done = self.seal_batch(segments, &mut stuck).await;
            self.shared.segments.lock().store_error = done.as_ref().err().map(|error| error.detail().to_owned());
            if let Err(error) = done {
                Tally::add(&self.shared.tally.failed_seals, 1);
                return Err(error);
            }
        }
    }

    async fn seal_batch(&self, segments: Vec<(u64, Waiting)>, stuck: &mut BTreeMap<u64, Error>) -> Result<()> {
        for home in segments.iter().flat_map(|(_, waiting)| &waiting.homes).collect::<BTreeSet<_>>() {
            self.read_captures(home).await?;
        }
        let shared = Arc::clone(&self.shared);
        let (batch, segments) =
            blocking(move || Batch::read(&shared, &segments).map(|batch| (batch, segments))).await?;
        let Batch { writers, said, answers, spoiled, unread } = batch;
        let read: Vec<(u64, Waiting)> =
            segments.into_iter().filter(|(number, _)| !unread.contains_key(number)).collect();
        stuck.extend(unread);
        let mut sealed = Vec::new();
        for (dataset, writer) in writers {
            let captures = writer.put(&self.store).await?;
            sealed.extend(captures.into_iter().map(|journal::Stored { symbol, date, id }| Sealed {
                home: Home { dataset: Arc::clone(&dataset), symbol, date },
                id,
            }));
        }
        Tally::add(&self.shared.tally.captures, sealed.len() as u64);
        {
            let mut known = self.shared.known.lock();
            for Sealed { home, id } in &sealed {
                // What is in it is noted below.
                known.read(home, id.clone(), HashSet::new());
            }
            for (home, digests) in said {
                known.store(&home, digests);
            }
            known.forget();
        }
        let shared = Arc::clone(&self.shared);
        stuck.extend(blocking(move || Ok(remove(&shared, &read, answers, &spoiled))).await?);
        if !sealed.is_empty() {
            // Nobody has to follow.
            let _ = self.sealed.send(Arc::new(sealed));
        }
        Ok(())
    }

    /// Reads those captures of a day that were not read before.
    pub(super) async fn read_captures(&self, home: &Home) -> Result<()> {
        let listed: Vec<_> =
            self.store.list(&prefix::captures_on(&home.dataset, &home.symbol, home.date)).try_collect().await?;
        let captures = listed.into_iter().filter_map(|object| match object.key.parse() {
            Ok(Key::Capture { id, .. }) => Some((id, object.key)),
            _ => None,
        });
        let unread = self.shared.known.lock().unread(home, captures.collect());
        for (id, key) in unread {
            let bytes = self.store.get(&key).await?.bytes;
            let digests = match blocking(move || journal::digests(bytes)).await {
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    tracing::error!(%error, key, "a capture is damaged; `pitlake verify` tells more. What it held may be put again");
                    HashSet::new()
                }
                digests => digests?,
            };
            self.shared.known.lock().read(home, id, digests);
        }
        self.shared.known.lock().loaded(home);
        Ok(())
    }
}

impl Batch {
    fn read(shared: &Shared, segments: &[(u64, Waiting)]) -> Result<Self> {
        let mut batch = Self {
            writers: BTreeMap::new(),
            said: BTreeMap::new(),
            answers: false,
            spoiled: BTreeSet::new(),
            unread: BTreeMap::new(),
        };
        let mut seen: HashSet<(Home, DocumentDigest)> = HashSet::new();
        for (number, waiting) in segments {
            let mut bytes = match shared.folder.read(*number) {
                Ok(bytes) => bytes.unwrap_or_default(),
                Err(error) => {
                    trouble(shared, &error, *number, "a segment cannot be read; it stays in the spool");
                    batch.unread.insert(*number, error);
                    continue;
                }
            };
            let written = usize::try_from(waiting.bytes).unwrap_or(usize::MAX);
            // Behind it is what a failed write left and nobody was told of.
            bytes.truncate(written);
            let mut frames = Frames::new(*number, &bytes);
            for frame in frames.by_ref() {
                batch.take(shared, frame, &mut seen)?;
            }
            if frames.spoiled() > 0 || frames.intact_until() < written {
                batch.spoiled.insert(*number);
            }
        }
        Ok(batch)
    }

    fn take(&mut self, shared: &Shared, frame: Frame<'_>, seen: &mut HashSet<(Home, DocumentDigest)>) -> Result<()> {
        match frame.head {
            Head::Document { home, received_at, rows } => {
                if self.is_new(shared, &home, frame.digest, seen) {
                    let (symbol, date) = (home.symbol, home.date);
                    self.writer(&home.dataset)?.document(&symbol, date, received_at, frame.body, rows)?;
                }
            }
            Head::Refused { dataset, home, received_at, note } => {
                let refused = Refused { dataset, home, received_at, note, text: frame.body.to_vec() };
                if let Some((home, digest)) = refused_as(&refused)
                    && !self.is_new(shared, &home, digest, seen)
                {
                    return Ok(());
                }
                let Refused { dataset, home, received_at, note, text } = refused;
                let writer = self.writer(&dataset)?;
                match home {
                    Some((symbol, date)) => writer.refuse(Some((&symbol, date)), received_at, note, &text)?,
                    // The journal would note it in whichever capture is near, which is somebody else's.
                    None => writer.keep_refused(received_at, &note, &text)?,
                }
            }
            Head::Answered { .. } => self.answers = true,
        }
        Ok(())
    }

    fn is_new(
        &mut self,
        shared: &Shared,
        home: &Home,
        digest: DocumentDigest,
        seen: &mut HashSet<(Home, DocumentDigest)>,
    ) -> bool {
        self.said.entry(home.clone()).or_default().push(digest);
        seen.insert((home.clone(), digest)) && !shared.known.lock().is_stored(home, &digest)
    }

    fn writer(&mut self, dataset: &Arc<str>) -> Result<&mut Writer> {
        if !self.writers.contains_key(dataset) {
            self.writers.insert(Arc::clone(dataset), Writer::new(dataset)?);
        }
        self.writers.get_mut(dataset).ok_or_else(|| Error::internal("a capture vanished while it was written"))
    }
}

/// The segments are in the lake: what outlives them is kept, then they go. Returns those that did not.
fn remove(
    shared: &Shared,
    segments: &[(u64, Waiting)],
    answers: bool,
    spoiled: &BTreeSet<u64>,
) -> BTreeMap<u64, Error> {
    let mut stuck = BTreeMap::new();
    if answers && let Err(error) = keep_answers(shared) {
        // On a full disk only the segments' going makes room. A retry is still known by what its documents say.
        tracing::error!(%error, spool = %shared.folder.path().display(), "the spool's disk did not take the receipts of posts that came with a key");
        shared.segments.lock().disk_error = Some(error.detail().to_owned());
    }
    for (number, waiting) in segments {
        let gone =
            if spoiled.contains(number) { put_aside(shared, *number, waiting) } else { shared.folder.remove(*number) };
        match gone {
            Ok(()) => {
                shared.segments.lock().waiting.remove(number);
            }
            Err(error) => {
                trouble(shared, &error, *number, "a segment is in the lake and cannot be removed from the spool");
                stuck.insert(*number, error);
            }
        }
    }
    stuck
}

fn keep_answers(shared: &Shared) -> Result<()> {
    let frames = shared.answers.lock().to_frames()?;
    shared.folder.keep_answers(&frames)
}

fn put_aside(shared: &Shared, number: u64, waiting: &Waiting) -> Result<()> {
    let aside = shared.folder.put_aside(number)?;
    {
        let mut known = shared.known.lock();
        waiting.homes.iter().for_each(|home| known.doubt(home));
    }
    let kept = aside.exists();
    let told = if kept {
        format!(
            "a segment of the spool was damaged by its disk; it is kept as {}, and what is intact of it is in the lake",
            aside.display()
        )
    } else {
        format!("segment {number} of the spool is gone from its disk, and what it held with it")
    };
    tracing::error!("{told}");
    let mut segments = shared.segments.lock();
    segments.spoiled += u64::from(kept);
    segments.disk_error = Some(told);
    Ok(())
}

fn trouble(shared: &Shared, error: &Error, segment: u64, what: &str) {
    tracing::error!(%error, segment, "{what}");
    shared.segments.lock().disk_error = Some(error.detail().to_owned());
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("work on the spool stopped").caused_by(error))?
}
