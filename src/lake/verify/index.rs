//! Checks a year's index against the manifests of its days. Pure.

use std::collections::BTreeSet;

use super::{Code, Finding};
use crate::lake::layout::PartitionId;
use crate::lake::year_index::{DayEntry, YearIndex};
use crate::market::TradingDate;

/// An index as the store gave it: absent, unreadable (why), or read.
pub type Found = Option<std::result::Result<YearIndex, String>>;

/// What is wrong with the index `id`. `days` are what sound manifests say, in order of date; nothing is said of `doubtful`
/// days.
pub fn check(id: &PartitionId, found: &Found, days: &[DayEntry], doubtful: &BTreeSet<TradingDate>) -> Vec<Finding> {
    let key = id.manifest_key();
    let sound = || days.iter().filter(|day| !doubtful.contains(&day.date));
    let index = match found {
        None => {
            let missing: Vec<TradingDate> = sound().map(|day| day.date).collect();
            let none = || missing_days(&key, &missing, "there is none");
            return if missing.is_empty() { Vec::new() } else { vec![none()] };
        }
        Some(Err(why)) => return vec![Finding::new(Code::IndexDiffers, key, why)],
        Some(Ok(index)) => index,
    };
    if (&index.dataset, &index.symbol, index.year) != (&id.dataset, &id.symbol, id.period.year()) {
        let detail = format!("it says that it is the index of {} {} {}", index.dataset, index.symbol, index.year);
        return vec![Finding::new(Code::IndexDiffers, key, detail)];
    }
    if !index.days.is_sorted_by(|a, b| a.date < b.date) {
        return vec![Finding::new(Code::IndexDiffers, key, "its days are not in order, each once")];
    }
    let mut findings = Vec::new();
    let missing: Vec<TradingDate> = sound().map(|day| day.date).filter(|date| index.day(*date).is_none()).collect();
    if !missing.is_empty() {
        findings.push(missing_days(&key, &missing, "it does not name them all"));
    }
    let other: Vec<TradingDate> =
        sound().filter(|day| index.day(day.date).is_some_and(|entry| entry != *day)).map(|day| day.date).collect();
    if !other.is_empty() {
        findings.push(Finding::new(
            Code::IndexDiffers,
            key,
            format!("it says something else than the manifests of {}", some(&other)),
        ));
    }
    findings
}

/// Dates that the index names and nothing else knows.
pub fn known_only_here(found: &Found, known: impl Fn(TradingDate) -> bool) -> Vec<TradingDate> {
    match found {
        Some(Ok(index)) => index.days.iter().map(|day| day.date).filter(|date| !known(*date)).collect(),
        _ => Vec::new(),
    }
}

fn missing_days(key: &str, dates: &[TradingDate], why: &str) -> Finding {
    Finding::new(
        Code::IndexMissingDay,
        key,
        format!("{} of the year's days are not in the index ({why}): {}", dates.len(), some(dates)),
    )
}

/// The first few dates, for a person.
pub fn some(dates: &[TradingDate]) -> String {
    let shown: Vec<String> = dates.iter().take(5).map(ToString::to_string).collect();
    let more = dates.len().saturating_sub(5);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}
