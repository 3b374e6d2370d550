//! `pitlake status`: what the lake holds at a glance. Parses, asks [`crate::lake::status`], prints; what is said is decided there.

use std::io::{IsTerminal, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::exit::wrong_usage;
use super::line;
use crate::lake::dataset::{Cut, Dataset};
use crate::lake::instruments;
use crate::lake::status::{self, Asked, Captures, Holding, Lag, Stored};
use crate::lake::store::Store;
use crate::market::{Clock, Instruments, Symbol};
use crate::server::DATASETS;
use crate::server::rooms::ROOMS;
use crate::{Error, Result};

/// Months of a strip that are shown without `--all`.
const MONTHS: usize = 12;
/// A month's strip with its name and the space after it.
const MONTH_WIDTH: usize = 41;
const RULER: &str = "1...5....10...15...20...25...30";

/// Reads catalogs, indexes and the newest manifests; no partition is opened.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "With --json, one object:\n  \
    {\"lake\", \"now\", \"datasets\": [{\"dataset\", \"symbols\": [{\"symbol\", \"first\", \"last\", \"partitions\", \"rows\", \"bytes\",\n  \
    \"bytes_per_row\", \"revised\", \"stale\", \"conditions\": {\"available\", \"degraded\", \"pending\", \"missing\", \"closed\"},\n  \
    \"newest\": {\"date\", \"condition\", \"minute\", \"due\", \"behind_minutes\", \"behind_sessions\", \"received_at\",\n  \
    \"published_at\"}, \"calendar\": {\"2025-01\": \".##..d####...\"}}]}],\n  \
    \"captures\": [{\"dataset\", \"count\", \"bytes\", \"rejected_count\", \"rejected_bytes\"}]}\n\n\
    `partitions` are days, or years for a dataset cut by year (there `newest` is null and `calendar` empty). `revised` were\n\
    published again after their close, `stale` were made by another calculation than this program's. `behind_minutes` are\n\
    session minutes between the newest stored one and `due`: now, or the last close. `captures` is null without --captures.\n\
    The calendar has all months, a character a day: # available, d degraded, p pending, ! missing, . closed.")]
pub struct StatusArgs {
    /// Only this symbol or alias
    #[arg(long)]
    symbol: Option<String>,
    /// Only this dataset
    #[arg(long)]
    dataset: Option<String>,
    /// All months, not the last twelve
    #[arg(long)]
    all: bool,
    /// Count raw captures and refused input too; lists them, a request for every thousand
    #[arg(long)]
    captures: bool,
    /// One JSON object, described below
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    lake: &'a str,
    now: DateTime<Utc>,
    datasets: Vec<Stored>,
    captures: Option<Vec<Captures>>,
}

/// # Errors
/// Wrong usage for a dataset that does not exist, `NotFound` for a symbol that nobody knows, those of the store.
pub async fn run(args: &StatusArgs, store: &Store, clock: &dyn Clock, out: &mut dyn Write) -> Result<()> {
    let datasets = datasets(args)?;
    store.check().await?;
    let instruments = instruments::load(store).await?;
    let symbol = args.symbol.as_deref().map(|name| symbol(name, &instruments)).transpose()?;
    let now = clock.now();
    let asked = Asked { datasets, symbol: symbol.clone(), instruments: &instruments, now };
    let datasets = status::read(store, &asked).await?;
    let nothing = datasets.iter().all(|stored| stored.symbols.is_empty());
    if let (Some(symbol), true) = (&symbol, nothing)
        && instruments.resolve(symbol.as_str()).is_none()
    {
        return Err(Error::not_found(format!(
            "{symbol} is not a known symbol and nothing is stored of it; `pitlake status` without --symbol shows what is"
        )));
    }
    let mut captures = None;
    if args.captures {
        let mut counted = Vec::new();
        for dataset in ROOMS.iter().flat_map(|room| room.captures) {
            counted.push(status::captures(store, dataset, symbol.as_ref()).await?);
        }
        captures = Some(counted);
    }
    let now = DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now);
    let answer = Answer { lake: store.root(), now, datasets, captures };
    if args.json {
        let json = serde_json::to_string(&answer).map_err(|error| Error::internal("status").caused_by(error))?;
        return line(out, &json);
    }
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100);
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let page = Page { width, colour, all: args.all };
    out.write_all(page.of(&answer, symbol.as_ref()).as_bytes())
        .and_then(|()| out.flush())
        .map_err(super::exit::output_failed)
}

