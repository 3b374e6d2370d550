//! Sessions computed again from the bars of a lake, for audit and migration. Reads the store; blocks, so it is for threads outside
//! of the runtime.

use tokio::runtime::Handle;

use super::checks::{Measure, Recompute, Recomputed};
use super::row_height::RowHeight;
use crate::bars::Bar;
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
    /// Of the archive, and so of what is computed.
    pub rows: RowHeight,
}

impl LakeBars {
    fn made(&self, instrument: &Instrument, session: Session, day: &StoredDay) -> Result<Option<Recomputed>> {
        let within = |bar: &&Bar| {
            let start = bar.start_minute * 60;
            (session.open.timestamp()..session.close.timestamp()).contains(&start)
        };
        let bars = || day.bars.iter().filter(within);
        let (Some(low), Some(high)) = (bars().map(|bar| bar.low).min(), bars().map(|bar| bar.high).max()) else {
            return Ok(None);
        };
        let row_ticks = self.rows.over(instrument, low, high)?;
        let shape = Shape { row_ticks, ..Shape::of(instrument, &self.settings) };
        let question = Question { instrument, session, shape, settings: &self.settings, until: None };
        let profile = profile(&question, &day.bars)?;
        Ok(profile.map(|profile| Recomputed { degraded: doubt(day, &profile), profile, row_ticks }))
    }
}

impl Recompute for LakeBars {
    fn session(&self, instrument: &Instrument, session: Session) -> Result<Measure> {
        let day = self.runtime.block_on(stored::day(&self.store, instrument, session.date))?;
        let Some(day) = day else { return Ok(Measure::Nothing) };
        match self.made(instrument, session, &day) {
            Ok(made) => Ok(made.map_or(Measure::Nothing, |made| Measure::Made(Box::new(made)))),
            // Bars too coarse for its periods, rows too many, or bars in contradiction: no measure of anything.
            Err(error) if error.kind() == ErrorKind::Invalid => Ok(Measure::Refused(error.detail().to_owned())),
            Err(error) => Err(error),
        }
    }

    fn rows(&self) -> RowHeight {
        self.rows
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
