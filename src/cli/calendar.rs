//! `pitlake calendar`: which sessions an instrument has between two dates, or why it has none. Called by the command
//! line; it prints what `market` says and decides nothing.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use crate::market::{Instrument, Instruments, SessionKind, TradingDate};
use crate::{Error, Result};

#[derive(Debug, clap::Args)]
pub struct CalendarArgs {
    /// Symbol or alias, for example SPY
    pub symbol: String,
    /// First date, YYYY-MM-DD
    #[arg(long)]
    pub start: TradingDate,
    /// Last date, included
    #[arg(long)]
    pub end: TradingDate,
    /// Which hours: rth, overnight or full; default the instrument's own
    #[arg(long, value_name = "SESSION")]
    pub session: Option<SessionKind>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// One date of the answer. `closed` is the reason where there is no session, `early_close_reason` where it ends early;
/// everything that does not apply is null.
#[derive(Debug, Serialize)]
struct Day {
    date: TradingDate,
    session: Option<SessionKind>,
    open: Option<String>,
    close: Option<String>,
    minutes: Option<u32>,
    early_close: bool,
    early_close_reason: Option<&'static str>,
    closed: Option<String>,
    /// The opening on the exchange's wall clock, where it is on the evening before `date`; for people only.
    #[serde(skip)]
    evening_before: Option<DateTime<Tz>>,
}

/// Prints every date from `start` to `end`. Fails with `NotFound` for a symbol that is not known and with `Invalid` when
/// the dates are in the wrong order; a reader that hung up is no failure.
pub fn run(args: &CalendarArgs, instruments: &Instruments, out: &mut dyn Write) -> Result<()> {
    let instrument = instruments.resolve(&args.symbol).ok_or_else(|| {
        let shown: String = args.symbol.chars().take(40).collect();
        let known: Vec<_> = instruments.iter().map(|instrument| instrument.symbol.as_str()).collect();
        Error::not_found(format!(
            "{shown:?} is not a known symbol; known are {}; add others to _config/instruments.toml in the lake",
            known.join(", ")
        ))
    })?;
    if args.end < args.start {
        return Err(Error::invalid(format!("--end {} is before --start {}: swap them", args.end, args.start)));
    }
    let kind = args.session.unwrap_or(instrument.default_session);
    if instrument.hours(kind).is_none() {
        let has: Vec<_> = SessionKind::ALL.into_iter().filter(|&kind| instrument.hours(kind).is_some()).collect();
        let has: Vec<_> = has.iter().map(|kind| kind.as_str()).collect();
        return Err(Error::invalid(format!(
            "{} has no {kind} session: ask for --session {}",
            instrument.symbol,
            has.join(" or ")
        )));
    }
    let mut date = args.start;
    while date <= args.end {
        let day = day_of(instrument, date, kind);
        let written = if args.json { print_json(&day, out) } else { print_line(&day, instrument, out) };
        match written {
            Ok(()) => date = date.next_day(),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Error::internal(format!("cannot write the answer: {error}")).caused_by(error)),
        }
    }
    Ok(())
}

fn day_of(instrument: &Instrument, date: TradingDate, kind: SessionKind) -> Day {
    let session = instrument.session_of_kind(date, kind);
    Day {
        date,
        session: session.map(|session| session.kind),
        open: session.map(|session| rfc3339(session.open)),
        close: session.map(|session| rfc3339(session.close)),
        minutes: session.map(|session| session.minutes()),
        early_close: session.is_some_and(|session| session.early_close),
        early_close_reason: session.and_then(|session| instrument.early_close_because(&session)),
        closed: instrument.no_session_because(date, kind),
        evening_before: session
            .map(|session| session.open.with_timezone(&instrument.time_zone))
            .filter(|open| open.date_naive() < date.naive()),
    }
}

fn rfc3339(t: DateTime<Utc>) -> String {
    t.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn print_json(day: &Day, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, day)?;
    writeln!(out)
}

