//! Where records are put: the mixed file names and wrappings of an archive that grew. Pure; bytes are handed on.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::random::Draws;
use super::spelling::{Style, written};
use super::{Entry, failed};
use crate::Result;
use crate::market::TradingDate;

/// How the records of one month are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shelf {
    /// `NQ_2025-01-15.json`
    File,
    /// `daily/nq-20250115.json`
    Daily,
    /// `2025/01/15/NQ.json`
    Folders,
    /// `NQ_Jan2025.json`, a list.
    Month,
    /// `lines/NQ_2025-01.jsonl`
    Lines,
    /// `keyed/NQ_202501.json`, by date.
    ByDate,
    /// `api/2025-01/NQ.json`: `{"symbol":"NQ","data":[…]}`.
    Wrapped,
    /// `packed/2025-01.json.gz`: `{"NQ":[…]}`.
    Packed,
}

impl Shelf {
    const ALL: [Self; 8] =
        [Self::File, Self::Month, Self::Folders, Self::Lines, Self::Daily, Self::ByDate, Self::Wrapped, Self::Packed];

    /// The shelf of the month `at`, counted from the first.
    pub(super) fn of_month(at: usize) -> Self {
        Self::ALL[at % Self::ALL.len()]
    }

    pub(super) fn path(self, symbol: &str, date: TradingDate) -> String {
        let date = date.naive();
        let small = symbol.to_ascii_lowercase();
        match self {
            Self::File => format!("{symbol}_{date}.json"),
            Self::Daily => format!("daily/{small}-{}.json", date.format("%Y%m%d")),
            Self::Folders => format!("{}/{symbol}.json", date.format("%Y/%m/%d")),
            Self::Month => format!("{symbol}_{}.json", date.format("%b%Y")),
            Self::Lines => format!("lines/{symbol}_{}.jsonl", date.format("%Y-%m")),
            Self::ByDate => format!("keyed/{symbol}_{}.json", date.format("%Y%m")),
            Self::Wrapped => format!("api/{}/{symbol}.json", date.format("%Y-%m")),
            Self::Packed => format!("packed/{}.json.gz", date.format("%Y-%m")),
        }
    }

    /// The bytes of a file with these records; their order is that of the records in it.
    pub(super) fn file(self, symbol: &str, entries: &[Entry], draws: &mut Draws) -> Result<Vec<u8>> {
        let text = |entry: &Entry, style: &Style, keep_symbol: bool, keep_date: bool| {
            let mut record = entry.faulty.record.clone();
            let is_own = record.symbol.as_deref() == Some(symbol);
            if !keep_symbol && is_own {
                record.symbol = None;
            }
            if !keep_date {
                record.date = None;
            }
            let instead = entry.faulty.instead.as_ref().map(|(field, raw)| (*field, raw.as_str()));
            written(&record, style, instead, &entry.faulty.more)
        };
        let mut each = |keep_symbol: bool, keep_date: bool, one_line: bool| -> Vec<String> {
            entries
                .iter()
                .map(|entry| {
                    let mut style = Style::draw(draws);
                    style.one_line = one_line;
                    text(entry, &style, keep_symbol, keep_date)
                })
                .collect()
        };
        Ok(match self {
            Self::File | Self::Daily | Self::Folders => each(true, true, false).join("\n").into_bytes(),
            Self::Month => format!("[\n{}\n]\n", each(true, true, false).join(",\n")).into_bytes(),
            Self::Lines => each(true, true, true).into_iter().map(|line| line + "\n").collect::<String>().into_bytes(),
            Self::ByDate => {
                let dates = entries.iter().map(|entry| entry.date);
                let records = each(true, false, false);
                let all: Vec<String> =
                    dates.zip(records).map(|(date, record)| format!("\"{date}\": {record}")).collect();
                format!("{{\n{}\n}}\n", all.join(",\n")).into_bytes()
            }
            Self::Wrapped => {
                let records = each(false, true, false);
                let head = format!("\"symbol\": \"{symbol}\", \"count\": {}", records.len());
                format!("{{{head}, \"data\": [\n{}\n]}}\n", records.join(",\n")).into_bytes()
            }
            Self::Packed => {
                let text = format!("{{\"{symbol}\": [\n{}\n]}}\n", each(true, true, false).join(",\n"));
                let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
                gz.write_all(text.as_bytes()).and_then(|()| gz.finish()).map_err(failed)?
            }
        })
    }
}
