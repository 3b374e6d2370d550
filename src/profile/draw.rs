//! A session's profile as a drawing for a terminal: rows from the top down with their letters, levels beside them, everything that
//! was measured below. Pure text from a record, so that a stored session, a computed one and a legacy one look alike; called by
//! the API for `?format=text`. Every row is drawn, however many there are.

use std::fmt::Write;

use chrono::{DateTime, Utc};

use super::rows::RowGrid;
use super::session_record::SessionRecord;
use crate::market::{Grid, Instrument, Ticks};
use crate::{Error, Result};

/// From so many rows on the drawing says how to get fewer.
const MANY_ROWS: usize = 120;
/// Characters of the longest volume bar.
const BAR: usize = 20;

/// What to draw.
#[derive(Debug, Clone, Copy)]
pub struct Drawing<'d> {
    pub record: &'d SessionRecord,
    pub instrument: &'d Instrument,
    /// Volume of each row from the lowest up, as [`super::Profile::row_volumes`] has it; empty draws none.
    pub volumes: &'d [f64],
    /// Every period in a column of its own; else the letters of a row stand together.
    pub split: bool,
}

/// One price row.
struct Row {
    price: f64,
    /// Periods that traded there, by their place in the record.
    periods: Vec<usize>,
}

/// The rows that a set of marks is about.
struct Marks<'d> {
    drawing: &'d Drawing<'d>,
    ticks: Grid,
    rows: RowGrid,
}

/// Draws a profile.
///
/// # Errors
/// `Invalid` for a record whose prices span more than 100,000 rows or are no numbers; `Internal` for volumes of other rows.
pub fn draw(drawing: &Drawing<'_>) -> Result<String> {
    let record = drawing.record;
    let ticks = Grid::of(drawing.instrument);
    let on_grid = |price: f64| {
        let ticks = ticks.ticks(price).map(|on| on.ticks);
        ticks
            .ok_or_else(|| Error::invalid(format!("{price} is no price of {}; recalculate the session", record.symbol)))
    };
    let mut ranges = Vec::with_capacity(record.tpo_structure.0.len());
    for period in &record.tpo_structure.0 {
        ranges.push((on_grid(period.low)?, on_grid(period.high)?));
    }
    let low = ranges.iter().map(|range| range.0).fold(on_grid(record.session_low)?, Ticks::min);
    let high = ranges.iter().map(|range| range.1).fold(on_grid(record.session_high)?, Ticks::max);
    let row_ticks = record.row_ticks.unwrap_or(drawing.instrument.row_ticks);
    let rows = RowGrid::over(low, high, row_ticks)?;
    if !drawing.volumes.is_empty() && drawing.volumes.len() != rows.count {
        return Err(Error::internal("the volumes to draw are of other rows"));
    }
    let marks = Marks { drawing, ticks, rows };
    let mut text = header(drawing, rows);
    let drawn: Vec<Row> = (0..rows.count)
        .map(|row| Row {
            price: ticks.price(rows.price(row)),
            periods: (0..ranges.len())
                .filter(|&at| (rows.row_of(ranges[at].0)..=rows.row_of(ranges[at].1)).contains(&row))
                .collect(),
        })
        .collect();
    body(&mut text, &marks, &drawn);
    footer(&mut text, drawing, decimals(ticks));
    Ok(text)
}

fn decimals(ticks: Grid) -> usize {
    usize::from(ticks.tick().scale())
}

