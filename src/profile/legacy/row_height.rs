//! How high the archive's rows were, for what is computed to be compared with them. Pure; the command line says it, checks and
//! [`super::lake_bars`] ask it.

use crate::Result;
use crate::market::{Instrument, Ticks};
use crate::profile::rows::RowGrid;

/// Said by the user, or single ticks as the old system is known to have had them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowHeight {
    said: Option<u32>,
}

impl RowHeight {
    /// `said` in ticks; `None` when the user did not say.
    pub fn new(said: Option<u32>) -> Self {
        Self { said }
    }

    /// Ticks in a row of a session from `low` to `high`: what was said, else one, else, of a session that has more rows of a tick than
    /// can be computed, the instrument's own. Nobody's old system had a hundred thousand rows either.
    ///
    /// # Errors
    /// `Invalid` (`too_many_rows`) when the rows that were said, or the instrument's own, are too many.
    pub fn over(self, instrument: &Instrument, low: Ticks, high: Ticks) -> Result<u32> {
        let ticks = self.said.unwrap_or(1);
        match RowGrid::over(low, high, ticks) {
            Ok(_) => Ok(ticks),
            Err(error) if self.said.is_some() => Err(error),
            Err(_) => RowGrid::over(low, high, instrument.row_ticks).map(|_| instrument.row_ticks),
        }
    }

    /// Whether `ticks`, from [`Self::over`], are not those that the archive is taken to have.
    pub fn is_other(self, ticks: u32) -> bool {
        ticks != self.said.unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Instruments;

    #[test]
    fn rows_of_a_tick_give_way_where_they_are_too_many() {
        let instruments = Instruments::builtin();
        let coin = instruments.resolve("BTC-USD").unwrap();
        let over = |said, rows: i64| RowHeight::new(said).over(coin, Ticks(0), Ticks(rows - 1));
        // 100,000 rows are the most; BTC-USD's own are of 2,500 ticks.
        assert_eq!(over(None, 100_000).unwrap(), 1);
        assert_eq!(over(None, 100_001).unwrap(), 2500);
        assert_eq!(over(Some(2), 200_000).unwrap(), 2);
        assert!(over(Some(2), 200_001).unwrap_err().detail().starts_with("too_many_rows"));
        assert!(over(Some(1), 100_001).is_err(), "what was said is not changed");
        assert!(over(None, 250_000_001).is_err(), "a price that is wrong");
        assert!(RowHeight::default().is_other(2500) && !RowHeight::new(Some(2500)).is_other(2500));
    }
}
