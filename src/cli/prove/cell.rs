//! One value of an answer, exact: numbers by their bits, instants in microseconds, null apart from everything. Pure.

use std::fmt;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Date32Type, Float64Type, Int32Type, Int64Type, SchemaRef, TimeUnit, TimestampMicrosecondType,
};
use chrono::{DateTime, NaiveDate, SecondsFormat};
use serde_json::Value;

use crate::{Error, Result};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Int,
    Double,
    Instant,
    Date,
    Text,
    Bool,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    /// Its bits, so that nothing is equal that is not the same.
    Double(u64),
    /// Microseconds since 1970-01-01T00:00Z.
    Instant(i64),
    /// Days since 1970-01-01.
    Date(i32),
    Text(String),
    Bool(bool),
    /// Something that is no value of its column, as the answer has it.
    Strange(String),
}

impl Kind {
    /// # Errors
    /// `Internal` for a type that no answer has.
    pub fn all_of(schema: &SchemaRef) -> Result<Vec<Kind>> {
        let of = |data_type: &DataType| match data_type {
            DataType::Int64 | DataType::Int32 => Some(Kind::Int),
            DataType::Float64 => Some(Kind::Double),
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => Some(Kind::Instant),
            DataType::Date32 => Some(Kind::Date),
            DataType::Utf8 => Some(Kind::Text),
            DataType::Boolean => Some(Kind::Bool),
            _ => None,
        };
        let kind = |field: &arrow::datatypes::FieldRef| {
            let unknown = || Error::internal(format!("the column {} has the type {}", field.name(), field.data_type()));
            of(field.data_type()).ok_or_else(unknown)
        };
        schema.fields().iter().map(kind).collect()
    }

    /// What a JSON answer says in a column of this kind.
    pub fn of_json(self, value: &Value) -> Cell {
        let read = match (self, value) {
            (_, Value::Null) => Some(Cell::Null),
            (Kind::Int, Value::Number(number)) => number.as_i64().map(Cell::Int),
            (Kind::Double, Value::Number(number)) => number.as_f64().map(|value| Cell::Double(value.to_bits())),
            (Kind::Bool, Value::Bool(value)) => Some(Cell::Bool(*value)),
            (Kind::Instant | Kind::Date | Kind::Text, Value::String(text)) => Some(self.of_text(text)),
            _ => None,
        };
        read.unwrap_or_else(|| Cell::Strange(value.to_string()))
    }

    /// What a CSV answer says in a column of this kind.
    pub fn of_text(self, text: &str) -> Cell {
        let read = match self {
            _ if text.is_empty() => Some(Cell::Null),
            Kind::Int => text.parse().ok().map(Cell::Int),
            Kind::Double => text.parse::<f64>().ok().map(|value| Cell::Double(value.to_bits())),
            Kind::Bool => text.parse().ok().map(Cell::Bool),
            Kind::Text => Some(Cell::Text(text.to_owned())),
            Kind::Date => text.parse::<NaiveDate>().ok().map(|date| Cell::Date(date.to_epoch_days())),
            // The form that the API promises, not merely one that reads as the same instant.
            Kind::Instant if text.ends_with('Z') => {
                DateTime::parse_from_rfc3339(text).ok().map(|instant| Cell::Instant(instant.timestamp_micros()))
            }
            Kind::Instant => None,
        };
        read.unwrap_or_else(|| Cell::Strange(format!("{text:?}")))
    }
}

/// A row of a batch.
pub fn row(batch: &RecordBatch, at: usize) -> Vec<Cell> {
    batch.columns().iter().map(|column| cell(column.as_ref(), at)).collect()
}

fn cell(column: &dyn Array, at: usize) -> Cell {
    if column.is_null(at) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Int64 => Cell::Int(column.as_primitive::<Int64Type>().value(at)),
        DataType::Int32 => Cell::Int(column.as_primitive::<Int32Type>().value(at).into()),
        DataType::Float64 => Cell::Double(column.as_primitive::<Float64Type>().value(at).to_bits()),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            Cell::Instant(column.as_primitive::<TimestampMicrosecondType>().value(at))
        }
        DataType::Date32 => Cell::Date(column.as_primitive::<Date32Type>().value(at)),
        DataType::Utf8 => Cell::Text(column.as_string::<i32>().value(at).to_owned()),
        DataType::Boolean => Cell::Bool(column.as_boolean().value(at)),
        other => Cell::Strange(format!("a value of type {other}")),
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Null => f.write_str("null"),
            Cell::Int(value) => write!(f, "{value}"),
            Cell::Double(bits) => write!(f, "{:?}", f64::from_bits(*bits)),
            Cell::Instant(micros) => {
                let instant = DateTime::from_timestamp_micros(*micros).unwrap_or_default();
                f.write_str(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
            }
            Cell::Date(days) => write!(f, "{}", NaiveDate::from_epoch_days(*days).unwrap_or_default()),
            Cell::Text(text) => write!(f, "{text:?}"),
            Cell::Bool(value) => write!(f, "{value}"),
            Cell::Strange(text) => write!(f, "{text} (no value of this column)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_the_same_is_not_equal() {
        assert_ne!(Kind::Double.of_json(&json!(0.1)), Kind::Double.of_json(&json!(0.100_000_000_000_000_02)));
        assert_eq!(Kind::Double.of_json(&json!(580)), Kind::Double.of_text("580.0"));
        assert_eq!(Kind::Int.of_json(&json!(9_007_199_254_740_993_i64)), Cell::Int(9_007_199_254_740_993));
        assert!(matches!(Kind::Int.of_json(&json!(5.0)), Cell::Strange(_)), "a sum is whole");
        assert!(matches!(Kind::Int.of_json(&json!("5")), Cell::Strange(_)));
        assert_ne!(Kind::Int.of_json(&Value::Null), Kind::Int.of_json(&json!(0)));
        assert_eq!(Kind::Instant.of_text("2025-01-15T19:32:00Z"), Cell::Instant(1_736_969_520_000_000));
        assert!(matches!(Kind::Instant.of_text("2025-01-15T14:32:00-05:00"), Cell::Strange(_)));
        assert_eq!(Kind::Date.of_json(&json!("2025-01-17")).to_string(), "2025-01-17");
    }
}
