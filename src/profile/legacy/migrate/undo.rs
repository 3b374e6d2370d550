//! A migration taken back: every row that came from the old archive leaves `profiles` and its history. What was computed stays, and so
//! do the captures of the originals, so that the archive can be migrated again.

use crate::lake::catalog::Catalog;
use crate::lake::store::Store;
use crate::market::{SharedClock, Symbol};
use crate::profile::record::PROFILES_HISTORY;
use crate::profile::tables;
use crate::{ErrorKind, Result};

/// Takes back the rows of `symbol`, or of all symbols; gives how many sessions have no `legacy` row any more. With `dry_run`
/// it only counts.
///
/// # Errors
/// Those of the store and of the tables. Run again, it goes on.
pub async fn undo(store: &Store, symbol: Option<&Symbol>, dry_run: bool, clock: &SharedClock) -> Result<u64> {
    let key = Catalog::key(PROFILES_HISTORY);
    let catalog = match store.get(&key).await {
        Ok(object) => Catalog::parse(&object.bytes, &key)?,
        Err(error) if error.kind() == ErrorKind::NotFound => Catalog::default(),
        Err(error) => return Err(error),
    };
    let mut taken = 0;
    for (known, years) in catalog.symbols.iter().filter(|(known, _)| symbol.is_none_or(|asked| asked == *known)) {
        for &year in years {
            taken += if dry_run {
                let there = tables::read(store, known, year).await?;
                there.history.iter().filter(|row| !row.is_computed()).count() as u64
            } else {
                tables::take_back_originals(store, known, year, clock.now()).await?
            };
        }
    }
    Ok(taken)
}
