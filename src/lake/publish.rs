//! Makes a partition visible: data first, manifest second, both by conditional put. Called by rooms' `compact`. A crash
//! between the two leaves data whose footer says everything but revision and time; the next compaction repairs it.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::change::compare;
use super::dataset::Dataset;
use super::layout::PartitionId;
use super::manifest::{Change, Condition, Content, Manifest};
use super::partition;
use super::store::{ObjectMeta, PutWhen, Store};
use super::year_index::{self, DayEntry};
use crate::{Error, ErrorKind, Result};

/// What publishing did.
#[derive(Debug, Clone, PartialEq)]
pub enum Published {
    /// The lake holds what was given, under this manifest.
    Written(Manifest),
    /// The lake held exactly these bytes and their manifest already.
    Unchanged(Manifest),
}

impl Published {
    pub fn manifest(&self) -> &Manifest {
        match self {
            Published::Written(manifest) | Published::Unchanged(manifest) => manifest,
        }
    }
}

/// What a publisher must know of the partition before it replaces it: read first, then compact, then publish.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// The data object, when there is one.
    pub data: Option<ObjectMeta>,
    /// The manifest and its ETag, when there is one.
    pub manifest: Option<(Manifest, String)>,
    /// What the year's index remembers of the day, read only when there is no manifest that can be: a revision never goes
    /// back because its record was lost.
    pub remembered: Option<DayEntry>,
}