/// Each with the calculation that compaction would use today.
fn datasets(args: &StatusArgs) -> Result<Vec<(&'static Dataset, &'static str)>> {
    let all = || ROOMS.iter().flat_map(|room| room.datasets.iter().map(|dataset| (*dataset, room.calculation)));
    let Some(name) = &args.dataset else { return Ok(all().collect()) };
    let names: Vec<&str> = DATASETS.iter().map(|dataset| dataset.name).collect();
    let found = all().find(|(dataset, _)| dataset.name == name);
    let shown: String = name.chars().take(40).collect();
    let found =
        found.ok_or_else(|| wrong_usage(format!("{shown:?} is not a dataset; choose of {}", names.join(", "))))?;
    Ok(vec![found])
}

fn symbol(name: &str, instruments: &Instruments) -> Result<Symbol> {
    match instruments.resolve(name) {
        Some(instrument) => Ok(instrument.symbol.clone()),
        // What the lake holds may be of an instrument that was taken out of its table since.
        None => name.parse(),
    }
}

/// How the text is laid out.
struct Page {
    width: usize,
    colour: bool,
    all: bool,
}

impl Page {
    fn of(&self, answer: &Answer<'_>, symbol: Option<&Symbol>) -> String {
        let mut text = format!("lake  {}\nnow   {}\n\n", answer.lake, instant(answer.now));
        if answer.datasets.iter().all(|stored| stored.symbols.is_empty()) {
            match symbol {
                Some(symbol) => text.push_str(&format!("nothing is stored of {symbol}\n")),
                None => text.push_str(
                    "nothing is stored yet: `pitlake ingest greeks FILE` brings captures in, `pitlake compact` makes partitions\n",
                ),
            }
        } else {
            text.push_str(&self.table(&answer.datasets));
            self.strips(&answer.datasets, &mut text);
        }
        if let Some(captures) = &answer.captures {
            text.push_str("\ncaptures\n");
            for Captures { dataset, count, bytes, rejected_count, rejected_bytes } in captures {
                let refused = match rejected_count {
                    0 => "nothing refused".to_owned(),
                    1 => format!("refused: 1 file, {}", size(*rejected_bytes)),
                    n => format!("refused: {} files, {}", grouped(*n), size(*rejected_bytes)),
                };
                text.push_str(&format!("  {dataset:<8} {:>9} {:>9}   {refused}\n", grouped(*count), size(*bytes)));
            }
        }
        text
    }

