//! Whether the declared end of the bar that is stamped can be right: a session's first bar starts when it opens and none starts when it
//! closes. Called at ingest, to warn, and at compaction, to say so in the manifest. Pure.

use super::reading::Stamp;
use crate::market::{Instrument, Session, SessionKind, TradingDate};

/// So much of a session must be there before its ends tell anything.
const SHARE: f64 = 0.5;

/// Whether bars (start minute and length, of one reading and date) contradict their stamp: read as start-stamped, one starts at the
/// close and none at the open; read as end-stamped, one starts a bar before the open and none a bar before the close. Judged by a
/// session that nothing is traded around: the widest one, and the default one when the bars stay within it.
pub fn contradicts(bars: &[(i64, u16)], instrument: &Instrument, date: TradingDate, stamp: Stamp) -> bool {
    let widest = instrument.session_of_kind(date, SessionKind::Full);
    let narrow = instrument.session(date);
    widest.into_iter().chain(narrow).any(|session| against(bars, &session, stamp))
}

fn against(bars: &[(i64, u16)], session: &Session, stamp: Stamp) -> bool {
    let (open, close) = (session.open.timestamp() / 60, session.close.timestamp() / 60);
    let Some(&(_, minutes)) = bars.first() else { return false };
    let minutes = i64::from(minutes);
    let (from, to) = match stamp {
        Stamp::Start => (open, close + minutes),
        Stamp::End => (open - minutes, close),
    };
    let alone = bars.iter().all(|(start, length)| i64::from(*length) == minutes && from <= *start && *start < to);
    let wanted = (close - open) as f64 * SHARE / minutes as f64;
    let starts = |at: i64| bars.iter().any(|(start, _)| *start == at);
    alone
        && bars.len() as f64 >= wanted
        && match stamp {
            Stamp::Start => starts(close) && !starts(open),
            Stamp::End => starts(open - minutes) && !starts(close - minutes),
        }
}

/// What to tell the user, after "on these dates".
pub fn told(stamp: Stamp) -> &'static str {
    match stamp {
        Stamp::Start => {
            "a bar is stamped at the close and none at the open: these times look like ends of bars; if they are, ingest the \
             file again with --stamp end"
        }
        Stamp::End => {
            "a bar is stamped at the open and none at the close: these times look like starts of bars; if they are, ingest the \
             file again with --stamp start"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Instruments;

    fn day(from: i64, count: i64) -> Vec<(i64, u16)> {
        // 2025-01-15T14:30Z, the open in New York.
        let open = 1_736_951_400 / 60;
        (0..count).map(|at| (open + from + at, 1)).collect()
    }

    #[test]
    fn the_wrong_end_shows_at_open_and_close() {
        let instruments = Instruments::builtin();
        let spy = instruments.resolve("SPY").unwrap();
        let date = "2025-01-15".parse().unwrap();
        for (bars, stamp, expected) in [
            (day(0, 390), Stamp::Start, false),
            (day(1, 390), Stamp::Start, true),
            (day(0, 391), Stamp::Start, false),
            (day(1, 389), Stamp::Start, false),
            (day(-1, 390), Stamp::End, true),
            (day(0, 390), Stamp::End, false),
            (day(300, 91), Stamp::Start, false),
            (day(-60, 500), Stamp::Start, false),
            (Vec::new(), Stamp::Start, false),
        ] {
            assert_eq!(contradicts(&bars, spy, date, stamp), expected, "{:?} {stamp}", bars.first());
        }
    }
}
