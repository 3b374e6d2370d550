//! One DuckDB instance, opened and locked down before any question reaches it: it may read and write in the cache's
//! folder (and spill where it was told), nothing else, and no SQL can change that.

use std::path::{Path, PathBuf};

use duckdb::{Config, Connection};

use super::failure;
use crate::{Error, Result};

/// Prepared statements that each connection keeps.
const STATEMENTS_KEPT: usize = 128;

/// How one instance is opened.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    /// The only folder that SQL may reach.
    pub readable: PathBuf,
    /// Where large sorts may spill; without one they fail when memory is full.
    pub spill: Option<PathBuf>,
    pub memory_bytes: u64,
    pub threads: usize,
    /// Whether workers get a connection that runs SQL as written; the lock forbids to make one later.
    pub as_written: bool,
}

/// What one worker has.
pub(super) struct Connections {
    pub usual: Connection,
    /// Runs SQL as written, for instances that offer it.
    pub as_written: Option<Connection>,
}

/// Opens an in-memory database with connections for `workers`, then locks it down.
pub(super) fn open(setup: &Setup, workers: usize) -> Result<Vec<Connections>> {
    let readable = literal(&setup.readable)?;
    let spill = setup.spill.as_deref().map(literal).transpose()?.unwrap_or_else(|| "''".into());
    let config = Config::default()
        .enable_autoload_extension(false)
        .and_then(|config| config.threads(i64::try_from(setup.threads.max(1)).unwrap_or(1)))
        .and_then(|config| config.max_memory(&format!("{}B", setup.memory_bytes)))
        .map_err(failure::opening)?;
    let first = Connection::open_in_memory_with_flags(config).map_err(failure::opening)?;
    let mut connections = Vec::with_capacity(workers);
    for _ in 0..workers {
        let as_written = setup.as_written.then(|| -> Result<Connection> {
            let connection = another(&first)?;
            connection.execute_batch("SET SESSION enable_optimizer = false").map_err(failure::opening)?;
            Ok(connection)
        });
        connections.push(Connections { usual: another(&first)?, as_written: as_written.transpose()? });
    }
    // The order matters: folders are allowed while access is still open, and the lock comes last.
    first
        .execute_batch(&format!(
            "SET temp_directory = {spill};
             SET preserve_insertion_order = true;
             SET allow_community_extensions = false;
             SET allowed_directories = [{readable}];
             SET enable_external_access = false;
             SET lock_configuration = true;"
        ))
        .map_err(failure::opening)?;
    Ok(connections)
}

/// Another connection to the same instance, for another thread.
pub(super) fn another(connection: &Connection) -> Result<Connection> {
    let connection = connection.try_clone().map_err(failure::opening)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(connection)
}

fn literal(folder: &Path) -> Result<String> {
    let text = folder
        .to_str()
        .filter(|_| folder.is_absolute())
        .ok_or_else(|| Error::invalid(format!("the folder {} must be an absolute path in UTF-8", folder.display())))?;
    Ok(format!("'{}'", text.replace('\'', "''")))
}
