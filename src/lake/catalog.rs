//! Which symbols and years a dataset has, in one small object, so that no question ever lists. Written by the year step of
//! compaction, and only when a symbol's year is new.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::layout::Key;
use super::manifest::pretty_json;
use super::store::{PutWhen, Store};
use crate::market::Symbol;
use crate::{Error, ErrorKind, Result};

const ATTEMPTS: u32 = 50;

/// The symbols of one dataset with their years.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalog {
    pub dataset: String,
    pub symbols: BTreeMap<Symbol, BTreeSet<i32>>,
}

impl Catalog {
    pub fn key(dataset: &str) -> String {
        Key::Catalog { dataset: dataset.to_owned() }.to_string()
    }

    /// # Errors
    /// `Corrupt` when the bytes are not a catalog.
    pub fn parse(bytes: &[u8], key: &str) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::corrupt(format!("{key} is not a list of symbols ({error}); `pitlake verify --repair` rebuilds it"))
        })
    }

    pub fn years(&self, symbol: &Symbol) -> impl DoubleEndedIterator<Item = i32> + '_ {
        self.symbols.get(symbol).into_iter().flatten().copied()
    }
}

/// Makes sure that the catalog names the symbol's year.
///
/// # Errors
/// Those of the store; `Conflict` when others change it all the time.
pub async fn add(store: &Store, dataset: &str, symbol: &Symbol, year: i32) -> Result<()> {
    let key = Catalog::key(dataset);
    for _ in 0..ATTEMPTS {
        let (mut catalog, when) = match store.get(&key).await {
            Ok(object) => (Catalog::parse(&object.bytes, &key)?, PutWhen::Matches(object.etag)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                (Catalog { dataset: dataset.to_owned(), ..Catalog::default() }, PutWhen::Absent)
            }
            Err(error) => return Err(error),
        };
        if !catalog.symbols.entry(symbol.clone()).or_default().insert(year) {
            return Ok(());
        }
        match store.put(&key, Bytes::from(pretty_json(&catalog)?), when).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(ErrorKind::Conflict, format!("{key} is changed by others all the time; run the command again")))
}
