//! How long the bars of a file are, from how far apart they stand. Called by ingest when nobody says it. Pure.

use std::collections::BTreeMap;

use chrono::DateTime;

use super::reading::MOST_MINUTES;
use crate::{Error, Result};

/// So many bars in a row at another distance are no gaps but bars of another length.
const ANOTHER_LENGTH: usize = 20;

/// The most frequent distance of times in minutes, in any order.
///
/// # Errors
/// `Invalid` when there is none, when it is longer than an hour or when some stand at another one; says what to do.
pub fn minutes(mut times: Vec<i64>) -> Result<u16> {
    times.sort_unstable();
    times.dedup();
    let apart: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    apart.iter().for_each(|apart| *counts.entry(*apart).or_default() += 1);
    let Some((&usual, _)) = counts.iter().max_by_key(|(apart, count)| (**count, -**apart)) else {
        return Err(Error::invalid("one bar alone does not tell how long it is: give --interval 1m"));
    };
    let Some(minutes) = u16::try_from(usual).ok().filter(|minutes| *minutes <= MOST_MINUTES) else {
        return Err(Error::invalid(format!(
            "the bars are {usual} minutes apart; bars of one minute to one hour are taken (--interval says otherwise)"
        )));
    };
    let at = |place: usize| DateTime::from_timestamp(times[place] * 60, 0).unwrap_or_default().format("%Y-%m-%d %H:%M");
    if let Some(place) = apart.iter().position(|apart| *apart < usual) {
        return Err(Error::invalid(format!(
            "most bars are {usual} minutes apart, those from {} on are {}: split the file by length of bar, or say with --interval \
             how long all of them are",
            at(place),
            apart[place]
        )));
    }
    let mut place = 0;
    for run in apart.chunk_by(|a, b| a == b) {
        if run[0] != usual && run[0] <= i64::from(MOST_MINUTES) && run.len() >= ANOTHER_LENGTH {
            return Err(Error::invalid(format!(
                "most bars are {usual} minutes apart, {} from {} on are {}: split the file by length of bar, or say with \
                 --interval how long all of them are",
                run.len() + 1,
                at(place),
                run[0]
            )));
        }
        place += run.len();
    }
    Ok(minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_distance_is_the_length() {
        assert_eq!(minutes(vec![10, 5, 0, 15, 15, 500, 505]).unwrap(), 5);
        assert_eq!(minutes((0..24).map(|hour| hour * 60).collect()).unwrap(), 60);
        // Minutes without a trade are no other length.
        assert_eq!(minutes((0..300).filter(|at| at % 7 != 3).collect()).unwrap(), 1);
    }

    #[test]
    fn what_does_not_tell_one_length_is_refused() {
        let mixed: Vec<i64> = (0..100).chain((20..50).map(|at| at * 5)).collect();
        for (times, told) in [
            (vec![], "--interval"),
            (vec![7, 7], "--interval"),
            ((0..9).map(|day| day * 1440).collect(), "1440 minutes apart"),
            (vec![0, 5, 10, 15, 17, 20], "split the file"),
            (mixed, "split the file"),
        ] {
            assert!(minutes(times).unwrap_err().detail().contains(told));
        }
    }
}
