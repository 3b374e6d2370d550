//! One symbol of one dataset, summed up from its indexes. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use serde::Serialize;

use super::lag::Lag;
use crate::lake::manifest::{Condition, Manifest};
use crate::lake::unstored::unstored;
use crate::lake::year_index::{DayEntry, YearIndex};
use crate::market::{Instrument, Symbol, TradingDate};

/// Days after the last stored one that are still shown, when today is no further: a lake that stopped last week shows what it
/// lacks, one of years ago does not show years of nothing.
const SHOWN_AFTER: TimeDelta = TimeDelta::days(31);

/// Days by condition.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Conditions {
    pub available: u64,
    pub degraded: u64,
    pub pending: u64,
    pub missing: u64,
    pub closed: u64,
}

impl Conditions {
    fn count(&mut self, condition: Condition) {
        *match condition {
            Condition::Available => &mut self.available,
            Condition::Degraded => &mut self.degraded,
            Condition::Pending => &mut self.pending,
            Condition::Missing => &mut self.missing,
            Condition::Closed => &mut self.closed,
        } += 1;
    }
}

/// What is stored of a symbol.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Holding {
    pub symbol: Symbol,
    /// First and last date, or year.
    pub first: String,
    pub last: String,
    /// Partitions: days, or years.
    pub partitions: u64,
    pub rows: u64,
    pub bytes: u64,
    /// Null when there are no rows.
    pub bytes_per_row: Option<f64>,
    /// Partitions that were published more than once after their close.
    pub revised: u64,
    /// Partitions made by another calculation than today's: compaction would make them again.
    pub stale: u64,
    /// From the first date on; only stored ones when the calendar is not known.
    pub conditions: Conditions,
    /// The newest day against the session; null where it is not known.
    pub newest: Option<Lag>,
    /// By month (`2025-01`) a character per calendar day: `#` available, `d` degraded, `p` pending, `!` missing, `.` closed, a
    /// space outside of the span.
    pub calendar: BTreeMap<String, String>,
}

/// One character of the strip.
pub fn mark(condition: Condition) -> char {
    match condition {
        Condition::Available => '#',
        Condition::Degraded => 'd',
        Condition::Pending => 'p',
        Condition::Missing => '!',
        Condition::Closed => '.',
    }
}

impl Holding {
    /// From the indexes of all years, in order; `None` when no day is stored. Without an instrument nothing is said of days
    /// that are not stored.
    pub fn of_days(
        symbol: &Symbol,
        years: &[YearIndex],
        instrument: Option<&Instrument>,
        calculation: &str,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let days: BTreeMap<TradingDate, &DayEntry> =
            years.iter().flat_map(|year| &year.days).map(|day| (day.date, day)).collect();
        let (first, last) = (*days.keys().next()?, *days.keys().next_back()?);
        let today = instrument.map(|instrument| instrument.trading_date_of(now));
        let until = today.filter(|today| *today > last && today.naive() - last.naive() <= SHOWN_AFTER).unwrap_or(last);
        let mut conditions = Conditions::default();
        let mut calendar: BTreeMap<String, String> = BTreeMap::new();
        let mut date = first;
        while date <= until {
            let stored = days.get(&date).map(|day| day.condition);
            let condition = stored.or_else(|| Some(unstored(instrument?, date, now).condition));
            let strip = calendar.entry(date.naive().format("%Y-%m").to_string()).or_default();
            while strip.len() + 1 < date.naive().day() as usize {
                strip.push(' ');
            }
            strip.push(condition.map_or(' ', mark));
            if let Some(condition) = condition {
                conditions.count(condition);
            }
            date = date.next_day();
        }
        let sum = |of: fn(&DayEntry) -> u64| days.values().map(|day| of(day)).sum::<u64>();
        let count = |is: &dyn Fn(&DayEntry) -> bool| days.values().filter(|day| is(day)).count() as u64;
        let (rows, bytes) = (sum(|day| day.rows), sum(|day| day.bytes));
        Some(Self {
            symbol: symbol.clone(),
            first: first.to_string(),
            last: last.to_string(),
            partitions: days.len() as u64,
            rows,
            bytes,
            bytes_per_row: per_row(rows, bytes),
            revised: count(&|day| day.revision > 1),
            stale: count(&|day| day.calculation_version != calculation),
            conditions,
            newest: None,
            calendar,
        })
    }

