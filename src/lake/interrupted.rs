//! Publications that were interrupted between their two puts: the file is the new one, its record the old one's. Readers are
//! told of such a file under the revision it would have had. Called by rooms' `compact` before it replaces such a file by
//! another: without its record, two different files would have gone by one revision.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::layout::PartitionId;
use super::manifest::{Content, Manifest};
use super::partition;
use super::publish::{Before, after};
use super::store::{PutWhen, Store};
use crate::{ErrorKind, Result};

/// Writes the record that an interrupted publication owes, from the file's own footer. Whether there was one: then `before`
/// is outdated. A file that `is_made_again` (its record says what the caller is about to make) needs none: the caller makes it.
///
/// # Errors
/// Those of the store; `Conflict` when somebody published since `before`.
pub async fn record(
    store: &Store,
    id: &PartitionId,
    before: &Before,
    is_made_again: impl Fn(&Content) -> bool,
    now: DateTime<Utc>,
) -> Result<bool> {
    let Some(data) = &before.data else { return Ok(false) };
    let object = match store.get(&id.data_key()).await {
        Ok(object) if object.etag == data.etag => object,
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        // Replaced since: publishing will meet the conflict.
        _ => return Ok(false),
    };
    let sha256 = hex::encode(Sha256::digest(&object.bytes));
    let recorded = before.manifest.as_ref().map(|(manifest, _)| manifest);
    if recorded.is_some_and(|manifest| manifest.sha256 == sha256) {
        return Ok(false);
    }
    // What cannot be read, is another's or is older than its record is damage, which making it again mends.
    let Some(content) = whole(&object.bytes, id) else { return Ok(false) };
    let later = recorded.is_none_or(|manifest| manifest.revision == 0 || is_later(&content, &manifest.content));
    if !later || is_made_again(&content) {
        return Ok(false);
    }
    let (revision, change) = after(before, &sha256, &content);
    let manifest = Manifest {
        path: id.data_key(),
        revision,
        published_at: DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now),
        sha256,
        bytes: object.size,
        change,
        content,
    };
    let when = before.manifest.as_ref().map_or(PutWhen::Absent, |(_, etag)| PutWhen::Matches(etag.clone()));
    store.put(&id.manifest_key(), Bytes::from(manifest.to_json()?), when).await?;
    tracing::info!(partition = %id, revision = manifest.revision, "recorded a publication that had been interrupted");
    Ok(true)
}

/// The footer's record, when the file is whole and this partition's.
fn whole(bytes: &Bytes, id: &PartitionId) -> Option<Content> {
    const BATCH_ROWS: usize = 1 << 16;
    let key = id.data_key();
    let content = partition::content(&partition::metadata(bytes, &key).ok()?, &key).ok()?;
    let batches = partition::read(bytes.clone(), BATCH_ROWS, &key).ok()?;
    let rows: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    (content.id().ok()? == *id && content.rows == rows as u64).then_some(content)
}

/// Whether `footer` was made after `recorded`: from the same captures and more, or by another calculation.
pub fn is_later(footer: &Content, recorded: &Content) -> bool {
    let named = |content: &Content| -> std::collections::BTreeSet<(String, String)> {
        content.captures.iter().map(|capture| (capture.dataset.clone(), capture.id.clone())).collect()
    };
    let (now, then) = (named(footer), named(recorded));
    let table_made_again =
        footer.captures.is_empty() && recorded.captures.is_empty() && footer.details != recorded.details;
    then.is_subset(&now) && (now.len() > then.len() || footer.calculation != recorded.calculation || table_made_again)
}
