//! The lake's bars, for judging records against them and for computing sessions again. Blocks; called from threads of work, never
//! from the runtime's own.

use std::collections::HashSet;

use futures::TryStreamExt;
use tokio::runtime::Handle;

use crate::bars::record::BARS;
use crate::bars::stored::{self, StoredDay};
use crate::lake::layout::{PartitionId, prefix};
use crate::lake::manifest::Condition;
use crate::lake::store::Store;
use crate::market::{Instrument, Session, TradingDate};
use crate::profile::compact::{Made, of_day};
use crate::profile::compute::{Question, Shape, profile};
use crate::profile::legacy::checks::{Recompute, Recomputed};
use crate::profile::session_record::SessionRecord;
use crate::profile::settings::Settings;
use crate::{ErrorKind, Result};

/// What the lake's bars make of sessions.
pub struct LakeBars {
    store: Store,
    settings: Settings,
    handle: Handle,
    row_ticks: u32,
    /// Manifests of the days that there are: most archives have far more days than the lake has bars.
    days: HashSet<String>,
}

impl LakeBars {
    /// Looks up which days there are. `row_ticks` is the height of the archive's rows.
    ///
    /// # Errors
    /// Those of the store; `Invalid` when the lake's profile settings are wrong.
    pub async fn open(store: &Store, row_ticks: u32) -> Result<Self> {
        let mut listed = store.list(&prefix::manifests(BARS));
        let mut days = HashSet::new();
        while let Some(object) = listed.try_next().await? {
            days.insert(object.key);
        }
        let settings = Settings::load(store).await?;
        Ok(Self { store: store.clone(), settings, handle: Handle::current(), row_ticks, days })
    }

    /// Whether there are bars of that date.
    pub fn has(&self, instrument: &Instrument, date: TradingDate) -> bool {
        self.days.contains(&PartitionId::day(BARS, &instrument.symbol, date).manifest_key())
    }

    /// All sessions of the date as they are stored; empty without bars, or where bars allow no profile.
    ///
    /// # Errors
    /// Those of the store.
    pub fn computed(&self, instrument: &Instrument, date: TradingDate) -> Result<Vec<SessionRecord>> {
        let Some(day) = self.day(instrument, date)? else { return Ok(Vec::new()) };
        let made = of_day(instrument, &self.settings, date, &day)?;
        Ok(made
            .into_iter()
            .filter_map(|made| match made {
                Made::Record(record) => Some(*record),
                _ => None,
            })
            .collect())
    }

    fn day(&self, instrument: &Instrument, date: TradingDate) -> Result<Option<StoredDay>> {
        if !self.has(instrument, date) {
            return Ok(None);
        }
        self.handle.block_on(stored::day(&self.store, instrument, date))
    }
}

impl Recompute for LakeBars {
    fn session(&self, instrument: &Instrument, session: Session) -> Result<Option<Recomputed>> {
        let Some(day) = self.day(instrument, session.date)? else { return Ok(None) };
        let shape = Shape { row_ticks: self.row_ticks, ..Shape::of(instrument, &self.settings) };
        let question = Question { instrument, session, shape, settings: &self.settings, until: None };
        match profile(&question, &day.bars) {
            Ok(made) => Ok(made.map(|profile| Recomputed { profile, degraded: doubt(&day) })),
            // Bars that allow no profile are no bars for this session.
            Err(error) if error.kind() == ErrorKind::Invalid => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn row_ticks(&self) -> u32 {
        self.row_ticks
    }
}

/// Why the day is not to be trusted altogether.
fn doubt(day: &StoredDay) -> Option<String> {
    if day.condition == Condition::Available {
        return None;
    }
    let codes: Vec<&str> = day.reasons.iter().map(|reason| reason.code.as_str()).collect();
    Some(if codes.is_empty() { day.condition.as_str().to_owned() } else { codes.join(", ") })
}
