//! Prices that jump and come back at once: a misplaced decimal point, a print of another contract. A market that really moves stays
//! where it went for longer than a few bars.

use crate::bars::compact::Kept;

/// A jump is farther than so many median ranges of the day's bars …
pub const JUMP_RANGES: f64 = 10.0;
/// … and farther than this share of the price.
pub const JUMP_SHARE: f64 = 0.02;
/// Bars on each side whose middles tell where the price is; half of them may be wrong themselves.
const AROUND: usize = 5;

/// Places of the bars whose high is above, or whose low is below, where the price is on both sides of them.
pub fn jumps(rows: &[Kept]) -> Vec<usize> {
    let mut ranges: Vec<f64> = rows.iter().map(|kept| kept.row.high - kept.row.low).collect();
    ranges.sort_by(f64::total_cmp);
    let Some(usual) = ranges.get(ranges.len() / 2) else { return Vec::new() };
    let middles: Vec<f64> = rows.iter().map(|kept| (kept.row.high + kept.row.low) / 2.0).collect();
    let jumps = |at: &usize| {
        let before = median(&middles[at.saturating_sub(AROUND)..*at]);
        let after = median(&middles[(at + 1).min(middles.len())..(at + 1 + AROUND).min(middles.len())]);
        let (Some(before), Some(after)) = (before, after) else { return false };
        let far = (JUMP_RANGES * usual).max(JUMP_SHARE * before.abs().max(after.abs()));
        rows[*at].row.high - before.max(after) > far || before.min(after) - rows[*at].row.low > far
    };
    (0..rows.len()).filter(jumps).collect()
}

fn median(middles: &[f64]) -> Option<f64> {
    let mut sorted = middles.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}
