//! Bars of several lengths in one day. Two bars of one moment would count its volume twice: a bar that any finer one overlaps goes, never
//! the other way round, and what the finer ones leave out stays a gap that is told. Pure.

use super::resolve::{Kept, Settled};

/// Settles a day's rows, which are in order; those that go are counted.
pub(super) fn settle(rows: &mut Vec<Kept>, settled: &mut Settled) {
    let mut lengths: Vec<u16> = rows.iter().map(|kept| kept.row.minutes).collect();
    lengths.sort_unstable();
    lengths.dedup();
    if lengths.len() < 2 {
        return;
    }
    let mut standing: Vec<Kept> = Vec::with_capacity(rows.len());
    for length in lengths {
        let mut alone: Vec<Kept> = Vec::new();
        for coarse in rows.iter().filter(|kept| kept.row.minutes == length) {
            let (start, end) = (coarse.row.start_minute, coarse.row.start_minute + i64::from(length));
            // Whatever stands is finer, so that it begins less than this length before.
            let from = standing.partition_point(|kept| kept.row.start_minute <= start - i64::from(length));
            let mut near = standing[from..].iter().take_while(|kept| kept.row.start_minute < end);
            if near.any(|kept| kept.row.start_minute + i64::from(kept.row.minutes) > start) {
                settled.coarser.push(start);
            } else {
                alone.push(*coarse);
            }
        }
        standing.append(&mut alone);
        standing.sort_by_key(|kept| (kept.row.start_minute, kept.row.minutes));
    }
    settled.coarser.sort_unstable();
    *rows = standing;
}
