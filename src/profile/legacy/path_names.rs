//! What a file's name and folders say of the records in it: `NQ_2025-01-15.json`, `nq-20250115.json`, `2025/01/15/NQ.json`,
//! `NQ_Jan2025.json`. Pure.

use super::date_spelling::month;
use crate::market::TradingDate;

/// A date as exactly as a path says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathDate {
    Day(TradingDate),
    Month(i32, u32),
    Year(i32),
}

impl PathDate {
    /// Whether `date` lies in it.
    pub fn holds(self, date: TradingDate) -> bool {
        use chrono::Datelike;
        match self {
            Self::Day(day) => day == date,
            Self::Month(year, month) => date.year() == year && date.naive().month() == month,
            Self::Year(year) => date.year() == year,
        }
    }
}

/// The parts of a path that may mean something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathNames {
    /// Words that may be symbols, the last first.
    pub words: Vec<String>,
    /// The most exact date; of several days the last.
    pub date: Option<PathDate>,
}

/// Takes a path apart.
pub fn names(path: &str) -> PathNames {
    let lower = path.to_ascii_lowercase();
    let stem = [".json", ".jsonl", ".ndjson"].iter().filter_map(|ending| lower.rfind(ending)).min();
    let stem = stem.filter(|at| !path[*at..].contains('/')).map_or(path, |at| &path[..at]);
    let tokens: Vec<&str> = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let tokens: Vec<&str> = tokens.into_iter().flat_map(parts).collect();
    let words = tokens.iter().filter(|token| token.bytes().any(|byte| byte.is_ascii_alphabetic()));
    PathNames { words: words.rev().map(|word| (*word).to_owned()).collect(), date: date(&tokens) }
}

/// `NQ20250115`, `Jan2025` and `20250115NQ` are two words each; `6E` is one.
fn parts(token: &str) -> Vec<&str> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    for length in [8, 4] {
        if token.len() > length {
            let (start, end) = token.split_at(token.len() - length);
            if digits(end) && !start.ends_with(|last: char| last.is_ascii_digit()) {
                return day_of_month(start).into_iter().chain([end]).collect();
            }
            let (start, end) = token.split_at(length);
            if digits(start) && !end.starts_with(|first: char| first.is_ascii_digit()) {
                return vec![start, end];
            }
        }
    }
    vec![token]
}

/// `15Jan` is two words.
fn day_of_month(token: &str) -> Vec<&str> {
    let digits = token.bytes().take_while(u8::is_ascii_digit).count();
    let (day, name) = token.split_at(digits);
    if (1..=2).contains(&digits) && month(name).is_some() { vec![day, name] } else { vec![token] }
}

fn date(tokens: &[&str]) -> Option<PathDate> {
    let number =
        |at: usize| tokens.get(at).filter(|token| token.len() <= 2).and_then(|token| token.parse::<u32>().ok());
    let year = |at: usize| {
        let year = tokens.get(at).filter(|token| token.len() == 4)?.parse::<i32>().ok()?;
        (1990..2100).contains(&year).then_some(year)
    };
    let (mut day, mut months, mut years) = (None, None, None);
    for at in 0..tokens.len() {
        let token = tokens[at];
        let found = match token.len() {
            8 if token.bytes().all(|byte| byte.is_ascii_digit()) => super::date_spelling::date_of_number(token),
            _ => None,
        };
        let ymd = year(at).and_then(|year| {
            let month = number(at + 1).or_else(|| month(tokens.get(at + 1)?))?;
            TradingDate::from_ymd(year, month, number(at + 2)?)
        });
        let mdy = year(at + 2).and_then(|year| {
            let (a, b) = (number(at), number(at + 1));
            match (a, b) {
                (Some(a), Some(b)) => TradingDate::from_ymd(year, a, b).or_else(|| TradingDate::from_ymd(year, b, a)),
                (Some(day), None) => TradingDate::from_ymd(year, month(tokens[at + 1])?, day),
                (None, Some(day)) => TradingDate::from_ymd(year, month(token)?, day),
                (None, None) => None,
            }
        });
        day = found.or(ymd).or(mdy).or(day);
        let of_month = year(at)
            .zip(number(at + 1).filter(|month| (1..=12).contains(month)).or_else(|| month(tokens.get(at + 1)?)))
            .or_else(|| Some((year(at + 1)?, month(token)?)))
            .or_else(|| {
                let six = (token.len() == 6).then(|| token.split_at(4))?;
                let (year, month) = (six.0.parse().ok()?, six.1.parse().ok()?);
                ((1990..2100).contains(&year) && (1..=12).contains(&month)).then_some((year, month))
            });
        months = of_month.or(months);
        years = year(at).or(years);
    }
    day.map(PathDate::Day).or(months.map(|(year, month)| PathDate::Month(year, month))).or(years.map(PathDate::Year))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_symbol_and_date_in_many_ways() {
        let day = PathDate::Day("2025-01-15".parse().unwrap());
        for (path, word, date) in [
            ("NQ_2025-01-15.json", "NQ", Some(day)),
            ("nq-20250115.json", "nq", Some(day)),
            ("NQ20250115.json.gz", "NQ", Some(day)),
            ("20250115_NQ.json", "NQ", Some(day)),
            ("2025/01/15/NQ.json", "NQ", Some(day)),
            ("NQ/2025/NQ_01-15-2025.json", "NQ", Some(day)),
            ("NQ/2025/2025-01-15 (1).json", "NQ", Some(day)),
            ("old/2024-01-02/NQ_2025_01_15_v2.json", "v2", Some(day)),
            ("NQ_15Jan2025.json", "Jan", Some(day)),
            ("NQ_15-Jan-2025.json", "Jan", Some(day)),
            ("NQ_Jan2025.json", "Jan", Some(PathDate::Month(2025, 1))),
            ("NQ/2025/01.json", "NQ", Some(PathDate::Month(2025, 1))),
            ("NQ_202501.json", "NQ", Some(PathDate::Month(2025, 1))),
            ("NQ_2025.jsonl", "NQ", Some(PathDate::Year(2025))),
            ("6E_2025.json", "6E", Some(PathDate::Year(2025))),
            ("all.json", "all", None),
        ] {
            let names = names(path);
            assert_eq!(names.words.first().map(String::as_str), Some(word), "{path}");
            assert_eq!(names.date, date, "{path}");
        }
        assert!(day.holds("2025-01-15".parse().unwrap()) && !day.holds("2025-01-16".parse().unwrap()));
        assert!(PathDate::Month(2025, 1).holds("2025-01-31".parse().unwrap()));
    }
}
