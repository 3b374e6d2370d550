//! A volume histogram as somebody else made it, a table of price and volume, and its levels by each method. Called by
//! `pitlake profile histogram`; it reads text that was already loaded and touches nothing else.

use csv::{ReaderBuilder, StringRecord, Trim};

use super::record::ValueAreaMethod;
use super::rows::{MOST, hundred_millionths};
use super::share::Share;
use super::value_area::{point_of_control, value_area};
use crate::market::Decimal;
use crate::{Error, Result};

/// Volume by price, from the lowest price up on an even grid; a price that the table leaves out is a row without volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// The lowest price and the distance of two rows, in units of 10^-`scale`.
    lowest: i128,
    step: i128,
    scale: u8,
    /// Hundred-millionths of a unit.
    rows: Vec<u128>,
}

/// Point of control and value area of a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    pub poc: f64,
    pub value_area_high: f64,
    pub value_area_low: f64,
    /// The part of all volume inside the value area.
    pub held: f64,
}

impl Histogram {
    /// Reads a table of two columns, separated by comma, semicolon or tab, with or without a header; of a wider table those named
    /// `price` and `volume`. Prices may come in any order; those of one price are added up.
    ///
    /// # Errors
    /// `Invalid`, naming `name` and the line: what is no number, a volume below zero; and a table that is empty, without
    /// volume, or whose prices lie on no grid.
    pub fn parse(text: &str, name: &str) -> Result<Self> {
        read(text).and_then(Self::of).map_err(|error| error.while_doing(name))
    }

    fn of(mut table: Vec<(Decimal, u128)>) -> Result<Self> {
        let scale = table.iter().map(|(price, _)| price.scale()).max().unwrap_or(0);
        let units = |price: Decimal| i128::from(price.units()) * 10_i128.pow(u32::from(scale - price.scale()));
        table.sort_by_key(|(price, _)| units(*price));
        let (Some((first, _)), Some((last, _))) = (table.first(), table.last()) else {
            return Err(Error::invalid("no rows; give a price and a volume on each line"));
        };
        let (lowest, highest) = (units(*first), units(*last));
        let step = table.iter().map(|(price, _)| units(*price) - lowest).fold(0, greatest_common_divisor).max(1);
        let count = (highest - lowest) / step + 1;
        if count > i128::from(MOST) {
            return Err(Error::invalid(format!(
                "the prices lie on no grid of at most {MOST} rows; give prices that are multiples of one tick"
            )));
        }
        let mut rows = vec![0_u128; count as usize];
        for (price, volume) in table {
            rows[((units(price) - lowest) / step) as usize] += volume;
        }
        if rows.iter().all(|&volume| volume == 0) {
            return Err(Error::invalid("no volume at any price"));
        }
        Ok(Self { lowest, step, scale, rows })
    }

    /// `None` never happens to a histogram that was read: it has volume.
    pub fn levels(&self, share: Share, method: ValueAreaMethod) -> Option<Found> {
        let poc = point_of_control(&self.rows)?;
        let area = value_area(&self.rows, poc, share, method);
        let total: u128 = self.rows.iter().sum();
        Some(Found {
            poc: self.price(poc),
            value_area_high: self.price(area.high),
            value_area_low: self.price(area.low),
            held: area.held as f64 / total as f64,
        })
    }

    /// Rows from the lowest price to the highest, those without volume too.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The distance of two rows, in price units.
    pub fn step(&self) -> f64 {
        self.step as f64 / 10_f64.powi(i32::from(self.scale))
    }

    /// Decimals that every price of the table fits into.
    pub fn decimals(&self) -> usize {
        usize::from(self.scale)
    }

    fn price(&self, row: usize) -> f64 {
        (self.lowest + row as i128 * self.step) as f64 / 10_f64.powi(i32::from(self.scale))
    }
}

fn greatest_common_divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Where price and volume stand in a line.
#[derive(Debug, Clone, Copy)]
struct Columns {
    price: usize,
    volume: usize,
    /// How many cells the first line has.
    width: usize,
}

/// Every line's price and volume, in hundred-millionths.
fn read(text: &str) -> Result<Vec<(Decimal, u128)>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let delimiter = [b'\t', b';', b','].into_iter().find(|byte| first.as_bytes().contains(byte)).unwrap_or(b',');
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let mut columns = None;
    let mut table = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| Error::invalid("not a table of text").caused_by(error))?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        let line = record.position().map_or(0, csv::Position::line);
        let at = match columns {
            Some(at) => at,
            None => {
                let is_header = record.iter().all(|cell| number(cell).is_none());
                let at =
                    columns_of(&record, is_header).map_err(|error| error.while_doing(format_args!("line {line}")))?;
                columns = Some(at);
                if is_header {
                    continue;
                }
                at
            }
        };
        table.push(row(&record, at).map_err(|error| error.while_doing(format_args!("line {line}")))?);
    }
    Ok(table)
}

fn columns_of(first: &StringRecord, is_header: bool) -> Result<Columns> {
    let named = |name: &str| first.iter().position(|cell| cell.eq_ignore_ascii_case(name));
    match (named("price"), named("volume")) {
        (Some(price), Some(volume)) if is_header => Ok(Columns { price, volume, width: first.len() }),
        _ if first.len() == 2 => Ok(Columns { price: 0, volume: 1, width: 2 }),
        _ => Err(Error::invalid(
            "not a price and a volume: write two columns, separated by comma, semicolon or tab, or a header that names the \
             columns price and volume",
        )),
    }
}

