//! Plants defects into one session and writes down what it planted. Called by [`super::generate`]. No two defects touch,
//! so that each can be told apart: every one claims its cells (minute and expiration) and some minutes around them.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, TimeDelta, Utc};

use super::day::{Day, GREEKS, MINUTES_AFTER_CLOSE};
use super::plan::{Cell, Plan};
use super::random::Draws;
use super::snapshot::{Fault, Shape, Snapshot, Spike, Spoilt, scaled};
use super::truth::{Correction, Coverage, DayTruth, Gap, Late, Outlier, Planted, Repeat, WrongDay, gaps};
use crate::market::{Instrument, TradingDate};

const LONGEST_GAP: usize = 12;
const REPEATS: usize = 6;
const CORRECTIONS: usize = 6;
const LATE: usize = 8;
const SPIKES: usize = 8;
const WRONG_DAY: usize = 3;
const TORN: usize = 4;
const HOLES: usize = 4;
const OUTSIDE: usize = 4;
/// A smaller value that jumps is noise to any report.
const LEAST_SPIKE_USD: i64 = 1_000_000;
/// So close to its own expiry a strike's exposure comes and goes within minutes, and no report can judge it.
const UNJUDGED_MINUTES: usize = 90;
/// Minutes on each side that stay clean around a spike, and around everything else.
const AROUND_A_SPIKE: usize = 3;
const AROUND: usize = 2;
const TRIES: usize = 400;

/// What is planted into a session and into the past.
#[derive(Debug)]
pub struct Defects {
    pub plan: Plan,
    pub truth: DayTruth,
    /// A trading date before the run that some lines are misdated into, and what its partition should hold.
    pub misdated: Option<(TradingDate, DayTruth)>,
}

struct Planter<'a> {
    day: &'a Day,
    shape: Shape,
    draws: Draws,
    claimed: BTreeSet<Cell>,
    plan: Plan,
    truth: DayTruth,
}

/// Plants into `day`. Lines are misdated to the latest date whole weeks earlier that lies before `first`, the first date
/// of the run, and is not in `used`.
pub fn plant(
    day: &Day,
    instrument: &Instrument,
    shape: Shape,
    first: TradingDate,
    used: &BTreeSet<TradingDate>,
    draws: Draws,
) -> Defects {
    let mut planter = Planter {
        day,
        shape,
        draws,
        claimed: BTreeSet::new(),
        plan: Plan::default(),
        truth: DayTruth { minutes_expected: day.session.minutes(), ..DayTruth::default() },
    };
    planter.gaps();
    planter.spikes();
    planter.holes();
    planter.late();
    planter.repeats();
    planter.corrections();
    let misdated = planter.wrong_day(instrument, first, used);
    planter.broken();
    planter.outside(instrument);
    planter.count();
    let Planter { plan, truth, .. } = planter;
    Defects { plan, truth, misdated }
}

