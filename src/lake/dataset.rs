//! What a dataset is: a name, one Arrow schema, one sort order, how its partitions are cut. Rooms declare theirs in
//! `record.rs`; the server's list of rooms puts them together.

use arrow::datatypes::SchemaRef;

/// How a dataset is cut into partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Day,
    Year,
}

/// How one column is written to Parquet. The choice is measured, see `lake-layout.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// DELTA_BINARY_PACKED: integers and timestamps that move little from row to row.
    Delta,
    /// Dictionary: few distinct values.
    Dictionary,
    /// Plain.
    Plain,
}

/// A named table of the lake.
#[derive(Debug)]
pub struct Dataset {
    pub name: &'static str,
    /// One sentence for `/api/v1/datasets` and `lake-layout.md`.
    pub about: &'static str,
    pub cut: Cut,
    /// Builds the schema that new partitions are written with.
    pub schema: fn() -> SchemaRef,
    /// Column names of the sort order, all ascending.
    pub sorted_by: &'static [&'static str],
    /// Packing by column; columns not named are plain.
    pub packing: &'static [(&'static str, Packing)],
    /// The most rows in a row group.
    pub row_group_rows: usize,
}

impl Dataset {
    pub fn packing_of(&self, column: &str) -> Packing {
        self.packing.iter().find(|(name, _)| *name == column).map_or(Packing::Plain, |(_, packing)| *packing)
    }
}
