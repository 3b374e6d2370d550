//! Bars of several lengths in one day. Two bars of one moment would count its volume twice: where finer bars cover a coarser one they
//! stand in its place, and where they do not make it up, it stays and they go. Pure.

use std::collections::BTreeMap;

use super::resolve::{Kept, Settled};

/// Settles a day's rows, which are in order; those that go are counted as superseded.
pub(super) fn settle(rows: &mut Vec<Kept>, settled: &mut Settled) {
    let mut lengths: Vec<u16> = rows.iter().map(|kept| kept.row.minutes).collect();
    lengths.sort_unstable();
    lengths.dedup();
    if lengths.len() < 2 {
        return;
    }
    let mut standing: BTreeMap<(i64, u16), Kept> = BTreeMap::new();
    for length in lengths {
        for coarse in rows.iter().filter(|kept| kept.row.minutes == length) {
            let (start, end) = (coarse.row.start_minute, coarse.row.start_minute + i64::from(length));
            let finer: Vec<Kept> = standing
                .range((start, 0)..(end, 0))
                .map(|(_, kept)| *kept)
                .filter(|kept| kept.row.minutes < length && kept.row.start_minute + i64::from(kept.row.minutes) <= end)
                .collect();
            if !finer.is_empty() && makes_up(coarse, &finer) {
                settled.superseded.push(start);
                continue;
            }
            for kept in &finer {
                standing.remove(&(kept.row.start_minute, kept.row.minutes));
                settled.superseded.push(kept.row.start_minute);
            }
            standing.insert((start, length), *coarse);
        }
    }
    settled.superseded.sort_unstable();
    *rows = standing.into_values().collect();
}

/// Whether finer bars cover every minute of a coarser one, or reach as high and as low as it: then what they leave out was not traded.
fn makes_up(coarse: &Kept, finer: &[Kept]) -> bool {
    let covered: u32 = finer.iter().map(|kept| u32::from(kept.row.minutes)).sum();
    let high = finer.iter().map(|kept| kept.row.high).fold(f64::MIN, f64::max);
    let low = finer.iter().map(|kept| kept.row.low).fold(f64::MAX, f64::min);
    covered >= u32::from(coarse.row.minutes) || (high >= coarse.row.high && low <= coarse.row.low)
}
