//! The rows of one day while it is compacted: what captures said, sorted, each (expiration, strike, minute) once. Pure.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

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
    /// Place among the lines of its capture; [`sort`] makes it the place among those of all captures of the day.
    sequence: u32,
    known: u8,
    greeks: [i64; 3],
}

impl Row {
    /// Fills a place until its row is dealt out.
    const NONE: Row = Row { key: 0, source_us: 0, received_us: 0, sequence: 0, known: 0, greeks: [0; 3] };

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

/// Everything the captures of one day said, but for the rows.
#[derive(Debug, Default)]
pub struct Said {
    pub spots: Vec<SpotSaid>,
    pub notes: Vec<Note>,
    pub captures: Vec<CaptureRef>,
    pub formulas: Vec<FormulaReport>,
    pub documents: u64,
    pub late_documents: u64,
}

/// Rows in order of receipt, as they were parsed, and how many lines of the day came before their capture.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    pub rows: &'a [Row],
    pub lines_before: u32,
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
///
/// A day has few series (expiration and strike) and its rows come nearly in order of time, so they are dealt out to
/// their series and only a series out of order is sorted: the time is that of reading the rows twice.
pub fn sort(pieces: &[Piece<'_>]) -> Sorted {
    let dealt = Dealt::of(pieces);
    let mut next = dealt.starts();
    let before: usize = pieces.iter().map(|piece| piece.rows.len()).sum();
    let mut rows = vec![Row::NONE; before];
    let mut series = dealt.series_of_row.iter();
    for piece in pieces {
        for (row, series) in piece.rows.iter().zip(&mut series) {
            let place = &mut next[*series as usize];
            rows[*place] = Row { sequence: row.sequence.saturating_add(piece.lines_before), ..*row };
            *place += 1;
        }
    }
    // Each series' next place is now its end.
    let mut ends = next;
    ends.sort_unstable();
    let mut start = 0;
    for end in ends {
        let series = &mut rows[start..end];
        let age = |row: &Row| (row.key, row.source_us, row.received_us, row.sequence);
        if !series.is_sorted_by_key(age) {
            // Stable: of rows that one document said twice the later one wins.
            series.sort_by_key(age);
        }
        start = end;
    }
    let mut kept = 0;
    for at in 0..rows.len() {
        // Ascending within a key: the winner is the last of its run.
        if rows.get(at + 1).is_none_or(|next| next.key != rows[at].key) {
            rows[kept] = rows[at];
            kept += 1;
        }
    }
    rows.truncate(kept);
    Sorted { duplicates: (before - kept) as u64, rows }
}

/// Which series each row belongs to.
struct Dealt {
    /// Numbers of series, row by row.
    series_of_row: Vec<u32>,
    /// Expiration and strike of each series, by its number.
    keys: Vec<u128>,
    counts: Vec<usize>,
}

impl Dealt {
    fn of(pieces: &[Piece<'_>]) -> Self {
        let mut dealt = Self {
            series_of_row: Vec::with_capacity(pieces.iter().map(|piece| piece.rows.len()).sum()),
            keys: Vec::new(),
            counts: Vec::new(),
        };
        let mut numbers: HashMap<u128, u32> = HashMap::new();
        // Minute after minute says the same strikes in the same order: what followed a series last time is looked at first.
        let mut follower: Vec<u32> = Vec::new();
        let mut last = 0u32;
        for row in pieces.iter().flat_map(|piece| piece.rows) {
            let key = row.series();
            let guess = follower.get(last as usize).copied().unwrap_or(u32::MAX);
            let number = if dealt.keys.get(guess as usize) == Some(&key) {
                guess
            } else {
                *numbers.entry(key).or_insert_with(|| {
                    dealt.keys.push(key);
                    dealt.counts.push(0);
                    follower.push(u32::MAX);
                    (dealt.keys.len() - 1) as u32
                })
            };
            if let Some(follower) = follower.get_mut(last as usize) {
                *follower = number;
            }
            last = number;
            dealt.counts[number as usize] += 1;
            dealt.series_of_row.push(number);
        }
        dealt
    }

    /// Where each series begins, by its number, when series stand in order of expiration and strike.
    fn starts(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by_key(|number| self.keys[*number]);
        let mut starts = vec![0; order.len()];
        let mut start = 0;
        for number in order {
            starts[number] = start;
            start += self.counts[number];
        }
        starts
    }
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
    use proptest::prelude::*;

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
        let first = [
            row(580.0, "2025-01-15T14:32:30Z", "2025-01-15T15:00:00Z", 1, 1),
            row(580.0, "2025-01-15T14:32:45Z", "2025-01-15T14:59:00Z", 2, 2),
        ];
        let second = [
            row(580.0, "2025-01-15T14:32:45Z", "2025-01-15T14:58:00Z", 3, 3),
            row(579.0, "2025-01-15T14:32:00Z", "2025-01-15T14:32:00Z", 4, 4),
            row(580.0, "2025-01-15T14:33:00Z", "2025-01-15T14:33:00Z", 5, 5),
        ];
        let sorted = sort(&[Piece { rows: &first, lines_before: 0 }, Piece { rows: &second, lines_before: 0 }]);
        let gammas: Vec<_> = sorted.rows.iter().map(|row| row.greek(0).unwrap()).collect();
        assert_eq!((gammas, sorted.duplicates), (vec![4, 2, 5], 2));
    }

    #[test]
    fn no_rows_sort_to_none() {
        let nothing = Piece { rows: &[], lines_before: 3 };
        assert_eq!((sort(&[]).rows.len(), sort(&[nothing]).duplicates), (0, 0));
    }

    #[test]
    fn of_two_received_in_one_instant_the_later_captures_wins() {
        let same = |sequence, gamma| row(580.0, "2025-01-15T14:32:45Z", "2025-01-15T14:58:00Z", sequence, gamma);
        let (first, second) = ([same(7, 1)], [same(0, 2)]);
        let sorted = sort(&[Piece { rows: &first, lines_before: 0 }, Piece { rows: &second, lines_before: 8 }]);
        assert_eq!(sorted.rows[0].greek(0), Some(2), "line 0 of the second capture comes after all of the first");
    }

    proptest! {
        #[test]
        fn dealing_out_sorts_like_a_plain_sort(said in prop::collection::vec((0..5i32, 0..4u32, 0..6i64, 0..3i64), 0..200)) {
            let rows: Vec<Row> = said
                .iter()
                .enumerate()
                .map(|(at, (expiration, strike, minute, second))| {
                    let minute = DateTime::from_timestamp((28_949_192 + minute) * 60, 0).unwrap();
                    let source = minute + chrono::TimeDelta::seconds(*second);
                    let expiration = TradingDate::from_ymd(2025, 2, 1 + u32::try_from(*expiration).unwrap()).unwrap();
                    let strike = 580.0 + f64::from(*strike) / 2.0;
                    Row::new(expiration, strike, minute, source, minute, u32::try_from(at).unwrap(), [Some(at as i64), None, None])
                })
                .collect();
            let mut plain: Vec<Row> = rows.clone();
            plain.sort_by_key(|row| (row.expiration(), row.strike().to_bits(), row.minute(), row.source_us, row.sequence));
            let mut winners: Vec<i64> = Vec::new();
            for (at, row) in plain.iter().enumerate() {
                let same = |other: &&Row| (other.series(), other.minute()) == (row.series(), row.minute());
                if plain.get(at + 1).filter(same).is_none() {
                    winners.push(row.greek(0).unwrap());
                }
            }
            let pieces: Vec<Piece<'_>> = rows.chunks(7).map(|rows| Piece { rows, lines_before: 0 }).collect();
            let sorted = sort(&pieces);
            prop_assert_eq!(sorted.duplicates as usize, said.len() - winners.len());
            prop_assert_eq!(sorted.rows.iter().map(|row| row.greek(0).unwrap()).collect::<Vec<_>>(), winners);
        }
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
