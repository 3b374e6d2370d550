//! A day as it was known at an instant: made of the lines received by then, and of nothing else. Called by the day's routes.
//!
//! Which captures there are is read from the day's manifest, never listed. One that was received wholly by then, or wholly
//! after, needs no reading to know; of one in between the times of receipt are read once and remembered. When the present
//! partition was made from exactly these lines, with the session as open or closed as it was then, it is the answer;
//! otherwise the lines are compacted in memory by the same pure functions and the result is kept, by what it was made from:
//! so every instant between two receipts has the same answer, today and in five years.
//!
//! It must not be a way to exhaust a server: [`AT_ONCE`] derivation at a time, [`WAITING`] more may wait, the same one is never
//! done twice at once, and results take at most [`KEPT_BYTES`] on disk.

mod admitted;
mod flights;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use moka::policy::EvictionPolicy;
use moka::sync::Cache as Memo;

use self::admitted::{Admission, Admitted, Receipts};
use self::flights::{Flights, Gate};
use super::compact::{Greeks, assemble, calculation, parse};
use super::record::{GREEKS, GREEKS_BY_MINUTE};
use crate::http::context::Context;
use crate::lake::cache::{Cache, Freshness};
use crate::lake::compact::{Captured, Derived, Recipe};
use crate::lake::head::{Head, ReadyPartition};
use crate::lake::layout::PartitionId;
use crate::lake::manifest::{Calculation, Content, Manifest};
use crate::lake::row_groups::open_apart;
use crate::market::{Instrument, TradingDate};
use crate::{Error, ErrorKind, Result};

/// A whole day takes some 300 MB while it is made.
const AT_ONCE: usize = 1;
const WAITING: usize = 8;
/// Files of derived days, on the cache's disk.
const KEPT_BYTES: u64 = 256 << 20;
/// Times of receipt, in memory.
const RECEIPT_BYTES: u64 = 8 << 20;
/// Captures fetched ahead.
const FETCHED_AHEAD: usize = 4;

/// Both partitions of a day as of an instant. Their heads' revision says nothing: it is no published one.
pub struct DayAsOf {
    pub rows: ReadyPartition,
    pub minutes: ReadyPartition,
}

impl DayAsOf {
    fn bytes(&self) -> u64 {
        self.rows.file().size() + self.minutes.file().size()
    }

    fn is_sound(&self) -> bool {
        self.rows.file().is_sound() && self.minutes.file().is_sound()
    }
}

/// What there was at an instant.
pub enum Past {
    Day(Arc<DayAsOf>, Compacted),
    /// Nothing of the day had been received yet; the first of it came then.
    NotYet(DateTime<Utc>),
    /// The lake has no such day.
    NoDay,
}

/// When the captures that are known of were last compacted: an answer for a later instant may still change, since what was
/// received until then may not all be there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted(pub Option<DateTime<Utc>>);

/// Answers for the past, and what was worked out for them. Cloning is cheap; clones share everything.
#[derive(Clone)]
pub struct AsOf(Arc<Inner>);

struct Inner {
    days: Memo<String, Arc<DayAsOf>>,
    receipts: Receipts,
    making: Flights<Arc<DayAsOf>>,
    gate: Arc<Gate>,
}

impl Default for AsOf {
    fn default() -> Self {
        let weigh = |_: &String, day: &Arc<DayAsOf>| u32::try_from(day.bytes()).unwrap_or(u32::MAX);
        let days =
            Memo::builder().max_capacity(KEPT_BYTES).weigher(weigh).eviction_policy(EvictionPolicy::lru()).build();
        let gate = Arc::new(Gate::new(AT_ONCE, WAITING));
        let receipts = Receipts::new(RECEIPT_BYTES, Arc::clone(&gate));
        Self(Arc::new(Inner { days, receipts, making: Flights::new(), gate }))
    }
}

impl AsOf {
    /// The day as it was known at `instant`, which must not lie in the future.
    ///
    /// # Errors
    /// `Overloaded` when too much of this is asked for at once, `Corrupt` when a capture is damaged or gone, those of the
    /// store.
    pub async fn day(
        &self,
        context: &Context,
        instrument: &Arc<Instrument>,
        date: TradingDate,
        instant: DateTime<Utc>,
    ) -> Result<Past> {
        let id = PartitionId::day(GREEKS, &instrument.symbol, date);
        let Some((content, compacted)) = recorded(context, &id, context.freshness(instrument, date), instant).await?
        else {
            return Ok(Past::NoDay);
        };
        let admission = Admission::of(&content.captures, instant);
        if admission.is_empty() {
            return Ok(content
                .captures
                .iter()
                .filter_map(|capture| capture.first_received_at)
                .min()
                .map_or(Past::NoDay, Past::NotYet));
        }
        let calculation = calculation(instrument, Greeks.is_closed(instrument, date, instant));
        let made_alike = content.calculation == calculation;
        if admission.is_everything()
            && made_alike
            && let Some(day) = present(context, instrument, date, &content).await?
        {
            return Ok(Past::Day(Arc::new(day), compacted));
        }
        let admitted = self.0.receipts.settle(context, &id, admission, instant).await?;
        let key = admitted.key(&id, &calculation);
        if let Some(day) = self.kept(&key) {
            return Ok(Past::Day(day, compacted));
        }
        let making = make(context.clone(), Arc::clone(instrument), date, admitted, calculation, key.clone());
        let this = self.clone();
        let kept_as = key.clone();
        let made = self.0.making.join(&key, async move {
            let gate = Arc::clone(&this.0.gate);
            gate.pass(async {
                if let Some(day) = this.kept(&kept_as) {
                    return Ok(day);
                }
                let day = Arc::new(making.await?);
                this.0.days.insert(kept_as.clone(), Arc::clone(&day));
                this.0.days.run_pending_tasks();
                Ok(day)
            })
            .await
        });
        Ok(Past::Day(made.await?, compacted))
    }

