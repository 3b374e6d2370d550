//! DuckDB beside us in the same run: the same raw file to sorted Parquet by its own reader and writer, as somebody without
//! pitlake would do it. It makes one file and nothing else: no rollups, no manifest, no check of what came in.

use std::fs;
use std::path::Path;
use std::time::Instant;

use duckdb::Connection;

use super::interrupt::Interrupt;
use super::spread::median;
use super::table::{Figure, Row, Unit};
use super::workload::Workload;
use crate::{Error, Result};

/// # Errors
/// `Unavailable` when DuckDB cannot be opened.
pub fn version() -> Result<String> {
    let connection = Connection::open_in_memory().map_err(|error| failed(&error))?;
    connection.query_row("SELECT version()", [], |row| row.get(0)).map_err(|error| failed(&error))
}

/// # Errors
/// `Unavailable` when DuckDB cannot do it, `Internal` when it ends with other rows than the day has.
pub fn measure(
    interrupt: &Interrupt,
    workload: &Workload,
    capture: &Path,
    folder: &Path,
    repeat: usize,
) -> Result<Row> {
    let parquet = folder.join("duckdb.parquet");
    let copy = copy(capture, &parquet);
    let mut rates = Vec::with_capacity(repeat);
    for _ in 0..repeat {
        interrupt.check()?;
        let connection = Connection::open_in_memory().map_err(|error| failed(&error))?;
        let handle = connection.interrupt_handle();
        interrupt.on_stop(move || handle.interrupt());
        let began = Instant::now();
        connection.execute_batch(&copy).map_err(|error| failed(&error))?;
        rates.push(workload.rows as f64 / began.elapsed().as_secs_f64());
        let count = format!("SELECT count(*) FROM read_parquet({})", quoted(&parquet));
        let rows: i64 = connection.query_row(&count, [], |row| row.get(0)).map_err(|error| failed(&error))?;
        if u64::try_from(rows) != Ok(workload.rows) {
            return Err(Error::internal(format!("DuckDB made {rows} rows of {}", workload.rows)));
        }
    }
    let bytes = fs::metadata(&parquet).map_err(|error| failed(&error))?.len();
    let figures = vec![
        Figure::new("rows_per_second", "", Unit::RowsPerSecond, median(rates)),
        Figure::new("bytes_per_row", "", Unit::BytesPerRow, bytes as f64 / workload.rows as f64),
    ];
    Ok(Row::new("duckdb_compaction", "peer: DuckDB, read_json → sorted Parquet", figures)
        .note("in process, all threads, zstd, whole dollars; no rollups, no manifest, no checks"))
}

/// The columns are named, so that DuckDB need not look at the file twice to guess them.
fn copy(capture: &Path, parquet: &Path) -> String {
    format!(
        "COPY (
            SELECT timestamp, expiration, one.strike AS strike, one.gamma::BIGINT AS gamma_exposure,
                one.vanna::BIGINT AS vanna_exposure, one.charm::BIGINT AS charm_exposure
            FROM (
                SELECT timestamp::TIMESTAMPTZ AS timestamp, expiration, unnest(strikes) AS one
                FROM read_json({capture}, format = 'newline_delimited', columns = {{
                    timestamp: 'VARCHAR', expiration: 'DATE',
                    strikes: 'STRUCT(strike DOUBLE, gamma DOUBLE, vanna DOUBLE, charm DOUBLE)[]'}})
            )
            ORDER BY expiration, strike, timestamp
        ) TO {parquet} (FORMAT parquet, COMPRESSION zstd)",
        capture = quoted(capture),
        parquet = quoted(parquet),
    )
}

/// COPY takes no bound parameters for its paths. These are our own temporary files.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', "''"))
}

fn failed(error: &dyn std::error::Error) -> Error {
    Error::unavailable(format!("DuckDB, the peer, failed: {error}"))
}
