//! Writes captures: documents go in one by one, captures come out whole when the input ends. Called by rooms' ingest.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::line::Note;
use super::read;
use super::spill::{Finished, Spill, io};
use crate::lake::layout::{Key, prefix};
use crate::lake::store::{PutWhen, Store};
use crate::market::{Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};
use futures::TryStreamExt;

/// Encoders kept open at once; each costs a few MiB. An input whose documents jump between more partitions than
/// this still works, its captures are just cut into more zstd frames.
const OPEN_ENCODERS: usize = 12;
/// A refused document is kept up to this size; beyond it the start is kept and the cut is told.
const REFUSED_TEXT_BYTES: usize = 1 << 20;

/// What an ingest did: the object that `ingest --json` prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Captures newly stored.
    pub captures: u64,
    /// Documents taken.
    pub documents: u64,
    /// Rows newly stored.
    pub rows: u64,
    /// Rows of documents that a capture held already, or that came earlier in the same input.
    pub duplicates: u64,
    /// Documents or lines refused.
    pub refused: u64,
}

#[derive(Serialize)]
struct RejectedLine<'a> {
    received_at: DateTime<Utc>,
    #[serde(flatten)]
    note: &'a Note,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_bytes: Option<usize>,
}

type Partition = (Symbol, TradingDate);

/// A capture that is in the lake, by whichever of our puts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub symbol: Symbol,
    pub date: TradingDate,
    pub id: String,
}

/// Collects one input's documents by symbol and trading date in a temporary folder, in constant memory.
pub struct Writer {
    dataset: String,
    folder: TempDir,
    spills: BTreeMap<Partition, Spill>,
    last: Option<Partition>,
    /// Notes of documents that named no partition, before there was any.
    homeless: Vec<(DateTime<Utc>, Note)>,
    /// Notes of documents whose partition has no good document yet.
    waiting: BTreeMap<Partition, Vec<(DateTime<Utc>, Note)>>,
    rejected: Option<zstd::Encoder<'static, std::fs::File>>,
    rejected_identity: Sha256,
    rejected_on: Option<TradingDate>,
    refused: u64,
    appends: u64,
    /// Documents that are the room's own words and no input.
    statements: u64,
    /// Partitions of which the lake holds everything already.
    held: BTreeSet<Partition>,
}

impl Writer {
    /// # Errors
    /// `Unavailable` when the temporary folder cannot be made.
    pub fn new(dataset: &str) -> Result<Self> {
        Ok(Self {
            dataset: dataset.to_owned(),
            folder: tempfile::Builder::new().prefix("pitlake-ingest-").tempdir().map_err(io)?,
            spills: BTreeMap::new(),
            last: None,
            homeless: Vec::new(),
            waiting: BTreeMap::new(),
            rejected: None,
            rejected_identity: Sha256::new(),
            rejected_on: None,
            refused: 0,
            appends: 0,
            statements: 0,
            held: BTreeSet::new(),
        })
    }

    /// Takes one good document of `rows` rows. `document` is JSON without line breaks.
    pub fn document(
        &mut self,
        symbol: &Symbol,
        date: TradingDate,
        received_at: DateTime<Utc>,
        document: &[u8],
        rows: u64,
    ) -> Result<()> {
        if self.last.as_ref().is_none_or(|(last, on)| last != symbol || *on != date) {
            self.last = Some((symbol.clone(), date));
        }
        let waiting = if self.waiting.is_empty() { None } else { self.waiting.remove(&(symbol.clone(), date)) };
        for (received_at, note) in std::mem::take(&mut self.homeless).into_iter().chain(waiting.into_iter().flatten()) {
            self.spill((symbol, date))?.note(received_at, &note)?;
        }
        self.spill((symbol, date))?.document(received_at, document, rows)
    }

    /// Takes a document of the room's own words, which holds no row and is not counted as one of the input.
    ///
    /// # Errors
    /// As [`Writer::document`].
    pub fn statement(
        &mut self,
        symbol: &Symbol,
        date: TradingDate,
        received_at: DateTime<Utc>,
        document: &[u8],
    ) -> Result<()> {
        self.statements += 1;
        self.document(symbol, date, received_at, document, 0)
    }

