//! Session type and bias: a session's shape put into one of seven words, and which side won it. Called by the engine with what it
//! has measured; every threshold comes from the settings.

use super::extremes::runs_of;
use super::periods::{Ends, Period};
use super::record::{Bias, SessionType};
use super::settings::Settings;
use crate::market::Ticks;

/// A range of prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub low: Ticks,
    pub high: Ticks,
}

impl Range {
    pub fn ticks(self) -> i64 {
        self.high.0 - self.low.0
    }
}

/// What type and bias are read off.
pub(super) struct Measured<'m> {
    pub range: Range,
    pub initial_balance: Range,
    pub ends: Ends,
    /// Ticks of one of the instrument's own rows, whatever rows the profile has.
    pub own_row: i64,
    /// How many periods traded.
    pub periods: usize,
    pub counts: &'m [u32],
    /// The rows in which the session opened and closed.
    pub open_row: usize,
    pub close_row: usize,
    pub rotation: i32,
}

/// Which way a session went beyond its initial balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extended {
    Neither,
    Up,
    Down,
    Both,
}

impl Measured<'_> {
    fn extended(&self, settings: &Settings) -> Extended {
        let least = (i64::from(settings.session_type.extension_rows) * self.own_row).max(1);
        let up = self.range.high.0 - self.initial_balance.high.0 >= least;
        let down = self.initial_balance.low.0 - self.range.low.0 >= least;
        match (up, down) {
            (false, false) => Extended::Neither,
            (true, false) => Extended::Up,
            (false, true) => Extended::Down,
            (true, true) => Extended::Both,
        }
    }

    /// Whether the close lies in the outer `share` of the range, and on which side; the upper one when both are true.
    fn closed_outside(&self, share: super::share::Share) -> Bias {
        let range = self.range.ticks() as u128;
        let outer = |from_end: i64| (from_end as u128) * 1_000_000 <= range * u128::from(share.millionths());
        if range == 0 {
            Bias::Neutral
        } else if outer(self.range.high.0 - self.ends.close.0) {
            Bias::Up
        } else if outer(self.ends.close.0 - self.range.low.0) {
            Bias::Down
        } else {
            Bias::Neutral
        }
    }

    /// The most periods at one of these rows.
    fn widest(&self, rows: std::ops::Range<usize>) -> u128 {
        u128::from(self.counts[rows].iter().copied().max().unwrap_or(0))
    }

    /// Whether rows that hardly traded part the session into two balances, with the open in one and the close in the other.
    fn has_two_distributions(&self, settings: &Settings) -> bool {
        let kind = &settings.session_type;
        let total: u128 = self.counts.iter().map(|&count| u128::from(count)).sum();
        let is_distribution = |rows: std::ops::Range<usize>| {
            let held = self.counts[rows.clone()].iter().map(|&count| u128::from(count)).sum();
            kind.distribution_share.is_reached(held, total)
                && kind.distribution_width.is_reached(self.widest(rows), self.periods as u128)
        };
        runs_of(self.counts, |count| count <= 1).into_iter().any(|run| {
            let between = (self.open_row < run.low && self.close_row > run.high)
                || (self.close_row < run.low && self.open_row > run.high);
            run.rows() >= kind.separation_rows as usize
                && between
                && is_distribution(0..run.low)
                && is_distribution(run.high + 1..self.counts.len())
        })
    }
}

/// The type of a session; the first of these that fits, in this order: non-trend, neutral (extreme), double distribution, trend,
/// normal, normal variation.
pub(super) fn session_type(measured: &Measured<'_>, settings: &Settings) -> SessionType {
    let kind = &settings.session_type;
    let range = measured.range.ticks();
    if range <= i64::from(kind.non_trend_rows) * measured.own_row {
        return SessionType::NonTrend;
    }
    let closed = measured.closed_outside(kind.extreme_close);
    let side = match measured.extended(settings) {
        Extended::Both if closed == Bias::Neutral => return SessionType::Neutral,
        Extended::Both => return SessionType::NeutralExtreme,
        Extended::Neither => return SessionType::Normal,
        Extended::Up => Bias::Up,
        Extended::Down => Bias::Down,
    };
    let balance = measured.initial_balance.ticks();
    let is_wide = range * 100 >= balance * i64::from(kind.trend_range_percent);
    if is_wide && closed == side {
        if measured.has_two_distributions(settings) {
            return SessionType::DoubleDistributionTrend;
        }
        let widest = measured.widest(0..measured.counts.len());
        if widest * 1_000_000 <= measured.periods as u128 * u128::from(kind.trend_width.millionths()) {
            return SessionType::Trend;
        }
    }
    if kind.normal_share.is_reached(balance as u128, range as u128) {
        SessionType::Normal
    } else {
        SessionType::NormalVariation
    }
}

/// Which side won. A trend's is the side it went to, a neutral extreme's the side it closed at; a session without direction has
/// none; of the others four votes are counted: close against open, where the close lies, range extension, rotation factor.
pub(super) fn bias(measured: &Measured<'_>, kind: SessionType, settings: &Settings) -> Bias {
    let extended = match measured.extended(settings) {
        Extended::Up => Bias::Up,
        Extended::Down => Bias::Down,
        Extended::Neither | Extended::Both => Bias::Neutral,
    };
    match kind {
        SessionType::NonTrend | SessionType::Neutral => return Bias::Neutral,
        SessionType::Trend | SessionType::DoubleDistributionTrend => return extended,
        SessionType::NeutralExtreme => return measured.closed_outside(settings.session_type.extreme_close),
        SessionType::Normal | SessionType::NormalVariation => {}
    }
    let thresholds = &settings.bias;
    let moved = measured.ends.close.0 - measured.ends.open.0;
    let least = thresholds.move_share.of(measured.range.ticks() as u128).max(1);
    let rotated = i64::from(measured.rotation);
    let votes = [
        signed(moved, i64::try_from(least).unwrap_or(i64::MAX)),
        measured.closed_outside(thresholds.close_share),
        extended,
        signed(rotated, i64::from(thresholds.rotation)),
    ];
    let lead: i64 = votes.into_iter().map(|vote| i64::from(vote == Bias::Up) - i64::from(vote == Bias::Down)).sum();
    signed(lead, i64::from(thresholds.lead))
}

/// The direction of a number, neutral below `least` either way.
fn signed(number: i64, least: i64) -> Bias {
    match number {
        up if up >= least => Bias::Up,
        down if down <= -least => Bias::Down,
        _ => Bias::Neutral,
    }
}

/// Half-hour auctions compared with the one before: a higher high and a higher low count one each, lower ones minus one each.
pub(super) fn rotation_factor(periods: &[Period]) -> i32 {
    let sign = |now: Ticks, before: Ticks| (now.0 - before.0).signum() as i32;
    periods.windows(2).map(|pair| sign(pair[1].high, pair[0].high) + sign(pair[1].low, pair[0].low)).sum()
}
