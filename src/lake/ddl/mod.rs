//! The lake as tables of other engines: statements that make external tables or views over its root, from the datasets' own
//! Arrow schemas. Printed by `pitlake ddl`. Pure.
//!
//! One rule decides where an engine offers a choice: what is in the lake must never be left out silently. So views that look
//! for files anew are preferred to tables whose partitions have to be registered, and where partitions must be registered the
//! statement that does it stands behind the table.

mod athena;
mod clickhouse;
mod duckdb;
mod spark;
mod trino;

use arrow::datatypes::{DataType, Field, TimeUnit};

use super::dataset::{Cut, Dataset};
use super::layout::partition_column;
use crate::{Error, Result};

/// Who shall read the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    DuckDb,
    Athena,
    Spark,
    Trino,
    ClickHouse,
}

/// Which lake: its root as [`super::store::Store::root`] says it, a folder's absolute path or `s3://bucket/prefix`.
#[derive(Debug, Clone, Copy)]
pub struct Root<'a>(pub &'a str);

impl Root<'_> {
    pub fn is_bucket(&self) -> bool {
        self.0.starts_with("s3://")
    }

    /// The place of an object or folder, with another scheme for S3 where the engine wants one.
    fn place(&self, scheme: &str, key: &str) -> String {
        let root = self.0.trim_end_matches('/');
        match root.strip_prefix("s3://") {
            Some(rest) => format!("{scheme}://{rest}/{key}"),
            None => format!("{root}/{key}"),
        }
    }
}

impl Engine {
    pub const ALL: [(&'static str, Engine); 5] = [
        ("duckdb", Engine::DuckDb),
        ("athena", Engine::Athena),
        ("spark", Engine::Spark),
        ("trino", Engine::Trino),
        ("clickhouse", Engine::ClickHouse),
    ];

    /// The statements that make each of `datasets` a table or view, in the order that they must run.
    ///
    /// # Errors
    /// `Invalid` for an engine that cannot read a lake in this place, `Internal` for a column whose type has no name there.
    pub fn statements(self, root: Root<'_>, datasets: &[&Dataset]) -> Result<String> {
        match self {
            Engine::DuckDb => duckdb::statements(root, datasets),
            Engine::Athena => athena::statements(root, datasets),
            Engine::Spark => spark::statements(root, datasets),
            Engine::Trino => trino::statements(root, datasets),
            Engine::ClickHouse => clickhouse::statements(root, datasets),
        }
    }
}

/// What a column holds, apart from any engine.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Instant,
    Date,
    Double,
    Long,
    Int,
    Bool,
    Text,
    List(Box<Kind>),
    /// Members by name, none of which may be null.
    Struct(Vec<(String, Kind)>),
}

impl Kind {
    /// The members of a structure, each put together by `spell`.
    fn members(members: &[(String, Kind)], between: &str, spell: impl Fn(&str, &Kind) -> String) -> String {
        members.iter().map(|(name, kind)| spell(name, kind)).collect::<Vec<_>>().join(between)
    }
}

struct Column {
    name: String,
    kind: Kind,
    nullable: bool,
}

/// Columns of the files, then those of the path.
fn columns(dataset: &Dataset) -> Result<(Vec<Column>, [Column; 2])> {
    let files = (dataset.schema)().fields().iter().map(|field| column(field)).collect::<Result<Vec<_>>>()?;
    let of_path = |name: &str, kind| Column { name: name.to_owned(), kind, nullable: false };
    let period = match dataset.cut {
        Cut::Day => Kind::Date,
        Cut::Year => Kind::Int,
    };
    Ok((files, [of_path(SYMBOL, Kind::Text), of_path(partition_column(dataset.cut), period)]))
}

const SYMBOL: &str = "symbol";

fn column(field: &Field) -> Result<Column> {
    Ok(Column { name: field.name().clone(), kind: kind(field)?, nullable: field.is_nullable() })
}

fn kind(field: &Field) -> Result<Kind> {
    Ok(match field.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => Kind::Instant,
        DataType::Date32 => Kind::Date,
        DataType::Float64 => Kind::Double,
        DataType::Int64 => Kind::Long,
        DataType::Int32 => Kind::Int,
        DataType::Boolean => Kind::Bool,
        DataType::Utf8 => Kind::Text,
        // Not every engine knows lists that may be null, or holes in them.
        DataType::List(element) if !field.is_nullable() && !element.is_nullable() => {
            Kind::List(Box::new(kind(element)?))
        }
        DataType::Struct(members) if members.iter().all(|member| !member.is_nullable()) => Kind::Struct(
            members.iter().map(|member| Ok((member.name().clone(), kind(member)?))).collect::<Result<_>>()?,
        ),
        other => {
            return Err(Error::internal(format!(
                "no engine was told how to read {}, a column of type {other}",
                field.name()
            )));
        }
    })
}

/// `'text'`.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A comment line for each line of `text`.
fn comment(text: &str) -> String {
    text.lines().map(|line| format!("-- {line}\n")).collect()
}

/// `name type` for each column, one a line.
fn listed(columns: &[Column], spell: impl Fn(&Column) -> String) -> String {
    columns.iter().map(|column| format!("  {}", spell(column))).collect::<Vec<_>>().join(",\n")
}
