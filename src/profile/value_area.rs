//! The point of control and the value area of a row of numbers, whether those are TPOs or volume. Rows are counted from the lowest
//! price up; what a row's price is, the caller knows.

use super::record::ValueAreaMethod;
use super::share::Share;

/// A run of rows around the point of control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueArea {
    /// Its lowest and its highest row.
    pub low: usize,
    pub high: usize,
    /// What its rows hold together.
    pub held: u128,
}

/// The row with the most; of several the one nearest the middle of all rows, of two equally near the higher one. `None` when every
/// row is empty.
pub fn point_of_control<T: Copy + Into<u128>>(rows: &[T]) -> Option<usize> {
    // Twice the distance from the middle, so that it is whole.
    let from_middle = |at: usize| (2 * at + 1).abs_diff(rows.len());
    let mut best: Option<(usize, u128)> = None;
    for (at, held) in rows.iter().map(|&row| row.into()).enumerate() {
        let wins = match best {
            None => held > 0,
            Some((other, most)) => held > most || (held == most && from_middle(at) <= from_middle(other)),
        };
        if wins {
            best = Some((at, held));
        }
    }
    best.map(|(at, _)| at)
}

/// Grows from `poc` until it holds at least `share` of everything.
///
/// One-row takes the larger neighbour, two-row the larger sum of the next two rows; equal ones go up. A side that has fewer rows
/// left offers what it has, and where none is left the other side goes on.
pub fn value_area<T: Copy + Into<u128>>(rows: &[T], poc: usize, share: Share, method: ValueAreaMethod) -> ValueArea {
    let sum = |rows: &[T]| -> u128 { rows.iter().map(|&row| row.into()).sum() };
    let target = share.of(sum(rows));
    let step = match method {
        ValueAreaMethod::OneRow => 1,
        ValueAreaMethod::TwoRow => 2,
    };
    let (mut low, mut high, mut held) = (poc, poc, rows[poc].into());
    while held < target {
        let above = &rows[high + 1..rows.len().min(high + 1 + step)];
        let below = &rows[low.saturating_sub(step)..low];
        let (up, down) = (sum(above), sum(below));
        if !above.is_empty() && (below.is_empty() || up >= down) {
            high += above.len();
            held += up;
        } else {
            low -= below.len();
            held += down;
        }
    }
    ValueArea { low, high, held }
}