impl Planter<'_> {
    fn strikes(&self) -> usize {
        self.day.strikes.len()
    }

    /// A cell that no other defect is near, not in the first or last minute; its neighbourhood is taken.
    fn claim(&mut self, around: usize) -> Option<Cell> {
        let inner = self.day.minutes.checked_sub(2 * (around + 1)).filter(|inner| *inner > 0)?;
        for _ in 0..TRIES {
            let expiration = self.draws.below(self.day.expirations.len());
            let minute = around + 1 + self.draws.below(inner);
            let near = minute - around..=minute + around;
            if near.clone().all(|minute| !self.claimed.contains(&(minute, expiration))) {
                self.claimed.extend(near.map(|minute| (minute, expiration)));
                return Some((minute, expiration));
            }
        }
        None
    }

    fn place(&self, (minute, expiration): Cell) -> (DateTime<Utc>, chrono::NaiveDate) {
        (self.day.instant(minute), self.day.expirations[expiration].date)
    }

    fn repeat_at(&self, cell: Cell) -> Repeat {
        let (timestamp, expiration) = self.place(cell);
        Repeat { timestamp, expiration, rows: self.strikes() as u64 }
    }

    /// Two or three runs of minutes without anything, one in each part of the session.
    fn gaps(&mut self) {
        let count = 2 + self.draws.below(2);
        let part = self.day.minutes / count;
        if part < 2 * LONGEST_GAP {
            return;
        }
        for index in 0..count {
            let minutes = 2 + self.draws.below(LONGEST_GAP - 1);
            let start = index * part + AROUND + 1 + self.draws.below(part - minutes - 2 * (AROUND + 1));
            let end = start + minutes;
            self.plan.gaps.push(start..end);
            for minute in start - AROUND - 1..end + AROUND + 1 {
                self.claimed.extend((0..self.day.expirations.len()).map(|expiration| (minute, expiration)));
            }
            let (start, end) = (self.day.instant(start), self.day.instant(end));
            self.truth.planted.gaps.push(Gap { start, end, minutes: minutes as u32 });
        }
    }

    fn spikes(&mut self) {
        for _ in 0..4 * SPIKES {
            if self.truth.outliers.len() == SPIKES {
                break;
            }
            let Some(cell) = self.claim(AROUND_A_SPIKE) else { break };
            self.spike(cell);
        }
        self.truth.outliers.sort_by_key(|outlier| (outlier.timestamp, outlier.expiration));
    }

    /// Spikes one value that is large, and steady over the clean minutes around it.
    fn spike(&mut self, cell: Cell) {
        let (minute, expiration) = cell;
        let expires_today = self.day.expirations[expiration].date == self.day.session.date.naive();
        if expires_today && minute + UNJUDGED_MINUTES >= self.day.session.minutes() as usize {
            return;
        }
        let greek = self.draws.below(GREEKS.len());
        let around: Vec<Vec<i64>> = (minute - AROUND_A_SPIKE..=minute + AROUND_A_SPIKE)
            .map(|minute| {
                let mut rows = Vec::new();
                self.day.exposures(minute, expiration, &mut rows);
                rows.into_iter().map(|row| row[greek]).collect()
            })
            .collect();
        let now = &around[AROUND_A_SPIKE];
        let is_steady = |value: i64, other: i64| {
            value.signum() == other.signum() && value.abs() <= 2 * other.abs() && other.abs() <= 2 * value.abs()
        };
        let candidates: Vec<usize> = (0..now.len())
            .filter(|&strike| now[strike].abs() >= LEAST_SPIKE_USD)
            .filter(|&strike| around.iter().all(|rows| is_steady(now[strike], rows[strike])))
            .collect();
        if candidates.is_empty() {
            return;
        }
        let strike = candidates[self.draws.below(candidates.len())];
        let factor = 40.0 + self.draws.below(61) as f64;
        let spike = Some(Spike { strike, greek, factor });
        self.plan.instead.insert(cell, Snapshot { spike, ..Snapshot::whole(self.day, minute, expiration) });
        let (timestamp, expiration) = self.place(cell);
        self.truth.outliers.push(Outlier {
            timestamp,
            expiration,
            strike: self.day.strikes[strike].price,
            greek: GREEKS[greek].to_owned(),
            value: scaled(now[strike], factor),
            should_be: now[strike],
            factor,
        });
    }

    /// Snapshots of which two strikes in five are missing, side by side.
    fn holes(&mut self) {
        let missing = self.strikes() * 2 / 5;
        if missing == 0 {
            return;
        }
        for _ in 0..HOLES {
            let Some(cell) = self.claim(AROUND) else { break };
            let start = self.draws.below(self.strikes() - missing + 1);
            let hole = start..start + missing;
            self.plan.instead.insert(cell, Snapshot { hole, ..Snapshot::whole(self.day, cell.0, cell.1) });
            let (timestamp, expiration) = self.place(cell);
            let usual = self.strikes() as u64;
            let coverage = Coverage { timestamp, expiration, strikes: usual - missing as u64, usual };
            self.truth.strike_coverage.push(coverage);
        }
        self.truth.strike_coverage.sort_by_key(|coverage| (coverage.timestamp, coverage.expiration));
    }

    /// Snapshots that come five to sixty minutes late, behind a later minute of their expiration.
    fn late(&mut self) {
        for _ in 0..LATE {
            let Some(cell) = self.claim(AROUND) else { break };
            let after = (0..TRIES)
                .map(|_| (cell.0 + 5 + self.draws.below(56), cell.1))
                .find(|after| after.0 < self.day.minutes && !self.claimed.contains(after));
            let Some(after) = after else { continue };
            self.claimed.insert(after);
            self.plan.moved.insert(cell);
            let own = Snapshot::whole(self.day, cell.0, cell.1);
            self.plan.at_end_of.entry(after.0).or_default().push(own);
            let (timestamp, expiration) = self.place(cell);
            let (after, _) = self.place(after);
            let (documents, rows) = (self.shape.documents(self.strikes()), self.strikes() as u64);
            self.truth.planted.late.push(Late { timestamp, expiration, after, documents, rows });
        }
        self.truth.planted.late.sort_by_key(|late| (late.timestamp, late.expiration));
    }

    /// Snapshots repeated exactly, behind all expirations of their minute.
    fn repeats(&mut self) {
        for _ in 0..REPEATS {
            let Some(cell) = self.claim(AROUND) else { break };
            let own = Snapshot::whole(self.day, cell.0, cell.1);
            self.plan.at_end_of.entry(cell.0).or_default().push(own);
            self.truth.planted.repeats.push(self.repeat_at(cell));
        }
        self.truth.planted.repeats.sort_by_key(|repeat| (repeat.timestamp, repeat.expiration));
    }

    /// Snapshots sent again within the minute, a little different; every other one stands before what it corrects.
    fn corrections(&mut self) {
        for index in 0..CORRECTIONS {
            let Some(cell) = self.claim(AROUND) else { break };
            let comes_first = index % 2 == 1;
            let source_time = self.day.instant(cell.0) + TimeDelta::seconds(10 + self.draws.below(46) as i64);
            let scale = 1.0 + self.draws.between(0.002, 0.01);
            let own = Snapshot { at: source_time, scale, ..Snapshot::whole(self.day, cell.0, cell.1) };
            let mut rows = Vec::new();
            own.exposures(self.day, &mut rows);
            let largest = (0..rows.len()).max_by_key(|&strike| rows[strike][0].abs()).unwrap_or(0);
            if comes_first {
                self.plan.before.insert(cell, own);
            } else {
                self.plan.at_end_of.entry(cell.0).or_default().push(own);
            }
            let (timestamp, expiration) = self.place(cell);
            self.truth.planted.corrections.push(Correction {
                timestamp,
                source_time,
                expiration,
                rows: rows.len() as u64,
                comes_first,
                strike: self.day.strikes[largest].price,
                gamma: rows[largest][0],
            });
        }
        self.truth.planted.corrections.sort_by_key(|correction| (correction.timestamp, correction.expiration));
    }

    /// Extra copies stamped whole weeks earlier, at the same time of day.
    fn wrong_day(
        &mut self,
        instrument: &Instrument,
        first: TradingDate,
        used: &BTreeSet<TradingDate>,
    ) -> Option<(TradingDate, DayTruth)> {
        let own = self.day.session.date.naive();
        let (date, session) = (1..=120)
            .filter_map(|weeks| own.checked_sub_days(Days::new(7 * weeks)).map(TradingDate::from))
            .filter(|date| *date < first && !used.contains(date))
            .find_map(|date| instrument.session(date).map(|session| (date, session)))?;
        let mut planted = Planted::default();
        for _ in 0..WRONG_DAY * 4 {
            if planted.wrong_day.len() == WRONG_DAY {
                break;
            }
            let Some(cell) = self.claim(AROUND) else { break };
            let (copy_of, expiration) = self.place(cell);
            let time = copy_of.with_timezone(&self.day.zone).time();
            let Ok(timestamp) = instrument.local_to_utc(date, time) else { continue };
            if !session.contains(timestamp) || instrument.trading_date_of(timestamp) != date {
                continue;
            }
            self.plan.behind.insert(cell, Snapshot { at: timestamp, ..Snapshot::whole(self.day, cell.0, cell.1) });
            planted.wrong_day.push(WrongDay { timestamp, expiration, rows: self.strikes() as u64, copy_of });
        }
        planted.wrong_day.sort_by_key(|wrong| (wrong.timestamp, wrong.expiration));
        let seen: BTreeSet<_> = planted.wrong_day.iter().map(|wrong| wrong.timestamp).collect();
        let rows = planted.wrong_day.iter().map(|wrong| wrong.rows).sum();
        let documents = planted.wrong_day.len() as u64 * self.shape.documents(self.strikes());
        let truth = DayTruth {
            rows,
            rows_in: rows,
            documents,
            minutes_expected: session.minutes(),
            minutes_seen: seen.len() as u32,
            gaps: gaps(&session, &seen),
            planted,
            ..DayTruth::default()
        };
        (!seen.is_empty()).then_some((date, truth))
    }

    /// Torn lines, each right before its whole document, and one extra document with each fault in a field.
    fn broken(&mut self) {
        for _ in 0..TORN {
            let Some(cell) = self.claim(AROUND) else { break };
            let left = self.draws.between(0.3, 0.9);
            // In the flat shape the line that follows is the first strike's.
            let spoilt = Some(Spoilt { fault: Fault::NotJson, strike: 0, left });
            self.plan.before.insert(cell, Snapshot { spoilt, ..Snapshot::whole(self.day, cell.0, cell.1) });
        }
        for fault in Fault::IN_A_FIELD {
            let Some(cell) = self.claim(AROUND) else { break };
            let spoilt = Some(Spoilt { fault, strike: self.draws.below(self.strikes()), left: 1.0 });
            self.plan.behind.insert(cell, Snapshot { spoilt, ..Snapshot::whole(self.day, cell.0, cell.1) });
        }
    }

    /// Snapshots from after the close, where such minutes still belong to this trading date.
    fn outside(&mut self, instrument: &Instrument) {
        let close = self.day.session.minutes() as usize;
        let mut cells = BTreeSet::new();
        for _ in 0..OUTSIDE {
            let minute = close + self.draws.below(MINUTES_AFTER_CLOSE);
            if instrument.trading_date_of(self.day.instant(minute)) == self.day.session.date {
                cells.insert((minute, self.draws.below(self.day.expirations.len())));
            }
        }
        for cell in cells {
            self.plan.at_end.push(Snapshot::whole(self.day, cell.0, cell.1));
            self.truth.planted.outside.push(self.repeat_at(cell));
        }
    }

    /// The totals that follow from what was planted.
    fn count(&mut self) {
        let day = self.day;
        let is_seen = |minute: &usize| !self.plan.gaps.iter().any(|gap| gap.contains(minute));
        let seen: BTreeSet<_> = (0..day.minutes).filter(is_seen).map(|minute| day.instant(minute)).collect();
        let snapshots = seen.len() * day.expirations.len();
        let truth = &mut self.truth;
        let planted = &truth.planted;
        let whole = self.shape.documents(day.strikes.len());
        let missing: u64 = truth.strike_coverage.iter().map(|hole| hole.usual - hole.strikes).sum();
        let extra = planted.repeats.len() + planted.corrections.len() + planted.outside.len();
        truth.duplicates = planted.repeats.iter().map(|repeat| repeat.rows).sum::<u64>()
            + planted.corrections.iter().map(|correction| correction.rows).sum::<u64>();
        truth.outside_session = planted.outside.iter().map(|outside| outside.rows).sum();
        truth.rows_in = ((snapshots + extra) * day.strikes.len()) as u64 - missing;
        truth.rows = truth.rows_in - truth.duplicates;
        truth.documents = match self.shape {
            Shape::Nested => (snapshots + extra) as u64 * whole,
            Shape::Flat => truth.rows_in,
        };
        truth.late_documents = planted.late.iter().map(|late| late.documents).sum();
        truth.minutes_seen = seen.len() as u32;
        truth.gaps = gaps(&day.session, &seen);
    }
}
