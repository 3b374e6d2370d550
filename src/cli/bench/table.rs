//! The table of what was measured beside what it should reach, for a person and for a program. It says what was measured
//! even when that misses, and calls nothing met that was not measured.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Milliseconds,
    Seconds,
    RequestsPerSecond,
    RowsPerSecond,
    MegabytesPerSecond,
    Megabytes,
    Mebibytes,
    BytesPerRow,
    Failures,
    PostsPerSecond,
    RecordsPerSecond,
    SyncsPerPost,
}

impl Unit {
    fn text(self) -> &'static str {
        match self {
            Unit::Milliseconds => " ms",
            Unit::Seconds => " s",
            Unit::RequestsPerSecond => "/s",
            Unit::RowsPerSecond => " rows/s",
            Unit::MegabytesPerSecond => " MB/s",
            Unit::Megabytes => " MB",
            Unit::Mebibytes => " MiB",
            Unit::BytesPerRow => " B/row",
            Unit::Failures => " failed",
            Unit::PostsPerSecond => " posts/s",
            Unit::RecordsPerSecond => " records/s",
            Unit::SyncsPerPost => " syncs/post",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn is_met_by(self, value: f64) -> bool {
        match self {
            Target::AtMost(limit) => value <= limit,
            Target::AtLeast(limit) => value >= limit,
        }
    }
}

/// One number of a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its key in JSON, which ends in its unit.
    name: &'static str,
    /// What tells it from the row's other figures, for a person.
    label: &'static str,
    unit: Unit,
    /// `None` when this machine could not tell.
    value: Option<f64>,
    target: Option<Target>,
}

impl Figure {
    pub fn new(name: &'static str, label: &'static str, unit: Unit, value: impl Into<Option<f64>>) -> Self {
        Self { name, label, unit, value: value.into(), target: None }
    }

    #[must_use]
    pub fn at_most(mut self, limit: f64) -> Self {
        self.target = Some(Target::AtMost(limit));
        self
    }

    #[must_use]
    pub fn at_least(mut self, limit: f64) -> Self {
        self.target = Some(Target::AtLeast(limit));
        self
    }

    fn measured(&self) -> String {
        let value = self.value.map_or("?".to_owned(), readable);
        format!("{}{value}{}", self.lead(), self.unit.text())
    }

    fn wanted(&self) -> Option<String> {
        let (sign, limit) = match self.target? {
            Target::AtMost(limit) => ("≤", limit),
            Target::AtLeast(limit) => ("≥", limit),
        };
        // A limit is a round number and is shown as it was set.
        let limit = if limit < 1_000.0 { limit.to_string() } else { readable(limit) };
        Some(format!("{}{sign} {limit}{}", self.lead(), self.unit.text()))
    }

    fn lead(&self) -> String {
        if self.label.is_empty() { String::new() } else { format!("{} ", self.label) }
    }
}

/// One kind of work.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    id: &'static str,
    work: String,
    figures: Vec<Figure>,
    /// How it was measured, when the work's name does not say.
    note: Option<String>,
}

