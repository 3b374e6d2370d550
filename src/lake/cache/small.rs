//! Small objects (manifests, indexes, configuration) kept whole in memory under the same rules of freshness.

use std::sync::Arc;

use bytes::Bytes;

use super::shelf::{Fetched, Supply};
use crate::lake::store::{Object, Store};
use crate::{ErrorKind, Result};

/// One version of one small object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallObject {
    pub bytes: Bytes,
    /// The store's ETag of this version, as the store spells it.
    pub etag: String,
}

/// The supply of the shelf of small objects.
pub(super) struct SmallObjects {
    pub store: Store,
}

impl Supply for SmallObjects {
    type Item = Arc<SmallObject>;

    async fn fetch(&self, key: &str, held: Option<Self::Item>) -> Result<Fetched<Self::Item>> {
        let found = match held {
            Some(held) => self.store.get_if_changed(key, &held.etag).await,
            None => self.store.get(key).await.map(Some),
        };
        match found {
            Ok(Some(Object { bytes, etag, .. })) => Ok(Fetched::Changed(Arc::new(SmallObject { bytes, etag }))),
            Ok(None) => Ok(Fetched::Unchanged),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Fetched::Missing),
            Err(error) => Err(error),
        }
    }

    fn bytes(&self, item: &Self::Item) -> u64 {
        (item.bytes.len() + item.etag.len()) as u64
    }

    fn in_use(&self, _item: &Self::Item) -> bool {
        // A reader's clone keeps the bytes alive for a moment only; it does not matter to what is let go.
        false
    }

    fn is_intact(&self, _item: &Self::Item) -> bool {
        true
    }
}
