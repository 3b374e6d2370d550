//! Writes and opens the Parquet file of one partition. Called by rooms' `compact` with rows in sort order; never decides
//! what the rows are. Same batches and content give the same bytes on any machine.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowWriterOptions, compute_leaves};
use parquet::arrow::{ArrowSchemaConverter, ArrowWriter};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, ParquetMetaData, ParquetMetaDataReader, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use rayon::prelude::*;

use super::dataset::{Dataset, Packing};
use super::manifest::{Content, FOOTER_KEY};
use crate::{Error, Result};

/// Level 3 is where the size stops falling fast and the writer stays the faster half of compaction.
const ZSTD_LEVEL: i32 = 3;
/// Written into every file instead of the library's own version, so that an upgrade of the library alone cannot
/// change the bytes of a partition that did not change.
const CREATED_BY: &str = "pitlake version 1";

/// Encodes a partition; each batch becomes one row group. Columns are encoded in parallel on rayon's pool.
///
/// # Errors
/// `Internal` when a batch does not have the dataset's schema.
pub fn encode(dataset: &Dataset, batches: &[RecordBatch], content: &Content) -> Result<Vec<u8>> {
    let schema = (dataset.schema)();
    for batch in batches {
        if batch.schema_ref().fields() != schema.fields() {
            return Err(Error::internal(format!("a batch for {} does not have its schema", dataset.name)));
        }
    }
    let leaves = schema.fields().iter().map(|field| leaves(field.data_type())).sum();
    let mut bytes = encode_parquet(dataset, schema, batches, content).map_err(|error| {
        Error::internal(format!("{} {} could not be written as Parquet", dataset.name, content.symbol)).caused_by(error)
    })?;
    type_defined_orders(&mut bytes, leaves)?;
    Ok(bytes)
}

/// How many columns Parquet makes of one: each part of a nested one is a column there.
fn leaves(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(element) => leaves(element.data_type()),
        DataType::Struct(members) => members.iter().map(|member| leaves(member.data_type())).sum(),
        _ => 1,
    }
}

/// Declares every column's statistics to be in its type's own order.
///
/// The writer declares doubles to be in IEEE 754 total order, which readers of a year ago refuse (the whole file) or
/// ignore (pyarrow, which then cannot skip row groups by strike). Both orders are the same for our doubles, which are
/// never NaN nor -0. The declarations are the footer's last field: per leaf a union of one empty struct, then the end of
/// the footer, its length and the magic bytes.
fn type_defined_orders(bytes: &mut [u8], leaves: usize) -> Result<()> {
    const TRAILER_BYTES: usize = 8;
    const STRUCT_IN_FIELD_1: u8 = 0x1c;
    const STRUCT_IN_FIELD_2: u8 = 0x2c;
    let unknown = || Error::internal("the Parquet writer ends its footer in a way that this version does not know");
    let end = bytes.len().checked_sub(TRAILER_BYTES + 1).ok_or_else(unknown)?;
    let start = end.checked_sub(leaves * 3).ok_or_else(unknown)?;
    let well_formed = bytes[end] == 0
        && bytes[start..end]
            .chunks_exact(3)
            .all(|order| matches!(order, [STRUCT_IN_FIELD_1 | STRUCT_IN_FIELD_2, 0, 0]));
    if !well_formed {
        return Err(unknown());
    }
    bytes[start..end].iter_mut().step_by(3).for_each(|order| *order = STRUCT_IN_FIELD_1);
    Ok(())
}