    /// From the manifests of a dataset that is cut by year, in order.
    pub fn of_years(symbol: &Symbol, manifests: &[Manifest], calculation: &str) -> Option<Self> {
        let year = |manifest: &Manifest| manifest.content.year.map(|year| year.to_string()).unwrap_or_default();
        let mut conditions = Conditions::default();
        manifests.iter().for_each(|manifest| conditions.count(manifest.content.condition));
        let count = |is: &dyn Fn(&Manifest) -> bool| manifests.iter().filter(|manifest| is(manifest)).count() as u64;
        let rows = manifests.iter().map(|manifest| manifest.content.rows).sum();
        let bytes = manifests.iter().map(|manifest| manifest.bytes).sum();
        Some(Self {
            symbol: symbol.clone(),
            first: year(manifests.first()?),
            last: year(manifests.last()?),
            partitions: manifests.len() as u64,
            rows,
            bytes,
            bytes_per_row: per_row(rows, bytes),
            revised: count(&|manifest| manifest.revision > 1),
            stale: count(&|manifest| manifest.content.calculation.version != calculation),
            conditions,
            newest: None,
            calendar: BTreeMap::new(),
        })
    }
}

/// Two digits behind the point are all that anybody reads.
fn per_row(rows: u64, bytes: u64) -> Option<f64> {
    (rows > 0).then(|| (bytes as f64 / rows as f64 * 100.0).round() / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::Instruments;

    fn day(date: &str, condition: Condition, revision: u32) -> DayEntry {
        DayEntry {
            date: date.parse().unwrap(),
            condition,
            reasons: Vec::new(),
            rows: 1000,
            bytes: 3055,
            sha256: "ab".repeat(32),
            revision,
            published_at: "2025-01-15T21:05:00Z".parse().unwrap(),
            minutes_expected: 390,
            minutes_seen: 390,
            calculation_version: if revision > 2 { "greeks-0" } else { "greeks-1" }.to_owned(),
            change: None,
            day: serde_json::Value::Null,
        }
    }

    fn index(year: i32, days: Vec<DayEntry>) -> YearIndex {
        YearIndex {
            dataset: "greeks".to_owned(),
            symbol: "SPY".parse().unwrap(),
            year,
            days,
            listed_at: Default::default(),
        }
    }

    /// The calendar of January 2025 in New York: the 1st a holiday, the 9th a day of mourning, the 20th Martin Luther King's.
    #[test]
    fn a_strip_has_a_character_for_each_day() {
        let years = [
            index(2024, vec![day("2024-12-30", Condition::Available, 1), day("2024-12-31", Condition::Degraded, 2)]),
            index(2025, vec![day("2025-01-03", Condition::Available, 3), day("2025-01-15", Condition::Pending, 1)]),
        ];
        let instruments = Instruments::builtin();
        let spy = instruments.resolve("SPY").map(AsRef::as_ref);
        let symbol: Symbol = "SPY".parse().unwrap();
        let at = |now: &str| Holding::of_days(&symbol, &years, spy, "greeks-1", now.parse().unwrap()).unwrap();
        let open = at("2025-01-15T15:00:00Z");
        assert_eq!(open.calendar["2024-12"], format!("{}#d", " ".repeat(29)));
        assert_eq!(open.calendar["2025-01"], ".!#..!!!.!..!!p");
        let expected = Conditions { available: 2, degraded: 1, pending: 1, missing: 7, closed: 6 };
        assert_eq!(open.conditions, expected);
        assert_eq!((open.first.as_str(), open.last.as_str(), open.partitions), ("2024-12-30", "2025-01-15", 4));
        assert_eq!((open.rows, open.bytes, open.bytes_per_row), (4000, 12_220, Some(3.06)));
        assert_eq!((open.revised, open.stale), (2, 1));

        // Two sessions later: the 16th is missing, the 17th not yet over.
        assert_eq!(at("2025-01-17T15:00:00Z").calendar["2025-01"], ".!#..!!!.!..!!p!p");
        // Half a year later nobody wants to see half a year of nothing.
        assert_eq!(at("2025-07-17T15:00:00Z").calendar.len(), 2);
        let unknown =
            Holding::of_days(&symbol, &years, None, "greeks-1", "2025-01-17T15:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(unknown.calendar["2025-01"], format!("  #{}p", " ".repeat(11)));
        assert_eq!(Holding::of_days(&symbol, &[], spy, "greeks-1", "2025-01-17T15:00:00Z".parse().unwrap()), None);
    }
}
