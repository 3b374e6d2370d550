//! Volumes that count up over a day, as those of each bar: the difference to the bar before. Worked out over the rows that count, so
//! that a correction changes its neighbours too. Pure.

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;

use super::resolve::{Kept, Settled};
use crate::bars::reading::VolumeKind;
use crate::market::{Instrument, Session, SessionKind};

/// A count that falls by more than this share began anew; by less, it was corrected downwards.
const BEGAN_ANEW: f64 = 0.5;

/// Turns cumulative volumes into those of each bar. The first bar of a reading keeps its own count; so does the first one after the
/// count began anew, which is no fault when the date changed on the source's clock.
pub(super) fn settle(rows: &mut [Kept], settled: &mut Settled, instrument: &Instrument) {
    if !rows.iter().any(|kept| kept.reading.volume == VolumeKind::Cumulative) {
        return;
    }
    let mut before: Vec<Kept> = Vec::new();
    for kept in rows.iter_mut().filter(|kept| kept.reading.volume == VolumeKind::Cumulative) {
        let counted = *kept;
        let minute = kept.row.start_minute;
        match before.iter_mut().find(|known| known.reading == kept.reading) {
            None => {
                if starts_late(&counted, instrument) {
                    settled.covers_gap.push(minute);
                }
                before.push(counted);
            }
            Some(known) => {
                let last = std::mem::replace(known, counted);
                let difference = counted.row.volume - last.row.volume;
                let new_day = local_date(&counted, instrument) != local_date(&last, instrument);
                if difference >= 0.0 {
                    kept.row.volume = difference;
                    if last.row.start_minute + i64::from(last.row.minutes) < minute {
                        settled.covers_gap.push(minute);
                    }
                } else {
                    if !new_day {
                        settled.fell.push(minute);
                    }
                    if !new_day && -difference <= last.row.volume * BEGAN_ANEW {
                        kept.row.volume = 0.0;
                    }
                }
            }
        }
    }
}

/// Whether a first bar's count holds what was traded in session minutes before it.
fn starts_late(first: &Kept, instrument: &Instrument) -> bool {
    let start = DateTime::from_timestamp(first.row.start_minute * 60, 0).unwrap_or_default();
    let date = instrument.trading_date_of(start);
    let session: Option<Session> =
        instrument.session_of_kind(date, SessionKind::Full).or_else(|| instrument.session(date));
    session.is_some_and(|session| session.open < start)
}

fn local_date(kept: &Kept, instrument: &Instrument) -> NaiveDate {
    let zone: Tz = kept.reading.zone.unwrap_or(instrument.time_zone);
    DateTime::from_timestamp(kept.row.start_minute * 60, 0).unwrap_or_default().with_timezone(&zone).date_naive()
}