fn encode_parquet(
    dataset: &Dataset,
    schema: SchemaRef,
    batches: &[RecordBatch],
    content: &Content,
) -> parquet::errors::Result<Vec<u8>> {
    let options = ArrowWriterOptions::new()
        .with_properties(properties(dataset, &schema, content)?)
        .with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let writer = ArrowWriter::try_new_with_options(&mut bytes, Arc::clone(&schema), options)?;
    let (mut file, factory) = writer.into_serialized_writer()?;
    // Two row groups at a time keep every core busy without holding more encoded pages than that.
    for (window, group) in batches.chunks(2).enumerate() {
        let encoded: Vec<Vec<ArrowColumnChunk>> = group
            .par_iter()
            .enumerate()
            .map(|(at, batch)| {
                let writers = factory.create_column_writers(window * 2 + at)?;
                let mut leaves = Vec::with_capacity(writers.len());
                for (column, field) in batch.columns().iter().zip(schema.fields()) {
                    leaves.append(&mut compute_leaves(field, column)?);
                }
                writers
                    .into_par_iter()
                    .zip(leaves)
                    .map(|(mut writer, leaf)| {
                        writer.write(&leaf)?;
                        writer.close()
                    })
                    .collect::<parquet::errors::Result<Vec<_>>>()
            })
            .collect::<parquet::errors::Result<Vec<_>>>()?;
        for chunks in encoded {
            let mut row_group = file.next_row_group()?;
            for chunk in chunks {
                chunk.append_to_row_group(&mut row_group)?;
            }
            row_group.close()?;
        }
    }
    file.close()?;
    Ok(bytes)
}

fn properties(dataset: &Dataset, schema: &SchemaRef, content: &Content) -> parquet::errors::Result<WriterProperties> {
    let footer =
        serde_json::to_string(content).map_err(|error| parquet::errors::ParquetError::External(error.into()))?;
    let sorting = dataset
        .sorted_by
        .iter()
        .filter_map(|name| schema.index_of(name).ok())
        .map(|at| schema.fields()[..at].iter().map(|field| leaves(field.data_type())).sum::<usize>())
        .map(|leaf| SortingColumn {
            column_idx: i32::try_from(leaf).unwrap_or(i32::MAX),
            descending: false,
            nulls_first: false,
        })
        .collect();
    let mut builder = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(None)
        .set_sorting_columns(Some(sorting))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(vec![KeyValue::new(FOOTER_KEY.to_owned(), footer)]));
    for leaf in ArrowSchemaConverter::new().convert(schema)?.columns() {
        let column = leaf.path().clone();
        let name = column.parts().first().map_or("", String::as_str);
        builder = match dataset.packing_of(name) {
            Packing::Delta => builder.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED),
            Packing::Dictionary => builder.set_column_dictionary_enabled(column, true),
            Packing::Plain => builder,
        };
    }
    Ok(builder.build())
}

/// Reads the footer only.
///
/// # Errors
/// `Corrupt` when the bytes are not a whole Parquet file.
pub fn metadata(bytes: &Bytes, what: &str) -> Result<ParquetMetaData> {
    ParquetMetaDataReader::new().parse_and_finish(bytes).map_err(|error| not_parquet(what, error))
}

/// The manifest content that the file carries in its footer.
///
/// # Errors
/// `Corrupt` when the footer has none or it does not parse.
pub fn content(metadata: &ParquetMetaData, what: &str) -> Result<Content> {
    let text = metadata
        .file_metadata()
        .key_value_metadata()
        .and_then(|entries| entries.iter().find(|entry| entry.key == FOOTER_KEY))
        .and_then(|entry| entry.value.as_deref())
        .ok_or_else(|| Error::corrupt(format!("{what} carries no pitlake record in its footer")))?;
    serde_json::from_str(text)
        .map_err(|error| Error::corrupt(format!("the record in the footer of {what} cannot be read")).caused_by(error))
}

/// All rows of a partition, one batch per at most `batch_rows`.
///
/// # Errors
/// `Corrupt` when the file cannot be decoded.
pub fn read(bytes: Bytes, batch_rows: usize, what: &str) -> Result<Vec<RecordBatch>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(|builder| builder.with_batch_size(batch_rows).build())
        .map_err(|error| not_parquet(what, error))?;
    reader
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Error::corrupt(format!("{what} cannot be decoded; run `pitlake verify`")).caused_by(error))
}

