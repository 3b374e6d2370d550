//! How old the newest data is against the session: what should be there by now, and what is. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::lake::manifest::{Condition, Content, Manifest};
use crate::market::{Instrument, TradingDate};

/// Sessions are counted no further than this: whoever is two years behind need not know by how much.
const COUNTED_DAYS: i64 = 800;

/// The newest day of a symbol and how far it is behind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lag {
    pub date: TradingDate,
    pub condition: Condition,
    /// The last session minute that is stored; null when the day has none.
    pub minute: Option<DateTime<Utc>>,
    /// Up to here minutes should be stored: now, or the close of the last session.
    pub due: Option<DateTime<Utc>>,
    /// Session minutes between the two; null when more than 800 days lie between.
    pub behind_minutes: Option<u64>,
    /// Sessions that began after the newest day, the running one included; null as above.
    pub behind_sessions: Option<u64>,
    /// When the newest of the day's captures was received.
    pub received_at: Option<DateTime<Utc>>,
    pub published_at: DateTime<Utc>,
}

impl Lag {
    pub fn of(manifest: &Manifest, instrument: &Instrument, now: DateTime<Utc>) -> Self {
        let content = &manifest.content;
        let date = content.date.unwrap_or_else(|| instrument.trading_date_of(now));
        let end = content.session.as_ref().and_then(|session| stored_until(content, session.open));
        // Without a minute of the session all of it is owed.
        let from = end.or(content.session.as_ref().map(|session| session.open));
        let today = instrument.trading_date_of(now);
        // Owed is what the dataset counts: for bars all hours of a date, not those of the default session.
        let kind = content.session.as_ref().and_then(|session| session.kind.parse().ok());
        let kind = kind.unwrap_or(instrument.default_session);
        let counted = (today.naive() - date.naive()).num_days() <= COUNTED_DAYS;
        let (mut minutes, mut sessions, mut due) = (0, 0, None);
        let mut at = date;
        while counted && at <= today {
            if let Some(session) = instrument.session_of_kind(at, kind).filter(|session| session.open <= now) {
                let close = session.close.min(now);
                let begin = from.map_or(session.open, |from| from.max(session.open));
                minutes += u64::try_from((close - begin).num_minutes()).unwrap_or(0);
                sessions += u64::from(at > date);
                due = Some(close);
            }
            at = at.next_day();
        }
        Self {
            date,
            condition: content.condition,
            minute: end.map(|end| end - TimeDelta::minutes(1)),
            due,
            behind_minutes: counted.then_some(minutes),
            behind_sessions: counted.then_some(sessions),
            received_at: content.captures.iter().filter_map(|capture| capture.last_received_at).max(),
            published_at: manifest.published_at,
        }
    }
}