    /// The id that the capture of a partition would have if it ended here; `None` without a document.
    pub fn id(&self, symbol: &Symbol, date: TradingDate) -> Option<String> {
        let spill = self.spills.get(&(symbol.clone(), date))?;
        (spill.documents > 0).then(|| spill.id())
    }

    /// Says that the lake holds everything of a partition already: it is counted as duplicates and not stored.
    pub fn is_held(&mut self, symbol: &Symbol, date: TradingDate) {
        self.held.insert((symbol.clone(), date));
    }

    /// Keeps a refused document under `raw/_rejected` and notes it in the capture it belongs to: that of `home` when it is
    /// known (and only if that capture comes to be: nothing else may look degraded by it), else that of the document
    /// before it, else that of the first one after it.
    pub fn refuse(
        &mut self,
        home: Option<(&Symbol, TradingDate)>,
        received_at: DateTime<Utc>,
        note: Note,
        text: &[u8],
    ) -> Result<()> {
        self.keep_refused(received_at, &note, text)?;
        match home.map(|(symbol, date)| (symbol.clone(), date)).or_else(|| self.last.clone()) {
            Some((symbol, date)) if self.spills.contains_key(&(symbol.clone(), date)) => {
                self.spill((&symbol, date))?.note(received_at, &note)
            }
            Some(home) => {
                self.waiting.entry(home).or_default().push((received_at, note));
                Ok(())
            }
            None => {
                self.homeless.push((received_at, note));
                Ok(())
            }
        }
    }

    /// Keeps and counts a refused part of a document that was taken otherwise; nothing is noted in the capture.
    pub fn keep_refused(&mut self, received_at: DateTime<Utc>, note: &Note, text: &[u8]) -> Result<()> {
        self.refused += 1;
        if self.rejected.is_none() {
            let file = std::fs::File::create(self.folder.path().join("rejected.zst")).map_err(io)?;
            self.rejected = Some(zstd::Encoder::new(file, 3).map_err(io)?);
            self.rejected_on = Some(TradingDate::from(received_at.date_naive()));
        }
        let cut = &text[..text.len().min(REFUSED_TEXT_BYTES)];
        let line = RejectedLine {
            received_at,
            note,
            text: &String::from_utf8_lossy(cut),
            text_bytes: (text.len() > cut.len()).then_some(text.len()),
        };
        let mut bytes = serde_json::to_vec(&line)
            .map_err(|error| Error::internal("a refused document could not be written down").caused_by(error))?;
        bytes.push(b'\n');
        self.rejected_identity.update(Sha256::digest(text));
        self.rejected_identity.update(Sha256::digest(format!("{} {}", note.code, note.place)));
        match &mut self.rejected {
            Some(encoder) => std::io::Write::write_all(encoder, &bytes).map_err(io),
            None => Ok(()),
        }
    }

    fn spill(&mut self, (symbol, date): (&Symbol, TradingDate)) -> Result<&mut Spill> {
        self.appends += 1;
        let at = (symbol.clone(), date);
        if !self.spills.get(&at).is_some_and(Spill::is_open) {
            self.make_room()?;
        }
        if !self.spills.contains_key(&at) {
            let spill = Spill::create(self.folder.path(), &format!("{symbol}-{date}"))?;
            self.spills.insert(at.clone(), spill);
        }
        let spill =
            self.spills.get_mut(&at).ok_or_else(|| Error::internal("a capture vanished while it was written"))?;
        spill.touched = self.appends;
        Ok(spill)
    }

    fn make_room(&mut self) -> Result<()> {
        if self.spills.values().filter(|spill| spill.is_open()).count() < OPEN_ENCODERS {
            return Ok(());
        }
        match self.spills.values_mut().filter(|spill| spill.is_open()).min_by_key(|spill| spill.touched) {
            Some(oldest) => oldest.rest(),
            None => Ok(()),
        }
    }

