//! Rows as a JSON list on one line, for events whose frames end at a line's end. The numbers are written by the same writer
//! as those of every other answer.

use arrow::datatypes::Schema;

use super::answer::Slice;
use super::text::{Style, TextRows};
use crate::{Error, Result};

/// All rows of `slices`, as `[{…},{…}]`.
///
/// # Errors
/// `Internal` for a column type that no dataset has.
pub fn rows_on_one_line(schema: &Schema, slices: &[Slice]) -> Result<String> {
    let rows = slices.iter().map(Slice::rows).sum();
    let mut lines = Vec::new();
    let mut writer = TextRows::new(schema, Style::Ndjson, rows)?;
    for slice in slices {
        writer.write(&slice.batch, &slice.ranges, true, &mut lines)?;
    }
    // JSON has no line break inside a row, so each one is the end of a row.
    lines.pop();
    lines.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b',');
    let list = String::from_utf8(lines).map_err(|error| Error::internal("rows are not text").caused_by(error))?;
    Ok(format!("[{list}]"))
}
