//! A computed profile in ticks, with its rows, and how it becomes the record that files and answers show. Made by
//! [`super::compute::profile`]; the drawing reads it.

use chrono::{DateTime, Utc};

use super::compute::Shape;
use super::extremes::Counted;
use super::periods::{Ends, Period};
use super::record::{Bias, CALCULATION, SessionType};
use super::rows::units;
use super::session_record::{Period as LetterRange, Periods, SessionRecord, TpoCounts, letter};
use super::session_shape::Range;
use crate::lake::manifest::Condition;
use crate::market::{Grid, Session, Symbol, Ticks};

/// The reason of a session whose first letter did not trade.
pub const LATE_START: &str = "initial_balance_late";

/// Point of control and value area: the lowest price of their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    pub poc: Ticks,
    pub high: Ticks,
    pub low: Ticks,
}

/// The bars that a profile was made from, as the record tells of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub revision: u32,
    /// Of the bars partition.
    pub sha256: String,
    pub condition: Condition,
    /// Codes, such as `missing_minutes`.
    pub reasons: Vec<String>,
}

/// One session's profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub symbol: Symbol,
    pub session: Session,
    pub grid: Grid,
    pub shape: Shape,
    pub period_minutes: u32,
    /// Up to when it looks; `None` for the whole session.
    pub at: Option<DateTime<Utc>>,
    pub session_type: SessionType,
    pub bias: Bias,
    pub levels: Levels,
    pub range: Range,
    pub ends: Ends,
    pub initial_balance: Range,
    /// Nothing traded in the first letter, so that the initial balance begins later.
    pub initial_balance_is_late: bool,
    /// The lowest prices of the lowest and the highest row of each run, from the top down.
    pub single_prints: Vec<Range>,
    pub poor_high: bool,
    pub poor_low: bool,
    pub tail_high: Option<Range>,
    pub tail_low: Option<Range>,
    pub tpo_counts: Counted,
    pub rotation_factor: i32,
    pub volume: f64,
    /// `None` without volume.
    pub volume_levels: Option<Levels>,
    /// First and last price of the regular hours, where the session has them.
    pub cash: Option<Ends>,
    pub minutes_expected: u32,
    pub minutes_seen: u32,
    /// The lowest price of the lowest row.
    pub lowest_row: Ticks,
    /// TPOs of each row from the lowest up.
    pub row_tpos: Vec<u32>,
    pub(super) row_volumes: Vec<u128>,
    /// Those that traded, in order.
    pub periods: Vec<Period>,
}

impl Profile {
    /// The lowest price of a row, counted from the lowest.
    pub fn row_price(&self, row: usize) -> Ticks {
        Ticks(self.lowest_row.0 + row as i64 * i64::from(self.shape.row_ticks))
    }

    /// The row of a price of this session.
    pub fn row_of(&self, price: Ticks) -> usize {
        ((price.0 - self.lowest_row.0) / i64::from(self.shape.row_ticks)) as usize
    }

    /// Volume of each row from the lowest up, in units.
    pub fn row_volumes(&self) -> Vec<f64> {
        self.row_volumes.iter().map(|&parts| units(parts)).collect()
    }

    /// Ticks beyond the initial balance, upwards and downwards.
    pub fn range_extension(&self) -> (Ticks, Ticks) {
        (self.range.high - self.initial_balance.high, self.initial_balance.low - self.range.low)
    }

    /// Last price of the regular hours over their first, less one; `None` where there are none or the first is not above zero.
    pub fn cash_session_return(&self) -> Option<f64> {
        let ends = self.cash.filter(|ends| ends.open > Ticks(0))?;
        Some(ends.close.0 as f64 / ends.open.0 as f64 - 1.0)
    }

    /// The row of `profiles` and the object of the API.
    pub fn into_record(self, source: &Source) -> SessionRecord {
        let price = |ticks: Ticks| self.grid.price(ticks);
        let pair = |range: Range| [price(range.low), price(range.high)];
        let (up, down) = self.range_extension();
        let volume = self.volume_levels;
        let mut reasons = source.reasons.clone();
        if self.initial_balance_is_late && !reasons.iter().any(|reason| reason == LATE_START) {
            reasons.push(LATE_START.to_owned());
        }
        let letters = self.periods.iter().map(|period| LetterRange {
            letter: letter(period.at),
            high: price(period.high),
            low: price(period.low),
        });
        SessionRecord {
            symbol: self.symbol.clone(),
            date: self.session.date,
            session: self.session.kind,
            calculation_version: CALCULATION.to_owned(),
            revision: source.revision,
            condition: source.condition,
            reasons,
            session_type: self.session_type,
            bias: self.bias,
            value_area_high: price(self.levels.high),
            value_area_low: price(self.levels.low),
            poc: price(self.levels.poc),
            initial_balance_high: price(self.initial_balance.high),
            initial_balance_low: price(self.initial_balance.low),
            session_high: price(self.range.high),
            session_low: price(self.range.low),
            single_prints: self.single_prints.iter().copied().map(pair).collect(),
            poor_high: self.poor_high,
            poor_low: self.poor_low,
            excess_high: self.tail_high.is_some(),
            excess_low: self.tail_low.is_some(),
            tpo_structure: Periods(letters.collect()),
            volume: self.volume,
            cash_session_return: self.cash_session_return(),
            session_open: Some(price(self.ends.open)),
            session_close: Some(price(self.ends.close)),
            opens_at: Some(self.session.open),
            closes_at: Some(self.session.close),
            value_area_method: Some(self.shape.method),
            value_area_share: Some(self.shape.share.to_f64()),
            tick_size: Some(self.grid.tick().to_f64()),
            row_ticks: Some(self.shape.row_ticks),
            tpo_period_minutes: Some(self.period_minutes),
            tpo_counts: Some(TpoCounts {
                total: self.tpo_counts.total,
                above_poc: self.tpo_counts.above_poc,
                below_poc: self.tpo_counts.below_poc,
                value_area: self.tpo_counts.value_area,
            }),
            range_extension_up: Some(price(up)),
            range_extension_down: Some(price(down)),
            tail_high: self.tail_high.map(pair),
            tail_low: self.tail_low.map(pair),
            rotation_factor: Some(self.rotation_factor),
            volume_poc: volume.map(|levels| price(levels.poc)),
            volume_value_area_high: volume.map(|levels| price(levels.high)),
            volume_value_area_low: volume.map(|levels| price(levels.low)),
            minutes_expected: Some(self.minutes_expected),
            minutes_seen: Some(self.minutes_seen),
            at: self.at,
            source_sha256: source.sha256.clone(),
            settings: None,
        }
    }
}
