//! Decoded row groups of hot partitions, in memory within a bound: what is nearer than a file. Rooms whose questions are
//! slices of a sorted file read here instead of asking DuckDB to bind the file anew; see decision 0002.

use std::fs::File;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use moka::sync::Cache;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;

use super::cache::CachedFile;
use crate::{Error, Result};

/// The number under which all rows of a small partition are kept as one batch.
const ALL: usize = usize::MAX;

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
            .try_get_with((partition.identity(), number), || decode(partition, number, None).map(Arc::new))
            .map_err(|error: Arc<Error>| Error::new(error.kind(), error.detail()))
    }

    /// As [`Self::open`], without remembering it: for a reader who goes through many partitions once and must not push out
    /// those that are asked for all the time.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_in_passing(&self, file: &Arc<CachedFile>) -> Result<OpenPartition> {
        self.already_open(file).map_or_else(|| open_apart(file), Ok)
    }

    /// Columns (numbers in ascending order) of a row group, without keeping it. Blocks while it decodes.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn get_in_passing(&self, partition: &OpenPartition, number: usize, columns: &[usize]) -> Result<RecordBatch> {
        if self.groups.contains_key(&(partition.identity(), number))
            && let Some(held) = self.held(partition, number)
        {
            return held.project(columns).map_err(|error| Error::internal("columns").caused_by(error));
        }
        decode(partition, number, Some(columns))
    }

    /// All rows of a small partition if they are in memory as one batch.
    pub fn held_whole(&self, file: &CachedFile) -> Option<Arc<RecordBatch>> {
        self.groups.get(&(Arc::from(file.path().to_string_lossy()), ALL))
    }

    /// All rows of a small partition as one batch, kept like a row group. Blocks while it decodes.
    ///
    /// # Errors
    /// `Corrupt` when it cannot be decoded.
    pub fn get_whole(&self, file: &Arc<CachedFile>) -> Result<Arc<RecordBatch>> {
        let read = || -> Result<Arc<RecordBatch>> {
            let partition = self.open_in_passing(file)?;
            let numbers = 0..partition.metadata().num_row_groups();
            let mut groups = numbers.map(|number| decode(&partition, number, None)).collect::<Result<Vec<_>>>()?;
            match (groups.len(), groups.pop()) {
                (1, Some(only)) => Ok(Arc::new(only)),
                (_, last) => {
                    groups.extend(last);
                    let whole = concat_batches(partition.schema(), &groups);
                    whole.map(Arc::new).map_err(|error| damaged(file, error))
                }
            }
        };
        self.groups
            .try_get_with((Arc::from(file.path().to_string_lossy()), ALL), read)
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

fn decode(partition: &OpenPartition, number: usize, columns: Option<&[usize]>) -> Result<RecordBatch> {
    let file = &partition.file;
    let rows = usize::try_from(partition.metadata().row_group(number).num_rows()).unwrap_or(0);
    let source = File::open(file.path()).map_err(|error| damaged(file, error))?;
    let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(source, partition.metadata.clone())
        .with_row_groups(vec![number])
        .with_batch_size(rows.max(1));
    if let Some(columns) = columns {
        let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
        builder = builder.with_projection(mask);
    }
    let mut reader = builder.build().map_err(|error| damaged(file, error))?;
    match reader.next() {
        Some(Ok(batch)) if batch.num_rows() == rows => Ok(batch),
        Some(Err(error)) => Err(damaged(file, error)),
        None if rows == 0 => {
            let empty = RecordBatch::new_empty(Arc::clone(partition.schema()));
            let all: Vec<usize> = (0..empty.num_columns()).collect();
            empty.project(columns.unwrap_or(&all)).map_err(|error| damaged(file, error))
        }
        _ => Err(Error::corrupt(format!("{} holds other rows than its footer says; run `pitlake verify`", file.key()))),
    }
}

fn damaged(file: &CachedFile, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::corrupt(format!("{} cannot be read; run `pitlake verify`", file.key())).caused_by(error)
}
