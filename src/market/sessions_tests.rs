//! From time to date and back, on the days on which it goes wrong elsewhere: half days, daylight saving, Sunday evenings,
//! holidays. Expected instants are worked by hand from the zones' offsets (New York -5, from March to November -4).

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use proptest::prelude::*;

use crate::market::{Instrument, Instruments, SessionKind, TradingDate};

fn instrument(symbol: &str) -> std::sync::Arc<Instrument> {
    Instruments::builtin().resolve(symbol).unwrap().clone()
}

fn date(text: &str) -> TradingDate {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[track_caller]
fn assert_session(symbol: &str, day: &str, kind: SessionKind, open: &str, close: &str, minutes: u32, early: bool) {
    let session = instrument(symbol).session_of_kind(date(day), kind).unwrap();
    assert_eq!((session.open, session.close), (at(open), at(close)), "{symbol} {day} {kind}");
    assert_eq!((session.minutes(), session.early_close, session.date), (minutes, early, date(day)), "{symbol} {day}");
}

#[test]
fn half_days_end_at_one() {
    for symbol in ["SPY", "SPX", "AAPL"] {
        for (day, open, close) in [
            ("2024-07-03", "2024-07-03T13:30:00Z", "2024-07-03T17:00:00Z"),
            ("2024-11-29", "2024-11-29T14:30:00Z", "2024-11-29T18:00:00Z"),
            ("2024-12-24", "2024-12-24T14:30:00Z", "2024-12-24T18:00:00Z"),
        ] {
            assert_session(symbol, day, SessionKind::Rth, open, close, 210, true);
        }
    }
    let es = ("2024-11-29T14:30:00Z", "2024-11-29T18:15:00Z");
    assert_session("ES", "2024-11-29", SessionKind::Rth, es.0, es.1, 225, true);
    assert_session("ES", "2024-11-28", SessionKind::Full, "2024-11-27T23:00:00Z", "2024-11-28T18:00:00Z", 1140, true);
    let spy = instrument("SPY");
    let why = |day: &str| spy.early_close_because(&spy.session(date(day)).unwrap());
    assert_eq!((why("2024-11-29"), why("2024-11-27")), (Some("day after Thanksgiving"), None));
}

#[test]
fn daylight_saving_never_moves_the_wall_clock() {
    // New York springs forward on 2025-03-09 and falls back on 2025-11-02, both Sundays.
    for (day, open, close) in [
        ("2025-03-07", "2025-03-07T14:30:00Z", "2025-03-07T21:00:00Z"),
        ("2025-03-10", "2025-03-10T13:30:00Z", "2025-03-10T20:00:00Z"),
        ("2025-10-31", "2025-10-31T13:30:00Z", "2025-10-31T20:00:00Z"),
        ("2025-11-03", "2025-11-03T14:30:00Z", "2025-11-03T21:00:00Z"),
    ] {
        assert_session("SPY", day, SessionKind::Rth, open, close, 390, false);
    }
    assert_session("NQ", "2025-03-10", SessionKind::Full, "2025-03-09T22:00:00Z", "2025-03-10T21:00:00Z", 1380, false);
    assert_session("NQ", "2025-11-03", SessionKind::Full, "2025-11-02T23:00:00Z", "2025-11-03T22:00:00Z", 1380, false);
    assert_session("NIFTY", "2025-03-10", SessionKind::Rth, "2025-03-10T03:45:00Z", "2025-03-10T10:00:00Z", 375, false);
    assert_session(
        "BTC-USD",
        "2025-03-09",
        SessionKind::Full,
        "2025-03-09T00:00:00Z",
        "2025-03-10T00:00:00Z",
        1440,
        false,
    );
}

#[test]
fn evenings_belong_to_the_next_date_and_pauses_to_the_one_that_ended() {
    for (symbol, t, day) in [
        // Sunday 18:00 New York opens Monday; a second before is the pause of a weekend, so Monday too.
        ("ES", "2025-01-12T23:00:00Z", "2025-01-13"),
        ("ES", "2025-01-12T22:59:59Z", "2025-01-13"),
        ("ES", "2025-01-13T21:59:59Z", "2025-01-13"),
        ("ES", "2025-01-13T22:30:00Z", "2025-01-13"),
        ("ES", "2025-01-13T23:00:00Z", "2025-01-14"),
        // Friday 17:30 is still Friday, 18:00 on is Monday.
        ("ES", "2025-01-10T22:30:00Z", "2025-01-10"),
        ("ES", "2025-01-10T23:00:00Z", "2025-01-13"),
        // After the halt of a holiday, before the reopening.
        ("ES", "2024-11-28T20:00:00Z", "2024-11-28"),
        ("ES", "2024-11-28T23:00:00Z", "2024-11-29"),
        // Good Friday without and with a payrolls report.
        ("ES", "2024-03-28T22:00:00Z", "2024-04-01"),
        ("ES", "2023-04-06T22:00:00Z", "2023-04-07"),
        // Christmas evening opens the 26th.
        ("CL", "2024-12-25T23:00:00Z", "2024-12-26"),
        // The index has no evening: local date, or the next session's.
        ("SPX", "2025-01-12T09:34:00Z", "2025-01-13"),
        ("SPX", "2025-01-14T02:30:00Z", "2025-01-13"),
        ("SPX", "2025-01-14T05:00:00Z", "2025-01-14"),
        ("SPY", "2025-01-09T15:00:00Z", "2025-01-10"),
        ("SPY", "2025-07-04T15:00:00Z", "2025-07-07"),
        ("SPY", "2025-01-18T03:00:00Z", "2025-01-17"),
        ("SPY", "2025-01-18T05:00:00Z", "2025-01-21"),
        // Kolkata is five and a half hours ahead.
        ("NIFTY", "2025-01-14T18:29:59Z", "2025-01-14"),
        ("NIFTY", "2025-01-14T18:30:00Z", "2025-01-15"),
        ("BTC-USD", "2025-01-12T23:59:59Z", "2025-01-12"),
    ] {
        assert_eq!(instrument(symbol).trading_date_of(at(t)), date(day), "{symbol} {t}");
    }
}

#[test]
fn the_dollar_index_opens_later_than_others_except_after_a_weekend() {
    assert_session("DX", "2025-01-13", SessionKind::Full, "2025-01-12T23:00:00Z", "2025-01-13T22:00:00Z", 1380, false);
    assert_session("DX", "2025-01-14", SessionKind::Full, "2025-01-14T01:00:00Z", "2025-01-14T22:00:00Z", 1260, false);
}

#[test]
fn a_closed_day_says_why_and_what_comes_next() {
    for (symbol, day, reason, next) in [
        ("SPY", "2025-01-09", "National Day of Mourning for Jimmy Carter", "2025-01-10"),
        ("SPY", "2012-10-29", "Hurricane Sandy", "2012-10-31"),
        ("SPY", "2024-07-04", "Independence Day", "2024-07-05"),
        ("SPX", "2025-01-18", "weekend", "2025-01-21"),
        ("ES", "2023-04-07", "Good Friday (trading ends at 09:15)", "2023-04-10"),
        ("ES", "2024-03-29", "Good Friday", "2024-04-01"),
    ] {
        let instrument = instrument(symbol);
        assert_eq!(instrument.session(date(day)), None, "{symbol} {day}");
        assert_eq!(instrument.closed_because(date(day)).as_deref(), Some(reason), "{symbol} {day}");
        assert_eq!(instrument.next_session_date(date(day)), date(next), "{symbol} {day}");
    }
    let spy = instrument("SPY");
    assert_eq!(spy.closed_because(date("2025-01-10")), None);
    assert_eq!(spy.next_session_date(date("2025-01-10")), date("2025-01-13"));
    // Trading went on for a quarter of an hour less than usual in the night before that Good Friday.
    let es = instrument("ES").session_of_kind(date("2023-04-07"), SessionKind::Overnight).unwrap();
    assert_eq!((es.open, es.close, es.early_close), (at("2023-04-06T22:00:00Z"), at("2023-04-07T13:15:00Z"), true));
}

#[test]
fn a_wall_clock_time_is_one_instant_even_when_the_clock_jumps() {
    let spy = instrument("SPY");
    let local = |day: &str, time: &str| spy.local_to_utc(date(day), time.parse::<NaiveTime>().unwrap()).unwrap();
    assert_eq!(local("2025-01-15", "14:00:00"), at("2025-01-15T19:00:00Z"));
    assert_eq!(local("2025-07-15", "14:00:00"), at("2025-07-15T18:00:00Z"));
    // 02:00 to 03:00 is skipped on 2025-03-09: all of it is the instant of the jump, 07:00 UTC.
    for time in ["02:00:00", "02:00:01", "02:30:00", "02:59:59.999", "03:00:00"] {
        assert_eq!(local("2025-03-09", time), at("2025-03-09T07:00:00Z"), "{time}");
    }
    assert_eq!(local("2025-03-09", "01:59:59"), at("2025-03-09T06:59:59Z"));
    assert_eq!(local("2025-03-09", "03:00:01"), at("2025-03-09T07:00:01Z"));
    // 01:00 to 02:00 comes twice on 2025-11-02: the first.
    assert_eq!(local("2025-11-02", "01:30:00"), at("2025-11-02T05:30:00Z"));
    assert_eq!(local("2025-11-02", "02:00:00"), at("2025-11-02T07:00:00Z"));
}

#[test]
fn times_beyond_all_calendars_neither_panic_nor_hang() {
    for instrument in Instruments::builtin().iter() {
        for t in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let date = instrument.trading_date_of(t);
            let _ = (instrument.session(date), instrument.next_session_date(date), instrument.closed_because(date));
        }
    }
}

