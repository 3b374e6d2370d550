//! Sorts a listing of the lake: which symbol has what on which date, and what does not belong. Pure. Holds the names of
//! objects only, about a hundred bytes each.

use std::collections::{BTreeMap, BTreeSet};

use super::{Code, Finding};
use crate::lake::dataset::{Cut, Dataset};
use crate::lake::layout::{Key, PartitionId, Period, prefix};
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
        let named = |name: &str| datasets.iter().any(|dataset| dataset.name == name);
        let parsed = match key.parse::<Key>() {
            Ok(parsed) => parsed,
            Err(_) if wanted.is_some() => return,
            Err(_) => {
                let finding = if lies_among_data(key, datasets) {
                    Finding::new(Code::StrayObject, key, "it lies among the lake's data and is none of it")
                } else {
                    Finding::new(Code::UnknownObject, key, "it lies beside the lake's data")
                };
                return self.findings.push(finding);
            }
        };
        if wanted.is_some_and(|wanted| symbol_of(&parsed) != Some(wanted)) {
            return;
        }
        match parsed {
            Key::Config { .. } => {}
            Key::Catalog { dataset } if named(&dataset) => {}
            Key::Catalog { dataset } => self.findings.push(no_dataset(key, &dataset)),
            Key::Rejected { .. } => self.rejected.push(key.to_owned()),
            Key::Capture { dataset, symbol, date, id } => {
                self.day(symbol, date).captures.insert((dataset, id));
            }
            Key::Partition(id) => self.part(key, id, datasets, false),
            Key::Manifest(id) => self.part(key, id, datasets, true),
        }
    }

    fn part(&mut self, key: &str, id: PartitionId, datasets: &[&'static Dataset], manifest: bool) {
        let Some(dataset) = datasets.iter().find(|dataset| dataset.name == id.dataset) else {
            return self.findings.push(no_dataset(key, &id.dataset));
        };
        match (dataset.cut, id.period) {
            (Cut::Day, Period::Day(date)) => {
                self.day(id.symbol, date).datasets.insert(dataset.name);
            }
            (Cut::Year, Period::Year(year)) => {
                self.year(id.symbol, year).tables.insert(dataset.name);
            }
            // The index of a dataset cut by day.
            (Cut::Day, Period::Year(year)) if manifest => {
                self.year(id.symbol, year);
            }
            _ => {
                let detail = format!("{} is not cut by {}", dataset.name, id.period.column());
                self.findings.push(Finding::new(Code::StrayObject, key, detail));
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

fn no_dataset(key: &str, name: &str) -> Finding {
    Finding::new(Code::UnknownObject, key, format!("this version of pitlake has no dataset '{name}'"))
}

fn lies_among_data(key: &str, datasets: &[&'static Dataset]) -> bool {
    let of_datasets = datasets.iter().map(|dataset| prefix::partitions(dataset.name) + "/");
    of_datasets.chain([prefix::captures(""), prefix::manifests("")]).any(|folder| key.starts_with(&folder))
}

fn symbol_of(key: &Key) -> Option<&Symbol> {
    match key {
        Key::Capture { symbol, .. } => Some(symbol),
        Key::Partition(id) | Key::Manifest(id) => Some(&id.symbol),
        Key::Rejected { .. } | Key::Catalog { .. } | Key::Config { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;

    use super::*;

    const fn dataset(name: &'static str, cut: Cut) -> Dataset {
        let schema = || Arc::new(Schema::empty());
        Dataset { name, about: "", cut, schema, sorted_by: &[], packing: &[], row_group_rows: 1 }
    }

    static BY_DAY: Dataset = dataset("greeks", Cut::Day);
    static BY_YEAR: Dataset = dataset("greeks_by_day", Cut::Year);
    static DATASETS: [&Dataset; 2] = [&BY_DAY, &BY_YEAR];

    fn codes(keys: &[&str]) -> Vec<(Code, String)> {
        let mut inventory = Inventory::default();
        keys.iter().for_each(|key| inventory.take(key, &DATASETS, None));
        inventory.findings.into_iter().map(|finding| (finding.code, finding.key)).collect()
    }

    #[test]
    fn what_belongs_is_no_finding() {
        let found = codes(&[
            "_config/keys.json",
            "_manifest/greeks/symbol=SPY/2025-01-15.json",
            "_manifest/greeks/symbol=SPY/2025.json",
            "_manifest/greeks/symbols.json",
            "_manifest/greeks_by_day/symbol=SPY/2025.json",
            "greeks/symbol=SPY/date=2025-01-15/part-0.parquet",
            "greeks_by_day/symbol=SPY/year=2025/part-0.parquet",
            "raw/_rejected/greeks/date=2025-01-15/0a.jsonl.zst",
            "raw/chains/symbol=SPY/date=2025-01-15/0a.jsonl.zst",
        ]);
        assert_eq!(found, []);
    }

    #[test]
    fn strangers_are_damage_only_where_readers_would_read_them() {
        for stray in [
            "greeks/symbol=SPY/date=2025-01-15/part-1.parquet",
            "greeks/symbol=SPY/year=2025/part-0.parquet",
            "greeks_by_day/symbol=SPY/date=2025-01-15/part-0.parquet",
            "_manifest/greeks_by_day/symbol=SPY/2025-01-15.json",
            "_manifest/notes.txt",
            "raw/greeks/symbol=SPY/date=2025-01-15/0a.jsonl",
        ] {
            assert_eq!(codes(&[stray]), [(Code::StrayObject, stray.to_owned())]);
        }
        for unknown in ["README.txt", "greeks_old/file", "bars/symbol=SPY/date=2025-01-15/part-0.parquet"] {
            assert_eq!(codes(&[unknown]), [(Code::UnknownObject, unknown.to_owned())]);
        }
    }

    #[test]
    fn a_wanted_symbol_hides_the_rest() {
        let mut inventory = Inventory::default();
        let spy: Symbol = "SPY".parse().unwrap();
        for key in [
            "junk",
            "raw/_rejected/greeks/date=2025-01-15/0a.jsonl.zst",
            "greeks/symbol=QQQ/date=2025-01-15/part-0.parquet",
        ] {
            inventory.take(key, &DATASETS, Some(&spy));
        }
        assert!(inventory.years.is_empty() && inventory.rejected.is_empty() && inventory.findings.is_empty());
        inventory.take("greeks/symbol=SPY/date=2025-01-15/part-0.parquet", &DATASETS, Some(&spy));
        assert_eq!(inventory.days(), 1);
    }
}
