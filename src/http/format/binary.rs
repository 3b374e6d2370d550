//! Rows as an Arrow IPC stream or a Parquet file, piece by piece. Used by `answer` only.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::answer::Slice;
use crate::{Error, Result};

/// Rows in a row group of a Parquet answer.
const PARQUET_ROWS: usize = 120_000;

/// A writer of one binary answer; what is ready is taken from it after each slice.
pub enum BinaryRows {
    Arrow(StreamWriter<Vec<u8>>),
    Parquet(Box<ArrowWriter<Vec<u8>>>),
}

impl BinaryRows {
    pub fn arrow(schema: &SchemaRef) -> Result<Self> {
        StreamWriter::try_new(Vec::new(), schema).map(BinaryRows::Arrow).map_err(broken)
    }

    pub fn parquet(schema: &SchemaRef) -> Result<Self> {
        let level = ZstdLevel::try_new(3).map_err(broken)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(PARQUET_ROWS))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties)).map_err(broken)?;
        Ok(BinaryRows::Parquet(Box::new(writer)))
    }

    /// Takes a slice and gives what is ready to be sent.
    pub fn write(&mut self, slice: &Slice) -> Result<Vec<u8>> {
        let batch = slice.to_batch().map_err(broken)?;
        match self {
            BinaryRows::Arrow(writer) => {
                writer.write(&batch).map_err(broken)?;
                Ok(std::mem::take(writer.get_mut()))
            }
            BinaryRows::Parquet(writer) => {
                writer.write(&batch).map_err(broken)?;
                Ok(std::mem::take(writer.inner_mut()))
            }
        }
    }

    pub fn finish(self) -> Result<Vec<u8>> {
        match self {
            BinaryRows::Arrow(mut writer) => {
                writer.finish().map_err(broken)?;
                writer.into_inner().map_err(broken)
            }
            BinaryRows::Parquet(writer) => writer.into_inner().map_err(broken),
        }
    }
}

impl Slice {
    /// The slice's rows as one batch; without a copy when they are one range.
    fn to_batch(&self) -> std::result::Result<RecordBatch, ArrowError> {
        let part = |range: &std::ops::Range<usize>| self.batch.slice(range.start, range.len());
        match self.ranges.as_slice() {
            [range] => Ok(part(range)),
            ranges => {
                let parts: Vec<RecordBatch> = ranges.iter().map(part).collect();
                concat_batches(self.batch.schema_ref(), &parts)
            }
        }
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::internal("an answer could not be written").caused_by(error)
}
