//! Decoded row groups of hot partitions, in memory within a bound: what is nearer than a file. Rooms whose questions are
//! slices of a sorted file read here instead of asking DuckDB to bind the file anew; see decision 0002.

use std::fs::File;
use std::sync::Arc;

use arrow::array::RecordBatch;
use moka::sync::Cache;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;

use super::cache::CachedFile;
use crate::{Error, Result};

/// A partition's file with its footer read. Cloning is cheap.
#[derive(Clone)]
pub struct OpenPartition {
    file: Arc<CachedFile>,
    metadata: ArrowReaderMetadata,
}

impl OpenPartition {
    pub fn file(&self) -> &Arc<CachedFile> {
        &self.file
    }

    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.metadata.metadata()
    }

    pub fn schema(&self) -> &arrow::datatypes::SchemaRef {
        self.metadata.schema()
    }

    fn identity(&self) -> Arc<str> {
        Arc::from(self.file.path().to_string_lossy())
    }
}

/// The row groups of one process, keyed by file version and number; the least used go first.
#[derive(Clone)]
pub struct RowGroups {
    groups: Cache<(Arc<str>, usize), Arc<RecordBatch>>,
    open: Cache<Arc<str>, OpenPartition>,
}

impl RowGroups {
    /// `max_bytes` of decoded columns.
    pub fn new(max_bytes: u64) -> Self {
        let weigh = |_: &(Arc<str>, usize), batch: &Arc<RecordBatch>| {
            u32::try_from(batch.get_array_memory_size()).unwrap_or(u32::MAX)
        };
        Self {
            groups: Cache::builder().max_capacity(max_bytes).weigher(weigh).build(),
            open: Cache::builder().max_capacity(256).build(),
        }
    }

    /// The file with its footer, when that was read before.
    pub fn already_open(&self, file: &CachedFile) -> Option<OpenPartition> {
        self.open.get(file.path().to_string_lossy().as_ref())
    }

    /// Reads the footer, or remembers it. Blocks on the disk the first time.
    ///
    /// # Errors
    /// `Corrupt` when the file is not whole Parquet: tell the cache (`distrust`) and ask again.
    pub fn open(&self, file: &Arc<CachedFile>) -> Result<OpenPartition> {
        let identity: Arc<str> = Arc::from(file.path().to_string_lossy());
        if let Some(open) = self.open.get(&identity) {
            return Ok(open);
        }
        let open = open_apart(file)?;
        // An open partition pins its file: let go of it when the map does, which is bounded.
        self.open.insert(identity, open.clone());
        Ok(open)
    }

    /// A decoded row group if it is in memory.
    pub fn held(&self, partition: &OpenPartition, number: usize) -> Option<Arc<RecordBatch>> {
        self.groups.get(&(partition.identity(), number))
    }

    /// A decoded row group; of several who ask at once, one decodes. Blocks while it does.
    ///
    /// # Errors
    /// `Corrupt` when it cannot be decoded.
    pub fn get(&self, partition: &OpenPartition, number: usize) -> Result<Arc<RecordBatch>> {
        self.groups
            .try_get_with((partition.identity(), number), || decode(partition, number).map(Arc::new))
            .map_err(|error: Arc<Error>| Error::new(error.kind(), error.detail()))
    }

    /// Bytes of decoded columns held.
    pub fn bytes(&self) -> u64 {
        self.groups.weighted_size()
    }
}

/// Reads the footer and remembers nothing: for a file whose life its owner bounds. Blocks on the disk.
///
/// # Errors
/// As [`RowGroups::open`].
pub fn open_apart(file: &Arc<CachedFile>) -> Result<OpenPartition> {
    let source = File::open(file.path()).map_err(|error| damaged(file, error))?;
    let metadata =
        ArrowReaderMetadata::load(&source, ArrowReaderOptions::new()).map_err(|error| damaged(file, error))?;
    Ok(OpenPartition { file: Arc::clone(file), metadata })
}

fn decode(partition: &OpenPartition, number: usize) -> Result<RecordBatch> {
    let file = &partition.file;
    let rows = usize::try_from(partition.metadata().row_group(number).num_rows()).unwrap_or(0);
    let source = File::open(file.path()).map_err(|error| damaged(file, error))?;
    let mut reader = ParquetRecordBatchReaderBuilder::new_with_metadata(source, partition.metadata.clone())
        .with_row_groups(vec![number])
        .with_batch_size(rows.max(1))
        .build()
        .map_err(|error| damaged(file, error))?;
    match reader.next() {
        Some(Ok(batch)) if batch.num_rows() == rows => Ok(batch),
        Some(Err(error)) => Err(damaged(file, error)),
        None if rows == 0 => Ok(RecordBatch::new_empty(Arc::clone(partition.schema()))),
        _ => Err(Error::corrupt(format!("{} holds other rows than its footer says; run `pitlake verify`", file.key()))),
    }
}

fn damaged(file: &CachedFile, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::corrupt(format!("{} cannot be read; run `pitlake verify`", file.key())).caused_by(error)
}
