//! What every check looks at: a record, whose session it is, and its prices on the instrument's grid.

use super::super::record::LegacyRecord;
use super::super::shapes::place;
use crate::market::{Grid, Instrument, Session, Ticks};
use crate::profile::periods::Period;
use crate::profile::session_record;

/// A record that is about to be checked.
#[derive(Debug)]
pub struct Subject<'a> {
    pub record: &'a LegacyRecord,
    pub instrument: &'a Instrument,
    pub session: Session,
    pub grid: Grid,
}

impl<'a> Subject<'a> {
    pub fn new(record: &'a LegacyRecord, instrument: &'a Instrument, session: Session) -> Self {
        Self { record, instrument, session, grid: Grid::of(instrument) }
    }

    /// The number of periods that the calendar gives the session.
    pub fn expected_periods(&self) -> usize {
        self.session.minutes().div_ceil(self.instrument.tpo_period_minutes.max(1)) as usize
    }

    /// Letters of the session that the record has no period for.
    pub fn missing_letters(&self) -> Vec<String> {
        let has = |letter: &String| self.record.tpo_structure.iter().flatten().any(|period| period.letter == *letter);
        (0..self.expected_periods()).map(session_record::letter).filter(|letter| !has(letter)).collect()
    }

    /// Letters of the record that the session does not have.
    pub fn unexpected_letters(&self) -> Vec<&'a str> {
        let periods = self.record.tpo_structure.iter().flatten();
        let expected = self.expected_periods();
        periods.map(|period| period.letter.as_str()).filter(|letter| place(letter) >= expected).collect()
    }

    /// High and low with the greater one first, so that one mistake is one finding.
    pub fn ordered(high: Option<f64>, low: Option<f64>) -> Option<(f64, f64)> {
        high.zip(low).map(|(high, low)| (high.max(low), high.min(low)))
    }

    /// High and low of the session.
    pub fn range(&self) -> Option<(f64, f64)> {
        Self::ordered(self.record.session_high, self.record.session_low)
    }

    pub fn ticks(&self, price: f64) -> Option<Ticks> {
        self.grid.ticks(price).map(|on| on.ticks)
    }

    /// The record's periods in ticks; `None` when there are none, or one is no price.
    pub fn periods(&self) -> Option<Vec<Period>> {
        let periods = self.record.tpo_structure.as_ref().filter(|periods| !periods.is_empty())?;
        let period = |period: &super::super::record::LegacyPeriod| {
            Some(Period { at: place(&period.letter), high: self.ticks(period.high)?, low: self.ticks(period.low)? })
        };
        periods.iter().map(period).collect()
    }

    /// The periods, when all of the session are there and no other.
    pub fn all_periods(&self) -> Option<Vec<Period>> {
        let complete = self.missing_letters().is_empty() && self.unexpected_letters().is_empty();
        self.periods().filter(|_| complete)
    }
}