fn row(record: &StringRecord, at: Columns) -> Result<(Decimal, u128)> {
    let cell = |column: usize, what: &str| {
        let cell = record.get(column).filter(|cell| !cell.is_empty());
        cell.ok_or_else(|| Error::invalid(format!("has no {what}")))
    };
    // A comma that parts columns makes two of a number with thousands.
    if record.len() > at.width {
        return Err(Error::invalid(format!(
            "has more than the {} cells of the first line; write numbers without thousands separators",
            at.width
        )));
    }
    let (price, volume) = (cell(at.price, "price")?, cell(at.volume, "volume")?);
    let price = decimal(price).ok_or_else(|| not_a_number("price", price))?;
    let volume: f64 = number(volume).ok_or_else(|| not_a_number("volume", volume))?;
    if volume < 0.0 {
        return Err(Error::invalid(format!("the volume {volume} is below zero")));
    }
    Ok((price, hundred_millionths(volume)?))
}

fn not_a_number(what: &str, cell: &str) -> Error {
    let shown: String = cell.chars().take(32).collect();
    Error::invalid(format!("the {what} {shown:?} is not a number: write it like 5914.25"))
}

fn number(cell: &str) -> Option<f64> {
    cell.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// As it is written; a double's noise beyond the ninth decimal is no price.
fn decimal(cell: &str) -> Option<Decimal> {
    let written = cell.parse::<Decimal>().ok();
    written.or_else(|| {
        number(cell).and_then(|number| format!("{number:.9}").trim_end_matches('0').trim_end_matches('.').parse().ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(text: &str, method: ValueAreaMethod) -> (f64, f64, f64) {
        let found = Histogram::parse(text, "table").unwrap().levels(Share::SEVENTY_PERCENT, method).unwrap();
        (found.poc, found.value_area_high, found.value_area_low)
    }

    /// Worked by hand: 100 in all, 70 wanted.
    const TABLE: &str = "price,volume\n\
        10.00,5\n10.25,10\n10.50,12\n10.75,30\n11.00,14\n11.25,16\n11.50,8\n11.75,5\n";

    #[test]
    fn each_method_goes_its_own_way() {
        // One-row: 30, up 14 = 44, up 16 = 60, down 12 = 72.
        assert_eq!(levels(TABLE, ValueAreaMethod::OneRow), (10.75, 11.25, 10.5));
        // Two-row: 30, up 14 + 16 = 60 (against 12 + 10), down 12 + 10 = 82 (against 8 + 5).
        assert_eq!(levels(TABLE, ValueAreaMethod::TwoRow), (10.75, 11.25, 10.25));
    }

    #[test]
    fn every_way_of_writing_the_table_is_read() {
        let plain = Histogram::parse(TABLE, "table").unwrap();
        let body: Vec<&str> = TABLE.lines().skip(1).collect();
        let backwards: Vec<&str> = body.iter().rev().copied().collect();
        let halves = body.iter().flat_map(|line| {
            let (price, volume) = line.split_once(',').unwrap();
            let half = volume.parse::<f64>().unwrap() / 2.0;
            [format!("{price},{half}"), format!("{price},{half}")]
        });
        for text in [
            body.join("\n"),
            backwards.join("\r\n"),
            TABLE.replace(',', ";"),
            TABLE.replace(',', "\t"),
            TABLE.replace(',', " , "),
            format!("\u{feff}\n{TABLE}\n\n"),
            halves.collect::<Vec<_>>().join("\n"),
            TABLE.replace(",", ",x,").replace("price,x,volume", "Price,Side,VOLUME"),
            TABLE.lines().map(|line| format!("{line},7\n")).collect::<String>().replace("volume,7", "volume,delta"),
            TABLE.replace("10.75", "10.750000000000002").replace("11.00", "1.1e1"),
        ] {
            assert_eq!(Histogram::parse(&text, "table").unwrap(), plain, "{text}");
        }
    }

    #[test]
    fn a_price_that_is_left_out_is_a_row_without_volume() {
        let histogram = Histogram::parse("100,1\n101,10\n104,9\n105,3\n", "table").unwrap();
        assert_eq!((histogram.rows(), histogram.step()), (6, 1.0));
        // 23 in all, 16.1 wanted: 10, down 1 = 11, then over the empty 102 and 103 to 104 = 20.
        assert_eq!(levels("100,1\n101,10\n104,9\n105,3\n", ValueAreaMethod::OneRow), (101.0, 104.0, 100.0));
        assert_eq!(levels("-37.63,2\n-37.62,1\n", ValueAreaMethod::OneRow), (-37.63, -37.62, -37.63));
        assert_eq!(levels("5,1\n", ValueAreaMethod::TwoRow), (5.0, 5.0, 5.0));
    }

    #[test]
    fn bad_tables_are_refused_by_line() {
        for (text, part) in [
            ("", "no rows"),
            ("price,volume\n", "no rows"),
            ("10,0\n11,0\n", "no volume"),
            ("10,1\n11,-2\n", "line 2: the volume -2 is below zero"),
            ("10,1\n\nx,2\n", "line 3: the price \"x\" is not a number"),
            ("10,1\n11,NaN\n", "line 2: the volume \"NaN\" is not a number"),
            ("10,1\n11\n", "line 2: has no volume"),
            ("10,1\n11,1,203\n", "line 2: has more than"),
            ("1,2,3\n", "line 1: not a price and a volume"),
            ("bid,ask,size\n1,2,3\n", "line 1: not a price and a volume"),
            ("10 5\n", "line 1: not a price and a volume"),
            ("0,1\n0.000001,1\n1000000,1\n", "no grid"),
            ("10,1e16\n", "volume_too_large"),
        ] {
            let error = Histogram::parse(text, "table.csv").unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Invalid);
            assert!(
                error.detail().starts_with("table.csv: ") && error.detail().contains(part),
                "{text:?}: {}",
                error.detail()
            );
        }
    }
}
