//! Amazon Athena: external tables whose partitions are projected, so that nothing has to be registered and no crawler runs. Pure.
//!
//! `symbol` is injected and not an enumeration: an enumeration leaves out, without a word, each symbol that came into the lake
//! after the table was made. An injected column makes Athena refuse a query that does not name its symbols.

use super::{Column, Kind, Root, columns, comment, listed, quoted};
use crate::lake::dataset::{Cut, Dataset};
use crate::lake::layout::partition_folder;
use crate::{Error, Result};

const ABOUT: &str = "\
External tables of a lake for Amazon Athena, in the database that is chosen; run each statement by itself.
Partitions are projected: a new day is there at once, and nothing has to be registered. Every query names its symbols,
WHERE symbol = 'SPY' or symbol IN ('SPY', 'QQQ'): Athena refuses one that does not, so no symbol is ever left out unseen.
Name dates too: each date in question is looked for in S3. Instants are in UTC.";

/// No partition is older; the range has to have a beginning.
const FIRST_YEAR: &str = "2000";
/// A session that opens in the evening belongs to the next trading date, past a long weekend too.
const LAST_DATE: &str = "NOW+7DAYS";
const LAST_YEAR: &str = "2099";

/// # Errors
/// `Invalid` for a lake that is not on S3.
pub(super) fn statements(root: Root<'_>, datasets: &[&Dataset]) -> Result<String> {
    if !root.is_bucket() {
        return Err(Error::invalid(format!(
            "Athena reads S3 only, and this lake is {}; name one with --lake s3://bucket/prefix",
            root.0
        )));
    }
    let mut text = comment(ABOUT);
    for dataset in datasets {
        text.push('\n');
        text.push_str(&table(root, dataset)?);
    }
    Ok(text)
}

fn table(root: Root<'_>, dataset: &Dataset) -> Result<String> {
    let (files, path) = columns(dataset)?;
    let spell = |column: &Column| format!("`{}` {}", column.name, spelled(&column.kind));
    let [symbol, period] = &path;
    let mut properties = vec![
        ("projection.enabled".to_owned(), "true".to_owned()),
        (format!("projection.{}.type", symbol.name), "injected".to_owned()),
    ];
    let mut project =
        |what: &str, value: String| properties.push((format!("projection.{}.{what}", period.name), value));
    match dataset.cut {
        Cut::Day => {
            project("type", "date".into());
            project("format", "yyyy-MM-dd".into());
            project("range", format!("{FIRST_YEAR}-01-01,{LAST_DATE}"));
            project("interval", "1".into());
            project("interval.unit", "DAYS".into());
        }
        Cut::Year => {
            project("type", "integer".into());
            project("range", format!("{FIRST_YEAR},{LAST_YEAR}"));
            project("digits", "4".into());
        }
    }
    let (symbol, period) = (format!("${{{}}}", symbol.name), format!("${{{}}}", period.name));
    let template = root.place("s3", &partition_folder(dataset.name, dataset.cut, &symbol, &period));
    properties.push(("storage.location.template".to_owned(), template));
    let properties: Vec<String> =
        properties.iter().map(|(name, value)| format!("  {} = {}", quoted(name), quoted(value))).collect();
    Ok(format!(
        "{}CREATE EXTERNAL TABLE IF NOT EXISTS `{}` (\n{}\n)\nPARTITIONED BY ({})\nSTORED AS PARQUET\nLOCATION {}\nTBLPROPERTIES (\n{}\n);\n",
        comment(dataset.about),
        dataset.name,
        listed(&files, spell),
        path.iter().map(spell).collect::<Vec<_>>().join(", "),
        quoted(&format!("{}/", root.place("s3", dataset.name))),
        properties.join(",\n"),
    ))
}

fn spelled(kind: &Kind) -> String {
    let name = match kind {
        Kind::Instant => "timestamp",
        Kind::Date => "date",
        Kind::Double => "double",
        Kind::Long => "bigint",
        Kind::Int => "int",
        Kind::Bool => "boolean",
        Kind::Text => "string",
        Kind::List(element) => return format!("array<{}>", spelled(element)),
        Kind::Struct(members) => {
            return format!(
                "struct<{}>",
                Kind::members(members, ",", |name, kind| format!("{name}:{}", spelled(kind)))
            );
        }
    };
    name.to_owned()
}
