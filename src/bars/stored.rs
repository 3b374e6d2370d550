//! A day's bars as the lake holds them, for commands that work on the store itself: compaction of what is made from bars, audits.
//! Routes read through the cache instead.

use sha2::{Digest, Sha256};

use super::record::{BARS, rows};
use super::{Bar, record};
use crate::lake::layout::PartitionId;
use crate::lake::manifest::{Condition, Reason};
use crate::lake::store::Store;
use crate::lake::{partition, publish};
use crate::market::{Grid, Instrument, TradingDate};
use crate::{Error, ErrorKind, Result};

/// How often a file that is not its manifest's is read again: somebody may be publishing.
const ATTEMPTS: u32 = 4;

/// All bars of a trading date, in order, and how far to trust them.
#[derive(Debug, Clone)]
pub struct StoredDay {
    pub bars: Vec<Bar>,
    pub revision: u32,
    pub sha256: String,
    pub condition: Condition,
    pub reasons: Vec<Reason>,
}

/// The bars of `date`; `None` when the lake has none.
///
/// # Errors
/// `Corrupt` when file and manifest contradict each other, those of the store.
pub async fn day(store: &Store, instrument: &Instrument, date: TradingDate) -> Result<Option<StoredDay>> {
    let id = PartitionId::day(BARS, &instrument.symbol, date);
    for _ in 0..ATTEMPTS {
        let manifest = match publish::manifest(store, &id).await {
            Ok(manifest) => manifest,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let data = store.get(&id.data_key()).await?.bytes;
        if hex::encode(Sha256::digest(&data)) != manifest.sha256 {
            continue;
        }
        let batches = partition::read(data, record::BAR_ROWS.row_group_rows, &id.data_key())?;
        let mut bars = Vec::with_capacity(batches.iter().map(|batch| batch.num_rows()).sum());
        for batch in &batches {
            bars.extend(in_ticks(&rows(batch)?, instrument)?);
        }
        let content = manifest.content;
        return Ok(Some(StoredDay {
            bars,
            revision: manifest.revision,
            sha256: manifest.sha256,
            condition: content.condition,
            reasons: content.reasons,
        }));
    }
    Err(Error::corrupt(format!("{id} is not the file of its manifest; run `pitlake verify`")))
}

/// Rows as bars in the instrument's ticks.
///
/// # Errors
/// `Corrupt` for a price that is no number of ticks.
pub fn in_ticks(rows: &[record::BarRow], instrument: &Instrument) -> Result<Vec<Bar>> {
    let grid = Grid::of(instrument);
    let bar = |row: &record::BarRow| {
        row.in_ticks(grid).ok_or_else(|| Error::corrupt(format!("a price of {} is no price", instrument.symbol)))
    };
    rows.iter().map(bar).collect()
}