#[test]
fn the_week_open_of_a_date_never_overlaps_the_date_before() {
    for instrument in Instruments::builtin().iter() {
        let mut last_close = DateTime::<Utc>::MIN_UTC;
        let mut day = date("2023-12-01");
        while day < date("2026-02-01") {
            let sessions = SessionKind::ALL.map(|kind| instrument.session_of_kind(day, kind));
            if let Some(open) = sessions.iter().flatten().map(|session| session.open).min() {
                assert!(last_close <= open, "{} {day}", instrument.symbol);
                last_close = sessions.iter().flatten().map(|session| session.close).max().unwrap();
            }
            day = day.next_day();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// All minutes of a date's sessions map to that date, for every instrument.
    #[test]
    fn every_minute_of_a_session_maps_to_its_date(days in 14_610_i32..22_280, which in 0_usize..1000) {
        let instruments = Instruments::builtin();
        let all: Vec<_> = instruments.iter().collect();
        let instrument = all[which % all.len()];
        let day = TradingDate::from(chrono::NaiveDate::from_epoch_days(days).unwrap());
        for kind in SessionKind::ALL {
            let Some(session) = instrument.session_of_kind(day, kind) else { continue };
            for minute in 0..i64::from(session.minutes()) {
                let t = session.open + TimeDelta::minutes(minute);
                prop_assert_eq!(instrument.trading_date_of(t), day, "{} {} {}", instrument.symbol, kind, t);
            }
            let last = session.close - TimeDelta::nanoseconds(1);
            prop_assert_eq!(instrument.trading_date_of(last), day);
            prop_assert!(session.contains(session.open) && session.contains(last) && !session.contains(session.close));
        }
    }

    /// Dates never run backwards as time goes on, and a date that rows can get has a session of some kind.
    #[test]
    fn trading_dates_follow_time(start in 1_262_304_000_i64..1_924_992_000, step in 0_i64..400_000, which in 0_usize..1000) {
        let instruments = Instruments::builtin();
        let all: Vec<_> = instruments.iter().collect();
        let instrument = all[which % all.len()];
        let first = DateTime::from_timestamp(start, 0).unwrap();
        let (a, b) = (instrument.trading_date_of(first), instrument.trading_date_of(first + TimeDelta::seconds(step)));
        prop_assert!(a <= b, "{} {} {}", instrument.symbol, first, step);
        prop_assert!(SessionKind::ALL.into_iter().any(|kind| instrument.session_of_kind(a, kind).is_some()));
    }
}
