//! The rows of one day while it is compacted: what captures said, sorted, each (expiration, strike, minute) once. Pure.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use rayon::prelude::*;

use crate::lake::journal::Note;
use crate::lake::manifest::CaptureRef;
use crate::market::TradingDate;

use super::formula::FormulaReport;

/// One strike of one minute as one document said it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// (expiration, strike, minute) in the order of the file, in one comparable number.
    key: u128,
    source_us: i64,
    received_us: i64,
    /// Place among all documents of the day's captures, captures in order of their ids.
    sequence: u32,
    known: u8,
    greeks: [i64; 3],
}

impl Row {
    pub fn new(
        expiration: TradingDate,
        strike: f64,
        minute: DateTime<Utc>,
        source: DateTime<Utc>,
        received: DateTime<Utc>,
        sequence: u32,
        greeks: [Option<i64>; 3],
    ) -> Self {
        let known = greeks.iter().enumerate().fold(0, |mask, (at, greek)| mask | (u8::from(greek.is_some()) << at));
        Self {
            key: key(expiration.days_since_epoch(), strike, minute.timestamp() / 60),
            source_us: source.timestamp_micros(),
            received_us: received.timestamp_micros(),
            sequence,
            known,
            greeks: greeks.map(Option::unwrap_or_default),
        }
    }

    /// Days since 1970-01-01.
    pub fn expiration(&self) -> i32 {
        (self.key >> 96) as i32
    }

    pub fn strike(&self) -> f64 {
        f64::from_bits((self.key >> 32) as u64)
    }

    /// Minutes since 1970-01-01T00:00Z.
    pub fn minute(&self) -> i64 {
        i64::from(self.key as u32)
    }

    pub fn greek(&self, at: usize) -> Option<i64> {
        (self.known & (1 << at) != 0).then_some(self.greeks[at])
    }

    /// Expiration and strike together: rows of one series stand next to each other.
    pub fn series(&self) -> u128 {
        self.key >> 32
    }
}

/// Positive floats order like their bits and expirations are after 1970, so that one integer orders like the file.
fn key(expiration: i32, strike: f64, minute: i64) -> u128 {
    (u128::from(expiration as u32) << 96) | (u128::from(strike.to_bits()) << 32) | u128::from(minute as u32)
}

/// The spot that a document gave for its minute and expiration.
#[derive(Debug, Clone, Copy)]
pub struct SpotSaid {
    pub minute: i64,
    pub expiration: i32,
    pub source_us: i64,
    pub received_us: i64,
    pub sequence: u32,
    pub spot: f64,
}

/// Where a document stood in its capture, for judging whether it came late.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub minute: i64,
    pub expiration: i32,
    /// Bits of the first strike: tells the documents of one minute apart when each holds one strike.
    pub first_strike: u64,
}

/// Everything the captures of one day said.
#[derive(Debug, Default)]
pub struct Said {
    pub rows: Vec<Row>,
    pub spots: Vec<SpotSaid>,
    pub notes: Vec<Note>,
    pub captures: Vec<CaptureRef>,
    pub formulas: Vec<FormulaReport>,
    pub documents: u64,
    pub late_documents: u64,
}

/// The rows of the day, each (expiration, strike, minute) once, in the order of the file.
#[derive(Debug)]
pub struct Sorted {
    pub rows: Vec<Row>,
    /// Rows that another row of the same minute superseded.
    pub duplicates: u64,
}

/// Sorts and keeps, of several rows for one (minute, expiration, strike), the one with the latest source time, then the one
/// received last.
pub fn sort(mut rows: Vec<Row>) -> Sorted {
    let before = rows.len();
    // Stable, and ascending within a key: the winner is the last of its run.
    rows.par_sort_by_key(|row| (row.key, row.source_us, row.received_us, row.sequence));
    let mut kept = 0;
    for at in 0..rows.len() {
        if rows.get(at + 1).is_none_or(|next| next.key != rows[at].key) {
            rows[kept] = rows[at];
            kept += 1;
        }
    }
    rows.truncate(kept);
    Sorted { duplicates: (before - kept) as u64, rows }
}

