//! The one place that spells a path of the lake. Everything that reads or writes an object comes here for its key;
//! no other file may contain a path literal. Printing and parsing round-trip.

use std::fmt;
use std::str::FromStr;

use super::dataset::Cut;
use crate::market::{Symbol, TradingDate};
use crate::{Error, Result};

/// The name of the one file of a partition.
pub const PART_FILE: &str = "part-0.parquet";
const RAW: &str = "raw";
const REJECTED: &str = "_rejected";
const MANIFEST: &str = "_manifest";
const CONFIG: &str = "_config";
const CATALOG: &str = "symbols.json";
const CAPTURE_SUFFIX: &str = ".jsonl.zst";

/// What a partition spans: one trading date, or one year for small daily tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    Day(TradingDate),
    Year(i32),
}

impl Period {
    /// The Hive column in the path: `date` or `year`.
    pub fn column(&self) -> &'static str {
        match self {
            Period::Day(_) => "date",
            Period::Year(_) => "year",
        }
    }

    pub fn year(&self) -> i32 {
        match self {
            Period::Day(date) => date.year(),
            Period::Year(year) => *year,
        }
    }

    pub fn day(&self) -> Option<TradingDate> {
        match self {
            Period::Day(date) => Some(*date),
            Period::Year(_) => None,
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Period::Day(date) => write!(f, "{date}"),
            Period::Year(year) => write!(f, "{year:04}"),
        }
    }
}

impl FromStr for Period {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().map(Period::Year).map_err(|_| Error::invalid(format!("'{text}' is not a year")));
        }
        text.parse().map(Period::Day)
    }
}

/// One partition: one symbol × one period of a dataset, exactly one Parquet file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    pub dataset: String,
    pub symbol: Symbol,
    pub period: Period,
}

impl PartitionId {
    pub fn day(dataset: &str, symbol: &Symbol, date: TradingDate) -> Self {
        Self { dataset: dataset.to_owned(), symbol: symbol.clone(), period: Period::Day(date) }
    }

    pub fn year(dataset: &str, symbol: &Symbol, year: i32) -> Self {
        Self { dataset: dataset.to_owned(), symbol: symbol.clone(), period: Period::Year(year) }
    }

    /// The key of the partition's Parquet file.
    pub fn data_key(&self) -> String {
        Key::Partition(self.clone()).to_string()
    }

    /// The key of the partition's manifest.
    pub fn manifest_key(&self) -> String {
        Key::Manifest(self.clone()).to_string()
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.dataset, self.symbol, self.period)
    }
}

/// Every kind of object that a lake may hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// An immutable raw file of what a source said about one symbol and trading date.
    Capture { dataset: String, symbol: Symbol, date: TradingDate, id: String },
    /// Refused lines with their reasons, by the date they were received.
    Rejected { dataset: String, date: TradingDate, id: String },
    /// A partition's Parquet file.
    Partition(PartitionId),
    /// A partition's manifest; for a dataset partitioned by day, the year's one is the index of its days.
    Manifest(PartitionId),
    /// The symbols and years that a dataset has, so that nobody has to list.
    Catalog { dataset: String },
    /// Something a person may change: keys, instruments, strategies.
    Config { name: String },
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Capture { dataset, symbol, date, id } => {
                write!(f, "{RAW}/{dataset}/symbol={symbol}/date={date}/{id}{CAPTURE_SUFFIX}")
            }
            Key::Rejected { dataset, date, id } => {
                write!(f, "{RAW}/{REJECTED}/{dataset}/date={date}/{id}{CAPTURE_SUFFIX}")
            }
            Key::Partition(PartitionId { dataset, symbol, period }) => {
                write!(f, "{dataset}/symbol={symbol}/{}={period}/{PART_FILE}", period.column())
            }
            Key::Manifest(PartitionId { dataset, symbol, period }) => {
                write!(f, "{MANIFEST}/{dataset}/symbol={symbol}/{period}.json")
            }
            Key::Catalog { dataset } => write!(f, "{MANIFEST}/{dataset}/{CATALOG}"),
            Key::Config { name } => write!(f, "{CONFIG}/{name}"),
        }
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(key: &str) -> Result<Self> {
        parse(key).ok_or_else(|| Error::invalid(format!("'{key}' is not a path of a pitlake lake")))
    }
}