fn not_parquet(what: &str, error: parquet::errors::ParquetError) -> Error {
    Error::corrupt(format!("{what} is not a whole Parquet file; run `pitlake verify`")).caused_by(error)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Float64Array, ListArray, StringArray, StructArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{Field, FieldRef, Schema};

    use super::*;
    use parquet::basic::{ColumnOrder, SortOrder};

    use crate::lake::dataset::Cut;

    static DATASET: Dataset = Dataset {
        name: "greeks",
        about: "two columns",
        cut: Cut::Day,
        schema,
        sorted_by: &["strike"],
        packing: &[("strike", Packing::Dictionary), ("gamma_exposure", Packing::Delta)],
        row_group_rows: 10,
    };

    fn schema() -> SchemaRef {
        let gamma = Field::new("gamma_exposure", DataType::Int64, true);
        Arc::new(Schema::new(vec![gamma, Field::new("strike", DataType::Float64, false)]))
    }

    #[test]
    fn orders_are_the_types_own_and_the_footer_stays_whole() {
        let footer = [0x2c, 0, 0, 0x1c, 0, 0, 0];
        let mut bytes = [&footer[..], &[9, 9, 9, 9], b"PAR1"].concat();
        type_defined_orders(&mut bytes, 2).unwrap();
        assert_eq!(bytes[..7], [0x1c, 0, 0, 0x1c, 0, 0, 0]);
        assert!(type_defined_orders(&mut bytes, 3).is_err(), "another number of columns is not our footer");

        let batch = RecordBatch::new_empty(schema());
        let written = encode(&DATASET, &[batch], &crate::lake::manifest::tests::content()).unwrap();
        let metadata = metadata(&Bytes::from(written), "a test file").unwrap();
        let orders = metadata.file_metadata().column_orders().unwrap();
        assert_eq!(orders[1], ColumnOrder::TYPE_DEFINED_ORDER(SortOrder::SIGNED), "strike is a double");
        assert_eq!(orders.len(), 2);
    }

    static NESTED: Dataset = Dataset {
        name: "profiles",
        about: "lists of pairs and of texts before the sort column",
        cut: Cut::Year,
        schema: nested,
        sorted_by: &["poc"],
        packing: &[("reasons", Packing::Dictionary), ("single_prints", Packing::Dictionary)],
        row_group_rows: 10,
    };

    fn element(data_type: DataType) -> FieldRef {
        Arc::new(Field::new("element", data_type, false))
    }

    fn pair() -> DataType {
        let price = |name: &str| Field::new(name, DataType::Float64, false);
        DataType::Struct(vec![price("low"), price("high")].into())
    }

    fn nested() -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("single_prints", DataType::List(element(pair())), false),
            Field::new("reasons", DataType::List(element(DataType::Utf8)), false),
            Field::new("poc", DataType::Float64, false),
        ]))
    }

    #[test]
    fn nested_columns_come_back_and_the_sort_column_is_counted_in_leaves() {
        let DataType::Struct(members) = pair() else { unreachable!() };
        let price = |values: [f64; 3]| -> ArrayRef { Arc::new(Float64Array::from_iter_values(values)) };
        let pairs = StructArray::new(members, vec![price([1.0, 3.0, 5.0]), price([2.0, 4.0, 6.0])], None);
        let list = |element, lengths: [usize; 3], values| -> ArrayRef {
            Arc::new(ListArray::new(element, OffsetBuffer::from_lengths(lengths), values, None))
        };
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["missing_minutes"]));
        let columns = vec![
            list(element(pair()), [2, 0, 1], Arc::new(pairs)),
            list(element(DataType::Utf8), [0, 1, 0], texts),
            price([10.0, 20.0, 30.0]),
        ];
        let batch = RecordBatch::try_new(nested(), columns).unwrap();
        let content = crate::lake::manifest::tests::content();
        let bytes = Bytes::from(encode(&NESTED, &[batch.clone(), batch.clone()], &content).unwrap());
        let metadata = metadata(&bytes, "a test file").unwrap();
        let orders = metadata.file_metadata().column_orders().unwrap();
        assert_eq!(orders.len(), 4, "low, high, the text and the price");
        assert!(orders.iter().all(|order| matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(_))));
        assert_eq!(metadata.row_group(0).sorting_columns().unwrap()[0].column_idx, 3);
        assert!(metadata.row_group(1).column(2).dictionary_page_offset().is_some(), "packing reaches the leaves");
        let read = read(bytes, 3, "a test file").unwrap();
        assert_eq!(read, [batch.clone(), batch]);
    }
}
