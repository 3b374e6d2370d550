//! The columns of an answer over several files, which versions of this program with fewer or more greeks may have written: a
//! column that a file does not have is null there. Called by the routes over many days. Pure.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};

use super::record::Greek;
use crate::{Error, Result};

/// The columns of `base` (those this version knows), then those that files have besides, by name, in order of first appearance.
/// A column that not every file must have is nullable.
///
/// # Errors
/// `Corrupt` when a column has two types.
pub fn union<'a>(base: &Schema, files: impl IntoIterator<Item = &'a SchemaRef>) -> Result<SchemaRef> {
    let mut fields: Vec<FieldRef> = base.fields().iter().cloned().collect();
    for field in files.into_iter().flat_map(|schema| schema.fields()) {
        match fields.iter().find(|known| known.name() == field.name()) {
            Some(known) if known.data_type() == field.data_type() => {}
            Some(known) => {
                let (name, one, other) = (field.name(), known.data_type(), field.data_type());
                return Err(Error::corrupt(format!("column '{name}' is {one} in one place and {other} in another")));
            }
            None => fields.push(Arc::new(Field::new(field.name(), field.data_type().clone(), true))),
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The batch with exactly the columns of `schema`: reordered, nulls where it has none.
///
/// # Errors
/// `Corrupt` when a column that may not be null is missing or one has another type.
pub fn fit(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let column = |field: &FieldRef| match batch.column_by_name(field.name()) {
        Some(column) => column.clone(),
        None => new_null_array(field.data_type(), rows),
    };
    let columns = schema.fields().iter().map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::corrupt("a file does not have the columns of its dataset").caused_by(error))
}

/// The columns of a schema of the strike level or the minute sums that were asked for; without a list all.
pub fn of_exposures(name: &str, greeks: Option<&[Greek]>) -> bool {
    asked(name.strip_suffix("_exposure"), greeks)
}

/// The same for the day's statistics, whose columns begin with their greek.
pub fn of_days(name: &str, greeks: Option<&[Greek]>) -> bool {
    let greek = name.split_once('_').map(|(greek, _)| greek).filter(|greek| !["minutes", "spot"].contains(greek));
    asked(greek, greeks)
}

/// Whether a column stays: every key, and the greeks named. A greek that this version does not know cannot be named.
fn asked(greek: Option<&str>, greeks: Option<&[Greek]>) -> bool {
    let (Some(greek), Some(greeks)) = (greek, greeks) else { return true };
    greeks.iter().any(|asked| asked.name() == greek)
}

/// The part of a schema that `wanted` admits by name.
pub fn only(schema: &Schema, wanted: impl Fn(&str) -> bool) -> Schema {
    Schema::new(schema.fields().iter().filter(|field| wanted(field.name())).cloned().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Array, AsArray, Int64Array};
    use arrow::datatypes::{DataType, Int64Type};

    use crate::greeks::record::BY_DAY;

    fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
        let field = |(name, kind): &(&str, DataType)| Field::new(*name, kind.clone(), true);
        Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
    }

    #[test]
    fn what_a_file_lacks_is_null_and_what_it_has_besides_comes_last() {
        let base = schema(&[("gamma_exposure", DataType::Int64)]);
        let newer = schema(&[("gamma_exposure", DataType::Int64), ("speed_exposure", DataType::Int64)]);
        let union = union(&base, [&newer, &base]).unwrap();
        assert_eq!(union.fields().len(), 2);
        let old = RecordBatch::try_new(base, vec![Arc::new(Int64Array::from(vec![1, 2]))]).unwrap();
        let fitted = fit(&old, &union).unwrap();
        assert_eq!(fitted["gamma_exposure"].as_primitive::<Int64Type>().values()[..], [1, 2]);
        assert_eq!(fitted["speed_exposure"].null_count(), 2);
    }

    #[test]
    fn two_types_of_one_name_are_refused() {
        let base = schema(&[("gamma_exposure", DataType::Int64)]);
        let other = schema(&[("gamma_exposure", DataType::Float64)]);
        assert_eq!(union(&base, [&other]).unwrap_err().kind(), crate::ErrorKind::Corrupt);
    }

    #[test]
    fn greeks_are_told_from_keys() {
        let schema = (BY_DAY.schema)();
        let kept = only(&schema, |name| of_days(name, Some(&[Greek::Charm])));
        let names: Vec<&str> = kept.fields().iter().map(|field| field.name().as_str()).collect();
        let expected = [
            "date",
            "minutes_expected",
            "minutes_seen",
            "spot_open",
            "spot_close",
            "charm_open",
            "charm_close",
            "charm_min",
            "charm_max",
            "charm_mean",
            "charm_min_at",
            "charm_max_at",
        ];
        assert_eq!(names, expected);
        assert!(!of_days("speed_open", Some(&[Greek::Gamma])) && of_days("speed_open", None));
        assert!(
            of_exposures("strike", Some(&[Greek::Gamma])) && !of_exposures("vanna_exposure", Some(&[Greek::Gamma]))
        );
    }
}
