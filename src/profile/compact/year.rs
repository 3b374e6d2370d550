//! A symbol's year: what is due is computed from its bars, a few days at a time, and put into the tables in one go. Called by
//! compaction and by `pitlake recalculate`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};

use super::make::{Made, of_day};
use super::plan::{Due, Why, plan};
use crate::bars::record::BARS;
use crate::bars::stored;
use crate::lake::publish::Published;
use crate::lake::store::Store;
use crate::lake::year_index::{self, YearIndex};
use crate::market::{Instrument, SessionKind, TradingDate};
use crate::profile::merge::Fate;
use crate::profile::session_record::SessionRecord;
use crate::profile::settings::Settings;
use crate::profile::tables::{self, YearTables};
use crate::{Error, ErrorKind, Result};

/// Days read and computed at a time: what they hold is small, what they wait for is the store.
const AT_ONCE: usize = 8;

/// Which of the due dates are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// What compaction does by itself.
    Compaction,
    /// Computed profiles that are out of date, from one date to another, both inclusive.
    Stale(Option<TradingDate>, Option<TradingDate>),
    /// Every date with bars, whatever stands there: for repair.
    All,
}

/// A session that its bars do not allow a profile of.
#[derive(Debug)]
pub struct Refused {
    pub date: TradingDate,
    pub session: SessionKind,
    pub error: Error,
}

/// What was computed, before it is put.
#[derive(Debug, Default)]
pub struct Computed {
    pub records: Vec<SessionRecord>,
    /// Sessions that were computed from earlier bars and have none any more.
    pub withdrawn: Vec<(TradingDate, SessionKind)>,
    pub refused: Vec<Refused>,
}

/// One symbol's year of a lake.
pub struct Year<'a> {
    pub store: &'a Store,
    pub instrument: &'a Arc<Instrument>,
    pub settings: &'a Arc<Settings>,
    pub year: i32,
}

impl Year<'_> {
    /// The dates that are due, and the tables they were held against. A year without bars has none.
    ///
    /// # Errors
    /// Those of the store; `Corrupt` for a damaged index or table.
    pub async fn due(&self, which: Which) -> Result<(Vec<Due>, YearTables)> {
        let symbol = &self.instrument.symbol;
        let Some(bars) = self.bars().await? else { return Ok(Default::default()) };
        if which == Which::All {
            let due = bars.days.iter().map(|day| Due { date: day.date, why: Why::New }).collect();
            return Ok((due, YearTables::default()));
        }
        let tables = tables::read(self.store, symbol, self.year).await?;
        let mut due = plan(&bars.days, &tables.current, &self.settings.fingerprint_with(self.instrument));
        due.retain(|due| match which {
            Which::Compaction => due.why.is_for_compaction(),
            Which::Stale(start, end) => {
                due.why.is_stale()
                    && start.is_none_or(|start| start <= due.date)
                    && end.is_none_or(|end| due.date <= end)
            }
            Which::All => true,
        });
        Ok((due, tables))
    }

    async fn bars(&self) -> Result<Option<YearIndex>> {
        match year_index::read(self.store, BARS, &self.instrument.symbol, self.year).await {
            Ok(index) => Ok(Some(index)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Computes the sessions of these dates from their bars as they are now.
    ///
    /// # Errors
    /// Those of the store; `Corrupt` when a day's bars cannot be read.
    pub async fn compute(&self, due: &[Due], tables: &YearTables) -> Result<Computed> {
        let dates: Vec<TradingDate> = due.iter().map(|due| due.date).collect();
        let days: Vec<(TradingDate, Vec<Made>)> =
            stream::iter(dates).map(|date| self.day(date)).buffered(AT_ONCE).try_collect().await?;
        let mut computed = Computed::default();
        for (date, sessions) in days {
            for made in sessions {
                match made {
                    Made::Record(record) => computed.records.push(*record),
                    Made::Refused(session, error) => computed.refused.push(Refused { date, session, error }),
                    Made::Nothing(session) => {
                        let stands = tables.on(date).any(|row| row.session == session && row.is_computed());
                        computed.withdrawn.extend(stands.then_some((date, session)));
                    }
                }
            }
        }
        Ok(computed)
    }

    async fn day(&self, date: TradingDate) -> Result<(TradingDate, Vec<Made>)> {
        let Some(day) = stored::day(self.store, self.instrument, date).await? else { return Ok((date, Vec::new())) };
        let (instrument, settings) = (Arc::clone(self.instrument), Arc::clone(self.settings));
        let made = tokio::task::spawn_blocking(move || of_day(&instrument, &settings, date, &day));
        let made = made.await.map_err(|error| Error::internal("computing a profile stopped").caused_by(error))??;
        Ok((date, made))
    }

    /// Puts what was computed into the tables.
    ///
    /// # Errors
    /// As [`tables::put`].
    pub async fn put(&self, computed: Computed, now: DateTime<Utc>) -> Result<(Vec<Fate>, Vec<Published>)> {
        let symbol = &self.instrument.symbol;
        tables::exchange(self.store, symbol, self.year, &computed.records, &computed.withdrawn, now).await
    }
}
