//! Strike-level rows to sums per minute and expiration. Made from the very rows that are published, so that the two
//! datasets always agree; `verify` sums the files again to check.

use std::collections::HashMap;

use super::rows::{Row, SpotSaid};
use crate::market::Session;
use crate::{Error, Result};

/// One minute of one expiration, summed over its strikes. A greek that no strike had is null.
#[derive(Debug, Clone, PartialEq)]
pub struct MinuteSum {
    /// Minutes since 1970-01-01T00:00Z.
    pub minute: i64,
    /// Days since 1970-01-01.
    pub expiration: i32,
    pub spot: Option<f64>,
    pub greeks: [Option<i64>; 3],
    pub strikes: i64,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    total: [i128; 3],
    known: [bool; 3],
    strikes: i64,
}

/// Sums in order of (minute, expiration), over the minutes that `counts` admits: the session's, or all when the day has no
/// others.
///
/// # Errors
/// `Invalid` when a sum does not fit 64 bits; no real exposure comes near.
pub fn by_minute(rows: &[Row], spots: &[SpotSaid], counts: impl Fn(i64) -> bool) -> Result<Vec<MinuteSum>> {
    let mut sums: Vec<MinuteSum> = Vec::new();
    let spots = winning_spots(spots);
    for same_expiration in rows.chunk_by(|a, b| a.expiration() == b.expiration()) {
        let expiration = same_expiration[0].expiration();
        let first = same_expiration.iter().map(Row::minute).min().unwrap_or_default();
        let last = same_expiration.iter().map(Row::minute).max().unwrap_or_default();
        let mut minutes = vec![Sum::default(); usize::try_from(last - first).unwrap_or_default() + 1];
        for row in same_expiration.iter().filter(|row| counts(row.minute())) {
            let sum = &mut minutes[usize::try_from(row.minute() - first).unwrap_or_default()];
            sum.strikes += 1;
            for at in 0..3 {
                if let Some(greek) = row.greek(at) {
                    sum.total[at] += i128::from(greek);
                    sum.known[at] = true;
                }
            }
        }
        for (minute, sum) in (first..).zip(minutes).filter(|(_, sum)| sum.strikes > 0) {
            let mut greeks = [None; 3];
            for (at, greek) in greeks.iter_mut().enumerate() {
                if sum.known[at] {
                    *greek = Some(fits(sum.total[at])?);
                }
            }
            let spot = spots.get(&(minute, expiration)).map(|said| said.spot);
            sums.push(MinuteSum { minute, expiration, spot, greeks, strikes: sum.strikes });
        }
    }
    sums.sort_unstable_by_key(|sum| (sum.minute, sum.expiration));
    Ok(sums)
}

/// Whether a minute (since 1970-01-01T00:00Z) lies in a session.
pub fn is_inside(session: &Session, minute: i64) -> bool {
    session.open.timestamp() / 60 <= minute && minute < session.close.timestamp() / 60
}

/// Of several spots for one minute and expiration the latest by source time, then the one received last.
fn winning_spots(spots: &[SpotSaid]) -> HashMap<(i64, i32), SpotSaid> {
    let mut winners: HashMap<(i64, i32), SpotSaid> = HashMap::with_capacity(spots.len());
    for said in spots {
        let age = |said: &SpotSaid| (said.source_us, said.received_us, said.sequence);
        winners
            .entry((said.minute, said.expiration))
            .and_modify(|best| {
                if age(said) > age(best) {
                    *best = *said;
                }
            })
            .or_insert(*said);
    }
    winners
}

/// A sum as the files hold it.
pub fn fits(sum: i128) -> Result<i64> {
    i64::try_from(sum).map_err(|_| Error::invalid(format!("a sum of exposures, {sum}, does not fit 64 bits")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};

    fn row(expiration: &str, strike: f64, minute: i64, greeks: [Option<i64>; 3]) -> Row {
        let at = DateTime::<Utc>::from_timestamp(minute * 60, 0).unwrap();
        Row::new(expiration.parse().unwrap(), strike, at, at, at, 0, greeks)
    }

    #[test]
    fn sums_strikes_of_a_minute_and_leaves_unknown_greeks_null() {
        let rows = [
            row("2025-01-17", 580.0, 28_949_552, [Some(-3), None, Some(10)]),
            row("2025-01-17", 581.0, 28_949_552, [Some(5), None, None]),
            row("2025-01-17", 581.0, 28_949_554, [None, Some(7), None]),
            row("2025-02-21", 580.0, 28_949_552, [Some(100), Some(1), Some(1)]),
        ];
        let spot = |spot, source_us, sequence| SpotSaid {
            minute: 28_949_552,
            expiration: 20_105,
            source_us,
            received_us: 0,
            sequence,
            spot,
        };
        let sums = by_minute(&rows, &[spot(588.0, 2, 0), spot(587.0, 1, 1), spot(588.5, 2, 2)], |_| true).unwrap();
        let expected = [
            (28_949_552, 20_105, Some(588.5), [Some(2), None, Some(10)], 2),
            (28_949_552, 20_140, None, [Some(100), Some(1), Some(1)], 1),
            (28_949_554, 20_105, None, [None, Some(7), None], 1),
        ]
        .map(|(minute, expiration, spot, greeks, strikes)| MinuteSum {
            minute,
            expiration,
            spot,
            greeks,
            strikes,
        });
        assert_eq!(sums, expected);
    }

    #[test]
    fn minutes_that_do_not_count_have_no_sum() {
        let rows = [
            row("2025-01-17", 580.0, 28_949_552, [Some(1), None, None]),
            row("2025-01-17", 580.0, 28_949_553, [Some(2), None, None]),
        ];
        let sums = by_minute(&rows, &[], |minute| minute == 28_949_553).unwrap();
        assert_eq!(sums.iter().map(|sum| (sum.minute, sum.greeks[0])).collect::<Vec<_>>(), [(28_949_553, Some(2))]);
    }

    #[test]
    fn a_sum_beyond_64_bits_is_an_error_and_not_a_wrong_number() {
        let rows: Vec<Row> = (1..=1100)
            .map(|strike| row("2025-01-17", f64::from(strike), 28_949_552, [Some(9_000_000_000_000_000), None, None]))
            .collect();
        assert_eq!(by_minute(&rows, &[], |_| true).unwrap_err().kind(), crate::ErrorKind::Invalid);
    }
}
