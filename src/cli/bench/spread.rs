//! What a series of measurements comes to: its median and its percentiles. Called by every row of the table. Pure.

use std::time::Duration;

/// The middle of the measurements; of an even number the mean of the two in the middle. `None` for none.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 { Some(upper) } else { Some((sorted[middle - 1] + upper) / 2.0) }
}

/// The nearest-rank percentile: the smallest measurement that at least `percent` of all do not exceed. `None` for none.
pub fn percentile(values: impl IntoIterator<Item = f64>, percent: f64) -> Option<f64> {
    let sorted = sorted(values);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// Milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_few() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }

    /// The example of the nearest-rank method that Wikipedia's article "Percentile" works through.
    #[test]
    fn nearest_rank() {
        let scores = [15.0, 20.0, 35.0, 40.0, 50.0];
        let found = [5.0, 30.0, 40.0, 50.0, 100.0].map(|percent| percentile(scores, percent));
        assert_eq!(found, [Some(15.0), Some(20.0), Some(20.0), Some(35.0), Some(50.0)]);
        assert_eq!(percentile([], 50.0), None);
    }
}
