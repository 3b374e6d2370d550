//! A time as sources write it: with a zone, or since 1970, which is an instant; or a wall clock's, which needs one. What could be
//! meant in two ways (`03/04/2025`) is refused.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::Refusal;

const MINUTE: i64 = 60;

/// A time that names a whole minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Minutes from 1970-01-01T00:00Z.
    Instant(i64),
    /// What some clock on a wall showed.
    Wall(NaiveDateTime),
}

impl Told {
    /// Minutes for measuring how far apart two times of one source are.
    pub fn minute(self) -> i64 {
        match self {
            Self::Instant(minute) => minute,
            Self::Wall(time) => time.and_utc().timestamp().div_euclid(MINUTE),
        }
    }
}

/// Reads a time: `2019-02-15 16:00:00`, `20200630 09:15:00`, `2020.06.30 09:15`, `20200630091500`, any of them with `Z` or
/// `-05:00` behind it, or seconds, milliseconds, microseconds or nanoseconds since 1970 (told by their size).
///
/// # Errors
/// `not_a_time`, or `not_a_minute` for one between two minutes.
pub fn read(text: &str) -> Result<Told, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Refusal::new("field_missing", "timestamp", "there is no time"));
    }
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    let told = if whole.bytes().all(|b| b.is_ascii_digit()) { digits(whole) } else { spelled(text) };
    let (seconds, nanos, told) = told.ok_or_else(|| not_a_time(text))?;
    if seconds.rem_euclid(MINUTE) != 0 || nanos != 0 {
        return Err(Refusal::new(
            "not_a_minute",
            "timestamp",
            format!("'{text}' is between two minutes: bars start and end at whole minutes"),
        ));
    }
    Ok(told)
}

/// Reads a date and a time of day that stand in two columns.
///
/// # Errors
/// As [`read`].
pub fn read_pair(date: &str, time: &str) -> Result<Told, Refusal> {
    let (date, time) = (date.trim(), time.trim());
    if date.is_empty() || time.is_empty() {
        return Err(Refusal::new("field_missing", "timestamp", "the date or the time of day is missing"));
    }
    // A date that brings a midnight along, as spreadsheets write it.
    let date = date.strip_suffix(" 00:00:00").or_else(|| date.strip_suffix("T00:00:00")).unwrap_or(date);
    read(&format!("{date} {time}"))
}

fn not_a_time(text: &str) -> Refusal {
    let is_date = calendar_date(text).is_some_and(|(_, rest)| rest.is_empty());
    let why = if is_date {
        format!("'{text}' has no time of day")
    } else {
        format!(
            "'{text}' is not a time that can be read in one way only: write 2025-01-15 09:30:00, 20250115 09:30:00, RFC 3339 or \
             seconds since 1970"
        )
    };
    Refusal::new("not_a_time", "timestamp", why)
}

type Parsed = (i64, u32, Told);

fn instant(seconds: i64, nanos: u32) -> Parsed {
    (seconds, nanos, Told::Instant(seconds.div_euclid(MINUTE)))
}

fn wall(time: NaiveDateTime, nanos: u32) -> Parsed {
    (time.and_utc().timestamp(), nanos, Told::Wall(time))
}

/// Digits alone: `20200630091500` and `202006300915` are clock times, the rest counts from 1970.
fn digits(text: &str) -> Option<Parsed> {
    if matches!(text.len(), 12 | 14)
        && (text.starts_with("19") || text.starts_with("20"))
        && let (Some(date), Some((time, 0))) = (compact_date(&text[..8]), time_of_day(&text[8..]))
    {
        return Some(wall(date.and_time(time), 0));
    }
    // Nine digits of seconds are 1973; sizes in between two units are 5138 in one and 1973 in the other.
    let per_second: i64 = match text.len() {
        9..=11 => 1,
        12..=14 => 1_000,
        15..=17 => 1_000_000,
        18 | 19 => 1_000_000_000,
        _ => return None,
    };
    let count: i64 = text.parse().ok()?;
    let nanos = count % per_second * (1_000_000_000 / per_second);
    Some(instant(count / per_second, u32::try_from(nanos).ok()?))
}

fn spelled(text: &str) -> Option<Parsed> {
    let (date, rest) = calendar_date(text)?;
    let rest = rest.strip_prefix(['T', 't']).unwrap_or_else(|| rest.strip_prefix(',').unwrap_or(rest)).trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(end);
    let (time, nanos) = time_of_day(clock)?;
    let local = date.and_time(time);
    match zone.trim() {
        "" => Some(wall(local, nanos)),
        zone => {
            let utc = local.checked_sub_signed(TimeDelta::seconds(offset(zone)?))?;
            Some(instant(utc.and_utc().timestamp(), nanos))
        }
    }
}

