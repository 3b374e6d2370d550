//! The types that may leave the engine: those that every format can say without loss. Pure.

use arrow::datatypes::{DataType, Schema, TimeUnit};

use crate::{Error, Result};

/// Refuses a result column of any other type. Above all DuckDB's `sum` of a BIGINT is a HUGEINT, which leaves it as a
/// decimal: the SQL must cast it (`sum(x)::BIGINT`), which fails when it does not fit and never wraps.
pub(super) fn check(schema: &Schema) -> Result<()> {
    for field in schema.fields() {
        let fine = match field.data_type() {
            DataType::Boolean | DataType::Int32 | DataType::Int64 | DataType::Float64 => true,
            DataType::Utf8 | DataType::Date32 => true,
            DataType::Timestamp(TimeUnit::Microsecond, zone) => zone.as_deref().is_none_or(|zone| zone == "UTC"),
            _ => false,
        };
        if !fine {
            return Err(Error::internal(format!(
                "the column {} came out of the query as {}; cast it in the SQL",
                field.name(),
                field.data_type()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;

    fn one(data_type: DataType) -> Result<()> {
        check(&Schema::new(vec![Field::new("total", data_type, true)]))
    }

    #[test]
    fn only_what_every_format_can_say() {
        assert!(one(DataType::Int64).is_ok());
        assert!(one(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))).is_ok());
        assert!(one(DataType::Timestamp(TimeUnit::Microsecond, Some("America/New_York".into()))).is_err());
        assert!(one(DataType::Timestamp(TimeUnit::Nanosecond, None)).is_err());
        let refused = one(DataType::Decimal128(38, 0)).unwrap_err();
        assert!(refused.detail().contains("total"), "{refused}");
    }
}