fn print_line(day: &Day, instrument: &Instrument, out: &mut dyn Write) -> io::Result<()> {
    let weekday = day.date.naive().format("%a");
    write!(out, "{} {weekday}  ", day.date)?;
    if let (Some(session), Some(open), Some(close), Some(minutes)) = (day.session, &day.open, &day.close, day.minutes) {
        write!(out, "{session:<9}  {open}  {close}  {minutes:>4} min")?;
        if let Some(open) = day.evening_before {
            write!(out, "  opens {} {}", open.format("%a %H:%M"), instrument.time_zone)?;
        }
        if day.early_close {
            write!(out, "  early close: {}", day.early_close_reason.unwrap_or("see the exchange's notice"))?;
        }
    }
    if let Some(reason) = &day.closed {
        write!(out, "closed: {reason}")?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn print(symbol: &str, start: &str, end: &str, json: bool) -> Result<String> {
        print_session(symbol, start, end, None, json)
    }

    fn print_session(symbol: &str, start: &str, end: &str, session: Option<SessionKind>, json: bool) -> Result<String> {
        let (start, end) = (start.parse().unwrap(), end.parse().unwrap());
        let args = CalendarArgs { symbol: symbol.into(), start, end, session, json };
        let mut out = Vec::new();
        run(&args, &Instruments::builtin(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn tells_half_day_holiday_and_weekend_apart() {
        assert_eq!(
            print("SPY", "2024-07-03", "2024-07-06", false).unwrap(),
            "\
2024-07-03 Wed  rth        2024-07-03T13:30:00Z  2024-07-03T17:00:00Z   210 min  early close: day before Independence Day
2024-07-04 Thu  closed: Independence Day
2024-07-05 Fri  rth        2024-07-05T13:30:00Z  2024-07-05T20:00:00Z   390 min
2024-07-06 Sat  closed: weekend
"
        );
    }

    #[test]
    fn a_session_that_opens_in_the_evening_says_so() {
        // Thanksgiving 2024 was Thursday 28 November: Globex halted at 13:00 New York time and reopened at 18:00.
        assert_eq!(
            print_session("ES", "2024-11-28", "2024-12-02", Some(SessionKind::Full), false).unwrap(),
            "\
2024-11-28 Thu  full       2024-11-27T23:00:00Z  2024-11-28T18:00:00Z  1140 min  opens Wed 18:00 America/New_York  early close: Thanksgiving Day
2024-11-29 Fri  full       2024-11-28T23:00:00Z  2024-11-29T18:15:00Z  1155 min  opens Thu 18:00 America/New_York  early close: day after Thanksgiving
2024-11-30 Sat  closed: weekend
2024-12-01 Sun  closed: weekend
2024-12-02 Mon  full       2024-12-01T23:00:00Z  2024-12-02T22:00:00Z  1380 min  opens Sun 18:00 America/New_York
"
        );
        let overnight = print_session("ES", "2024-12-02", "2024-12-02", Some(SessionKind::Overnight), true).unwrap();
        assert!(
            overnight.contains(r#""session":"overnight","open":"2024-12-01T23:00:00Z","close":"2024-12-02T14:30:00Z""#)
        );
        let refused = print_session("SPY", "2024-12-02", "2024-12-02", Some(SessionKind::Full), true).unwrap_err();
        assert_eq!(refused.detail(), "SPY has no full session: ask for --session rth");
    }

    #[test]
    fn json_is_one_object_a_line_with_every_key() {
        let lines = print("^SPX", "2025-01-08", "2025-01-09", true).unwrap();
        let expected = concat!(
            r#"{"date":"2025-01-08","session":"rth","open":"2025-01-08T14:30:00Z","close":"2025-01-08T21:00:00Z","#,
            r#""minutes":390,"early_close":false,"early_close_reason":null,"closed":null}"#,
            "\n",
            r#"{"date":"2025-01-09","session":null,"open":null,"close":null,"minutes":null,"early_close":false,"#,
            r#""early_close_reason":null,"closed":"National Day of Mourning for Jimmy Carter"}"#,
            "\n"
        );
        assert_eq!(lines, expected);
    }

    #[test]
    fn refuses_unknown_symbols_and_reversed_dates() {
        let unknown = print("NOPE", "2025-01-08", "2025-01-09", false).unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::NotFound);
        assert!(unknown.detail().contains("instruments.toml"));
        assert_eq!(print("SPY", "2025-01-09", "2025-01-08", false).unwrap_err().kind(), ErrorKind::Invalid);
    }

    #[test]
    fn a_reader_that_hung_up_is_no_failure() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (start, end) = ("2025-01-08".parse().unwrap(), "2025-01-09".parse().unwrap());
        for json in [false, true] {
            let args = CalendarArgs { symbol: "SPY".into(), start, end, session: None, json };
            assert!(run(&args, &Instruments::builtin(), &mut Gone).is_ok());
        }
    }
}
