//! `pitlake calendar`: which sessions an instrument has between two dates, or why it has none. Called by the command
//! line; it prints what `market` says and decides nothing.

use std::io::{self, Write};

use chrono::{DateTime, SecondsFormat, Utc};
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
    let mut date = args.start;
    while date <= args.end {
        let day = day_of(instrument, date);
        let written = if args.json { print_json(&day, out) } else { print_line(&day, out) };
        match written {
            Ok(()) => date = date.next_day(),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Error::internal(format!("cannot write the answer: {error}")).caused_by(error)),
        }
    }
    Ok(())
}

fn day_of(instrument: &Instrument, date: TradingDate) -> Day {
    let session = instrument.session(date);
    Day {
        date,
        session: session.map(|session| session.kind),
        open: session.map(|session| rfc3339(session.open)),
        close: session.map(|session| rfc3339(session.close)),
        minutes: session.map(|session| session.minutes()),
        early_close: session.is_some_and(|session| session.early_close),
        early_close_reason: instrument.early_close_because(date),
        closed: instrument.closed_because(date),
    }
}

fn rfc3339(t: DateTime<Utc>) -> String {
    t.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn print_json(day: &Day, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, day)?;
    writeln!(out)
}

fn print_line(day: &Day, out: &mut dyn Write) -> io::Result<()> {
    let weekday = day.date.naive().format("%a");
    write!(out, "{} {weekday}  ", day.date)?;
    if let (Some(session), Some(open), Some(close), Some(minutes)) = (day.session, &day.open, &day.close, day.minutes) {
        write!(out, "{session:<9}  {open}  {close}  {minutes:>4} min")?;
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
        let args =
            CalendarArgs { symbol: symbol.into(), start: start.parse().unwrap(), end: end.parse().unwrap(), json };
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
            let args = CalendarArgs { symbol: "SPY".into(), start, end, json };
            assert!(run(&args, &Instruments::builtin(), &mut Gone).is_ok());
        }
    }
}
