//! Lists and structures as JSON text. Used by `text` for the few columns that have them; not a hot path.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};

use crate::{Error, Result};

/// Whether a list or structure can be written.
pub fn has_text(data_type: &DataType) -> bool {
    let inner = |data_type: &DataType| {
        matches!(data_type, DataType::Utf8 | DataType::Float64 | DataType::Int64 | DataType::Int32 | DataType::Boolean)
            || has_text(data_type)
    };
    match data_type {
        DataType::List(element) => inner(element.data_type()),
        DataType::Struct(members) => members.iter().all(|member| inner(member.data_type())),
        _ => false,
    }
}

/// Appends the value at `row`.
///
/// # Errors
/// `Internal` for a type that [`has_text`] does not admit.
pub fn write(array: &dyn Array, row: usize, out: &mut String) -> Result<()> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    let plain = match array.data_type() {
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            out.push('[');
            for item in 0..items.len() {
                out.push_str(if item == 0 { "" } else { "," });
                write(&items, item, out)?;
            }
            out.push(']');
            return Ok(());
        }
        DataType::Struct(members) => {
            out.push('{');
            for (at, (member, column)) in members.iter().zip(array.as_struct().columns()).enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                out.push_str(&serde_json::Value::from(member.name().as_str()).to_string());
                out.push(':');
                write(column, row, out)?;
            }
            out.push('}');
            return Ok(());
        }
        DataType::Utf8 => serde_json::Value::from(array.as_string::<i32>().value(row)),
        // What is no number is null, as everywhere in JSON.
        DataType::Float64 => serde_json::Value::from(array.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => serde_json::Value::from(array.as_primitive::<Int64Type>().value(row)),
        DataType::Int32 => serde_json::Value::from(array.as_primitive::<Int32Type>().value(row)),
        DataType::Boolean => serde_json::Value::from(array.as_boolean().value(row)),
        other => return Err(Error::internal(format!("a value of type {other} has no text form"))),
    };
    out.push_str(&plain.to_string());
    Ok(())
}
