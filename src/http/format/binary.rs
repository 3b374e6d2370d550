//! Rows as an Arrow IPC stream or a Parquet file, piece by piece. Used by `answer` only.

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamEncoder;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::answer::Slice;
use crate::{Error, Result};

/// Rows in a row group of a Parquet answer.
const PARQUET_ROWS: usize = 120_000;

/// A writer of one binary answer; what is ready is taken from it after each slice.
pub enum BinaryRows {
    Arrow(Box<StreamEncoder>),
    Parquet(Box<ArrowWriter<Vec<u8>>>),
}

impl BinaryRows {
    pub fn arrow(schema: &SchemaRef) -> Result<Self> {
        StreamEncoder::try_new(schema).map(|encoder| BinaryRows::Arrow(Box::new(encoder))).map_err(broken)
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

    /// Takes a slice and gives what is ready to be sent, in order. An Arrow column of one range is sent from where it lies.
    pub fn write(&mut self, slice: &Slice) -> Result<Vec<Bytes>> {
        if slice.rows() == 0 {
            return Ok(Vec::new());
        }
        let batch = slice.to_batch().map_err(broken)?;
        match self {
            BinaryRows::Arrow(encoder) => Ok(shared(encoder.encode(&batch).map_err(broken)?)),
            BinaryRows::Parquet(writer) => {
                writer.write(&batch).map_err(broken)?;
                Ok(vec![Bytes::from(std::mem::take(writer.inner_mut()))])
            }
        }
    }

    pub fn finish(self) -> Result<Vec<Bytes>> {
        match self {
            BinaryRows::Arrow(encoder) => Ok(shared(encoder.finish().map_err(broken)?)),
            BinaryRows::Parquet(writer) => Ok(vec![Bytes::from(writer.into_inner().map_err(broken)?)]),
        }
    }
}

fn shared(buffers: Vec<Buffer>) -> Vec<Bytes> {
    buffers.into_iter().map(Bytes::from_owner).collect()
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
