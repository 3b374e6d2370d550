//! Price rows of a session, dense from its lowest to its highest: how many periods traded at each, and how much volume. The engine
//! makes them once; every level is read off them.

use super::periods::Period;
use crate::bars::Bar;
use crate::market::Ticks;
use crate::{Error, Result};

/// More rows than this say that the row is far too small, or a price wrong.
pub(super) const MOST: i64 = 100_000;
/// The least common multiple of 1 to 32: a volume counted in parts of it is spread evenly over up to 32 rows without a remainder.
const EVEN: u128 = 144_403_552_893_600;
/// Volume is exact to this part of a unit.
const PARTS: u128 = 100_000_000;
/// A volume up to here is far from overflow, however many rows and bars there are.
const MOST_VOLUME: f64 = 1e15;

/// Where rows lie: every row is `ticks` high and starts at a multiple of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowGrid {
    pub ticks: i64,
    /// The number of the lowest row.
    pub lowest: i64,
    pub count: usize,
}

impl RowGrid {
    /// # Errors
    /// `Invalid` (`too_many_rows`) for a range of more than 100,000 rows.
    pub fn over(low: Ticks, high: Ticks, row_ticks: u32) -> Result<Self> {
        let ticks = i64::from(row_ticks.max(1));
        let (lowest, highest) = (low.0.div_euclid(ticks), high.0.div_euclid(ticks));
        let rows = highest - lowest + 1;
        if rows > MOST {
            return Err(Error::invalid(format!(
                "too_many_rows: the session spans {rows} rows of {ticks} ticks, {MOST} are the most; ask for larger rows, or \
                 look for a wrong price"
            )));
        }
        Ok(Self { ticks, lowest, count: rows as usize })
    }

    pub fn row_of(self, price: Ticks) -> usize {
        (price.0.div_euclid(self.ticks) - self.lowest) as usize
    }

    /// The lowest price of a row.
    pub fn price(self, row: usize) -> Ticks {
        Ticks((self.lowest + row as i64) * self.ticks)
    }
}

/// How many periods traded at each row, and which one where it was one alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TpoRows {
    pub counts: Vec<u32>,
    /// Sum of the periods' numbers: where one period was alone, its number.
    who: Vec<u64>,
}

impl TpoRows {
    /// A period counts once at every row between its low and its high.
    pub fn of(periods: &[Period], grid: RowGrid) -> Self {
        let mut counts = vec![0_u32; grid.count + 1];
        let mut who = vec![0_u64; grid.count + 1];
        for period in periods {
            let (low, high) = (grid.row_of(period.low), grid.row_of(period.high));
            let number = period.at as u64;
            // Steps first, summed up below: a period costs two entries, not one for each row.
            counts[low] = counts[low].wrapping_add(1);
            counts[high + 1] = counts[high + 1].wrapping_sub(1);
            who[low] = who[low].wrapping_add(number);
            who[high + 1] = who[high + 1].wrapping_sub(number);
        }
        for at in 1..grid.count {
            counts[at] = counts[at].wrapping_add(counts[at - 1]);
            who[at] = who[at].wrapping_add(who[at - 1]);
        }
        counts.truncate(grid.count);
        who.truncate(grid.count);
        Self { counts, who }
    }

    /// The period that was alone at the row; `None` where none or several traded.
    pub fn alone(&self, row: usize) -> Option<usize> {
        (self.counts[row] == 1).then(|| self.who[row] as usize)
    }
}

/// Volume by row, in parts that make an even spread exact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VolumeRows {
    pub parts: Vec<u128>,
    /// All volume, in hundred-millionths.
    total: u128,
}

impl VolumeRows {
    /// Every bar's volume spread evenly over the rows from its low to its high. Whole numbers throughout, so that no order of
    /// bars gives other sums.
    ///
    /// # Errors
    /// `Invalid` (`volume_too_large`) above 10^15 units in one bar or in all.
    pub fn of<'b>(bars: impl IntoIterator<Item = &'b Bar>, grid: RowGrid) -> Result<Self> {
        let mut parts = vec![0_u128; grid.count + 1];
        let mut total = 0_u128;
        for bar in bars {
            let hundred_millionths = hundred_millionths(bar.volume)?;
            let (low, high) = (grid.row_of(bar.low), grid.row_of(bar.high));
            let each = hundred_millionths * (EVEN / (high - low + 1) as u128);
            parts[low] = parts[low].wrapping_add(each);
            parts[high + 1] = parts[high + 1].wrapping_sub(each);
            total += hundred_millionths;
            if total > MOST_VOLUME as u128 * PARTS {
                return Err(too_large());
            }
        }
        for at in 1..grid.count {
            parts[at] = parts[at].wrapping_add(parts[at - 1]);
        }
        parts.truncate(grid.count);
        Ok(Self { parts, total })
    }

    /// All volume in units.
    pub fn total(&self) -> f64 {
        in_units(self.total)
    }
}

/// A row's parts as volume.
pub(super) fn units(parts: u128) -> f64 {
    parts as f64 / (EVEN as f64 * PARTS as f64)
}

fn in_units(hundred_millionths: u128) -> f64 {
    if hundred_millionths.is_multiple_of(PARTS) {
        (hundred_millionths / PARTS) as f64
    } else {
        hundred_millionths as f64 / PARTS as f64
    }
}

pub(super) fn hundred_millionths(volume: f64) -> Result<u128> {
    if !(0.0..=MOST_VOLUME).contains(&volume) {
        return Err(too_large());
    }
    // A double holds whole numbers exactly, but not their hundred millionfold.
    Ok(if volume.fract() == 0.0 { volume as u128 * PARTS } else { (volume * PARTS as f64).round() as u128 })
}

fn too_large() -> Error {
    Error::invalid("volume_too_large: more than 10^15 units in one session; give volume in larger units")
}
