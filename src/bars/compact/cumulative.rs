//! Volumes that count up over a day, as those of each bar: the difference to what was counted before it. Worked out over the rows that
//! count, so that a correction changes its neighbours too. What cannot be known is 0 and told, never a guess. Pure.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::resolve::{Kept, Settled};
use crate::bars::reading::{Reading, VolumeKind};
use crate::market::{Instrument, Session, SessionKind};

/// A count that falls by more than this share began anew; by less, it was corrected downwards.
const BEGAN_ANEW: f64 = 0.5;

/// When a count begins anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    WithTheSession,
    /// At midnight of the source's clock, inside the trading date: what it held before is of another date.
    AtMidnight,
    /// The trading date goes over a midnight that the bars do not reach.
    Unknown,
}

/// Turns cumulative volumes into those of each bar.
pub(super) fn settle(rows: &mut [Kept], settled: &mut Settled, instrument: &Instrument) {
    if !rows.iter().any(|kept| kept.reading.volume == VolumeKind::Cumulative) {
        return;
    }
    let session = rows.first().and_then(|first| session(first, instrument));
    let counts: Vec<f64> = rows.iter().map(|kept| kept.row.volume).collect();
    let begins = begins(rows, session.as_ref(), instrument);
    // The volumes made so far; none where it is not known.
    let mut made: Vec<Option<f64>> = Vec::with_capacity(rows.len());
    let mut last_of: HashMap<Reading, usize> = HashMap::new();
    for at in 0..rows.len() {
        let kept = rows[at];
        let (reading, minute, count) = (kept.reading, kept.row.start_minute, counts[at]);
        if reading.volume != VolumeKind::Cumulative {
            made.push((reading.volume == VolumeKind::Bar).then_some(count));
            continue;
        }
        let volume = match last_of.insert(reading, at) {
            None => first(rows, at, count, &made, begins[&reading], session.as_ref()),
            Some(last) => {
                let before = rows[last];
                let difference = count - counts[last];
                let new_day = local_date(&kept, instrument) != local_date(&before, instrument);
                if difference >= 0.0 {
                    if end(&rows[at - 1]) < minute {
                        settled.covers_gap.push(minute);
                    }
                    less(difference, &made[last + 1..])
                } else if new_day {
                    let midnight = local_midnight(&kept, instrument);
                    let from = rows[..at].partition_point(|kept| kept.row.start_minute < midnight);
                    less(count, &made[from..])
                } else {
                    settled.fell.push(minute);
                    if -difference <= counts[last] * BEGAN_ANEW { Some(0.0) } else { Some(count) }
                }
            }
        };
        if volume.is_none() {
            settled.unknown.push(minute);
        }
        rows[at].row.volume = volume.unwrap_or(0.0);
        made.push(volume);
    }
}

/// The volume of the first bar of a count: what it counts less what the bars before it have, if they are all there is before it.
fn first(
    rows: &[Kept],
    at: usize,
    count: f64,
    made: &[Option<f64>],
    begins: Begins,
    session: Option<&Session>,
) -> Option<f64> {
    let open = session?.open.timestamp() / 60;
    if begins != Begins::WithTheSession {
        return None;
    }
    let inside = rows[..at].partition_point(|kept| kept.row.start_minute < open);
    // Nobody knows whether a count holds what was traded before the session.
    if rows[at].row.start_minute >= open && made[..inside].iter().any(|volume| *volume != Some(0.0)) {
        return None;
    }
    let earliest = rows[inside.min(at)].row.start_minute;
    if earliest > open { None } else { less(count, made) }
}

/// A count less the volumes that other bars have of it.
fn less(count: f64, others: &[Option<f64>]) -> Option<f64> {
    let sum: f64 = others.iter().copied().sum::<Option<f64>>()?;
    (count - sum >= 0.0).then_some(count - sum)
}

/// When each count of the day begins anew, as far as its bars tell.
fn begins(rows: &[Kept], session: Option<&Session>, instrument: &Instrument) -> HashMap<Reading, Begins> {
    let mut found: HashMap<Reading, (Begins, Kept)> = HashMap::new();
    for kept in rows.iter().filter(|kept| kept.reading.volume == VolumeKind::Cumulative) {
        let (begins, last) = found.entry(kept.reading).or_insert_with(|| {
            let over_midnight = session.is_some_and(|session| {
                let last = session.close - TimeDelta::minutes(1);
                on_clock(session.open, kept, instrument) != on_clock(last, kept, instrument)
            });
            (if over_midnight { Begins::Unknown } else { Begins::WithTheSession }, *kept)
        });
        if *begins == Begins::Unknown && local_date(last, instrument) != local_date(kept, instrument) {
            *begins = if kept.row.volume < last.row.volume { Begins::AtMidnight } else { Begins::WithTheSession };
        }
        *last = *kept;
    }
    found.into_iter().map(|(reading, (begins, _))| (reading, begins)).collect()
}

/// The widest session of the date that a bar is of.
fn session(kept: &Kept, instrument: &Instrument) -> Option<Session> {
    let date = instrument.trading_date_of(start(kept));
    instrument.session_of_kind(date, SessionKind::Full).or_else(|| instrument.session(date))
}

fn start(kept: &Kept) -> DateTime<Utc> {
    DateTime::from_timestamp(kept.row.start_minute * 60, 0).unwrap_or_default()
}

fn end(kept: &Kept) -> i64 {
    kept.row.start_minute + i64::from(kept.row.minutes)
}

fn on_clock(time: DateTime<Utc>, kept: &Kept, instrument: &Instrument) -> NaiveDate {
    let zone: Tz = kept.reading.zone.unwrap_or(instrument.time_zone);
    time.with_timezone(&zone).date_naive()
}

fn local_date(kept: &Kept, instrument: &Instrument) -> NaiveDate {
    on_clock(start(kept), kept, instrument)
}

/// The last midnight before a bar on its source's clock, in minutes since 1970.
fn local_midnight(kept: &Kept, instrument: &Instrument) -> i64 {
    let zone: Tz = kept.reading.zone.unwrap_or(instrument.time_zone);
    let midnight = local_date(kept, instrument).and_time(NaiveTime::MIN).and_local_timezone(zone).earliest();
    midnight.map_or(kept.row.start_minute, |midnight| midnight.timestamp() / 60)
}