/// The end of the last session minute that is stored. Minutes seen and gaps together run from the opening to the last one
/// that was judged, which for a day that is over may be a gap to the close.
fn stored_until(content: &Content, open: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if content.minutes_seen == 0 {
        return None;
    }
    let gaps: i64 = content.gaps.iter().map(|gap| i64::from(gap.minutes)).sum();
    let judged = open + TimeDelta::minutes(i64::from(content.minutes_seen) + gaps);
    Some(content.gaps.last().filter(|gap| gap.end == judged).map_or(judged, |gap| gap.start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::manifest::{Gap, SessionSpan, tests::content};
    use crate::market::Instruments;

    fn instant(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    /// Wednesday 2025-01-15, 09:30 to 16:00 in New York, with these minutes seen and these gaps (start, end).
    fn lag(now: &str, minutes_seen: u32, gaps: &[(&str, &str)]) -> Lag {
        let (open, close) = (instant("2025-01-15T14:30:00Z"), instant("2025-01-15T21:00:00Z"));
        let gaps = gaps.iter().map(|(start, end)| {
            let (start, end) = (instant(start), instant(end));
            let minutes = u32::try_from((end - start).num_minutes()).unwrap();
            Gap { start, end, minutes, cause: "no_data_received".to_owned() }
        });
        let session = Some(SessionSpan { kind: "rth".to_owned(), open, close, early_close: false });
        let manifest = Manifest {
            path: String::new(),
            revision: 1,
            published_at: instant("2025-01-15T21:05:00Z"),
            sha256: String::new(),
            bytes: 0,
            change: None,
            content: Content { minutes_seen, gaps: gaps.collect(), session, ..content() },
        };
        Lag::of(&manifest, Instruments::builtin().resolve("SPY").unwrap(), instant(now))
    }

    #[test]
    fn what_is_behind_is_counted_in_minutes_of_sessions() {
        let full = lag("2025-01-15T22:00:00Z", 390, &[]);
        assert_eq!(full.minute, Some(instant("2025-01-15T20:59:00Z")));
        assert_eq!((full.due, full.behind_minutes), (Some(instant("2025-01-15T21:00:00Z")), Some(0)));
        // Before the next opening nothing is owed; half an hour into it thirty minutes are.
        assert_eq!(lag("2025-01-16T14:29:00Z", 390, &[]).behind_minutes, Some(0));
        let next = lag("2025-01-16T15:00:30Z", 390, &[]);
        assert_eq!((next.behind_minutes, next.behind_sessions), (Some(30), Some(1)));
        // Friday's whole session, the weekend and Martin Luther King's day: nothing more until Tuesday.
        assert_eq!(lag("2025-01-20T18:00:00Z", 390, &[]).behind_minutes, Some(2 * 390));

        // The open day: 60 minutes seen and one gap of 5, so the last is 10:34; now is 10:40.
        let open = lag("2025-01-15T15:40:00Z", 60, &[("2025-01-15T14:40:00Z", "2025-01-15T14:45:00Z")]);
        assert_eq!(open.minute, Some(instant("2025-01-15T15:34:00Z")));
        assert_eq!((open.behind_minutes, open.behind_sessions), (Some(5), Some(0)));
        // A closed day whose last ten minutes never came.
        let short = lag("2025-01-15T22:00:00Z", 380, &[("2025-01-15T20:50:00Z", "2025-01-15T21:00:00Z")]);
        assert_eq!((short.minute, short.behind_minutes), (Some(instant("2025-01-15T20:49:00Z")), Some(10)));
        let nothing = lag("2025-01-15T22:00:00Z", 0, &[("2025-01-15T14:30:00Z", "2025-01-15T21:00:00Z")]);
        assert_eq!((nothing.minute, nothing.behind_minutes), (None, Some(390)));
        assert_eq!(lag("2029-01-15T22:00:00Z", 390, &[]).behind_minutes, None);
    }

    #[test]
    fn owed_is_the_session_that_the_dataset_counts() {
        // All hours of NQ's date, from 18:00 in New York the evening before; one hour of them is stored.
        let (open, close) = (instant("2025-01-14T23:00:00Z"), instant("2025-01-15T22:00:00Z"));
        let session = Some(SessionSpan { kind: "full".to_owned(), open, close, early_close: false });
        let manifest = Manifest {
            path: String::new(),
            revision: 1,
            published_at: instant("2025-01-15T00:05:00Z"),
            sha256: String::new(),
            bytes: 0,
            change: None,
            content: Content { symbol: "NQ".parse().unwrap(), minutes_seen: 60, session, ..content() },
        };
        let builtin = Instruments::builtin();
        let behind = |now: &str| Lag::of(&manifest, builtin.resolve("NQ").unwrap(), instant(now)).behind_minutes;
        // Half an hour after the regular hours: 21 hours and a half, not the 390 minutes of those.
        assert_eq!(behind("2025-01-15T21:30:00Z"), Some(1290));
        assert_eq!(behind("2025-01-15T22:30:00Z"), Some(1320));
    }
}
