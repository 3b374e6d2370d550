//! Statistics of a day's total exposures: an exposure is a level, so a day has an open, a close, extremes and a mean, and
//! never a sum over time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::rollup::{MinuteSum, fits};
use super::rows::Row;
use crate::Result;

/// One greek's day, over the totals of each minute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Level {
    pub open: i64,
    pub close: i64,
    pub min: i64,
    pub max: i64,
    pub mean: f64,
    pub min_at: DateTime<Utc>,
    pub max_at: DateTime<Utc>,
}

/// The row of `greeks_by_day`, less date and minutes, which the manifest has already.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DayStatistics {
    pub spot_open: Option<f64>,
    pub spot_close: Option<f64>,
    pub gamma: Option<Level>,
    pub vanna: Option<Level>,
    pub charm: Option<Level>,
    /// Where gamma cumulated from the lowest strike changes sign at the last minute; of several the nearest to spot.
    pub gamma_flip_strike: Option<f64>,
    /// The strike with the largest gamma at the last minute, the lower one of two.
    pub gamma_top_strike: Option<f64>,
    /// The strike with the smallest gamma at the last minute, the lower one of two.
    pub gamma_bottom_strike: Option<f64>,
}

impl DayStatistics {
    pub fn levels(&self) -> [&Option<Level>; 3] {
        [&self.gamma, &self.vanna, &self.charm]
    }
}

/// Statistics over the day's minute sums, which are in order; `rows` are the strike level that they were made from.
pub fn statistics(sums: &[MinuteSum], rows: &[Row]) -> Result<DayStatistics> {
    let admitted: Vec<&[MinuteSum]> = sums.chunk_by(|a, b| a.minute == b.minute).collect();
    let spots = || admitted.iter().filter_map(|minute| minute.iter().find_map(|sum| sum.spot));
    let mut statistics = DayStatistics {
        spot_open: spots().next(),
        spot_close: spots().next_back(),
        gamma: level(&admitted, 0)?,
        vanna: level(&admitted, 1)?,
        charm: level(&admitted, 2)?,
        ..DayStatistics::default()
    };
    if let Some(last) = admitted.last() {
        let spot = last.iter().find_map(|sum| sum.spot);
        let gamma = gamma_by_strike(rows, last[0].minute);
        statistics.gamma_flip_strike = flip(&gamma, spot);
        statistics.gamma_top_strike = best(&gamma, |value, best| value > best);
        statistics.gamma_bottom_strike = best(&gamma, |value, best| value < best);
    }
    Ok(statistics)
}

fn level(minutes: &[&[MinuteSum]], at: usize) -> Result<Option<Level>> {
    let mut totals = Vec::with_capacity(minutes.len());
    for minute in minutes {
        let known: Vec<i128> = minute.iter().filter_map(|sum| sum.greeks[at]).map(i128::from).collect();
        if !known.is_empty() {
            totals.push((minute[0].minute, fits(known.iter().sum())?));
        }
    }
    let (Some(&(_, open)), Some(&(_, close))) = (totals.first(), totals.last()) else { return Ok(None) };
    let (mut lowest, mut highest) = (totals[0], totals[0]);
    for &(minute, total) in &totals {
        if total < lowest.1 {
            lowest = (minute, total);
        }
        if total > highest.1 {
            highest = (minute, total);
        }
    }
    let sum: i128 = totals.iter().map(|(_, total)| i128::from(*total)).sum();
    Ok(Some(Level {
        open,
        close,
        min: lowest.1,
        max: highest.1,
        mean: sum as f64 / totals.len() as f64,
        min_at: instant(lowest.0),
        max_at: instant(highest.0),
    }))
}

fn instant(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minute * 60, 0).unwrap_or_default()
}

/// Gamma of one minute by strike, summed over expirations, from the lowest strike up; strikes without gamma left out.
fn gamma_by_strike(rows: &[Row], minute: i64) -> Vec<(f64, i128)> {
    let mut by_strike: BTreeMap<u64, i128> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.minute() == minute) {
        if let Some(gamma) = row.greek(0) {
            *by_strike.entry(row.strike().to_bits()).or_default() += i128::from(gamma);
        }
    }
    by_strike.into_iter().map(|(strike, gamma)| (f64::from_bits(strike), gamma)).collect()
}

/// Without a spot, several flips have no nearest one: then there is no answer rather than an arbitrary one.
fn flip(gamma: &[(f64, i128)], spot: Option<f64>) -> Option<f64> {
    let mut cumulated = 0i128;
    let mut sign = 0;
    let mut flips = Vec::new();
    for (strike, value) in gamma {
        cumulated += value;
        let now = cumulated.signum();
        if now != 0 {
            if sign != 0 && now != sign {
                flips.push(*strike);
            }
            sign = now;
        }
    }
    match (flips.as_slice(), spot) {
        ([only], _) => Some(*only),
        (flips, Some(spot)) => flips.iter().copied().min_by(|a, b| (a - spot).abs().total_cmp(&(b - spot).abs())),
        _ => None,
    }
}

fn best(gamma: &[(f64, i128)], better: impl Fn(i128, i128) -> bool) -> Option<f64> {
    let (mut strike, mut value) = *gamma.first()?;
    for &(at, candidate) in gamma {
        if better(candidate, value) {
            (strike, value) = (at, candidate);
        }
    }
    Some(strike)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(minute: i64, expiration: i32, spot: Option<f64>, gamma: i64) -> MinuteSum {
        MinuteSum { minute, expiration, spot, greeks: [Some(gamma), None, Some(-gamma)], strikes: 1 }
    }

    #[test]
    fn levels_are_taken_over_the_totals_of_each_minute() {
        let sums = [
            sum(100, 1, None, 10),
            sum(100, 2, Some(590.0), -30),
            sum(101, 1, Some(591.0), 40),
            sum(102, 1, Some(592.0), 7),
        ];
        let day = statistics(&sums, &[]).unwrap();
        let gamma = day.gamma.unwrap();
        assert_eq!((gamma.open, gamma.close, gamma.min, gamma.max), (-20, 7, -20, 40));
        assert_eq!(gamma.mean, 9.0);
        assert_eq!(gamma.max_at, instant(101));
        assert_eq!((day.spot_open, day.spot_close), (Some(590.0), Some(592.0)));
        assert_eq!(day.vanna, None);
        assert_eq!(day.charm.unwrap().max, 20);
    }

    #[test]
    fn gamma_flips_where_the_running_sum_changes_sign() {
        // running sums: -5, -2, 3, 1, -4: flips at 102 and 104
        let gamma = [(100.0, -5), (101.0, 3), (102.0, 5), (103.0, -2), (104.0, -5)];
        assert_eq!(flip(&gamma, Some(102.5)), Some(102.0));
        assert_eq!(flip(&gamma, Some(110.0)), Some(104.0));
        assert_eq!(flip(&gamma, None), None);
        assert_eq!(flip(&gamma[..4], None), Some(102.0));
        assert_eq!(flip(&[(1.0, 5), (2.0, -5), (3.0, 1)], None), None, "touching zero is not changing sign");
    }

    #[test]
    fn the_lower_of_two_equal_strikes_is_named() {
        let gamma = [(100.0, 2), (101.0, 9), (102.0, 9), (103.0, -4), (104.0, -4)];
        assert_eq!(best(&gamma, |value, best| value > best), Some(101.0));
        assert_eq!(best(&gamma, |value, best| value < best), Some(103.0));
        assert_eq!(best(&[], |value, best| value > best), None);
    }
}