fn parse(key: &str) -> Option<Key> {
    let parts: Vec<&str> = key.split('/').collect();
    match parts.as_slice() {
        [RAW, REJECTED, dataset, date, file] => Some(Key::Rejected {
            dataset: dataset_name(dataset)?,
            date: hive("date", date)?.parse().ok()?,
            id: capture_id(file)?,
        }),
        [RAW, dataset, symbol, date, file] => Some(Key::Capture {
            dataset: dataset_name(dataset)?,
            symbol: hive("symbol", symbol)?.parse().ok()?,
            date: hive("date", date)?.parse().ok()?,
            id: capture_id(file)?,
        }),
        [MANIFEST, dataset, symbol, file] => Some(Key::Manifest(PartitionId {
            dataset: dataset_name(dataset)?,
            symbol: hive("symbol", symbol)?.parse().ok()?,
            period: file.strip_suffix(".json")?.parse().ok()?,
        })),
        [MANIFEST, dataset, CATALOG] => Some(Key::Catalog { dataset: dataset_name(dataset)? }),
        [CONFIG, name] if !name.is_empty() => Some(Key::Config { name: (*name).to_owned() }),
        [dataset, symbol, period, PART_FILE] => {
            let (column, value) = period.split_once('=')?;
            let period: Period = value.parse().ok()?;
            (period.column() == column).then_some(())?;
            Some(Key::Partition(PartitionId {
                dataset: dataset_name(dataset)?,
                symbol: hive("symbol", symbol)?.parse().ok()?,
                period,
            }))
        }
        _ => None,
    }
}

fn hive<'a>(column: &str, part: &'a str) -> Option<&'a str> {
    part.strip_prefix(column)?.strip_prefix('=')
}