/// `YYYY-MM-DD`, with `-`, `/` or `.`, or `YYYYMMDD`; and what follows it.
fn calendar_date(text: &str) -> Option<(NaiveDate, &str)> {
    let leading = text.bytes().take_while(u8::is_ascii_digit).count();
    if leading == 8 {
        return Some((compact_date(&text[..8])?, &text[8..]));
    }
    if leading != 4 {
        return None;
    }
    let mark = text[4..].chars().next().filter(|mark| ['-', '/', '.'].contains(mark))?;
    let mut parts = text[5..].splitn(2, mark);
    let (month, rest) = (parts.next()?, parts.next()?);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (day, rest) = rest.split_at(end);
    let two = |part: &str| (1..=2).contains(&part.len()).then(|| part.parse::<u32>().ok()).flatten();
    Some((NaiveDate::from_ymd_opt(text[..4].parse().ok()?, two(month)?, two(day)?)?, rest))
}

fn compact_date(text: &str) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..8].parse().ok()?)
}

/// `HH:MM`, `HH:MM:SS` with any fraction, `HHMM` or `HHMMSS`; and the nanoseconds of it.
fn time_of_day(text: &str) -> Option<(NaiveTime, u32)> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanos = if fraction.is_empty() {
        0
    } else {
        let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        let beyond = fraction.bytes().skip(9).any(|b| b != b'0');
        digits.parse::<u32>().ok()?.max(u32::from(beyond))
    };
    let parts: Vec<&str> = if clock.contains(':') {
        clock.split(':').collect()
    } else {
        match clock.len() {
            4 => vec![&clock[..2], &clock[2..]],
            6 => vec![&clock[..2], &clock[2..4], &clock[4..]],
            _ => return None,
        }
    };
    let number = |part: &&str| (1..=2).contains(&part.len()).then(|| part.parse::<u32>().ok()).flatten();
    let parts: Vec<u32> = parts.iter().map(number).collect::<Option<_>>()?;
    let time = match parts[..] {
        [hour, minute] if fraction.is_empty() => NaiveTime::from_hms_opt(hour, minute, 0),
        [hour, minute, second] => NaiveTime::from_hms_opt(hour, minute, second),
        _ => None,
    };
    Some((time?, nanos))
}

/// Seconds east of Greenwich: `Z`, `UTC`, `GMT`, `+05:30`, `-0500`, `-05`.
fn offset(text: &str) -> Option<i64> {
    if ["Z", "UTC", "GMT"].iter().any(|name| text.eq_ignore_ascii_case(name)) {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = text[1..].replace(':', "");
    if !digits.bytes().all(|b| b.is_ascii_digit()) || !matches!(digits.len(), 2 | 4) {
        return None;
    }
    let hours: i64 = digits[..2].parse().ok()?;
    let minutes: i64 = if digits.len() == 4 { digits[2..].parse().ok()? } else { 0 };
    (hours <= 15 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_sources_write_a_time() {
        let nine_thirty: NaiveDateTime = "2025-01-15T09:30:00".parse().unwrap();
        for text in [
            "2025-01-15 09:30:00",
            "2025-01-15T09:30",
            "2025-01-15 09:30:00.000000",
            "20250115 09:30:00",
            "20250115 093000",
            "20250115 0930",
            "20250115093000",
            "202501150930",
            "2025.01.15 09:30",
            "2025/1/15 9:30",
            "2025/1/15,  09:30:00.000",
        ] {
            assert_eq!(read(text), Ok(Told::Wall(nine_thirty)), "{text}");
        }
        // 2025-01-15T14:30:00Z is 1736951400 seconds after 1970 (date -d).
        for text in [
            "2025-01-15T14:30:00Z",
            "2025-01-15 14:30:00 UTC",
            "2025-01-15T09:30:00-05:00",
            "2025-01-15 20:00:00+0530",
            "2025-01-15T15:30:00.000+01",
            "1736951400",
            "1736951400.0",
            "1736951400000",
            "1736951400000000",
            "1736951400000000000",
        ] {
            assert_eq!(read(text), Ok(Told::Instant(1_736_951_400 / 60)), "{text}");
        }
        assert_eq!(read_pair("20250115", "09:30:00"), Ok(Told::Wall(nine_thirty)));
        assert_eq!(read_pair("2025.01.15", "0930"), Ok(Told::Wall(nine_thirty)));
        assert_eq!(read_pair("2025-01-15 00:00:00", "9:30"), Ok(Told::Wall(nine_thirty)));
    }

    #[test]
    fn what_is_no_time_or_more_than_one_is_refused() {
        for text in [
            "01/15/2025 09:30",
            "15.01.2025 09:30",
            "2025-01-15",
            "20250115",
            "2025-02-30 09:30",
            "2025-01-15 24:00",
            "2025-01-15 930",
            "2025-01-15T09:30:00 EST",
            "2025-01-15T09:30:00+1:00",
            "09:30",
            "yesterday",
            "é025-01-15 09:30",
            "-1736951400",
            "12345",
            "17369514000000000000",
        ] {
            assert_eq!(read(text).unwrap_err().code, "not_a_time", "{text}");
        }
        for text in ["2025-01-15 09:30:59", "2025-01-15 09:30:00.5", "1736951401", "1736951400001"] {
            assert_eq!(read(text).unwrap_err().code, "not_a_minute", "{text}");
        }
        assert_eq!(read(" ").unwrap_err().code, "field_missing");
        assert!(read("2025-01-15").unwrap_err().reason.contains("no time of day"));
    }
}
