//! Wall-clock times to instants. In autumn a clock shows an hour twice: which of the two a row means is decided by the order of the
//! rows when both hours are there one after the other, and by nothing else. In spring a clock leaves an hour out: a row that claims
//! to be in it is refused.

use std::collections::BTreeMap;

use chrono::{NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::Refusal;
use super::time::Told;

/// Which of the two hours of an autumn night.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Occurrence {
    First,
    Second,
}

/// Minutes from 1970-01-01T00:00Z to a time.
///
/// # Errors
/// `ambiguous_time` for one that the clock shows twice and nothing says which, `nonexistent_time` for one that it never shows,
/// `not_a_time` without a zone.
pub fn minute(told: Told, zone: Option<Tz>, which: Option<Occurrence>) -> Result<i64, Refusal> {
    let time = match told {
        Told::Instant(minute) => return Ok(minute),
        Told::Wall(time) => time,
    };
    let Some(zone) = zone else {
        return Err(Refusal::new("not_a_time", "timestamp", format!("'{time}' has no zone and none was declared")));
    };
    let found = zone.from_local_datetime(&time);
    let instant = match which {
        Some(Occurrence::First) => found.earliest(),
        Some(Occurrence::Second) => found.latest(),
        None if found.earliest() != found.latest() => {
            return Err(Refusal::new(
                "ambiguous_time",
                "timestamp",
                format!(
                    "{zone} clocks show '{time}' twice and the order of the rows does not say which is meant: send the times \
                     with their zone, or in UTC with --tz UTC"
                ),
            ));
        }
        None => found.earliest(),
    };
    instant.map(|instant| instant.timestamp().div_euclid(60)).ok_or_else(|| {
        Refusal::new(
            "nonexistent_time",
            "timestamp",
            format!("{zone} clocks never show '{time}': they go forward across it. Is --tz the zone of this source?"),
        )
    })
}

/// Which of the two hours each row of an autumn night means, as far as the order of the rows tells. `rows` are the times in the
/// order of the source; the answer is by their places.
pub fn occurrences(rows: &[Option<Told>], zone: Tz, minutes: u16) -> BTreeMap<usize, Occurrence> {
    let mut nights: BTreeMap<NaiveDateTime, Vec<(usize, NaiveDateTime)>> = BTreeMap::new();
    let mut lengths: BTreeMap<NaiveDateTime, TimeDelta> = BTreeMap::new();
    for (place, told) in rows.iter().enumerate() {
        if let Some(Told::Wall(time)) = told
            && let Some((change, length)) = shown_twice(*time, zone)
        {
            nights.entry(change).or_default().push((place, *time));
            lengths.insert(change, length);
        }
    }
    if nights.is_empty() {
        return BTreeMap::new();
    }
    let newest_first = goes_backwards(rows);
    let mut found = BTreeMap::new();
    for (change, mut night) in nights {
        if night.windows(2).any(|pair| pair[1].0 - pair[0].0 != 1) {
            continue;
        }
        if newest_first {
            night.reverse();
        }
        let times: Vec<NaiveDateTime> = night.iter().map(|(_, time)| *time).collect();
        if let Some(second) = start_of_second(&times, lengths[&change], TimeDelta::minutes(minutes.into())) {
            for (at, (place, _)) in night.iter().enumerate() {
                found.insert(*place, if at < second { Occurrence::First } else { Occurrence::Second });
            }
        }
    }
    found
}

/// For a time that the clock shows twice: the first such time of that night, and how much is repeated.
fn shown_twice(time: NaiveDateTime, zone: Tz) -> Option<(NaiveDateTime, TimeDelta)> {
    let found = zone.from_local_datetime(&time);
    let (early, late) = (found.earliest()?, found.latest()?);
    let length = late.naive_utc() - early.naive_utc();
    // Whatever the hour is, its night is named by the offset from midnight of the change.
    let day = time.date().and_time(chrono::NaiveTime::MIN);
    (length > TimeDelta::zero() && early.offset().fix() != late.offset().fix()).then_some((day, length))
}

/// Where the second hour begins: the one place at which the times, oldest first, go back by more than half of what is repeated.
fn start_of_second(times: &[NaiveDateTime], length: TimeDelta, bar: TimeDelta) -> Option<usize> {
    if bar >= length {
        return (times.len() == 2).then_some(1);
    }
    let mut second = None;
    for (at, pair) in times.windows(2).enumerate() {
        let back = pair[0] - pair[1];
        if back * 2 >= length {
            if second.replace(at + 1).is_some() {
                return None;
            }
        } else if back > TimeDelta::zero() {
            return None;
        }
    }
    second
}

