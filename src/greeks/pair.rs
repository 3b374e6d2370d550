//! A day's strike level and minute sums as one: two files, always of the same making. Called by every question that needs
//! both; nothing may ever be added up across two revisions.

use crate::lake::cache::{Cache, Freshness};
use crate::lake::head::{Partitions, ReadyPartition};
use crate::lake::layout::PartitionId;
use crate::market::{Symbol, TradingDate};
use crate::{Error, ErrorKind, Result};

use super::record::{GREEKS, GREEKS_BY_MINUTE};

/// Both files of one day, made from the same captures by the same calculation.
#[derive(Clone)]
pub struct Pair {
    /// The strike level. Its record is the day's: the sums were made with it.
    pub day: ReadyPartition,
    pub minutes: ReadyPartition,
}

/// Opens both. They are two objects that are cached one by one: after a correction one may still be the old revision.
/// Then both are fetched again, up to `attempts` looks in all.
///
/// # Errors
/// `NotFound` when there is no such day, `Unavailable` when the two did not come together; those of
/// [`Partitions::open`].
pub async fn open(
    partitions: &Partitions,
    cache: &Cache,
    (symbol, date): (&Symbol, TradingDate),
    freshness: Freshness,
    attempts: u32,
) -> Result<Pair> {
    for _ in 0..attempts {
        let (day, minutes) = (PartitionId::day(GREEKS, symbol, date), PartitionId::day(GREEKS_BY_MINUTE, symbol, date));
        let (found, sums) = tokio::join!(partitions.open(&day, freshness), partitions.open(&minutes, freshness));
        let (day, minutes) = match (found?, sums) {
            // Sums are published before their day: asked for a moment too early, they are there by now.
            (_, Err(error)) if error.kind() == ErrorKind::NotFound => {
                cache.forget_missing(&minutes.data_key());
                continue;
            }
            (found, sums) => (found, sums?),
        };
        let (of_day, of_minutes) = (&day.head.content, &minutes.head.content);
        if of_day.captures == of_minutes.captures && of_day.calculation == of_minutes.calculation {
            return Ok(Pair { day, minutes });
        }
        cache.forget(day.file());
        cache.forget(minutes.file());
    }
    Err(Error::unavailable(format!("{symbol} {date} is being republished; try again in a moment")))
}
