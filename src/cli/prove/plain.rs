//! A plain DuckDB in memory, opened for one statement: nothing of the engine, no setting that a researcher would not have.
//! Blocking.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use duckdb::{Config, Connection};

use super::cell::{self, Kind};
use super::compare::{Comparison, Verdict};
use super::rows;
use crate::{Error, ErrorKind, Result};

/// Runs `sql` and holds the answer in `body` against its rows. `spill` is for sorts that are larger than memory.
///
/// # Errors
/// `Internal` when DuckDB refuses the SQL, `Corrupt` when it cannot read a file or the answer is not whole.
pub fn compare(sql: &str, spill: &Path, body: File, content_type: &str) -> Result<Verdict> {
    let connection = Config::default()
        .enable_autoload_extension(false)
        .and_then(|config| config.with("temp_directory", spill.to_string_lossy()))
        .and_then(Connection::open_in_memory_with_flags)
        .map_err(failed)?;
    let mut statement = connection.prepare(sql).map_err(failed)?;
    let mut batches = statement.stream_arrow([]).map_err(failed)?;
    let schema = batches.get_schema();
    let kinds = Kind::all_of(&schema)?;
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut current = None;
    let next = Box::new(move || {
        loop {
            if let Some((batch, at)) = &mut current {
                let batch: &Arc<arrow::array::RecordBatch> = batch;
                if *at < batch.num_rows() {
                    *at += 1;
                    return Ok(Some(cell::row(batch, *at - 1)));
                }
            }
            match batches.next() {
                None => return Ok(None),
                Some(batch) => current = Some((Arc::new(batch.map_err(failed)?), 0)),
            }
        }
    });
    let mut comparison = Comparison::new(columns, kinds, next);
    rows::compare(body, content_type, &mut comparison)?;
    comparison.end()
}

fn failed(error: duckdb::Error) -> Error {
    let text = error.to_string();
    let kind = if text.starts_with("IO Error") || text.starts_with("Invalid Input Error") {
        ErrorKind::Corrupt
    } else {
        ErrorKind::Internal
    };
    Error::new(kind, format!("DuckDB cannot answer the SQL: {text}")).caused_by(error)
}
