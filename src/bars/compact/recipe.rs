//! What this room tells [`crate::lake::compact`]: which captures make a day of bars, when it is over, what it takes.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::derive::{assemble, last_close};
use super::parsed::{ParsedCapture, parse};
use crate::Result;
use crate::bars::record::{BAR_ROWS, BARS, CALCULATION};
use crate::lake::compact::{Captured, Derived, Parsed, Parts, Recipe};
use crate::lake::dataset::Dataset;
use crate::lake::manifest::{Calculation, CaptureRef};
use crate::market::{Instrument, Instruments, TradingDate};

/// Compacts bars.
#[derive(Debug, Clone, Copy)]
pub struct Bars;

impl Recipe for Bars {
    fn sources(&self) -> &'static [&'static str] {
        &[BARS]
    }

    fn days(&self) -> &'static [&'static Dataset] {
        static DAYS: [&Dataset; 1] = [&BAR_ROWS];
        &DAYS
    }

    fn version(&self) -> &'static str {
        CALCULATION
    }

    /// The last session of the date, whichever it is, is over.
    fn is_closed(&self, instrument: &Instrument, date: TradingDate, now: DateTime<Utc>) -> bool {
        last_close(instrument, date).is_none_or(|close| close <= now)
    }

    /// A capture of a futures day is 30 kB and becomes 1380 rows of 120 bytes, a few times over.
    fn memory_per_byte(&self) -> u64 {
        60
    }

    fn parse(
        &self,
        captured: &Captured,
        date: TradingDate,
        instrument: &Instrument,
        _: &Instruments,
    ) -> Result<Arc<dyn Parsed>> {
        Ok(Arc::new(parse(captured, date, instrument)?))
    }

    fn assemble(
        &self,
        instrument: &Instrument,
        date: TradingDate,
        parts: Parts,
        calculation: &Calculation,
    ) -> Result<Vec<Derived>> {
        Ok(vec![assemble(instrument, date, &parts.of::<ParsedCapture>()?, calculation)?])
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