    /// Puts everything into the lake. Refused input first, so that no answer ever counts what is not kept.
    ///
    /// # Errors
    /// Those of the store. Running the same input again completes what was left.
    pub async fn finish(mut self, store: &Store) -> Result<Counts> {
        let mut counts = Counts { refused: self.refused, ..Counts::default() };
        self.store_rejected(store).await?;
        for ((symbol, date), spill) in std::mem::take(&mut self.spills) {
            counts.documents += spill.documents;
            if spill.documents == 0 {
                continue;
            }
            if self.held.contains(&(symbol.clone(), date)) {
                counts.duplicates += spill.rows;
                continue;
            }
            let finished = spill.finish()?;
            let (new, held) = self.store_capture(store, &symbol, date, &finished, &mut counts.captures).await?;
            counts.rows += new;
            counts.duplicates += held;
            std::fs::remove_file(&finished.path).map_err(io)?;
        }
        counts.documents = counts.documents.saturating_sub(self.statements);
        Ok(counts)
    }

    /// Puts everything into the lake without looking at what is there, for a caller who has left out what captures hold
    /// already. Refused input first. Doing it again puts the same objects, so that nothing is there twice.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn put(mut self, store: &Store) -> Result<Vec<Stored>> {
        self.put_rejected(store, None).await?;
        let mut captures = Vec::new();
        for ((symbol, date), spill) in std::mem::take(&mut self.spills) {
            if spill.documents == 0 {
                continue;
            }
            let Finished { path, id, .. } = spill.finish()?;
            self.put_capture(store, &self.capture_key(&symbol, date, &id), &path).await?;
            std::fs::remove_file(&path).map_err(io)?;
            captures.push(Stored { symbol, date, id });
        }
        Ok(captures)
    }

    fn capture_key(&self, symbol: &Symbol, date: TradingDate, id: &str) -> String {
        Key::Capture { dataset: self.dataset.clone(), symbol: symbol.clone(), date, id: id.to_owned() }.to_string()
    }

    /// Whether the capture is new.
    async fn put_capture(&self, store: &Store, key: &str, path: &std::path::Path) -> Result<bool> {
        match store.put_file(key, path, PutWhen::Absent).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn store_capture(
        &self,
        store: &Store,
        symbol: &Symbol,
        date: TradingDate,
        finished: &Finished,
        captures: &mut u64,
    ) -> Result<(u64, u64)> {
        let Finished { path, id, digests } = finished;
        let all: u64 = digests.iter().map(|(_, rows)| rows).sum();
        let key = self.capture_key(symbol, date, id);
        let there: Vec<_> = store.list(&prefix::captures_on(&self.dataset, symbol, date)).try_collect().await?;
        if there.iter().any(|object| object.key == key) {
            return Ok((0, all));
        }
        let mut held = HashSet::new();
        for object in &there {
            held.extend(read::digests(store.get(&object.key).await?.bytes)?);
        }
        let (mut new, mut known) = (0, 0);
        for (digest, rows) in digests {
            if held.insert(*digest) { new += rows } else { known += rows }
        }
        if self.put_capture(store, &key, path).await? {
            *captures += 1;
            Ok((new, known))
        } else {
            Ok((0, all))
        }
    }

    async fn store_rejected(&mut self, store: &Store) -> Result<()> {
        if self.rejected.is_none() {
            return Ok(());
        }
        let mut there = HashSet::new();
        let mut listed = store.list(&prefix::rejected(&self.dataset));
        while let Some(object) = listed.try_next().await? {
            if let Ok(Key::Rejected { id, .. }) = object.key.parse() {
                there.insert(id);
            }
        }
        self.put_rejected(store, Some(&there)).await
    }

    /// Puts the refused input unless one of `there` is the same, received on whichever date.
    async fn put_rejected(&mut self, store: &Store, there: Option<&HashSet<String>>) -> Result<()> {
        let (Some(encoder), Some(date)) = (self.rejected.take(), self.rejected_on) else { return Ok(()) };
        encoder.finish().map_err(io)?;
        let id = hex::encode(&self.rejected_identity.clone().finalize()[..16]);
        if there.is_some_and(|there| there.contains(&id)) {
            return Ok(());
        }
        let bytes = std::fs::read(self.folder.path().join("rejected.zst")).map_err(io)?;
        let key = Key::Rejected { dataset: self.dataset.clone(), date, id }.to_string();
        match store.put(&key, Bytes::from(bytes), PutWhen::Absent).await {
            Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
            _ => Ok(()),
        }
    }
}
