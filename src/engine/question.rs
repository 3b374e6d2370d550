//! What a room asks the engine: SQL of its own making with names for its sources, and the values that came from
//! outside as bound parameters. Text of a request must never become part of `sql`.

use std::sync::Arc;
use std::time::Duration;

use duckdb::types::{TimeUnit, ToSql, ToSqlOutput, Value};

use crate::lake::cache::CachedFile;
use crate::{Error, Result};

/// Which of the two DuckDB instances answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    /// Few rows, on one thread; many of them side by side. The answer comes in one piece when it is small.
    Small,
    /// A whole day or more, on all threads; the answer is streamed from the first batch on.
    Large,
}

/// Where a named source of a question has its rows.
#[derive(Debug, Clone)]
pub enum Source {
    /// Read from the Parquet file each time.
    File(Arc<CachedFile>),
    /// For a [`Size::Small`] question an in-memory table made of the file when it is first asked for, and kept while
    /// there is room; the file itself where that does not apply. The answer is the same.
    HotTable(Arc<CachedFile>),
}

impl Source {
    pub fn file(&self) -> &Arc<CachedFile> {
        match self {
            Self::File(file) | Self::HotTable(file) => file,
        }
    }
}

/// A value from outside, bound to a `?` of the SQL.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    Null,
    Bool(bool),
    I64(i64),
    F64(f64),
    Text(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01 UTC. Bound as TIMESTAMP, which sessions in UTC compare with TIMESTAMPTZ as is.
    Timestamp(i64),
    /// Of one type and not empty: `x IN (SELECT unnest(?))`, `list_contains(?, x)`.
    List(Vec<Param>),
}

impl Param {
    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Boolean(*value),
            Self::I64(value) => Value::BigInt(*value),
            Self::F64(value) => Value::Double(*value),
            Self::Text(value) => Value::Text(value.clone()),
            Self::Date(days) => Value::Date32(*days),
            Self::Timestamp(micros) => Value::Timestamp(TimeUnit::Microsecond, *micros),
            Self::List(items) => Value::List(items.iter().map(Self::value).collect()),
        }
    }
}

impl ToSql for Param {
    fn to_sql(&self) -> duckdb::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(self.value()))
    }
}

/// One SELECT over named sources.
#[derive(Debug, Clone)]
pub struct Question {
    pub size: Size,
    /// Sources stand in braces: `SELECT … FROM {day} WHERE strike = ?`. Sums must be cast to BIGINT (see
    /// [`super::Answer`] for the types that may come out).
    pub sql: String,
    pub params: Vec<Param>,
    pub sources: Vec<(&'static str, Source)>,
    /// Run the SQL as it is written, without DuckDB's optimizer. DuckDB 2.0 keeps the plan of a prepared statement only
    /// then; with it, every execution over a table plans anew, which costs more than reading a few thousand rows. For
    /// small questions over hot tables of up to some 10,000 rows: nothing is pushed down, every column is read, and a
    /// join needs its condition in ON.
    pub as_written: bool,
    /// From asking to the last batch handed over; the engine's own when `None`.
    pub deadline: Option<Duration>,
}

impl Question {
    pub fn small(sql: impl Into<String>) -> Self {
        Self {
            size: Size::Small,
            sql: sql.into(),
            params: Vec::new(),
            sources: Vec::new(),
            as_written: false,
            deadline: None,
        }
    }

    pub fn large(sql: impl Into<String>) -> Self {
        Self { size: Size::Large, ..Self::small(sql) }
    }

    /// Sets the field of that name.
    #[must_use]
    pub fn as_written(mut self) -> Self {
        self.as_written = true;
        self
    }

    #[must_use]
    pub fn over(mut self, name: &'static str, source: Source) -> Self {
        self.sources.push((name, source));
        self
    }

    #[must_use]
    pub fn with(mut self, param: Param) -> Self {
        self.params.push(param);
        self
    }
}

/// `sql` with each `{name}` replaced by what `relation` says of it. Pure.
pub(super) fn put_in(sql: &str, mut relation: impl FnMut(&str) -> Option<String>) -> Result<String> {
    let mut text = String::with_capacity(sql.len() + 160);
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(Error::internal(format!("a brace is not closed in the SQL {sql:?}")));
        };
        let relation =
            relation(name).ok_or_else(|| Error::internal(format!("the SQL {sql:?} has no source named {name}")))?;
        text.push_str(before);
        text.push_str(&relation);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

/// `read_parquet` of a file of the cache. The path is ours ([`crate::lake::cache`] makes it), quoted all the same;
/// Hive columns are switched off, for a folder above the cache may look like one.
pub(super) fn read_parquet(file: &CachedFile) -> String {
    let path = file.path().to_string_lossy().replace('\'', "''");
    format!("read_parquet('{path}', hive_partitioning=false)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_put_in_by_name() {
        let known = |name: &str| (name == "day" || name == "spot").then(|| format!("hot_{name}"));
        let sql = put_in("SELECT 1 FROM {day} JOIN {spot} USING (t), {day} d", known);
        assert_eq!(sql.unwrap(), "SELECT 1 FROM hot_day JOIN hot_spot USING (t), hot_day d");
        assert_eq!(put_in("SELECT 1", known).unwrap(), "SELECT 1");
        assert!(put_in("FROM {night}", known).unwrap_err().detail().contains("night"));
        assert!(put_in("FROM {day", known).is_err());
    }
}
