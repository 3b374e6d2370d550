//! A session's record from its minutes, worked out in the plainest way there is: one row a tick, one period after the other. It
//! shares nothing with the profile engine, so that the two do not share mistakes.

use std::collections::BTreeMap;

use super::super::record::{LegacyPeriod, LegacyRecord};
use super::prices::Minute;
use crate::market::{Grid, Session, Ticks};
use crate::profile::{Bias, SessionType};

/// What the old system did otherwise for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Logic {
    /// Percent of all TPOs in the value area.
    pub value_area_percent: i64,
    /// Periods in the initial balance.
    pub initial_balance_periods: usize,
    /// Whether of several rows with the most TPOs the lowest is taken.
    pub lowest_of_ties: bool,
}

impl Logic {
    pub(super) const RIGHT: Self = Self { value_area_percent: 70, initial_balance_periods: 2, lowest_of_ties: false };
    pub(super) const WRONG: Self = Self { value_area_percent: 68, initial_balance_periods: 1, lowest_of_ties: true };
}

/// The record of a session, as the old API has it.
pub(super) fn record(
    symbol: &str,
    session: &Session,
    minutes: &[Minute],
    period_minutes: usize,
    grid: Grid,
    logic: Logic,
) -> LegacyRecord {
    let periods: Vec<(i64, i64)> = minutes
        .chunks(period_minutes)
        .map(|chunk| {
            let high = chunk.iter().map(|minute| minute.high).max().unwrap_or_default();
            (high, chunk.iter().map(|minute| minute.low).min().unwrap_or_default())
        })
        .collect();
    let high = periods.iter().map(|period| period.0).max().unwrap_or_default();
    let low = periods.iter().map(|period| period.1).min().unwrap_or_default();
    // Price → the periods that traded there.
    let mut rows: BTreeMap<i64, Vec<usize>> = (low..=high).map(|price| (price, Vec::new())).collect();
    for (at, (top, bottom)) in periods.iter().enumerate() {
        for price in *bottom..=*top {
            rows.entry(price).or_default().push(at);
        }
    }
    let tpos = |price: i64| rows.get(&price).map_or(0, |periods| periods.len() as i64);
    let poc = point_of_control(&rows, high, low, logic.lowest_of_ties);
    let (area_high, area_low) = value_area(tpos, poc, high, low, logic.value_area_percent);
    let first = &periods[..logic.initial_balance_periods.min(periods.len())];
    let last = periods.len() - 1;
    let tail = |prices: &mut dyn Iterator<Item = i64>| {
        prices
            .take_while(|price| rows.get(price).is_some_and(|periods| periods.len() == 1 && periods[0] != last))
            .count()
            >= 2
    };
    let price = |ticks: i64| grid.price(Ticks(ticks));
    let (open, close) = (minutes[0].open, minutes[minutes.len() - 1].close);
    let change = ((close as f64 / open as f64 - 1.0) * 10_000.0).round() / 10_000.0;
    let bias = match change {
        up if up > 0.001 => Bias::Up,
        down if down < -0.001 => Bias::Down,
        _ => Bias::Neutral,
    };
    LegacyRecord {
        symbol: Some(symbol.to_owned()),
        date: Some(session.date),
        session: None,
        session_type: Some(shape(high - low, first, high, low)),
        bias: Some(bias),
        value_area_high: Some(price(area_high)),
        value_area_low: Some(price(area_low)),
        poc: Some(price(poc)),
        initial_balance_high: first.iter().map(|period| price(period.0)).reduce(f64::max),
        initial_balance_low: first.iter().map(|period| price(period.1)).reduce(f64::min),
        session_high: Some(price(high)),
        session_low: Some(price(low)),
        single_prints: Some(single_prints(&rows).into_iter().map(|(low, high)| [price(low), price(high)]).collect()),
        poor_high: Some(tpos(high) >= 2),
        poor_low: Some(tpos(low) >= 2),
        excess_high: Some(tail(&mut (low..=high).rev())),
        excess_low: Some(tail(&mut (low..=high))),
        tpo_structure: Some(
            periods
                .iter()
                .enumerate()
                .map(|(at, (high, low))| LegacyPeriod { letter: letter(at), high: price(*high), low: price(*low) })
                .collect(),
        ),
        volume: Some(minutes.iter().map(|minute| minute.volume).sum::<i64>() as f64),
        cash_session_return: Some(change),
    }
}

