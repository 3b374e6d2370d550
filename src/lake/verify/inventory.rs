//! Sorts a listing of the lake: which symbol has what on which date, and what does not belong. Pure. Holds the names of
//! objects only, about a hundred bytes each.

use std::collections::{BTreeMap, BTreeSet};

use super::{Code, Finding};
use crate::lake::dataset::{Cut, Dataset};
use crate::lake::layout::{Key, Period, holds_data};
use crate::market::{Symbol, TradingDate};

/// What there is of one symbol and trading date.
#[derive(Debug, Default)]
pub struct DayObjects {
    /// Datasets with a partition, a manifest or both.
    pub datasets: BTreeSet<&'static str>,
    /// (dataset, id)
    pub captures: BTreeSet<(String, String)>,
}

/// What there is of one symbol and year.
#[derive(Debug, Default)]
pub struct YearObjects {
    pub days: BTreeMap<TradingDate, DayObjects>,
    /// Datasets cut by year that have a table, a manifest or both.
    pub tables: BTreeSet<&'static str>,
}

/// The whole lake by name.
#[derive(Debug, Default)]
pub struct Inventory {
    pub years: BTreeMap<(Symbol, i32), YearObjects>,
    /// Keys of refused input.
    pub rejected: Vec<String>,
    pub findings: Vec<Finding>,
}

impl Inventory {
    /// Takes one object. Of a lake with a `wanted` symbol everything else is passed over.
    pub fn take(&mut self, key: &str, datasets: &[&'static Dataset], wanted: Option<&Symbol>) {
        let named = |name: &str| datasets.iter().copied().find(|dataset| dataset.name == name);
        let parsed = match key.parse::<Key>() {
            Ok(parsed) => parsed,
            Err(_) if wanted.is_some() => return,
            Err(_) => {
                let inside = holds_data(key, |name| named(name).is_some());
                let (code, where_) = if inside {
                    (Code::StrayObject, "it lies among the lake's data and is none of it")
                } else {
                    (Code::UnknownObject, "it lies beside the lake's data")
                };
                return self.findings.push(Finding::new(code, key, where_));
            }
        };
        if wanted.is_some_and(|wanted| symbol_of(&parsed) != Some(wanted)) {
            return;
        }
        match parsed {
            Key::Config { .. } => {}
            Key::Rejected { .. } => self.rejected.push(key.to_owned()),
            Key::Capture { dataset, symbol, date, id } => {
                self.day(symbol, date).captures.insert((dataset, id));
            }
            Key::Partition(id) | Key::Manifest(id) => {
                let is_data = key.parse::<Key>().is_ok_and(|key| matches!(key, Key::Partition(_)));
                match (named(&id.dataset), id.period) {
                    (Some(dataset), Period::Day(date)) if dataset.cut == Cut::Day => {
                        self.day(id.symbol, date).datasets.insert(dataset.name);
                    }
                    (Some(dataset), Period::Year(year)) if dataset.cut == Cut::Year => {
                        self.year(id.symbol, year).tables.insert(dataset.name);
                    }
                    // The index of a dataset cut by day.
                    (Some(_), Period::Year(year)) if !is_data => {
                        self.year(id.symbol, year);
                    }
                    (Some(dataset), _) => {
                        let detail = format!("{} is not cut by {}", dataset.name, id.period.column());
                        self.findings.push(Finding::new(Code::StrayObject, key, detail));
                    }
                    (None, _) => {
                        let detail = format!("this version of pitlake has no dataset '{}'", id.dataset);
                        self.findings.push(Finding::new(Code::UnknownObject, key, detail));
                    }
                }
            }
        }
    }

    pub fn days(&self) -> u64 {
        self.years.values().map(|year| year.days.len() as u64).sum()
    }

    fn year(&mut self, symbol: Symbol, year: i32) -> &mut YearObjects {
        self.years.entry((symbol, year)).or_default()
    }

    fn day(&mut self, symbol: Symbol, date: TradingDate) -> &mut DayObjects {
        self.year(symbol, date.year()).days.entry(date).or_default()
    }
}

fn symbol_of(key: &Key) -> Option<&Symbol> {
    match key {
        Key::Capture { symbol, .. } => Some(symbol),
        Key::Partition(id) | Key::Manifest(id) => Some(&id.symbol),
        Key::Rejected { .. } | Key::Config { .. } => None,
    }
}