fn header(drawing: &Drawing<'_>, rows: RowGrid) -> String {
    let (record, zone) = (drawing.record, drawing.instrument.time_zone);
    let local = |t: DateTime<Utc>| t.with_timezone(&zone).format("%H:%M").to_string();
    let mut text = format!("{} {} {}", record.symbol, record.date, record.session);
    if let (Some(opens), Some(closes)) = (record.opens_at, record.closes_at) {
        _ = write!(text, "  {}-{} {}", local(opens), local(closes), zone.name());
    }
    if let Some(at) = record.at {
        _ = write!(text, "  developing, up to {}", local(at));
    }
    _ = write!(text, "\n{}, bias {}", record.session_type, record.bias);
    if let (Some(method), Some(share)) = (record.value_area_method, record.value_area_share) {
        _ = write!(text, "  {method} value area of {} %", (share * 1e6).round() / 1e4);
    }
    if let Some(minutes) = record.tpo_period_minutes {
        _ = write!(text, "  {minutes}-minute letters");
    }
    _ = write!(text, "  rows of {} ticks", rows.ticks);
    _ = write!(text, "\n{} revision {}, {}", record.calculation_version, record.revision, record.condition.as_str());
    if !record.reasons.is_empty() {
        _ = write!(text, ": {}", record.reasons.join(", "));
    }
    if rows.count > MANY_ROWS {
        let larger = rows.ticks as usize * rows.count.div_ceil(MANY_ROWS / 2);
        _ = write!(text, "\n{} rows; row_ticks={larger} draws about {}", rows.count, MANY_ROWS / 2);
    }
    text.push_str("\n\n");
    text
}