/// Reads what stands there now.
///
/// # Errors
/// Those of the store; a damaged manifest counts as none, since publishing rewrites it.
pub async fn before(store: &Store, id: &PartitionId) -> Result<Before> {
    let data = match store.head(&id.data_key()).await {
        Ok(meta) => Some(meta),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let manifest = read_manifest(store, id).await?;
    let lost = manifest.as_ref().is_none_or(|(manifest, _)| manifest.revision == 0);
    let remembered = if lost { year_index::remembered(store, id).await? } else { None };
    Ok(Before { data, manifest, remembered })
}

/// The published manifest with its ETag; a manifest that does not parse is told to the log and counts as none.
async fn read_manifest(store: &Store, id: &PartitionId) -> Result<Option<(Manifest, String)>> {
    let key = id.manifest_key();
    match store.get(&key).await {
        Ok(object) => match Manifest::parse(&object.bytes, &key) {
            Ok(manifest) => Ok(Some((manifest, object.etag))),
            Err(error) => {
                tracing::warn!(%key, %error, "a damaged manifest will be replaced");
                Ok(Some((damaged(id)?, object.etag)))
            }
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stands for a manifest that could not be read: revision 0, so that the next one is 1, and a sha256 nothing has.
fn damaged(id: &PartitionId) -> Result<Manifest> {
    Ok(Manifest {
        path: id.data_key(),
        revision: 0,
        published_at: DateTime::<Utc>::UNIX_EPOCH,
        sha256: String::new(),
        bytes: 0,
        change: None,
        content: Content {
            dataset: id.dataset.clone(),
            symbol: id.symbol.clone(),
            date: id.period.day(),
            year: id.period.day().is_none().then(|| id.period.year()),
            condition: Condition::Degraded,
            reasons: Vec::new(),
            rows: 0,
            minutes_expected: 0,
            minutes_seen: 0,
            gaps: Vec::new(),
            counts: Default::default(),
            session: None,
            calculation: super::manifest::Calculation {
                version: String::new(),
                settings: String::new(),
                session_closed: false,
            },
            captures: Vec::new(),
            details: serde_json::Value::Null,
        },
    })
}

/// Publishes `data` of `dataset` over what `before` saw. A day that is still open keeps revision 1; a later revision's
/// manifest says what it changed.
///
/// # Errors
/// `Conflict` when somebody published since `before`: read again, decide again. Nothing is lost then, since captures
/// are what count.
pub async fn publish(
    store: &Store,
    before: &Before,
    dataset: &'static Dataset,
    content: Content,
    data: Vec<u8>,
    now: DateTime<Utc>,
) -> Result<Published> {
    let id = content.id()?;
    let sha256 = hex::encode(Sha256::digest(&data));
    let size = data.len() as u64;
    if let Some((manifest, _)) = &before.manifest
        && manifest.sha256 == sha256
        && before.data.is_some()
        && stored_is(store, &id, size, &sha256).await?
    {
        return Ok(Published::Unchanged(manifest.clone()));
    }
    let (revision, step) = step(before, &sha256);
    let data = Bytes::from(data);
    // The file that stands there is looked at before it is gone.
    let change = match step {
        Step::Same(change) => change,
        Step::Later => later(store, before, dataset, &content, &data).await?,
    };
    let when = before.data.as_ref().map_or(PutWhen::Absent, |data| PutWhen::Matches(data.etag.clone()));
    store.put(&id.data_key(), data, when).await?;

    // Microseconds, like every other time in the lake.
    let published_at = DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now);
    let manifest = Manifest { path: id.data_key(), revision, published_at, sha256, bytes: size, change, content };
    let when = before.manifest.as_ref().map_or(PutWhen::Absent, |(_, etag)| PutWhen::Matches(etag.clone()));
    store.put(&id.manifest_key(), Bytes::from(manifest.to_json()?), when).await?;
    Ok(Published::Written(manifest))
}

/// Whether a revision stays what it was, with what is known of it, or another one begins.
enum Step {
    Same(Option<Change>),
    Later,
}

fn step(before: &Before, sha256: &str) -> (u32, Step) {
    match (&before.manifest, &before.remembered) {
        (_, Some(known)) if known.sha256 == sha256 => (known.revision, Step::Same(known.change.clone())),
        (_, Some(known)) if known.condition == Condition::Pending => (known.revision, Step::Same(known.change.clone())),
        (_, Some(known)) => (known.revision + 1, Step::Later),
        (None, None) => (1, Step::Same(None)),
        // Between the data and the manifest of the same revision a publisher died: the number stands for these bytes.
        (Some((old, _)), None) if old.sha256 == sha256 => (old.revision.max(1), Step::Same(old.change.clone())),
        (Some((old, _)), None) if !old.content.calculation.session_closed => {
            (old.revision.max(1), Step::Same(old.change.clone()))
        }
        (Some((old, _)), None) => (old.revision + 1, Step::Later),
    }
}

/// Revision and change of a file with this sha256 that took its predecessor's place already: rows cannot be counted any more.
pub(super) fn after(before: &Before, sha256: &str, content: &Content) -> (u32, Option<Change>) {
    let (revision, step) = step(before, sha256);
    let change = match (step, &before.manifest) {
        (Step::Same(change), _) => change,
        (Step::Later, Some((old, _))) if old.revision > 0 => {
            Some(Change::between(old.revision, &old.content, content, None))
        }
        (Step::Later, _) => None,
    };
    (revision, change)
}

/// What replacing the file that stands there by `data` changes. Without a record of the revision before nothing is said;
/// without its very file the rows are not counted, for another file's rows would be the wrong ones.
async fn later(
    store: &Store,
    before: &Before,
    dataset: &'static Dataset,
    content: &Content,
    data: &Bytes,
) -> Result<Option<Change>> {
    let manifest = before.manifest.as_ref().map(|(manifest, _)| manifest).filter(|manifest| manifest.revision > 0);
    let (revision, sha256) = match (manifest, &before.remembered) {
        (_, Some(known)) => (known.revision, &known.sha256),
        (Some(old), None) => (old.revision, &old.sha256),
        (None, None) => return Ok(None),
    };
    let key = content.id()?.data_key();
    let stored = match store.get(&key).await {
        Ok(object) => Some(object.bytes).filter(|bytes| hex::encode(Sha256::digest(bytes)) == *sha256),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let read_from_footer = || {
        let stored = stored.as_ref()?;
        partition::content(&partition::metadata(stored, &key).ok()?, &key).ok()
    };
    let Some(old) = manifest.map(|manifest| manifest.content.clone()).or_else(read_from_footer) else {
        return Ok(None);
    };
    let Some(stored) = stored else { return Ok(Some(Change::between(revision, &old, content, None))) };
    let new = data.clone();
    let compared = tokio::task::spawn_blocking(move || compare(dataset, stored, new, &key))
        .await
        .map_err(|error| Error::internal("comparing two revisions stopped").caused_by(error))?;
    let rows =
        compared.inspect_err(|error| tracing::warn!(%error, "what a revision changed could not be counted")).ok();
    Ok(Some(Change::between(revision, &old, content, rows)))
}

/// Whether the stored object really is what the manifest says; a local file can be damaged behind our back.
async fn stored_is(store: &Store, id: &PartitionId, bytes: u64, sha256: &str) -> Result<bool> {
    let object = match store.get(&id.data_key()).await {
        Ok(object) => object,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(object.bytes.len() as u64 == bytes && hex::encode(Sha256::digest(&object.bytes)) == sha256)
}

/// The published manifest of a partition.
///
/// # Errors
/// `NotFound` when there is none, `Corrupt` when it does not parse.
pub async fn manifest(store: &Store, id: &PartitionId) -> Result<Manifest> {
    let key = id.manifest_key();
    let object = store.get(&key).await?;
    let manifest = Manifest::parse(&object.bytes, &key)?;
    if manifest.content.id()? != *id {
        return Err(Error::corrupt(format!("{key} describes another partition ({})", manifest.content.id()?)));
    }
    Ok(manifest)
}