/// Whether most rows are older than the one before them.
fn goes_backwards(rows: &[Option<Told>]) -> bool {
    let minutes: Vec<i64> = rows.iter().flatten().map(|told| told.minute()).collect();
    let older = minutes.windows(2).filter(|pair| pair[1] < pair[0]).count();
    let newer = minutes.windows(2).filter(|pair| pair[1] > pair[0]).count();
    older > newer
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW_YORK: Tz = Tz::America__New_York;

    fn walls(times: &[&str]) -> Vec<Option<Told>> {
        times.iter().map(|time| Some(Told::Wall(format!("2024-11-03T{time}:00").parse().unwrap()))).collect()
    }

    fn minutes_of(hours: impl Iterator<Item = (u32, u32)>) -> Vec<String> {
        hours.map(|(hour, minute)| format!("{hour:02}:{minute:02}")).collect()
    }

    /// 00:58 to 02:01 of the night with both hours, as a wall clock shows it.
    fn night() -> Vec<String> {
        let hour = |hour: u32| (0..60).map(move |minute| (hour, minute));
        let all = (58..60).map(|minute| (0, minute)).chain(hour(1)).chain(hour(1)).chain((0..2).map(|m| (2, m)));
        minutes_of(all)
    }

    fn resolved(rows: &[Option<Told>], minutes: u16) -> Vec<Result<i64, &'static str>> {
        let which = occurrences(rows, NEW_YORK, minutes);
        let one = |(at, told): (usize, &Option<Told>)| {
            minute(told.unwrap(), Some(NEW_YORK), which.get(&at).copied()).map_err(|refusal| refusal.code)
        };
        rows.iter().enumerate().map(one).collect()
    }

    #[test]
    fn both_hours_in_order_are_told_apart() {
        let night = night();
        let night: Vec<&str> = night.iter().map(String::as_str).collect();
        // 2024-11-03T04:58Z is minute 28843498 (date -d).
        let first = 1_730_609_880 / 60;
        let expected: Vec<_> = (first..first + 124).map(Ok).collect();
        assert_eq!(resolved(&walls(&night), 1), expected);
        let backwards: Vec<&str> = night.iter().rev().copied().collect();
        assert_eq!(resolved(&walls(&backwards), 1), expected.iter().rev().copied().collect::<Vec<_>>());
        // Rows that are missing or there twice do not hide the step.
        let mut thin = night.clone();
        thin.drain(30..40);
        thin.insert(5, thin[5]);
        assert!(resolved(&walls(&thin), 1).iter().all(Result::is_ok));
        // Hours: 00, 01, 01, 02.
        let hours = resolved(&walls(&["00:00", "01:00", "01:00", "02:00"]), 60);
        assert_eq!(hours, (0..4).map(|hour| Ok(first - 58 + hour * 60)).collect::<Vec<_>>());
    }

    #[test]
    fn one_hour_alone_or_rows_in_no_order_are_not_guessed() {
        let once = minutes_of((58..60).map(|m| (0, m)).chain((0..60).map(|m| (1, m))).chain([(2, 0)]));
        let once: Vec<&str> = once.iter().map(String::as_str).collect();
        let outcome = resolved(&walls(&once), 1);
        assert_eq!(outcome.iter().filter(|one| **one == Err("ambiguous_time")).count(), 60);
        assert!(outcome[0].is_ok() && outcome[62].is_ok());
        let mixed = resolved(&walls(&["01:10", "01:40", "01:20", "01:50", "01:05", "01:30"]), 1);
        assert!(mixed.iter().all(|one| *one == Err("ambiguous_time")));
        let thrice = resolved(&walls(&["01:00", "01:59", "01:00", "01:59", "01:00"]), 1);
        assert!(thrice.iter().all(|one| *one == Err("ambiguous_time")));
    }

    #[test]
    fn a_time_that_no_clock_shows_is_refused() {
        let told = Told::Wall("2025-03-09T02:30:00".parse().unwrap());
        assert_eq!(minute(told, Some(NEW_YORK), None).unwrap_err().code, "nonexistent_time");
        assert!(minute(told, Some(Tz::UTC), None).is_ok());
        assert_eq!(minute(told, None, None).unwrap_err().code, "not_a_time");
    }
}
