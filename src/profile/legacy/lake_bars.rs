//! Sessions computed again from the bars of a lake, for audit and migration. Reads the store; blocks, so it is for threads outside
//! of the runtime.

use tokio::runtime::Handle;

use super::checks::{Recompute, Recomputed};
use crate::bars::stored::{self, StoredDay};
use crate::lake::manifest::Condition;
use crate::lake::store::Store;
use crate::market::{Instrument, Session};
use crate::profile::settings::Settings;
use crate::profile::{Profile, Question, Shape, profile};
use crate::{ErrorKind, Result};

/// With fewer of a session's minutes its bars are no sure measure.
const ENOUGH_PERCENT: u64 = 99;

/// The bars of one lake.
#[derive(Debug)]
pub struct LakeBars {
    pub store: Store,
    pub runtime: Handle,
    pub settings: Settings,
    /// Of what is computed; the old system's rows were single ticks.
    pub row_ticks: u32,
}

impl Recompute for LakeBars {
    fn session(&self, instrument: &Instrument, session: Session) -> Result<Option<Recomputed>> {
        let day = self.runtime.block_on(stored::day(&self.store, instrument, session.date))?;
        let Some(day) = day else { return Ok(None) };
        let shape = Shape { row_ticks: self.row_ticks, ..Shape::of(instrument, &self.settings) };
        let question = Question { instrument, session, shape, settings: &self.settings, until: None };
        let profile = match profile(&question, &day.bars) {
            Ok(profile) => profile,
            // Bars too coarse for its periods, or in contradiction: no measure of anything.
            Err(error) if error.kind() == ErrorKind::Invalid => {
                tracing::warn!("the bars of {} {} make no profile: {error}", instrument.symbol, session.date);
                None
            }
            Err(error) => return Err(error),
        };
        Ok(profile.map(|profile| Recomputed { degraded: doubt(&day, &profile), profile }))
    }

    fn row_ticks(&self) -> u32 {
        self.row_ticks
    }
}

/// Why the bars of a session are no sure measure: the day is degraded or still open, or minutes of this very session are missing.
fn doubt(day: &StoredDay, profile: &Profile) -> Option<String> {
    if day.condition != Condition::Available {
        let degrading = day.reasons.iter().filter(|reason| reason.degrades);
        let codes: Vec<&str> = degrading.map(|reason| reason.code.as_str()).collect();
        return Some(if codes.is_empty() { day.condition.as_str().to_owned() } else { codes.join(", ") });
    }
    let (seen, expected) = (u64::from(profile.minutes_seen), u64::from(profile.minutes_expected));
    (seen * 100 < expected * ENOUGH_PERCENT).then(|| format!("{seen} of {expected} minutes"))
}