/// Documents of one capture that came after a later minute of their expiration, and were not said before.
///
/// When more than a tenth of a capture is out of order it was not written in order of time, and lateness says nothing.
pub fn late(arrivals: &[Arrival]) -> u64 {
    let mut latest: Vec<(i32, i64)> = Vec::new();
    let mut suspects = Vec::new();
    for (at, arrival) in arrivals.iter().enumerate() {
        match latest.iter_mut().find(|(expiration, _)| *expiration == arrival.expiration) {
            Some((_, minute)) if arrival.minute < *minute => suspects.push(at),
            Some((_, minute)) => *minute = arrival.minute,
            None => latest.push((arrival.expiration, arrival.minute)),
        }
    }
    if suspects.is_empty() || suspects.len() * 10 > arrivals.len() {
        return 0;
    }
    let said = |at: &usize| (arrivals[*at].minute, arrivals[*at].expiration, arrivals[*at].first_strike);
    let wanted: HashSet<_> = suspects.iter().map(said).collect();
    let mut first_said = HashSet::new();
    let mut repeated = HashSet::new();
    let mut next_suspect = suspects.iter().peekable();
    for (at, arrival) in arrivals.iter().enumerate() {
        let this = (arrival.minute, arrival.expiration, arrival.first_strike);
        let is_suspect = next_suspect.next_if(|suspect| **suspect == at).is_some();
        if wanted.contains(&this) && !first_said.insert(this) && is_suspect {
            repeated.insert(at);
        }
    }
    (suspects.len() - repeated.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
    }

    fn row(strike: f64, source: &str, received: &str, sequence: u32, gamma: i64) -> Row {
        let source = instant(source);
        let minute = crate::market::floor_minute(source);
        Row::new(
            "2025-01-17".parse().unwrap(),
            strike,
            minute,
            source,
            instant(received),
            sequence,
            [Some(gamma), None, Some(0)],
        )
    }

    #[test]
    fn a_row_gives_back_what_went_in() {
        let row = row(587.35, "2025-01-15T14:32:41Z", "2025-01-15T14:32:42Z", 0, -5);
        assert_eq!(row.strike(), 587.35);
        assert_eq!(row.expiration(), 20_105); // 2025-01-17
        assert_eq!(row.minute(), 28_949_192); // 1736951520 s / 60
        assert_eq!([row.greek(0), row.greek(1), row.greek(2)], [Some(-5), None, Some(0)]);
    }

    #[test]
    fn latest_source_time_wins_then_the_one_received_last() {
        let sorted = sort(vec![
            row(580.0, "2025-01-15T14:32:30Z", "2025-01-15T15:00:00Z", 1, 1),
            row(580.0, "2025-01-15T14:32:45Z", "2025-01-15T14:59:00Z", 2, 2),
            row(580.0, "2025-01-15T14:32:45Z", "2025-01-15T14:58:00Z", 3, 3),
            row(579.0, "2025-01-15T14:32:00Z", "2025-01-15T14:32:00Z", 4, 4),
            row(580.0, "2025-01-15T14:33:00Z", "2025-01-15T14:33:00Z", 5, 5),
        ]);
        let gammas: Vec<_> = sorted.rows.iter().map(|row| row.greek(0).unwrap()).collect();
        assert_eq!((gammas, sorted.duplicates), (vec![4, 2, 5], 2));
    }

    fn arrivals(minutes: &[i64]) -> Vec<Arrival> {
        minutes.iter().map(|minute| Arrival { minute: *minute, expiration: 1, first_strike: 7 }).collect()
    }

    #[test]
    fn a_moved_document_is_late_and_a_repeated_one_is_not() {
        let mut minutes: Vec<i64> = (0..40).collect();
        minutes.remove(10);
        minutes.insert(25, 10); // moved
        minutes.insert(30, 5); // said again
        assert_eq!(late(&arrivals(&minutes)), 1);
    }

    #[test]
    fn a_capture_written_backwards_has_no_order_to_be_late_in() {
        let minutes: Vec<i64> = (0..40).rev().collect();
        assert_eq!(late(&arrivals(&minutes)), 0);
    }
}