fn body(text: &mut String, marks: &Marks<'_>, rows: &[Row]) {
    let drawing = marks.drawing;
    let letters: Vec<&str> = drawing.record.tpo_structure.0.iter().map(|period| period.letter.as_str()).collect();
    // From the fifty-third period on a letter has a number.
    let cell = letters.iter().map(|letter| letter.chars().count()).max().unwrap_or(1).max(1);
    let most = rows.iter().map(|row| row.periods.len()).max().unwrap_or(0);
    let columns = if drawing.split { letters.len() } else { most };
    let decimals = decimals(marks.ticks);
    let width = rows.iter().map(|row| format!("{:.decimals$}", row.price).len()).max().unwrap_or(0);
    let most_volume = drawing.volumes.iter().copied().fold(0.0, f64::max);
    for (at, row) in rows.iter().enumerate().rev() {
        _ = write!(text, "{:>width$.decimals$} {} ", row.price, marks.gutter(at));
        let mut cells = String::new();
        for column in 0..columns {
            let period = if drawing.split {
                row.periods.contains(&column).then_some(column)
            } else {
                row.periods.get(column).copied()
            };
            _ = write!(cells, "{:<cell$}", period.map_or("", |period| letters[period]));
        }
        _ = write!(text, "{cells} {:>3}", row.periods.len());
        if most_volume > 0.0 {
            let volume = drawing.volumes[at];
            let bar = "=".repeat((volume / most_volume * BAR as f64).round() as usize);
            _ = write!(text, " {:>12} {bar:<BAR$}", whole(volume));
        }
        let names = marks.names(at);
        if !names.is_empty() {
            _ = write!(text, "  {names}");
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
}

impl Marks<'_> {
    /// The row of a price, when it is one of these.
    fn row(&self, price: f64) -> Option<usize> {
        let ticks = self.ticks.ticks(price)?.ticks;
        let row = ticks.0.div_euclid(self.rows.ticks) - self.rows.lowest;
        usize::try_from(row).ok().filter(|&row| row < self.rows.count)
    }

    fn spans(&self, low: f64, high: f64, row: usize) -> bool {
        matches!((self.row(low), self.row(high)), (Some(low), Some(high)) if (low..=high).contains(&row))
    }

    /// Four places: value area, initial balance, single prints, open and last.
    fn gutter(&self, row: usize) -> String {
        let record = self.drawing.record;
        let is = |price: f64| self.row(price) == Some(row);
        let value = if is(record.poc) {
            '>'
        } else if self.spans(record.value_area_low, record.value_area_high, row) {
            '|'
        } else {
            ' '
        };
        let balance = if self.spans(record.initial_balance_low, record.initial_balance_high, row) { ':' } else { ' ' };
        let in_tail = |tail: Option<[f64; 2]>| tail.is_some_and(|[low, high]| self.spans(low, high, row));
        let single = if in_tail(record.tail_high) || in_tail(record.tail_low) {
            't'
        } else if record.single_prints.iter().any(|[low, high]| self.spans(*low, *high, row)) {
            's'
        } else {
            ' '
        };
        let opened = record.session_open.is_some_and(is);
        let closed = record.session_close.is_some_and(is);
        let ends = match (opened, closed) {
            (true, true) => '@',
            (true, false) => 'O',
            (false, true) => '#',
            (false, false) => ' ',
        };
        [value, balance, single, ends].iter().collect()
    }

    /// The levels that lie in a row.
    fn names(&self, row: usize) -> String {
        let record = self.drawing.record;
        let levels = [
            ("VAH", Some(record.value_area_high)),
            ("POC", Some(record.poc)),
            ("VAL", Some(record.value_area_low)),
            ("IBH", Some(record.initial_balance_high)),
            ("IBL", Some(record.initial_balance_low)),
            ("vVAH", record.volume_value_area_high),
            ("vPOC", record.volume_poc),
            ("vVAL", record.volume_value_area_low),
            ("poor high", Some(record.session_high).filter(|_| record.poor_high)),
            ("poor low", Some(record.session_low).filter(|_| record.poor_low)),
        ];
        let here = levels.iter().filter(|(_, price)| price.is_some_and(|price| self.row(price) == Some(row)));
        here.map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
    }
}

fn footer(text: &mut String, drawing: &Drawing<'_>, decimals: usize) {
    let record = drawing.record;
    let price = |price: f64| format!("{price:.decimals$}");
    let maybe = |level: Option<f64>| level.map_or_else(|| "-".to_owned(), price);
    let pair = |[low, high]: [f64; 2]| if low == high { price(low) } else { format!("{}-{}", price(low), price(high)) };
    text.push_str("\n> POC  | value area  : initial balance  t tail  s single print  O open  # last  @ both\n");
    _ = write!(
        text,
        "POC {}  VAH {}  VAL {}",
        price(record.poc),
        price(record.value_area_high),
        price(record.value_area_low)
    );
    if let Some(counts) = record.tpo_counts {
        _ = write!(
            text,
            "  TPOs {}, {} in value, {} above, {} below",
            counts.total, counts.value_area, counts.above_poc, counts.below_poc
        );
    }
    _ = write!(text, "\nIB {}-{}", price(record.initial_balance_low), price(record.initial_balance_high));
    if let (Some(up), Some(down)) = (record.range_extension_up, record.range_extension_down) {
        _ = write!(text, "  extension up {}, down {}", price(up), price(down));
    }
    if let Some(rotation) = record.rotation_factor {
        _ = write!(text, "  rotation factor {rotation:+}");
    }
    _ = write!(
        text,
        "\nopen {}  high {}  low {}  last {}",
        maybe(record.session_open),
        price(record.session_high),
        price(record.session_low),
        maybe(record.session_close)
    );
    if let Some(change) = record.cash_session_return {
        _ = write!(text, "  cash session {:+.2} %", change * 100.0);
    }
    let tail = |tail: Option<[f64; 2]>| tail.map(|tail| format!("tail {}", pair(tail)));
    let ending = |tail: Option<String>, poor: bool| match (tail, poor) {
        (Some(tail), _) => tail,
        (None, true) => "poor".to_owned(),
        (None, false) => "neither tail nor poor".to_owned(),
    };
    _ = write!(
        text,
        "\ntop: {}  bottom: {}",
        ending(tail(record.tail_high), record.poor_high),
        ending(tail(record.tail_low), record.poor_low)
    );
    if !record.single_prints.is_empty() {
        let runs: Vec<String> = record.single_prints.iter().copied().map(pair).collect();
        _ = write!(text, "\nsingle prints {}", runs.join(", "));
    }
    _ = write!(text, "\nvolume {}", whole(record.volume));
    if let Some(poc) = record.volume_poc {
        _ = write!(
            text,
            "  volume POC {}  VAH {}  VAL {}",
            price(poc),
            maybe(record.volume_value_area_high),
            maybe(record.volume_value_area_low)
        );
    }
    if let (Some(seen), Some(expected)) = (record.minutes_seen, record.minutes_expected) {
        _ = write!(text, "\n{seen} of {expected} minutes have bars");
    }
    text.push('\n');
}

/// Volume as people read it: contracts and shares whole, fractions with two decimals.
fn whole(volume: f64) -> String {
    if volume.fract() == 0.0 || volume >= 1000.0 { format!("{volume:.0}") } else { format!("{volume:.2}") }
}
