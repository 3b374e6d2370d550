//! The lake's bars as the migration asks for them: which days there are, and what is stored when they are computed. Blocks; called from
//! threads of work, never from the runtime's own.

use std::collections::HashSet;

use futures::TryStreamExt;
use tokio::runtime::Handle;

use crate::Result;
use crate::bars::record::BARS;
use crate::bars::stored::{self, StoredDay};
use crate::lake::layout::{PartitionId, prefix};
use crate::lake::store::Store;
use crate::market::{Instrument, Session, TradingDate};
use crate::profile::compact::{Made, of_day};
use crate::profile::legacy::{LakeBars, Measure, Recompute, RowHeight};
use crate::profile::session_record::SessionRecord;
use crate::profile::settings::Settings;

/// What the lake's bars make of sessions.
pub struct KnownDays {
    bars: LakeBars,
    /// Manifests of the days that there are: most archives have far more days than the lake has bars.
    days: HashSet<String>,
}

impl KnownDays {
    /// Looks up which days there are. `rows` are those of the archive.
    ///
    /// # Errors
    /// Those of the store; `Invalid` when the lake's profile settings are wrong.
    pub async fn open(store: &Store, rows: RowHeight) -> Result<Self> {
        let mut listed = store.list(&prefix::manifests(BARS));
        let mut days = HashSet::new();
        while let Some(object) = listed.try_next().await? {
            days.insert(object.key);
        }
        let settings = Settings::load(store).await?;
        let bars = LakeBars { store: store.clone(), runtime: Handle::current(), settings, rows };
        Ok(Self { bars, days })
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
        let made = of_day(instrument, &self.bars.settings, date, &day)?;
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
        self.bars.runtime.block_on(stored::day(&self.bars.store, instrument, date))
    }
}

impl Recompute for KnownDays {
    fn session(&self, instrument: &Instrument, session: Session) -> Result<Measure> {
        if self.has(instrument, session.date) { self.bars.session(instrument, session) } else { Ok(Measure::Nothing) }
    }

    fn rows(&self) -> RowHeight {
        self.bars.rows()
    }
}