    fn kept(&self, key: &str) -> Option<Arc<DayAsOf>> {
        let day = self.0.days.get(key)?;
        if day.is_sound() {
            return Some(day);
        }
        self.0.days.invalidate(key);
        None
    }
}

/// The day's record: its manifest, or the footer of its file where a publisher died before the manifest.
async fn recorded(
    context: &Context,
    id: &PartitionId,
    freshness: Freshness,
    instant: DateTime<Utc>,
) -> Result<Option<(Content, Compacted)>> {
    let key = id.manifest_key();
    let mut manifest = match context.cache.small(&key, freshness).await {
        Ok(object) => Manifest::parse(&object.bytes, &key)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return match context.partitions.open(id, freshness).await {
                Ok(ready) => Ok(Some((ready.head.content.clone(), Compacted(None)))),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
        }
        Err(error) => return Err(error),
    };
    if instant > manifest.published_at {
        // What is remembered here may be older than what was received by then.
        manifest = Manifest::parse(&context.store.get(&key).await?.bytes, &key)?;
    }
    if manifest.content.id()? != *id {
        return Err(Error::corrupt(format!("{key} describes another partition; run `pitlake verify`")));
    }
    Ok(Some((manifest.content, Compacted(Some(manifest.published_at)))))
}

/// The present partitions, if they are made from what `content` names.
async fn present(
    context: &Context,
    instrument: &Instrument,
    date: TradingDate,
    content: &Content,
) -> Result<Option<DayAsOf>> {
    let freshness = context.freshness(instrument, date);
    let open = |dataset| {
        let id = PartitionId::day(dataset, &instrument.symbol, date);
        async move { context.partitions.open(&id, freshness).await }
    };
    let (rows, minutes) = match (open(GREEKS).await, open(GREEKS_BY_MINUTE).await) {
        (Ok(rows), Ok(minutes)) => (rows, minutes),
        (Err(error), _) | (_, Err(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };
    let same = |ready: &ReadyPartition| {
        ready.head.content.captures == content.captures && ready.head.content.calculation == content.calculation
    };
    Ok((same(&rows) && same(&minutes)).then_some(DayAsOf { rows, minutes }))
}

/// Compacts the admitted lines.
async fn make(
    context: Context,
    instrument: Arc<Instrument>,
    date: TradingDate,
    admitted: Admitted,
    calculation: Calculation,
    name: String,
) -> Result<DayAsOf> {
    let captured: Vec<_> = stream::iter(admitted.captures)
        .map(|cut| {
            let (store, key) = (context.store.clone(), cut.key(&instrument.symbol, date));
            async move {
                let bytes = admitted::fetch(&store, &key).await?;
                Ok::<_, Error>((Captured { dataset: cut.dataset, id: cut.id, bytes }, cut.until))
            }
        })
        .buffered(FETCHED_AHEAD)
        .try_collect()
        .await?;
    tokio::task::spawn_blocking(move || {
        let parts = captured
            .into_iter()
            .map(|(captured, until)| {
                parse(&captured, date, &instrument, &context.instruments, Some(until)).map(Arc::new)
            })
            .collect::<Result<_>>()?;
        let (rows, minutes) = assemble(&instrument, date, parts, &calculation)?;
        let (rows, minutes) = (adopt(&context.cache, &name, rows)?, adopt(&context.cache, &name, minutes)?);
        Ok(DayAsOf { rows, minutes })
    })
    .await
    .map_err(|error| Error::internal("working out a day as of an instant stopped").caused_by(error))?
    // The caller cannot mend what captures hold.
    .map_err(|error: Error| match error.kind() {
        ErrorKind::Invalid => Error::corrupt(error.detail().to_owned()).caused_by(error),
        _ => error,
    })
}

fn adopt(cache: &Cache, name: &str, derived: Derived) -> Result<ReadyPartition> {
    let Derived { data, content } = derived;
    let file = cache.adopt(&format!("{} as of {name}.parquet", content.dataset), &data)?;
    let head = Head {
        revision: 0,
        condition: content.condition,
        calculation_version: content.calculation.version.clone(),
        content,
    };
    Ok(ReadyPartition { partition: open_apart(&file)?, head: Arc::new(head) })
}
