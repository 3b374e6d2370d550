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
}

/// Opens an in-memory database and returns its first connection, of which the others are clones.
pub(super) fn open(setup: &Setup) -> Result<Connection> {
    let readable = literal(&setup.readable)?;
    let spill = setup.spill.as_deref().map(literal).transpose()?.unwrap_or_else(|| "''".into());
    let config = Config::default()
        .enable_autoload_extension(false)
        .and_then(|config| config.threads(i64::try_from(setup.threads.max(1)).unwrap_or(1)))
        .and_then(|config| config.max_memory(&format!("{}B", setup.memory_bytes)))
        .map_err(failure::opening)?;
    let connection = Connection::open_in_memory_with_flags(config).map_err(failure::opening)?;
    // The order matters: folders are allowed while access is still open, and the lock comes last.
    connection
        .execute_batch(&format!(
            "SET temp_directory = {spill};
             SET preserve_insertion_order = true;
             SET allow_community_extensions = false;
             SET allowed_directories = [{readable}];
             SET enable_external_access = false;
             SET lock_configuration = true;"
        ))
        .map_err(failure::opening)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(connection)
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