fn dataset_name(part: &str) -> Option<String> {
    let mut bytes = part.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
    (starts && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')).then(|| part.to_owned())
}

fn capture_id(file: &str) -> Option<String> {
    let id = file.strip_suffix(CAPTURE_SUFFIX)?;
    (!id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')).then(|| id.to_owned())
}

/// Prefixes for the listings that ingest, compaction and verify make. No query ever lists.
pub mod prefix {
    use super::{MANIFEST, RAW, REJECTED, Symbol};

    /// All captures of a dataset: `raw/<dataset>`.
    pub fn captures(dataset: &str) -> String {
        format!("{RAW}/{dataset}")
    }

    /// Captures of one symbol.
    pub fn captures_of(dataset: &str, symbol: &Symbol) -> String {
        format!("{RAW}/{dataset}/symbol={symbol}")
    }

    /// Captures of one symbol and date.
    pub fn captures_on(dataset: &str, symbol: &Symbol, date: crate::market::TradingDate) -> String {
        format!("{RAW}/{dataset}/symbol={symbol}/date={date}")
    }

    /// What the captures of one symbol from a date on come after, in the order of keys: for a listing that starts there.
    pub fn captures_before(dataset: &str, symbol: &Symbol, date: crate::market::TradingDate) -> String {
        captures_on(dataset, symbol, date)
    }

    /// The symbol that a folder right under a dataset's captures or partitions is for.
    pub fn symbol_of(folder: &str) -> Option<Symbol> {
        super::hive("symbol", folder)?.parse().ok()
    }

    /// Refused input of a dataset.
    pub fn rejected(dataset: &str) -> String {
        format!("{RAW}/{REJECTED}/{dataset}")
    }

    /// Partitions of a dataset.
    pub fn partitions(dataset: &str) -> String {
        dataset.to_owned()
    }

    /// Manifests of a dataset.
    pub fn manifests(dataset: &str) -> String {
        format!("{MANIFEST}/{dataset}")
    }
}

/// The Hive column of a dataset's period.
pub fn partition_column(cut: Cut) -> &'static str {
    match cut {
        Cut::Day => "date",
        Cut::Year => "year",
    }
}

/// The folder of a partition, for statements that put something else in the place of symbol and period.
pub fn partition_folder(dataset: &str, cut: Cut, symbol: &str, period: &str) -> String {
    format!("{dataset}/symbol={symbol}/{}={period}", partition_column(cut))
}

/// Every partition of a dataset, as a pattern for other readers; pitlake itself names its files.
pub fn every_partition(dataset: &str, cut: Cut) -> String {
    format!("{}/{PART_FILE}", partition_folder(dataset, cut, "*", "*"))
}

/// The key of a configuration object.
pub fn config_key(name: &str) -> String {
    Key::Config { name: name.to_owned() }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spells_the_paths_of_the_contract() {
        let spy: Symbol = "SPY".parse().unwrap();
        let date: TradingDate = "2025-01-15".parse().unwrap();
        let day = PartitionId::day("greeks", &spy, date);
        assert_eq!(day.data_key(), "greeks/symbol=SPY/date=2025-01-15/part-0.parquet");
        assert_eq!(day.manifest_key(), "_manifest/greeks/symbol=SPY/2025-01-15.json");
        let year = PartitionId::year("greeks_by_day", &spy, 2025);
        assert_eq!(year.data_key(), "greeks_by_day/symbol=SPY/year=2025/part-0.parquet");
        assert_eq!(year.manifest_key(), "_manifest/greeks_by_day/symbol=SPY/2025.json");
        let capture = Key::Capture { dataset: "greeks".into(), symbol: spy, date, id: "0a1b".into() };
        assert_eq!(capture.to_string(), "raw/greeks/symbol=SPY/date=2025-01-15/0a1b.jsonl.zst");
        let rejected = Key::Rejected { dataset: "greeks".into(), date, id: "0a1b".into() };
        assert_eq!(rejected.to_string(), "raw/_rejected/greeks/date=2025-01-15/0a1b.jsonl.zst");
    }

    #[test]
    fn strangers_are_not_parsed() {
        for key in [
            "",
            "greeks",
            "greeks/symbol=SPY/date=2025-01-15/part-1.parquet",
            "greeks/symbol=spy/date=2025-01-15/part-0.parquet",
            "greeks/symbol=SPY/year=2025-01-15/part-0.parquet",
            "greeks/symbol=../date=2025-01-15/part-0.parquet",
            "raw/greeks/symbol=SPY/date=2025-02-30/0a.jsonl.zst",
            "_manifest/greeks/symbol=SPY/2025-01-15.txt",
        ] {
            assert!(key.parse::<Key>().is_err(), "{key}");
        }
    }

    fn symbols() -> impl Strategy<Value = Symbol> {
        "[A-Z][A-Z0-9_-]{0,8}".prop_map(|text| text.parse().unwrap())
    }

    fn days() -> impl Strategy<Value = TradingDate> {
        (1990i32..2100, 1u32..=12, 1u32..=28).prop_map(|(y, m, d)| TradingDate::from_ymd(y, m, d).unwrap())
    }

    proptest! {
        #[test]
        fn print_then_parse_is_the_same_key(symbol in symbols(), date in days(), dataset in "[a-z][a-z0-9_]{0,20}", id in "[0-9a-f]{32}", kind in 0..6) {
            prop_assume!(dataset != "raw");
            let key = match kind {
                0 => Key::Capture { dataset, symbol, date, id },
                1 => Key::Rejected { dataset, date, id },
                2 => Key::Partition(PartitionId { dataset, symbol, period: Period::Day(date) }),
                4 => Key::Catalog { dataset },
                3 => Key::Manifest(PartitionId { dataset, symbol, period: Period::Year(date.year()) }),
                _ => Key::Config { name: id },
            };
            prop_assert_eq!(key.to_string().parse::<Key>().unwrap(), key);
        }
    }
}