    fn table(&self, datasets: &[Stored]) -> String {
        let heads = ["dataset", "symbol", "first", "last", "parts", "rows", "bytes", "B/row", "revised", "stale"];
        let mut rows: Vec<Vec<String>> = vec![heads.map(str::to_owned).to_vec()];
        for stored in datasets {
            for holding in &stored.symbols {
                rows.push(vec![
                    stored.dataset.to_owned(),
                    holding.symbol.to_string(),
                    holding.first.clone(),
                    holding.last.clone(),
                    grouped(holding.partitions),
                    grouped(holding.rows),
                    size(holding.bytes),
                    holding.bytes_per_row.map(|bytes| format!("{bytes:.2}")).unwrap_or_default(),
                    grouped(holding.revised),
                    grouped(holding.stale),
                ]);
            }
        }
        let widths: Vec<usize> =
            (0..heads.len()).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
        let mut text = String::new();
        for (number, row) in rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, width))| {
                // Names to the left, numbers to the right.
                if at < 4 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            text.push_str(&if number == 0 { self.dim(line.trim_end()) } else { line.trim_end().to_owned() });
            text.push('\n');
        }
        text
    }

    /// Day by day, for each symbol once where its datasets agree.
    fn strips(&self, datasets: &[Stored], text: &mut String) {
        let mut shown: Vec<(&str, &Holding)> = Vec::new();
        for stored in datasets.iter().filter(|stored| stored.cut == Cut::Day) {
            for holding in &stored.symbols {
                let alike = shown
                    .iter()
                    .find(|(_, known)| known.symbol == holding.symbol && known.calendar == holding.calendar);
                if let Some((dataset, _)) = alike {
                    text.push_str(&format!("\n{} {}: day by day as {dataset}\n", holding.symbol, stored.dataset));
                    continue;
                }
                shown.push((stored.dataset, holding));
                self.strip(stored.dataset, holding, text);
            }
        }
        if !shown.is_empty() {
            let marks = ['#', 'd', 'p', '!', '.'].map(|mark| self.painted(&mark.to_string()));
            let names = ["available", "degraded", "pending", "missing", "closed"];
            let legend: Vec<String> = marks.iter().zip(names).map(|(mark, name)| format!("{mark} {name}")).collect();
            text.push_str(&format!("\n{}\n", legend.join("   ")));
        }
    }

    fn strip(&self, dataset: &str, holding: &Holding, text: &mut String) {
        let counts = &holding.conditions;
        let counted = [
            (counts.available, "available"),
            (counts.degraded, "degraded"),
            (counts.pending, "pending"),
            (counts.missing, "missing"),
        ];
        let said: Vec<String> = counted
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{} {name}", grouped(*count)))
            .collect();
        text.push_str(&format!("\n{} {dataset}: {}\n", self.bold(holding.symbol.as_str()), said.join(", ")));
        if let Some(newest) = &holding.newest {
            text.push_str(&format!("  {}\n", self.lag(newest)));
        }
        let months: Vec<(&String, &String)> = holding.calendar.iter().collect();
        let hidden = if self.all { 0 } else { months.len().saturating_sub(MONTHS) };
        if hidden > 0 {
            let since = months.first().map(|(month, _)| month.as_str()).unwrap_or_default();
            text.push_str(&self.dim(&format!("  {hidden} earlier months since {since}: --all shows them\n")));
        }
        let months = &months[hidden..];
        let columns = ((self.width.saturating_sub(2)) / MONTH_WIDTH).clamp(1, months.len().max(1));
        // Down first: a column reads like a calendar.
        let down = months.len().div_ceil(columns);
        let ruler = format!("  {}", vec![format!("{:8}{RULER}", ""); months.len().div_ceil(down.max(1))].join("  "));
        text.push_str(&format!("{}\n", self.dim(ruler.trim_end())));
        for at in 0..down {
            let mut row = String::from(" ");
            for (month, strip) in months.iter().skip(at).step_by(down) {
                row.push_str(&format!(
                    " {month} {}{}",
                    self.painted(strip),
                    " ".repeat(32 - strip.chars().count().min(32))
                ));
            }
            text.push_str(&format!("{}\n", row.trim_end()));
        }
    }

    fn lag(&self, lag: &Lag) -> String {
        let minute = lag.minute.map_or_else(
            || format!("no minute of {}", lag.date),
            |minute| format!("newest minute {}", instant(minute)),
        );
        let behind = match (lag.behind_minutes, lag.behind_sessions) {
            (Some(0), _) => self.good("up to date"),
            (Some(minutes), Some(0)) => self.bad(&format!("{} session minutes behind", grouped(minutes))),
            (Some(minutes), Some(1)) => {
                self.bad(&format!("{} session minutes behind, 1 session since", grouped(minutes)))
            }
            (Some(minutes), Some(sessions)) => {
                self.bad(&format!("{} session minutes behind, {} sessions since", grouped(minutes), grouped(sessions)))
            }
            _ => self.bad("years behind"),
        };
        let published = match lag.received_at {
            Some(received) => {
                format!("published {} after it was received", duration((lag.published_at - received).num_seconds()))
            }
            None => format!("published {}", instant(lag.published_at)),
        };
        format!("{minute}, {behind}; {published}")
    }

    /// Each mark in its colour.
    fn painted(&self, strip: &str) -> String {
        if !self.colour {
            return strip.to_owned();
        }
        let runs = strip.as_bytes().chunk_by(|a, b| a == b);
        runs.map(|run| {
            let text = String::from_utf8_lossy(run);
            match run[0] {
                b'#' => self.good(&text),
                b'd' => self.paint("33", &text),
                b'p' => self.paint("36", &text),
                b'!' => self.bad(&text),
                b'.' => self.dim(&text),
                _ => text.into_owned(),
            }
        })
        .collect()
    }

    fn good(&self, text: &str) -> String {
        self.paint("32", text)
    }

    fn bad(&self, text: &str) -> String {
        self.paint("31", text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes with three digits and a unit of powers of 1000, as disks and bills count them.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB", "PB"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    let digits = if unit == "B" || value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// The largest unit that leaves at least one of it.
fn duration(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7200 => format!("{} min", s / 60),
        s @ 7200..172_800 => format!("{} h", s / 3600),
        s => format!("{} days", grouped((s / 86_400).unsigned_abs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (67_860_000, "67,860,000")] {
            assert_eq!(grouped(number), text);
        }
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (99_949, "99.9 kB"),
            (99_960, "100 kB"),
            (999_600, "1.00 MB"),
            (3_569_144_000, "3.57 GB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
        for (seconds, text) in [(-5, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 days")] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn colours_change_no_text() {
        let plain = Page { width: 80, colour: false, all: false };
        let coloured = Page { width: 80, colour: true, all: false };
        let painted = coloured.painted("##d.!p #");
        assert_eq!(plain.painted("##d.!p #"), "##d.!p #");
        let stripped: String =
            painted.split('\x1b').map(|part| part.split_once('m').map_or(part, |(_, text)| text)).collect();
        assert_eq!(stripped, "##d.!p #", "{painted:?}");
    }
}
