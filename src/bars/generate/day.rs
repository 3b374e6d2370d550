//! One trading date of bars: hours outside the regular ones wander thinly, the regular ones follow their day's shape. Called by
//! [`super::days`], once a session in order, so that a day opens where the one before it closed.
//!
//! Volume over the regular hours is U-shaped (Wood, McInish and Ord 1985); a minute is drawn as a few trades, whose first, highest,
//! lowest and last price are its bar.

use libm::{exp, sqrt};

use super::random::Draws;
use super::shape::DayShape;
use crate::bars::record::BarRow;
use crate::market::{Grid, Instrument, Session, SessionKind, Ticks, TradingDate};

const SESSIONS_A_YEAR: f64 = 252.0;
/// Trades that make a bar of one minute.
const TRADES_A_MINUTE: usize = 4;
/// Standard deviation of a night's way, in those of a day.
const NIGHT: f64 = 0.45;
const ALL_DAY_MINUTES: i64 = 1440;

/// What is assumed of an instrument.
#[derive(Debug, Clone, Copy)]
pub(super) struct Assumed {
    pub price: f64,
    /// A year's, as a fraction.
    pub volatility: f64,
    /// Shares or contracts in an average regular minute.
    pub volume: f64,
}

/// The price, in ticks and parts of them, from session to session.
pub(super) struct Walk {
    assumed: Assumed,
    grid: Grid,
    price: f64,
}

/// A generated trading date.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratedDay {
    pub date: TradingDate,
    /// What the regular hours were drawn along.
    pub shape: DayShape,
    /// All sessions, in order; start-stamped and without a gap.
    pub bars: Vec<BarRow>,
}

impl Walk {
    pub fn new(instrument: &Instrument, assumed: Assumed) -> Self {
        Self { assumed, grid: Grid::of(instrument), price: assumed.price / instrument.tick_size.to_f64() }
    }

    /// The date's bars of `minutes` each. The draws are the date's own, so that only the price is handed on.
    pub fn day(&mut self, instrument: &Instrument, whole: Session, minutes: u16, draws: &mut Draws) -> GeneratedDay {
        let shape = DayShape::draw(draws);
        let regular = instrument.session_of_kind(whole.date, SessionKind::Rth).unwrap_or(whole);
        let (open, close) = (whole.open.timestamp() / 60, whole.close.timestamp() / 60);
        let (regular_open, regular_close) = (regular.open.timestamp() / 60, regular.close.timestamp() / 60);
        let daily = self.price * self.assumed.volatility / sqrt(SESSIONS_A_YEAR);
        if regular_open == open && close - open < ALL_DAY_MINUTES {
            // Nobody trades at night: the day opens away from where the last one closed.
            self.price += daily * NIGHT * draws.normal();
        }
        let range = daily * draws.between(0.7, 1.4) * if shape == DayShape::NonTrend { 0.45 } else { 1.0 };
        let up = draws.uniform() < 0.52;
        let mut course = Course { shape, range, up, open: self.price, wander: 0.0 };
        let thin = daily * NIGHT / sqrt((regular_open - open).max(240) as f64);
        let mut ones = Vec::with_capacity(usize::try_from(close - open).unwrap_or_default());
        for minute in open..close {
            let inside = regular_open <= minute && minute < regular_close;
            if minute == regular_open {
                course.open = self.price;
            }
            let share = (minute - regular_open) as f64 / (regular_close - regular_open).max(1) as f64;
            let volume = self.assumed.volume * if inside { unevenness(share) } else { 0.06 };
            let mut bar = Trades::default();
            for trade in 0..TRADES_A_MINUTE {
                if inside {
                    let part = trade as f64 / TRADES_A_MINUTE as f64 / (regular_close - regular_open).max(1) as f64;
                    self.price = course.step(share + part, draws);
                } else {
                    self.price += thin / sqrt(TRADES_A_MINUTE as f64) * draws.normal();
                }
                self.price = self.price.max(1.0);
                bar.take(self.price.round() as i64);
            }
            let volume = (volume * exp(0.5 * draws.normal() - 0.125)).ceil();
            ones.push(self.row(minute, &bar, volume));
        }
        GeneratedDay { date: whole.date, shape, bars: together(&ones, minutes) }
    }

    fn row(&self, start_minute: i64, bar: &Trades, volume: f64) -> BarRow {
        let price = |ticks| self.grid.price(Ticks(ticks));
        BarRow {
            start_minute,
            open: price(bar.first),
            high: price(bar.highest),
            low: price(bar.lowest),
            close: price(bar.last),
            volume,
            minutes: 1,
        }
    }
}

struct Course {
    shape: DayShape,
    /// In ticks.
    range: f64,
    up: bool,
    open: f64,
    /// Away from the course, in ticks.
    wander: f64,
}

impl Course {
    /// The price of the next trade: on the course but for a wandering that is drawn back to it (Ornstein and Uhlenbeck 1930).
    fn step(&mut self, share: f64, draws: &mut Draws) -> f64 {
        self.wander = self.wander * 0.97 + self.range * self.shape.unrest() * 0.24 * draws.normal();
        let on = self.shape.at(share) * self.range;
        self.open + if self.up { on } else { -on } + self.wander
    }
}

/// The trades of one minute, in ticks.
#[derive(Default)]
struct Trades {
    any: bool,
    first: i64,
    highest: i64,
    lowest: i64,
    last: i64,
}

impl Trades {
    fn take(&mut self, ticks: i64) {
        if !self.any {
            *self = Self { any: true, first: ticks, highest: ticks, lowest: ticks, last: ticks };
        }
        self.highest = self.highest.max(ticks);
        self.lowest = self.lowest.min(ticks);
        self.last = ticks;
    }
}

/// Volume at a share of the regular hours, over its mean.
fn unevenness(share: f64) -> f64 {
    let from_middle = 2.0 * share - 1.0;
    0.55 + 1.35 * from_middle * from_middle + if share < 0.02 { 2.0 } else { 0.0 }
}

/// Bars of one minute as bars of `minutes`, counted from the first one.
fn together(ones: &[BarRow], minutes: u16) -> Vec<BarRow> {
    let together = |bars: &[BarRow]| -> Option<BarRow> {
        let (first, last) = (bars.first()?, bars.last()?);
        Some(BarRow {
            high: bars.iter().map(|bar| bar.high).fold(first.high, f64::max),
            low: bars.iter().map(|bar| bar.low).fold(first.low, f64::min),
            close: last.close,
            volume: bars.iter().map(|bar| bar.volume).sum(),
            minutes,
            ..*first
        })
    };
    ones.chunks(usize::from(minutes.max(1))).filter_map(together).collect()
}
