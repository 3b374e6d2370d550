//! Sessions computed again from the bars of a lake, for audit and migration. Reads the store; blocks, so it is for threads outside
//! of the runtime.

use tokio::runtime::Handle;

use super::checks::{Recompute, Recomputed};
use crate::bars::stored;
use crate::lake::manifest::Condition;
use crate::lake::store::Store;
use crate::market::{Instrument, Session};
use crate::profile::settings::Settings;
use crate::profile::{Question, Shape, profile};
use crate::{ErrorKind, Result};

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
        let degraded = (day.condition != Condition::Available).then(|| {
            let reasons: Vec<String> = day.reasons.iter().map(|reason| reason.code.to_string()).collect();
            if reasons.is_empty() { "not complete".to_owned() } else { reasons.join(", ") }
        });
        Ok(profile.map(|profile| Recomputed { profile, degraded }))
    }

    fn row_ticks(&self) -> u32 {
        self.row_ticks
    }
}
