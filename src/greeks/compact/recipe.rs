//! What this room tells [`crate::lake::compact`]: which captures make a day of exposures, when it is over, what it takes.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::batches;
use super::derive::assemble;
use super::parsed::{ParsedCapture, parse};
use crate::Result;
use crate::greeks::record::{BY_DAY, BY_MINUTE, CALCULATION, CHAINS, GREEKS, STRIKES};
use crate::lake::compact::{Captured, Derived, Parsed, Parts, Recipe, YearTable};
use crate::lake::dataset::Dataset;
use crate::lake::manifest::{Calculation, CaptureRef};
use crate::market::{Instrument, Instruments, TradingDate};

/// Compacts exposures and option chains.
#[derive(Debug, Clone, Copy)]
pub struct Greeks;

impl Recipe for Greeks {
    fn sources(&self) -> &'static [&'static str] {
        &[CHAINS, GREEKS]
    }

    fn days(&self) -> &'static [&'static Dataset] {
        static DAYS: [&Dataset; 2] = [&STRIKES, &BY_MINUTE];
        &DAYS
    }

    fn year_table(&self) -> Option<YearTable> {
        Some(YearTable { dataset: &BY_DAY, rows: batches::days })
    }

    fn version(&self) -> &'static str {
        CALCULATION
    }

    /// The session whose minutes are counted is over.
    fn is_closed(&self, instrument: &Instrument, date: TradingDate, now: DateTime<Utc>) -> bool {
        instrument.session(date).is_none_or(|session| session.close <= now)
    }

    /// A full SPY day's 12 MB take about 260 MB.
    fn memory_per_byte(&self) -> u64 {
        24
    }

    fn parse(
        &self,
        captured: &Captured,
        date: TradingDate,
        instrument: &Instrument,
        instruments: &Instruments,
    ) -> Result<Arc<dyn Parsed>> {
        Ok(Arc::new(parse(captured, date, instrument, instruments, None)?))
    }

    fn assemble(
        &self,
        instrument: &Instrument,
        date: TradingDate,
        parts: Parts,
        calculation: &Calculation,
    ) -> Result<Vec<Derived>> {
        let (rows, minutes) = assemble(instrument, date, parts.of()?, calculation)?;
        Ok(vec![rows, minutes])
    }
}

impl Parsed for ParsedCapture {
    fn capture(&self) -> &CaptureRef {
        &self.capture
    }

    fn bytes(&self) -> u64 {
        self.memory_bytes()
    }
}