impl Row {
    pub fn new(id: &'static str, work: impl Into<String>, figures: Vec<Figure>) -> Self {
        Self { id, work: work.into(), figures, note: None }
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Whether all targets are met; `None` without a target, or when what should meet one is not known.
    pub fn met(&self) -> Option<bool> {
        let mut met = None;
        for figure in &self.figures {
            let Some(target) = figure.target else { continue };
            let this = target.is_met_by(figure.value?);
            met = Some(met.unwrap_or(true) && this);
        }
        met
    }

    fn verdict(&self) -> &'static str {
        match self.met() {
            Some(true) => "met",
            Some(false) => "missed",
            None if self.figures.iter().any(|figure| figure.target.is_some()) => "unknown",
            None => "",
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", self.id)?;
        map.serialize_entry("work", &self.work)?;
        map.serialize_entry(
            "measured",
            &Pairs(self.figures.iter().map(|figure| (figure.name, figure.value)).collect()),
        )?;
        let targets = self.figures.iter().filter_map(|figure| Some((figure.name, figure.target?))).collect();
        map.serialize_entry("targets", &Pairs(targets))?;
        map.serialize_entry("met", &self.met())?;
        map.serialize_entry("note", &self.note)?;
        map.end()
    }
}

/// An object whose members keep their order.
struct Pairs<V>(Vec<(&'static str, V)>);

impl<V: Serialize> Serialize for Pairs<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The table in Markdown, its columns aligned, with the notes below it.
pub fn render(rows: &[Row]) -> String {
    let joined = |texts: Vec<String>| texts.join(", ");
    let mut lines = vec![["work", "measured", "target", ""].map(str::to_owned)];
    for row in rows {
        let measured = joined(row.figures.iter().map(Figure::measured).collect());
        let wanted = joined(row.figures.iter().filter_map(Figure::wanted).collect());
        lines.push([row.work.clone(), measured, wanted, row.verdict().to_owned()]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3].map(width);
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(widths) {
            text.push_str(&format!("| {cell:<width$} "));
        }
        text.push_str("|\n");
        if at == 0 {
            widths.iter().for_each(|width| text.push_str(&format!("|{}", "-".repeat(width + 2))));
            text.push_str("|\n");
        }
    }
    for row in rows {
        if let Some(note) = &row.note {
            text.push_str(&format!("\n- {}: {note}", row.work));
        }
    }
    text
}

/// Three significant digits or more, thousands set apart, millions as such.
pub fn readable(value: f64) -> String {
    let size = value.abs();
    if size >= 999_500.0 {
        return format!("{:.2} M", value / 1e6);
    }
    if size >= 999.5 {
        let digits = format!("{size:.0}");
        let (head, tail) = digits.split_at(digits.len() - 3);
        return format!("{}{head},{tail}", if value < 0.0 { "-" } else { "" });
    }
    let decimals = match size {
        0.0 => 0,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    // Below a tenth two decimals would hide what was measured.
    if size > 0.0 && size < 0.1 { format!("{value:.4}") } else { format!("{value:.decimals$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        vec![
            Row::new(
                "strike_day",
                "one strike's day",
                vec![
                    Figure::new("p50_ms", "p50", Unit::Milliseconds, 0.612).at_most(0.7),
                    Figure::new("p99_ms", "p99", Unit::Milliseconds, 3.4).at_most(3.0),
                    Figure::new("requests_per_second", "", Unit::RequestsPerSecond, 2_731.4).at_least(2_500.0),
                ],
            )
            .note("on 8 connections"),
            Row::new("ingest", "ingest", vec![Figure::new("rows_per_second", "", Unit::RowsPerSecond, 1_234_567.0)]),
        ]
    }

    #[test]
    fn a_person_sees_what_was_missed() {
        assert_eq!(
            render(&rows()),
            "\
| work             | measured                          | target                              |        |
|------------------|-----------------------------------|-------------------------------------|--------|
| one strike's day | p50 0.61 ms, p99 3.40 ms, 2,731/s | p50 ≤ 0.7 ms, p99 ≤ 3 ms, ≥ 2,500/s | missed |
| ingest           | 1.23 M rows/s                     |                                     |        |

- one strike's day: on 8 connections"
        );
    }

    #[test]
    fn a_program_sees_the_same() {
        let expected = concat!(
            r#"{"id":"strike_day","work":"one strike's day","#,
            r#""measured":{"p50_ms":0.612,"p99_ms":3.4,"requests_per_second":2731.4},"#,
            r#""targets":{"p50_ms":{"at_most":0.7},"p99_ms":{"at_most":3.0},"requests_per_second":{"at_least":2500.0}},"#,
            r#""met":false,"note":"on 8 connections"}"#
        );
        assert_eq!(serde_json::to_string(&rows()[0]).unwrap(), expected);
    }

    #[test]
    fn what_is_not_known_is_not_met() {
        let peak = |value| Figure::new("peak_rss_mib", "peak", Unit::Mebibytes, value).at_most(400.0);
        let row = |value: Option<f64>| Row::new("crowd", "64 at once", vec![peak(value)]);
        assert_eq!([row(Some(400.0)).met(), row(Some(400.1)).met(), row(None).met()], [Some(true), Some(false), None]);
        assert!(render(&[row(None)]).contains("| peak ? MiB | peak ≤ 400 MiB | unknown |"));
    }

    #[test]
    fn numbers_keep_three_digits() {
        let shown = [0.0, 0.031_4, 0.612, 3.046, 72.14, 166.2, 999.6, 2_290.0, 999_600.0, 1_170_000.0].map(readable);
        assert_eq!(
            shown,
            ["0", "0.0314", "0.61", "3.05", "72.1", "166", "1,000", "2,290", "1.00 M", "1.17 M"].map(str::to_owned)
        );
    }
}
