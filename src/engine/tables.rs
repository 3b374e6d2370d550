//! Hot tables: the rows of a cached file as an in-memory table of the small instance, so that a small question need not
//! bind and open a Parquet file (most of its cost). Bounded in bytes; a table is dropped when it was let go *and* no query
//! uses it. Called by [`super::work`] on a worker's thread. A table is of one version of one file and never changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use duckdb::Connection;
use parking_lot::Mutex;

use super::failure;
use super::question::read_parquet;
use crate::Result;
use crate::lake::cache::CachedFile;

/// What a value takes in a table, and what a column takes before its first value: DuckDB keeps new tables
/// uncompressed, and begins each column with a segment of one vector.
const VALUE_BYTES: u64 = 8;
const COLUMN_BYTES: u64 = 16 * 1024;
/// Notes of files too large for a table are forgotten beyond this many.
const MOST_NOTES: usize = 4_096;

/// One table, in use as long as its `Arc` is held.
#[derive(Debug)]
pub(super) struct HotTable {
    name: String,
    bytes: u64,
    let_go: Arc<Mutex<Vec<String>>>,
}

impl HotTable {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for HotTable {
    fn drop(&mut self) {
        self.let_go.lock().push(std::mem::take(&mut self.name));
    }
}

/// The tables of one DuckDB instance.
pub(super) struct HotTables {
    most_bytes: u64,
    state: Mutex<State>,
    next: AtomicU64,
    /// Names of tables that nobody uses any more, to be dropped by the next worker that has a connection at hand.
    let_go: Arc<Mutex<Vec<String>>>,
}

#[derive(Default)]
struct State {
    /// By the object's key: of each object only the version asked for last is kept.
    by_key: HashMap<String, (PathBuf, Slot)>,
    bytes: u64,
    uses: u64,
}

enum Slot {
    /// Some worker is making it; the others read the file meanwhile.
    Arriving,
    Here {
        table: Arc<HotTable>,
        last_used: u64,
    },
    /// It alone would exceed the bound.
    TooLarge,
}

impl HotTables {
    pub(super) fn new(most_bytes: u64) -> Self {
        Self { most_bytes, state: Mutex::default(), next: AtomicU64::new(0), let_go: Arc::default() }
    }

    /// (tables, bytes as estimated)
    pub(super) fn held(&self) -> (usize, u64) {
        let state = self.state.lock();
        let tables = state.by_key.values().filter(|(_, slot)| matches!(slot, Slot::Here { .. })).count();
        (tables, state.bytes)
    }

    /// The table of `file`, made now if need be; `None` when the file itself is to be read: it is too large for a
    /// table, or another worker is making it at this moment.
    pub(super) fn table(&self, connection: &Connection, file: &CachedFile) -> Result<Option<Arc<HotTable>>> {
        if let Some(found) = self.state.lock().find_or_announce(file) {
            return Ok(found);
        }
        let announced = Announced { tables: self, file };
        let name = format!("hot_{}", self.next.fetch_add(1, Ordering::Relaxed));
        connection
            .execute_batch(&format!("CREATE TABLE {name} AS SELECT * FROM {}", read_parquet(file)))
            .map_err(|error| failure::answering(error, true))?;
        // From here on its drop takes the table away again.
        let mut table = HotTable { name, bytes: 0, let_go: Arc::clone(&self.let_go) };
        table.bytes = size_of(connection, &table.name)?;
        let table = Arc::new(table);
        self.state.lock().settle(file, &table, self.most_bytes);
        drop(announced);
        Ok(Some(table))
    }

    /// Drops the tables that nobody uses any more.
    pub(super) fn sweep(&self, connection: &Connection) {
        let names = std::mem::take(&mut *self.let_go.lock());
        for name in names {
            if let Err(error) = connection.execute_batch(&format!("DROP TABLE IF EXISTS {name}")) {
                tracing::warn!(%error, table = name, "a table let go could not be dropped and is tried again");
                self.let_go.lock().push(name);
            }
        }
    }
}

/// Takes the announcement back if making the table failed, so that the next question tries again.
struct Announced<'a> {
    tables: &'a HotTables,
    file: &'a CachedFile,
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        let mut state = self.tables.state.lock();
        if matches!(state.by_key.get(self.file.key()), Some((path, Slot::Arriving)) if path == self.file.path()) {
            state.by_key.remove(self.file.key());
        }
    }
}

impl State {
    /// `Some(answer)` when the question is answered already; `None` when the caller shall make the table.
    fn find_or_announce(&mut self, file: &CachedFile) -> Option<Option<Arc<HotTable>>> {
        self.uses += 1;
        let uses = self.uses;
        match self.by_key.get_mut(file.key()) {
            Some((path, slot)) if path == file.path() => match slot {
                Slot::Here { table, last_used } => {
                    *last_used = uses;
                    Some(Some(Arc::clone(table)))
                }
                Slot::Arriving | Slot::TooLarge => Some(None),
            },
            Some((_, Slot::Arriving)) => Some(None),
            _ => {
                self.put(file.key(), file.path(), Slot::Arriving);
                None
            }
        }
    }

    fn settle(&mut self, file: &CachedFile, table: &Arc<HotTable>, most_bytes: u64) {
        if table.bytes > most_bytes {
            self.put(file.key(), file.path(), Slot::TooLarge);
            return;
        }
        let here = Slot::Here { table: Arc::clone(table), last_used: self.uses };
        self.put(file.key(), file.path(), here);
        while self.bytes > most_bytes {
            let oldest = self.by_key.iter().filter_map(|(key, (_, slot))| match slot {
                Slot::Here { last_used, .. } if key != file.key() => Some((*last_used, key.clone())),
                _ => None,
            });
            let Some((_, key)) = oldest.min() else { break };
            self.take(&key);
        }
    }

    fn put(&mut self, key: &str, path: &Path, slot: Slot) {
        self.take(key);
        if self.by_key.len() >= MOST_NOTES {
            self.by_key.retain(|_, (_, slot)| !matches!(slot, Slot::TooLarge));
        }
        if let Slot::Here { table, .. } = &slot {
            self.bytes += table.bytes;
        }
        self.by_key.insert(key.to_owned(), (path.to_owned(), slot));
    }

    fn take(&mut self, key: &str) {
        if let Some((_, Slot::Here { table, .. })) = self.by_key.remove(key) {
            self.bytes -= table.bytes;
        }
    }
}

fn size_of(connection: &Connection, name: &str) -> Result<u64> {
    let mut statement = connection
        .prepare_cached("SELECT estimated_size, column_count FROM duckdb_tables() WHERE table_name = ?")
        .map_err(|error| failure::answering(error, true))?;
    let (rows, columns): (i64, i64) = statement
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(|error| failure::answering(error, true))?;
    let (rows, columns) = (u64::try_from(rows).unwrap_or(0), u64::try_from(columns).unwrap_or(0));
    Ok(columns * (COLUMN_BYTES + rows * VALUE_BYTES))
}
