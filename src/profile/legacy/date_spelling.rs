//! Dates as old writers spelled them. Pure; day and month in figures are read month first, as the old system's country does,
//! unless that is no date.

use chrono::DateTime;

use super::value::Spelled;
use crate::market::TradingDate;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The day that a text names; a time of day behind it is of no account. `None` when it is no date.
pub fn date(text: &str) -> Option<Spelled<TradingDate>> {
    if let Ok(value) = text.parse() {
        return Some(Spelled { value, plain: true });
    }
    let text = text.trim();
    if text.len() > 40 {
        return None;
    }
    let day = match text.find(['T', 't']) {
        // "T" may also stand in the name of a month, behind letters.
        Some(at) if text[..at].ends_with(|before: char| before.is_ascii_digit()) => &text[..at],
        _ => text,
    };
    let parts: Vec<&str> = day.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    // "2025-01-15 00:00:00": what is behind the third part is the time.
    let value = match parts.as_slice() {
        [one] => in_one(one)?,
        [a, b, c, ..] => in_three(a, b, c)?,
        _ => return None,
    };
    Some(Spelled { value, plain: false })
}

/// A number that stands for a date: 20250115, or seconds or milliseconds since 1970 in UTC.
pub fn date_of_number(text: &str) -> Option<TradingDate> {
    if text.len() == 8 {
        return in_one(text);
    }
    let number: i64 = text.parse().ok()?;
    let seconds = match text.len() {
        9 | 10 => number,
        12 | 13 => number / 1000,
        _ => return None,
    };
    let date = DateTime::from_timestamp(seconds, 0)?.date_naive();
    Some(TradingDate::from(date))
}

/// A month by its English name or the start of it, from 1.
pub fn month(name: &str) -> Option<u32> {
    let name = name.to_ascii_lowercase();
    let start = name.get(..3)?;
    if name.len() > 9 || !name.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return None;
    }
    MONTHS.iter().position(|month| *month == start).map(|at| at as u32 + 1)
}

fn in_one(text: &str) -> Option<TradingDate> {
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    TradingDate::from_ymd(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?)
}

fn in_three(a: &str, b: &str, c: &str) -> Option<TradingDate> {
    let number = |text: &str| -> Option<u32> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    let year = |text: &str| number(text).filter(|_| text.len() == 4).and_then(|year| i32::try_from(year).ok());
    let ymd = TradingDate::from_ymd;
    if let Some(year) = year(a) {
        let month = number(b).or_else(|| month(b))?;
        return ymd(year, month, number(c)?);
    }
    let year = year(c)?;
    match (number(a), number(b)) {
        (Some(a), Some(b)) => ymd(year, a, b).or_else(|| ymd(year, b, a)),
        (Some(day), None) => ymd(year, month(b)?, day),
        (None, Some(day)) => ymd(year, month(a)?, day),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_day_in_every_spelling() {
        let day: TradingDate = "2025-01-15".parse().unwrap();
        for text in [
            "20250115",
            "01/15/2025",
            "1/15/2025",
            "15/01/2025",
            "2025/01/15",
            "2025-1-15",
            "2025-01-15T00:00:00",
            "2025-01-15T00:00:00.000Z",
            "2025-01-15 09:30:00-05:00",
            "15-Jan-2025",
            "Jan 15, 2025",
            "January 15 2025",
            " 2025-01-15 ",
        ] {
            assert_eq!(date(text), Some(Spelled { value: day, plain: false }), "{text}");
        }
        assert_eq!(date("2025-01-15"), Some(Spelled { value: day, plain: true }));
        assert_eq!(date_of_number("20250115"), Some(day));
        assert_eq!(date_of_number("1736899200"), Some(day));
        assert_eq!(date_of_number("1736899200000"), Some(day));
        for text in ["2025-02-30", "2025-13-01", "13/13/2025", "", "today", "2025-01", "15.01.25", "٢٠٢٥-٠١-١٥"]
        {
            assert_eq!(date(text), None, "{text}");
        }
    }
}