/// The price with the most TPOs; of several the nearest to the middle of the range, then the higher.
fn point_of_control(rows: &BTreeMap<i64, Vec<usize>>, high: i64, low: i64, lowest_of_ties: bool) -> i64 {
    let most = rows.values().map(Vec::len).max().unwrap_or_default();
    let mut best = None;
    for (price, periods) in rows {
        if periods.len() != most {
            continue;
        }
        let from_middle = (2 * price - high - low).abs();
        best = match best {
            None => Some((*price, from_middle)),
            Some(_) if !lowest_of_ties && from_middle <= best.map_or(i64::MAX, |(_, nearest)| nearest) => {
                Some((*price, from_middle))
            }
            kept => kept,
        };
    }
    best.map_or(low, |(price, _)| price)
}

/// From the point of control on, the neighbour with more TPOs each time, the upper one of equals, until the share is reached.
fn value_area(tpos: impl Fn(i64) -> i64, poc: i64, high: i64, low: i64, percent: i64) -> (i64, i64) {
    let total: i64 = (low..=high).map(&tpos).sum();
    let (mut top, mut bottom, mut held) = (poc, poc, tpos(poc));
    while held * 100 < total * percent {
        let above = if top < high { tpos(top + 1) } else { -1 };
        let below = if bottom > low { tpos(bottom - 1) } else { -1 };
        if above < 0 && below < 0 {
            break;
        }
        if above >= below {
            top += 1;
            held += above;
        } else {
            bottom -= 1;
            held += below;
        }
    }
    (top, bottom)
}

/// Runs of prices at which one period alone traded, from the top down.
fn single_prints(rows: &BTreeMap<i64, Vec<usize>>) -> Vec<(i64, i64)> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for (price, _) in rows.iter().rev().filter(|(_, periods)| periods.len() == 1) {
        match runs.last_mut() {
            Some((low, _)) if *low == price + 1 => *low = *price,
            _ => runs.push((*price, *price)),
        }
    }
    runs
}

/// A session type by the old system's taste; its definitions are not known.
fn shape(range: i64, first: &[(i64, i64)], high: i64, low: i64) -> SessionType {
    let top = first.iter().map(|period| period.0).max().unwrap_or(high);
    let bottom = first.iter().map(|period| period.1).min().unwrap_or(low);
    match (high > top, low < bottom) {
        (false, false) => SessionType::Normal,
        (true, true) => SessionType::Neutral,
        _ if range > 2 * (top - bottom) => SessionType::Trend,
        _ => SessionType::NormalVariation,
    }
}

fn letter(at: usize) -> String {
    crate::profile::session_record::letter(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_of_the_handbook_gives_its_levels() {
        // Rows 5907 to 5920; A trades all of them, each later letter two rows less on either side.
        let ranges = [(5907, 5920), (5908, 5919), (5909, 5918), (5910, 5917), (5911, 5916), (5912, 5915), (5913, 5914)];
        let mut rows: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        for (at, (low, high)) in ranges.into_iter().enumerate() {
            for price in low..=high {
                rows.entry(price).or_default().push(at);
            }
        }
        let poc = point_of_control(&rows, 5920, 5907, false);
        assert_eq!(poc, 5914);
        assert_eq!(point_of_control(&rows, 5920, 5907, true), 5913);
        // 56 TPOs, 70 % of them are 39.2. From 7 at 5914: 5913 (7) 14, 5915 (6) 20, 5912 26, 5916 (5) 31, 5911 36, 5917 (4) 40.
        assert_eq!(value_area(|price| rows[&price].len() as i64, poc, 5920, 5907, 70), (5917, 5911));
        assert_eq!(single_prints(&rows), [(5920, 5920), (5907, 5907)]);
    }
}
