//! A symbol's year: what is due is computed from its bars, a few days at a time, and put into the tables in one go. Called by
//! compaction and by `pitlake recalculate`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};

use super::make::{Made, of_day};
use super::plan::{Due, Present, Why, plan};
use crate::bars::record::BARS;
use crate::bars::stored;
use crate::lake::store::Store;
use crate::lake::year_index::{self, YearIndex};
use crate::market::{Instrument, SessionKind, TradingDate};
use crate::profile::merge::{Grounds, Withdrawal};
use crate::profile::record::CALCULATION;
use crate::profile::refusal::Refusal;
use crate::profile::session_record::SessionRecord;
use crate::profile::settings::Settings;
use crate::profile::tables::{self, Exchanged, YearTables};
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

/// What was computed, before it is put.
#[derive(Debug, Default)]
pub struct Computed {
    pub records: Vec<SessionRecord>,
    /// Sessions that were computed and are to have no profile any more.
    pub withdrawn: Vec<Withdrawal>,
    /// Sessions that their bars allow no profile of.
    pub refused: Vec<Refusal>,
    /// Dates that could not be read, and why; nothing of them is touched.
    pub failed: Vec<(TradingDate, Error)>,
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
        let has = |kind: &SessionKind| self.instrument.hours(*kind).is_some();
        let sessions = SessionKind::ALL.into_iter().filter(has).collect();
        let mut due = plan(&bars.days, &tables, &Present { settings: self.fingerprint(), sessions });
        if let Which::Stale(..) = which {
            // Whoever asks for it has the other sessions of the date computed too.
            let gone = due.iter_mut().filter(|due| due.why == Why::SessionGone);
            gone.for_each(|due| due.why = Why::SettingsChanged);
        }
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

    fn fingerprint(&self) -> String {
        self.settings.fingerprint_with(self.instrument)
    }

    async fn bars(&self) -> Result<Option<YearIndex>> {
        match year_index::read(self.store, BARS, &self.instrument.symbol, self.year).await {
            Ok(index) => Ok(Some(index)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Computes the sessions of these dates from their bars as they are now. A date that fails does not stop the others.
    pub async fn compute(&self, due: &[Due], tables: &YearTables) -> Computed {
        let days = stream::iter(due.iter().copied()).map(|due| async move {
            // The other sessions of such a date stay as they are.
            let day = if due.why == Why::SessionGone { Ok(None) } else { self.day(due.date).await };
            (due, day)
        });
        let days: Vec<_> = days.buffered(AT_ONCE).collect().await;
        let mut computed = Computed::default();
        for (Due { date, why }, day) in days {
            let stands = |session: SessionKind| tables.on(date).any(|row| row.session == session && row.is_computed());
            let kinds = SessionKind::ALL.into_iter().filter(|kind| stands(*kind));
            let gone = kinds.clone().filter(|kind| self.instrument.hours(*kind).is_none());
            let withdraw = |session: SessionKind, grounds: Grounds| Withdrawal { date, session, grounds };
            match day {
                Err(error) => {
                    computed.failed.push((date, error));
                    continue;
                }
                Ok(None) if why != Why::SessionGone => {
                    computed.withdrawn.extend(kinds.map(|kind| withdraw(kind, Grounds::NoBars)));
                    continue;
                }
                Ok(None) => {}
                Ok(Some((sha256, sessions))) => {
                    for made in sessions {
                        match made {
                            Made::Record(record) => computed.records.push(*record),
                            Made::Refused(session, error) => {
                                computed.refused.push(self.refusal(date, session, &sha256, &error));
                            }
                            Made::Nothing(session) if stands(session) => {
                                let (sha256, settings) = (sha256.clone(), self.fingerprint());
                                computed.withdrawn.push(withdraw(session, Grounds::Empty { sha256, settings }));
                            }
                            Made::Nothing(_) => {}
                        }
                    }
                }
            }
            computed.withdrawn.extend(gone.map(|kind| withdraw(kind, Grounds::NoSession)));
        }
        computed
    }

    fn refusal(&self, date: TradingDate, session: SessionKind, sha256: &str, error: &Error) -> Refusal {
        Refusal {
            date,
            session,
            source_sha256: sha256.to_owned(),
            reason: error.detail().to_owned(),
            calculation_version: CALCULATION.to_owned(),
            settings: self.fingerprint(),
        }
    }

    /// The SHA-256 of a day's bars and what they give; `None` when there are none.
    async fn day(&self, date: TradingDate) -> Result<Option<(String, Vec<Made>)>> {
        let Some(day) = stored::day(self.store, self.instrument, date).await? else { return Ok(None) };
        let (instrument, settings) = (Arc::clone(self.instrument), Arc::clone(self.settings));
        let sha256 = day.sha256.clone();
        let made = tokio::task::spawn_blocking(move || of_day(&instrument, &settings, date, &day));
        let made = made.await.map_err(|error| Error::internal("computing a profile stopped").caused_by(error))??;
        Ok(Some((sha256, made)))
    }

    /// Puts what was computed into the tables. What became of the refused comes after what became of the withdrawn.
    ///
    /// # Errors
    /// As [`tables::put`].
    pub async fn put(&self, computed: &Computed, now: DateTime<Utc>) -> Result<Exchanged> {
        let symbol = &self.instrument.symbol;
        let refused = computed.refused.iter().map(|refusal| Withdrawal {
            date: refusal.date,
            session: refusal.session,
            grounds: Grounds::Refused(refusal.clone()),
        });
        let withdrawn: Vec<Withdrawal> = computed.withdrawn.iter().cloned().chain(refused).collect();
        tables::exchange(self.store, symbol, self.year, &computed.records, &withdrawn, now).await
    }
}
